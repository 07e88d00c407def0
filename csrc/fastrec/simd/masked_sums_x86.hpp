// Sums in the lanes that a mask names, for AVX-512.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "fastrec/simd/vectors.hpp"

namespace fastrec {
namespace {

inline Doubles added_where(std::uint32_t bits, Doubles sums, Doubles term) noexcept {
  return (Doubles)_mm512_mask_add_pd((__m512d)sums, static_cast<__mmask8>(bits), (__m512d)sums, (__m512d)term);
}

}  // namespace
}  // namespace fastrec
