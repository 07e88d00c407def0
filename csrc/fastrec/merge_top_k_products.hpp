// Driver of merge_top_k_products: rows of matrices that stand side by side, each best first.
#pragma once

#include <algorithm>

#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"
#include "fastrec/sparse_rows.hpp"

namespace fastrec {

// Whether n columns, of which there is room for a copy, are all different.
inline bool are_different(const std::int32_t* columns, std::ptrdiff_t n, std::int32_t* copy) noexcept {
  constexpr std::ptrdiff_t few = 64;  // are compared with each other sooner than sorted
  if (n <= few) {
    bool meet = false;
    for (std::ptrdiff_t i = 1; i < n; ++i) {
      for (std::ptrdiff_t j = 0; j < i; ++j) meet |= columns[j] == columns[i];
    }
    return !meet;
  }
  std::copy(columns, columns + n, copy);
  std::sort(copy, copy + n);
  return std::adjacent_find(copy, copy + n) == copy + n;
}

// Whether entries [first, last) stand best first, equal values by lower column, and have no column twice.
template <class Value>
bool is_best_first(const Csr<Value>& x, std::int64_t first, std::int64_t last, std::int32_t* copy) noexcept {
  bool descends = true;
  for (std::int64_t at = first + 1; at < last; ++at) {
    const Value before = x.data[at - 1], after = x.data[at];
    descends &= (before > after) | ((before == after) & (x.indices[at - 1] < x.indices[at]));
  }
  return descends && are_different(x.indices + first, last - first, copy);
}

template <class Value, class Column>
struct MergedRows {  // k entries a row, or all that there are; columns are counted from the first block's
  Column* columns;
  Value* data;
  const std::int64_t* indptr;
  std::uint8_t* unmerged;  // (n_rows): which it left alone, since a block has them in another order
};

struct Run {  // what a block has left of a row
  std::int64_t at, last;
};

// Says no where a block has the row in another order. There is room for a run a block, and for a block's row of
// columns.
template <class Value, class Column>
bool merge_row(std::ptrdiff_t row, const Csr<Value>* blocks, std::ptrdiff_t n_blocks, Run* left, std::int32_t* copy,
               const MergedRows<Value, Column>& out) noexcept {
  for (std::ptrdiff_t b = 0; b < n_blocks; ++b) {
    left[b] = {blocks[b].indptr[row], blocks[b].indptr[row + 1]};
    if (!is_best_first(blocks[b], left[b].at, left[b].last, copy)) return false;
  }
  for (std::int64_t to = out.indptr[row]; to < out.indptr[row + 1]; ++to) {
    Value best{};
    Column offset = 0, column = 0;
    std::ptrdiff_t taken = -1;
    for (std::ptrdiff_t b = 0; b < n_blocks; offset += static_cast<Column>(blocks[b++].columns)) {
      if (left[b].at == left[b].last) continue;
      const Value value = blocks[b].data[left[b].at];
      if (taken >= 0 && value <= best) continue;
      best = value;
      column = offset + blocks[b].indices[left[b].at];
      taken = b;
    }
    ++left[taken].at;
    out.data[to] = best + Value{0};  // -0.0 becomes 0.0
    out.columns[to] = column;
  }
  return true;
}

template <class Value, class Column>
Status merge_top_k_products(const Csr<Value>* blocks, std::ptrdiff_t n_blocks, const MergedRows<Value, Column>& out,
                            int n_threads, Poll poll) {
  constexpr double cost_of_entry = 8.0;  // to see that it is in order
  const std::ptrdiff_t n_rows = blocks[0].rows;
  std::int64_t longest = 0;
  double operations = static_cast<double>(out.indptr[n_rows]) * static_cast<double>(n_blocks);
  for (std::ptrdiff_t b = 0; b < n_blocks; ++b) {
    operations += cost_of_entry * static_cast<double>(blocks[b].indptr[n_rows]);
    longest = std::max(longest, longest_row(blocks[b].indptr, n_rows));
  }
  n_threads = worthwhile_threads(operations, n_threads);
  const Scratch<Run> runs(n_threads, n_blocks, Fill::nothing);
  const Scratch<std::int32_t> copies(n_threads, longest, Fill::nothing);
  if (!runs || !copies) return Status::out_of_memory;
  const double a_row = operations / static_cast<double>(std::max<std::ptrdiff_t>(n_rows, 1));
  return parallel_for_rows(0, n_rows, block_length(n_rows, n_threads, 1 << 12, a_row), n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             for (std::ptrdiff_t row = first; row < last; ++row) {
                               out.unmerged[row] = !merge_row(row, blocks, n_blocks, runs[worker], copies[worker], out);
                             }
                           });
}

}  // namespace fastrec
