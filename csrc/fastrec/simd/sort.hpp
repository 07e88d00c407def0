// A sorting network for 64-bit keys, a vector of them at a time: no branch depends on a key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace fastrec {
namespace {

#if defined(__AVX512F__)
constexpr std::ptrdiff_t keys_together = 8;
#else
constexpr std::ptrdiff_t keys_together = 4;
#endif
constexpr std::ptrdiff_t most_network_keys = 2048;
constexpr std::int64_t last_key = std::numeric_limits<std::int64_t>::min();  // sorts after every other

// How many keys are sorted where there are n.
inline std::ptrdiff_t network_size(std::ptrdiff_t n) noexcept {
  std::ptrdiff_t size = keys_together;
  while (size < n) size *= 2;
  return size;
}

typedef std::int64_t Keys __attribute__((vector_size(keys_together * sizeof(std::int64_t))));

inline Keys load_keys(const std::int64_t* from) noexcept {
  Keys keys;
  __builtin_memcpy(&keys, from, sizeof keys);
  return keys;
}

inline void store_keys(std::int64_t* to, Keys keys) noexcept { __builtin_memcpy(to, &keys, sizeof keys); }

template <std::int64_t... places>
inline Keys shuffled(Keys keys) noexcept {
#if defined(__clang__)
  return __builtin_shufflevector(keys, keys, places...);
#else
  return __builtin_shuffle(keys, Keys{places...});
#endif
}

// Of every lane and the one that it is paired with, `other`, the larger key goes where `first` is set.
inline Keys exchanged(Keys keys, Keys other, Keys first) noexcept {
  const Keys larger = keys > other ? keys : other, smaller = keys > other ? other : keys;
  return first ? larger : smaller;
}

#if defined(__AVX512F__)
inline Keys reversed(Keys keys) noexcept { return shuffled<7, 6, 5, 4, 3, 2, 1, 0>(keys); }
inline Keys of_twos(Keys keys) noexcept {
  return exchanged(keys, shuffled<1, 0, 3, 2, 5, 4, 7, 6>(keys), Keys{-1, 0, -1, 0, -1, 0, -1, 0});
}
inline Keys halves_of_fours(Keys keys) noexcept {
  return exchanged(keys, shuffled<2, 3, 0, 1, 6, 7, 4, 5>(keys), Keys{-1, -1, 0, 0, -1, -1, 0, 0});
}
inline Keys turned_fours(Keys keys) noexcept {
  return exchanged(keys, shuffled<3, 2, 1, 0, 7, 6, 5, 4>(keys), Keys{-1, -1, 0, 0, -1, -1, 0, 0});
}

// Sorts a vector of two sorted halves, the second backwards; then any vector.
inline Keys merged(Keys keys) noexcept {
  keys = exchanged(keys, shuffled<4, 5, 6, 7, 0, 1, 2, 3>(keys), Keys{-1, -1, -1, -1, 0, 0, 0, 0});
  return of_twos(halves_of_fours(keys));
}
inline Keys sorted(Keys keys) noexcept {
  keys = of_twos(turned_fours(of_twos(keys)));
  keys = exchanged(keys, reversed(keys), Keys{-1, -1, -1, -1, 0, 0, 0, 0});
  return of_twos(halves_of_fours(keys));
}
#else
inline Keys reversed(Keys keys) noexcept { return shuffled<3, 2, 1, 0>(keys); }
inline Keys of_twos(Keys keys) noexcept { return exchanged(keys, shuffled<1, 0, 3, 2>(keys), Keys{-1, 0, -1, 0}); }

// Sorts a vector of two sorted halves, the second backwards; then any vector.
inline Keys merged(Keys keys) noexcept {
  return of_twos(exchanged(keys, shuffled<2, 3, 0, 1>(keys), Keys{-1, -1, 0, 0}));
}
inline Keys sorted(Keys keys) noexcept {
  keys = of_twos(keys);
  return of_twos(exchanged(keys, reversed(keys), Keys{-1, -1, 0, 0}));
}
#endif

// Larger keys to `a`, smaller to `b`, lane by lane.
inline void exchange(std::int64_t* a, std::int64_t* b) noexcept {
  const Keys x = load_keys(a), y = load_keys(b);
  store_keys(a, x > y ? x : y);
  store_keys(b, x > y ? y : x);
}

// The same with the lanes of `b` backwards.
inline void exchange_reversed(std::int64_t* a, std::int64_t* b) noexcept {
  const Keys x = load_keys(a), y = reversed(load_keys(b));
  store_keys(a, x > y ? x : y);
  store_keys(b, reversed(x > y ? y : x));
}

constexpr std::ptrdiff_t few_keys = 4 * keys_together;

// How many of n keys are larger than each, for no more than few_keys; there is room for whole vectors of them.
inline void count_larger(const std::int64_t* keys, std::ptrdiff_t n, std::int64_t* counts) noexcept {
  for (std::ptrdiff_t i = 0; i < n; i += keys_together) {
    const Keys own = load_keys(keys + i);
    Keys count = {};
    for (std::ptrdiff_t j = 0; j < n; ++j) count = keys[j] > own ? count + 1 : count;
    store_keys(counts + i, count);
  }
}

// Sorts n keys, largest first; n is a power of two and at least keys_together (Batcher, "Sorting networks and their
// applications", 1968; every merge begins with the second half taken backwards, so that all directions are the same).
inline void sort_descending(std::int64_t* keys, std::ptrdiff_t n) noexcept {
  for (std::ptrdiff_t i = 0; i < n; i += keys_together) store_keys(keys + i, sorted(load_keys(keys + i)));
  for (std::ptrdiff_t size = 2 * keys_together; size <= n; size *= 2) {
    for (std::ptrdiff_t base = 0; base < n; base += size) {
      for (std::ptrdiff_t i = 0; i < size / 2; i += keys_together) {
        exchange_reversed(keys + base + i, keys + base + size - keys_together - i);
      }
    }
    for (std::ptrdiff_t stride = size / 4; stride >= keys_together; stride /= 2) {
      for (std::ptrdiff_t base = 0; base < n; base += 2 * stride) {
        for (std::ptrdiff_t i = base; i < base + stride; i += keys_together) exchange(keys + i, keys + i + stride);
      }
    }
    for (std::ptrdiff_t i = 0; i < n; i += keys_together) store_keys(keys + i, merged(load_keys(keys + i)));
  }
}

}  // namespace
}  // namespace fastrec
