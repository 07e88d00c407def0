// Row-kernel of item_similarity's weighted head: near sums of the weights of common users, each pair once, and exact
// sums of the pairs that these leave.
#pragma once

#include <algorithm>
#include <cmath>

#include "fastrec/rows/head_counts.hpp"
#include "fastrec/simd/summed_places.hpp"

namespace fastrec {
namespace {

inline WordsAlike words_alike() noexcept {
#if defined(__AVX2__)
  if (!weighs_bits_in_vectors()) return {weighed_words, 1.1};
#endif
  return {1, 1.06};
}

// As cost_of_head_word.
inline double cost_of_weighted_word() noexcept {
  if (weighs_bits_in_vectors()) return 1.0 / 12;
#if defined(__AVX2__)
  return 0.4;
#else
  return 1.1;
#endif
}

inline std::ptrdiff_t n_weighted_blocks(std::ptrdiff_t n_items) noexcept {
  return n_blocks_of_head(n_items, weighs_bits_in_vectors());
}

// Sums of tiles, and mirrored, added up in float over the words that stay near.
inline void near_sums(Rows blocks, WeightedHead head, float* sums) noexcept {
#if defined(__AVX2__)
  if (!weighs_bits_in_vectors()) return near_sums_by_table(blocks, head, sums);
#endif
  const auto visit = [&](std::ptrdiff_t word, std::ptrdiff_t n, std::ptrdiff_t i, std::ptrdiff_t j) {
    const std::uint64_t *bits = head.bits + word, *weights = head.weights + word;
    float tile[bits_together][bits_together];
    common_weights(bits + i * head.n_words, bits + j * head.n_words, weights, head.n_words, n, tile);
    for (std::ptrdiff_t r = 0; r < bits_together; ++r) {
      for (std::ptrdiff_t c = 0; c < bits_together; ++c) {
        float& at = sums[(i + r) * head.n_items + j + c];
        at = (word > 0 ? at : 0.0f) + tile[r][c] * head.unit;
        if (i < j) sums[(j + c) * head.n_items + i + r] = at;  // the tile on the diagonal has both
      }
    }
  };
  for_tiles_of_head(blocks, head.n_items, head.n_words, visit);
}

// The value of an entry of item_users, where there are values.
template <class Value>
inline Value item_value(const Interactions<Value>& x, std::ptrdiff_t item, std::int64_t entry) noexcept {
  return x.item_values ? x.item_values[item] : x.item_users.data[entry];
}

inline double cost_of_sums(double n_items) noexcept {
  return std::ceil(n_items / (filled_places * summed_places)) * cost_of_places();
}

// sums[list[0]] to sums[list[n]], of item `item` with items of the head, whose ranks ascend: terms by ascending user.
template <class Value>
void sum_exactly(std::ptrdiff_t item, const Interactions<Value>& x, const std::int32_t* list, std::ptrdiff_t n,
                 double* sums) noexcept {
  constexpr std::int32_t word_bits = 32;
  const WeightedHead& head = x.weighted;
  const std::int64_t start = x.item_users.indptr[item];
  const std::int32_t* users = x.item_users.indices + start;
  const std::int64_t n_users = x.item_users.indptr[item + 1] - start;
  for (std::ptrdiff_t first = 0; first < n;) {
    Places places = {};
    std::int32_t ranks[summed_places];
    for (int part = 0; part < place_parts && first < n; ++part) {
      const std::int32_t table = list[first] / word_bits / part_words;
      places.first_word[part] = table * part_words;
      for (int i = part * part_places; i < (part + 1) * part_places; ++i) {
        if (first == n || list[first] / word_bits / part_words != table) break;
        ranks[i] = list[first++];
        places.words[i] = ranks[i] / word_bits - places.first_word[part];
        places.bits[i] = std::uint32_t{1} << ranks[i] % word_bits;
      }
    }
    double summed[summed_places];
    sum_places(
        places, n_users, [&](std::int64_t i) { return head.by_user + users[i] * head.user_words; },
        [&](std::int64_t i) {
          return static_cast<double>(item_value(x, item, start + i)) * static_cast<double>(x.user_values[users[i]]);
        },
        summed);
    for (int i = 0; i < summed_places; ++i) {
      if (places.bits[i] != 0) sums[ranks[i]] = summed[i];
    }
  }
}

}  // namespace
}  // namespace fastrec
