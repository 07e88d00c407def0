// Row-kernel of als_half_step by conjugate gradients (Hestenes and Stiefel 1952), in the eigenbasis of the fixed side's
// Gram matrix: there the part of a row's system that all rows share is diagonal, and preconditions what its own entries
// add.
#pragma once

#include <algorithm>
#include <limits>

#include "fastrec/rows/entries.hpp"
#include "fastrec/rows/row_losses.hpp"

namespace fastrec {
namespace {

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
    products_of_some(entries, first, n, x, products);
    for (std::int64_t e = 0; e < n; ++e) products[e] *= entries.weights[first + e] - unobserved_weight;
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
// add_sums(x, out) adds the image of x under what the row's entries add to its system, or without x the right side; it
// is false when there is no hurry any more.
template <class Value, class AddSums>
inline bool converges(std::ptrdiff_t width, Value tol, int most_steps, const ConjugateScratch<Value>& scratch, Value* x,
                      const AddSums& add_sums) noexcept {
  constexpr int lanes = lanes_of<Value>;
  std::fill(scratch.residual, scratch.residual + width, Value{0});
  std::fill(scratch.direction, scratch.direction + width, Value{0});
  if (!add_sums(static_cast<const Value*>(nullptr), scratch.residual)) return false;
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
    if (!add_sums(static_cast<const Value*>(scratch.direction), scratch.image)) return false;
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

// What one entry after the other adds.
template <class Value>
void add_sums(HalfStep<Value> step, std::int64_t first, std::int64_t last, const Value* x, Value* out) noexcept {
  const Entries<Value> entries = entries_at(step, first, last);
  if (x == nullptr) {
    add_right_side(entries, out);
  } else {
    add_image(entries, static_cast<Value>(step.unobserved_weight), x, out);
  }
}

template <class Value>
void conjugate_gradients(Rows rows, HalfStep<Value> step, Value tol, int most_steps, ConjugateScratch<Value> scratch,
                         const SharedSums<Value>* shared, HalfStepAnswer<Value> answer) noexcept {
  const std::ptrdiff_t width = step.n_factors;
  double shared_regularization = std::numeric_limits<double>::quiet_NaN();
  bool preconditions = false;
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    const std::int64_t start = step.weights.indptr[row], end = step.weights.indptr[row + 1];
    Value* solution = answer.solutions + row * width;
    std::fill(solution, solution + width, Value{0});
    answer.unsolved[row] = 0;
    if (start == end) continue;
    if (step.regularization[row] != shared_regularization) {
      shared_regularization = step.regularization[row];
      preconditions = share_diagonal(step, shared_regularization, scratch);
    }
    if (!preconditions || !converges(width, tol, most_steps, scratch, solution, [&](const Value* x, Value* out) {
          if (shared != nullptr) return shared->add(shared->by, x, out);
          add_sums(step, start, end, x, out);
          return true;
        })) {
      std::fill(solution, solution + width, Value{0});
      answer.unsolved[row] = 1;
    }
    if (answer.losses != nullptr) {
      answer.losses[row] = loss_of(step, entries_at(step, start, end), step.regularization[row], solution);
    }
  }
}

}  // namespace
}  // namespace fastrec
