// Driver of sparse_top_k_product.
#pragma once

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"
#include "fastrec/top_k.hpp"

namespace fastrec {

struct ProductCost {
  double total = 0.0, longest_row = 0.0;
};

// Multiply-adds of rows [first, last) of A * B.
template <class Value>
ProductCost product_cost(Rows rows, const Csr<Value>& a, const Csr<Value>& b) {
  ProductCost cost;
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    std::int64_t terms = 0;
    for (std::int64_t at = a.indptr[row]; at < a.indptr[row + 1]; ++at) {
      terms += b.indptr[a.indices[at] + 1] - b.indptr[a.indices[at]];
    }
    cost.total += static_cast<double>(terms);
    cost.longest_row = std::max(cost.longest_row, static_cast<double>(terms));
  }
  return cost;
}

enum class Accumulate { sums_and_marks, sums_and_counts, counters };

// The dense accumulators of the workers, and the entries that each picks its k best from.
template <class Total, class Score>
struct ProductWorkspace {
  Scratch<Total> sums;
  Scratch<std::int32_t> counts;
  Scratch<std::uint8_t> marks;
  Scratch<std::int32_t> touched;
  Scratch<std::uint16_t> counters;
  Scratch<Score> scores;
  GroupsWorkspace<Score> groups;
  Scratch<Entry<Score>> entries;

  ProductWorkspace(int n_workers, std::ptrdiff_t n_columns, std::ptrdiff_t k, Accumulate what)
      : sums(n_workers, what == Accumulate::counters ? 0 : n_columns),
        counts(n_workers, what == Accumulate::sums_and_counts ? n_columns : 0),
        marks(n_workers, what == Accumulate::sums_and_marks ? n_columns : 0),
        touched(n_workers, n_columns + 1, Fill::nothing),
        counters(n_workers, what == Accumulate::counters ? n_columns : 0),
        scores(n_workers, n_columns, Fill::nothing),
        groups(n_workers, groups_for(k)),
        entries(n_workers, 2 * k, Fill::nothing) {}

  explicit operator bool() const {
    return sums && counts && marks && touched && counters && scores && groups && entries;
  }
  ProductScratch<Total> operator[](int worker) const {
    return {sums[worker], counts[worker], marks[worker], counters[worker], touched[worker]};
  }
  PickScratch<Score> pick(int worker) const { return {scores[worker], groups[worker], entries[worker]}; }
};

// Brings the rows, which were given more room than they needed, one directly after the other.
template <class Score>
void close_gaps(Rows rows, const SparseRows<Score>& out) noexcept {
  std::int64_t end = out.starts[rows.first];
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    const std::int64_t start = out.starts[row];
    if (start != end) {
      std::copy(out.indices + start, out.indices + start + out.lengths[row], out.indices + end);
      std::copy(out.data + start, out.data + start + out.lengths[row], out.data + end);
    }
    end += out.lengths[row];
  }
}

template <class Value>
Status sparse_top_k_product(const Kernels& table, Rows rows, Csr<Value> a, Csr<Value> b, Pattern exclude,
                            Pattern candidates, Threshold<Value> threshold, bool has_threshold, std::ptrdiff_t k,
                            SparseRows<Value> out, int n_threads, Poll poll) {
  const SparseProductKernels<Value>& kernels = table;
  const ProductCost cost = product_cost(rows, a, b);
  n_threads = worthwhile_threads(cost.total, n_threads);
  const ProductWorkspace<Sum<Value>, Value> workspace(n_threads, b.columns, k, Accumulate::sums_and_marks);
  if (!workspace) return Status::out_of_memory;
  const std::ptrdiff_t length = block_length(rows.last - rows.first, n_threads, 128, cost.longest_row);
  const Status status =
      parallel_for_rows(rows.first, rows.last, length, n_threads, poll,
                        [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                          kernels.rows({first, last}, a, b, exclude, candidates, threshold, has_threshold,
                                       workspace[worker], workspace.pick(worker), k, out);
                        });
  if (status == Status::done) close_gaps(rows, out);
  return status;
}

}  // namespace fastrec
