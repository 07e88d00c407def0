// Visits rows of a sparse matrix in an order that no cache could foretell.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace fastrec {
namespace {

constexpr std::int64_t index_bytes = sizeof(std::int32_t);

// Calls visit(i, begin, end) for each of n rows, rows[i], whose entries from starts[rows[i]] to ends[rows[i]] these
// are: indices of so many bytes, and values, unless that is nullptr. Where rows lie is looked up for many at once, and
// entries are asked for some rows beforehand: looked up and read row by row, one would wait for the other. `skips`: of
// many rows without entries not even that is called.
template <bool skips = false, class Value, class Visit>
void visit_rows(const std::int32_t* rows, std::ptrdiff_t n, const std::int64_t* starts, const std::int64_t* ends,
                const void* indices, std::int64_t bytes, const Value* values, const Visit& visit) noexcept {
  constexpr std::ptrdiff_t together = 64, ahead = 8;
  constexpr std::int64_t line = 64, most_entries = 64, value_bytes = sizeof(Value);
  std::int64_t row_begins[together], row_ends[together];
  std::ptrdiff_t places[together];
  for (std::ptrdiff_t first = 0; first < n; first += together) {
    const std::ptrdiff_t n_looked_up = std::min(together, n - first);
    std::ptrdiff_t n_here = 0;
    std::int64_t n_entries = 0;
    for (std::ptrdiff_t i = 0; i < n_looked_up; ++i) {
      row_begins[n_here] = starts[rows[first + i]];
      row_ends[n_here] = ends[rows[first + i]];
      n_entries += row_ends[n_here] - row_begins[n_here];
      if constexpr (skips) places[n_here] = i;
      n_here += skips ? row_begins[n_here] < row_ends[n_here] : 1;
    }
    if (skips && n_here == 0) continue;
    const std::int64_t usual = std::min(n_entries / n_here, most_entries - 1);  // most rows have no more
    const std::int64_t lines = usual * bytes / line + 1;
    // Inlined for sure: GCC 12 takes a function that only asks for memory for one that does nothing.
    const auto ask_for = [&](std::ptrdiff_t i) __attribute__((always_inline)) {
      for (std::int64_t asked = 0; asked < lines; ++asked) {
        __builtin_prefetch(static_cast<const char*>(indices) + row_begins[i] * bytes + asked * line);
        if (values) __builtin_prefetch(values + row_begins[i] + asked * line / value_bytes);
      }
    };
    for (std::ptrdiff_t i = 0; i < std::min(ahead, n_here); ++i) ask_for(i);
    for (std::ptrdiff_t i = 0; i < n_here; ++i) {
      if (i + ahead < n_here) ask_for(i + ahead);
      visit(first + (skips ? places[i] : i), row_begins[i], row_ends[i]);
    }
  }
}

}  // namespace
}  // namespace fastrec
