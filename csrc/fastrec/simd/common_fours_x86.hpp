// How many users, by fours of bits, an item has in common with many others: one lookup for four users and 32 items.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace fastrec {
namespace {

constexpr std::ptrdiff_t word_fours = 16;                          // of 64 users
constexpr std::ptrdiff_t vector_items = 32, fours_together = 256;  // items
constexpr std::ptrdiff_t vectors_together = fours_together / vector_items;

// counts[a][b]: bits of four that a and b have in common, twice.
struct CommonOfFour {
  alignas(32) std::uint8_t counts[16][vector_items];
};

constexpr CommonOfFour common_of_four = [] {
  CommonOfFour table = {};
  for (int a = 0; a < 16; ++a) {
    for (int b = 0; b < vector_items; ++b) {
      for (int bit = 1; bit < 16; bit *= 2) table.counts[a][b] += static_cast<std::uint8_t>((a & b & bit) != 0);
    }
  }
  return table;
}();

inline __m128i low_fours(__m128i bytes) noexcept { return _mm_and_si128(bytes, _mm_set1_epi8(15)); }
inline __m128i high_fours(__m128i bytes) noexcept { return low_fours(_mm_srli_epi16(bytes, 4)); }

// The fours of n words of an item: of a word those in the low halves of its bytes, then the others.
inline void split_item(const std::uint64_t* words, std::ptrdiff_t n, std::uint8_t* fours) noexcept {
  for (std::ptrdiff_t word = 0; word < n; ++word, fours += word_fours) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(words + word));
    const __m128i both = _mm_unpacklo_epi64(low_fours(bytes), high_fours(bytes));
    _mm_store_si128(reinterpret_cast<__m128i*>(fours), both);
  }
}

// The same of eight items, `step` words apart, side by side.
inline void split_eight_items(const std::uint64_t* words, std::ptrdiff_t step, std::ptrdiff_t n,
                              std::uint8_t (*fours)[fours_together], std::ptrdiff_t at) noexcept {
  for (std::ptrdiff_t word = 0; word < n; ++word, fours += word_fours) {
    __m128i twos[4], four_items[4];  // bytes of so many items, by turns
    for (int i = 0; i < 4; ++i) {
      const std::uint64_t* item = words + 2 * i * step + word;
      twos[i] = _mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(item)),
                                  _mm_loadl_epi64(reinterpret_cast<const __m128i*>(item + step)));
    }
    for (int i = 0; i < 2; ++i) {
      four_items[i] = _mm_unpacklo_epi16(twos[2 * i], twos[2 * i + 1]);
      four_items[i + 2] = _mm_unpackhi_epi16(twos[2 * i], twos[2 * i + 1]);
    }
    for (int i = 0; i < 4; ++i) {
      const __m128i left = four_items[i / 2 * 2], right = four_items[i / 2 * 2 + 1];
      const __m128i bytes = i % 2 ? _mm_unpackhi_epi32(left, right) : _mm_unpacklo_epi32(left, right);
      const __m128d low = _mm_castsi128_pd(low_fours(bytes)), high = _mm_castsi128_pd(high_fours(bytes));
      _mm_storel_pd(reinterpret_cast<double*>(fours[2 * i] + at), low);
      _mm_storeh_pd(reinterpret_cast<double*>(fours[2 * i + 1] + at), low);
      _mm_storel_pd(reinterpret_cast<double*>(fours[word_fours / 2 + 2 * i] + at), high);
      _mm_storeh_pd(reinterpret_cast<double*>(fours[word_fours / 2 + 2 * i + 1] + at), high);
    }
  }
}

// How many users of n words an item has in common with each item of a block.
inline void count_common(const std::uint8_t* item, const std::uint8_t (*block)[fours_together], std::ptrdiff_t n,
                         std::uint8_t (&counts)[fours_together]) noexcept {
  __m256i sums[vectors_together];
#pragma GCC unroll 8
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
#pragma GCC unroll 4
  for (std::ptrdiff_t at = 0; at < n * word_fours; ++at) {
    const __m256i row = _mm256_load_si256(reinterpret_cast<const __m256i*>(common_of_four.counts[item[at]]));
#pragma GCC unroll 8
    for (std::ptrdiff_t v = 0; v < vectors_together; ++v) {
      const __m256i users = _mm256_load_si256(reinterpret_cast<const __m256i*>(block[at] + v * vector_items));
      sums[v] = _mm256_add_epi8(sums[v], _mm256_shuffle_epi8(row, users));
    }
  }
#pragma GCC unroll 8
  for (std::ptrdiff_t v = 0; v < vectors_together; ++v) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(counts + v * vector_items), sums[v]);
  }
}

}  // namespace
}  // namespace fastrec
