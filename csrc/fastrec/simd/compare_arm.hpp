// Compares of one vector for NEON.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace fastrec {
namespace {

inline std::uint32_t lanes_reaching(const float* values, float least) noexcept {
  const uint32x4_t bits = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(vcgeq_f32(vld1q_f32(values), vdupq_n_f32(least)), bits));
}
inline std::uint32_t lanes_reaching(const double* values, double least) noexcept {
  const uint64x2_t bits = {1, 2};
  return static_cast<std::uint32_t>(vaddvq_u64(vandq_u64(vcgeq_f64(vld1q_f64(values), vdupq_n_f64(least)), bits)));
}

}  // namespace
}  // namespace fastrec
