// The factors of a row's entries as a tall matrix: its products with vectors, in tiles that registers hold.
#pragma once

#include <algorithm>

#include "fastrec/kernels.hpp"
#include "fastrec/simd/vectors.hpp"

namespace fastrec {
namespace {

constexpr int most_products = 256;  // kept at a time

// So many entries' factors stay in the nearest cache between their products and their sum.
template <class Value>
inline std::int64_t entries_together(std::ptrdiff_t width) noexcept {
  constexpr std::ptrdiff_t most_bytes = 24 * 1024;
  return std::clamp<std::ptrdiff_t>(most_bytes / (width * static_cast<std::ptrdiff_t>(sizeof(Value))) / 8 * 8, 8,
                                    most_products);
}

template <class Value>
struct Entries {  // of one row, or some of them
  const std::int32_t* ids;
  const Value *weights, *targets;
  std::int64_t n;
  const Value* fixed;
  std::ptrdiff_t width;

  const Value* factors(std::int64_t entry) const noexcept {
    return fixed + static_cast<std::ptrdiff_t>(ids[entry]) * width;
  }
  Entries some(std::int64_t first, std::int64_t number) const noexcept {
    return {ids + first, weights + first, targets + first, number, fixed, width};
  }
};

// Those at places from first to last of all rows' entries.
template <class Value>
inline Entries<Value> entries_at(const HalfStep<Value>& step, std::int64_t first, std::int64_t last) noexcept {
  return {step.weights.indices + first,
          step.weights.data + first,
          step.targets + first,
          last - first,
          step.fixed,
          step.n_factors};
}

// out[e] = x * factors of entry first + e, for e below n.
template <int together, class Value>
inline void products_of_group(const Entries<Value>& entries, std::int64_t first, std::int64_t n, const Value* x,
                              Value* out) noexcept {
  constexpr int lanes = lanes_of<Value>;
  const Value* factors[together];
  for (int t = 0; t < together; ++t) factors[t] = entries.factors(first + (t < n ? t : 0));
  Vector<Value> sums[together] = {};
#pragma GCC unroll 2
  for (std::ptrdiff_t j = 0; j < entries.width; j += lanes) {
    const Vector<Value> part = vector_at(x + j);
#pragma GCC unroll 8
    for (int t = 0; t < together; ++t) sums[t] = fused<Value>(vector_at(factors[t] + j), part, sums[t]);
  }
#pragma GCC unroll 2
  for (int t = 0; t < together; t += 4) sums_of_four<Value>(sums[t], sums[t + 1], sums[t + 2], sums[t + 3], out + t);
}

// out[e] = x * factors of entry first + e, for e below n, which is at most most_products.
template <class Value>
inline void products_of_some(const Entries<Value>& entries, std::int64_t first, std::int64_t n, const Value* x,
                             Value* out) noexcept {
  std::int64_t e = 0;
  for (; e + 4 < n; e += 8) products_of_group<8>(entries, first + e, n - e, x, out + e);
  if (e < n) products_of_group<4>(entries, first + e, n - e, x, out + e);
}

// out[j] += sum over entries of scale * factors[j], for n_vectors vectors from j on.
template <int n_vectors, class Source, class Value>
inline void add_scaled_block(const Source& entries, std::int64_t first, std::int64_t n, const Value* scales,
                             std::ptrdiff_t j, Value* out) noexcept {
  constexpr int lanes = lanes_of<Value>;
  Vector<Value> even[n_vectors], odd[n_vectors] = {};  // two sums, since one waits for its last term
#pragma GCC unroll 4
  for (int v = 0; v < n_vectors; ++v) even[v] = vector_at(out + j + v * lanes);
  std::int64_t e = 0;
  for (; e + 2 <= n; e += 2) {
    const Value *a = entries.factors(first + e) + j, *b = entries.factors(first + e + 1) + j;
    const Vector<Value> a_scale = every_lane(scales[e]), b_scale = every_lane(scales[e + 1]);
#pragma GCC unroll 4
    for (int v = 0; v < n_vectors; ++v) {
      even[v] = fused<Value>(a_scale, vector_at(a + v * lanes), even[v]);
      odd[v] = fused<Value>(b_scale, vector_at(b + v * lanes), odd[v]);
    }
  }
  if (e < n) {
    const Value* a = entries.factors(first + e) + j;
    const Vector<Value> scale = every_lane(scales[e]);
#pragma GCC unroll 4
    for (int v = 0; v < n_vectors; ++v) even[v] = fused<Value>(scale, vector_at(a + v * lanes), even[v]);
  }
#pragma GCC unroll 4
  for (int v = 0; v < n_vectors; ++v) put(out + j + v * lanes, even[v] + odd[v]);
}

template <class Source, class Value>
inline void add_scaled(const Source& entries, std::int64_t first, std::int64_t n, const Value* scales,
                       Value* out) noexcept {
  constexpr int lanes = lanes_of<Value>;
  std::ptrdiff_t j = 0;
  for (; j + 4 * lanes <= entries.width; j += 4 * lanes) add_scaled_block<4>(entries, first, n, scales, j, out);
  if (j + 2 * lanes <= entries.width) {
    add_scaled_block<2>(entries, first, n, scales, j, out);
    j += 2 * lanes;
  }
  if (j < entries.width) add_scaled_block<1>(entries, first, n, scales, j, out);
}

// out += sum over entries of weight * target * factors.
template <class Value>
inline void add_right_side(const Entries<Value>& entries, Value* out) noexcept {
  alignas(64) Value pulls[most_products];
  const std::int64_t together = entries_together<Value>(entries.width);
  for (std::int64_t first = 0; first < entries.n; first += together) {
    const std::int64_t n = std::min(together, entries.n - first);
    for (std::int64_t e = 0; e < n; ++e) pulls[e] = entries.weights[first + e] * entries.targets[first + e];
    add_scaled(entries, first, n, pulls, out);
  }
}

}  // namespace
}  // namespace fastrec
