// Driver of relabel.
#pragma once

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"
#include "fastrec/sparse_rows.hpp"

namespace fastrec {

// labels: of every column, below their number, no two the same. What is written has the row pointers of x; data may be
// null on both sides.
template <class Value>
Status relabel(const Kernels& table, Csr<Value> x, const std::int32_t* labels, std::int32_t* indices, Value* data,
               int n_threads, Poll poll) {
  const RelabelKernels<Value>& kernels = table;
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
                             kernels.relabel({first, last}, x, labels, keys[worker], bits[worker], indices, data);
                           });
}

}  // namespace fastrec
