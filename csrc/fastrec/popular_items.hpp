// The most popular items as bits, as many of them as pay: what item_similarity asks for before its rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"
#include "fastrec/sort_by_keys.hpp"

namespace fastrec {

constexpr std::ptrdiff_t by_cost = -1;  // how many items

// Of whose pairs these, or 4 bytes each, take less than 32 MiB: of more glibc would not keep the memory.
template <class Count>
constexpr std::ptrdiff_t most_head_items = sizeof(Count) == 2 ? 4064 : 2880;

inline std::ptrdiff_t padded_head(std::ptrdiff_t n_items) noexcept {
  return (n_items + head_rows - 1) / head_rows * head_rows;
}

inline std::ptrdiff_t padded_words(std::ptrdiff_t n_words) noexcept {
  return (n_words + head_words - 1) / head_words * head_words;
}

// Nanoseconds in which a core of a Zen 3 adds a term of users' rows that lie in a near cache, in one that cores share,
// or in memory.
constexpr double cost_of_shared_term = 0.9;
inline double cost_of_term(double bytes) noexcept {
  constexpr double near = 1 << 20, shared = 1 << 24;
  return bytes <= near ? 0.5 : bytes <= shared ? cost_of_shared_term : 2.4;
}

// The number h of items in the head with which bits and the other terms are cheapest together, where a share of all
// rows is asked for and adding a term costs 1. Bits cost cost_of_pair h^2 / 2. A user with m items in the head spares
// m^2 terms, 1 + 3 + ... + (2 m - 1), of which item i of the user's row, from 0, brings 2 i + 1: whole numbers, whose
// sums no order of users changes.
template <class Value>
Status cheapest_head(double cost_of_pair, double cost_of_entry, const Csr<Value>& rows, std::ptrdiff_t most,
                     double share, int n_threads, Poll poll, std::ptrdiff_t& cheapest) {
  const std::ptrdiff_t n = std::min(rows.columns, most);
  const Scratch<double> spared(n_threads, n);
  if (!spared) return Status::out_of_memory;
  const auto spare = [&](int worker, std::ptrdiff_t user) noexcept {
    const std::int64_t first = rows.indptr[user];
    for (std::int64_t at = first; at < rows.indptr[user + 1] && rows.indices[at] < n; ++at) {
      spared[worker][rows.indices[at]] += static_cast<double>(2 * (at - first) + 1) - cost_of_entry;
    }
  };
  const Status status = for_sparse_rows(rows.indptr, rows.rows, n_threads, poll, spare);
  double gain = 0.0, best = 0.0;
  cheapest = 0;
  for (std::ptrdiff_t h = 1; h <= n; ++h) {
    for (int worker = 0; worker < n_threads; ++worker) gain += share * spared[worker][h - 1];
    const double net = gain - cost_of_pair * static_cast<double>(h) * static_cast<double>(h) / 2;
    if (net > best) {
      best = net;
      cheapest = h;
    }
  }
  return status;
}

// Calls body(first, last) for blocks of users who share their words of bits with nobody else, by places [first, last)
// of n_words words.
template <class Body>
Status for_words_of_users(std::ptrdiff_t n_words, std::ptrdiff_t n_items, std::int64_t n_stored, int n_threads,
                          Poll poll, const Body& body) {
  const std::ptrdiff_t n_groups = n_words / head_words;
  const double entries = static_cast<double>(n_stored) / static_cast<double>(std::max<std::ptrdiff_t>(n_groups, 1));
  const double group_operations = static_cast<double>(n_items * head_words) + entries;
  return parallel_for_rows(
      0, n_groups, block_length(n_groups, n_threads, 16, group_operations), n_threads, poll,
      [&](int, std::ptrdiff_t first, std::ptrdiff_t last) noexcept { body(first * head_words, last * head_words); });
}

// Clears words [first, last) of n_items items.
inline void clear_words(std::uint64_t* bits, std::ptrdiff_t n_items, std::ptrdiff_t n_words, std::ptrdiff_t first,
                        std::ptrdiff_t last) noexcept {
  for (std::ptrdiff_t item = 0; item < n_items; ++item) {
    std::fill(bits + item * n_words + first, bits + item * n_words + last, std::uint64_t{0});
  }
}

// Sets the bit of each of a user's items below n_items at his place, and returns where his other items start.
template <class Value>
std::int64_t set_bits_of_user(const Csr<Value>& rows, std::ptrdiff_t user, std::ptrdiff_t place, std::ptrdiff_t n_items,
                              std::ptrdiff_t n_words, std::uint64_t* bits) noexcept {
  std::int64_t at = rows.indptr[user];
  for (; at < rows.indptr[user + 1] && rows.indices[at] < n_items; ++at) {
    bits[rows.indices[at] * n_words + place / 64] |= std::uint64_t{1} << place % 64;
  }
  return at;
}

// By item, and how many users each two have in common.
class HeadWorkspace {
 public:
  template <class Value>
  Status fill(const Kernels& table, const Interactions<Value>& x, std::ptrdiff_t n_items, double share, int n_threads,
              Poll poll) {
    const HeadKernels& kernels = table;
    if (x.user_items.rows <= std::numeric_limits<std::uint16_t>::max()) {
      return fill(kernels, kernels.shorts, shorts_, head_.shorts, x.user_items, n_items, share, n_threads, poll);
    }
    return fill(kernels, kernels.counts, counts_, head_.counts, x.user_items, n_items, share, n_threads, poll);
  }

  const Head& head() const noexcept { return head_; }

 private:
  static constexpr double cost_of_pair = 1.0;  // to take over a count, for both items

  template <class Count, class Value>
  Status fill(const HeadKernels& kernels, void (*count)(Rows, Head, std::uint8_t*, Count*) noexcept,
              Scratch<Count>& counts, const Count*& counted, const Csr<Value>& rows, std::ptrdiff_t n_items,
              double share, int n_threads, Poll poll) {
    head_.n_words = padded_words((rows.rows + 63) / 64);
    if (n_items == by_cost) {
      const double cost = static_cast<double>(head_.n_words) * kernels.cost_of_word() + cost_of_pair;
      const Status status = cheapest_head(cost, 0.0, rows, most_head_items<Count>, share, n_threads, poll, n_items);
      if (status != Status::done) return status;
    }
    n_items = std::min({n_items, rows.columns, most_head_items<Count>});
    if (n_items <= 0 || rows.rows == 0) return Status::done;
    const std::ptrdiff_t n_padded = padded_head(n_items);
    bits_ = Scratch<std::uint64_t>(1, n_padded * head_.n_words, Fill::nothing);
    counts = Scratch<Count>(1, n_padded * n_padded, Fill::nothing);
    tails_ = Scratch<std::int64_t>(1, rows.rows, Fill::nothing);
    const Scratch<std::uint8_t> scratch(n_threads, kernels.scratch_bytes, Fill::nothing);
    if (!bits_ || !counts || !tails_ || !scratch) return Status::out_of_memory;
    counts.in_large_pages();
    head_.n_items = n_padded;
    head_.bits = bits_[0];
    counted = counts[0];
    head_.tails = tails_[0];
    const auto set_words = [&](std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
      clear_words(bits_[0], n_padded, head_.n_words, first, last);
      for (std::ptrdiff_t user = 64 * first; user < std::min(64 * last, rows.rows); ++user) {
        tails_[0][user] = set_bits_of_user(rows, user, user, n_padded, head_.n_words, bits_[0]);
      }
    };
    const Status status =
        for_words_of_users(head_.n_words, n_padded, rows.indptr[rows.rows], n_threads, poll, set_words);
    if (status != Status::done) return status;
    return parallel_for(kernels.n_blocks(n_padded), n_threads, poll, [&](int worker, std::ptrdiff_t block) noexcept {
      count({block, block + 1}, head_, scratch[worker], counts[0]);
    });
  }

  Head head_{};
  Scratch<std::uint64_t> bits_;
  Scratch<std::uint16_t> shorts_;
  Scratch<std::int32_t> counts_;
  Scratch<std::int64_t> tails_;
};

// By item, with near sums of the weights of common users; and by user.
class WeightedHeadWorkspace {
 public:
  template <class Value>
  Status fill(const Kernels& table, const Interactions<Value>& x, std::ptrdiff_t n_items, std::ptrdiff_t k,
              double share, int n_threads, Poll poll) {
    const WeightedHeadKernels& kernels = table;
    const Csr<Value>& rows = x.user_items;
    const bool goes_by_cost = n_items == by_cost;
    const double bytes = static_cast<double>(rows.indptr[rows.rows]) * sizeof(std::int32_t);
    const double nearness = std::max(1.0, cost_of_shared_term / cost_of_term(bytes));
    const auto choose = [&](std::ptrdiff_t n_words) {
      return cheapest_head(nearness * (static_cast<double>(n_words) * kernels.cost_of_word() + cost_of_pair),
                           nearness * kernels.cost_of_sums(wider * static_cast<double>(k)), rows,
                           most_head_items<float>, share, n_threads, poll, n_items);
    };
    Status status = goes_by_cost ? choose((rows.rows + 63) / 64) : Status::done;  // if all words were full
    if (status != Status::done) return status;
    n_items = std::min({n_items, rows.columns, most_head_items<float>});
    if (n_items <= 0 || rows.rows == 0) return Status::done;
    order_ = Scratch<std::int32_t>(2, rows.rows, Fill::nothing);
    if (!order_) return Status::out_of_memory;
    std::iota(order_[1], order_[1] + rows.rows, 0);
    if (!sort_by_keys(order_[1], rows.rows, [&](std::ptrdiff_t user) { return x.user_weights[user]; }, order_[0])) {
      return Status::out_of_memory;
    }
    const WordsAlike alike = kernels.words_alike();
    const std::ptrdiff_t n_words = weigh_words(x.user_weights, rows.rows, alike);
    if (n_words < 0) return Status::out_of_memory;
    if (n_words == 0) return Status::done;
    if (goes_by_cost) status = choose(n_words);
    if (status != Status::done || n_items == 0) return status;
    const std::ptrdiff_t n_padded = padded_head(n_items);
    const std::ptrdiff_t user_words = (n_padded / 32 + table_words - 1) / table_words * table_words;
    bits_ = Scratch<std::uint64_t>(1, n_padded * n_words, Fill::nothing);
    sums_ = Scratch<float>(1, n_padded * n_padded, Fill::nothing);
    by_user_ = Scratch<std::uint32_t>(1, rows.rows * user_words, Fill::nothing);
    tails_ = Scratch<std::int64_t>(1, rows.rows, Fill::nothing);
    if (!bits_ || !sums_ || !by_user_ || !tails_) return Status::out_of_memory;
    sums_.in_large_pages();
    head_.n_items = n_padded;
    head_.n_words = n_words;
    head_.bits = bits_[0];
    head_.near_sums = sums_[0];
    head_.by_user = by_user_[0];
    head_.user_words = user_words;
    head_.tails = tails_[0];
    const auto set_words = [&](std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
      clear_words(bits_[0], n_padded, n_words, first, last);
      for (std::ptrdiff_t group = first / alike.n_words; group < last / alike.n_words; ++group) {
        set_bits(rows, group, alike.n_words);
      }
    };
    status = for_words_of_users(n_words, n_padded, rows.indptr[rows.rows], n_threads, poll, set_words);
    if (status != Status::done) return status;
    return parallel_for(kernels.n_blocks(n_padded), n_threads, poll, [&](int, std::ptrdiff_t block) noexcept {
      kernels.near_sums({block, block + 1}, head_, sums_[0]);
    });
  }

  const WeightedHead& head() const noexcept { return head_; }

 private:
  static constexpr double cost_of_pair = 2.0;
  static constexpr double wider = 1.3;  // near sums leave more than k pairs
  static constexpr double most_range = 1 << 24;
  static constexpr double most_error = 0.5;  // of near sums that tell anything

  // Sets the bits of the users of some words alike, by item and by user, and finds where their other items start.
  template <class Value>
  void set_bits(const Csr<Value>& rows, std::ptrdiff_t group, std::ptrdiff_t words_alike) noexcept {
    for (std::int32_t at = first_[0][group]; at < first_[0][group + 1]; ++at) {
      const std::int32_t user = order_[0][at];
      const std::ptrdiff_t place = 64 * words_alike * group + at - first_[0][group];
      const std::int64_t tail = set_bits_of_user(rows, user, place, head_.n_items, head_.n_words, bits_[0]);
      tails_[0][user] = tail;
      std::uint32_t* own = by_user_[0] + user * head_.user_words;
      std::fill(own, own + head_.user_words, 0u);
      for (std::int64_t i = rows.indptr[user]; i < tail; ++i) {
        own[rows.indices[i] / 32] |= std::uint32_t{1} << rows.indices[i] % 32;
      }
    }
  }

  // Puts users into words, whose weights become whole numbers, and returns how many words there are: none where the
  // weights lie too far apart, and -1 without memory.
  std::ptrdiff_t weigh_words(const double* weights, std::ptrdiff_t n_users, const WordsAlike& alike) {
    const std::int32_t* order = order_[0];
    const auto weight = [&](std::ptrdiff_t at) { return weights[order[at]]; };
    std::ptrdiff_t n_groups = 0, begun = 0;
    first_ = Scratch<std::int32_t>(1, padded_words(n_users) + 1, Fill::nothing);
    if (!first_) return -1;
    double largest = weight(0), least = largest;
    for (std::ptrdiff_t at = 0; at < n_users; ++at) {
      largest = std::max(largest, weight(at));
      least = std::min(least, weight(at));
      if (at > 0 && at - begun < 64 * alike.n_words && weight(begun) <= alike.most_ratio * weight(at)) continue;
      first_[0][n_groups++] = static_cast<std::int32_t>(begun = at);
    }
    if (!(least > 0 && std::isfinite(largest) && largest <= most_range * least)) return 0;
    const std::ptrdiff_t n_padded = padded_words(n_groups * alike.n_words);
    std::fill(first_[0] + n_groups, first_[0] + n_padded / alike.n_words + 1, static_cast<std::int32_t>(n_users));
    weights_ = Scratch<std::uint64_t>(1, n_padded, Fill::zeros);
    if (!weights_) return -1;
    const double most = std::min(0x1p45, 0x1p56 / static_cast<double>(n_padded));  // of 64 in all words below 2^63
    double error = 0;
    for (std::ptrdiff_t group = 0; group < n_groups; ++group) {
      double low = weight(first_[0][group]), high = low;  // they are sorted to a few digits only
      for (std::int32_t at = first_[0][group]; at < first_[0][group + 1]; ++at) {
        low = std::min(low, weight(at));
        high = std::max(high, weight(at));
      }
      const double whole = std::nearbyint((low + high) / 2 / largest * most);
      std::fill_n(weights_[0] + group * alike.n_words, alike.n_words, static_cast<std::uint64_t>(whole));
      const double taken = whole / most * largest;
      error = std::max({error, high / taken - 1, 1 - low / taken});
    }
    error += (static_cast<double>(n_padded) + 8) * 0x1p-23;  // of sums in float32
    if (!(error <= most_error)) return 0;
    head_.weights = weights_[0];
    head_.unit = static_cast<float>(1 / most);
    head_.largest_weight = largest;
    head_.error = static_cast<float>(error);
    return n_padded;
  }

  WeightedHead head_{};
  Scratch<std::int32_t> order_, first_;
  Scratch<std::uint64_t> bits_, weights_;
  Scratch<float> sums_;
  Scratch<std::uint32_t> by_user_;
  Scratch<std::int64_t> tails_;
};

}  // namespace fastrec
