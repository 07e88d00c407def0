// Row-kernel of item_similarity: row i of item_users * user_items, each sum turned into a similarity by its measure.
// Where all values are 1 a sum is a count, and the counters are short.
#pragma once

#include "fastrec/rows/measures.hpp"
#include "fastrec/rows/sparse_top_k_product.hpp"

namespace fastrec {
namespace {

// add_row where all values are 1.
template <bool list, class Value>
std::ptrdiff_t count_row(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& b,
                         const ProductScratch<double>& scratch) noexcept {
  std::ptrdiff_t n_touched = 0;
  for (std::int64_t at = a.indptr[row]; at < a.indptr[row + 1]; ++at) {
    const std::int32_t inner = a.indices[at];
    for (std::int64_t to = b.indptr[inner]; to < b.indptr[inner + 1]; ++to) {
      const std::int32_t column = b.indices[to];
      if constexpr (list) {
        scratch.touched[n_touched] = column;
        n_touched += scratch.counters[column] == 0;
      }
      ++scratch.counters[column];
    }
  }
  return n_touched;
}

// Offers the similarities of row `row`; common_at(i) is what it has in common with column_at(i).
template <Measure measure, class Score, class ColumnAt, class CommonAt>
void offer_similarities(Selector<Score>& selector, std::ptrdiff_t row, std::ptrdiff_t n, std::ptrdiff_t k,
                        const MeasureOptions& options, const PickScratch<Score>& pick, const ColumnAt& column_at,
                        const CommonAt& common_at) noexcept {
  constexpr Score never = std::numeric_limits<Score>::quiet_NaN();
  constexpr std::ptrdiff_t together = 64;  // in loops that compilers turn into vectors
  const std::int32_t min_support = static_cast<std::int32_t>(options.min_support);
  const double norm = options.norms[row], shrinkage = options.shrinkage;
  for (std::ptrdiff_t first = 0; first < n; first += together) {
    const std::ptrdiff_t n_chunk = std::min(together, n - first);
    double sums[together], norms[together];
    std::int32_t supports[together];
    for (std::ptrdiff_t i = 0; i < n_chunk; ++i) {
      const Common common = common_at(first + i);
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
    const bool dense = terms_of_row(row, item_users, user_items) >= user_items.columns;
    const auto offer = [&](std::ptrdiff_t n_touched, const auto& common_with) {
      const std::int32_t* touched = scratch.touched;
      if (dense) {
        offer_similarities<measure>(
            selector, row, user_items.columns, k, options, pick,
            [](std::ptrdiff_t i) { return static_cast<std::int32_t>(i); }, common_with);
      } else {
        offer_similarities<measure>(
            selector, row, n_touched, k, options, pick, [touched](std::ptrdiff_t i) { return touched[i]; },
            [&](std::ptrdiff_t i) { return common_with(touched[i]); });
      }
    };
    // Not in the loop that reads them: GCC 12 then clears first (loop distribution, seen with two arrays).
    const auto clear = [&](std::ptrdiff_t n_touched, auto* accumulators) {
      if (dense) {
        std::fill(accumulators, accumulators + user_items.columns, 0);
      } else {
        for (std::ptrdiff_t i = 0; i < n_touched; ++i) accumulators[scratch.touched[i]] = 0;
      }
    };
    if (options.only_ones) {
      const std::ptrdiff_t n = dense ? count_row<false>(row, item_users, user_items, scratch)
                                     : count_row<true>(row, item_users, user_items, scratch);
      offer(n, [&scratch](std::ptrdiff_t column) {
        return Common{static_cast<double>(scratch.counters[column]), scratch.counters[column]};
      });
      clear(n, scratch.counters);
    } else {
      const std::ptrdiff_t n = dense ? add_row<true, false>(row, item_users, user_items, scratch)
                                     : add_row<true, true>(row, item_users, user_items, scratch);
      offer(n, [&scratch](std::ptrdiff_t column) { return Common{scratch.sums[column], scratch.counts[column]}; });
      clear(n, scratch.sums);
      clear(n, scratch.counts);
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
