// Drivers of relabel and write_entries.
#pragma once

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"
#include "fastrec/sparse_rows.hpp"

namespace fastrec {

// Calls visit(rows, keys, bits) for blocks of rows, with what a worker needs.
template <class Value, class Visit>
Status by_label(Csr<Value> x, int n_threads, Poll poll, const Visit& visit) {
  const std::int64_t longest = longest_row(x.indptr, x.rows);
  constexpr double operations_of_key = 8;
  const double n_stored = static_cast<double>(x.indptr[x.rows]);
  n_threads = worthwhile_threads(n_stored * operations_of_key, n_threads);
  const Scratch<double> keys(n_threads, 2 * longest + fewest_keys, Fill::nothing);
  const Scratch<std::uint64_t> bits(n_threads, (x.columns + 63) / 64, Fill::nothing);
  if (!keys || !bits) return Status::out_of_memory;
  const double row_operations = n_stored * operations_of_key / static_cast<double>(std::max<std::ptrdiff_t>(x.rows, 1));
  const std::ptrdiff_t length = block_length(x.rows, n_threads, 1 << 12, row_operations);
  return parallel_for_rows(0, x.rows, length, n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             visit(Rows{first, last}, keys[worker], bits[worker]);
                           });
}

// labels: of every column, below their number, no two the same. What is written has the row pointers of x; data may be
// null on both sides.
template <class Value>
Status relabel(const Kernels& table, Csr<Value> x, const std::int32_t* labels, std::int32_t* indices, Value* data,
               int n_threads, Poll poll) {
  const RelabelKernels<Value>& kernels = table;
  return by_label(x, n_threads, poll, [&](Rows rows, double* keys, std::uint64_t* bits) noexcept {
    kernels.relabel(rows, x, labels, keys, bits, indices, data);
  });
}

// The same as entries.
template <class Value>
Status write_entries(const Kernels& table, Csr<Value> x, const std::int32_t* labels, EntryLayout layout, void* out,
                     int n_threads, Poll poll) {
  const RelabelKernels<Value>& kernels = table;
  return by_label(x, n_threads, poll, [&](Rows rows, double* keys, std::uint64_t*) noexcept {
    kernels.write_entries(rows, x, labels, layout, keys, out);
  });
}

}  // namespace fastrec
