// Row-kernels of exact scores: every metric in float64 in the fixed order of eight lanes, and the ranking of queries by
// them, a tile of items against a block of queries. The score matrix is never larger than a tile's row.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "fastrec/rows/selector.hpp"
#include "fastrec/simd/lanes.hpp"

namespace fastrec {
namespace {

// A row as doubles, padded with zeros to a multiple of n_lanes.
template <class Value>
void load_row(const Strided<Value>& matrix, std::ptrdiff_t row, double* out) noexcept {
  const Value* from = matrix.data + row * matrix.row_step;
  for_each_eight(from, matrix.column_step, matrix.columns, [out](std::ptrdiff_t j, Lanes x) { store(out + j, x); });
}

// Brings a row near, to be there when it is asked for.
template <class Value>
inline void fetch_row(const Strided<Value>& matrix, std::ptrdiff_t row) noexcept {
  const Value* from = matrix.data + row * matrix.row_step;
  for (std::ptrdiff_t j = 0; j < matrix.columns; j += 64 / static_cast<std::ptrdiff_t>(sizeof(Value))) {
    __builtin_prefetch(from + j * matrix.column_step);
  }
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

// What eight lanes of a query and of an item add to a score, before `finished`.
template <class Value>
inline Lanes add_terms(Metric metric, Lanes query, Lanes item, Lanes sum) noexcept {
  if (metric != Metric::euclidean) return add_product<Value>(query, item, sum);
  const Lanes difference = query - item;
  return sum + difference * difference;
}

// The score from the sum of its terms.
template <class Value>
inline Value finished(Metric metric, double sum, double query_norm, double item_norm) noexcept {
  if (metric == Metric::euclidean) return static_cast<Value>(-sum);
  if (metric == Metric::inner_product) return static_cast<Value>(sum);
  return static_cast<Value>(query_norm == 0.0 || item_norm == 0.0 ? 0.0 : sum / (query_norm * item_norm));
}

// The norm of a row of Value, which may have been widened.
template <class Value, class From>
double norm_of(const From* row, std::ptrdiff_t step, std::ptrdiff_t n) noexcept {
  Lanes sum = {};
  for_each_eight(row, step, n, [&sum](std::ptrdiff_t, Lanes x) { sum = add_product<Value>(x, x, sum); });
  return std::sqrt(sum_of(sum));
}

// Queries, padded, each at a place, which row_of says the row of. Their norms, by place, matter for cosine only.
template <class Value>
struct PlacedQueries {
  const Value* rows;
  const std::int32_t* row_of;
  const double* norms;
  std::ptrdiff_t width;
};

// The place of a query, and an item whose score is asked for.
struct ScorePair {
  std::int32_t place, item;
};

constexpr int pairs_together = 4;  // independent sums, since the fixed order makes each of them wait for itself

// A multiple of pairs_together, of which n_whole terms are products of eights of factors that lie side by side;
// `whole`: all are. Not inlined: elsewhere compilers keep less in registers.
template <bool whole, class Value, class Factor>
__attribute__((noinline)) void score_some(const ScorePair* pairs, std::ptrdiff_t n, const PlacedQueries<Value>& queries,
                                          const Items<Factor>& items, std::ptrdiff_t n_whole, Value* scores) noexcept {
  const Metric metric = items.metric;
  const std::ptrdiff_t width = queries.width, step = items.rows.column_step, n_factors = items.rows.columns;
  for (std::ptrdiff_t first = 0; first < n; first += pairs_together) {
    const ScorePair* const four = pairs + first;
    const Value* of_query[pairs_together];
    const Factor* of_item[pairs_together];
    Lanes sums[pairs_together];
    double totals[pairs_together];
#pragma GCC unroll 4
    for (int t = 0; t < pairs_together; ++t) {
      of_query[t] = queries.rows + queries.row_of[four[t].place] * width;
      of_item[t] = items.rows.data + four[t].item * items.rows.row_step;
      sums[t] = Lanes{};  // = {} would go through memory
    }
    std::ptrdiff_t j = 0;
    for (; j < n_whole; j += n_lanes) {
#pragma GCC unroll 4
      for (int t = 0; t < pairs_together; ++t) {
        sums[t] = add_product<Value>(widened(of_query[t] + j), widened(of_item[t] + j), sums[t]);
      }
    }
    for (; !whole && j < width; j += n_lanes) {
#pragma GCC unroll 4
      for (int t = 0; t < pairs_together; ++t) {
        const Lanes eight = load_eight(of_item[t], step, j, n_factors);
        sums[t] = add_terms<Value>(metric, widened(of_query[t] + j), eight, sums[t]);
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < pairs_together; ++t) totals[t] = sum_of(sums[t]);
    if (metric == Metric::inner_product) {
      for (int t = 0; t < pairs_together; ++t) scores[first + t] = static_cast<Value>(totals[t]);
      continue;
    }
    for (int t = 0; t < pairs_together; ++t) {
      const double item_norm = items.norms ? items.norms[four[t].item] : 0.0;
      scores[first + t] = finished<Value>(metric, totals[t], queries.norms[four[t].place], item_norm);
    }
  }
}

// Any number of pairs; there is room for them up to a multiple of pairs_together. Items are as the caller has them, or
// widened to double.
template <class Value, class Factor>
void exact_scores(ScorePair* pairs, std::ptrdiff_t n, const PlacedQueries<Value>& queries, const Items<Factor>& items,
                  Value* scores) noexcept {
  for (; n % pairs_together != 0; ++n) pairs[n] = pairs[n - 1];
  const bool products = items.metric != Metric::euclidean && items.rows.column_step == 1;
  const std::ptrdiff_t n_whole = products ? items.rows.columns / n_lanes * n_lanes : 0;
  const auto score = n_whole == queries.width ? score_some<true, Value, Factor> : score_some<false, Value, Factor>;
  score(pairs, n, queries, items, n_whole, scores);
}

// Sums of the terms of one query with n items; n is padded up to a multiple of 4 rows of the tile.
template <class Value, Metric metric>
void add_up(const double* query, const double* tile, std::ptrdiff_t n, std::ptrdiff_t width, double* out) noexcept {
  for (std::ptrdiff_t i = 0; i < n; i += 4) {
    const double* item = tile + i * width;
    Lanes sums[4] = {};
    for (std::ptrdiff_t j = 0; j < width; j += n_lanes) {
      const Lanes q = load(query + j);
      for (int t = 0; t < 4; ++t) sums[t] = add_terms<Value>(metric, q, load(item + t * width + j), sums[t]);
    }
    for (int t = 0; t < 4; ++t) out[i + t] = sum_of(sums[t]);
  }
}

template <class Value>
void item_norms(Rows rows, Strided<Value> items, double* norms) noexcept {
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    norms[row] = norm_of<Value>(items.data + row * items.row_step, items.column_step, items.columns);
  }
}

// Queries [rows.first, rows.last) against one list of candidates (ids == nullptr: items 0 to n).
template <class Value>
void rank_block(Rows rows, Strided<Value> queries, const Items<Value>& items, const std::int32_t* ids, std::ptrdiff_t n,
                Pattern exclude, const ExactScratch<Value>& scratch, TopKRows<Value> out) noexcept {
  constexpr Value never_ranks = std::numeric_limits<Value>::quiet_NaN();
  constexpr Value everything = -std::numeric_limits<Value>::infinity();
  const std::ptrdiff_t width = padded(items.rows.columns);
  const std::ptrdiff_t n_queries = rows.last - rows.first;
  for (std::ptrdiff_t q = 0; q < n_queries; ++q) {
    load_row(queries, rows.first + q, scratch.queries + q * width);
    scratch.selections[q] = Selector<Value>::empty(scratch.entries + q * scratch.capacity);
    scratch.cursors[q] = exclude.indptr ? exclude.indptr[(rows.first + q) * exclude.step] : 0;
  }

  for (std::ptrdiff_t first = 0; first < n; first += tile_items) {
    const std::ptrdiff_t n_tile = std::min(tile_items, n - first);
    const auto item_at = [&](std::ptrdiff_t i) { return ids ? ids[first + i] : static_cast<std::int32_t>(first + i); };
    for (std::ptrdiff_t i = 0; i < n_tile; ++i) load_row(items.rows, item_at(i), scratch.tile + i * width);

    for (std::ptrdiff_t q = 0; q < n_queries; ++q) {
      const double* query = scratch.queries + q * width;
      double sums[tile_items];
      double query_norm = 0.0;
      if (items.metric == Metric::euclidean) {
        add_up<Value, Metric::euclidean>(query, scratch.tile, n_tile, width, sums);
      } else {
        add_up<Value, Metric::inner_product>(query, scratch.tile, n_tile, width, sums);
      }
      if (items.metric == Metric::cosine) query_norm = norm_of<Value>(query, 1, width);
      for (std::ptrdiff_t i = 0; i < n_tile; ++i) {
        scratch.scores[i] =
            finished<Value>(items.metric, sums[i], query_norm, items.norms ? items.norms[item_at(i)] : 0.0);
      }
      if (exclude.indptr) {  // both lists ascend, so one walk along them finds what is excluded
        std::int64_t& cursor = scratch.cursors[q];
        const std::int64_t end = exclude.indptr[(rows.first + q) * exclude.step + 1];
        for (std::ptrdiff_t i = 0; i < n_tile && cursor < end; ++i) {
          while (cursor < end && exclude.ids[cursor] < item_at(i)) ++cursor;
          if (cursor < end && exclude.ids[cursor] == item_at(i)) scratch.scores[i] = never_ranks;
        }
      }
      Selector<Value>(scratch.selections[q], out.k, scratch.capacity)
          .template offer_all<true>(scratch.scores, n_tile, everything, item_at);
    }
  }
  for (std::ptrdiff_t q = 0; q < n_queries; ++q) {
    write_top_k(scratch.selections[q], scratch.capacity, rows.first + q, out);
  }
}

template <class Value>
void rank_exactly(Rows rows, Strided<Value> queries, Items<Value> items, Pattern exclude, Pattern candidates,
                  ExactScratch<Value> scratch, TopKRows<Value> out) noexcept {
  if (candidates.indptr == nullptr) {
    rank_block(rows, queries, items, nullptr, items.rows.rows, exclude, scratch, out);
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
