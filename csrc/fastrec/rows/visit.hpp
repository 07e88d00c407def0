// Visits rows of a sparse matrix in an order that no cache could foretell.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace fastrec {
namespace {

// Calls visit(i, begin, end) for each of n rows, rows[i], whose entries from starts[rows[i]] to ends[rows[i]] these
// are. Where rows lie is looked up for many at once, and entries are asked for some rows beforehand: looked up and read
// row by row, one would wait for the other. `skips`: of many rows without entries not even that is called.
template <bool skips = false, class Stored, class Visit>
void visit_rows(const std::int32_t* rows, std::ptrdiff_t n, const std::int64_t* starts, const std::int64_t* ends,
                const Stored& entries, const Visit& visit) noexcept {
  constexpr std::ptrdiff_t together = 64, ahead = 8;
  constexpr std::int64_t most_entries = 64;
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
    const std::int64_t usual = std::min(n_entries / n_here + 1, most_entries);  // most rows have no more
    for (std::ptrdiff_t i = 0; i < std::min(ahead, n_here); ++i) entries.ask_for(row_begins[i], usual);
    for (std::ptrdiff_t i = 0; i < n_here; ++i) {
      if (i + ahead < n_here) entries.ask_for(row_begins[i + ahead], usual);
      visit(first + (skips ? places[i] : i), row_begins[i], row_ends[i]);
    }
  }
}

}  // namespace
}  // namespace fastrec
