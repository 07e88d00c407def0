// Integer products of sixteen queries with two panels of items in the tile registers of AMX. A row of a tile holds 64
// bytes; TDPBSUD adds to a tile of 16 queries x 16 items the product of 16 queries x 64 factors with 64 factors x 16
// items, whose rows hold four factors, as a panel's do.
#pragma once

#include "fastrec/simd/dot_tile.hpp"
#include "fastrec/simd/tile_registers_x86.hpp"

namespace fastrec {
namespace {

// As VectorProducts.
class TileProducts {
  static constexpr int n_rows = tile_rows, row_bytes = tile_row_bytes, row_sums = row_bytes / 4;
  static constexpr std::ptrdiff_t step_bytes = panel_items * step_factors, tile_bytes = n_rows * step_bytes;

 public:
  static constexpr int n_queries = n_rows, n_panels = 2;

  explicit TileProducts(std::ptrdiff_t n_steps) noexcept
      : n_blocks_((n_steps * step_factors + row_bytes - 1) / row_bytes), panel_bytes_(n_steps * step_bytes) {}

  // A query's codes fill whole rows. Beyond its factors they are 0, so that it does not matter what items have there.
  void put(const std::int8_t* query, std::int8_t* codes, std::ptrdiff_t q) const noexcept {
    std::copy(query, query + panel_bytes_ / panel_items, codes + q * n_blocks_ * row_bytes);
  }

  void copy(const std::int8_t* codes, std::ptrdiff_t from, std::int8_t* to, std::ptrdiff_t q) const noexcept {
    std::copy_n(codes + from * n_blocks_ * row_bytes, n_blocks_ * row_bytes, to + q * n_blocks_ * row_bytes);
  }

  static constexpr std::int32_t passes_no_product = most_product;
  template <class Numbers>
  static Numbers as_bar(Numbers least) noexcept {
    return least;
  }

  void multiply(const std::uint8_t* items, const std::int8_t* codes, std::ptrdiff_t q, const std::int32_t* start,
                std::int32_t* out, std::ptrdiff_t out_step) const noexcept {
    alignas(64) std::int32_t starts[n_rows][row_sums];
    for (int row = 0; row < n_rows; ++row) store_bytes(starts[row], broadcast(start[row]));
    tiles_read_memory();
    _tile_loadd(0, starts, row_bytes);
    _tile_loadd(1, starts, row_bytes);
    _tile_loadd(2, starts, row_bytes);
    _tile_loadd(3, starts, row_bytes);
    add_products(items, codes + q * n_blocks_ * row_bytes);
    store_sums(out, out_step);
  }

  template <class Found>
  void find(const std::uint8_t* items, const std::int8_t* codes, const std::int32_t* places, const std::int32_t* bars,
            std::ptrdiff_t bars_step, const Found& found) const noexcept {
    const std::ptrdiff_t query_bytes = n_blocks_ * row_bytes;
    const std::int8_t* queries = codes + places[0] * query_bytes;
    const bool different = places[n_rows - 2] != places[n_rows - 1];  // places ascend, but the last may be repeated
    if (!different || places[n_rows - 1] - places[0] != n_rows - 1) {
      for (int t = 0; t < n_rows; ++t) {
        for (std::ptrdiff_t at = 0; at < query_bytes; at += row_bytes) {
          store_bytes(together_ + t * query_bytes + at, load_bytes(codes + places[t] * query_bytes + at));
        }
      }
      queries = together_;
      tiles_read_memory();
    }
    alignas(64) std::int32_t sums[n_panels][n_rows][panel_items];
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    add_products(items, queries);
    store_sums(sums[0][0], n_rows * panel_items);
    alignas(32) std::uint16_t reached[n_rows];  // by the largest in each place of a row
    for (int t = 0; t < n_rows; ++t) {
      const Bytes a = larger(load_bytes(sums[0][t]), load_bytes(sums[0][t] + row_sums));
      const Bytes b = larger(load_bytes(sums[1][t]), load_bytes(sums[1][t] + row_sums));
      const std::int32_t less = std::min(bars[places[t]], bars[bars_step + places[t]]);
      reached[t] = static_cast<std::uint16_t>(reaching(larger(a, b), broadcast(less)));
    }
    const __m256i rows = _mm256_load_si256(reinterpret_cast<const __m256i*>(reached));
    for (std::uint32_t left = _mm256_test_epi16_mask(rows, rows); left != 0; left &= left - 1) {
      const int t = __builtin_ctz(left);
      for (int p = 0; p < n_panels; ++p) {
        const std::uint32_t bits = at_least(sums[p][t], bars[p * bars_step + places[t]]);
        if (bits != 0) found(p, t, bits);
      }
    }
  }

 private:
  void add_products(const std::uint8_t* items, const std::int8_t* queries) const noexcept {
    const std::ptrdiff_t query_bytes = n_blocks_ * row_bytes;
    for (std::ptrdiff_t block = 0; block < n_blocks_; ++block) {
      const std::uint8_t* at = items + block * tile_bytes;
      _tile_loadd(4, queries + block * row_bytes, query_bytes);
      _tile_loadd(5, at, step_bytes);
      _tile_dpbsud(0, 4, 5);
      _tile_loadd(6, at + row_bytes, step_bytes);
      _tile_dpbsud(1, 4, 6);
      _tile_loadd(7, at + panel_bytes_, step_bytes);
      _tile_dpbsud(2, 4, 7);
      _tile_loadd(5, at + panel_bytes_ + row_bytes, step_bytes);
      _tile_dpbsud(3, 4, 5);
    }
  }

  static void store_sums(std::int32_t* out, std::ptrdiff_t out_step) noexcept {
    _tile_stored(0, out, panel_items * 4);
    _tile_stored(1, out + row_sums, panel_items * 4);
    _tile_stored(2, out + out_step, panel_items * 4);
    _tile_stored(3, out + out_step + row_sums, panel_items * 4);
  }

  const TileRegisters registers_;
  alignas(64) mutable std::int8_t together_[n_rows * most_screened_factors];  // codes of the queries of a find
  const std::ptrdiff_t n_blocks_, panel_bytes_;
};

}  // namespace
}  // namespace fastrec
