// Rows of a sparse product: what one costs, what may enter it, and writing it.
#pragma once

#include <cmath>

#include "fastrec/rows/scan.hpp"

namespace fastrec {
namespace {

// Multiply-adds of row `row` of A * B.
template <class Value>
std::int64_t terms_of_row(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& b) noexcept {
  std::int64_t terms = 0;
  for (std::int64_t at = a.indptr[row]; at < a.indptr[row + 1]; ++at) {
    terms += b.indptr[a.indices[at] + 1] - b.indptr[a.indices[at]];
  }
  return terms;
}

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
