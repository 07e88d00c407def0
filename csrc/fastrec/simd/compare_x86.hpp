// Compares for SSE, AVX2 and AVX-512.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace fastrec {
namespace {

#if defined(__AVX512F__)
inline std::uint32_t lanes_reaching(const float* values, float least) noexcept {
  return _mm512_cmp_ps_mask(_mm512_loadu_ps(values), _mm512_set1_ps(least), _CMP_GE_OQ);
}
inline std::uint32_t lanes_reaching(const double* values, double least) noexcept {
  return _mm512_cmp_pd_mask(_mm512_loadu_pd(values), _mm512_set1_pd(least), _CMP_GE_OQ);
}

inline std::ptrdiff_t count_above(const std::int16_t* numbers, std::ptrdiff_t n, std::int16_t bar) noexcept {
  constexpr std::ptrdiff_t lanes = 32;
  const __m512i bars = _mm512_set1_epi16(bar);
  std::ptrdiff_t count = 0, i = 0;
  for (; i + lanes <= n; i += lanes) {
    count += __builtin_popcount(_mm512_cmpgt_epi16_mask(_mm512_loadu_si512(numbers + i), bars));
  }
  const __mmask32 left = (1u << (n - i)) - 1;
  return count +
         __builtin_popcount(_mm512_mask_cmpgt_epi16_mask(left, _mm512_maskz_loadu_epi16(left, numbers + i), bars));
}
#elif defined(__AVX2__)
inline std::uint32_t lanes_reaching(const float* values, float least) noexcept {
  const __m256 reach = _mm256_cmp_ps(_mm256_loadu_ps(values), _mm256_set1_ps(least), _CMP_GE_OQ);
  return static_cast<std::uint32_t>(_mm256_movemask_ps(reach));
}
inline std::uint32_t lanes_reaching(const double* values, double least) noexcept {
  const __m256d reach = _mm256_cmp_pd(_mm256_loadu_pd(values), _mm256_set1_pd(least), _CMP_GE_OQ);
  return static_cast<std::uint32_t>(_mm256_movemask_pd(reach));
}
#else
inline std::uint32_t lanes_reaching(const float* values, float least) noexcept {
  return static_cast<std::uint32_t>(_mm_movemask_ps(_mm_cmpge_ps(_mm_loadu_ps(values), _mm_set1_ps(least))));
}
inline std::uint32_t lanes_reaching(const double* values, double least) noexcept {
  return static_cast<std::uint32_t>(_mm_movemask_pd(_mm_cmpge_pd(_mm_loadu_pd(values), _mm_set1_pd(least))));
}
#endif

}  // namespace
}  // namespace fastrec
