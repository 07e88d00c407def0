// Row-kernel of sparse_top_k_product: a row of A selects and adds rows of B into a dense row of sums (Gustavson 1978);
// the best of what was touched are kept.
#pragma once

#include "fastrec/rows/pruned_row.hpp"

namespace fastrec {
namespace {

enum Mark : std::uint8_t { touched = 1, candidate = 2, excluded = 4 };

// Whether a sum may be an entry, and stands in an answer that has room for all.
template <class Value>
bool enters(Value score, const ProductOptions<Value>& options) noexcept {
  if (!options.keep_zeros && score == 0) return false;
  if constexpr (std::is_floating_point_v<Value>) {
    return score >= least_above<Value>(options.threshold, options.has_threshold);  // a NaN is none
  } else {
    return !options.has_threshold || score > options.threshold;
  }
}

// Adds x times the entries [at, end) of B into sums and lists the columns that are new; returns how many are listed
// now. Whether a column is new moves the end of the list and not the program: nobody could foretell it. Sums that are
// only positive tell themselves whether there was one; for others columns are marked.
template <bool positive, class Stored, class Total>
std::ptrdiff_t add_terms(Total x, std::int64_t at, std::int64_t end, Stored entries,
                         const ProductScratch<Total>& scratch, std::ptrdiff_t n_touched) noexcept {
  Total* sums = scratch.sums;  // by name, since a mark might be part of anything that is pointed to
  std::uint8_t* marks = scratch.marks;
  std::int32_t* columns = scratch.touched;
  for (; at < end; ++at) {
    const std::int32_t column = entries.column(at);
    const Total before = sums[column];
    columns[n_touched] = column;
    if constexpr (positive) {
      n_touched += !(before > 0);
    } else {
      const std::uint8_t mark = marks[column];
      n_touched += !(mark & touched);
      marks[column] = mark | touched;
    }
    sums[column] = before + x * static_cast<Total>(entries.value(at));
  }
  return n_touched;
}

// Adds row `row` of the product into scratch.sums, terms by ascending inner index, and returns how many columns have a
// term: these are listed in scratch.touched. Sums of floats are double; sums of integers wrap around, so they are
// unsigned.
template <class Value, class Stored>
std::ptrdiff_t add_row(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& b, Stored entries, bool positive,
                       const ProductScratch<Sum<Value>>& scratch) noexcept {
  std::ptrdiff_t n_touched = 0;
  const std::int64_t first = a.indptr[row];
  const auto add_rows = [&](auto are_positive) {
    visit_rows(a.indices + first, a.indptr[row + 1] - first, b.indptr, b.indptr + 1, entries,
               [&](std::ptrdiff_t i, std::int64_t begin, std::int64_t end) {
                 const Sum<Value> x = static_cast<Sum<Value>>(a.data[first + i]);
                 n_touched = add_terms<are_positive.value>(x, begin, end, entries, scratch, n_touched);
               });
  };
  positive ? add_rows(std::true_type{}) : add_rows(std::false_type{});
  return n_touched;
}

inline void mark(const Pattern& pattern, std::ptrdiff_t row, std::uint8_t with, std::uint8_t* marks) noexcept {
  for (std::int64_t at = pattern.indptr[row * pattern.step]; at < pattern.indptr[row * pattern.step + 1]; ++at) {
    marks[pattern.ids[at]] |= with;
  }
}

inline void unmark(const Pattern& pattern, std::ptrdiff_t row, std::uint8_t* marks) noexcept {
  for (std::int64_t at = pattern.indptr[row * pattern.step]; at < pattern.indptr[row * pattern.step + 1]; ++at) {
    marks[pattern.ids[at]] = 0;
  }
}

// In so many columns the sums stay in the nearest cache, or a row of B has some terms on average, so that it costs
// little to come to it again for the next ones.
inline std::ptrdiff_t columns_of_block(std::ptrdiff_t n_columns, std::int64_t n_terms, std::int64_t n_rows) noexcept {
  constexpr std::ptrdiff_t columns_near = 4096;  // 32 KiB
  constexpr std::int64_t terms_together = 32;
  return std::max(columns_near, n_columns / std::max<std::int64_t>(1, n_terms / (terms_together * n_rows + 1)));
}

// Offers a row that has terms in many columns, some of them at a time. Where a sum of zero is no entry, no column needs
// a mark that it was touched.
template <bool marked, class Value, class Stored>
void offer_in_blocks(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& b, Stored entries, std::int64_t n_terms,
                     std::uint8_t wanted, const ProductOptions<Value>& options, std::ptrdiff_t k,
                     const ProductScratch<double>& scratch, const PickScratch<Value>& pick,
                     Selector<Value>& selector) noexcept {
  constexpr Value never = std::numeric_limits<Value>::quiet_NaN();
  constexpr std::int64_t ahead = 8, most_entries = 64;
  const Value least = least_above<Value>(options.threshold, options.has_threshold);
  const std::int64_t begin = a.indptr[row], n = a.indptr[row + 1] - begin;
  std::int64_t* next = scratch.cursors;
  double* all_sums = scratch.sums;  // by name, since a mark might be part of anything that is pointed to
  std::uint8_t* all_marks = scratch.marks;
  for (std::int64_t i = 0; i < n; ++i) next[i] = b.indptr[a.indices[begin + i]];
  const std::ptrdiff_t columns_together = columns_of_block(b.columns, n_terms, n);
  const std::int64_t usual =
      std::min(n_terms / (n + 1) * columns_together / (b.columns + 1) + 1, most_entries);  // of a row of B
  for (std::ptrdiff_t first = 0; first < b.columns; first += columns_together) {
    const std::ptrdiff_t last = std::min(first + columns_together, b.columns);
    for (std::int64_t i = 0; i < n; ++i) {
      const double x = static_cast<double>(a.data[begin + i]);
      const std::int64_t end = b.indptr[a.indices[begin + i] + 1];
      std::int64_t to = next[i];
      if (i + ahead < n) entries.ask_for(next[i + ahead], usual);
      const auto add = [&](auto n) {
        double added[n];
        for (int i = 0; i < n; ++i) {
          added[i] = all_sums[entries.column(to + i)] + x * static_cast<double>(entries.value(to + i));
        }
        for (int i = 0; i < n; ++i) {
          if (marked) all_marks[entries.column(to + i)] |= touched;
          all_sums[entries.column(to + i)] = added[i];
        }
        to += n;
      };
      while (end - to >= 4 && entries.column(to + 3) < last) add(std::integral_constant<int, 4>{});
      while (to < end && entries.column(to) < last) add(std::integral_constant<int, 1>{});
      next[i] = to;
    }
    const std::ptrdiff_t n_columns = last - first;
    const double* __restrict sums = all_sums + first;
    const std::uint8_t* __restrict marks = all_marks + first;
    const std::uint8_t those = marked ? wanted | touched : wanted;
    Value* __restrict scores = pick.scores;
    for (std::ptrdiff_t i = 0; i < n_columns; ++i) scores[i] = static_cast<Value>(sums[i]);  // two loops, of vectors
    for (std::ptrdiff_t i = 0; i < n_columns; ++i) scores[i] = marks[i] == those ? scores[i] : never;
    for (std::ptrdiff_t i = 0; i < n_columns && !marked; ++i) scores[i] = scores[i] != 0 ? scores[i] : never;
    offer_scores<true>(selector, pick.scores, n_columns, k, least, pick.groups,
                       [first](std::ptrdiff_t i) { return static_cast<std::int32_t>(first + i); });
    std::fill(all_sums + first, all_sums + last, 0.0);
    std::fill(all_marks + first, all_marks + last, std::uint8_t{0});
  }
}

// ---- rows -----------------------------------------------------------------------------------------------------------

// Offers the sums of the columns that scratch.touched lists, and clears them. Columns have marks where one is wanted or
// unwanted.
template <bool marked, class Value>
void offer_list(std::ptrdiff_t n, std::uint8_t wanted, const ProductOptions<Value>& options, std::ptrdiff_t k,
                const ProductScratch<Sum<Value>>& scratch, const PickScratch<Value>& pick,
                Selector<Value>& selector) noexcept {
  const std::int32_t* columns = scratch.touched;  // by name, since a mark might be part of anything that is pointed to
  Sum<Value>* sums = scratch.sums;
  std::uint8_t* marks = scratch.marks;
  Value* scores = pick.scores;
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    const std::int32_t column = columns[i];
    const Value score = static_cast<Value>(sums[column]);
    sums[column] = 0;
    bool offered = options.keep_zeros || score != 0;
    if (marked) {
      offered &= marks[column] == wanted;
      marks[column] = 0;
    }
    if constexpr (std::is_floating_point_v<Value>) {
      scores[i] = offered ? score : std::numeric_limits<Value>::quiet_NaN();
    } else {
      if (offered && enters(score, options)) selector.offer(score, column);
    }
  }
  if constexpr (std::is_floating_point_v<Value>) {
    const Value least = least_above<Value>(options.threshold, options.has_threshold);
    offer_scores<false>(selector, scores, n, k, least, pick.groups, [&](std::ptrdiff_t i) { return columns[i]; });
  }
}

constexpr std::int64_t terms_of_list = 4;  // cost about as much as a column of a block

// Offers a row with all its terms by whichever way is the cheapest.
template <class Value, class Stored>
void offer_unpruned(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& b, Stored entries, std::int64_t n_terms,
                    std::uint8_t wanted, const ProductOptions<Value>& options, std::ptrdiff_t k,
                    const ProductScratch<Sum<Value>>& scratch, const PickScratch<Value>& pick,
                    Selector<Value>& selector) noexcept {
  if constexpr (std::is_floating_point_v<Value>) {
    if (n_terms * terms_of_list >= b.columns) {
      const bool marked = options.keep_zeros && !options.positive;
      const auto offer = marked ? offer_in_blocks<true, Value, Stored> : offer_in_blocks<false, Value, Stored>;
      return offer(row, a, b, entries, n_terms, wanted, options, k, scratch, pick, selector);
    }
  }
  const std::ptrdiff_t n = add_row(row, a, b, entries, options.positive, scratch);
  const std::uint8_t those = options.positive ? wanted : wanted | touched;
  const auto offer = those || options.exclude.indptr ? offer_list<true, Value> : offer_list<false, Value>;
  offer(n, those, options, k, scratch, pick, selector);
}

// Offers a row by whichever way is the cheapest.
template <class Value, class Stored>
void offer_row(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& b, Stored entries, std::int64_t n_terms,
               std::uint8_t wanted, const ProductOptions<Value>& options, const Pruning<Value>& pruning,
               std::ptrdiff_t k, const ProductScratch<Sum<Value>>& scratch, const PruningScratch<Value>& spare,
               const PickScratch<Value>& pick, Selector<Value>& selector) noexcept {
  if constexpr (std::is_floating_point_v<Value>) {
    if (next_row_is_pruned(pruning, spare)) {
      Split split = terms_of_row(row, a, b, pruning, spare.terms);
      const bool pruned =
          offer_pruned(split, b, entries, n_terms, wanted, options, pruning, k, scratch, spare, pick, selector);
      if (!pruned) offer_unpruned(row, a, b, entries, n_terms, wanted, options, k, scratch, pick, selector);
      return remember(pruned, split.most, static_cast<double>(selector.tighten().score), *spare.history);
    }
  }
  offer_unpruned(row, a, b, entries, n_terms, wanted, options, k, scratch, pick, selector);
}

// Writes a row of which nothing is cut off, the column met last first.
template <class Value, class Stored>
void write_whole_row(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& b, Stored entries, std::uint8_t wanted,
                     const ProductOptions<Value>& options, const ProductScratch<Sum<Value>>& scratch,
                     const SparseRows<Value>& out) noexcept {
  const std::uint8_t those = options.positive ? wanted : wanted | touched;
  std::int64_t to = out.starts[row];
  for (std::ptrdiff_t i = add_row(row, a, b, entries, options.positive, scratch); i-- > 0;) {
    const std::int32_t column = scratch.touched[i];
    const Value score = static_cast<Value>(scratch.sums[column]);
    if (scratch.marks[column] == those && enters(score, options)) {
      out.indices[to] = column;
      out.data[to++] = score;
    }
    scratch.sums[column] = 0;
    scratch.marks[column] = 0;
  }
  out.lengths[row] = to - out.starts[row];
}

struct MetLater {
  template <class Value>
  bool operator()(const Met<Value>& x, const Met<Value>& y) const noexcept {
    return x.inner != y.inner ? x.inner > y.inner : x.entry.item > y.entry.item;
  }
};

// Puts what was written of a row in the order in which its columns are met, the last first. A column is met with the
// first term that it has in common with the row of A.
template <class Value>
void order_as_met(std::ptrdiff_t row, const Csr<Value>& a, const Csr<Value>& columns, Value* spread, Met<Value>* met,
                  const SparseRows<Value>& out) noexcept {
  for (std::int64_t at = a.indptr[row]; at < a.indptr[row + 1]; ++at) spread[a.indices[at]] = 1;
  std::int32_t* indices = out.indices + out.starts[row];
  Value* data = out.data + out.starts[row];
  const std::int64_t n = out.lengths[row];
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t at = columns.indptr[indices[i]];
    while (spread[columns.indices[at]] == 0) ++at;
    met[i] = {columns.indices[at], {data[i], indices[i]}};
  }
  std::sort(met, met + n, MetLater{});
  for (std::int64_t i = 0; i < n; ++i) {
    indices[i] = met[i].entry.item;
    data[i] = met[i].entry.score;
  }
  for (std::int64_t at = a.indptr[row]; at < a.indptr[row + 1]; ++at) spread[a.indices[at]] = 0;
}

template <class Value>
void sparse_top_k_product(Rows rows, Csr<Value> a, Csr<Value> b, const StoredEntry<std::uint16_t, Value>* stored,
                          const std::int64_t* n_terms, const ProductOptions<Value>& options, Pruning<Value> pruning,
                          ProductScratch<Sum<Value>> scratch, PruningScratch<Value> spare, PickScratch<Value> pick,
                          std::ptrdiff_t k, SparseRows<Value> out) noexcept {
  const Pattern &exclude = options.exclude, &candidates = options.candidates;
  const std::uint8_t wanted = candidates.indptr ? candidate : 0;  // beside what marks columns as touched adds
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    if (candidates.indptr) mark(candidates, row, candidate, scratch.marks);
    if (exclude.indptr) mark(exclude, row, excluded, scratch.marks);
    const auto write = [&](auto entries) {
      const bool whole = !options.best_first && (k >= b.columns || k >= n_terms[row]);
      if (whole) return write_whole_row(row, a, b, entries, wanted, options, scratch, out);
      Selection<Value> selection = Selector<Value>::empty(pick.entries);
      Selector<Value> selector(selection, k, 2 * k);
      offer_row(row, a, b, entries, n_terms[row], wanted, options, pruning, k, scratch, spare, pick, selector);
      write_sparse_row(selector, pick.entries, row, out);
      if (!options.best_first) order_as_met(row, a, pruning.columns, spare.row, spare.met, out);
    };
    if constexpr (std::is_floating_point_v<Value>) {  // only of such there are stored ones
      stored ? write(ColumnsWithValues<std::uint16_t, Value>{stored}) : write(ColumnsBesideValues(b));
    } else {
      write(ColumnsBesideValues(b));
    }
    if (candidates.indptr) unmark(candidates, row, scratch.marks);
    if (exclude.indptr) unmark(exclude, row, scratch.marks);
  }
}

}  // namespace
}  // namespace fastrec
