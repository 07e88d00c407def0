// Row-kernels that prepare items for the screen: who is near to which centre, and panels of 8-bit codes, with what the
// codes leave out.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "fastrec/rows/cones.hpp"
#include "fastrec/rows/exact_scores.hpp"
#include "fastrec/simd/dot_tile.hpp"
#include "fastrec/simd/lanes.hpp"

namespace fastrec {
namespace {

// An upper bound of a norm from its sum of squares: covers the rounding, and squares that underflow.
inline double norm_above(double squares) noexcept { return std::sqrt(squares) * (1.0 + 1e-9) + 1e-150; }

inline bool screenable(double norm) noexcept { return norm >= least_screened_norm && norm <= most_screened_norm; }

// How much the exact score may differ from the product of two vectors, as a part of the product of their norms.
inline double rounding_of(std::ptrdiff_t n_factors) noexcept { return static_cast<double>(n_factors + 16) * 0x1p-50; }

// Item `id` as the screen takes it, zero-padded: for cosine its direction.
template <class Value>
void load_item(const Items<Value>& items, std::int32_t id, double* out) noexcept {
  const Value* at = items.rows.data + id * items.rows.row_step;
  double factor = 1.0;
  if (items.metric == Metric::cosine && items.norms[id] > 0.0) factor = 1.0 / items.norms[id];
  for_each_eight(at, items.rows.column_step, items.rows.columns,
                 [=](std::ptrdiff_t j, Lanes x) { store(out + j, x * factor); });
}

// Codes of items and of queries: the largest size of one, and of the norm of those whose products are a short sum. As a
// product of two such norms bounds the sum, it needs no more than 16 bits.
constexpr double longest_item_part = 128, longest_query_part = 255;

// What the scale of rows depends on, each of them padded to a multiple of n_lanes.
class Sizes {
 public:
  void add(const double* row, std::ptrdiff_t width) noexcept {
    constexpr std::ptrdiff_t part_factors = short_steps * step_factors;
    for (std::ptrdiff_t j = 0; j < width; j += n_lanes) {
      const Lanes x = load(row + j);
      factors_ = larger_of(factors_, larger_of(x, -x));
    }
    for (std::ptrdiff_t first = 0; short_sums && first < width; first += part_factors) {
      Lanes squares = {};
      for (std::ptrdiff_t j = first; j < std::min(first + part_factors, width); j += n_lanes) {
        squares += load(row + j) * load(row + j);
      }
      double eight[n_lanes];
      store(eight, squares);
      const double one = (eight[0] + eight[1]) + (eight[4] + eight[5]);
      const double other = (eight[2] + eight[3]) + (eight[6] + eight[7]);
      part_squares_ = std::max({part_squares_, one, other});
    }
  }

  // A scale that keeps the codes within these limits.
  double scale(int largest, double longest_part) const noexcept {
    const double scale = largest_of(factors_) / largest;
    if (!short_sums) return scale;
    const double rounded = std::sqrt(short_steps * step_factors / 2) / 2;  // no less than what rounding adds to a norm
    return std::max(scale, norm_above(part_squares_) / (longest_part - rounded));
  }

 private:
  Lanes factors_ = {};
  double part_squares_ = 0.0;
};

// What the nearest multiples of the scale say of an item, and what they leave out, as squared norms.
struct Coded {
  double squares, code_squares, residual_squares;
};

// `item` is padded to a multiple of n_lanes; put(j, codes) takes those of every eight factors from j on.
template <class Put>
inline Coded code_item(const double* item, std::ptrdiff_t n_factors, double scale, const Put& put) noexcept {
  constexpr double rounds = 0x1.8p52;  // what is added to it and taken off again is a whole number
  const double inverse_scale = 1.0 / scale;
  Lanes squares = {}, code_squares = {}, residual_squares = {};
  for (std::ptrdiff_t first = 0; first < n_factors; first += n_lanes) {
    const Lanes x = load(item + first);
    const Lanes code = (x * inverse_scale + rounds) - rounds, left = x - scale * code;
    squares += x * x;
    code_squares += code * code;
    residual_squares += left * left;
    std::int32_t whole[n_lanes];
    store_whole(whole, code);
    put(first, whole_at<n_lanes>(whole));
  }
  return {sum_of(squares), sum_of(code_squares), sum_of(residual_squares)};
}

template <class Value>
void assign_centres(Rows rows, Items<Value> items, const std::int32_t* ids, Centres centres, float* directions,
                    std::int32_t* nearest, float* cosines) noexcept {
  const std::ptrdiff_t width = padded(items.rows.columns);
  float* met = directions + width * directions_together;
  alignas(64) double item[most_screened_factors];
  for (std::ptrdiff_t first = rows.first; first < rows.last; first += directions_together) {
    const std::ptrdiff_t n = std::min(directions_together, rows.last - first);
    for (std::ptrdiff_t t = 0; t < n; ++t) {
      load_item(items, ids[first + t], item);
      put_direction(item, width, norm_of<Value>(item, 1, width), directions, t);
    }
    meet(centres, width, directions, met);
    float largest[directions_together];
    std::int32_t centre[directions_together] = {};
    std::copy_n(met, directions_together, largest);
    for (std::int32_t c = 1; c < static_cast<std::int32_t>(centres.n); ++c) {
      const float* of_centre = met + c * directions_together;
      for (std::ptrdiff_t t = 0; t < directions_together; ++t) {
        centre[t] = of_centre[t] > largest[t] ? c : centre[t];
        largest[t] = of_centre[t] > largest[t] ? of_centre[t] : largest[t];
      }
    }
    std::copy_n(centre, n, nearest + first);
    std::copy_n(largest, n, cosines + first);
  }
}

template <class Value>
void pack_panels(Rows rows, Items<Value> items, PackedItems packed) noexcept {
  const std::ptrdiff_t n_factors = items.rows.columns, panel_bytes = packed.n_steps * panel_items * step_factors;
  alignas(64) double item[most_screened_factors] = {}, centre[most_screened_factors];
  for (std::ptrdiff_t panel = rows.first; panel < rows.last; ++panel) {
    const std::int32_t* ids = packed.ids + panel * panel_items;
    Sizes sizes;
    for (std::ptrdiff_t i = 0; i < panel_items && ids[i] >= 0; ++i) {
      if (panel + 1 < rows.last && ids[panel_items + i] >= 0) fetch_row(items.rows, ids[panel_items + i]);
      load_item(items, ids[i], item);
      sizes.add(item, n_factors);
    }
    double scale = sizes.scale(largest_code, longest_item_part);
    if (!(scale > 0.0)) scale = 1.0;
    std::uint8_t* panel_codes = packed.codes + panel * panel_bytes;
    if (ids[panel_items - 1] < 0) std::fill(panel_codes, panel_codes + panel_bytes, std::uint8_t{zero_code});
    const bool has_centre = packed.centres.n > 0;
    if (has_centre) {
      load_centre(packed.centres.directions + packed.centre[panel] * padded(n_factors), padded(n_factors), centre);
    }
    Cone cone;
    Coded most = {};
    double least_squares = ids[0] < 0 ? 0.0 : std::numeric_limits<double>::infinity();
    for (std::ptrdiff_t i = 0; i < panel_items && ids[i] >= 0; ++i) {
      load_item(items, ids[i], item);
      const auto put_codes = [=](std::ptrdiff_t j, Whole<n_lanes> codes) {
        typedef std::uint8_t Eight __attribute__((vector_size(n_lanes)));
        const Eight eight = __builtin_convertvector(codes + zero_code, Eight);
        for (int t = 0; t < n_lanes; t += step_factors) {
          __builtin_memcpy(panel_codes + (j + t) * panel_items + i * step_factors,
                           reinterpret_cast<const char*>(&eight) + t, step_factors);
        }
      };
      const Coded coded = code_item(item, n_factors, scale, put_codes);
      most.squares = std::max(most.squares, coded.squares);
      most.code_squares = std::max(most.code_squares, coded.code_squares);
      most.residual_squares = std::max(most.residual_squares, coded.residual_squares);
      least_squares = std::min(least_squares, coded.squares);
      if (has_centre) cone.add(item, coded.squares, centre, padded(n_factors));
    }
    packed.scale[panel] = scale;
    packed.norm[panel] = norm_above(most.squares);
    packed.least_norm[panel] = std::max(0.0, std::sqrt(least_squares) * (1.0 - 1e-9) - 1e-150);
    packed.least_along[panel] = ids[0] < 0 ? 0.0 : cone.least;
    packed.most_along[panel] = ids[0] < 0 ? 0.0 : cone.most;
    packed.across[panel] = cone.across;
    packed.code_norm[panel] = norm_above(most.code_squares);
    packed.residual[panel] = (norm_above(most.residual_squares) + rounding_of(n_factors) * packed.norm[panel]) / scale;
  }
}

}  // namespace
}  // namespace fastrec
