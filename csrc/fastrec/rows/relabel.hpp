// Row-kernels of relabel: columns under other numbers, every row in ascending order of them.
#pragma once

#include <algorithm>

#include "fastrec/kernels.hpp"
#include "fastrec/simd/sort.hpp"

namespace fastrec {
namespace {

static_assert(four_vectors <= fewest_keys);

struct LargerFirst {  // a type, as RanksBefore is
  bool operator()(double a, double b) const noexcept { return a > b; }
};

// The same of a row without values that has many of the labels there are: `n_words` words of bits say which.
inline void relabel_by_bits(const std::int32_t* columns, std::int64_t n, const std::int32_t* labels,
                            std::ptrdiff_t n_words, std::uint64_t* bits, std::int32_t* indices) noexcept {
  std::fill(bits, bits + n_words, std::uint64_t{0});
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t label = labels[columns[i]];
    bits[label / 64] |= std::uint64_t{1} << label % 64;
  }
  for (std::ptrdiff_t word = 0; word < n_words; ++word) {
    for (std::uint64_t left = bits[word]; left != 0; left &= left - 1) {
      *indices++ = static_cast<std::int32_t>(64 * word + __builtin_ctzll(left));
    }
  }
}

// Calls visit(i, label, at) for place i of n in the new order, and the place `at` of the entry that comes there. A key
// is a label and a place, all bits turned, so that the largest key has the lowest label.
template <class Visit>
inline void visit_by_label(const std::int32_t* columns, std::int64_t n, const std::int32_t* labels, double* keys,
                           const Visit& visit) noexcept {
  for (std::int64_t i = 0; i < n; ++i) {
    keys[i] = key_of(~(std::int64_t{labels[columns[i]]} * (std::int64_t{1} << 31) + i));
  }
  if (n <= most_network_keys) {
    sort_keys(keys, n);
  } else {
    std::sort(keys, keys + n, LargerFirst{});
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t key = ~number_of(keys[i]);
    visit(i, static_cast<std::int32_t>(key >> 31), key & 0x7fffffff);
  }
}

template <class Value>
void relabel(Rows rows, Csr<Value> x, const std::int32_t* labels, double* keys, std::uint64_t* bits,
             std::int32_t* indices, Value* data) noexcept {
  const std::ptrdiff_t n_words = (x.columns + 63) / 64;
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    const std::int64_t first = x.indptr[row], n = x.indptr[row + 1] - first;
    if (x.data == nullptr && n >= n_words) {
      relabel_by_bits(x.indices + first, n, labels, n_words, bits, indices + first);
      continue;
    }
    visit_by_label(x.indices + first, n, labels, keys, [=](std::int64_t i, std::int32_t label, std::int64_t at) {
      indices[first + i] = label;
      if (x.data) data[first + i] = x.data[first + at];
    });
  }
}

template <class Value>
void write_entries(Rows rows, Csr<Value> x, const std::int32_t* labels, EntryLayout layout, double* keys,
                   void* out) noexcept {
  const auto write = [&](const auto& put) {
    for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
      const std::int64_t first = x.indptr[row], n = x.indptr[row + 1] - first;
      visit_by_label(x.indices + first, n, labels, keys, [&](std::int64_t i, std::int32_t label, std::int64_t at) {
        put(first + i, label, x.data[first + at]);
      });
    }
  };
  const auto write_as = [&](auto column, auto stored) {
    using Column = decltype(column);
    using Stored = decltype(stored);
    write([=](std::int64_t at, std::int32_t label, Value value) {
      static_cast<StoredEntry<Column, Stored>*>(out)[at] = {static_cast<Column>(label), static_cast<Stored>(value)};
    });
  };
  const auto write_columns = [&](auto column) {
    layout.short_values ? write_as(column, std::uint16_t{}) : write_as(column, Value{});
  };
  layout.short_columns ? write_columns(std::uint16_t{}) : write_columns(std::int32_t{});
}

}  // namespace
}  // namespace fastrec
