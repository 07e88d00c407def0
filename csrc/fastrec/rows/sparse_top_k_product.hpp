// Row-kernel of sparse_top_k_product: a row of A selects and adds rows of B into a dense row of sums (Gustavson 1978);
// the best of what was touched are kept.
#pragma once

#include "fastrec/rows/selector.hpp"

namespace fastrec {
namespace {

enum Mark : std::uint8_t { touched = 1, candidate = 2, excluded = 4 };

// Adds row `row` of the product into scratch.sums, terms by ascending inner index, and returns how many columns it
// touched. Sums of floats are double; sums of integers wrap around, so they are unsigned.
template <bool count_terms, class Value>
std::ptrdiff_t add_row(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& b,
                       const ProductScratch<Sum<Value>>& scratch) noexcept {
  std::ptrdiff_t n_touched = 0;
  for (std::int64_t at = a.indptr[row]; at < a.indptr[row + 1]; ++at) {
    const Sum<Value> x = static_cast<Sum<Value>>(a.data[at]);
    const std::int32_t inner = a.indices[at];
    for (std::int64_t to = b.indptr[inner]; to < b.indptr[inner + 1]; ++to) {
      const std::int32_t column = b.indices[to];
      if (!(scratch.marks[column] & touched)) {
        scratch.marks[column] |= touched;
        scratch.touched[n_touched++] = column;
      }
      scratch.sums[column] += x * static_cast<Sum<Value>>(b.data[to]);
      if constexpr (count_terms) ++scratch.counts[column];
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

template <class Value>
void sparse_top_k_product(Rows rows, Csr<Value> a, Csr<Value> b, Pattern exclude, Pattern candidates,
                          Threshold<Value> threshold, bool has_threshold, ProductScratch<Sum<Value>> scratch,
                          Entry<Value>* entries, std::ptrdiff_t k, SparseRows<Value> out) noexcept {
  const std::uint8_t wanted = candidates.indptr ? touched | candidate : touched;
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    const std::ptrdiff_t n_touched = add_row<false>(row, a, b, scratch);
    if (candidates.indptr) mark(candidates, row, candidate, scratch.marks);
    if (exclude.indptr) mark(exclude, row, excluded, scratch.marks);

    Selection<Value> selection = Selector<Value>::empty(entries);
    Selector<Value> selector(selection, k, 2 * k);
    for (std::ptrdiff_t i = 0; i < n_touched; ++i) {
      const std::int32_t column = scratch.touched[i];
      const Value score = static_cast<Value>(scratch.sums[column]);
      if (scratch.marks[column] == wanted && !(has_threshold && !(score > threshold))) selector.offer(score, column);
      scratch.sums[column] = 0;
      scratch.marks[column] = 0;
    }
    if (candidates.indptr) unmark(candidates, row, scratch.marks);
    if (exclude.indptr) unmark(exclude, row, scratch.marks);
    write_sparse_row(selector, entries, row, out);
  }
}

}  // namespace
}  // namespace fastrec
