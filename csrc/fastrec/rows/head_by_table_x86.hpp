// head_counts and near_sums by table, where nothing counts the bits of a vector: what four users of an item have in
// common with those of 32 others is one lookup (the method of the Four Russians: V. Arlazarov, E. Dinic, M. Kronrod, I.
// Faradzhev, "On economical construction of the transitive closure of a directed graph", 1970).
#pragma once

#include <immintrin.h>

#include <algorithm>

#include "fastrec/kernels.hpp"
#include "fastrec/rows/pairs_of_blocks.hpp"

namespace fastrec {
namespace {

constexpr std::ptrdiff_t vector_items = 32, block_vectors = block_items / vector_items;
constexpr std::ptrdiff_t block_parts = 2, part_items = block_items / block_parts;  // for more threads to share
constexpr std::ptrdiff_t word_fours = 16;                                          // users are looked up by fours
constexpr std::ptrdiff_t counted_words = 3;                                        // so many of which bytes hold counts
constexpr std::ptrdiff_t weighed_words = 2;                                        // that weigh the same

// counts[a][b]: bits of four that a and b have in common, twice.
struct CommonOfFour {
  alignas(32) std::uint8_t counts[16][vector_items];
};

constexpr CommonOfFour common_of_four = [] {
  CommonOfFour table = {};
  for (int a = 0; a < 16; ++a) {
    for (int b = 0; b < vector_items; ++b) {
      for (int bit = 1; bit < 16; bit *= 2) table.counts[a][b] += static_cast<std::uint8_t>((a & b & bit) != 0);
    }
  }
  return table;
}();

inline __m128i low_fours(__m128i bytes) noexcept { return _mm_and_si128(bytes, _mm_set1_epi8(15)); }
inline __m128i high_fours(__m128i bytes) noexcept { return low_fours(_mm_srli_epi16(bytes, 4)); }

// The fours of n words of an item: of a word those in the low halves of its bytes, then the others.
inline void split_item(const std::uint64_t* words, std::ptrdiff_t n, std::uint8_t* fours) noexcept {
  for (std::ptrdiff_t word = 0; word < n; ++word, fours += word_fours) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(words + word));
    const __m128i both = _mm_unpacklo_epi64(low_fours(bytes), high_fours(bytes));
    _mm_store_si128(reinterpret_cast<__m128i*>(fours), both);
  }
}

// The same of eight items, `step` words apart, side by side.
inline void split_eight_items(const std::uint64_t* words, std::ptrdiff_t step, std::ptrdiff_t n,
                              std::uint8_t (*fours)[block_items], std::ptrdiff_t at) noexcept {
  for (std::ptrdiff_t word = 0; word < n; ++word, fours += word_fours) {
    __m128i twos[4], four_items[4];  // bytes of so many items, by turns
    for (int i = 0; i < 4; ++i) {
      const std::uint64_t* item = words + 2 * i * step + word;
      twos[i] = _mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(item)),
                                  _mm_loadl_epi64(reinterpret_cast<const __m128i*>(item + step)));
    }
    for (int i = 0; i < 2; ++i) {
      four_items[i] = _mm_unpacklo_epi16(twos[2 * i], twos[2 * i + 1]);
      four_items[i + 2] = _mm_unpackhi_epi16(twos[2 * i], twos[2 * i + 1]);
    }
    for (int i = 0; i < 4; ++i) {
      const __m128i left = four_items[i / 2 * 2], right = four_items[i / 2 * 2 + 1];
      const __m128i bytes = i % 2 ? _mm_unpackhi_epi32(left, right) : _mm_unpacklo_epi32(left, right);
      const __m128d low = _mm_castsi128_pd(low_fours(bytes)), high = _mm_castsi128_pd(high_fours(bytes));
      _mm_storel_pd(reinterpret_cast<double*>(fours[2 * i] + at), low);
      _mm_storeh_pd(reinterpret_cast<double*>(fours[2 * i + 1] + at), low);
      _mm_storel_pd(reinterpret_cast<double*>(fours[word_fours / 2 + 2 * i] + at), high);
      _mm_storeh_pd(reinterpret_cast<double*>(fours[word_fours / 2 + 2 * i + 1] + at), high);
    }
  }
}

// How many users of n words an item has in common with each item of a block.
inline void count_common(const std::uint8_t* item, const std::uint8_t (*block)[block_items], std::ptrdiff_t n,
                         std::uint8_t (&counts)[block_items]) noexcept {
  __m256i sums[block_vectors];
#pragma GCC unroll 8
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
#pragma GCC unroll 4
  for (std::ptrdiff_t at = 0; at < n * word_fours; ++at) {
    const __m256i row = _mm256_load_si256(reinterpret_cast<const __m256i*>(common_of_four.counts[item[at]]));
#pragma GCC unroll 8
    for (std::ptrdiff_t v = 0; v < block_vectors; ++v) {
      const __m256i users = _mm256_load_si256(reinterpret_cast<const __m256i*>(block[at] + v * vector_items));
      sums[v] = _mm256_add_epi8(sums[v], _mm256_shuffle_epi8(row, users));
    }
  }
#pragma GCC unroll 8
  for (std::ptrdiff_t v = 0; v < block_vectors; ++v) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(counts + v * vector_items), sums[v]);
  }
}

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
