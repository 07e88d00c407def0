// Integer products of panels of items with queries: the inner kernel of the screen. What differs between instruction
// sets is a vector of bytes and how the products of two of them are summed.
#pragma once

#include <algorithm>

#include "fastrec/kernels.hpp"
#include "fastrec/simd/whole.hpp"

#if defined(__x86_64__)
#include "fastrec/simd/bytes_x86.hpp"
#elif defined(__aarch64__)
#include "fastrec/simd/bytes_arm.hpp"
#endif

namespace fastrec {
namespace {

constexpr int panel_vectors = panel_items * step_factors / static_cast<int>(sizeof(Bytes));

// Short sums have 16 bits for so many steps, before they are added to those of 32. They begin with what zero_code adds
// to them, taken off, so that nothing of it is left in the products.
constexpr std::ptrdiff_t short_steps = 16;
static_assert(short_steps * step_factors == tile_factors, "there is room for one more step of each tile of factors");
constexpr int surplus_code = short_sums ? 0 : zero_code;

constexpr std::int32_t most_product = 1 << 30;  // above any sum of products of codes

// The codes of a query come in parts: of a step each, and before those of short sums what both halves of these begin
// with.
constexpr std::ptrdiff_t n_parts(std::ptrdiff_t n_steps) noexcept {
  return short_sums ? n_steps + (n_steps + short_steps - 1) / short_steps : n_steps;
}

// Four codes of a query in every 32-bit lane.
inline Bytes four_codes(const std::int8_t* codes) noexcept {
  std::int32_t four;
  std::memcpy(&four, codes, sizeof four);
  return broadcast(four);
}

// Which products are written: all, or those of a tile where one of them is not negative.
enum class Written { all, found };

// dot_tile of no more queries and panels than registers hold. Not inlined: elsewhere compilers keep less in registers.
template <Written written, int n_queries, int n_panels>
__attribute__((noinline)) bool dot_in_registers(const std::uint8_t* panels, std::ptrdiff_t panel_bytes,
                                                const std::int8_t* codes, std::ptrdiff_t query_bytes,
                                                const std::int32_t* places, std::ptrdiff_t n_steps,
                                                const std::int32_t* start, std::ptrdiff_t start_step, std::int32_t* out,
                                                std::ptrdiff_t out_step) noexcept {
  constexpr int lanes = static_cast<int>(sizeof(Bytes) / sizeof(std::int32_t));
  const std::int8_t* parts[n_queries];
#pragma GCC unroll 8
  for (int q = 0; q < n_queries; ++q) parts[q] = codes + places[q] * query_bytes;
  Bytes signs;
  std::ptrdiff_t step = 0, part = 0;
  do {
    const bool begins = step == 0;
    const std::ptrdiff_t last = short_sums && n_steps - step > short_steps ? step + short_steps : n_steps;
    Bytes sums[n_panels][n_queries][panel_vectors];
#pragma GCC unroll 8
    for (int p = 0; p < n_panels; ++p) {
#pragma GCC unroll 8
      for (int q = 0; q < n_queries; ++q) {
        const Bytes begin = short_sums ? four_codes(parts[q] + part) : broadcast(start[p * start_step + places[q]]);
#pragma GCC unroll 8
        for (int v = 0; v < panel_vectors; ++v) sums[p][q][v] = begin;
      }
    }
    if (short_sums) part += step_factors;
#pragma GCC unroll 2
    for (; step < last; ++step, part += step_factors) {
      Bytes fours[n_queries];
#pragma GCC unroll 8
      for (int q = 0; q < n_queries; ++q) fours[q] = four_codes(parts[q] + part);
#pragma GCC unroll 8
      for (int p = 0; p < n_panels; ++p) {
        const std::uint8_t* at = panels + p * panel_bytes + step * panel_items * step_factors;
#pragma GCC unroll 8
        for (int v = 0; v < panel_vectors; ++v) {
          Bytes items = load_bytes(at + v * static_cast<int>(sizeof(Bytes)));
          if (short_sums) keep_in_register(items);
#pragma GCC unroll 8
          for (int q = 0; q < n_queries; ++q) sums[p][q][v] = add_products(sums[p][q][v], items, fours[q]);
        }
      }
    }
    signs = broadcast(-1);
    const auto to = [=](int p, int q, int v) { return out + p * out_step + q * panel_items + v * lanes; };
#pragma GCC unroll 8
    for (int p = 0; p < n_panels; ++p) {
#pragma GCC unroll 8
      for (int q = 0; q < n_queries; ++q) {
#pragma GCC unroll 8
        for (int v = 0; v < panel_vectors; ++v) {
          Bytes& sum = sums[p][q][v];
          if (short_sums) {
            sum = add(pairs_32(sum), begins ? broadcast(start[p * start_step + places[q]]) : load_bytes(to(p, q, v)));
          }
          signs = both(signs, sum);
        }
      }
    }
    if (written == Written::found && step == n_steps && all_negative(signs)) return false;
#pragma GCC unroll 8
    for (int p = 0; p < n_panels; ++p) {
#pragma GCC unroll 8
      for (int q = 0; q < n_queries; ++q) {
#pragma GCC unroll 8
        for (int v = 0; v < panel_vectors; ++v) store_bytes(to(p, q, v), sums[p][q][v]);
      }
    }
  } while (short_sums && step < n_steps);
  return !all_negative(signs);
}

// out[p][q][i] = start[p][place of q] + codes of query q times codes of item i of panel p, for n_queries queries at
// these places and n_panels panels, which are start_step and out_step apart; whether one of them is not negative.
template <Written written, int n_queries, int n_panels>
inline bool dot_tile(const std::uint8_t* panels, std::ptrdiff_t panel_bytes, const std::int8_t* codes,
                     std::ptrdiff_t query_bytes, const std::int32_t* places, std::ptrdiff_t n_steps,
                     const std::int32_t* start, std::ptrdiff_t start_step, std::int32_t* out,
                     std::ptrdiff_t out_step) noexcept {
  constexpr int at_once = vectors_at_once / panel_vectors;
  constexpr int q_at_once = n_queries < at_once ? n_queries : at_once;
  constexpr int p_at_once = n_panels < at_once / q_at_once ? n_panels : at_once / q_at_once;
  constexpr Written of_each = q_at_once == n_queries && p_at_once == n_panels ? written : Written::all;
  bool any = false;
  for (int p = 0; p < n_panels; p += p_at_once) {
    for (int q = 0; q < n_queries; q += q_at_once) {
      any |= dot_in_registers<of_each, q_at_once, p_at_once>(panels + p * panel_bytes, panel_bytes, codes, query_bytes,
                                                             places + q, n_steps, start + p * start_step, start_step,
                                                             out + p * out_step + q * panel_items, out_step);
    }
  }
  return any;
}

// Which of a panel's products reach `least`, an item a bit.
inline std::uint32_t at_least(const std::int32_t* products, std::int32_t least) noexcept {
  constexpr int lanes = static_cast<int>(sizeof(Bytes) / sizeof(std::int32_t));
  std::uint32_t bits = 0;
  for (int i = 0; i < panel_items; i += lanes) bits |= reaching(load_bytes(products + i), broadcast(least)) << i;
  return bits;
}

// How n_queries queries at a time meet n_panels panels: where the codes of a block of queries lie, and their products.
template <int queries, int panels>
class VectorProducts {
 public:
  static constexpr int n_queries = queries, n_panels = panels;

  explicit VectorProducts(std::ptrdiff_t n_steps) noexcept : n_steps_(n_steps) {}

  // Sets the codes of query q.
  void put(const std::int8_t* query, std::int8_t* codes, std::ptrdiff_t q) const noexcept {
    std::int8_t* to = codes + q * query_bytes();
    for (std::ptrdiff_t step = 0; step < n_steps_; ++step, to += step_factors) {
      if (short_sums && step % short_steps == 0) {
        const std::ptrdiff_t last = std::min(step + short_steps, n_steps_);
        std::int32_t begin[2] = {};
        for (std::ptrdiff_t j = step * step_factors; j < last * step_factors; ++j) {
          begin[j % step_factors / 2] -= zero_code * query[j];
        }
        const std::uint16_t halves[2] = {static_cast<std::uint16_t>(begin[0]), static_cast<std::uint16_t>(begin[1])};
        __builtin_memcpy(to, halves, sizeof halves);
        to += step_factors;
      }
      __builtin_memcpy(to, query + step * step_factors, step_factors);
    }
  }

  // The codes of query `from` become those of query q of `to`.
  void copy(const std::int8_t* codes, std::ptrdiff_t from, std::int8_t* to, std::ptrdiff_t q) const noexcept {
    std::copy_n(codes + from * query_bytes(), query_bytes(), to + q * query_bytes());
  }

  // out[p * out_step + t * panel_items + i] = start[t] + the product of query q + t with item i of panel p.
  void multiply(const std::uint8_t* items, const std::int8_t* codes, std::ptrdiff_t q, const std::int32_t* start,
                std::int32_t* out, std::ptrdiff_t out_step) const noexcept {
    std::int32_t places[n_queries];
    for (int t = 0; t < n_queries; ++t) places[t] = t;
    dot_tile<Written::all, n_queries, n_panels>(items, panel_bytes(), codes + q * query_bytes(), query_bytes(), places,
                                                n_steps_, start, 0, out, out_step);
  }

  // What products are to reach, as `find` takes it.
  static constexpr std::int32_t passes_no_product = -most_product;
  template <class Numbers>
  static Numbers as_bar(Numbers least) noexcept {
    return -least;
  }

  // found(p, t, bits) for the items of panel p, a bit each, whose product with the query at places[t] reaches
  // bars[p * bars_step + places[t]], where there are some.
  template <class Found>
  void find(const std::uint8_t* items, const std::int8_t* codes, const std::int32_t* places, const std::int32_t* bars,
            std::ptrdiff_t bars_step, const Found& found) const noexcept {
    constexpr int n = n_panels * n_queries;
    alignas(64) std::int32_t above[n * panel_items];
    if (!dot_tile<Written::found, n_queries, n_panels>(items, panel_bytes(), codes, query_bytes(), places, n_steps_,
                                                       bars, bars_step, above, n_queries * panel_items)) {
      return;
    }
    std::uint32_t bits[n], rows = 0;
    for (int i = 0; i < n; ++i) {
      bits[i] = at_least(above + i * panel_items, 0);
      rows |= static_cast<std::uint32_t>(bits[i] != 0) << i;
    }
    for (; rows != 0; rows &= rows - 1) {
      const int i = __builtin_ctz(rows);
      found(i / n_queries, i % n_queries, bits[i]);
    }
  }

 private:
  std::ptrdiff_t panel_bytes() const noexcept { return n_steps_ * panel_items * step_factors; }
  std::ptrdiff_t query_bytes() const noexcept { return n_parts(n_steps_) * step_factors; }

  std::ptrdiff_t n_steps_;
};

}  // namespace
}  // namespace fastrec
