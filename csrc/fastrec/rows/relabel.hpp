// Row-kernel of relabel: columns under other numbers, every row in ascending order of them.
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

// A key is a label and the place of its entry, all bits turned, so that the largest key has the lowest label.
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
    for (std::int64_t i = 0; i < n; ++i) {
      keys[i] = key_of(~(std::int64_t{labels[x.indices[first + i]]} * (std::int64_t{1} << 31) + i));
    }
    if (n <= most_network_keys) {
      sort_keys(keys, n);
    } else {
      std::sort(keys, keys + n, LargerFirst{});
    }
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t label = ~number_of(keys[i]) >> 31, at = ~number_of(keys[i]) & 0x7fffffff;
      indices[first + i] = static_cast<std::int32_t>(label);
      if (x.data) data[first + i] = x.data[first + at];
    }
  }
}

}  // namespace
}  // namespace fastrec
