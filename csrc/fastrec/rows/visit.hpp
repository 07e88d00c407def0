// Visits rows of a sparse matrix in an order that no cache could foretell.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace fastrec {
namespace {

// Calls visit(i, begin, end) for each of n rows, rows[i], that has entries from starts[rows[i]] to ends[rows[i]], which
// these are; `values` may be nullptr. Where rows lie is looked up for many at once, and entries are asked for some rows
// beforehand: looked up and read row by row, one would wait for the other.
template <class Value, class Visit>
void visit_rows(const std::int32_t* rows, std::ptrdiff_t n, const std::int64_t* starts, const std::int64_t* ends,
                const std::int32_t* indices, const Value* values, const Visit& visit) noexcept {
  constexpr std::ptrdiff_t together = 64, ahead = 8;
  constexpr std::int64_t line = 64, most_lines = 4, index_bytes = sizeof(std::int32_t), value_bytes = sizeof(Value);
  std::int64_t row_begins[together], row_ends[together];
  std::ptrdiff_t places[together];
  for (std::ptrdiff_t first = 0; first < n; first += together) {
    const std::ptrdiff_t last = std::min(first + together, n);
    std::int64_t n_entries = 0;
    std::ptrdiff_t n_here = 0;
    for (std::ptrdiff_t i = first; i < last; ++i) {
      const std::int64_t begin = starts[rows[i]], end = ends[rows[i]];
      places[n_here] = i;
      row_begins[n_here] = begin;
      row_ends[n_here] = end;
      n_entries += end - begin;
      n_here += begin < end;
    }
    if (n_here == 0) continue;
    const std::int64_t lines = std::min(n_entries * index_bytes / (n_here * line) + 1, most_lines);  // of most rows
    // Inlined for sure: GCC 12 takes a function that only asks for memory for one that does nothing.
    const auto ask_for = [&](std::ptrdiff_t i) __attribute__((always_inline)) {
      for (std::int64_t asked = 0; asked < lines; ++asked) {
        __builtin_prefetch(indices + row_begins[i] + asked * line / index_bytes);
        if (values) __builtin_prefetch(values + row_begins[i] + asked * line / value_bytes);
      }
    };
    for (std::ptrdiff_t i = 0; i < std::min(ahead, n_here); ++i) ask_for(i);
    for (std::ptrdiff_t i = 0; i < n_here; ++i) {
      if (i + ahead < n_here) ask_for(i + ahead);
      visit(places[i], row_begins[i], row_ends[i]);
    }
  }
}

}  // namespace
}  // namespace fastrec
