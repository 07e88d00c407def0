// The same for AVX2, and for processors that count the bits of a vector, which not all with AVX-512 do.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

#if defined(__AVX512F__)
__attribute__((target("avx512vpopcntdq"),
               noinline)) void common_bits_by_vector(const std::uint64_t* a, const std::uint64_t* b,
                                                     std::ptrdiff_t n_words,
                                                     std::uint64_t (&counts)[bits_together][bits_together]) noexcept {
  __m512i sums[bits_together][bits_together] = {};
  for (std::ptrdiff_t w = 0; w < n_words; w += head_words) {
    __m512i right[bits_together];
#pragma GCC unroll 4
    for (int j = 0; j < bits_together; ++j) right[j] = _mm512_loadu_si512(b + j * n_words + w);
#pragma GCC unroll 4
    for (int i = 0; i < bits_together; ++i) {
      const __m512i left = _mm512_loadu_si512(a + i * n_words + w);
#pragma GCC unroll 4
      for (int j = 0; j < bits_together; ++j) {
        sums[i][j] = _mm512_add_epi64(sums[i][j], _mm512_popcnt_epi64(_mm512_and_si512(left, right[j])));
      }
    }
  }
  for (int i = 0; i < bits_together; ++i) {
    for (int j = 0; j < bits_together; ++j)
      counts[i][j] = static_cast<std::uint64_t>(_mm512_reduce_add_epi64(sums[i][j]));
  }
}
#endif

// By tables of the bits of four (W. Mula, N. Kurz, D. Lemire, "Faster population counts using AVX2 instructions",
// 2018).
inline std::uint64_t common_bits_by_nibble(const std::uint64_t* a, const std::uint64_t* b,
                                           std::ptrdiff_t n_words) noexcept {
  constexpr std::ptrdiff_t vector_words = 4, words_of_bytes = 31 * vector_words;  // at most 8 bits a byte and vector
  const __m256i bits_of_four = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                                0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i low_four = _mm256_set1_epi8(15);
  __m256i sums = _mm256_setzero_si256();
  for (std::ptrdiff_t first = 0; first < n_words; first += words_of_bytes) {
    const std::ptrdiff_t last = std::min(first + words_of_bytes, n_words);
    __m256i bytes = _mm256_setzero_si256();
    for (std::ptrdiff_t w = first; w < last; w += vector_words) {
      const __m256i left = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + w));
      const __m256i both = _mm256_and_si256(left, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + w)));
      const __m256i low = _mm256_and_si256(both, low_four);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi64(both, 4), low_four);
      bytes = _mm256_add_epi8(bytes, _mm256_shuffle_epi8(bits_of_four, low));
      bytes = _mm256_add_epi8(bytes, _mm256_shuffle_epi8(bits_of_four, high));
    }
    sums = _mm256_add_epi64(sums, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
  }
  const __m128i halves = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(halves) + _mm_extract_epi64(halves, 1));
}

}  // namespace
}  // namespace fastrec
