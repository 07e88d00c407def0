// Row-kernel of als_half_step whose solutions are not negative: the normal equations of each row under that condition,
// by block principal pivoting (Portugal, Judice, Vicente 1994; Kim and Park 2011) in double.
#pragma once

#include <algorithm>
#include <cmath>

#include "fastrec/rows/normal_equations.hpp"

namespace fastrec {
namespace {

constexpr int patient_steps = 3;  // that may exchange many unknowns and not lower the number of faults

// What is added to each term of a diagonal: a part of it, or of what is still more than rounding of the largest.
struct Ridge {
  double part, least;

  double of(double term) const noexcept { return part * std::max(term, least); }
};

// Solves the equations of the unknowns that are not held at zero; the others are zero. False where those are singular.
inline bool solve_free(const double* system, const double* right, std::ptrdiff_t n, std::ptrdiff_t width, Ridge ridge,
                       const NonnegativeScratch& scratch) noexcept {
  std::ptrdiff_t n_free = 0;
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    if (!scratch.held[i]) scratch.free[n_free++] = static_cast<std::int32_t>(i);
  }
  const std::ptrdiff_t narrow = padded(n_free);
  for (std::ptrdiff_t i = 0; i < n_free; ++i) {
    const double* from = system + scratch.free[i] * width;
    double* into = scratch.factor + i * narrow;
    for (std::ptrdiff_t j = i; j < n_free; ++j) into[j] = from[scratch.free[j]];
    std::fill(into + n_free, into + narrow, 0.0);
    into[i] += ridge.of(into[i]);
    scratch.diagonal[i] = into[i];
    scratch.reduced[i] = right[scratch.free[i]];
  }
  if (!cholesky(scratch.factor, n_free, narrow, scratch.diagonal)) return false;
  solve_cholesky(scratch.factor, n_free, narrow, scratch.reduced);
  std::fill(scratch.point, scratch.point + width, 0.0);
  for (std::ptrdiff_t i = 0; i < n_free; ++i) scratch.point[scratch.free[i]] = scratch.reduced[i];
  return true;
}

// Marks the unknowns that are negative though free, or held though the objective falls where they grow, and counts
// them. `system` is whole.
inline std::ptrdiff_t mark_faults(const double* system, const double* right, std::ptrdiff_t n_bounded,
                                  std::ptrdiff_t width, const NonnegativeScratch& scratch) noexcept {
  constexpr double rounding = 1e-11;  // of a gradient, where the system is nearly singular
  std::ptrdiff_t n_faults = 0;
  for (std::ptrdiff_t i = 0; i < n_bounded; ++i) {
    bool fault = scratch.point[i] < 0.0;
    if (scratch.held[i]) {
      Lanes sum = {}, size = {};
      for (std::ptrdiff_t j = 0; j < width; j += n_lanes) {
        const Lanes term = load(system + i * width + j) * load(scratch.point + j);
        sum += term;
        size += larger_of(term, -term);
      }
      fault = sum_of(sum) - right[i] < -rounding * (sum_of(size) + std::abs(right[i]));
    }
    scratch.faulty[i] = fault;
    n_faults += fault;
  }
  return n_faults;
}

// Whether scratch.point was moved to the solution of the first n_bounded unknowns not negative.
inline bool pivots_to_the_end(const double* system, const double* right, std::ptrdiff_t n, std::ptrdiff_t width,
                              std::ptrdiff_t n_bounded, Ridge ridge, const NonnegativeScratch& scratch) noexcept {
  std::fill(scratch.held, scratch.held + n, std::uint8_t{0});
  std::ptrdiff_t fewest = n + 1;
  int patience = patient_steps;
  for (std::ptrdiff_t steps = 0; steps < 4 * n + 64; ++steps) {
    if (!solve_free(system, right, n, width, ridge, scratch)) return false;
    const std::ptrdiff_t n_faults = mark_faults(system, right, n_bounded, width, scratch);
    if (n_faults == 0) return true;
    if (n_faults < fewest) {
      fewest = n_faults;
      patience = patient_steps;
    } else {
      --patience;
    }
    for (std::ptrdiff_t i = n_bounded - 1; i >= 0; --i) {  // out of patience: the last one alone, which cannot cycle
      if (!scratch.faulty[i]) continue;
      scratch.held[i] ^= 1;
      if (patience < 0) break;
    }
  }
  return false;
}

template <class Value>
void nonnegative_solve(Rows rows, HalfStep<Value> step, std::ptrdiff_t n_bounded, NonnegativeScratch scratch,
                       Value* solutions, std::uint8_t* unsolved) noexcept {
  // What is singular needs one, and its solution then comes near the one of least norm, each factor in its own scale.
  static constexpr double ridges[] = {0.0, 1e-8, 1e-6, 1e-4}, least_of_largest = 1e-7;
  const std::ptrdiff_t n = step.n_factors, width = padded(n);
  double *system = scratch.equations.system, *right = scratch.equations.right;
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    Value* solution = solutions + row * n;
    std::fill(solution, solution + n, Value{0});
    unsolved[row] = 0;
    if (step.weights.indptr[row] == step.weights.indptr[row + 1]) continue;
    build_equations(step, row, scratch.equations);
    double largest = 0.0;
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      const double of_all = step.unobserved_weight * step.gram[i * n + i];  // of which entries may leave rounding only
      largest = std::max(largest, std::max(of_all, system[i * width + i]));
      for (std::ptrdiff_t j = 0; j < i; ++j) system[i * width + j] = system[j * width + i];
    }
    if (largest == 0.0) continue;
    unsolved[row] = 1;
    for (const double ridge : ridges) {
      if (!pivots_to_the_end(system, right, n, width, n_bounded, {ridge, least_of_largest * largest}, scratch))
        continue;
      for (std::ptrdiff_t i = 0; i < n; ++i) solution[i] = static_cast<Value>(scratch.point[i]);
      unsolved[row] = 0;
      break;
    }
  }
}

}  // namespace
}  // namespace fastrec
