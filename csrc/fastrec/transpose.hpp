// Driver of transpose: columns of a sparse matrix as rows.
#pragma once

#include <cstring>
#include <new>
#include <utility>
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

// Entry j of row i becomes entry i of row j.
// Blocks of rows count and then place their entries side by side, one block a thread, for each has a cursor a column;
// which block a row is in cannot show. Blocks go on in steps, after which Ctrl-C is asked for. data may be null on both
// sides. An entry's place is asked for 32 entries beforehand, by where its column's cursor stands then; values that are
// all alike are written one after the other, for nobody can tell them apart. A Cursor must hold the number of entries.
template <class Cursor, class Value>
Status transpose_by(const Csr<Value>& x, TransposedCsr<Value> out, int n_threads, Poll poll) {
  const std::int64_t n_stored = x.indptr[x.rows];
  const double columns = static_cast<double>(std::max<std::ptrdiff_t>(x.columns, 1));
  n_threads = worthwhile_threads(static_cast<double>(n_stored), n_threads);
  const int n_blocks = static_cast<int>(std::clamp(static_cast<double>(n_stored) / columns, 1.0, 1.0 * n_threads));

  // Pieces of about as many entries each: a block for each step, all steps of one block in a row.
  constexpr std::int64_t entries_a_step = 1 << 24;
  const std::ptrdiff_t n_steps = 1 + n_stored / n_blocks / entries_a_step, n_pieces = n_blocks * n_steps;
  std::vector<std::ptrdiff_t> first_of;
  std::vector<Cursor> cursors;
  try {
    first_of.resize(static_cast<std::size_t>(n_pieces) + 1, x.rows);
    cursors.resize(static_cast<std::size_t>(n_blocks) * static_cast<std::size_t>(x.columns));
  } catch (const std::bad_alloc&) {
    return Status::out_of_memory;
  }
  first_of[0] = 0;
  for (std::ptrdiff_t row = 0, piece = 1; row < x.rows && piece < n_pieces; ++row) {
    if (x.indptr[row + 1] >= n_stored / n_pieces * piece) first_of[static_cast<std::size_t>(piece++)] = row + 1;
  }
  const auto cursors_of = [&](std::ptrdiff_t block) { return cursors.data() + block * x.columns; };
  const auto for_entries = [&](const auto& visit) {
    for (std::ptrdiff_t step = 0; step < n_steps; ++step) {
      if (step > 0 && poll()) return Status::interrupted;
      const Status status = parallel_for(n_blocks, n_threads, poll, [&](int, std::ptrdiff_t block) noexcept {
        const auto piece = static_cast<std::size_t>(block * n_steps + step);
        Cursor* const of_block = cursors_of(block);
        for (std::ptrdiff_t row = first_of[piece]; row < first_of[piece + 1]; ++row) {
          for (std::int64_t at = x.indptr[row]; at < x.indptr[row + 1]; ++at) visit(of_block, row, at);
        }
      });
      if (status != Status::done) return status;
    }
    return Status::done;
  };

  const Status counted = for_entries([&](Cursor* counts, std::ptrdiff_t, std::int64_t at) { ++counts[x.indices[at]]; });
  if (counted != Status::done) return counted;
  std::int64_t end = 0;
  for (std::ptrdiff_t column = 0; column < x.columns; ++column) {
    out.indptr[column] = end;
    for (int block = 0; block < n_blocks; ++block) {
      Cursor& cursor = cursors_of(block)[column];
      end += std::exchange(cursor, static_cast<Cursor>(end));
    }
  }
  out.indptr[x.columns] = end;

  constexpr std::int64_t entries_ahead = 32;
  const bool alike = x.data && n_stored > 0 &&
                     std::memcmp(x.data, x.data + 1, static_cast<std::size_t>(n_stored - 1) * sizeof(Value)) == 0;
  return for_entries([&](Cursor* next, std::ptrdiff_t row, std::int64_t at) {
    if (at + entries_ahead < n_stored) {
      const std::int64_t soon = next[x.indices[at + entries_ahead]];
      __builtin_prefetch(out.indices + soon, 1);
      if (x.data && !alike) __builtin_prefetch(out.data + soon, 1);
    }
    const std::int64_t to = next[x.indices[at]]++;
    out.indices[to] = static_cast<std::int32_t>(row);
    if (x.data) out.data[alike ? at : to] = x.data[at];
  });
}

// Cursors of 32 bits, which take half the room in a cache, are to be asked for only where they hold the number of
// entries.
template <class Value>
Status transpose(const Csr<Value>& x, TransposedCsr<Value> out, bool narrow, int n_threads, Poll poll) {
  return narrow ? transpose_by<std::int32_t>(x, out, n_threads, poll)
                : transpose_by<std::int64_t>(x, out, n_threads, poll);
}

}  // namespace fastrec
