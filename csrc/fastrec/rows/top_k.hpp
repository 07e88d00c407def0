// Row-kernels of top_k: the best entries of dense rows and of stored sparse entries.
#pragma once

#include "fastrec/rows/selector.hpp"

namespace fastrec {
namespace {

template <class Value>
void top_k_dense(Rows rows, Strided<Value> scores, std::ptrdiff_t capacity, Entry<Value>* entries,
                 TopKRows<Value> out) noexcept {
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    Selection<Value> selection = Selector<Value>::empty(entries);
    Selector<Value> selector(selection, out.k, capacity);
    const Value* at = scores.data + row * scores.row_step;
    const auto itself = [](std::ptrdiff_t item) { return static_cast<std::int32_t>(item); };
    if (scores.column_step == 1) {
      selector.offer_all(at, scores.columns, itself);
    } else {
      for (std::ptrdiff_t item = 0; item < scores.columns; ++item) {
        selector.offer(at[item * scores.column_step], itself(item));
      }
    }
    write_top_k(selection, capacity, row, out);
  }
}

template <class Value>
void top_k_csr(Rows rows, Csr<Value> scores, std::ptrdiff_t capacity, Entry<Value>* entries,
               TopKRows<Value> out) noexcept {
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    Selection<Value> selection = Selector<Value>::empty(entries);
    Selector<Value> selector(selection, out.k, capacity);
    for (std::int64_t at = scores.indptr[row]; at < scores.indptr[row + 1]; ++at) {
      selector.offer(scores.data[at], scores.indices[at]);
    }
    write_top_k(selection, capacity, row, out);
  }
}

}  // namespace
}  // namespace fastrec
