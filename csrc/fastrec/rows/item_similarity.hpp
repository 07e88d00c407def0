// Row-kernel of item_similarity: row i of item_users * user_items, each sum turned into a similarity by its measure.
// Where all values are 1 a sum is a count, and the counters are short.
#pragma once

#include "fastrec/rows/measures.hpp"
#include "fastrec/rows/sparse_top_k_product.hpp"

namespace fastrec {
namespace {

// How many users the item of a row has in common with others, each pair once.
template <class Value>
std::int64_t terms_of_row(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& b) noexcept {
  std::int64_t terms = 0;
  for (std::int64_t at = a.indptr[row]; at < a.indptr[row + 1]; ++at) {
    terms += b.indptr[a.indices[at] + 1] - b.indptr[a.indices[at]];
  }
  return terms;
}

// Counts in how many of the users of an item each column stands, and returns how many columns it touched.
template <class Value>
std::ptrdiff_t count_row(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& b, std::uint16_t* counters,
                         std::int32_t* touched) noexcept {
  std::ptrdiff_t n_touched = 0;
  for (std::int64_t at = a.indptr[row]; at < a.indptr[row + 1]; ++at) {
    const std::int32_t inner = a.indices[at];
    for (std::int64_t to = b.indptr[inner]; to < b.indptr[inner + 1]; ++to) {
      const std::int32_t column = b.indices[to];
      touched[n_touched] = column;
      n_touched += counters[column]++ == 0;
    }
  }
  return n_touched;
}

// The same where most columns are touched, so that a list of them would not pay.
template <class Value>
void count_dense_row(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& b, std::uint16_t* counters) noexcept {
  for (std::int64_t at = a.indptr[row]; at < a.indptr[row + 1]; ++at) {
    const std::int32_t inner = a.indices[at];
    for (std::int64_t to = b.indptr[inner]; to < b.indptr[inner + 1]; ++to) ++counters[b.indices[to]];
  }
}

// Offers the similarities of row `row`; take(i) empties the accumulator of column_at(i) and says its sum and support.
template <Measure measure, class Score, class ColumnAt, class Take>
void offer_similarities(Selector<Score>& selector, std::ptrdiff_t row, std::ptrdiff_t n, std::ptrdiff_t k,
                        const MeasureOptions& options, const PickScratch<Score>& pick, const ColumnAt& column_at,
                        const Take& take) noexcept {
  constexpr Score never = std::numeric_limits<Score>::quiet_NaN();
  constexpr std::ptrdiff_t together = 64;  // in loops that compilers turn into vectors
  const std::int32_t min_support = static_cast<std::int32_t>(options.min_support);
  const double norm = options.norms[row], shrinkage = options.shrinkage;
  for (std::ptrdiff_t first = 0; first < n; first += together) {
    const std::ptrdiff_t n_chunk = std::min(together, n - first);
    double sums[together], norms[together];
    std::int32_t supports[together];
    for (std::ptrdiff_t i = 0; i < n_chunk; ++i) {
      const Common common = take(first + i);
      sums[i] = common.sum;
      supports[i] = common.support;
      norms[i] = options.norms[column_at(first + i)];
    }
    for (std::ptrdiff_t i = 0; i < n_chunk; ++i) {
      const Score score = static_cast<Score>(similarity<measure>({sums[i], norm, norms[i]}, shrinkage));
      pick.scores[first + i] = supports[i] >= min_support ? score : never;
    }
    for (std::ptrdiff_t i = 0; i < n_chunk && !options.keep_diagonal; ++i) {
      if (column_at(first + i) == row) pick.scores[first + i] = never;
    }
  }
  const Score least =
      options.has_threshold ? least_above<Score>(options.threshold) : -std::numeric_limits<Score>::infinity();
  offer_scores(selector, n, k, least, pick, column_at);
}

template <Measure measure, class Value, class Score>
void similarity_rows(Rows rows, const Csr<Value>& item_users, const Csr<Value>& user_items,
                     const MeasureOptions& options, const ProductScratch<double>& scratch,
                     const PickScratch<Score>& pick, std::ptrdiff_t k, const SparseRows<Score>& out) noexcept {
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    Selection<Score> selection = Selector<Score>::empty(pick.entries);
    Selector<Score> selector(selection, k, 2 * k);
    const std::int32_t* touched = scratch.touched;
    const auto column_touched = [touched](std::ptrdiff_t i) { return touched[i]; };
    const auto take_count = [&scratch](std::ptrdiff_t column) {
      const std::uint16_t count = scratch.counters[column];
      scratch.counters[column] = 0;
      return Common{static_cast<double>(count), count};
    };
    if (!options.only_ones) {
      const std::ptrdiff_t n = add_row<true>(row, item_users, user_items, scratch);
      offer_similarities<measure>(selector, row, n, k, options, pick, column_touched, [&](std::ptrdiff_t i) {
        const std::int32_t column = touched[i];
        const Common common{scratch.sums[column], scratch.counts[column]};
        scratch.sums[column] = 0;
        scratch.counts[column] = 0;
        scratch.marks[column] = 0;
        return common;
      });
    } else if (terms_of_row(row, item_users, user_items) < user_items.columns) {
      const std::ptrdiff_t n = count_row(row, item_users, user_items, scratch.counters, scratch.touched);
      offer_similarities<measure>(selector, row, n, k, options, pick, column_touched,
                                  [&](std::ptrdiff_t i) { return take_count(touched[i]); });
    } else {
      count_dense_row(row, item_users, user_items, scratch.counters);
      offer_similarities<measure>(
          selector, row, user_items.columns, k, options, pick,
          [](std::ptrdiff_t column) { return static_cast<std::int32_t>(column); }, take_count);
    }
    write_sparse_row(selector, pick.entries, row, out);
  }
}

template <class Value, class Score>
void item_similarity(Rows rows, Csr<Value> item_users, Csr<Value> user_items, MeasureOptions options,
                     ProductScratch<double> scratch, PickScratch<Score> pick, std::ptrdiff_t k,
                     SparseRows<Score> out) noexcept {
  switch (options.measure) {
    case Measure::dot:
      return similarity_rows<Measure::dot>(rows, item_users, user_items, options, scratch, pick, k, out);
    case Measure::cosine:
      return similarity_rows<Measure::cosine>(rows, item_users, user_items, options, scratch, pick, k, out);
  }
}

}  // namespace
}  // namespace fastrec
