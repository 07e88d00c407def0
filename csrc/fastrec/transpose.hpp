// Driver of transpose: columns of a sparse matrix as rows, or rows in another order as columns.
#pragma once

#include <vector>

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"

namespace fastrec {

// Where a transposed matrix is written: (columns + 1) pointers, and as many values and indices as there are.
template <class Value>
struct TransposedCsr {
  Value* data;
  std::int32_t* indices;
  std::int64_t* indptr;
};

// Entry j of row order[p] becomes entry p of row j, for the `n_places` rows of an order; without one, p is the row.
// Blocks of rows count and then place their entries side by side, one block a thread, for each has a cursor a column;
// which block a row is in cannot show. Blocks go on in steps, after which Ctrl-C is asked for. data may be null on both
// sides.
template <class Value>
Status transpose(const Csr<Value>& x, const std::int32_t* order, std::ptrdiff_t n_places, TransposedCsr<Value> out,
                 int n_threads, Poll poll) {
  const auto row_at = [&](std::ptrdiff_t place) { return order ? order[place] : place; };
  const auto length_at = [&](std::ptrdiff_t place) { return x.indptr[row_at(place) + 1] - x.indptr[row_at(place)]; };
  std::int64_t n_stored = 0;
  for (std::ptrdiff_t place = 0; place < n_places; ++place) n_stored += length_at(place);
  const double columns = static_cast<double>(std::max<std::ptrdiff_t>(x.columns, 1));
  n_threads = worthwhile_threads(static_cast<double>(n_stored), n_threads);
  const int n_blocks = static_cast<int>(std::clamp(static_cast<double>(n_stored) / columns, 1.0, 1.0 * n_threads));

  // Pieces of about as many entries each: a block for each step, all steps of one block in a row.
  constexpr std::int64_t entries_a_step = 1 << 24;
  const std::ptrdiff_t n_steps = 1 + n_stored / n_blocks / entries_a_step, n_pieces = n_blocks * n_steps;
  std::vector<std::ptrdiff_t> first_of;
  std::vector<std::int64_t> cursors;
  try {
    first_of.resize(static_cast<std::size_t>(n_pieces) + 1, n_places);
    cursors.resize(static_cast<std::size_t>(n_blocks) * static_cast<std::size_t>(x.columns));
  } catch (const std::bad_alloc&) {
    return Status::out_of_memory;
  }
  first_of[0] = 0;
  std::int64_t passed = 0;
  for (std::ptrdiff_t place = 0, piece = 1; place < n_places && piece < n_pieces; ++place) {
    passed += length_at(place);
    if (passed >= n_stored / n_pieces * piece) first_of[static_cast<std::size_t>(piece++)] = place + 1;
  }
  const auto cursors_of = [&](std::ptrdiff_t block) { return cursors.data() + block * x.columns; };
  const auto for_entries = [&](const auto& visit) {
    for (std::ptrdiff_t step = 0; step < n_steps; ++step) {
      if (step > 0 && poll()) return Status::interrupted;
      const Status status = parallel_for(n_blocks, n_threads, poll, [&](int, std::ptrdiff_t block) noexcept {
        const auto piece = static_cast<std::size_t>(block * n_steps + step);
        std::int64_t* const of_block = cursors_of(block);
        for (std::ptrdiff_t place = first_of[piece]; place < first_of[piece + 1]; ++place) {
          const std::ptrdiff_t row = row_at(place);
          for (std::int64_t at = x.indptr[row]; at < x.indptr[row + 1]; ++at) visit(of_block[x.indices[at]], place, at);
        }
      });
      if (status != Status::done) return status;
    }
    return Status::done;
  };

  const Status counted = for_entries([](std::int64_t& count, std::ptrdiff_t, std::int64_t) { ++count; });
  if (counted != Status::done) return counted;
  std::int64_t end = 0;
  for (std::ptrdiff_t column = 0; column < x.columns; ++column) {
    out.indptr[column] = end;
    for (int block = 0; block < n_blocks; ++block) {
      std::int64_t& cursor = cursors_of(block)[column];
      end += std::exchange(cursor, end);
    }
  }
  out.indptr[x.columns] = end;
  return for_entries([&](std::int64_t& next, std::ptrdiff_t place, std::int64_t at) {
    const std::int64_t to = next++;
    out.indices[to] = static_cast<std::int32_t>(place);
    if (x.data) out.data[to] = x.data[at];
  });
}

}  // namespace fastrec
