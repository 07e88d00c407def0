// Products of a panel's items with a query, kept in 16 bits to be looked at again, and what they are sure of.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastrec/simd/dot_tile.hpp"
#include "fastrec/simd/whole.hpp"

namespace fastrec {
namespace {

constexpr std::int16_t left_out = -0x8000;    // in the place of a product: below whatever passes
constexpr std::int16_t most_kept = 0x7ffe;    // no product is larger
constexpr std::int16_t passes_none = 0x7fff;  // no product reaches it
constexpr int kept_together = static_cast<int>(sizeof(Bytes) / sizeof(std::int16_t));

constexpr std::int32_t too_much_lost = 0x8000;  // for 16 bits: nothing is sure

// In both halves of 32 bits: a vector is filled with 16 from memory by one instruction then.
template <int n>
inline void put_twice(std::int32_t* to, Whole<n> numbers) noexcept {
  put_whole<n>(to, (numbers & 0xffff) | (numbers << 16));
}

// Leaves items that bits name out of kept products and of what these are sure of.
inline void leave_out(std::uint32_t bits, std::int16_t* kept, Bytes* sure) noexcept {
  alignas(64) std::int16_t numbers[panel_items];
  for (int i = 0; i < panel_items; i += kept_together) store_bytes(numbers + i, sure[i / kept_together]);
  for (; bits != 0; bits &= bits - 1) kept[__builtin_ctz(bits)] = numbers[__builtin_ctz(bits)] = left_out;
  for (int i = 0; i < panel_items; i += kept_together) sure[i / kept_together] = load_bytes(numbers + i);
}

// Keeps the products of n_queries queries with the items of a panel, and raises maxima to what they are sure of:
//     kept = products / 2^shift, rounded down,
//     sure = (ratio / 2^15 * kept - lost) * 2^doublings,
// rounded to the nearest before `lost` and ended at the limits after it. Items that bits of `without` name are left
// out; nothing is sure where `lost`, which is changed, is too_much_lost. Not inlined: elsewhere compilers keep less in
// registers.
template <int n_queries>
__attribute__((noinline)) void keep_sure(const std::int32_t* products, const std::int32_t* shift, std::int16_t ratio,
                                         int doublings, std::int32_t* lost, const std::uint32_t* without,
                                         std::int16_t* kept, std::int16_t* maxima,
                                         std::ptrdiff_t maxima_step) noexcept {
  constexpr int together = kept_together;
  put_twice<n_queries>(lost, whole_at<n_queries>(lost));
  const Bytes scale = broadcast_16(ratio);
#pragma GCC unroll 8
  for (int t = 0; t < n_queries; ++t, products += panel_items, kept += panel_items, maxima += maxima_step) {
    Bytes sure[panel_items / together];
#pragma GCC unroll 8
    for (int i = 0; i < panel_items; i += together) {
      const Bytes first = load_bytes(products + i), second = load_bytes(products + i + together / 2);
      const Bytes product = shifted_to_16(first, second, shift[t]);
      Bytes bound = less_16(scaled_16(product, scale), broadcast(lost[t]));
      for (int doubled = 0; doubled < doublings; ++doubled) bound = more_16(bound, bound);
      store_bytes(kept + i, product);
      sure[i / together] = bound;
    }
    if (without[t] != 0) leave_out(without[t], kept, sure);
    if (lost[t] < 0) continue;  // too_much_lost, twice
#pragma GCC unroll 8
    for (int i = 0; i < panel_items; i += together) {
      store_bytes(maxima + i, larger_16(load_bytes(maxima + i), sure[i / together]));
    }
  }
}

// Which of a panel's kept products reach least / 2^shift, an item a bit, for n_queries queries; `least` is changed.
template <int n_queries>
__attribute__((noinline)) void mark_kept(const std::int16_t* kept, const std::int32_t* shift, std::int32_t* least,
                                         std::uint32_t* marks) noexcept {
  using Numbers = Whole<n_queries>;
  Numbers bar = whole_at<n_queries>(least) >> whole_at<n_queries>(shift);
  const Numbers lowest = Numbers{} + (left_out + 1), highest = Numbers{} + passes_none;
  bar = bar < lowest ? lowest : bar;
  bar = bar > highest ? highest : bar;
  put_twice<n_queries>(least, bar);
#pragma GCC unroll 8
  for (int t = 0; t < n_queries; ++t) {
    std::uint32_t bits = 0;
#pragma GCC unroll 8
    for (int i = 0; i < panel_items; i += kept_together) {
      bits |= reaching_16(load_bytes(kept + t * panel_items + i), broadcast(least[t])) << i;
    }
    marks[t] = bits;
  }
}

// The k-th largest of n numbers, a multiple of panel_items, in each of n_rows rows, by bisection; k <= n. Rows side by
// side, since each step of one waits for the step before.
template <int n_rows>
inline void kth_largest(const std::int16_t* numbers, std::ptrdiff_t n, std::ptrdiff_t k,
                        std::int16_t* answers) noexcept {
  std::int32_t known[n_rows];
  for (std::int32_t& each : known) each = left_out;
  for (std::int32_t step = 0x8000; step > 0; step /= 2) {
    Bytes trials[n_rows];
    std::ptrdiff_t counts[n_rows] = {};
#pragma GCC unroll 4
    for (int row = 0; row < n_rows; ++row) trials[row] = broadcast_16(static_cast<std::int16_t>(known[row] + step));
    for (std::ptrdiff_t i = 0; i < n; i += kept_together) {
#pragma GCC unroll 4
      for (int row = 0; row < n_rows; ++row) {
        counts[row] += __builtin_popcount(reaching_16(load_bytes(numbers + row * n + i), trials[row]));
      }
    }
#pragma GCC unroll 4
    for (int row = 0; row < n_rows; ++row) known[row] += counts[row] >= k ? step : 0;
  }
  for (int row = 0; row < n_rows; ++row) answers[row] = static_cast<std::int16_t>(known[row]);
}

}  // namespace
}  // namespace fastrec
