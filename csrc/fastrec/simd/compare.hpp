// Which of 64 numbers reach another, a number a bit, where NaN reaches nothing; and how many of many are above one.
#pragma once

#include <algorithm>

#include "fastrec/simd/vectors.hpp"

#if defined(__x86_64__)
#include "fastrec/simd/compare_x86.hpp"
#elif defined(__aarch64__)
#include "fastrec/simd/compare_arm.hpp"
#endif

namespace fastrec {
namespace {

constexpr int compared_together = 64;

template <class Value>
inline std::uint64_t reaching(const Value* values, Value least) noexcept {
  std::uint64_t bits = 0;
#pragma GCC unroll 64
  for (int i = 0; i < compared_together; i += lanes_of<Value>) {
    bits |= static_cast<std::uint64_t>(lanes_reaching(values + i, least)) << i;
  }
  return bits;
}

#if !defined(__AVX512F__)
inline std::ptrdiff_t count_above(const std::int16_t* numbers, std::ptrdiff_t n, std::int16_t bar) noexcept {
  constexpr std::ptrdiff_t counted_together = 1 << 14;  // in 16 bits
  std::ptrdiff_t count = 0;
  for (std::ptrdiff_t first = 0; first < n; first += counted_together) {
    std::int16_t n_of_these = 0;
    for (std::ptrdiff_t i = first; i < std::min(n, first + counted_together); ++i) n_of_these += numbers[i] > bar;
    count += n_of_these;
  }
  return count;
}
#endif

}  // namespace
}  // namespace fastrec
