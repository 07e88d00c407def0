// Vectors of bytes and their products for NEON, as every arm64 processor has it.
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

namespace fastrec {
namespace {

typedef int32x4_t Bytes;
constexpr int vectors_at_once = 8;
inline Bytes broadcast(std::int32_t value) noexcept { return vdupq_n_s32(value); }
inline Bytes load_bytes(const void* from) noexcept {
  return vreinterpretq_s32_u8(vld1q_u8(static_cast<const std::uint8_t*>(from)));
}
inline void store_bytes(void* to, Bytes value) noexcept { vst1q_s32(static_cast<std::int32_t*>(to), value); }
inline Bytes add(Bytes a, Bytes b) noexcept { return vaddq_s32(a, b); }
inline Bytes pairs_32(Bytes a) noexcept { return vpaddlq_s16(vreinterpretq_s16_s32(a)); }
inline Bytes both(Bytes a, Bytes b) noexcept { return vandq_s32(a, b); }
inline bool all_negative(Bytes a) noexcept { return vmaxvq_s32(a) < 0; }
inline std::uint32_t reaching(Bytes a, Bytes b) noexcept {
  const uint32x4_t bits = {1, 2, 4, 8};
  return vaddvq_u32(vandq_u32(vcgeq_s32(a, b), bits));
}

// The 32-bit lanes of a and then b, each shifted down, in 16 bits; what these do not hold ends at their limits.
inline Bytes shifted_to_16(Bytes a, Bytes b, int shift) noexcept {
  const int32x4_t by = vdupq_n_s32(-shift);
  return vreinterpretq_s32_s16(vqmovn_high_s32(vqmovn_s32(vshlq_s32(a, by)), vshlq_s32(b, by)));
}
inline Bytes broadcast_16(std::int16_t value) noexcept { return vreinterpretq_s32_s16(vdupq_n_s16(value)); }
inline int16x8_t lanes_16(Bytes a) noexcept { return vreinterpretq_s16_s32(a); }
inline Bytes scaled_16(Bytes a, Bytes b) noexcept {  // a b / 2^15, to the nearest
  return vreinterpretq_s32_s16(vqrdmulhq_s16(lanes_16(a), lanes_16(b)));
}
inline Bytes less_16(Bytes a, Bytes b) noexcept {  // ends at the limits
  return vreinterpretq_s32_s16(vqsubq_s16(lanes_16(a), lanes_16(b)));
}
inline Bytes more_16(Bytes a, Bytes b) noexcept { return vreinterpretq_s32_s16(vqaddq_s16(lanes_16(a), lanes_16(b))); }
inline Bytes larger_16(Bytes a, Bytes b) noexcept { return vreinterpretq_s32_s16(vmaxq_s16(lanes_16(a), lanes_16(b))); }
inline std::uint32_t reaching_16(Bytes a, Bytes b) noexcept {
  const uint16x8_t bits = {1, 2, 4, 8, 16, 32, 64, 128};
  return vaddvq_u16(vandq_u16(vcgeq_s16(lanes_16(a), lanes_16(b)), bits));
}

inline void keep_in_register(Bytes& value) noexcept { __asm__("" : "+w"(value)); }

// sum + the products of four bytes with four bytes, in every 32-bit lane: in 16 bits each, pairs of them in 32.
constexpr bool short_sums = false;
constexpr int largest_code = 127, zero_code = 0;
inline Bytes add_products(Bytes sum, Bytes items, Bytes query) noexcept {
  const int8x16_t a = vreinterpretq_s8_s32(items), b = vreinterpretq_s8_s32(query);
  const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
  const int32x4_t high = vpaddlq_s16(vmull_high_s8(a, b));
  return vaddq_s32(sum, vpaddq_s32(low, high));
}

}  // namespace
}  // namespace fastrec
