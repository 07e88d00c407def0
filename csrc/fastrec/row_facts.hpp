// Drivers of what is asked about rows before they are multiplied or weighted: whether they may be followed, how many
// terms they have, what their values add up to, whether they are all the same, and how many are positive in a column.
//
// Every call looks at its operands first, so it has to take as long as memory does: whole vectors of bits are asked at
// once, of any instruction set, and what is found is one bit in the end.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"

namespace fastrec {

constexpr std::ptrdiff_t entries_of_block = 1 << 16;
constexpr double entries_an_operation = 4;  // looks at so many take as long as what worthwhile_threads counts

struct Places {
  bool lie_within = false;  // pointers start at 0, never decrease and end in what is stored, and all columns are there
  bool ascend = false;      // no row names a column twice, or after a higher one; only of such as lie within
};

template <class Index, class Pointer>
Status places_of_rows(const Index* indices, std::int64_t n_stored, const Pointer* indptr, std::ptrdiff_t n_rows,
                      std::int64_t n_columns, Places& places, int n_threads, Poll poll) {
  bool in_order = indptr[0] == 0;
  for (std::ptrdiff_t row = 0; row < n_rows; ++row) in_order &= indptr[row] <= indptr[row + 1];
  if (!in_order || indptr[n_rows] > n_stored) return Status::done;
  const std::int64_t n_entries = indptr[n_rows];
  std::atomic<bool> within{true};
  std::atomic<std::int64_t> n_descents{0};  // from an entry to the next, where a row ends or not
  using Bits = std::make_unsigned_t<Index>;
  constexpr int sign = 8 * sizeof(Index) - 1;
  const Bits last_column = static_cast<Bits>(n_columns - 1);
  const auto look_at = [&](int, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
    const auto column = [=](std::ptrdiff_t at) { return static_cast<Bits>(indices[at]); };
    Bits outside = column(0) | (last_column - column(0)), descents = 0;
    for (std::ptrdiff_t at = std::max<std::ptrdiff_t>(first, 1); at < last; ++at) {
      outside |= column(at) | (last_column - column(at));     // the highest bit: below 0, or above the last
      descents += (column(at) - column(at - 1) - 1) >> sign;  // of columns that are there
    }
    if (outside >> sign) within.store(false, std::memory_order_relaxed);
    n_descents.fetch_add(static_cast<std::int64_t>(descents), std::memory_order_relaxed);
  };
  n_threads = worthwhile_threads(static_cast<double>(n_entries) / entries_an_operation, n_threads);
  const Status status = parallel_for_rows(0, n_entries, entries_of_block, n_threads, poll, look_at);
  std::int64_t n_allowed = 0;
  for (std::ptrdiff_t row = 1; row < n_rows; ++row) {
    const Pointer start = indptr[row];
    const bool begins = start < indptr[row + 1] && start > 0;
    n_allowed += begins && indices[start] <= indices[start - 1];
  }
  places.lie_within = n_entries == 0 || within;
  places.ascend = n_descents == n_allowed;
  return status;
}

struct Values {
  bool are_finite = false, are_nonzero = false;
};

template <class Value>
Status values_of_rows(const Value* data, std::ptrdiff_t n, Values& values, int n_threads, Poll poll) {
  using Bits = std::conditional_t<sizeof(Value) == 4, std::uint32_t, std::uint64_t>;
  constexpr int top = 8 * sizeof(Value) - 1;
  std::atomic<Bits> infinite{0}, zero{0};  // the highest bit says so
  const auto look_at = [&](int, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
    Bits infinite_here = 0, zero_here = 0;
    for (std::ptrdiff_t at = first; at < last; ++at) {
      Bits bits;
      std::memcpy(&bits, data + at, sizeof bits);
      if constexpr (std::is_floating_point_v<Value>) {
        constexpr Bits lowest_of_exponent = Bits{1} << (std::numeric_limits<Value>::digits - 1);
        constexpr Bits exponent = (Bits{1} << top) - lowest_of_exponent;
        infinite_here |= (bits & exponent) + lowest_of_exponent;  // carries where all its bits are set
        zero_here |= (bits & ~(Bits{1} << top)) - 1;              // borrows from 0 alone
      } else {
        zero_here |= (bits - 1) & ~bits;
      }
    }
    infinite.fetch_or(infinite_here, std::memory_order_relaxed);
    zero.fetch_or(zero_here, std::memory_order_relaxed);
  };
  n_threads = worthwhile_threads(static_cast<double>(n) / entries_an_operation, n_threads);
  const Status status = parallel_for_rows(0, n, entries_of_block, n_threads, poll, look_at);
  values = {infinite >> top == 0, zero >> top == 0};
  return status;
}

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

// Row pointers of no more than `most` entries a row; returns how many there are without that limit.
inline std::int64_t limited_pointers(const std::int64_t* lengths, std::ptrdiff_t n_rows, std::int64_t most,
                                     std::int64_t* indptr) noexcept {
  std::int64_t all = 0;
  indptr[0] = 0;
  for (std::ptrdiff_t row = 0; row < n_rows; ++row) {
    all += lengths[row];
    indptr[row + 1] = indptr[row] + std::min(lengths[row], most);
  }
  return all;
}

// Adds to counts[c] how many entries of column c are positive; false, and adds none of it, at a column that is not
// there.
template <class Value, class Index>
bool count_positives(const Value* data, const Index* indices, std::int64_t n_entries, std::int64_t n_columns,
                     std::int64_t* counts) noexcept {
  for (std::int64_t at = 0; at < n_entries; ++at) {
    if (indices[at] < 0 || indices[at] >= n_columns) return false;
    counts[indices[at]] += data[at] > 0;
  }
  return true;
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
