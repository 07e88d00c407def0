// Row-kernel of als_half_step by conjugate gradients (Hestenes and Stiefel 1952), in the eigenbasis of the fixed side's
// Gram matrix: there the part of a row's system that all rows share is diagonal, and preconditions what its own entries
// add.
#pragma once

#include <algorithm>
#include <limits>

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
struct Entries {  // of one row
  const std::int32_t* ids;
  const Value *weights, *targets;
  std::int64_t n;
  const Value* fixed;
  std::ptrdiff_t width;

  const Value* factors(std::int64_t entry) const noexcept {
    return fixed + static_cast<std::ptrdiff_t>(ids[entry]) * width;
  }
};

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

// out[j] += sum over entries of scale * factors[j], for n_vectors vectors from j on.
template <int n_vectors, class Value>
inline void add_scaled_block(const Entries<Value>& entries, std::int64_t first, std::int64_t n, const Value* scales,
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

template <class Value>
inline void add_scaled(const Entries<Value>& entries, std::int64_t first, std::int64_t n, const Value* scales,
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

// out += sum over entries of (weight - unobserved_weight) * (factors * x) * factors.
template <class Value>
inline void add_image(const Entries<Value>& entries, Value unobserved_weight, const Value* x, Value* out) noexcept {
  alignas(64) Value products[most_products];
  const std::int64_t together = entries_together<Value>(entries.width);
  for (std::int64_t first = 0; first < entries.n; first += together) {
    const std::int64_t n = std::min(together, entries.n - first);
    std::int64_t e = 0;
    for (; e + 4 < n; e += 8) products_of_group<8>(entries, first + e, n - e, x, products + e);
    if (e < n) products_of_group<4>(entries, first + e, n - e, x, products + e);
    for (e = 0; e < n; ++e) products[e] *= entries.weights[first + e] - unobserved_weight;
    add_scaled(entries, first, n, products, out);
  }
}

template <class Value>
struct Residual {
  Value square;
  Value product;  // with what the preconditioner makes of it
};

// x += step direction, residual -= step image.
template <class Value>
inline Residual<Value> move(Value step, std::ptrdiff_t width, const ConjugateScratch<Value>& scratch,
                            Value* x) noexcept {
  constexpr int lanes = lanes_of<Value>;
  const Vector<Value> forward = every_lane(step), backward = every_lane(-step);
  Vector<Value> squares = {}, products = {};
  for (std::ptrdiff_t j = 0; j < width; j += lanes) {
    put(x + j, fused<Value>(forward, vector_at(scratch.direction + j), vector_at(x + j)));
    const Vector<Value> residual =
        fused<Value>(backward, vector_at(scratch.image + j), vector_at(scratch.residual + j));
    put(scratch.residual + j, residual);
    const Vector<Value> square = residual * residual;
    squares += square;
    products = fused<Value>(square, vector_at(scratch.inverse + j), products);
  }
  return {sum_of<Value>(squares), sum_of<Value>(products)};
}

// Whether x, which is zero, was moved to where the residual, at first the right side, is at most tol times that.
template <class Value>
inline bool converges(const Entries<Value>& entries, Value unobserved_weight, Value tol, int most_steps,
                      const ConjugateScratch<Value>& scratch, Value* x) noexcept {
  constexpr int lanes = lanes_of<Value>;
  const std::ptrdiff_t width = entries.width;
  std::fill(scratch.direction, scratch.direction + width, Value{0});
  Residual<Value> now = move(Value{0}, width, scratch, x);
  const Value enough = tol * tol * now.square;
  if (!(enough >= std::numeric_limits<Value>::min())) {  // too small to be squared, or NaN
    return std::all_of(scratch.residual, scratch.residual + width, [](Value v) { return v == 0; });
  }
  Value ratio = 0;
  for (int step = 0; step < most_steps; ++step) {
    const Vector<Value> kept = every_lane(ratio);
    for (std::ptrdiff_t j = 0; j < width; j += lanes) {
      const Vector<Value> direction = fused<Value>(kept, vector_at(scratch.direction + j),
                                                   vector_at(scratch.inverse + j) * vector_at(scratch.residual + j));
      put(scratch.direction + j, direction);
      put(scratch.image + j, direction * vector_at(scratch.diagonal + j));
    }
    add_image(entries, unobserved_weight, scratch.direction, scratch.image);
    Vector<Value> curvatures = {};
    for (std::ptrdiff_t j = 0; j < width; j += lanes) {
      curvatures = fused<Value>(vector_at(scratch.direction + j), vector_at(scratch.image + j), curvatures);
    }
    const Value curvature = sum_of<Value>(curvatures);
    if (!(curvature > 0)) return false;
    const Residual<Value> next = move(now.product / curvature, width, scratch, x);
    if (next.square <= enough) return true;
    ratio = next.product / now.product;
    now = next;
  }
  return false;
}

// The part of the system that all rows share but for their regularisation, and its inverse. False where that would not
// precondition: its least entry may be rounding only.
template <class Value>
inline bool share_diagonal(const HalfStep<Value>& step, double regularization,
                           const ConjugateScratch<Value>& scratch) noexcept {
  constexpr double least_share = 1e-10;
  double least = std::numeric_limits<double>::infinity(), most = 0.0;
  for (std::ptrdiff_t j = 0; j < step.n_factors; ++j) {
    const double shared = step.unobserved_weight * step.gram[j] + regularization;
    least = std::min(least, shared);
    most = std::max(most, shared);
    scratch.diagonal[j] = static_cast<Value>(shared);
    scratch.inverse[j] = static_cast<Value>(1.0 / shared);
  }
  return least > least_share * most;
}

template <class Value>
void conjugate_gradients(Rows rows, HalfStep<Value> step, Value tol, int most_steps, ConjugateScratch<Value> scratch,
                         Value* solutions, std::uint8_t* unsolved) noexcept {
  const std::ptrdiff_t width = step.n_factors;
  const Value unobserved_weight = static_cast<Value>(step.unobserved_weight);
  double shared_regularization = std::numeric_limits<double>::quiet_NaN();
  bool preconditions = false;
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    const std::int64_t start = step.weights.indptr[row], n_entries = step.weights.indptr[row + 1] - start;
    Value* solution = solutions + row * width;
    std::fill(solution, solution + width, Value{0});
    unsolved[row] = 0;
    if (n_entries == 0) continue;
    if (step.regularization[row] != shared_regularization) {
      shared_regularization = step.regularization[row];
      preconditions = share_diagonal(step, shared_regularization, scratch);
    }
    if (preconditions) {
      const Entries<Value> entries{
          step.weights.indices + start, step.weights.data + start, step.targets + start, n_entries, step.fixed, width};
      std::fill(scratch.residual, scratch.residual + width, Value{0});
      add_right_side(entries, scratch.residual);
      if (converges(entries, unobserved_weight, tol, most_steps, scratch, solution)) continue;
      std::fill(solution, solution + width, Value{0});
    }
    unsolved[row] = 1;
  }
}

}  // namespace
}  // namespace fastrec
