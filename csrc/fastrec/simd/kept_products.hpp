// Products of a panel's items with a query, kept in 16 bits to be looked at again, and what they are sure of.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastrec/simd/dot_tile.hpp"

namespace fastrec {
namespace {

constexpr std::int16_t left_out = -0x8000;    // in the place of a product: below whatever passes
constexpr std::int16_t most_kept = 0x7ffe;    // no product is larger
constexpr std::int16_t passes_none = 0x7fff;  // no product reaches it
constexpr int kept_together = static_cast<int>(sizeof(Bytes) / sizeof(std::int16_t));

// kept = products / 2^shift, rounded down.
inline void keep(const std::int32_t* products, int shift, std::int16_t* kept) noexcept {
  for (int i = 0; i < panel_items; i += kept_together) {
    store_bytes(kept + i, shifted_to_16(load_bytes(products + i), load_bytes(products + i + kept_together / 2), shift));
  }
}

// maxima = the larger of maxima and what kept products are sure of: (ratio / 2^15 * kept - lost) * 2^doublings, rounded
// to the nearest before `lost` and ended at the limits after it. Items that bits of `without` name are left out.
inline void raise(std::int16_t* maxima, const std::int16_t* kept, std::int16_t ratio, int doublings, std::int16_t lost,
                  std::uint32_t without) noexcept {
  const Bytes scale = broadcast_16(ratio), less = broadcast_16(lost);
  Bytes bounds[panel_items / kept_together];
  for (int i = 0; i < panel_items; i += kept_together) {
    Bytes& bound = bounds[i / kept_together];
    bound = less_16(scaled_16(load_bytes(kept + i), scale), less);
    for (int doubled = 0; doubled < doublings; ++doubled) bound = more_16(bound, bound);
  }
  if (without != 0) {
    alignas(64) std::int16_t each[panel_items];
    __builtin_memcpy(each, bounds, sizeof each);
    for (; without != 0; without &= without - 1) each[__builtin_ctz(without)] = left_out;
    __builtin_memcpy(bounds, each, sizeof each);
  }
  for (int i = 0; i < panel_items; i += kept_together) {
    store_bytes(maxima + i, larger_16(load_bytes(maxima + i), bounds[i / kept_together]));
  }
}

// Which of a panel's products reach `least`, an item a bit.
inline std::uint32_t at_least(const std::int16_t* kept, std::int16_t least) noexcept {
  std::uint32_t bits = 0;
  for (int i = 0; i < panel_items; i += kept_together) {
    bits |= reaching_16(load_bytes(kept + i), broadcast_16(least)) << i;
  }
  return bits;
}

// The k-th largest of n numbers, a multiple of panel_items, by bisection. k <= n.
inline std::int16_t kth_largest(const std::int16_t* numbers, std::ptrdiff_t n, std::ptrdiff_t k) noexcept {
  std::int32_t known = left_out;
  for (std::int32_t step = 0x8000; step > 0; step /= 2) {
    const Bytes trial = broadcast_16(static_cast<std::int16_t>(known + step));
    std::ptrdiff_t count = 0;
    for (std::ptrdiff_t i = 0; i < n; i += kept_together) {
      count += __builtin_popcount(reaching_16(load_bytes(numbers + i), trial));
    }
    known += count >= k ? step : 0;
  }
  return static_cast<std::int16_t>(known);
}

}  // namespace
}  // namespace fastrec
