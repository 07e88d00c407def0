// Row-kernel of top_k_inner_product: a tile of items against a block of queries, every score exact. The score matrix is
// never larger than a tile's row.
#pragma once

#include <limits>
#include <type_traits>

#include "fastrec/rows/selector.hpp"
#include "fastrec/simd/lanes.hpp"

namespace fastrec {
namespace {

template <class Value>
void load_row(Strided<Value> matrix, std::ptrdiff_t row, std::ptrdiff_t width, double* out) noexcept {
  const Value* from = matrix.data + row * matrix.row_step;
  for (std::ptrdiff_t j = 0; j < matrix.columns; ++j) out[j] = static_cast<double>(from[j * matrix.column_step]);
  for (std::ptrdiff_t j = matrix.columns; j < width; ++j) out[j] = 0.0;
}

// Products of two floats are exact in double, so for them one rounding or two is the same number.
template <class Value>
inline Lanes add_product(Lanes a, Lanes b, Lanes sum) noexcept {
  if constexpr (std::is_same_v<Value, float>) {
    return fused(a, b, sum);
  } else {
    return sum + a * b;
  }
}

// Exact scores of one query with n items; n is padded up to a multiple of 4 rows of the tile.
template <class Value>
void exact_scores(const double* query, const double* tile, std::ptrdiff_t n, std::ptrdiff_t width,
                  Value* out) noexcept {
  for (std::ptrdiff_t i = 0; i < n; i += 4) {
    const double* item = tile + i * width;
    Lanes sums[4] = {};
    for (std::ptrdiff_t j = 0; j < width; j += n_lanes) {
      const Lanes q = load(query + j);
      for (int t = 0; t < 4; ++t) sums[t] = add_product<Value>(q, load(item + t * width + j), sums[t]);
    }
    for (int t = 0; t < 4; ++t) out[i + t] = static_cast<Value>(sum_of(sums[t]));
  }
}

// Queries [rows.first, rows.last) against one list of candidates (ids == nullptr: items 0 to n).
template <class Value>
void rank_block(Rows rows, Strided<Value> queries, Strided<Value> items, const std::int32_t* ids, std::ptrdiff_t n,
                Pattern exclude, const InnerProductScratch<Value>& scratch, TopKRows<Value> out) noexcept {
  constexpr Value never_ranks = std::numeric_limits<Value>::quiet_NaN();
  const std::ptrdiff_t width = padded(items.columns);
  const std::ptrdiff_t n_queries = rows.last - rows.first;
  for (std::ptrdiff_t q = 0; q < n_queries; ++q) {
    load_row(queries, rows.first + q, width, scratch.queries + q * width);
    scratch.selections[q] = Selector<Value>::empty(scratch.entries + q * scratch.capacity);
    scratch.cursors[q] = exclude.indptr ? exclude.indptr[(rows.first + q) * exclude.step] : 0;
  }

  for (std::ptrdiff_t first = 0; first < n; first += tile_items) {
    const std::ptrdiff_t n_tile = std::min(tile_items, n - first);
    const auto item_at = [&](std::ptrdiff_t i) { return ids ? ids[first + i] : static_cast<std::int32_t>(first + i); };
    for (std::ptrdiff_t i = 0; i < n_tile; ++i) load_row(items, item_at(i), width, scratch.tile + i * width);

    for (std::ptrdiff_t q = 0; q < n_queries; ++q) {
      exact_scores<Value>(scratch.queries + q * width, scratch.tile, n_tile, width, scratch.scores);
      if (exclude.indptr) {  // both lists ascend, so one walk along them finds what is excluded
        std::int64_t& cursor = scratch.cursors[q];
        const std::int64_t end = exclude.indptr[(rows.first + q) * exclude.step + 1];
        for (std::ptrdiff_t i = 0; i < n_tile && cursor < end; ++i) {
          while (cursor < end && exclude.ids[cursor] < item_at(i)) ++cursor;
          if (cursor < end && exclude.ids[cursor] == item_at(i)) scratch.scores[i] = never_ranks;
        }
      }
      Selector<Value> selector(scratch.selections[q], out.k, scratch.capacity);
      selector.offer_all(scratch.scores, n_tile, item_at);
    }
  }
  for (std::ptrdiff_t q = 0; q < n_queries; ++q) {
    write_top_k(scratch.selections[q], scratch.capacity, rows.first + q, out);
  }
}

template <class Value>
void top_k_inner_product(Rows rows, Strided<Value> queries, Strided<Value> items, Pattern exclude, Pattern candidates,
                         InnerProductScratch<Value> scratch, TopKRows<Value> out) noexcept {
  if (candidates.indptr == nullptr) {
    rank_block(rows, queries, items, nullptr, items.rows, exclude, scratch, out);
  } else if (candidates.step == 0) {
    const std::int32_t* ids = candidates.ids + candidates.indptr[0];
    rank_block(rows, queries, items, ids, candidates.indptr[1] - candidates.indptr[0], exclude, scratch, out);
  } else {
    for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
      const std::int64_t start = candidates.indptr[row];
      rank_block({row, row + 1}, queries, items, candidates.ids + start, candidates.indptr[row + 1] - start, exclude,
                 scratch, out);
    }
  }
}

}  // namespace
}  // namespace fastrec
