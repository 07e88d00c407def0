// Sums of terms each of which goes to the places whose bits are set in a row of its own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

#if defined(__AVX2__) && !defined(__AVX512DQ__)
constexpr int part_places = 4, place_parts = 12, part_words = 2;
constexpr double filled_places = 0.6;  // share of them, where items of a list share few words
#else
constexpr int part_places = 16, place_parts = 4, part_words = 32;
constexpr double filled_places = 1.0;
#endif
constexpr int summed_places = part_places * place_parts;
static_assert(table_words % part_words == 0);

struct Places {
  std::int32_t first_word[place_parts];           // of the part_words in which all words of a part lie,
  alignas(64) std::int32_t words[summed_places];  // which are these from there on;
  alignas(64) std::uint32_t bits[summed_places];  // one in each, or none where there is no place
};

}  // namespace
}  // namespace fastrec

#if defined(__AVX2__)
#include "fastrec/simd/summed_places_x86.hpp"
#else

namespace fastrec {
namespace {

// Of all places for a term, where adding to one sum costs 1.
inline double cost_of_places() noexcept { return 64.0; }

// sums[i] = term_of(0) + ... + term_of(n - 1), of those in whose row, row_of(t), the bit of place i is set, in this
// order.
template <class RowOf, class TermOf>
void sum_places(const Places& places, std::int64_t n, const RowOf& row_of, const TermOf& term_of,
                double* __restrict sums) noexcept {
  for (int i = 0; i < summed_places; ++i) sums[i] = 0.0;
  for (std::int64_t t = 0; t < n; ++t) {
    const std::uint32_t* __restrict row = row_of(t);
    const double term = term_of(t);
    for (int part = 0; part < place_parts; ++part) {
      const std::uint32_t* __restrict table = row + places.first_word[part];
      for (int i = part * part_places; i < (part + 1) * part_places; ++i) {
        sums[i] += table[places.words[i]] & places.bits[i] ? term : 0.0;
      }
    }
  }
}

}  // namespace
}  // namespace fastrec

#endif
