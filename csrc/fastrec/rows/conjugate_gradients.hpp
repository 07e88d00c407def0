// Conjugate gradients (Hestenes and Stiefel 1952) for a row, in the eigenbasis of the fixed side's Gram matrix: there
// the part of its system that all rows share is diagonal, and preconditions what its own entries add.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "fastrec/rows/entries.hpp"
#include "fastrec/rows/entry_matrix.hpp"

namespace fastrec {
namespace {

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
inline Residual<Value> move(Value step, std::ptrdiff_t width, const HalfStepScratch<Value>& scratch,
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

// How many steps must be left for it to pay that a row of n entries makes a matrix of them, or infinity where that is
// more than `most`: from counts of vectors that are multiplied, or of what time it takes to fetch values from far.
template <class Value>
inline double steps_that_pay_for_a_matrix(std::int64_t n, std::ptrdiff_t width, double most) noexcept {
  constexpr double bytes_near = 1 << 20, lanes = lanes_of<Value>;
  const double wide = static_cast<double>(width), values = static_cast<double>(n) * wide;
  const double bytes = values * sizeof(Value);
  const double entry_step =
      std::max(static_cast<double>(4 * n) + values * (5 / lanes), bytes > bytes_near ? bytes / 4 : 0);
  const double matrix_step = wide * wide * (2 / lanes), saved = entry_step - matrix_step;
  const double matrix = values * (wide * (0.65 / lanes) + 0.65) + matrix_step;
  return saved * most > matrix ? matrix / saved : std::numeric_limits<double>::infinity();
}

// How many steps a row takes until its residual is 1e-5 of what it was, if its entries add an eigenvalue to the
// identity. So many an octave were taken for interactions, clicks and ratings alike; only the time depends on it.
inline double usual_steps(double eigenvalue) noexcept { return least_steps + 2 * std::log2(1 + eigenvalue); }

// A lower bound of the largest eigenvalue: the Rayleigh quotient of the right side, whose product with what the
// preconditioner makes of it is given.
template <class Value>
__attribute__((noinline)) double largest_eigenvalue(const Entries<Value>& entries, Value unobserved_weight,
                                                    double product) noexcept {
  constexpr int lanes = lanes_of<Value>;
  const Vector<Value> unobserved = every_lane(unobserved_weight);
  Vector<Value> weights = {}, added = {}, squares = {};
  std::int64_t e = 0;
  for (; e + lanes <= entries.n; e += lanes) {
    const Vector<Value> weight = vector_at(entries.weights + e), target = vector_at(entries.targets + e);
    const Vector<Value> more = weight - unobserved;
    weights += weight;
    added += more < 0 ? -more : more;
    squares = fused<Value>(weight * target, target, squares);
  }
  double all = static_cast<double>(sum_of<Value>(weights)), all_added = static_cast<double>(sum_of<Value>(added)),
         all_squares = static_cast<double>(sum_of<Value>(squares));
  for (; e < entries.n; ++e) {
    const double weight = static_cast<double>(entries.weights[e]), target = static_cast<double>(entries.targets[e]);
    all += weight;
    all_added += std::abs(weight - static_cast<double>(unobserved_weight));
    all_squares += weight * target * target;
  }
  return product / all_squares * (all_added / all);
}

// Whether steps tell a system whose pivots (Lanczos 1950) are between its least and its largest eigenvalue, 1 where a
// row's entries add nothing, to tol. By a large one a residual of tol leaves nothing of the solution certain; by a
// small one, of weights far below the unobserved one, products with the system are roundings.
template <class Value>
inline bool is_conditioned(Value pivot, Value tol) noexcept {
  constexpr Value most = Value{1} / 10, least = Value{1} / 16, rounding = 4 * std::numeric_limits<Value>::epsilon();
  return pivot * tol <= most && pivot >= std::min(rounding / tol, least);
}

// Whether x, which is zero, was moved to where the residual, at first the right side, is at most tol times that, which
// takes `share` of the steps to 1e-5. `row` sums over the entries; what it answers is false when there is no hurry any
// more.
template <class Value, class Row>
inline bool converges(std::ptrdiff_t width, Value tol, double share, int most_steps,
                      const HalfStepScratch<Value>& scratch, Value* x, const Row& row) noexcept {
  constexpr int lanes = lanes_of<Value>;
  std::fill(scratch.residual, scratch.residual + width, Value{0});
  std::fill(scratch.direction, scratch.direction + width, Value{0});
  constexpr double never = std::numeric_limits<double>::infinity();
  const double many = 5 * share * least_steps;  // more are too rare to look for
  const double pays = scratch.matrix == nullptr ? never : steps_that_pay_for_a_matrix<Value>(row.n, width, many);
  bool has_matrix = share * least_steps > pays;  // then the entries are read once for it and for the right side
  if (!(has_matrix ? row.sum(scratch.matrix, scratch.residual) : row.add(nullptr, scratch.residual))) return false;
  Residual<Value> now = move(Value{0}, width, scratch, x);
  const Value enough = tol * tol * now.square;
  if (!(enough >= std::numeric_limits<Value>::min() && now.square <= std::numeric_limits<Value>::max())) {
    // too small to be squared, too large, or NaN
    return std::all_of(scratch.residual, scratch.residual + width, [](Value v) { return v == 0; });
  }
  double expected = 0;
  if (!has_matrix && pays < never) {
    expected = share * usual_steps(row.largest_eigenvalue(static_cast<double>(now.product)));
  }
  Value ratio = 0;
  for (int step = 0; step < most_steps; ++step) {
    if (!has_matrix && std::max(expected - step, 0.5 * step) > pays) {  // it may be half as many again
      has_matrix = true;
      if (!row.sum(scratch.matrix, nullptr)) return false;
    }
    const Vector<Value> kept = every_lane(ratio);
    for (std::ptrdiff_t j = 0; j < width; j += lanes) {
      const Vector<Value> direction = fused<Value>(kept, vector_at(scratch.direction + j),
                                                   vector_at(scratch.inverse + j) * vector_at(scratch.residual + j));
      put(scratch.direction + j, direction);
      put(scratch.image + j, direction * vector_at(scratch.diagonal + j));
    }
    if (has_matrix) {
      add_product(scratch.matrix, width, scratch.direction, scratch.image);
    } else if (!row.add(scratch.direction, scratch.image)) {
      return false;
    }
    Vector<Value> curvatures = {};
    for (std::ptrdiff_t j = 0; j < width; j += lanes) {
      curvatures = fused<Value>(vector_at(scratch.direction + j), vector_at(scratch.image + j), curvatures);
    }
    const Value curvature = sum_of<Value>(curvatures);
    if (!(curvature > 0) || !is_conditioned(curvature / now.product, tol)) return false;
    const Residual<Value> next = move(now.product / curvature, width, scratch, x);
    if (next.square <= enough) return true;
    ratio = next.product / now.product;
    now = next;
  }
  return false;
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
__attribute__((noinline)) void sum_matrix(HalfStep<Value> step, std::int64_t first, std::int64_t last, Value* scaled,
                                          Value* matrix, Value* right) noexcept {
  sum_outer_products(entries_at(step, first, last), static_cast<Value>(step.unobserved_weight), scaled, matrix, right);
}

// The sums over the entries of one row, by this thread or by all.
template <class Value>
struct RowSums {
  const HalfStep<Value>& step;
  std::int64_t start, n;
  const SharedSums<Value>* shared;
  Value* scaled;

  // Adds the image of x under what the entries add to the system, or without x the right side.
  bool add(const Value* x, Value* out) const noexcept {
    if (shared != nullptr) return shared->add(shared->by, x, out);
    add_sums(step, start, start + n, x, out);
    return true;
  }
  bool sum(Value* matrix, Value* right) const noexcept {
    if (shared != nullptr) return shared->sum(shared->by, matrix, right);
    sum_matrix(step, start, start + n, scaled, matrix, right);
    return true;
  }
  double largest_eigenvalue(double product) const noexcept {
    return fastrec::largest_eigenvalue(entries_at(step, start, start + n), static_cast<Value>(step.unobserved_weight),
                                       product);
  }
};

// As `converges`, of a row. Takes copies, which no store can change.
template <class Value>
__attribute__((noinline)) bool solve_by_steps(HalfStep<Value> step, std::ptrdiff_t row, Value tol, double share,
                                              int most_steps, HalfStepScratch<Value> scratch,
                                              const SharedSums<Value>* shared, Value* x) noexcept {
  const std::int64_t start = step.weights.indptr[row], end = step.weights.indptr[row + 1];
  const RowSums<Value> sums = {step, start, end - start, shared, scratch.scaled};
  return converges(step.n_factors, tol, share, most_steps, scratch, x, sums);
}

}  // namespace
}  // namespace fastrec
