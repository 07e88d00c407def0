// Fused multiply-add of eight doubles for AVX-512 and for AVX2 with FMA, and eight floats as doubles for AVX-512, which
// compilers split.
#pragma once

#include <immintrin.h>

namespace fastrec {
namespace {

typedef double Eight __attribute__((vector_size(64)));

inline Eight fused_on_this_set(Eight a, Eight b, Eight c) noexcept {
#if defined(__AVX512F__)
  return (Eight)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#else
  union Halves {
    Eight whole;
    __m256d half[2];
  };
  const Halves x{a}, y{b}, z{c};
  Halves out;
  out.half[0] = _mm256_fmadd_pd(x.half[0], y.half[0], z.half[0]);
  out.half[1] = _mm256_fmadd_pd(x.half[1], y.half[1], z.half[1]);
  return out.whole;
#endif
}

#if defined(__AVX512F__)
inline Eight widened_on_this_set(const float* from) noexcept {
  return (Eight)_mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(from));
}
#endif

}  // namespace
}  // namespace fastrec
