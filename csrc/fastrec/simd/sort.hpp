// A sorting network for 64-bit keys, a vector of them at a time: no branch depends on a key.
//
// A key is a double, of which every instruction set has the larger and the smaller of two in one instruction each.
#pragma once

#include <cstdint>
#include <limits>

#include "fastrec/simd/vectors.hpp"

namespace fastrec {
namespace {

constexpr std::ptrdiff_t keys_together = lanes_of<double>;
constexpr std::ptrdiff_t most_network_keys = 2048;
constexpr double last_key = -std::numeric_limits<double>::infinity();  // sorts after every other

// The key of a number from -2^62 to 2^62, in the same order. None is NaN, or so small that a processor that was told
// to flush such numbers would take it for 0.
constexpr std::int64_t least_normal = std::int64_t{1} << 52, sign_bit = std::numeric_limits<std::int64_t>::min();

inline double key_of(std::int64_t number) noexcept {
  const std::int64_t magnitude = (number ^ (number >> 63)) + least_normal, bits = magnitude | (number & sign_bit);
  double key;
  __builtin_memcpy(&key, &bits, sizeof key);
  return key;
}

inline std::int64_t number_of(double key) noexcept {
  std::int64_t bits;
  __builtin_memcpy(&bits, &key, sizeof bits);
  return ((bits & ~sign_bit) - least_normal) ^ (bits >> 63);
}

// ---- one vector -----------------------------------------------------------------------------------------------------

// Lanes whose numbers differ in the bits of `by` change places.
template <int by>
struct Crossed {
  static constexpr int of(int lane) noexcept { return lane ^ by; }
};

// Lanes of the second vector where the highest bit of `by` is set.
template <int by>
struct Blended {
  static constexpr int of(int lane) noexcept { return lane + ((lane ^ by) < lane ? lanes_of<double> : 0); }
};

// The larger of two lanes that are crossed to the first of them.
template <int by>
inline Doubles exchanged(Doubles keys) noexcept {
  const Doubles other = shuffled<Crossed<by>, double>(keys, keys);
  return shuffled<Blended<by>, double>(larger_of(keys, other), smaller_of(keys, other));
}

inline Doubles reversed(Doubles keys) noexcept { return shuffled<Crossed<lanes_of<double> - 1>, double>(keys, keys); }

// Sorts runs of 2 * half lanes, each of two sorted halves, the second backwards.
template <int half = lanes_of<double> / 2>
inline Doubles merged(Doubles keys) noexcept {
  keys = exchanged<half>(keys);
  if constexpr (half > 1) keys = merged<half / 2>(keys);
  return keys;
}

// Sorts runs of lanes.
template <int run = lanes_of<double>>
inline Doubles sorted(Doubles keys) noexcept {
  if constexpr (run > 2) keys = sorted<run / 2>(keys);
  keys = exchanged<run - 1>(keys);
  if constexpr (run > 2) keys = merged<run / 4>(keys);
  return keys;
}

// ---- four vectors ---------------------------------------------------------------------------------------------------

typedef Doubles Four[4];
constexpr std::ptrdiff_t four_vectors = 4 * keys_together;

inline void load_four(const double* keys, std::ptrdiff_t stride, Four& v) noexcept {
  for (int i = 0; i < 4; ++i) v[i] = vector_at(keys + i * stride);
}

inline void store_four(double* keys, std::ptrdiff_t stride, const Four& v) noexcept {
  for (int i = 0; i < 4; ++i) put(keys + i * stride, v[i]);
}

// Larger keys to `a`, smaller to `b`, lane by lane; or with the lanes of `b` backwards.
inline void exchange(Doubles& a, Doubles& b) noexcept {
  const Doubles first = larger_of(a, b);
  b = smaller_of(a, b);
  a = first;
}

inline void exchange_reversed(Doubles& a, Doubles& b) noexcept {
  b = reversed(b);
  exchange(a, b);
  b = reversed(b);
}

inline void exchange_halves(Four& v) noexcept {
  exchange(v[0], v[2]);
  exchange(v[1], v[3]);
  exchange(v[0], v[1]);
  exchange(v[2], v[3]);
}

inline void merge_each(Four& v) noexcept {
  for (Doubles& keys : v) keys = merged(keys);
}

inline void sort_four(Four& v) noexcept {
  for (Doubles& keys : v) keys = sorted(keys);
  exchange_reversed(v[0], v[1]);
  exchange_reversed(v[2], v[3]);
  merge_each(v);
  exchange_reversed(v[0], v[3]);
  exchange_reversed(v[1], v[2]);
  exchange(v[0], v[1]);
  exchange(v[2], v[3]);
  merge_each(v);
}

// ---- many -----------------------------------------------------------------------------------------------------------

// How many keys are sorted where there are n.
inline std::ptrdiff_t network_size(std::ptrdiff_t n) noexcept {
  std::ptrdiff_t size = four_vectors;
  while (size < n) size *= 2;
  return size;
}

// Merges the sorted halves of `size` keys up to what four vectors hold, two steps of a merge at a time.
inline void merge_halves(double* keys, std::ptrdiff_t size) noexcept {
  for (std::ptrdiff_t i = 0; i < size / 2; i += keys_together) {
    double *const a = keys + i, *const b = keys + size - keys_together - i;
    Doubles x = vector_at(a), y = vector_at(b);
    exchange_reversed(x, y);
    put(a, x);
    put(b, y);
  }
  std::ptrdiff_t stride = size / 4;
  for (; stride > four_vectors; stride /= 4) {
    for (std::ptrdiff_t base = 0; base < size; base += 2 * stride) {
      for (std::ptrdiff_t i = base; i < base + stride / 2; i += keys_together) {
        Four v;
        load_four(keys + i, stride / 2, v);
        exchange_halves(v);
        store_four(keys + i, stride / 2, v);
      }
    }
  }
  for (std::ptrdiff_t base = 0; stride == four_vectors && base < size; base += 2 * stride) {
    for (std::ptrdiff_t i = base; i < base + stride; i += keys_together) {
      Doubles x = vector_at(keys + i), y = vector_at(keys + i + stride);
      exchange(x, y);
      put(keys + i, x);
      put(keys + i + stride, y);
    }
  }
}

// Sorts n keys, largest first; n is a network_size (Batcher, "Sorting networks and their applications", 1968; every
// merge begins with the second half taken backwards, so that all directions are the same).
inline void sort_descending(double* keys, std::ptrdiff_t n) noexcept {
  Four v;
  for (std::ptrdiff_t i = 0; i < n; i += four_vectors) {
    load_four(keys + i, keys_together, v);
    sort_four(v);
    store_four(keys + i, keys_together, v);
  }
  for (std::ptrdiff_t size = 2 * four_vectors; size <= n; size *= 2) {
    for (std::ptrdiff_t base = 0; base < n; base += size) merge_halves(keys + base, size);
    for (std::ptrdiff_t i = 0; i < n; i += four_vectors) {
      load_four(keys + i, keys_together, v);
      exchange_halves(v);
      merge_each(v);
      store_four(keys + i, keys_together, v);
    }
  }
}

// Sorts up to most_network_keys keys, largest first, in room for network_size(n).
inline void sort_keys(double* keys, std::ptrdiff_t n) noexcept {
  const std::ptrdiff_t size = network_size(n);
  std::fill(keys + n, keys + size, last_key);
  sort_descending(keys, size);
}

}  // namespace
}  // namespace fastrec
