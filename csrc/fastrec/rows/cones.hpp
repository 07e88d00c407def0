// How near to a query the items around a centre can be. For e of length 1 and y = a e + b with b across e,
//     x.y = a (x.e) + x.b <= a (x.e) + |b| |x - (x.e) e|,
// so that a panel's largest and least a and its largest |b| bound all of its products.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "fastrec/rows/dense.hpp"
#include "fastrec/simd/lanes.hpp"

namespace fastrec {
namespace {

// By how much a cosine in float may be wrong, and the length of a centre's direction.
inline double cosine_error(std::ptrdiff_t n_factors) noexcept { return static_cast<double>(n_factors + 16) * 0x1p-23; }

// Sets column t of up to directions_together directions to x / norm, or to zeros where that is 0.
template <class Value>
inline void put_direction(const Value* x, std::ptrdiff_t width, double norm, float* directions,
                          std::ptrdiff_t t) noexcept {
  const double inverse = norm > 0.0 ? 1.0 / norm : 0.0;
  for (std::ptrdiff_t j = 0; j < width; ++j) {
    directions[j * directions_together + t] =
        inverse > 0.0 ? static_cast<float>(static_cast<double>(x[j]) * inverse) : 0.0f;
  }
}

// cosines[c][t] of the centres with the directions.
inline void meet(const Centres& centres, std::ptrdiff_t width, const float* directions, float* cosines) noexcept {
  multiply<float>({0, centres.n}, centres.directions, width, directions, directions_together, cosines);
}

inline double product_of(const double* x, const double* y, std::ptrdiff_t width) noexcept {
  Lanes sum = {};
  for (std::ptrdiff_t j = 0; j < width; j += n_lanes) sum += load(x + j) * load(y + j);
  return sum_of(sum);
}

// The direction of a centre, as long as double says.
inline void load_centre(const float* direction, std::ptrdiff_t width, double* out) noexcept {
  for (std::ptrdiff_t j = 0; j < width; ++j) out[j] = static_cast<double>(direction[j]);
  const double squares = product_of(out, out, width);
  for (std::ptrdiff_t j = 0; j < width; ++j) out[j] *= squares > 0.0 ? 1.0 / std::sqrt(squares) : 0.0;
}

// What is known of the items of a panel: their parts along the direction of its centre, and across it.
struct Cone {
  double least = std::numeric_limits<double>::infinity(), most = -least, across = 0.0;

  void add(const double* item, double square, const double* centre, std::ptrdiff_t width) noexcept {
    const double along = product_of(item, centre, width);
    least = std::min(least, along);
    most = std::max(most, along);
    // Rounding takes less than the last term adds.
    across = std::max(across, std::sqrt(std::max(square - along * along, 0.0) + 1e-11 * square));
  }
};

}  // namespace
}  // namespace fastrec
