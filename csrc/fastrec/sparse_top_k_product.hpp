// Driver of sparse_top_k_product.
#pragma once

#include <limits>
#include <type_traits>

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/selection_scratch.hpp"
#include "fastrec/sparse_rows.hpp"
#include "fastrec/write_entries.hpp"

namespace fastrec {

// The entries of B, columns with values, where a product of floats has so many more terms that this pays and there is
// memory for them; else nothing.
template <class Value>
class EntriesOfB {
 public:
  using Column = std::uint16_t;

  EntriesOfB(const Csr<Value>& b, double n_terms, int n_threads, Poll poll) {
    constexpr double times_read = 16;
    constexpr std::ptrdiff_t most_columns = std::ptrdiff_t{std::numeric_limits<Column>::max()} + 1;
    const std::int64_t n = b.indptr[b.rows];
    const bool pays = n_terms >= times_read * static_cast<double>(n);
    if (!std::is_floating_point_v<Value> || !pays || b.columns > most_columns) return;
    entries_ = Scratch<StoredEntry<Column, Value>>(1, n, Fill::nothing);
    if (!entries_) return;
    entries_.in_large_pages();
    const auto itself = [](std::int32_t column) { return column; };
    status_ = write_entries(b, itself, entries_[0], n_threads, poll);
  }

  Status status() const noexcept { return status_; }
  const StoredEntry<Column, Value>* first() const noexcept { return entries_ ? entries_[0] : nullptr; }

 private:
  Scratch<StoredEntry<Column, Value>> entries_;
  Status status_ = Status::done;
};

// `n_terms`: multiply-adds of every row of A * B. The threshold is that of the options, whose type bindings cannot
// spell.
template <class Value>
Status sparse_top_k_product(const Kernels& table, Rows rows, Csr<Value> a, Csr<Value> b, const std::int64_t* n_terms,
                            ProductOptions<Value> options, Threshold<Value> threshold, Pruning<Value> pruning,
                            std::ptrdiff_t k, SparseRows<Value> out, int n_threads, Progress progress) {
  const SparseProductKernels<Value>& kernels = table;
  options.threshold = threshold;
  ProductCost cost;
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) cost.add(n_terms[row]);
  n_threads = worthwhile_threads(cost.total, n_threads);
  const Zeros<Sum<Value>> sums(n_threads, b.columns);
  const Zeros<std::uint8_t> marks(n_threads, b.columns);
  const Scratch<std::int32_t> touched(n_threads, b.columns + 1, Fill::nothing);
  const PickWorkspace<Value> pick(n_threads, b.columns, k);
  const std::int64_t longest = longest_row(a.indptr + rows.first, rows.last - rows.first);
  const Scratch<std::int64_t> cursors(n_threads, longest, Fill::nothing);
  const bool pruned = pruning.columns.indptr != nullptr;
  const Scratch<RowTerm> terms(n_threads, pruned ? longest : 0, Fill::nothing);
  const Scratch<std::int32_t> inner(n_threads, pruned ? longest : 0, Fill::nothing);
  const Scratch<Value> spread(n_threads, pruned ? a.columns : 0);
  const Scratch<Value> partial(n_threads, pruned ? b.columns : 0, Fill::nothing);
  const Scratch<Met<Value>> met(n_threads, options.best_first ? 0 : k, Fill::nothing);
  const Scratch<PruningHistory> history(n_threads, 1);
  if (!sums || !marks || !touched || !cursors || !pick || !terms || !inner || !spread || !partial || !met || !history) {
    return Status::out_of_memory;
  }
  const EntriesOfB<Value> entries(b, cost.total, n_threads, progress.poll);
  if (entries.status() != Status::done) return entries.status();
  for (int worker = 0; pruned && worker < n_threads; ++worker) {
    std::fill(partial[worker], partial[worker] + b.columns, -std::numeric_limits<Value>::infinity());
  }
  const std::ptrdiff_t length = block_length(rows.last - rows.first, n_threads, 128, cost.longest_row);
  const Status status = parallel_for_rows(
      rows.first, rows.last, length, n_threads, progress,
      [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
        kernels.rows({first, last}, a, b, entries.first(), n_terms, options, pruning,
                     {sums[worker], marks[worker], touched[worker], cursors[worker]},
                     {terms[worker], inner[worker], spread[worker], partial[worker], met[worker], history[worker]},
                     pick[worker], k, out);
      });
  if (status == Status::done) close_gaps(rows, out);
  return status;
}

}  // namespace fastrec
