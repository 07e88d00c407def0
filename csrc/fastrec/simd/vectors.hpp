// One register of floats or doubles, as wide as the instruction set has them, by the vector extensions of GCC and
// Clang.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#if defined(__x86_64__) && defined(__FMA__)
#include "fastrec/simd/fma_x86.hpp"
#elif defined(__aarch64__)
#include "fastrec/simd/fma_arm.hpp"
#endif

namespace fastrec {
namespace {

#if defined(__x86_64__) && !defined(__FMA__)
typedef float Floats __attribute__((vector_size(16)));
typedef double Doubles __attribute__((vector_size(16)));
inline Floats fused_on_this_set(Floats a, Floats b, Floats c) noexcept { return a * b + c; }
inline Doubles fused_on_this_set(Doubles a, Doubles b, Doubles c) noexcept { return a * b + c; }
#endif

template <class Value>
struct Register;
template <>
struct Register<float> {
  typedef Floats Vector;
  typedef std::int32_t Places __attribute__((vector_size(sizeof(Floats))));
};
template <>
struct Register<double> {
  typedef Doubles Vector;
  typedef std::int64_t Places __attribute__((vector_size(sizeof(Doubles))));
};

template <class Value>
using Vector = typename Register<Value>::Vector;

template <class Value>
constexpr int lanes_of = static_cast<int>(sizeof(Vector<Value>) / sizeof(Value));
// Of a tile of sums, side by side: with 4 to 8 rows of them, what is multiplied fits the registers too.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int tile_vectors = 4;
#else
constexpr int tile_vectors = 2;
#endif
template <class Value>
constexpr int lanes_of_part = static_cast<int>(16 / sizeof(Value));  // shuffles within 16 bytes are the cheap ones

template <class Value>
inline Vector<Value> vector_at(const Value* from) noexcept {
  Vector<Value> value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

template <class Value>
inline void put(Value* to, Vector<Value> value) noexcept {
  __builtin_memcpy(to, &value, sizeof value);
}

template <class Value, int... lanes>
inline Vector<Value> every_lane(Value value, std::integer_sequence<int, lanes...>) noexcept {
  return Vector<Value>{(static_cast<void>(lanes), value)...};
}

// Spelled out: a zero vector plus a scalar would really be added.
template <class Value>
inline Vector<Value> every_lane(Value value) noexcept {
  return every_lane(value, std::make_integer_sequence<int, lanes_of<Value>>{});
}

template <class Value>
inline Vector<Value> fused(Vector<Value> a, Vector<Value> b, Vector<Value> c) noexcept {
  return fused_on_this_set(a, b, c);
}

inline double larger_of(double a, double b) noexcept { return a > b ? a : b; }
inline Doubles larger_of(Doubles a, Doubles b) noexcept { return a > b ? a : b; }
inline double smaller_of(double a, double b) noexcept { return a < b ? a : b; }
inline Doubles smaller_of(Doubles a, Doubles b) noexcept { return a < b ? a : b; }

// Lane i of the answer is lane Place::of(i) of `a` followed by `b`.
template <class Place, class Value, int... lanes>
inline Vector<Value> shuffled(Vector<Value> a, Vector<Value> b, std::integer_sequence<int, lanes...>) noexcept {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, Place::of(lanes)...);
#else
  return __builtin_shuffle(a, b, typename Register<Value>::Places{Place::of(lanes)...});
#endif
}

template <class Place, class Value>
inline Vector<Value> shuffled(Vector<Value> a, Vector<Value> b) noexcept {
  return shuffled<Place, Value>(a, b, std::make_integer_sequence<int, lanes_of<Value>>{});
}

// Lanes of a by turns with those of b: of their first half, or of their second.
template <class Value, int half>
struct Zipped {
  static constexpr int of(int lane) noexcept {
    return (half * lanes_of<Value> + lane) / 2 + lane % 2 * lanes_of<Value>;
  }
};

// Of as many vectors as each has lanes.
template <class Value>
inline void transpose(Vector<Value>* block) noexcept {
  constexpr int lanes = lanes_of<Value>;
#pragma GCC unroll 4
  for (int turn = 1; turn < lanes; turn *= 2) {
    Vector<Value> zipped[lanes];
#pragma GCC unroll 8
    for (int r = 0; r < lanes / 2; ++r) {
      zipped[2 * r] = shuffled<Zipped<Value, 0>, Value>(block[r], block[r + lanes / 2]);
      zipped[2 * r + 1] = shuffled<Zipped<Value, 1>, Value>(block[r], block[r + lanes / 2]);
    }
#pragma GCC unroll 16
    for (int r = 0; r < lanes; ++r) block[r] = zipped[r];
  }
}

// Runs of one half of each part, from a and b by turns.
template <class Value, int run, int half>
struct Interleaved {
  static constexpr int of(int lane) noexcept {
    constexpr int part = lanes_of_part<Value>;
    const int place = lane % part, turn = place / run;
    return lane - place + turn / 2 * run + place % run + half * part / 2 + turn % 2 * lanes_of<Value>;
  }
};

template <class Value, int by>
struct Turned {
  static constexpr int of(int lane) noexcept { return (lane + by) % lanes_of<Value>; }
};

// Adds up the halves of each part: runs of sums of a and b by turns.
template <class Value, int run>
inline Vector<Value> halved(Vector<Value> a, Vector<Value> b) noexcept {
  return shuffled<Interleaved<Value, run, 0>, Value>(a, b) + shuffled<Interleaved<Value, run, 1>, Value>(a, b);
}

// The sum of all parts, in every part.
template <class Value, int by = lanes_of<Value> / 2>
inline Vector<Value> sum_of_parts(Vector<Value> v) noexcept {
  if constexpr (by < lanes_of_part<Value>) {
    return v;
  } else {
    return sum_of_parts<Value, by / 2>(v + shuffled<Turned<Value, by>, Value>(v, v));
  }
}

// The sums of the lanes of four vectors.
template <class Value>
inline void sums_of_four(Vector<Value> a, Vector<Value> b, Vector<Value> c, Vector<Value> d, Value out[4]) noexcept {
  const Vector<Value> ab = halved<Value, 1>(a, b), cd = halved<Value, 1>(c, d);
  if constexpr (lanes_of_part<Value> == 4) {
    const Vector<Value> sums = sum_of_parts<Value>(halved<Value, 2>(ab, cd));
    __builtin_memcpy(out, &sums, 16);
  } else {
    const Vector<Value> first = sum_of_parts<Value>(ab), second = sum_of_parts<Value>(cd);
    __builtin_memcpy(out, &first, 16);
    __builtin_memcpy(out + 2, &second, 16);
  }
}

template <class Value>
inline Value sum_of(Vector<Value> v) noexcept {
  v = sum_of_parts<Value>(v);
  Value sum = v[0];
  for (int i = 1; i < lanes_of_part<Value>; ++i) sum += v[i];
  return sum;
}

}  // namespace
}  // namespace fastrec
