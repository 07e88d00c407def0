// Driver of top_k_inner_product: an index that lives for one call.
#pragma once

#include "fastrec/item_index.hpp"

namespace fastrec {

template <class Value>
Status top_k_inner_product(const Kernels& table, Strided<Value> queries, Strided<Value> items, Pattern exclude,
                           Pattern candidates, TopKRows<Value> out, int n_threads, Progress progress) {
  ItemIndex<Value> index;
  const Status status = index.refer(table, items, Metric::inner_product, n_threads, progress.poll);
  return status == Status::done ? index.top_k(table, queries, exclude, candidates, out, n_threads, progress) : status;
}

}  // namespace fastrec
