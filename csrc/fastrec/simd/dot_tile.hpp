// Integer products of a panel of 32 items with a tile of 8 queries: the inner kernel of the screen.
#pragma once

#include "fastrec/kernels.hpp"

#if defined(__x86_64__) && defined(__AVX2__)
#include "fastrec/simd/dot_tile_x86.hpp"
#else

namespace fastrec {
namespace {

// Without wide integer products the exact scores cost no more than the screen would.
constexpr bool has_dot_tile = false;
constexpr int largest_code = 127, zero_code = 128;

template <bool always_write>
inline bool dot_tile(const std::uint8_t*, const std::int8_t*, std::ptrdiff_t, const std::int32_t*,
                     std::int32_t (*)[panel_items]) noexcept {
  return false;
}

inline std::uint32_t at_least(const std::int32_t*, std::int32_t) noexcept { return 0; }

}  // namespace
}  // namespace fastrec

#endif
