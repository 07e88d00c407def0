// Row-kernel of item_similarity's head: the most popular items by their users as bits, each pair counted once.
#pragma once

#include <algorithm>

#include "fastrec/kernels.hpp"
#include "fastrec/simd/common_bits.hpp"

#if defined(__AVX2__)
#include "fastrec/rows/head_by_table.hpp"
#endif

namespace fastrec {
namespace {

constexpr std::ptrdiff_t words_near = 1 << 7;  // of theirs, which stay in the nearest cache

// Of a word of a pair of items, where adding to one of many counts costs 1.
inline double cost_of_head_word() noexcept {
  if (counts_bits_in_vectors()) return 1.0 / 16;
#if defined(__AVX2__)
  return 1.0 / 4;
#else
  return 3.0 / 4;
#endif
}

inline std::ptrdiff_t n_blocks_of_head(std::ptrdiff_t n_items, [[maybe_unused]] bool in_vectors) noexcept {
#if defined(__AVX2__)
  if (!in_vectors) return n_block_parts(n_items);
#endif
  return n_items / head_block;
}

inline std::ptrdiff_t n_head_blocks(std::ptrdiff_t n_items) noexcept {
  return n_blocks_of_head(n_items, counts_bits_in_vectors());
}

// Four counts, beside those of the words before.
template <class Count>
void put_counts(const std::int32_t (&counts)[bits_together], bool adds, Count* to) noexcept {
  Count before[bits_together] = {};
  if (adds) __builtin_memcpy(before, to, sizeof before);
  for (std::ptrdiff_t i = 0; i < bits_together; ++i) before[i] = static_cast<Count>(before[i] + counts[i]);
  __builtin_memcpy(to, before, sizeof before);
}

// Calls visit(word, n, i, j) for tiles of items from i and from j on, of blocks of rows [blocks.first, blocks.last)
// with themselves and all later rows: for n words from `word` on, which stay near.
template <class Visit>
inline void for_tiles_of_head(Rows blocks, std::ptrdiff_t n_items, std::ptrdiff_t n_words,
                              const Visit& visit) noexcept {
  for (std::ptrdiff_t first = blocks.first * head_block; first < blocks.last * head_block; first += head_block) {
    for (std::ptrdiff_t word = 0; word < n_words; word += words_near) {
      const std::ptrdiff_t n = std::min(words_near, n_words - word);
      for (std::ptrdiff_t j = first; j < n_items; j += bits_together) {
        for (std::ptrdiff_t i = first; i < std::min(first + head_block, j + 1); i += bits_together) {
          visit(word, n, i, j);
        }
      }
    }
  }
}

// Counts of tiles, and mirrored.
template <class Count>
void head_counts(Rows blocks, Head head, std::uint8_t*, Count* counts) noexcept {
#if defined(__AVX2__)
  if (!counts_bits_in_vectors()) return head_counts_by_table(blocks, head, counts);
#endif
  const auto visit = [&](std::ptrdiff_t word, std::ptrdiff_t n, std::ptrdiff_t i, std::ptrdiff_t j) {
    const std::uint64_t* bits = head.bits + word;
    std::int32_t tile[bits_together][bits_together], turned[bits_together][bits_together];
    common_bits(bits + i * head.n_words, bits + j * head.n_words, head.n_words, n, tile);
    for (std::ptrdiff_t r = 0; r < bits_together; ++r) {
      for (std::ptrdiff_t c = 0; c < bits_together; ++c) turned[c][r] = tile[r][c];
    }
    for (std::ptrdiff_t r = 0; r < bits_together; ++r) {
      put_counts(tile[r], word > 0, counts + (i + r) * head.n_items + j);
      if (i < j) put_counts(turned[r], word > 0, counts + (j + r) * head.n_items + i);
    }
  };
  for_tiles_of_head(blocks, head.n_items, head.n_words, visit);
}

}  // namespace
}  // namespace fastrec
