// Driver of sparse_top_k_product.
#pragma once

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"
#include "fastrec/top_k.hpp"

namespace fastrec {

struct ProductCost {
  double total = 0.0, longest_row = 0.0;

  void add(std::int64_t terms) noexcept {
    total += static_cast<double>(terms);
    longest_row = std::max(longest_row, static_cast<double>(terms));
  }
};

// What the workers pick the k best of a sparse row with.
template <class Score>
class PickWorkspace {
 public:
  PickWorkspace(int n_workers, std::ptrdiff_t n_columns, std::ptrdiff_t k)
      : scores_(n_workers, n_columns, Fill::nothing),
        groups_(n_workers, groups_for(k)),
        entries_(n_workers, 2 * k, Fill::nothing) {}

  explicit operator bool() const { return scores_ && groups_ && entries_; }
  PickScratch<Score> operator[](int worker) const { return {scores_[worker], groups_[worker], entries_[worker]}; }

 private:
  Scratch<Score> scores_;
  GroupsWorkspace<Score> groups_;
  Scratch<Entry<Score>> entries_;
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

// `n_terms`: multiply-adds of every row of A * B.
template <class Value>
Status sparse_top_k_product(const Kernels& table, Rows rows, Csr<Value> a, Csr<Value> b, const std::int64_t* n_terms,
                            Pattern exclude, Pattern candidates, Threshold<Value> threshold, bool has_threshold,
                            bool keep_zeros, bool positive, bool best_first, Pruning<Value> pruning, std::ptrdiff_t k,
                            SparseRows<Value> out, int n_threads, Progress progress) {
  const SparseProductKernels<Value>& kernels = table;
  const ProductOptions<Value> options{exclude, candidates, threshold, has_threshold, keep_zeros, positive, best_first};
  ProductCost cost;
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) cost.add(n_terms[row]);
  n_threads = worthwhile_threads(cost.total, n_threads);
  const Zeros<Sum<Value>> sums(n_threads, b.columns);
  const Zeros<std::uint8_t> marks(n_threads, b.columns);
  const Scratch<std::int32_t> touched(n_threads, b.columns + 1, Fill::nothing);
  const PickWorkspace<Value> pick(n_threads, b.columns, k);
  std::int64_t longest_row = 0;
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    longest_row = std::max(longest_row, a.indptr[row + 1] - a.indptr[row]);
  }
  const Scratch<std::int64_t> cursors(n_threads, longest_row, Fill::nothing);
  const bool pruned = pruning.columns.indptr != nullptr;
  const Scratch<RowTerm> terms(n_threads, pruned ? longest_row : 0, Fill::nothing);
  const Scratch<std::int32_t> inner(n_threads, pruned ? longest_row : 0, Fill::nothing);
  const Scratch<Value> spread(n_threads, pruned ? a.columns : 0);
  const Scratch<Value> partial(n_threads, pruned ? b.columns : 0, Fill::nothing);
  const Scratch<Met<Value>> met(n_threads, best_first ? 0 : k, Fill::nothing);
  const Scratch<PruningHistory> history(n_threads, 1);
  if (!sums || !marks || !touched || !cursors || !pick || !terms || !inner || !spread || !partial || !met || !history) {
    return Status::out_of_memory;
  }
  for (int worker = 0; pruned && worker < n_threads; ++worker) {
    std::fill(partial[worker], partial[worker] + b.columns, -std::numeric_limits<Value>::infinity());
  }
  const std::ptrdiff_t length = block_length(rows.last - rows.first, n_threads, 128, cost.longest_row);
  const Status status = parallel_for_rows(
      rows.first, rows.last, length, n_threads, progress,
      [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
        kernels.rows({first, last}, a, b, n_terms, options, pruning,
                     {sums[worker], marks[worker], touched[worker], cursors[worker]},
                     {terms[worker], inner[worker], spread[worker], partial[worker], met[worker], history[worker]},
                     pick[worker], k, out);
      });
  if (status == Status::done) close_gaps(rows, out);
  return status;
}

}  // namespace fastrec
