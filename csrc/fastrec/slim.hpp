// Drivers of SLIM: the products of all pairs of items, and the elastic net of each item on them.
#pragma once

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"

namespace fastrec {

constexpr std::ptrdiff_t items_of_block = 16;

// Calls visit(other) once for every item that has a user in common with one. marks: of every item, for which it was
// visited last, and one more.
template <class Value, class Visit>
void for_partners(const Csr<Value>& item_users, const Csr<Value>& user_items, std::ptrdiff_t item, std::int32_t* marks,
                  const Visit& visit) noexcept {
  const std::int32_t mark = static_cast<std::int32_t>(item) + 1;
  for (std::int64_t of = item_users.indptr[item]; of < item_users.indptr[item + 1]; ++of) {
    const std::int32_t user = item_users.indices[of];
    for (std::int64_t at = user_items.indptr[user]; at < user_items.indptr[user + 1]; ++at) {
      const std::int32_t other = user_items.indices[at];
      if (std::exchange(marks[other], mark) != mark) visit(other);
    }
  }
}

// How many items have a user in common with each.
template <class Value>
Status count_partners(const Csr<Value>& item_users, const Csr<Value>& user_items, std::int64_t* counts, int n_threads,
                      Poll poll) {
  const Scratch<std::int32_t> marks(n_threads, user_items.columns);
  if (!marks) return Status::out_of_memory;
  return parallel_for_rows(0, item_users.rows, items_of_block, n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             for (std::ptrdiff_t item = first; item < last; ++item) {
                               std::int64_t n = 0;
                               for_partners(item_users, user_items, item, marks[worker], [&](std::int32_t) { ++n; });
                               counts[item] = n;
                             }
                           });
}

// Writes the products of every item, each a sum in double over users in ascending order; those of a sparse row as they
// are met.
template <class Value>
Status item_products(const Csr<Value>& item_users, const Csr<Value>& user_items, const std::int64_t* full, Value* rows,
                     const std::int64_t* indptr, std::int32_t* indices, Value* data, int n_threads, Poll poll) {
  const std::ptrdiff_t n_items = user_items.columns;
  const Scratch<double> sums_of(n_threads, n_items);
  const Scratch<std::int32_t> marks(n_threads, n_items);
  if (!sums_of || !marks) return Status::out_of_memory;
  const auto write = [&](int worker, std::ptrdiff_t item) noexcept {
    double* const sums = sums_of[worker];
    for (std::int64_t of = item_users.indptr[item]; of < item_users.indptr[item + 1]; ++of) {
      const double value = static_cast<double>(item_users.data[of]);
      const std::int32_t user = item_users.indices[of];
      for (std::int64_t at = user_items.indptr[user]; at < user_items.indptr[user + 1]; ++at) {
        sums[user_items.indices[at]] += value * static_cast<double>(user_items.data[at]);
      }
    }
    if (full[item] >= 0) {
      Value* const row = rows + full[item] * n_items;
      for (std::ptrdiff_t other = 0; other < n_items; ++other) row[other] = static_cast<Value>(sums[other]);
      std::fill_n(sums, n_items, 0.0);
      return;
    }
    std::int64_t at = indptr[item];
    for_partners(item_users, user_items, item, marks[worker], [&](std::int32_t other) {
      indices[at] = other;
      data[at++] = static_cast<Value>(std::exchange(sums[other], 0.0));
    });
  };
  return parallel_for_rows(0, item_users.rows, items_of_block, n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             for (std::ptrdiff_t item = first; item < last; ++item) write(worker, item);
                           });
}

// On the calling thread: weights of all items for each of some, a row of `out` each; n_unsolved: for how many the
// passes ran out.
template <class Value>
Status elastic_nets(const Kernels& table, Rows items, const ItemProducts<Value>& products, const ElasticNet& net,
                    Value* out, std::int64_t& n_unsolved) {
  const ElasticNetKernels<Value>& kernels = table;
  const std::ptrdiff_t n_items = products.n_items;
  const Scratch<double> of_items(1, 3 * n_items, Fill::nothing), of_members(1, 2 * most_together, Fill::nothing);
  const Scratch<double> among_members(1, most_together * most_together, Fill::nothing);
  const Scratch<std::int32_t> places(1, n_items, Fill::nothing), members(1, most_together, Fill::nothing);
  if (!of_items || !of_members || !among_members || !places || !members) return Status::out_of_memory;
  double* const vectors = of_items[0];
  n_unsolved = kernels.solve(items, products, net,
                             {vectors, vectors + n_items, vectors + 2 * n_items, places[0], members[0], of_members[0],
                              of_members[0] + most_together, among_members[0]},
                             out);
  return Status::done;
}

}  // namespace fastrec
