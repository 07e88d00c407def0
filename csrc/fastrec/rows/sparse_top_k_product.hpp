// Row-kernel of sparse_top_k_product: a row of A selects and adds rows of B into a dense row of sums (Gustavson 1978);
// the best of what was touched are kept.
#pragma once

#include "fastrec/rows/sparse_rows.hpp"

namespace fastrec {
namespace {

enum Mark : std::uint8_t { touched = 1, candidate = 2, excluded = 4 };

// Adds row `row` of the product into scratch.sums, terms by ascending inner index, and marks columns with a term. Sums
// of floats are double; sums of integers wrap around, so they are unsigned.
//
// A list of the columns, whose length is returned, pays where most have no term. Whether a column is new moves the end
// of the list and not the program: nobody could foretell it.
template <bool list, class Value>
std::ptrdiff_t add_row(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& b,
                       const ProductScratch<Sum<Value>>& scratch) noexcept {
  std::ptrdiff_t n_touched = 0;
  for (std::int64_t at = a.indptr[row]; at < a.indptr[row + 1]; ++at) {
    const Sum<Value> x = static_cast<Sum<Value>>(a.data[at]);
    const std::int32_t inner = a.indices[at];
    for (std::int64_t to = b.indptr[inner]; to < b.indptr[inner + 1]; ++to) {
      const std::int32_t column = b.indices[to];
      if constexpr (list) {
        scratch.touched[n_touched] = column;
        n_touched += !(scratch.marks[column] & touched);
      }
      scratch.marks[column] |= touched;
      scratch.sums[column] += x * static_cast<Sum<Value>>(b.data[to]);
    }
  }
  return n_touched;
}

inline void mark(const Pattern& pattern, std::ptrdiff_t row, std::uint8_t with, std::uint8_t* marks) noexcept {
  for (std::int64_t at = pattern.indptr[row * pattern.step]; at < pattern.indptr[row * pattern.step + 1]; ++at) {
    marks[pattern.ids[at]] |= with;
  }
}

inline void unmark(const Pattern& pattern, std::ptrdiff_t row, std::uint8_t* marks) noexcept {
  for (std::int64_t at = pattern.indptr[row * pattern.step]; at < pattern.indptr[row * pattern.step + 1]; ++at) {
    marks[pattern.ids[at]] = 0;
  }
}

template <class Value>
void sparse_top_k_product(Rows rows, Csr<Value> a, Csr<Value> b, Pattern exclude, Pattern candidates,
                          Threshold<Value> threshold, bool has_threshold, ProductScratch<Sum<Value>> scratch,
                          PickScratch<Value> pick, std::ptrdiff_t k, SparseRows<Value> out) noexcept {
  const std::uint8_t wanted = candidates.indptr ? touched | candidate : touched;
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    const bool dense = terms_of_row(row, a, b) >= b.columns;
    const std::ptrdiff_t n = dense ? b.columns : add_row<true>(row, a, b, scratch);
    if (dense) add_row<false>(row, a, b, scratch);
    if (candidates.indptr) mark(candidates, row, candidate, scratch.marks);
    if (exclude.indptr) mark(exclude, row, excluded, scratch.marks);

    Selection<Value> selection = Selector<Value>::empty(pick.entries);
    Selector<Value> selector(selection, k, 2 * k);
    const auto column_at = [&](std::ptrdiff_t i) { return dense ? static_cast<std::int32_t>(i) : scratch.touched[i]; };
    if constexpr (std::is_floating_point_v<Value>) {
      constexpr Value never = std::numeric_limits<Value>::quiet_NaN();
      for (std::ptrdiff_t i = 0; i < n; ++i) {
        const std::int32_t column = column_at(i);
        pick.scores[i] = scratch.marks[column] == wanted ? static_cast<Value>(scratch.sums[column]) : never;
      }
      const Value least = has_threshold ? least_above<Value>(threshold) : -std::numeric_limits<Value>::infinity();
      offer_scores(selector, n, k, least, pick, column_at);
    } else {
      for (std::ptrdiff_t i = 0; i < n; ++i) {
        const std::int32_t column = column_at(i);
        const Value score = static_cast<Value>(scratch.sums[column]);
        if (scratch.marks[column] == wanted && !(has_threshold && !(score > threshold))) selector.offer(score, column);
      }
    }
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      scratch.sums[column_at(i)] = 0;
      scratch.marks[column_at(i)] = 0;
    }
    if (candidates.indptr) unmark(candidates, row, scratch.marks);
    if (exclude.indptr) unmark(exclude, row, scratch.marks);
    write_sparse_row(selector, pick.entries, row, out);
  }
}

}  // namespace
}  // namespace fastrec
