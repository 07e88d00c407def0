// Rows of a sparse product: what may enter one, and writing it.
#pragma once

#include <cmath>

#include "fastrec/rows/scan.hpp"

namespace fastrec {
namespace {

template <class Score>
void write_sparse_row(Selector<Score>& selector, const Entry<Score>* entries, std::ptrdiff_t row,
                      const SparseRows<Score>& out) noexcept {
  const std::ptrdiff_t n = selector.finish();
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    out.indices[out.starts[row] + i] = entries[i].item;
    out.data[out.starts[row] + i] = entries[i].score;
  }
  out.lengths[row] = n;
}

// The least score that is greater than a threshold, both as double, if there is one; NaN where no score is.
template <class Score>
Score least_above(double threshold, bool exists) noexcept {
  constexpr Score infinity = std::numeric_limits<Score>::infinity();
  if (!exists) return -infinity;
  if (threshold == std::numeric_limits<double>::infinity()) return std::numeric_limits<Score>::quiet_NaN();
  const Score nearest = static_cast<Score>(threshold);
  return static_cast<double>(nearest) > threshold ? nearest : std::nextafter(nearest, infinity);
}

}  // namespace
}  // namespace fastrec
