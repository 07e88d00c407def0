// The normal equations of a row (Hu, Koren, Volinsky 2008, section 4), and Cholesky's solution of them, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "fastrec/simd/rank_update.hpp"

namespace fastrec {
namespace {

// Factors a symmetric matrix into U'U in its upper triangle. False when a pivot may be rounding only, so that the
// solver for singular systems decides. Either it keeps little of its diagonal entry: its error is that of the entry
// times the condition of what was eliminated before, so the limit leaves ample room. Or it is what that solver takes
// for zero: a factor that all rows lack is in a turned basis not zero but noise, and the entry made of it keeps all of
// itself.
inline bool cholesky(double* matrix, std::ptrdiff_t n, std::ptrdiff_t width, const double* diagonal) noexcept {
  constexpr double least_share = 1e-9;
  const double least = 32 * std::numeric_limits<double>::epsilon() * n * *std::max_element(diagonal, diagonal + n);
  static constexpr double minus[4] = {-1.0, -1.0, -1.0, -1.0};
  for (std::ptrdiff_t panel = 0; panel < n; panel += 4) {
    const std::ptrdiff_t panel_end = std::min(panel + 4, n);
    for (std::ptrdiff_t k = panel; k < panel_end; ++k) {
      double* pivot_row = matrix + k * width;
      if (!(pivot_row[k] > std::max(least, least_share * diagonal[k]))) return false;
      const double scale = 1.0 / std::sqrt(pivot_row[k]);
      for (std::ptrdiff_t j = k; j < width; ++j) pivot_row[j] *= scale;
      for (std::ptrdiff_t i = k + 1; i < panel_end; ++i) {
        double* row = matrix + i * width;
        for (std::ptrdiff_t j = i; j < width; ++j) row[j] -= pivot_row[i] * pivot_row[j];
      }
    }
    if (panel + 4 <= n) {  // a last panel that is not full has nothing below it
      const double* rows[4];
      for (int t = 0; t < 4; ++t) rows[t] = matrix + (panel + t) * width;
      add_outer_products(matrix, panel + 4, width, rows, minus);
    }
  }
  return true;
}

// Solves U'Ux = b in place.
inline void solve_cholesky(const double* factor, std::ptrdiff_t n, std::ptrdiff_t width, double* b) noexcept {
  for (std::ptrdiff_t k = 0; k < n; ++k) {
    const double* row = factor + k * width;
    b[k] /= row[k];
    for (std::ptrdiff_t j = k + 1; j < n; ++j) b[j] -= b[k] * row[j];
  }
  for (std::ptrdiff_t k = n - 1; k >= 0; --k) {
    const double* row = factor + k * width;
    for (std::ptrdiff_t j = k + 1; j < n; ++j) b[k] -= row[j] * b[j];
    b[k] /= row[k];
  }
}

// The upper triangle of a row's system, and its right side.
template <class Value>
inline void build_equations(const HalfStep<Value>& step, std::ptrdiff_t row, const DirectScratch& scratch) noexcept {
  const std::ptrdiff_t n = step.n_factors, width = padded(n);
  const std::int64_t start = step.weights.indptr[row], end = step.weights.indptr[row + 1];
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    for (std::ptrdiff_t j = i; j < n; ++j)
      scratch.system[i * width + j] = step.unobserved_weight * step.gram[i * n + j];
    scratch.system[i * width + i] += step.regularization[row];
  }
  std::fill(scratch.right, scratch.right + width, 0.0);

  const double* gathered[4];
  for (int t = 0; t < 4; ++t) gathered[t] = scratch.gathered + t * width;
  for (std::int64_t at = start; at < end; at += 4) {
    double weights[4] = {};
    for (int t = 0; t < 4; ++t) {
      double* into = scratch.gathered + t * width;
      if (at + t >= end) {
        std::fill(into, into + n, 0.0);
        continue;
      }
      const double weight = static_cast<double>(step.weights.data[at + t]);
      const double pull = weight * static_cast<double>(step.targets[at + t]);
      const Value* from = step.fixed + static_cast<std::ptrdiff_t>(step.weights.indices[at + t]) * n;
      for (std::ptrdiff_t j = 0; j < n; ++j) {
        into[j] = static_cast<double>(from[j]);
        scratch.right[j] += pull * into[j];
      }
      weights[t] = weight - step.unobserved_weight;
    }
    add_outer_products(scratch.system, 0, width, gathered, weights);
  }
}

}  // namespace
}  // namespace fastrec
