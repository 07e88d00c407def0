// Driver of sparse_top_k_product.
#pragma once

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"

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

// The dense accumulators of the workers, and the entries that each picks its k best from.
template <class Total, class Score>
struct ProductWorkspace {
  Scratch<Total> sums;
  Scratch<std::int32_t> counts;
  Scratch<std::uint8_t> marks;
  Scratch<std::int32_t> touched;
  Scratch<Entry<Score>> entries;

  ProductWorkspace(int n_workers, std::ptrdiff_t n_columns, std::ptrdiff_t k, bool counting)
      : sums(n_workers, n_columns),
        counts(n_workers, counting ? n_columns : 0),
        marks(n_workers, n_columns),
        touched(n_workers, n_columns),
        entries(n_workers, 2 * k) {}

  explicit operator bool() const { return sums && counts && marks && touched && entries; }
  ProductScratch<Total> operator[](int worker) const {
    return {sums[worker], counts[worker], marks[worker], touched[worker]};
  }
};

template <class Value>
Status sparse_top_k_product(const Kernels& table, Rows rows, Csr<Value> a, Csr<Value> b, Pattern exclude,
                            Pattern candidates, Threshold<Value> threshold, bool has_threshold, std::ptrdiff_t k,
                            SparseRows<Value> out, int n_threads, Poll poll) {
  const SparseProductKernels<Value>& kernels = table;
  const ProductCost cost = product_cost(rows, a, b);
  n_threads = worthwhile_threads(cost.total, n_threads);
  const ProductWorkspace<Sum<Value>, Value> workspace(n_threads, b.columns, k, false);
  if (!workspace) return Status::out_of_memory;
  const std::ptrdiff_t length = block_length(rows.last - rows.first, n_threads, 128, cost.longest_row);
  return parallel_for_rows(rows.first, rows.last, length, n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.rows({first, last}, a, b, exclude, candidates, threshold, has_threshold,
                                          workspace[worker], workspace.entries[worker], k, out);
                           });
}

}  // namespace fastrec
