// head_counts in the tile registers of AMX: bits become bytes, whose products are added up 64 users at a time.
#pragma once

#include <algorithm>

#include "fastrec/kernels.hpp"
#include "fastrec/rows/pairs_of_blocks.hpp"
#include "fastrec/simd/common_tiles_x86.hpp"

namespace fastrec {
namespace {

constexpr std::ptrdiff_t block_tiles = block_items / tile_rows;
constexpr std::ptrdiff_t packed_bytes = block_words * tile_bytes;
constexpr std::ptrdiff_t head_tiles_scratch = block_tiles * (2 * packed_bytes + block_tiles * tile_bytes);

inline double cost_of_head_word_in_tiles() noexcept { return 1.0 / 24; }

// A row of a tile, or a column of it.
template <class Count>
void put_sums(const std::uint8_t* at, std::ptrdiff_t step, Count* to) noexcept {
  for (int t = 0; t < tile_rows; ++t) {
    std::int32_t sum;
    __builtin_memcpy(&sum, at + t * step, sizeof sum);
    to[t] = static_cast<Count>(sum);
  }
}

// Counts of the block of items `row` with the block `column`, and of `column` with `row`.
template <class Count>
void count_block(PairOfBlocks pair, const Head& head, std::uint8_t* scratch, Count* counts) noexcept {
  const auto [row, column] = pair;
  const std::ptrdiff_t first_i = row * block_items, n_i = std::min(block_items, head.n_items - first_i) / tile_rows;
  const std::ptrdiff_t first_j = column * block_items, n_j = std::min(block_items, head.n_items - first_j) / tile_rows;
  std::uint8_t *items = scratch, *users = items + block_tiles * packed_bytes,
               *sums = users + block_tiles * packed_bytes;
  std::fill(sums, sums + n_i * block_tiles * tile_bytes, std::uint8_t{0});
  for (std::ptrdiff_t word = 0; word < head.n_words; word += block_words) {
    const std::ptrdiff_t n = std::min(block_words, head.n_words - word);
    for (std::ptrdiff_t i = 0; i < n_i; ++i) {
      const std::uint64_t* bits = head.bits + (first_i + i * tile_rows) * head.n_words + word;
      pack_items_by_users(bits, head.n_words, n, items + i * packed_bytes);
    }
    for (std::ptrdiff_t j = 0; j < n_j; ++j) {
      const std::uint64_t* bits = head.bits + (first_j + j * tile_rows) * head.n_words + word;
      pack_users_by_items(bits, head.n_words, n, users + j * packed_bytes);
    }
    tiles_read_memory();
    for (std::ptrdiff_t j = 0; j < n_j; j += 2) {
      for (std::ptrdiff_t i = 0; i < n_i; i += 2) {
        std::uint8_t* at = sums + (i * block_tiles + j) * tile_bytes;
        add_common_users(items + i * packed_bytes, users + j * packed_bytes, n, at, at + block_tiles * tile_bytes);
      }
    }
  }
  for (std::ptrdiff_t i = 0; i < n_i * tile_rows; ++i) {
    for (std::ptrdiff_t j = 0; j < n_j; ++j) {
      const std::uint8_t* at = sums + (i / tile_rows * block_tiles + j) * tile_bytes + i % tile_rows * tile_row_bytes;
      put_sums(at, 4, counts + (first_i + i) * head.n_items + first_j + j * tile_rows);
    }
  }
  if (row == column) return;
  for (std::ptrdiff_t j = first_j; j < first_j + n_j * tile_rows; ++j) {
    for (std::ptrdiff_t i = 0; i < n_i; ++i) {
      const std::uint8_t* at = sums + (i * block_tiles + (j - first_j) / tile_rows) * tile_bytes + (j % tile_rows) * 4;
      put_sums(at, tile_row_bytes, counts + j * head.n_items + first_i + i * tile_rows);
    }
  }
}

template <class Count>
void head_counts_in_tiles(Rows pairs, Head head, std::uint8_t* scratch, Count* counts) noexcept {
  const TileRegisters registers;
  for (std::ptrdiff_t pair = pairs.first; pair < pairs.last; ++pair) {
    count_block(pair_of_blocks(pair, head.n_items), head, scratch, counts);
  }
}

}  // namespace
}  // namespace fastrec
