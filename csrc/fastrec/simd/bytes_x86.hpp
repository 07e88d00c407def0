// Vectors of bytes and their products for SSE, AVX2, AVX-512 and VNNI.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace fastrec {
namespace {

#if defined(__AVX512BW__)
typedef __m512i Bytes;
constexpr int vectors_at_once = 16;
inline Bytes broadcast(std::int32_t value) noexcept { return _mm512_set1_epi32(value); }
inline Bytes load_bytes(const void* from) noexcept { return _mm512_loadu_si512(from); }
inline void store_bytes(void* to, Bytes value) noexcept { _mm512_storeu_si512(to, value); }
inline Bytes both(Bytes a, Bytes b) noexcept { return _mm512_and_si512(a, b); }
inline bool all_negative(Bytes a) noexcept { return _mm512_movepi32_mask(a) == 0xffff; }
// Which 32-bit lanes of a reach those of b, a lane a bit.
inline std::uint32_t reaching(Bytes a, Bytes b) noexcept { return _mm512_cmpge_epi32_mask(a, b); }
inline Bytes add(Bytes a, Bytes b) noexcept { return _mm512_add_epi32(a, b); }
inline Bytes larger(Bytes a, Bytes b) noexcept { return _mm512_max_epi32(a, b); }
inline Bytes add_16(Bytes a, Bytes b) noexcept { return _mm512_add_epi16(a, b); }
inline Bytes pairs_16(Bytes a, Bytes b) noexcept { return _mm512_maddubs_epi16(a, b); }
inline Bytes pairs_32(Bytes a) noexcept { return _mm512_madd_epi16(a, _mm512_set1_epi16(1)); }
// The 32-bit lanes of a and then b, each shifted down, in 16 bits; what these do not hold ends at their limits.
inline Bytes shifted_to_16(Bytes a, Bytes b, int shift) noexcept {
  const __m128i by = _mm_cvtsi32_si128(shift);
  const Bytes parts_by_turns = _mm512_packs_epi32(_mm512_sra_epi32(a, by), _mm512_sra_epi32(b, by));
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), parts_by_turns);
}
inline Bytes broadcast_16(std::int16_t value) noexcept { return _mm512_set1_epi16(value); }
inline Bytes scaled_16(Bytes a, Bytes b) noexcept { return _mm512_mulhrs_epi16(a, b); }  // a b / 2^15, to the nearest
inline Bytes less_16(Bytes a, Bytes b) noexcept { return _mm512_subs_epi16(a, b); }      // ends at the limits
inline Bytes more_16(Bytes a, Bytes b) noexcept { return _mm512_adds_epi16(a, b); }
inline Bytes larger_16(Bytes a, Bytes b) noexcept { return _mm512_max_epi16(a, b); }
inline std::uint32_t reaching_16(Bytes a, Bytes b) noexcept { return _mm512_cmpge_epi16_mask(a, b); }
#elif defined(__AVX2__)
typedef __m256i Bytes;
constexpr int vectors_at_once = 8;
inline Bytes broadcast(std::int32_t value) noexcept { return _mm256_set1_epi32(value); }
inline Bytes load_bytes(const void* from) noexcept { return _mm256_loadu_si256(static_cast<const Bytes*>(from)); }
inline void store_bytes(void* to, Bytes value) noexcept { _mm256_storeu_si256(static_cast<Bytes*>(to), value); }
inline Bytes both(Bytes a, Bytes b) noexcept { return _mm256_and_si256(a, b); }
inline bool all_negative(Bytes a) noexcept { return _mm256_movemask_ps(_mm256_castsi256_ps(a)) == 0xff; }
inline std::uint32_t reaching(Bytes a, Bytes b) noexcept {
  return ~static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(b, a)))) & 0xffu;
}
inline Bytes add(Bytes a, Bytes b) noexcept { return _mm256_add_epi32(a, b); }
inline Bytes add_16(Bytes a, Bytes b) noexcept { return _mm256_add_epi16(a, b); }
inline Bytes pairs_16(Bytes a, Bytes b) noexcept { return _mm256_maddubs_epi16(a, b); }
inline Bytes pairs_32(Bytes a) noexcept { return _mm256_madd_epi16(a, _mm256_set1_epi16(1)); }
inline Bytes shifted_to_16(Bytes a, Bytes b, int shift) noexcept {
  const __m128i by = _mm_cvtsi32_si128(shift);
  return _mm256_permute4x64_epi64(_mm256_packs_epi32(_mm256_sra_epi32(a, by), _mm256_sra_epi32(b, by)), 0xd8);
}
inline Bytes broadcast_16(std::int16_t value) noexcept { return _mm256_set1_epi16(value); }
inline Bytes scaled_16(Bytes a, Bytes b) noexcept { return _mm256_mulhrs_epi16(a, b); }
inline Bytes less_16(Bytes a, Bytes b) noexcept { return _mm256_subs_epi16(a, b); }
inline Bytes more_16(Bytes a, Bytes b) noexcept { return _mm256_adds_epi16(a, b); }
inline Bytes larger_16(Bytes a, Bytes b) noexcept { return _mm256_max_epi16(a, b); }
inline std::uint32_t reaching_16(Bytes a, Bytes b) noexcept {
  const Bytes below = _mm256_cmpgt_epi16(b, a);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(below), _mm256_extracti128_si256(below, 1));
  return ~static_cast<std::uint32_t>(_mm_movemask_epi8(bytes)) & 0xffffu;
}
#else
typedef __m128i Bytes;
constexpr int vectors_at_once = 8;
inline Bytes broadcast(std::int32_t value) noexcept { return _mm_set1_epi32(value); }
inline Bytes load_bytes(const void* from) noexcept { return _mm_loadu_si128(static_cast<const Bytes*>(from)); }
inline void store_bytes(void* to, Bytes value) noexcept { _mm_storeu_si128(static_cast<Bytes*>(to), value); }
inline Bytes both(Bytes a, Bytes b) noexcept { return _mm_and_si128(a, b); }
inline bool all_negative(Bytes a) noexcept { return _mm_movemask_ps(_mm_castsi128_ps(a)) == 0xf; }
inline std::uint32_t reaching(Bytes a, Bytes b) noexcept {
  return ~static_cast<std::uint32_t>(_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpgt_epi32(b, a)))) & 0xfu;
}
inline Bytes add(Bytes a, Bytes b) noexcept { return _mm_add_epi32(a, b); }
inline Bytes add_16(Bytes a, Bytes b) noexcept { return _mm_add_epi16(a, b); }
inline Bytes pairs_16(Bytes a, Bytes b) noexcept { return _mm_maddubs_epi16(a, b); }
inline Bytes pairs_32(Bytes a) noexcept { return _mm_madd_epi16(a, _mm_set1_epi16(1)); }
inline Bytes shifted_to_16(Bytes a, Bytes b, int shift) noexcept {
  const __m128i by = _mm_cvtsi32_si128(shift);
  return _mm_packs_epi32(_mm_sra_epi32(a, by), _mm_sra_epi32(b, by));
}
inline Bytes broadcast_16(std::int16_t value) noexcept { return _mm_set1_epi16(value); }
inline Bytes scaled_16(Bytes a, Bytes b) noexcept { return _mm_mulhrs_epi16(a, b); }
inline Bytes less_16(Bytes a, Bytes b) noexcept { return _mm_subs_epi16(a, b); }
inline Bytes more_16(Bytes a, Bytes b) noexcept { return _mm_adds_epi16(a, b); }
inline Bytes larger_16(Bytes a, Bytes b) noexcept { return _mm_max_epi16(a, b); }
inline std::uint32_t reaching_16(Bytes a, Bytes b) noexcept {
  const Bytes below = _mm_cmpgt_epi16(b, a);
  return ~static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(below, below))) & 0xffu;
}
#endif

// Keeps a value in a register; GCC 12 would rather load it again wherever it is used.
inline void keep_in_register(Bytes& value) noexcept { __asm__("" : "+v"(value)); }

// The products of four unsigned with four signed bytes are added to every 32-bit lane; or, where pairs of them only
// come in 16 bits and saturate there, to both halves of it.
#if defined(__AVX512VNNI__)
constexpr bool short_sums = false;
constexpr int largest_code = 127, zero_code = 128;
inline Bytes add_products(Bytes sum, Bytes items, Bytes query) noexcept {
  return _mm512_dpbusd_epi32(sum, items, query);
}
#else
constexpr bool short_sums = true;
constexpr int largest_code = 63, zero_code = 64;  // items of 7 bits: 2 * 127 * 127 < 2^15
inline Bytes add_products(Bytes sum, Bytes items, Bytes query) noexcept { return add_16(sum, pairs_16(items, query)); }
#endif

}  // namespace
}  // namespace fastrec
