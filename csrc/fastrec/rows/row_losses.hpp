// Row-kernel of als_half_step: the loss that a row's solution leaves. Products are in Value, sums in double.
#pragma once

#include "fastrec/rows/entries.hpp"
#include "fastrec/simd/lanes.hpp"

namespace fastrec {
namespace {

template <class Value>
inline double loss_of(const HalfStep<Value>& step, const Entries<Value>& entries, double regularization,
                      const Value* x) noexcept {
  Lanes unseen = {};
  for (std::ptrdiff_t j = 0; j < entries.width; j += n_lanes) {
    const Lanes part = widened(x + j);
    unseen = fused((step.unobserved_weight * widened(step.gram + j) + regularization) * part, part, unseen);
  }
  double loss = sum_of(unseen);
  alignas(64) Value products[most_products];
  const std::int64_t together = entries_together<Value>(entries.width);
  for (std::int64_t first = 0; first < entries.n; first += together) {
    const std::int64_t n = std::min(together, entries.n - first);
    products_of_some(entries, first, n, x, products);
    for (std::int64_t e = 0; e < n; ++e) {
      const double predicted = static_cast<double>(products[e]);
      const double missed = static_cast<double>(entries.targets[first + e]) - predicted;
      loss += static_cast<double>(entries.weights[first + e]) * missed * missed -
              step.unobserved_weight * predicted * predicted;
    }
  }
  return loss;
}

// `step` has a diagonal Gram matrix.
template <class Value>
void row_losses(Rows rows, HalfStep<Value> step, const Value* solutions, double* losses) noexcept {
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    losses[row] = loss_of(step, entries_at(step, step.weights.indptr[row], step.weights.indptr[row + 1]),
                          step.regularization[row], solutions + row * step.n_factors);
  }
}

}  // namespace
}  // namespace fastrec
