// Row-kernel of als_half_step: the loss that a row's solution leaves, in double.
#pragma once

#include "fastrec/simd/lanes.hpp"

namespace fastrec {
namespace {

template <class Value>
inline double product_in_double(const Value* x, const Value* y, std::ptrdiff_t n) noexcept {
  Lanes sums[4] = {};  // one would wait for its last term
  std::ptrdiff_t j = 0;
  for (; j + 4 * n_lanes <= n; j += 4 * n_lanes) {
    for (int t = 0; t < 4; ++t) sums[t] = fused(widened(x + j + t * n_lanes), widened(y + j + t * n_lanes), sums[t]);
  }
  for (; j < n; j += n_lanes) sums[0] = fused(load_eight(x, 1, j, n), load_eight(y, 1, j, n), sums[0]);
  return sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// `step` has a diagonal Gram matrix.
template <class Value>
void row_losses(Rows rows, HalfStep<Value> step, const Value* solutions, double* losses) noexcept {
  const std::ptrdiff_t n = step.n_factors;
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    const Value* x = solutions + row * n;
    Lanes unseen = {};
    for (std::ptrdiff_t j = 0; j < n; j += n_lanes) {
      const Lanes shared = step.unobserved_weight * load_eight(step.gram, 1, j, n) + step.regularization[row];
      const Lanes part = load_eight(x, 1, j, n);
      unseen = fused(shared * part, part, unseen);
    }
    double loss = sum_of(unseen);
    for (std::int64_t at = step.weights.indptr[row]; at < step.weights.indptr[row + 1]; ++at) {
      const Value* factors = step.fixed + static_cast<std::ptrdiff_t>(step.weights.indices[at]) * n;
      const double predicted = product_in_double(x, factors, n);
      const double missed = static_cast<double>(step.targets[at]) - predicted;
      loss +=
          static_cast<double>(step.weights.data[at]) * missed * missed - step.unobserved_weight * predicted * predicted;
    }
    losses[row] = loss;
  }
}

}  // namespace
}  // namespace fastrec
