// Driver of sparse_top_k_product.
#pragma once

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"

namespace fastrec {

// Multiply-adds of rows [first, last) of A * B if the rows of B that they meet are of mean length.
template <class Value>
double estimated_operations(Rows rows, const Csr<Value>& a, const Csr<Value>& b) {
  const double terms = static_cast<double>(a.indptr[rows.last] - a.indptr[rows.first]);
  return terms * static_cast<double>(b.indptr[b.rows]) / std::max(1.0, static_cast<double>(b.rows));
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
  n_threads = worthwhile_threads(estimated_operations(rows, a, b), n_threads);
  const ProductWorkspace<Sum<Value>, Value> workspace(n_threads, b.columns, k, false);
  if (!workspace) return Status::out_of_memory;
  return parallel_for_rows(rows.first, rows.last, block_length(rows.last - rows.first, n_threads, 128), n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.rows({first, last}, a, b, exclude, candidates, threshold, has_threshold,
                                          workspace[worker], workspace.entries[worker], k, out);
                           });
}

}  // namespace fastrec
