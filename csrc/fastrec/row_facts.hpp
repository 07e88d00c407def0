// Drivers of what is asked about rows before they are multiplied: how many terms, what their values add up to, and
// whether they are all the same.
#pragma once

#include <cmath>

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"

namespace fastrec {

// terms[r]: multiply-adds of row r of A * B, of which B's row pointers are enough.
inline Status terms_of_rows(const std::int32_t* indices, const std::int64_t* indptr, std::ptrdiff_t n_rows,
                            const std::int64_t* of_inner, std::int64_t* terms, int n_threads, Poll poll) {
  return for_sparse_rows(indptr, n_rows, n_threads, poll, [=](int, std::ptrdiff_t row) noexcept {
    std::int64_t sum = 0;
    for (std::int64_t at = indptr[row]; at < indptr[row + 1]; ++at) {
      sum += of_inner[indices[at] + 1] - of_inner[indices[at]];
    }
    terms[row] = sum;
  });
}

// Of each row, in float64 from the first entry on: the sum of its values, that of their squares, and whether all are
// whole numbers.
template <class Value>
Status sums_of_rows(const Value* data, const std::int64_t* indptr, std::ptrdiff_t n_rows, double* sums, double* squares,
                    std::uint8_t* whole, int n_threads, Poll poll) {
  return for_sparse_rows(indptr, n_rows, n_threads, poll, [=](int, std::ptrdiff_t row) noexcept {
    double sum = 0.0, square = 0.0;
    bool are_whole = true;
    for (std::int64_t at = indptr[row]; at < indptr[row + 1]; ++at) {
      const double value = static_cast<double>(data[at]);
      sum += value;
      square += value * value;
      are_whole &= value == std::rint(value);
    }
    sums[row] = sum;
    squares[row] = square;
    whole[row] = are_whole;
  });
}

// constant[r]: whether row r has no two different values.
template <class Value>
Status constant_rows(const Value* data, const std::int64_t* indptr, std::ptrdiff_t n_rows, std::uint8_t* constant,
                     int n_threads, Poll poll) {
  return for_sparse_rows(indptr, n_rows, n_threads, poll, [=](int, std::ptrdiff_t row) noexcept {
    const std::int64_t first = indptr[row], last = indptr[row + 1];
    std::int64_t at = first;
    while (at < last && data[at] == data[first]) ++at;
    constant[row] = at == last;
  });
}

}  // namespace fastrec
