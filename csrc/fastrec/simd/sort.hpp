// A sorting network for 64-bit keys, eight to a vector: no branch depends on a key.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastrec {
namespace {

constexpr std::ptrdiff_t keys_together = 8, most_network_keys = 512;

typedef std::uint64_t Keys __attribute__((vector_size(keys_together * sizeof(std::uint64_t))));

inline Keys load_keys(const std::uint64_t* from) noexcept {
  Keys keys;
  __builtin_memcpy(&keys, from, sizeof keys);
  return keys;
}

inline void store_keys(std::uint64_t* to, Keys keys) noexcept { __builtin_memcpy(to, &keys, sizeof keys); }

template <std::uint64_t... places>
inline Keys shuffled(Keys keys) noexcept {
#if defined(__clang__)
  return __builtin_shufflevector(keys, keys, places...);
#else
  return __builtin_shuffle(keys, Keys{places...});
#endif
}

// In every pair of lanes (i, places[i]) the larger key comes into the lane whose mask is set.
template <std::uint64_t... places>
inline Keys exchanged(Keys keys, Keys first) noexcept {
  const Keys other = shuffled<places...>(keys);
  const Keys larger = keys > other ? keys : other, smaller = keys > other ? other : keys;
  return (larger & first) | (smaller & ~first);
}

inline Keys first_of_two() noexcept { return Keys{~0ull, 0, ~0ull, 0, ~0ull, 0, ~0ull, 0}; }
inline Keys first_of_four() noexcept { return Keys{~0ull, ~0ull, 0, 0, ~0ull, ~0ull, 0, 0}; }
inline Keys first_of_eight() noexcept { return Keys{~0ull, ~0ull, ~0ull, ~0ull, 0, 0, 0, 0}; }

// Sorts a vector whose keys rise and then fall, or fall and then rise.
inline Keys merged(Keys keys) noexcept {
  keys = exchanged<4, 5, 6, 7, 0, 1, 2, 3>(keys, first_of_eight());
  keys = exchanged<2, 3, 0, 1, 6, 7, 4, 5>(keys, first_of_four());
  return exchanged<1, 0, 3, 2, 5, 4, 7, 6>(keys, first_of_two());
}

inline Keys sorted(Keys keys) noexcept {
  keys = exchanged<1, 0, 3, 2, 5, 4, 7, 6>(keys, first_of_two());
  keys = exchanged<3, 2, 1, 0, 7, 6, 5, 4>(keys, first_of_four());
  keys = exchanged<1, 0, 3, 2, 5, 4, 7, 6>(keys, first_of_two());
  keys = exchanged<7, 6, 5, 4, 3, 2, 1, 0>(keys, first_of_eight());
  keys = exchanged<2, 3, 0, 1, 6, 7, 4, 5>(keys, first_of_four());
  return exchanged<1, 0, 3, 2, 5, 4, 7, 6>(keys, first_of_two());
}

// Larger keys to `a`, smaller to `b`, lane by lane.
inline void exchange(std::uint64_t* a, std::uint64_t* b, bool reversed) noexcept {
  const Keys x = load_keys(a);
  const Keys y = reversed ? shuffled<7, 6, 5, 4, 3, 2, 1, 0>(load_keys(b)) : load_keys(b);
  const Keys smaller = x > y ? y : x;
  store_keys(a, x > y ? x : y);
  store_keys(b, reversed ? shuffled<7, 6, 5, 4, 3, 2, 1, 0>(smaller) : smaller);
}

// Sorts n keys, largest first; n is a power of two and at least keys_together (Batcher, "Sorting networks and their
// applications", 1968; every merge begins with the second half taken backwards, so that all directions are the same).
inline void sort_descending(std::uint64_t* keys, std::ptrdiff_t n) noexcept {
  for (std::ptrdiff_t i = 0; i < n; i += keys_together) store_keys(keys + i, sorted(load_keys(keys + i)));
  for (std::ptrdiff_t size = 2 * keys_together; size <= n; size *= 2) {
    for (std::ptrdiff_t base = 0; base < n; base += size) {
      for (std::ptrdiff_t i = 0; i < size / 2; i += keys_together) {
        exchange(keys + base + i, keys + base + size - keys_together - i, true);
      }
    }
    for (std::ptrdiff_t stride = size / 4; stride >= keys_together; stride /= 2) {
      for (std::ptrdiff_t base = 0; base < n; base += 2 * stride) {
        for (std::ptrdiff_t i = base; i < base + stride; i += keys_together)
          exchange(keys + i, keys + i + stride, false);
      }
    }
    for (std::ptrdiff_t i = 0; i < n; i += keys_together) store_keys(keys + i, merged(load_keys(keys + i)));
  }
}

}  // namespace
}  // namespace fastrec
