// A number that the k-th largest of many is known to reach, without sorting them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "fastrec/kernels.hpp"
#include "fastrec/simd/compare.hpp"

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

// The k-th largest of n numbers, of which k exceed `known`, or a little less: bisection over the range of their keys in
// up to 2^15 steps. There is room for n steps; no number is NaN.
template <class Value>
Value nearly_kth_largest(const Value* values, std::ptrdiff_t n, std::ptrdiff_t k, Value known,
                         std::int16_t* __restrict steps) noexcept {
  constexpr int most_bits = 15;
  const std::uint32_t above_known = rank_key(std::nextafter(known, std::numeric_limits<Value>::infinity()));
  std::uint32_t largest = 0, lowest_above = 0xffffffffu;
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    const std::uint32_t key = rank_key(values[i]);
    largest = std::max(largest, key);
    lowest_above = std::min(lowest_above, key - above_known);  // of keys that are not above it, near 2^32
  }
  const std::uint32_t least = above_known + lowest_above;
  const int n_bits = largest > least ? 32 - __builtin_clz(largest - least) : 0, shift = std::max(n_bits - most_bits, 0);
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    steps[i] = static_cast<std::int16_t>((std::max(rank_key(values[i]), least) - least) >> shift);
  }
  std::int32_t reached = 0;
  std::ptrdiff_t n_reaching = n;
  for (std::int32_t half = 1 << (n_bits - shift) >> 1; half > 0 && n_reaching > k; half /= 2) {
    const std::ptrdiff_t count = count_above(steps, n, static_cast<std::int16_t>(reached + half - 1));
    if (count >= k) {
      reached += half;
      n_reaching = count;
    }
  }
  return least_of_key<Value>(least + (static_cast<std::uint32_t>(reached) << shift));
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
  for (std::ptrdiff_t g = 0; g < n_groups; ++g) maxima[g] = scores[g] > nothing ? scores[g] : nothing;  // never NaN
  std::ptrdiff_t first = n_groups;
  for (; first + n_groups <= n; first += n_groups) {
    const Value* __restrict at = scores + first;
    for (std::ptrdiff_t g = 0; g < n_groups; ++g) maxima[g] = at[g] > maxima[g] ? at[g] : maxima[g];
  }
  for (std::ptrdiff_t g = 0; first + g < n; ++g) maxima[g] = std::max(maxima[g], scores[first + g]);
  std::int32_t n_above = 0;
  for (std::ptrdiff_t g = 0; g < n_groups; ++g) n_above += maxima[g] > known;
  if (n_above < k) return nothing;
  return nearly_kth_largest(maxima, n_groups, k, known, groups.steps);
}

}  // namespace
}  // namespace fastrec
