// Fused multiply-adds for NEON.
#pragma once

#include <arm_neon.h>

namespace fastrec {
namespace {

typedef float Floats __attribute__((vector_size(16)));
typedef double Doubles __attribute__((vector_size(16)));

inline Floats fused_on_this_set(Floats a, Floats b, Floats c) noexcept {
  return (Floats)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
inline Doubles fused_on_this_set(Doubles a, Doubles b, Doubles c) noexcept {
  return (Doubles)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}

}  // namespace
}  // namespace fastrec
