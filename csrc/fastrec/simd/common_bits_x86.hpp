// The same for processors that count the bits of a vector, which not all with AVX-512 do.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

// The sums of the lanes, below 2^31, of four vectors.
inline __m128i sums_of_four(__m512i a, __m512i b, __m512i c, __m512i d) noexcept {
  const __m512i even = _mm512_or_si512(a, _mm512_slli_epi64(b, 32)), odd = _mm512_or_si512(c, _mm512_slli_epi64(d, 32));
  const __m512i lanes = _mm512_add_epi32(_mm512_unpacklo_epi64(even, odd), _mm512_unpackhi_epi64(even, odd));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64(lanes, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

__attribute__((target("avx512vpopcntdq"), noinline)) void common_bits_by_vector(
    const std::uint64_t* a, const std::uint64_t* b, std::ptrdiff_t step, std::ptrdiff_t n,
    std::int32_t (&counts)[bits_together][bits_together]) noexcept {
  static_assert(bits_together == 4);
  __m512i sums[4][4];
#pragma GCC unroll 4
  for (auto& row : sums) {
#pragma GCC unroll 4
    for (__m512i& sum : row) sum = _mm512_setzero_si512();  // = {} goes through memory
  }
  for (std::ptrdiff_t w = 0; w < n; w += head_words) {
    __m512i right[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) right[j] = _mm512_loadu_si512(b + j * step + w);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512i left = _mm512_loadu_si512(a + i * step + w);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        sums[i][j] = _mm512_add_epi64(sums[i][j], _mm512_popcnt_epi64(_mm512_and_si512(left, right[j])));
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m128i four = sums_of_four(sums[i][0], sums[i][1], sums[i][2], sums[i][3]);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(counts[i]), four);
  }
}

// The sums of the lanes of four vectors.
__attribute__((target("avx512dq,avx512vl"))) inline __m128 wide_sums_of_four(__m512i a, __m512i b, __m512i c,
                                                                             __m512i d) noexcept {
  const __m512i ab = _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
  const __m512i cd = _mm512_add_epi64(_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
  const __m512i halves =
      _mm512_add_epi64(_mm512_shuffle_i64x2(ab, cd, 0b01'00'01'00), _mm512_shuffle_i64x2(ab, cd, 0b11'10'11'10));
  const __m256i first = _mm512_castsi512_si256(halves), second = _mm512_extracti64x4_epi64(halves, 1);
  return _mm256_cvtepu64_ps(
      _mm256_add_epi64(_mm256_permute2x128_si256(first, second, 0x20), _mm256_permute2x128_si256(first, second, 0x31)));
}

__attribute__((target("avx512vpopcntdq,avx512ifma,avx512dq,avx512vl"), noinline)) void common_weights_by_vector(
    const std::uint64_t* a, const std::uint64_t* b, const std::uint64_t* weights, std::ptrdiff_t step, std::ptrdiff_t n,
    float (&sums)[bits_together][bits_together]) noexcept {
  static_assert(bits_together == 4);
  __m512i lanes[4][4];
#pragma GCC unroll 4
  for (auto& row : lanes) {
#pragma GCC unroll 4
    for (__m512i& sum : row) sum = _mm512_setzero_si512();
  }
  for (std::ptrdiff_t w = 0; w < n; w += head_words) {
    const __m512i weight = _mm512_loadu_si512(weights + w);
    __m512i right[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) right[j] = _mm512_loadu_si512(b + j * step + w);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512i left = _mm512_loadu_si512(a + i * step + w);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const __m512i common = _mm512_popcnt_epi64(_mm512_and_si512(left, right[j]));
        lanes[i][j] = _mm512_madd52lo_epu64(lanes[i][j], common, weight);
      }
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    _mm_storeu_ps(sums[i], wide_sums_of_four(lanes[i][0], lanes[i][1], lanes[i][2], lanes[i][3]));
  }
}

}  // namespace
}  // namespace fastrec
