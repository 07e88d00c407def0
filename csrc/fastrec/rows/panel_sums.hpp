// Sums over the users of one item for a panel of popular items at a time: where all of a user's values are the same,
// his bits say which of the sums in registers his term is added to.
#pragma once

#include <limits>

#include "fastrec/kernels.hpp"
#include "fastrec/simd/vectors.hpp"

#if defined(__AVX512DQ__)
#include "fastrec/simd/masked_sums_x86.hpp"
#endif

namespace fastrec {
namespace {

#if defined(__AVX512DQ__)
constexpr bool adds_by_masks = true;
#else
constexpr bool adds_by_masks = false;

inline Doubles added_where(std::uint32_t bits, Doubles sums, Doubles term) noexcept {
  for (int lane = 0; lane < lanes_of<double>; ++lane) sums[lane] += bits >> lane & 1 ? term[lane] : 0.0;
  return sums;
}
#endif

// What a user's part of a panel costs, where a term that is added by itself costs 1.
inline double cost_of_panel() noexcept { return adds_by_masks ? 12.0 : std::numeric_limits<double>::infinity(); }

// Writes sums[0] to sums[n_panels * panel_ranks], terms by ascending user.
template <class Value>
void add_panels(std::ptrdiff_t item, const Interactions<Value>& x, double* sums) noexcept {
  constexpr int lanes = lanes_of<double>, n_registers = panel_ranks / lanes;
  constexpr std::ptrdiff_t n_bytes = panel_ranks / 8;
  for (std::ptrdiff_t panel = 0; panel < x.panels.n_panels; ++panel, sums += panel_ranks) {
    const std::uint8_t* bits = x.panels.bits + panel * x.user_items.rows * n_bytes;
    Doubles held[n_registers] = {};
    for (std::int64_t at = x.item_users.indptr[item]; at < x.item_users.indptr[item + 1]; ++at) {
      const std::int32_t user = x.item_users.indices[at];
      const double value = static_cast<double>(x.item_users.data[at]) * static_cast<double>(x.user_values[user]);
      const Doubles term = every_lane<double>(value);
      const std::uint8_t* of_user = bits + user * n_bytes;
#pragma GCC unroll 16
      for (int r = 0; r < n_registers; ++r) {
        held[r] = added_where(of_user[r * lanes / 8] >> r * lanes % 8, held[r], term);
      }
    }
    for (int r = 0; r < n_registers; ++r) put<double>(sums + r * lanes, held[r]);
  }
}

}  // namespace
}  // namespace fastrec
