// Integer products of a panel of 32 items with a tile of 8 queries, by the byte dot products of AVX2, AVX-512 and VNNI.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

constexpr bool has_dot_tile = true;

#if defined(__AVX512BW__)
typedef __m512i Bytes;
inline Bytes broadcast(std::int32_t value) noexcept { return _mm512_set1_epi32(value); }
inline Bytes load_bytes(const void* from) noexcept { return _mm512_loadu_si512(from); }
inline void store_bytes(void* to, Bytes value) noexcept { _mm512_storeu_si512(to, value); }
inline Bytes both(Bytes a, Bytes b) noexcept { return _mm512_and_si512(a, b); }
inline bool all_negative(Bytes a) noexcept { return _mm512_movepi32_mask(a) == 0xffff; }
constexpr int queries_at_once = 8;
#else
typedef __m256i Bytes;
inline Bytes broadcast(std::int32_t value) noexcept { return _mm256_set1_epi32(value); }
inline Bytes load_bytes(const void* from) noexcept { return _mm256_loadu_si256(static_cast<const Bytes*>(from)); }
inline void store_bytes(void* to, Bytes value) noexcept { _mm256_storeu_si256(static_cast<Bytes*>(to), value); }
inline Bytes both(Bytes a, Bytes b) noexcept { return _mm256_and_si256(a, b); }
inline bool all_negative(Bytes a) noexcept { return _mm256_movemask_ps(_mm256_castsi256_ps(a)) == 0xff; }
constexpr int queries_at_once = 2;  // four times the vectors, half the registers
#endif

// sum + the products of four unsigned with four signed bytes, in every 32-bit lane.
#if defined(__AVX512VNNI__)
constexpr int largest_code = 127, zero_code = 128;
inline Bytes add_products(Bytes sum, Bytes items, Bytes query) noexcept {
  return _mm512_dpbusd_epi32(sum, items, query);
}
#elif defined(__AVX512BW__)
// Pairs are added in 16 bits and saturate: items of 7 bits keep 2 * 127 * 127 below 2^15.
constexpr int largest_code = 63, zero_code = 64;
inline Bytes add_products(Bytes sum, Bytes items, Bytes query) noexcept {
  const Bytes pairs = _mm512_maddubs_epi16(items, query);
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
#else
constexpr int largest_code = 63, zero_code = 64;
inline Bytes add_products(Bytes sum, Bytes items, Bytes query) noexcept {
  const Bytes pairs = _mm256_maddubs_epi16(items, query);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
#endif

// Which of a panel's products reach `least`, an item a bit.
inline std::uint32_t at_least(const std::int32_t* products, std::int32_t least) noexcept {
  std::uint32_t bits = 0;
#if defined(__AVX512BW__)
  for (int v = 0; v < 2; ++v) {
    bits |= static_cast<std::uint32_t>(_mm512_cmpge_epi32_mask(load_bytes(products + 16 * v), broadcast(least)))
            << 16 * v;
  }
#else
  for (int v = 0; v < 4; ++v) {
    const Bytes below = _mm256_cmpgt_epi32(broadcast(least), load_bytes(products + 8 * v));
    bits |= (~static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(below))) & 0xffu) << 8 * v;
  }
#endif
  return bits;
}

// out[q][i] = start[q] + codes of query q times codes of item i; false, and perhaps nothing written, when all of them
// are negative.
template <bool always_write>
inline bool dot_tile(const std::uint8_t* panel, const std::int8_t* queries, std::ptrdiff_t n_steps,
                     const std::int32_t* start, std::int32_t (*out)[panel_items]) noexcept {
  constexpr int n_vectors = panel_items * step_factors / static_cast<int>(sizeof(Bytes));
  bool any = false;
  for (int first = 0; first < tile_queries; first += queries_at_once) {
    Bytes sums[queries_at_once][n_vectors];
#pragma GCC unroll 8
    for (int q = 0; q < queries_at_once; ++q) {
#pragma GCC unroll 4
      for (int v = 0; v < n_vectors; ++v) sums[q][v] = broadcast(start[first + q]);
    }
    for (std::ptrdiff_t step = 0; step < n_steps; ++step) {
      Bytes items[n_vectors];
#pragma GCC unroll 4
      for (int v = 0; v < n_vectors; ++v) {
        items[v] = load_bytes(panel + step * panel_items * step_factors + v * static_cast<int>(sizeof(Bytes)));
      }
      const std::int8_t* at = queries + (step * tile_queries + first) * step_factors;
#pragma GCC unroll 8
      for (int q = 0; q < queries_at_once; ++q) {
        std::int32_t four;
        __builtin_memcpy(&four, at + q * step_factors, sizeof four);
        const Bytes query = broadcast(four);
#pragma GCC unroll 4
        for (int v = 0; v < n_vectors; ++v) sums[q][v] = add_products(sums[q][v], items[v], query);
      }
    }
    Bytes signs = sums[0][0];
#pragma GCC unroll 8
    for (int q = 0; q < queries_at_once; ++q) {
#pragma GCC unroll 4
      for (int v = 0; v < n_vectors; ++v) signs = both(signs, sums[q][v]);
    }
    if (!all_negative(signs)) any = true;
    if (always_write || any || tile_queries != queries_at_once) {
#pragma GCC unroll 8
      for (int q = 0; q < queries_at_once; ++q) {
#pragma GCC unroll 4
        for (int v = 0; v < n_vectors; ++v) {
          store_bytes(out[first + q] + v * static_cast<int>(sizeof(Bytes) / sizeof(std::int32_t)), sums[q][v]);
        }
      }
    }
  }
  return any;
}

}  // namespace
}  // namespace fastrec
