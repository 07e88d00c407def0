// Drivers of top_k.
#pragma once

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/selection_scratch.hpp"

namespace fastrec {

// What the workers scan rows with: `gathered` for a matrix that is not in C order.
template <class Value>
class ScanWorkspace {
 public:
  ScanWorkspace(int n_workers, std::ptrdiff_t k, std::ptrdiff_t n_columns, bool gathered)
      : n_rows_(gathered ? gathered_rows : 1),
        capacity_(selection_capacity(k, n_columns)),
        n_groups_(k < n_columns / 24 ? groups_for(k) : 0),
        chunk_(std::clamp<std::ptrdiff_t>(8 * n_groups_, gathered ? 1 << 11 : 1 << 14, gathered ? 1 << 13 : 1 << 18)),
        groups_(n_workers, n_groups_),
        entries_(n_workers, n_rows_ * capacity_),
        selections_(n_workers, n_rows_),
        gathered_(n_workers, gathered ? gathered_rows * (chunk_ + 64) : 0) {}

  explicit operator bool() const { return groups_ && entries_ && selections_ && gathered_; }
  ScanScratch<Value> operator[](int worker) const {
    return {chunk_, capacity_, groups_[worker], entries_[worker], selections_[worker], gathered_[worker]};
  }

 private:
  std::ptrdiff_t n_rows_, capacity_, n_groups_, chunk_;
  GroupsWorkspace<Value> groups_;
  Scratch<Entry<Value>> entries_;
  Scratch<Selection<Value>> selections_;
  Scratch<Value> gathered_;
};

template <class Value>
Status top_k_dense(const Kernels& table, Strided<Value> scores, TopKRows<Value> out, int n_threads, Poll poll) {
  const TopKKernels<Value>& kernels = table;
  n_threads = worthwhile_threads(static_cast<double>(scores.rows) * static_cast<double>(scores.columns), n_threads);
  const bool gathered = scores.column_step != 1;
  const ScanWorkspace<Value> workspace(n_threads, out.k, scores.columns, gathered);
  if (!workspace) return Status::out_of_memory;
  std::ptrdiff_t length = block_length(scores.rows, n_threads, 64, static_cast<double>(scores.columns));
  if (gathered) length = (length + gathered_rows - 1) / gathered_rows * gathered_rows;
  return parallel_for_rows(0, scores.rows, length, n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.dense({first, last}, scores, workspace[worker], out);
                           });
}

template <class Value>
Status top_k_csr(const Kernels& table, Csr<Value> scores, TopKRows<Value> out, int n_threads, Poll poll) {
  const TopKKernels<Value>& kernels = table;
  n_threads = worthwhile_threads(static_cast<double>(scores.indptr[scores.rows]), n_threads);
  const ScanWorkspace<Value> workspace(n_threads, out.k, scores.columns, false);
  if (!workspace) return Status::out_of_memory;
  return parallel_for_rows(0, scores.rows,
                           block_length(scores.rows, n_threads, 256, static_cast<double>(scores.columns)), n_threads,
                           poll, [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.csr({first, last}, scores, workspace[worker], out);
                           });
}

}  // namespace fastrec
