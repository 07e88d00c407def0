// Driver of item_similarity.
#pragma once

#include "fastrec/sparse_top_k_product.hpp"

namespace fastrec {

template <class Value, class Score>
Status item_similarity(const Kernels& table, Rows rows, Csr<Value> item_users, Csr<Value> user_items,
                       MeasureOptions options, std::ptrdiff_t k, SparseRows<Score> out, int n_threads, Poll poll) {
  const SimilarityKernels<Value, Score>& kernels = table;
  const ProductCost cost = product_cost(rows, item_users, user_items);
  n_threads = worthwhile_threads(cost.total, n_threads);
  const Accumulate what = options.only_ones ? Accumulate::counters : Accumulate::sums_and_counts;
  const ProductWorkspace<double, Score> workspace(n_threads, user_items.columns, k, what);
  if (!workspace) return Status::out_of_memory;
  const std::ptrdiff_t length = block_length(rows.last - rows.first, n_threads, 128, cost.longest_row);
  const Status status = parallel_for_rows(rows.first, rows.last, length, n_threads, poll,
                                          [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                                            kernels.rows({first, last}, item_users, user_items, options,
                                                         workspace[worker], workspace.pick(worker), k, out);
                                          });
  if (status == Status::done) close_gaps(rows, out);
  return status;
}

}  // namespace fastrec
