// What drivers ask of sparse operands and make of sparse answers.
#pragma once

#include <algorithm>

#include "fastrec/kernels.hpp"

namespace fastrec {

// The number of entries in the longest of n_rows rows.
inline std::int64_t longest_row(const std::int64_t* indptr, std::ptrdiff_t n_rows) noexcept {
  std::int64_t longest = 0;
  for (std::ptrdiff_t row = 0; row < n_rows; ++row) longest = std::max(longest, indptr[row + 1] - indptr[row]);
  return longest;
}

struct ProductCost {
  double total = 0.0, longest_row = 0.0;

  void add(std::int64_t terms) noexcept {
    total += static_cast<double>(terms);
    longest_row = std::max(longest_row, static_cast<double>(terms));
  }
};

// Brings the rows, which were given more room than they needed, one directly after the other, and makes row pointers of
// their lengths: each ends that much after the one before it.
template <class Score>
void close_gaps(Rows rows, const SparseRows<Score>& out) noexcept {
  std::int64_t end = out.starts[rows.first];
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    const std::int64_t start = out.starts[row], length = out.lengths[row];
    if (start != end) {
      std::copy(out.indices + start, out.indices + start + length, out.indices + end);
      std::copy(out.data + start, out.data + start + length, out.data + end);
    }
    end += length;
    out.lengths[row] = out.lengths[row - 1] + length;
  }
}

}  // namespace fastrec
