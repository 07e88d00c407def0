// Row-kernel of item_similarity: row i of item_users * user_items, each sum turned into a similarity by its measure.
#pragma once

#include "fastrec/rows/measures.hpp"
#include "fastrec/rows/sparse_top_k_product.hpp"

namespace fastrec {
namespace {

template <class Value, class Score>
void item_similarity(Rows rows, Csr<Value> item_users, Csr<Value> user_items, MeasureOptions options,
                     ProductScratch<double> scratch, Entry<Score>* entries, std::ptrdiff_t k,
                     SparseRows<Score> out) noexcept {
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    const std::ptrdiff_t n_touched = add_row<true>(row, item_users, user_items, scratch);
    Selection<Score> selection = Selector<Score>::empty(entries);
    Selector<Score> selector(selection, k, 2 * k);
    for (std::ptrdiff_t i = 0; i < n_touched; ++i) {
      const std::int32_t column = scratch.touched[i];
      const Pair pair{scratch.sums[column], options.sums_of_squares[row], options.sums_of_squares[column]};
      const Score score = static_cast<Score>(similarity(options.measure, pair, options.shrinkage));
      if ((options.keep_diagonal || column != row) && scratch.counts[column] >= options.min_support &&
          !(options.has_threshold && !(static_cast<double>(score) > options.threshold))) {
        selector.offer(score, column);
      }
      scratch.sums[column] = 0;
      scratch.counts[column] = 0;
      scratch.marks[column] = 0;
    }
    write_sparse_row(selector, entries, row, out);
  }
}

}  // namespace
}  // namespace fastrec
