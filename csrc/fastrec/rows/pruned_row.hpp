// A row of a sparse product whose best entries are found without adding up most of its terms, since bounds tell that
// they cannot matter.
#pragma once

#include "fastrec/rows/sparse_rows.hpp"
#include "fastrec/rows/stored_entries.hpp"
#include "fastrec/rows/visit.hpp"

namespace fastrec {
namespace {

struct CostsMore {
  bool operator()(const RowTerm& x, const RowTerm& y) const noexcept {
    return x.cost != y.cost ? x.cost > y.cost : x.inner < y.inner;
  }
};

// The terms of a row of A, the dearest first: the first n_skipped are not added up, those up to n_unlisted are where
// one of the others lists the column. `skipped`, `unlisted` and `most` bound what so many, and all, add up to in any
// column.
struct Split {
  std::ptrdiff_t n_skipped, n_unlisted, n;
  double skipped, unlisted, most;
  double cost, cost_listed;  // of adding up those that are not skipped, and those that list their columns
};

// By the largest entries of the terms' rows of B, or by norms (Cauchy-Schwarz); more than its own roundings take off.
class Bound {
 public:
  explicit Bound(double largest_norm) noexcept : largest_norm_(largest_norm) {}

  double add(double value, double largest) noexcept {
    squares_ += value * value;
    sum_ += std::fabs(value) * largest;
    return std::min(std::sqrt(squares_) * largest_norm_, sum_) * (1 + 1e-6);
  }

 private:
  double largest_norm_, squares_ = 0.0, sum_ = 0.0;
};

template <class Value>
Split terms_of_row(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& b, const Pruning<Value>& pruning,
                   RowTerm* terms) noexcept {
  Split split{};
  Bound bound(pruning.largest_norm);
  for (std::int64_t at = a.indptr[row]; at < a.indptr[row + 1]; ++at) {
    const std::int32_t inner = a.indices[at];
    const double x = static_cast<double>(a.data[at]);
    terms[split.n++] = {inner, x, static_cast<double>(b.indptr[inner + 1] - b.indptr[inner])};
    split.most = bound.add(x, pruning.largest[inner]);
  }
  std::sort(terms, terms + split.n, CostsMore{});
  return split;
}

// Skips the dearest terms as long as they stay below one limit together; those below the other list no columns.
template <class Value>
void split_below(double skipped, double unlisted, const Pruning<Value>& pruning, const RowTerm* terms,
                 Split& split) noexcept {
  Bound bound(pruning.largest_norm);
  for (std::ptrdiff_t t = 0; t < split.n; ++t) {
    const double most = bound.add(terms[t].value, pruning.largest[terms[t].inner]);
    if (most < skipped) {
      split.n_skipped = t + 1;
      split.skipped = most;
    } else {
      split.cost += terms[t].cost;
    }
    if (most < unlisted) {
      split.n_unlisted = t + 1;
      split.unlisted = most;
    } else {
      split.cost_listed += terms[t].cost;
    }
  }
}

// Adds x times the entries [at, end) of B, lists the columns that had no sum, which is -inf, and returns how many are
// listed now.
template <class Value, class Stored>
std::ptrdiff_t list_terms(Value x, std::int64_t at, std::int64_t end, Stored entries, Value* sums, std::int32_t* listed,
                          std::ptrdiff_t n_listed) noexcept {
  for (; at < end; ++at) {
    const std::int32_t column = entries.column(at);
    const Value before = sums[column];
    const bool is_new = before == -std::numeric_limits<Value>::infinity();
    listed[n_listed] = column;
    n_listed += is_new;
    sums[column] = x * entries.value(at) + (is_new ? Value{0} : before);
  }
  return n_listed;
}

// Adds x times the entries [at, end) of B to the sums that there are.
template <class Value, class Stored>
void add_to_listed(Value x, std::int64_t at, std::int64_t end, Stored entries, Value* sums) noexcept {
  for (; at < end; ++at) sums[entries.column(at)] += x * entries.value(at);
}

// The row of A, spread out, times the entries [at, end) of one column of B: the terms of add_row, and zeros between
// them, in the same order.
template <class Value>
double entry(const Value* row, const Csr<Value>& columns, std::int64_t at, std::int64_t end) noexcept {
  double sum = 0.0;
  for (; at < end; ++at) {
    sum += static_cast<double>(row[columns.indices[at]]) * static_cast<double>(columns.data[at]);
  }
  return sum;
}

// Offers exact entries, many at a time, since each waits for a column of B.
template <class Value>
class ExactEntries {
 public:
  ExactEntries(const Value* row, const Csr<Value>& columns, Value least, Selector<Value>& selector) noexcept
      : row_(row), columns_(columns), least_(least), selector_(selector) {}

  void add(std::int32_t column) noexcept {
    found_[n_++] = column;
    if (n_ == together) offer();
  }

  void offer() noexcept {
    visit_rows(found_, n_, columns_.indptr, columns_.indptr + 1, ColumnsBesideValues(columns_),
               [&](std::ptrdiff_t i, std::int64_t begin, std::int64_t end) {
                 const Value score = static_cast<Value>(entry(row_, columns_, begin, end));
                 if (score >= least_) selector_.offer(score, found_[i]);
               });
    n_ = 0;
  }

 private:
  static constexpr std::ptrdiff_t together = 64;

  const Value* row_;
  const Csr<Value>& columns_;
  Value least_;
  Selector<Value>& selector_;
  std::ptrdiff_t n_ = 0;
  std::int32_t found_[together];
};

// Whether pruning is tried for the next row: not without bounds, and seldom where it gained nothing lately, which
// counts the rows.
template <class Value>
bool next_row_is_pruned(const Pruning<Value>& pruning, const PruningScratch<Value>& spare) noexcept {
  return pruning.columns.indptr && std::isfinite(pruning.largest_norm) && --spare.history->n_waiting <= 0;
}

// What the next rows should know: whether a row was pruned, and what its k-th best entry was of `most` that it could
// be.
inline void remember(bool pruned, double most, double reached, PruningHistory& history) noexcept {
  constexpr int misses_in_a_row = 3, most_doublings = 6;
  history.n_misses = pruned ? 0 : std::min(history.n_misses + 1, misses_in_a_row + most_doublings);
  history.n_waiting = 1 << std::max(history.n_misses - misses_in_a_row, 0);
  if (most > 0 && reached > 0) history.reached = reached / most;
}

// Whether this costs less than to add up all terms and to pick the best of all sums.
template <class Value>
bool pays(const Split& split, const Csr<Value>& b, std::int64_t n_terms, std::ptrdiff_t k) noexcept {
  constexpr double of_exact = 10, of_exact_term = 2;  // where that of adding a term is 1,
  constexpr std::int64_t columns_of_term = 8;         // and that of looking at so many columns
  const double mean_length =
      static_cast<double>(b.indptr[b.rows]) / static_cast<double>(std::max<std::ptrdiff_t>(b.columns, 1));
  const double n_exact = std::min(3.0 * static_cast<double>(k), split.cost_listed / 4);
  const double cost = split.cost + 2 * split.cost_listed + n_exact * (of_exact + of_exact_term * mean_length);
  return cost <= static_cast<double>(n_terms + std::min<std::int64_t>(n_terms, b.columns / columns_of_term));
}

// Adds up the terms that are not skipped, in every column that one of the cheapest lists: sums[i] in columns[i], NaN
// where the column is not wanted. Returns how many there are.
template <class Value, class Stored>
std::ptrdiff_t add_up(const Split& split, const Csr<Value>& b, Stored entries, std::uint8_t wanted, bool all_wanted,
                      const std::uint8_t* marks, const PruningScratch<Value>& spare, std::int32_t* columns,
                      Value* sums) noexcept {
  using Limits = std::numeric_limits<Value>;
  for (std::ptrdiff_t t = 0; t < split.n; ++t) spare.inner[t] = spare.terms[t].inner;
  const auto add = [&](std::ptrdiff_t first, std::ptrdiff_t last, const auto& add_row) {
    visit_rows(spare.inner + first, last - first, b.indptr, b.indptr + 1, entries,
               [&](std::ptrdiff_t i, std::int64_t begin, std::int64_t end) {
                 add_row(static_cast<Value>(spare.terms[first + i].value), begin, end);
               });
  };
  std::ptrdiff_t n = 0;
  add(split.n_unlisted, split.n, [&](Value x, std::int64_t begin, std::int64_t end) {
    n = list_terms(x, begin, end, entries, spare.sums, columns, n);
  });
  add(split.n_skipped, split.n_unlisted,
      [&](Value x, std::int64_t begin, std::int64_t end) { add_to_listed(x, begin, end, entries, spare.sums); });
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    sums[i] = spare.sums[columns[i]];
    spare.sums[columns[i]] = -Limits::infinity();
  }
  for (std::ptrdiff_t i = 0; i < n && !all_wanted; ++i) {
    if (marks[columns[i]] != wanted) sums[i] = Limits::quiet_NaN();
  }
  return n;
}

// Offers the entries of a row that may be among the best, if bounds say that without adding up most terms; says no
// otherwise, and has offered nothing. The cheapest terms list columns, and what has the largest sums of these is scored
// exactly, which tells what an entry must reach: more than the skipped terms add up to where nothing is listed, and
// where a sum falls short of it by more (Turtle & Flood 1995; with a threshold Bayardo et al. 2007).
template <class Value, class Stored>
bool offer_pruned(Split& split, const Csr<Value>& b, Stored entries, std::int64_t n_terms, std::uint8_t wanted,
                  const ProductOptions<Value>& options, const Pruning<Value>& pruning, std::ptrdiff_t k,
                  const ProductScratch<double>& scratch, const PruningScratch<Value>& spare,
                  const PickScratch<Value>& pick, Selector<Value>& selector) noexcept {
  using Limits = std::numeric_limits<Value>;
  constexpr double least_limit = 1e-30, most_sum = Limits::max() / 4;  // beyond, sums of the type could lose more
  constexpr double expected_again = 0.9;                               // of what the row before reached
  // Of that or of the threshold, which fewer entries reach: less, and more is added up; more, and more is exact.
  constexpr double skipped_of_expected = 0.3, skipped_of_threshold = 0.4;
  const double rounding = static_cast<double>(split.n + 8) * 2.0 * Limits::epsilon() * split.most;
  const double threshold = options.has_threshold ? static_cast<double>(options.threshold) : 0.0;
  const double expected = expected_again * spare.history->reached * split.most;
  const double limit = std::max(threshold, expected) - rounding;
  if (!(limit >= least_limit && split.most <= most_sum)) return false;
  const double skipped = std::max(skipped_of_threshold * threshold, skipped_of_expected * expected);
  split_below(skipped, limit, pruning, spare.terms, split);
  if (!pays(split, b, n_terms, k)) return false;

  const bool all_wanted = wanted == 0 && !options.exclude.indptr;
  const RowTerm* const terms = spare.terms;
  const std::int32_t* const columns = scratch.touched;
  Value* const sums = pick.scores;
  const std::ptrdiff_t n = add_up(split, b, entries, wanted, all_wanted, scratch.marks, spare, scratch.touched, sums);

  const auto least_sum = [&](double entry) {
    return static_cast<Value>((entry - rounding - split.skipped) * (1 - 1e-6));
  };
  const Value above_threshold = threshold > 0 ? least_sum(threshold) : -Limits::infinity();
  const Value best = std::max(reached_by_k(sums, n, k, above_threshold, pick.groups), above_threshold);
  for (std::ptrdiff_t t = 0; t < split.n; ++t) spare.row[terms[t].inner] = static_cast<Value>(terms[t].value);
  const Value least = least_above<Value>(options.threshold, options.has_threshold);
  ExactEntries<Value> exact(spare.row, pruning.columns, least, selector);
  visit_between(sums, n, best, Limits::quiet_NaN(), [&](std::ptrdiff_t i) { exact.add(columns[i]); });
  exact.offer();
  const double reached = std::max(threshold, static_cast<double>(selector.tighten().score));
  const bool pruned = reached - rounding > split.unlisted;
  if (pruned) {
    visit_between(sums, n, least_sum(reached), best, [&](std::ptrdiff_t i) { exact.add(columns[i]); });
    exact.offer();
  } else {
    selector.forget();
  }
  for (std::ptrdiff_t t = 0; t < split.n; ++t) spare.row[terms[t].inner] = 0;
  return pruned;
}

}  // namespace
}  // namespace fastrec
