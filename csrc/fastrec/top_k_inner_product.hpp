// Driver of top_k_inner_product.
#pragma once

#include "fastrec/screened_inner_product.hpp"

namespace fastrec {

template <class Value>
Status top_k_inner_product(const Kernels& table, Strided<Value> queries, Strided<Value> items, Pattern exclude,
                           Pattern candidates, TopKRows<Value> out, int n_threads, Poll poll) {
  const InnerProductKernels<Value>& kernels = table;
  const double operations =
      static_cast<double>(queries.rows) * static_cast<double>(items.rows) * static_cast<double>(items.columns);
  n_threads = worthwhile_threads(operations / 4, n_threads);

  const ScreenKernels<Value>& screen = table;
  if (candidates.indptr == nullptr && screen_pays(screen, queries, items, out.k)) {
    bool screened = false;
    const Status status = screened_inner_product(screen, queries, items, exclude, out, n_threads, poll, screened);
    if (screened || status != Status::done) return status;
  }

  // Many queries share a tile of items while it lies in the cache, as long as their selections stay small.
  constexpr std::ptrdiff_t most_queries = 32, selection_bytes = std::ptrdiff_t{1} << 20;
  const std::ptrdiff_t width = padded_width(items.columns);
  const std::ptrdiff_t capacity = selection_capacity(out.k, items.rows);
  const std::ptrdiff_t bytes_each = (capacity + 1) * static_cast<std::ptrdiff_t>(sizeof(Entry<Value>));
  const std::ptrdiff_t block =
      block_length(queries.rows, n_threads, std::clamp<std::ptrdiff_t>(selection_bytes / bytes_each, 1, most_queries),
                   static_cast<double>(items.rows) * static_cast<double>(width), 1e9);

  const Scratch<double> block_queries(n_threads, block * width), tile(n_threads, tile_items * width);
  const Scratch<Value> scores(n_threads, tile_items);
  const Scratch<Entry<Value>> entries(n_threads, block * capacity);
  const Scratch<Selection<Value>> selections(n_threads, block);
  const Scratch<std::int64_t> cursors(n_threads, block);
  if (!block_queries || !tile || !scores || !entries || !selections || !cursors) return Status::out_of_memory;

  return parallel_for_rows(0, queries.rows, block, n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.rows({first, last}, queries, items, exclude, candidates,
                                          {block_queries[worker], tile[worker], scores[worker], capacity,
                                           entries[worker], selections[worker], cursors[worker]},
                                          out);
                           });
}

}  // namespace fastrec
