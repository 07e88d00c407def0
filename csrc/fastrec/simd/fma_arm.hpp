// Fused multiply-add of eight doubles for NEON.
#pragma once

#include <arm_neon.h>

namespace fastrec {
namespace {

typedef double Eight __attribute__((vector_size(64)));

inline Eight fused_on_this_set(Eight a, Eight b, Eight c) noexcept {
  union Quarters {
    Eight whole;
    float64x2_t quarter[4];
  };
  const Quarters x{a}, y{b}, z{c};
  Quarters out;
  for (int i = 0; i < 4; ++i) out.quarter[i] = vfmaq_f64(z.quarter[i], x.quarter[i], y.quarter[i]);
  return out.whole;
}

}  // namespace
}  // namespace fastrec
