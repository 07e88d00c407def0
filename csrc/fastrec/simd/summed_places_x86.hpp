// The same for AVX-512: a part's words by one permutation of its table, its sums in the lanes that a mask names; and
// for AVX2: a part's one word in every lane, its places' bits shifted to where a blend looks for them.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fastrec {
namespace {

#if defined(__AVX512DQ__)
inline double cost_of_places() noexcept { return 14.0; }

template <class RowOf, class TermOf>
void sum_places(const Places& places, std::int64_t n, const RowOf& row_of, const TermOf& term_of,
                double* sums) noexcept {
  constexpr std::int64_t ahead = 8;  // rows lie anywhere: asked for beforehand, from the tables of most parts
  static_assert(place_parts == 4 && part_places == 16 && part_words == 32);
  __m512i words[place_parts], bits[place_parts];
  __m512d low[place_parts], high[place_parts];
#pragma GCC unroll 4
  for (int part = 0; part < place_parts; ++part) {
    words[part] = _mm512_load_si512(places.words + part * part_places);
    bits[part] = _mm512_load_si512(places.bits + part * part_places);
    low[part] = high[part] = _mm512_setzero_pd();
  }
  for (std::int64_t t = 0; t < n; ++t) {
    const std::uint32_t *row = row_of(t), *later = row_of(std::min(t + ahead, n - 1));
    for (const int part : {0, place_parts - 1}) {
      __builtin_prefetch(later + places.first_word[part]);
      __builtin_prefetch(later + places.first_word[part] + part_places);
    }
    const __m512d term = _mm512_set1_pd(term_of(t));
#pragma GCC unroll 4
    for (int part = 0; part < place_parts; ++part) {
      const std::uint32_t* table = row + places.first_word[part];
      const __m512i first = _mm512_loadu_si512(table), second = _mm512_loadu_si512(table + part_places);
      const __mmask16 set = _mm512_test_epi32_mask(_mm512_permutex2var_epi32(first, words[part], second), bits[part]);
      low[part] = _mm512_mask_add_pd(low[part], static_cast<__mmask8>(set), low[part], term);
      high[part] = _mm512_mask_add_pd(high[part], static_cast<__mmask8>(set >> 8), high[part], term);
    }
  }
#pragma GCC unroll 4
  for (int part = 0; part < place_parts; ++part) {
    _mm512_storeu_pd(sums + part * part_places, low[part]);
    _mm512_storeu_pd(sums + part * part_places + part_places / 2, high[part]);
  }
}
#else
inline double cost_of_places() noexcept { return 10.0; }

template <class RowOf, class TermOf>
void sum_places(const Places& places, std::int64_t n, const RowOf& row_of, const TermOf& term_of,
                double* sums) noexcept {
  constexpr std::int64_t ahead = 8;
  static_assert(part_places == 4 && part_words == 2);
  alignas(32) std::int64_t to_sign[summed_places];
  for (int i = 0; i < summed_places; ++i) {
    const int bit = 32 * places.words[i] + __builtin_ctz(places.bits[i] | 1u << 31);
    to_sign[i] = places.bits[i] == 0 ? 64 : 63 - bit;
  }
  __m256d summed[place_parts];
#pragma GCC unroll 12
  for (__m256d& sum : summed) sum = _mm256_setzero_pd();
  for (std::int64_t t = 0; t < n; ++t) {
    const std::uint32_t *row = row_of(t), *later = row_of(std::min(t + ahead, n - 1));
    for (const int part : {0, place_parts / 3, 2 * place_parts / 3, place_parts - 1}) {
      __builtin_prefetch(later + places.first_word[part]);
    }
    const __m256d term = _mm256_set1_pd(term_of(t));
#pragma GCC unroll 12
    for (int part = 0; part < place_parts; ++part) {
      std::int64_t word;
      std::memcpy(&word, row + places.first_word[part], sizeof word);
      const __m256i shift = _mm256_load_si256(reinterpret_cast<const __m256i*>(to_sign + part * part_places));
      const __m256d signs = _mm256_castsi256_pd(_mm256_sllv_epi64(_mm256_set1_epi64x(word), shift));
      summed[part] = _mm256_add_pd(summed[part], _mm256_blendv_pd(_mm256_setzero_pd(), term, signs));
    }
  }
#pragma GCC unroll 12
  for (int part = 0; part < place_parts; ++part) _mm256_storeu_pd(sums + part * part_places, summed[part]);
}
#endif

}  // namespace
}  // namespace fastrec
