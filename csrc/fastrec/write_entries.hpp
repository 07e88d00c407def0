// A sparse matrix as entries, columns with their values, one after the other.
#pragma once

#include "fastrec/parallel.hpp"

namespace fastrec {

// Of each entry in its place; column_of says which column one is told to be in.
template <class Column, class Stored, class Value, class ColumnOf>
Status write_entries(const Csr<Value>& x, const ColumnOf& column_of, StoredEntry<Column, Stored>* out, int n_threads,
                     Poll poll) {
  return for_sparse_rows(x.indptr, x.rows, n_threads, poll, [&](int, std::ptrdiff_t row) noexcept {
    for (std::int64_t at = x.indptr[row]; at < x.indptr[row + 1]; ++at) {
      out[at] = {static_cast<Column>(column_of(x.indices[at])), static_cast<Stored>(x.data[at])};
    }
  });
}

// The same in a layout, each column told by its label, which fits that.
template <class Value>
Status write_entries(const Csr<Value>& x, const std::int32_t* labels, EntryLayout layout, void* out, int n_threads,
                     Poll poll) {
  const auto label_of = [=](std::int32_t column) { return labels[column]; };
  const auto write = [&](auto column, auto value) {
    using Entry = StoredEntry<decltype(column), decltype(value)>;
    return write_entries(x, label_of, static_cast<Entry*>(out), n_threads, poll);
  };
  const auto write_columns = [&](auto column) {
    return layout.short_values ? write(column, std::uint16_t{}) : write(column, Value{});
  };
  return layout.short_columns ? write_columns(std::uint16_t{}) : write_columns(std::int32_t{});
}

}  // namespace fastrec
