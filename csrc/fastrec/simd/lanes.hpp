// Eight doubles as one value: one register with AVX-512, two with AVX2, four with SSE or NEON. Compilers take vectors
// that are wider than a register apart lane by lane, through memory; pairs of registers they keep in registers.
#pragma once

#include <cstddef>

#include "fastrec/kernels.hpp"
#include "fastrec/simd/vectors.hpp"

namespace fastrec {
namespace {

// Twice as many lanes as Half has.
template <class Half>
struct Twice {
  Half low, high;

  Twice operator-() const noexcept { return {-low, -high}; }
  Twice& operator+=(Twice other) noexcept { return *this = *this + other; }

  friend Twice operator+(Twice a, Twice b) noexcept { return {a.low + b.low, a.high + b.high}; }
  friend Twice operator-(Twice a, Twice b) noexcept { return {a.low - b.low, a.high - b.high}; }
  friend Twice operator*(Twice a, Twice b) noexcept { return {a.low * b.low, a.high * b.high}; }
  friend Twice operator/(Twice a, Twice b) noexcept { return {a.low / b.low, a.high / b.high}; }
  friend Twice operator+(Twice a, double b) noexcept { return {a.low + b, a.high + b}; }
  friend Twice operator-(Twice a, double b) noexcept { return {a.low - b, a.high - b}; }
  friend Twice operator*(Twice a, double b) noexcept { return {a.low * b, a.high * b}; }
  friend Twice operator*(double a, Twice b) noexcept { return b * a; }
  friend Twice operator-(double a, Twice b) noexcept { return {a - b.low, a - b.high}; }
};

#if defined(__AVX512F__)
using Lanes = Doubles;
#elif defined(__AVX__)
using Lanes = Twice<Doubles>;
#else
using Lanes = Twice<Twice<Doubles>>;
#endif
static_assert(sizeof(Lanes) == n_lanes * sizeof(double), "sums have a fixed order");

// ---- one register, and more ----------------------------------------------------------------------------------------

template <class Part>
struct Loads {
  static Part from(const double* values) noexcept { return vector_at(values); }
  static Part from(const float* values) noexcept {
#if defined(__AVX512F__)
    return widened_on_this_set(values);
#else
    typedef float Narrow __attribute__((vector_size(sizeof(Part) / 2)));
    Narrow narrow;
    __builtin_memcpy(&narrow, values, sizeof narrow);
    return __builtin_convertvector(narrow, Part);
#endif
  }
};
template <class Half>
struct Loads<Twice<Half>> {
  template <class Value>
  static Twice<Half> from(const Value* values) noexcept {
    return {Loads<Half>::from(values), Loads<Half>::from(values + sizeof(Half) / sizeof(double))};
  }
};

inline void store(double* to, Doubles value) noexcept { put(to, value); }
template <class Half>
inline void store(double* to, Twice<Half> value) noexcept {
  store(to, value.low);
  store(to + sizeof(Half) / sizeof(double), value.high);
}

// Stores them as integers, cut.
inline void store_whole(std::int32_t* to, double value) noexcept { *to = static_cast<std::int32_t>(value); }
inline void store_whole(std::int32_t* to, Doubles value) noexcept {
  typedef std::int32_t Whole __attribute__((vector_size(sizeof(Doubles) / 2)));
  const Whole whole = __builtin_convertvector(value, Whole);
  __builtin_memcpy(to, &whole, sizeof whole);
}
template <class Half>
inline void store_whole(std::int32_t* to, Twice<Half> value) noexcept {
  store_whole(to, value.low);
  store_whole(to + sizeof(Half) / sizeof(double), value.high);
}

template <class Half>
inline Twice<Half> larger_of(Twice<Half> a, Twice<Half> b) noexcept {
  return {larger_of(a.low, b.low), larger_of(a.high, b.high)};
}

template <class Half>
inline Twice<Half> smaller_of(Twice<Half> a, Twice<Half> b) noexcept {
  return {smaller_of(a.low, b.low), smaller_of(a.high, b.high)};
}

// a * b + c, rounded once where the set can. Only where that may not show in the answer, or where the answer belongs to
// one instruction set anyway; everything else is compiled without contraction.
inline Doubles fused(Doubles a, Doubles b, Doubles c) noexcept { return fused_on_this_set(a, b, c); }
template <class Half>
inline Twice<Half> fused(Twice<Half> a, Twice<Half> b, Twice<Half> c) noexcept {
  return {fused(a.low, b.low, c.low), fused(a.high, b.high, c.high)};
}

// ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)): the order in which every instruction set adds up, halving each time.
inline double sum_of(Doubles v) noexcept { return sum_of<double>(v); }
template <class Half>
inline double sum_of(Twice<Half> v) noexcept {
  return sum_of(v.low + v.high);
}

inline double largest_of(Doubles v) noexcept {
  double largest = v[0];
  for (int i = 1; i < lanes_of<double>; ++i) largest = larger_of(v[i], largest);
  return largest;
}
template <class Half>
inline double largest_of(Twice<Half> v) noexcept {
  return largest_of(larger_of(v.low, v.high));
}

// ---- rows -----------------------------------------------------------------------------------------------------------

inline Lanes load(const double* from) noexcept { return Loads<Lanes>::from(from); }

template <class Value>
inline Lanes widened(const Value* from) noexcept {
  return Loads<Lanes>::from(from);
}

// Eight values of a row from place j on, as double; zeros from n on.
template <class Value>
inline Lanes load_eight(const Value* row, std::ptrdiff_t step, std::ptrdiff_t j, std::ptrdiff_t n) noexcept {
  if (step == 1 && j + n_lanes <= n) return widened(row + j);
  double eight[n_lanes] = {};
  for (std::ptrdiff_t t = j; t < n && t < j + n_lanes; ++t) eight[t - j] = static_cast<double>(row[t * step]);
  return load(eight);
}

// body(j, eight) for every eight values of a row from place j on.
template <class Value, class Body>
inline void for_each_eight(const Value* row, std::ptrdiff_t step, std::ptrdiff_t n, const Body& body) noexcept {
  std::ptrdiff_t j = 0;
  if (step == 1) {
    for (; j + n_lanes <= n; j += n_lanes) body(j, widened(row + j));
  }
  for (; j < n; j += n_lanes) body(j, load_eight(row, step, j, n));
}

inline std::ptrdiff_t padded(std::ptrdiff_t n) noexcept { return (n + n_lanes - 1) / n_lanes * n_lanes; }

}  // namespace
}  // namespace fastrec
