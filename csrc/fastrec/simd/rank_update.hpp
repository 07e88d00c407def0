// The inner loop of the dense solves: a sum of four weighted outer products added to the upper triangle of a matrix.
#pragma once

#include "fastrec/simd/lanes.hpp"

namespace fastrec {
namespace {

// matrix += sum over t of weights[t] * rows[t]' * rows[t], from row `first` on; what lies left of the diagonal is not
// meaningful afterwards. `width` is a multiple of n_lanes.
inline void add_outer_products(double* matrix, std::ptrdiff_t first, std::ptrdiff_t width, const double* const rows[4],
                               const double weights[4]) noexcept {
  for (std::ptrdiff_t i = first; i < width; ++i) {
    Lanes scale[4];
    for (int t = 0; t < 4; ++t) scale[t] = Lanes{} + weights[t] * rows[t][i];
    double* row = matrix + i * width;
    for (std::ptrdiff_t j = i / n_lanes * n_lanes; j < width; j += n_lanes) {
      Lanes sum = load(row + j);
      for (int t = 0; t < 4; ++t) sum = fused(scale[t], load(rows[t] + j), sum);
      store(row + j, sum);
    }
  }
}

}  // namespace
}  // namespace fastrec
