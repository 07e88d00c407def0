// head_counts in the tile registers of AMX: bits become bytes, whose products are added up 64 users at a time.
#pragma once

#include <immintrin.h>

#include <algorithm>

#include "fastrec/kernels.hpp"
#include "fastrec/rows/pairs_of_blocks.hpp"
#include "fastrec/simd/tile_registers_x86.hpp"

namespace fastrec {
namespace {

constexpr std::ptrdiff_t block_tiles = block_items / tile_rows;
constexpr std::ptrdiff_t block_words = 16;  // by so many words at a time
constexpr std::ptrdiff_t tile_bytes = tile_rows * tile_row_bytes, packed_bytes = block_words * tile_bytes;
constexpr std::ptrdiff_t head_tiles_scratch = block_tiles * (2 * packed_bytes + block_tiles * tile_bytes);

inline double cost_of_head_word_in_tiles() noexcept { return 1.0 / 24; }

// out[word][item][user] of tile_rows items.
inline void pack_items_by_users(const std::uint64_t* bits, std::ptrdiff_t n_words, std::ptrdiff_t n,
                                std::uint8_t* out) noexcept {
  for (std::ptrdiff_t word = 0; word < n; ++word) {
    for (int item = 0; item < tile_rows; ++item) {
      const __m512i users = _mm512_maskz_set1_epi8(bits[item * n_words + word], 1);
      _mm512_store_si512(out + word * tile_bytes + item * tile_row_bytes, users);
    }
  }
}

// out[word][user / 4][item][user % 4] of tile_rows items.
inline void pack_users_by_items(const std::uint64_t* bits, std::ptrdiff_t n_words, std::ptrdiff_t n,
                                std::uint8_t* out) noexcept {
  const __m512i lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i steps = _mm512_mullo_epi64(lanes, _mm512_set1_epi64(n_words));
  const __m512i evens = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  const __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
  const __m512i spread = _mm512_set1_epi32(0x00204081);  // bit b of four comes to bit 8 b
  for (std::ptrdiff_t word = 0; word < n; ++word) {
    const __m512i first = _mm512_i64gather_epi64(steps, bits + word, 8);
    const __m512i second = _mm512_i64gather_epi64(steps, bits + 8 * n_words + word, 8);
    __m512i halves[2] = {_mm512_permutex2var_epi32(first, evens, second),
                         _mm512_permutex2var_epi32(first, odds, second)};
    for (int four = 0; four < tile_rows; ++four) {
      __m512i& left = halves[four / 8];
      const __m512i bytes = _mm512_mullo_epi32(_mm512_and_si512(left, _mm512_set1_epi32(0xf)), spread);
      _mm512_store_si512(out + word * tile_bytes + four * tile_row_bytes,
                         _mm512_and_si512(bytes, _mm512_set1_epi32(0x01010101)));
      left = _mm512_srli_epi32(left, 4);
    }
  }
}

// Adds what n words say to four tiles of counts: of two tiles of items with two others.
inline void add_common_users(const std::uint8_t* a, const std::uint8_t* b, std::ptrdiff_t n, std::uint8_t* above,
                             std::uint8_t* below) noexcept {
  _tile_loadd(0, above, tile_row_bytes);
  _tile_loadd(1, above + tile_bytes, tile_row_bytes);
  _tile_loadd(2, below, tile_row_bytes);
  _tile_loadd(3, below + tile_bytes, tile_row_bytes);
  for (std::ptrdiff_t at = 0; at < n * tile_bytes; at += tile_bytes) {
    _tile_loadd(4, a + at, tile_row_bytes);
    _tile_loadd(6, b + at, tile_row_bytes);
    _tile_dpbuud(0, 4, 6);
    _tile_loadd(7, b + packed_bytes + at, tile_row_bytes);
    _tile_dpbuud(1, 4, 7);
    _tile_loadd(5, a + packed_bytes + at, tile_row_bytes);
    _tile_dpbuud(2, 5, 6);
    _tile_dpbuud(3, 5, 7);
  }
  _tile_stored(0, above, tile_row_bytes);
  _tile_stored(1, above + tile_bytes, tile_row_bytes);
  _tile_stored(2, below, tile_row_bytes);
  _tile_stored(3, below + tile_bytes, tile_row_bytes);
}

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
