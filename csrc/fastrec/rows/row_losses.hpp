// Row-kernel of als_half_step: the loss that a row's solution leaves, in double.
#pragma once

#include "fastrec/simd/lanes.hpp"

namespace fastrec {
namespace {

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
      Lanes products = {};
      for (std::ptrdiff_t j = 0; j < n; j += n_lanes) {
        products = fused(load_eight(x, 1, j, n), load_eight(factors, 1, j, n), products);
      }
      const double predicted = sum_of(products);
      const double missed = static_cast<double>(step.targets[at]) - predicted;
      loss +=
          static_cast<double>(step.weights.data[at]) * missed * missed - step.unobserved_weight * predicted * predicted;
    }
    losses[row] = loss;
  }
}

}  // namespace
}  // namespace fastrec
