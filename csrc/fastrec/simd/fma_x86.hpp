// What compilers do not make of vector extensions on x86: fused multiply-adds for AVX-512 and for AVX2 with FMA, and
// eight floats as doubles for AVX-512.
#pragma once

#include <immintrin.h>

namespace fastrec {
namespace {

#if defined(__AVX512F__)

typedef float Floats __attribute__((vector_size(64)));
typedef double Doubles __attribute__((vector_size(64)));

inline Doubles fused_on_this_set(Doubles a, Doubles b, Doubles c) noexcept {
  return (Doubles)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}
inline Floats fused_on_this_set(Floats a, Floats b, Floats c) noexcept {
  return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
inline Doubles widened_on_this_set(const float* from) noexcept {
  return (Doubles)_mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(from));
}

#else

typedef float Floats __attribute__((vector_size(32)));
typedef double Doubles __attribute__((vector_size(32)));

inline Floats fused_on_this_set(Floats a, Floats b, Floats c) noexcept {
  return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
inline Doubles fused_on_this_set(Doubles a, Doubles b, Doubles c) noexcept {
  return (Doubles)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}

#endif

}  // namespace
}  // namespace fastrec
