// A number that the k-th largest of many is known to reach, without sorting them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

// An unsigned integer that is ordered like the number, -inf to inf; of a double the upper half only.
inline std::uint32_t rank_key(float value) noexcept {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
}

inline std::uint32_t rank_key(double value) noexcept {
  std::uint64_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return static_cast<std::uint32_t>((bits ^ (bits >> 63 ? ~0ull : 1ull << 63)) >> 32);
}

// The least number that has the key.
template <class Value>
inline Value least_of_key(std::uint32_t key) noexcept {
  using Bits = std::conditional_t<sizeof(Value) == 4, std::uint32_t, std::uint64_t>;
  constexpr int shift = 8 * (sizeof(Bits) - sizeof key), top = 8 * sizeof(Bits) - 1;
  const Bits ordered = static_cast<Bits>(key) << shift;
  const Bits bits = ordered >> top ? ordered ^ Bits{1} << top : ~ordered;
  Value value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

// The k-th largest of n keys, or a little less: bisection over the bits in which they differ, to one part in 2^9 of
// what a float32 spans between two powers of two. k <= n.
inline std::uint32_t kth_largest(const std::uint32_t* keys, std::ptrdiff_t n, std::ptrdiff_t k) noexcept {
  constexpr int ignored_bits = 14;
  std::uint32_t largest = 0, smallest = 0xffffffffu;
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    largest = std::max(largest, keys[i]);
    smallest = std::min(smallest, keys[i]);
  }
  if (largest >> ignored_bits == smallest >> ignored_bits) return smallest;
  int bit = 31 - __builtin_clz(largest ^ smallest);
  std::uint32_t key = bit == 31 ? 0 : largest >> (bit + 1) << (bit + 1);
  for (; bit >= ignored_bits; --bit) {
    const std::uint32_t trial = key | 1u << bit;
    std::int32_t count = 0;
    for (std::ptrdiff_t i = 0; i < n; ++i) count += keys[i] >= trial;
    if (count >= k) key = trial;
  }
  return std::max(key, smallest);
}

// The k-th largest maximum of the groups of scores[0] to scores[n], or a little less; -inf where that says nothing
// beyond `known`. Up to so many scores as there are groups are a group each.
template <class Value>
Value reached_by_k(const Value* scores, std::ptrdiff_t n, std::ptrdiff_t k, Value known,
                   const Groups<Value>& groups) noexcept {
  constexpr Value nothing = -std::numeric_limits<Value>::infinity();
  const std::ptrdiff_t n_groups = std::min(groups.n, n);
  if (n_groups < 2 * k) return nothing;
  Value* __restrict maxima = groups.maxima;
  std::fill(maxima, maxima + n_groups, nothing);
  std::ptrdiff_t first = 0;
  for (; first + n_groups <= n; first += n_groups) {
    const Value* __restrict at = scores + first;
    for (std::ptrdiff_t g = 0; g < n_groups; ++g) maxima[g] = at[g] > maxima[g] ? at[g] : maxima[g];  // never NaN
  }
  for (std::ptrdiff_t g = 0; first + g < n; ++g) maxima[g] = std::max(maxima[g], scores[first + g]);
  std::ptrdiff_t n_above = 0;
  for (std::ptrdiff_t g = 0; g < n_groups; ++g) n_above += maxima[g] > known;
  if (n_above < k) return nothing;
  std::uint32_t* __restrict keys = groups.keys;
  for (std::ptrdiff_t g = 0; g < n_groups; ++g) keys[g] = rank_key(maxima[g]);
  return least_of_key<Value>(kth_largest(keys, n_groups, k));
}

}  // namespace
}  // namespace fastrec
