// head_counts and near_sums by table, where nothing counts the bits of a vector: what four users of an item have in
// common with those of 32 others is one lookup (the method of the Four Russians: V. Arlazarov, E. Dinic, M. Kronrod, I.
// Faradzhev, "On economical construction of the transitive closure of a directed graph", 1970).
#pragma once

#include <algorithm>

#include "fastrec/kernels.hpp"
#include "fastrec/rows/pairs_of_blocks.hpp"
#include "fastrec/simd/common_fours_x86.hpp"

namespace fastrec {
namespace {

static_assert(block_items == fours_together);
constexpr std::ptrdiff_t block_parts = 2, part_items = block_items / block_parts;  // for more threads to share
constexpr std::ptrdiff_t counted_words = 3;                                        // so many of which bytes hold counts
constexpr std::ptrdiff_t weighed_words = 2;                                        // that weigh the same

inline std::ptrdiff_t n_block_parts(std::ptrdiff_t n_items) noexcept {
  return n_pairs_of_blocks(n_items) * block_parts;
}

// Sums of a part of the items of block `row` with block `column`, and of these with those, `together` words at a time:
// term_of(word, users) for the users of the words from there on whom two items have in common.
template <std::ptrdiff_t together, class Sum, class TermOf>
void sum_part(PairOfBlocks pair, std::ptrdiff_t part, const std::uint64_t* bits, std::ptrdiff_t n_items,
              std::ptrdiff_t n_words, const TermOf& term_of, Sum* sums) noexcept {
  const std::ptrdiff_t first_i = pair.row * block_items + part * part_items;
  const std::ptrdiff_t last_i = std::min(first_i + part_items, n_items);
  const std::ptrdiff_t first_j = pair.column * block_items, n_j = std::min(block_items, n_items - first_j);
  alignas(32) std::uint8_t block[together * word_fours][block_items] = {};
  alignas(16) std::uint8_t item[together * word_fours];
  for (std::ptrdiff_t word = 0; word < n_words; word += together) {
    const std::ptrdiff_t n = std::min(together, n_words - word);
    for (std::ptrdiff_t j = 0; j < n_j; j += 8) {
      split_eight_items(bits + (first_j + j) * n_words + word, n_words, n, block, j);
    }
    for (std::ptrdiff_t i = first_i; i < last_i; ++i) {
      alignas(32) std::uint8_t users[block_items];
      split_item(bits + i * n_words + word, n, item);
      count_common(item, block, n, users);
      Sum* __restrict const to = sums + i * n_items + first_j;
      if (word == 0) std::fill_n(to, n_j, Sum{0});
      for (std::ptrdiff_t j = 0; j < n_j; ++j) to[j] = static_cast<Sum>(to[j] + term_of(word, users[j]));
    }
  }
  if (pair.row == pair.column) return;
  for (std::ptrdiff_t j = first_j; j < first_j + n_j; ++j) {
    for (std::ptrdiff_t i = first_i; i < last_i; ++i) sums[j * n_items + i] = sums[i * n_items + j];
  }
}

template <class Count>
void head_counts_by_table(Rows parts, const Head& head, Count* counts) noexcept {
  for (std::ptrdiff_t part = parts.first; part < parts.last; ++part) {
    sum_part<counted_words>(
        pair_of_blocks(part / block_parts, head.n_items), part % block_parts, head.bits, head.n_items, head.n_words,
        [](std::ptrdiff_t, std::uint8_t users) { return users; }, counts);
  }
}

inline void near_sums_by_table(Rows parts, const WeightedHead& head, float* sums) noexcept {
  const auto weight_of = [&](std::ptrdiff_t word, std::uint8_t users) {
    return static_cast<float>(head.weights[word]) * head.unit * static_cast<float>(users);
  };
  for (std::ptrdiff_t part = parts.first; part < parts.last; ++part) {
    sum_part<weighed_words>(pair_of_blocks(part / block_parts, head.n_items), part % block_parts, head.bits,
                            head.n_items, head.n_words, weight_of, sums);
  }
}

}  // namespace
}  // namespace fastrec
