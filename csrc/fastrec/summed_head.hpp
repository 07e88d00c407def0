// Sums of the most popular items with each other where values differ within a user's row, if they pay: what
// item_similarity asks for before its rows.
#pragma once

#include <algorithm>

#include "fastrec/parallel.hpp"
#include "fastrec/popular_items.hpp"
#include "fastrec/scratch.hpp"

namespace fastrec {

template <class Value>
class SummedHeadWorkspace {
 public:
  // Where rows with n_terms together, a share of all, are asked for.
  Status fill(const Kernels& table, const Interactions<Value>& x, std::ptrdiff_t n_items, double n_terms, double share,
              int n_threads, Poll poll) {
    const SummedHeadKernels<Value>& kernels = table;
    const bool goes_by_cost = n_items == by_cost;
    n_items = std::min({goes_by_cost ? x.n_by_id : n_items, x.n_by_id, most_summed});
    if (n_items <= 0 || x.user_items.rows == 0) return Status::done;
    const std::ptrdiff_t entry_bytes =
        (x.layout.short_columns ? 2 : 4) + (x.layout.short_values ? 2 : static_cast<std::ptrdiff_t>(sizeof(Value)));
    const double n_stored = static_cast<double>(x.user_items.indptr[x.user_items.rows]);
    const double gain_of_term = (share - 0.5) * cost_of_term(n_stored * static_cast<double>(entry_bytes));
    if (goes_by_cost && !pays(gain_of_term * n_terms / share, 0, n_items)) return Status::done;
    Patient<Poll> ask(poll);
    const Users users{x.user_items, n_threads, ask};
    indptr_ = Scratch<std::int64_t>(1, x.user_items.rows + 1, Fill::nothing);
    tails_indptr_ = Scratch<std::int64_t>(1, x.user_items.rows + 1, Fill::nothing);
    if (!indptr_ || !tails_indptr_) return Status::out_of_memory;
    Status status = users.visit([&](Rows some) noexcept { kernels.count(some, x, n_items, indptr_[0] + 1); });
    if (status != Status::done) return status;
    const double gain = gain_of_term * point_to_rows(x.user_items);
    if (goes_by_cost && !pays(gain, indptr_[0][x.user_items.rows], n_items)) return Status::done;

    entries_ = Scratch<std::uint8_t>(1, indptr_[0][x.user_items.rows] * entry_bytes, Fill::nothing);
    tails_ = Scratch<std::uint8_t>(1, tails_indptr_[0][x.user_items.rows] * entry_bytes, Fill::nothing);
    head_.stride = (n_items / a_line + 1) * a_line;
    sums_ = Scratch<Sum>(1, n_items * head_.stride, Fill::nothing);
    bounds_ = Scratch<std::ptrdiff_t>(1, n_threads + 1);
    starts_ = Scratch<std::int32_t>(n_threads, n_items + 2, Fill::nothing);
    list_ = Scratch<std::uint32_t>(
        n_threads, std::min(indptr_[0][x.user_items.rows], stretch_entries + n_items + added_at_once), Fill::nothing);
    if (!entries_ || !tails_ || !sums_ || !bounds_ || !starts_ || !list_) return Status::out_of_memory;
    sums_.in_large_pages();
    head_.indptr = indptr_[0];
    head_.tails_indptr = tails_indptr_[0];
    head_.entries = entries_[0];
    head_.tails = tails_[0];
    head_.sums = sums_[0];
    head_.n_items = n_items;
    status = users.visit([&](Rows some) noexcept { kernels.split(some, x, head_); });
    return status == Status::done ? sum(kernels, x.layout, x.user_items.rows, n_threads, ask) : status;
  }

  const SummedHead<Value>& head() const noexcept { return head_; }

 private:
  using Sum = PairSum<Value>;
  static constexpr std::ptrdiff_t a_line = 64 / sizeof(Sum), items_at_once = 8, mirrored_at_once = 32;
  // In nanoseconds: to split and list an entry, and for each byte of a sum to clear it, add to it, mirror it and read
  // it again.
  static constexpr double cost_of_entry = 8.0, cost_of_byte = 0.7;

  // All, some at a time.
  struct Users {
    const Csr<Value>& rows;
    int n_threads;
    Patient<Poll>& ask;

    template <class Body>
    Status visit(const Body& body) const {
      constexpr std::ptrdiff_t at_once = 1024;
      return parallel_for((rows.rows + at_once - 1) / at_once, n_threads, ask, [&](int, std::ptrdiff_t block) noexcept {
        body({block * at_once, std::min((block + 1) * at_once, rows.rows)});
      });
    }
  };

  // The gain: half of the terms between items of the head are added, instead of a share of them.
  static bool pays(double gain, std::int64_t n_entries, std::ptrdiff_t n_items) noexcept {
    const double n_bytes = static_cast<double>(n_items) * static_cast<double>(n_items) * sizeof(Sum);
    return gain > cost_of_entry * static_cast<double>(n_entries) + cost_of_byte * n_bytes;
  }

  // Makes row pointers of how many items each user has in the head, and says how many terms these are.
  double point_to_rows(const Csr<Value>& rows) noexcept {
    std::int64_t *in_head = indptr_[0], *tails = tails_indptr_[0];
    double n_terms = 0;
    in_head[0] = tails[0] = 0;
    for (std::ptrdiff_t user = 0; user < rows.rows; ++user) {
      const std::int64_t n = in_head[user + 1];
      n_terms += static_cast<double>(n) * static_cast<double>(n);
      in_head[user + 1] = in_head[user] + (n + added_at_once - 1) / added_at_once * added_at_once;
      tails[user + 1] = tails[user] + rows.indptr[user + 1] - rows.indptr[user] - n;
    }
    return n_terms;
  }

  // Each worker lists a stretch of users, then all add what these bring, one stretch after the other.
  Status sum(const SummedHeadKernels<Value>& kernels, EntryLayout layout, std::ptrdiff_t n_users, int n_threads,
             Patient<Poll>& ask) {
    Status status = for_items(items_at_once, n_threads, ask, [&](Rows items) noexcept {
      std::fill(sums_[0] + items.first * head_.stride, sums_[0] + items.last * head_.stride, Sum{0});
    });
    const auto places = [&](int worker) { return StretchPlaces{starts_[worker], list_[worker]}; };
    std::ptrdiff_t* bounds = bounds_[0];
    for (bounds[0] = 0; bounds[0] < n_users && status == Status::done;) {
      int n = 0;
      for (; n < n_threads && bounds[n] < n_users; ++n) {
        const std::int64_t end = indptr_[0][bounds[n]] + stretch_entries;
        bounds[n + 1] = std::lower_bound(indptr_[0] + bounds[n], indptr_[0] + n_users, end) - indptr_[0];
      }
      status = parallel_for(n, n_threads, ask, [&](int, std::ptrdiff_t at) noexcept {
        kernels.list({bounds[at], bounds[at + 1]}, layout, head_, places(static_cast<int>(at)));
      });
      for (int at = 0; at < n && status == Status::done; ++at) {
        status = for_items(items_at_once, n_threads, ask, [&](Rows items) noexcept {
          kernels.add(items, bounds[at], layout, head_, places(at), sums_[0]);
        });
      }
      bounds[0] = bounds[n];
    }
    if (status != Status::done) return status;
    return for_items(mirrored_at_once, n_threads, ask,
                     [&](Rows items) noexcept { kernels.mirror(items, head_, sums_[0]); });
  }

  template <class Body>
  Status for_items(std::ptrdiff_t at_once, int n_threads, Patient<Poll>& ask, const Body& body) {
    return parallel_for((head_.n_items + at_once - 1) / at_once, n_threads, ask,
                        [&](int, std::ptrdiff_t block) noexcept {
                          body({block * at_once, std::min((block + 1) * at_once, head_.n_items)});
                        });
  }

  SummedHead<Value> head_{};
  Scratch<std::int64_t> indptr_, tails_indptr_;
  Scratch<std::uint8_t> entries_, tails_;
  Scratch<Sum> sums_;
  Scratch<std::ptrdiff_t> bounds_;  // of stretches of users, one for each worker
  Scratch<std::int32_t> starts_;
  Scratch<std::uint32_t> list_;
};

}  // namespace fastrec
