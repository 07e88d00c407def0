// Which of 64 numbers reach another, a number a bit; NaN reaches nothing.
#pragma once

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

}  // namespace
}  // namespace fastrec
