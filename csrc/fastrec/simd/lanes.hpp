// Eight doubles as one value, by the vector extensions of GCC and Clang: one register with AVX-512, two with AVX2, four
// with SSE or NEON.
#pragma once

#include <cstddef>

#include "fastrec/kernels.hpp"
#include "fastrec/simd/vectors.hpp"

namespace fastrec {
namespace {

typedef double Lanes __attribute__((vector_size(n_lanes * sizeof(double))));

inline Lanes load(const double* from) noexcept {
  Lanes value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

inline Lanes widened(const double* from) noexcept { return load(from); }

inline Lanes widened(const float* from) noexcept {
#if defined(__AVX512F__)
  return widened_on_this_set(from);
#else
  typedef float Narrow __attribute__((vector_size(n_lanes * sizeof(float))));
  Narrow narrow;
  __builtin_memcpy(&narrow, from, sizeof narrow);
  return __builtin_convertvector(narrow, Lanes);
#endif
}

// Eight values of a row from place j on, as double; zeros from n on.
template <class Value>
inline Lanes load_eight(const Value* row, std::ptrdiff_t step, std::ptrdiff_t j, std::ptrdiff_t n) noexcept {
  if (step == 1 && j + n_lanes <= n) return widened(row + j);
  double eight[n_lanes] = {};
  for (std::ptrdiff_t t = j; t < n && t < j + n_lanes; ++t) eight[t - j] = static_cast<double>(row[t * step]);
  return load(eight);
}

inline void store(double* to, Lanes value) noexcept { __builtin_memcpy(to, &value, sizeof value); }

// a * b + c, rounded once where the set can. Only where that may not show in the answer, or where the answer belongs to
// one instruction set anyway; everything else is compiled without contraction.
inline Lanes fused(Lanes a, Lanes b, Lanes c) noexcept {
  constexpr int n_parts = static_cast<int>(sizeof(Lanes) / sizeof(Doubles));
  union Parts {
    Lanes whole;
    Doubles part[n_parts];
  };
  const Parts x{a}, y{b}, z{c};
  Parts out;
  for (int i = 0; i < n_parts; ++i) out.part[i] = fused_on_this_set(x.part[i], y.part[i], z.part[i]);
  return out.whole;
}

// ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)): the order in which every instruction set adds up, halving each time.
inline double sum_of(Lanes v) noexcept {
#if defined(__AVX512F__)
  return sum_of<double>(v);
#else
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
#endif
}

inline double largest_of(Lanes v) noexcept {
  double largest = v[0];
  for (int i = 1; i < n_lanes; ++i) largest = v[i] > largest ? v[i] : largest;
  return largest;
}

inline std::ptrdiff_t padded(std::ptrdiff_t n) noexcept { return (n + n_lanes - 1) / n_lanes * n_lanes; }

}  // namespace
}  // namespace fastrec
