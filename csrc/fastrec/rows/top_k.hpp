// Row-kernels of top_k: the best entries of dense rows and of stored sparse entries.
//
// A row is taken in chunks that stay in the cache. The numbers of a chunk are dealt into groups; k numbers reach the
// k-th largest of the groups' maxima, so that what lies below it needs no look. Both passes over a chunk are compares
// of vectors, whatever the order of the scores.
#pragma once

#include <cstdlib>

#include "fastrec/rows/scan.hpp"

namespace fastrec {
namespace {

// Offers scores[0] to scores[n] of the items that item_at(i) names, which ascend from one chunk to the next.
template <class Value, class ItemAt>
void offer_chunk(Selector<Value>& selector, const Value* scores, std::ptrdiff_t n, std::ptrdiff_t k,
                 const ScanScratch<Value>& scratch, const ItemAt& item_at) noexcept {
  constexpr Value any = -std::numeric_limits<Value>::infinity();
  offer_scores<true>(selector, scores, n, k, any, scratch.groups, item_at);
}

template <class Value>
void top_k_contiguous(Rows rows, Strided<Value> scores, const ScanScratch<Value>& scratch,
                      TopKRows<Value> out) noexcept {
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    Selection<Value> selection = Selector<Value>::empty(scratch.entries);
    Selector<Value> selector(selection, out.k, scratch.capacity);
    const Value* at = scores.data + row * scores.row_step;
    for (std::ptrdiff_t first = 0; first < scores.columns; first += scratch.chunk) {
      offer_chunk(selector, at + first, std::min(scratch.chunk, scores.columns - first), out.k, scratch,
                  [&](std::ptrdiff_t i) { return static_cast<std::int32_t>(first + i); });
    }
    write_top_k(selection, scratch.capacity, row, out);
  }
}

// out[r * width + i] = from[r * row_step + i * column_step], along the smaller step.
template <class Value>
void gather(const Value* from, const Strided<Value>& scores, std::ptrdiff_t n_rows, std::ptrdiff_t n, Value* out,
            std::ptrdiff_t width) noexcept {
  constexpr std::ptrdiff_t together = 8;
  if (std::abs(scores.row_step) >= std::abs(scores.column_step)) {
    for (std::ptrdiff_t r = 0; r < n_rows; ++r) {
      const Value* at = from + r * scores.row_step;
      for (std::ptrdiff_t i = 0; i < n; ++i) out[r * width + i] = at[i * scores.column_step];
    }
    return;
  }
  for (std::ptrdiff_t first = 0; first < n; first += together) {
    const std::ptrdiff_t last = std::min(first + together, n);
    for (std::ptrdiff_t r = 0; r < n_rows; ++r) {
      const Value* at = from + r * scores.row_step;
      for (std::ptrdiff_t i = first; i < last; ++i) out[r * width + i] = at[i * scores.column_step];
    }
  }
}

// Rows whose scores lie apart are gathered together, so that a cache line is read once for all of them.
template <class Value>
void top_k_strided(Rows rows, Strided<Value> scores, const ScanScratch<Value>& scratch, TopKRows<Value> out) noexcept {
  const std::ptrdiff_t width = scratch.chunk + 64 / static_cast<std::ptrdiff_t>(sizeof(Value));
  for (std::ptrdiff_t first_row = rows.first; first_row < rows.last; first_row += gathered_rows) {
    const std::ptrdiff_t n_rows = std::min(gathered_rows, rows.last - first_row);
    const Value* data = scores.data + first_row * scores.row_step;
    for (std::ptrdiff_t r = 0; r < n_rows; ++r) {
      scratch.selections[r] = Selector<Value>::empty(scratch.entries + r * scratch.capacity);
    }
    for (std::ptrdiff_t first = 0; first < scores.columns; first += scratch.chunk) {
      const std::ptrdiff_t n = std::min(scratch.chunk, scores.columns - first);
      gather(data + first * scores.column_step, scores, n_rows, n, scratch.gathered, width);
      for (std::ptrdiff_t r = 0; r < n_rows; ++r) {
        Selector<Value> selector(scratch.selections[r], out.k, scratch.capacity);
        offer_chunk(selector, scratch.gathered + r * width, n, out.k, scratch,
                    [&](std::ptrdiff_t i) { return static_cast<std::int32_t>(first + i); });
      }
    }
    for (std::ptrdiff_t r = 0; r < n_rows; ++r) {
      write_top_k(scratch.selections[r], scratch.capacity, first_row + r, out);
    }
  }
}

template <class Value>
void top_k_dense(Rows rows, Strided<Value> scores, ScanScratch<Value> scratch, TopKRows<Value> out) noexcept {
  if (scores.column_step == 1) {
    top_k_contiguous(rows, scores, scratch, out);
  } else {
    top_k_strided(rows, scores, scratch, out);
  }
}

template <class Value>
void top_k_csr(Rows rows, Csr<Value> scores, ScanScratch<Value> scratch, TopKRows<Value> out) noexcept {
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    Selection<Value> selection = Selector<Value>::empty(scratch.entries);
    Selector<Value> selector(selection, out.k, scratch.capacity);
    for (std::int64_t first = scores.indptr[row]; first < scores.indptr[row + 1]; first += scratch.chunk) {
      const std::ptrdiff_t n = std::min<std::ptrdiff_t>(scratch.chunk, scores.indptr[row + 1] - first);
      offer_chunk(selector, scores.data + first, n, out.k, scratch,
                  [&](std::ptrdiff_t i) { return scores.indices[first + i]; });
    }
    write_top_k(selection, scratch.capacity, row, out);
  }
}

}  // namespace
}  // namespace fastrec
