// Driver of top_k_inner_product by screening: packs the items, then ranks blocks of queries.
#pragma once

#include <algorithm>
#include <numeric>

#include "fastrec/top_k.hpp"

namespace fastrec {

// Whether packing and screening cost less than all exact scores.
template <class Value>
bool screen_pays(const ScreenKernels<Value>& kernels, const Strided<Value>& queries, const Strided<Value>& items,
                 std::ptrdiff_t k) {
  return kernels.available && queries.rows >= 32 && items.rows >= 2048 && items.columns >= 8 && items.columns <= 4096 &&
         k <= 256;
}

// `screened` tells whether `out` is written: not where an item is not finite, or norms are so large or small that their
// squares might not be held.
template <class Value>
Status screened_inner_product(const ScreenKernels<Value>& kernels, Strided<Value> queries, Strided<Value> items,
                              Pattern exclude, TopKRows<Value> out, int n_threads, Poll poll, bool& screened) {
  // Norms, and the order of the items by them.
  const std::ptrdiff_t n_items = items.rows;
  const Scratch<double> norms(1, n_items);
  const Scratch<std::int32_t> position_of(1, n_items);
  screened = false;
  if (!norms || !position_of) return Status::out_of_memory;
  Status status = parallel_for_rows(
      0, n_items, block_length(n_items, n_threads, 4096, static_cast<double>(items.columns)), n_threads, poll,
      [&](int, std::ptrdiff_t first, std::ptrdiff_t last) noexcept { kernels.norms({first, last}, items, norms[0]); });
  if (status != Status::done) return status;
  double largest = 0.0;
  for (std::ptrdiff_t i = 0; i < n_items; ++i) {
    if (!(norms[0][i] <= 1e100)) return Status::done;  // also NaN
    largest = std::max(largest, norms[0][i]);
  }
  if (largest < 1e-100) return Status::done;

  PackedItems packed{};
  packed.n_panels = (n_items + panel_items - 1) / panel_items;
  packed.n_steps = (items.columns + step_factors - 1) / step_factors;
  const Scratch<std::uint8_t> codes(1, packed.n_panels * packed.n_steps * panel_items * step_factors);
  const Scratch<std::int32_t> ids(1, packed.n_panels * panel_items);
  const Scratch<double> of_panels(1, 4 * packed.n_panels);
  if (!codes || !ids || !of_panels) return Status::out_of_memory;
  packed.codes = codes[0];
  packed.ids = ids[0];
  packed.scale = of_panels[0];
  packed.norm = packed.scale + packed.n_panels;
  packed.code_norm = packed.norm + packed.n_panels;
  packed.residual = packed.code_norm + packed.n_panels;
  std::iota(packed.ids, packed.ids + n_items, 0);
  std::fill(packed.ids + n_items, packed.ids + packed.n_panels * panel_items, -1);
  std::sort(packed.ids, packed.ids + n_items, [&](std::int32_t a, std::int32_t b) {
    return norms[0][a] != norms[0][b] ? norms[0][a] > norms[0][b] : a < b;
  });
  for (std::ptrdiff_t i = 0; i < n_items; ++i) position_of[0][packed.ids[i]] = static_cast<std::int32_t>(i);
  status = parallel_for_rows(
      0, packed.n_panels,
      block_length(packed.n_panels, n_threads, 64, static_cast<double>(panel_items * items.columns)), n_threads, poll,
      [&](int, std::ptrdiff_t first, std::ptrdiff_t last) noexcept { kernels.pack({first, last}, items, packed); });
  if (status != Status::done) return status;

  const std::ptrdiff_t width = padded_width(items.columns);
  const std::ptrdiff_t capacity = selection_capacity(out.k, n_items);
  const std::ptrdiff_t hands = (6 * out.k + panel_items - 1) / panel_items;
  // Many queries share a panel while it lies in the cache; fewer where all of them would take long (Ctrl-C), or where
  // there are few for each thread.
  const double row_operations = static_cast<double>(n_items) * static_cast<double>(items.columns);
  const std::ptrdiff_t longest = std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(2e10 / row_operations), 1, 384);
  const std::ptrdiff_t fair = std::min(queries.rows / (2 * n_threads), longest);
  const std::ptrdiff_t block = std::max<std::ptrdiff_t>(1, fair / tile_queries) * tile_queries;
  const std::ptrdiff_t n_maxima = hands * panel_items, first_panels = std::max<std::ptrdiff_t>(64, 4 * hands);
  const std::ptrdiff_t most_survivors = 256;

  const std::ptrdiff_t tile_bytes = packed.n_steps * tile_queries * step_factors;
  const Scratch<std::int8_t> query_codes(n_threads, 2 * block / tile_queries * tile_bytes);
  const Scratch<double> block_queries(n_threads, block * width), per_query(n_threads, 6 * block);
  const Scratch<float> maxima(n_threads, block * n_maxima);
  const Scratch<std::uint32_t> keys(n_threads, n_maxima);
  const Scratch<std::uint32_t> excluded(n_threads, exclude.indptr ? block * first_panels : 0);
  const Scratch<std::int32_t> integers(n_threads, 5 * block);
  const Scratch<Survivor> survivors(n_threads, block * most_survivors);
  const Scratch<Entry<Value>> entries(n_threads, (block + 1) * capacity);
  const Scratch<Selection<Value>> selections(n_threads, block + 1);
  const Scratch<double> exact(n_threads, std::max(width, block) + tile_items * width);
  const Scratch<Value> exact_scores(n_threads, tile_items);
  const Scratch<std::int64_t> cursors(n_threads, 1);
  if (!query_codes || !block_queries || !per_query || !maxima || !keys || !excluded || !integers || !survivors ||
      !entries || !selections || !exact || !exact_scores || !cursors) {
    return Status::out_of_memory;
  }
  screened = true;
  return parallel_for_rows(
      0, queries.rows, block, n_threads, poll, [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
        ScreenScratch<Value> scratch{};
        scratch.codes = query_codes[worker];
        scratch.regrouped = scratch.codes + block / tile_queries * tile_bytes;
        scratch.queries = block_queries[worker];
        scratch.per_query = per_query[worker];
        scratch.maxima = maxima[worker];
        scratch.keys = keys[worker];
        scratch.excluded = excluded[worker];
        scratch.sums = integers[worker];
        scratch.order = scratch.sums + 2 * block;
        scratch.n_survivors = scratch.order + 2 * block;
        scratch.survivors = survivors[worker];
        scratch.entries = entries[worker];
        scratch.selections = selections[worker];
        scratch.block = block;
        scratch.n_maxima = n_maxima;
        scratch.first_panels = first_panels;
        scratch.most_survivors = most_survivors;
        scratch.capacity = capacity;
        scratch.exact = {exact[worker],  exact[worker] + std::max(width, block), exact_scores[worker],
                         capacity,       scratch.entries + block * capacity,     scratch.selections + block,
                         cursors[worker]};
        kernels.rows({first, last}, queries, items, packed, position_of[0], exclude, scratch, out);
      });
}

}  // namespace fastrec
