// Common users of items in tile registers: bits become bytes, whose products are added up 64 users at a time.
#pragma once

#include <cstddef>

#include "fastrec/simd/tile_registers_x86.hpp"

namespace fastrec {
namespace {

constexpr std::ptrdiff_t block_words = 16;  // packed at a time
constexpr std::ptrdiff_t tile_bytes = tile_rows * tile_row_bytes;

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
    _tile_loadd(7, b + block_words * tile_bytes + at, tile_row_bytes);
    _tile_dpbuud(1, 4, 7);
    _tile_loadd(5, a + block_words * tile_bytes + at, tile_row_bytes);
    _tile_dpbuud(2, 5, 6);
    _tile_dpbuud(3, 5, 7);
  }
  _tile_stored(0, above, tile_row_bytes);
  _tile_stored(1, above + tile_bytes, tile_row_bytes);
  _tile_stored(2, below, tile_row_bytes);
  _tile_stored(3, below + tile_bytes, tile_row_bytes);
}

}  // namespace
}  // namespace fastrec
