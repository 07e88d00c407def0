// Drivers of top_k.
#pragma once

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"

namespace fastrec {

// The k best are picked out of 2k, so that a pick is paid by k arrivals; fewer when fewer can come.
inline std::ptrdiff_t selection_capacity(std::ptrdiff_t k, std::ptrdiff_t n_candidates) noexcept {
  return k > n_candidates / 2 ? n_candidates : 2 * k;
}

template <class Value>
Status top_k_dense(const Kernels& table, Strided<Value> scores, TopKRows<Value> out, int n_threads, Poll poll) {
  const TopKKernels<Value>& kernels = table;
  n_threads = worthwhile_threads(static_cast<double>(scores.rows) * static_cast<double>(scores.columns), n_threads);
  const std::ptrdiff_t capacity = selection_capacity(out.k, scores.columns);
  const Scratch<Entry<Value>> entries(n_threads, capacity);
  if (!entries) return Status::out_of_memory;
  return parallel_for_rows(0, scores.rows,
                           block_length(scores.rows, n_threads, 64, static_cast<double>(scores.columns)), n_threads,
                           poll, [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.dense({first, last}, scores, capacity, entries[worker], out);
                           });
}

template <class Value>
Status top_k_csr(const Kernels& table, Csr<Value> scores, TopKRows<Value> out, int n_threads, Poll poll) {
  const TopKKernels<Value>& kernels = table;
  n_threads = worthwhile_threads(static_cast<double>(scores.indptr[scores.rows]), n_threads);
  const std::ptrdiff_t capacity = selection_capacity(out.k, scores.columns);
  const Scratch<Entry<Value>> entries(n_threads, capacity);
  if (!entries) return Status::out_of_memory;
  return parallel_for_rows(0, scores.rows,
                           block_length(scores.rows, n_threads, 256, static_cast<double>(scores.columns)), n_threads,
                           poll, [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.csr({first, last}, scores, capacity, entries[worker], out);
                           });
}

}  // namespace fastrec
