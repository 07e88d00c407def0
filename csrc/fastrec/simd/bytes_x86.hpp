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
inline Bytes pairs_16(Bytes a, Bytes b) noexcept { return _mm512_maddubs_epi16(a, b); }
inline Bytes pairs_32(Bytes a) noexcept { return _mm512_madd_epi16(a, _mm512_set1_epi16(1)); }
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
inline Bytes pairs_16(Bytes a, Bytes b) noexcept { return _mm256_maddubs_epi16(a, b); }
inline Bytes pairs_32(Bytes a) noexcept { return _mm256_madd_epi16(a, _mm256_set1_epi16(1)); }
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
inline Bytes pairs_16(Bytes a, Bytes b) noexcept { return _mm_maddubs_epi16(a, b); }
inline Bytes pairs_32(Bytes a) noexcept { return _mm_madd_epi16(a, _mm_set1_epi16(1)); }
#endif

// Four codes of a query in every 32-bit lane.
inline Bytes four_codes(const std::int8_t* codes) noexcept {
  std::int32_t four;
  std::memcpy(&four, codes, sizeof four);
  return broadcast(four);
}

// sum + the products of four unsigned with four signed bytes, in every 32-bit lane.
#if defined(__AVX512VNNI__)
constexpr int largest_code = 127, zero_code = 128;
inline Bytes add_products(Bytes sum, Bytes items, Bytes query) noexcept {
  return _mm512_dpbusd_epi32(sum, items, query);
}
#else
// Pairs are added in 16 bits and saturate: items of 7 bits keep 2 * 127 * 127 below 2^15.
constexpr int largest_code = 63, zero_code = 64;
inline Bytes add_products(Bytes sum, Bytes items, Bytes query) noexcept {
  return add(sum, pairs_32(pairs_16(items, query)));
}
#endif

}  // namespace
}  // namespace fastrec
