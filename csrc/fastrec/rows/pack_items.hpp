// Row-kernels that prepare items for the screen: norms, and panels of 8-bit codes with what the codes leave out.
#pragma once

#include <algorithm>
#include <cmath>

#include "fastrec/simd/dot_tile.hpp"

namespace fastrec {
namespace {

// An upper bound of a norm from its sum of squares: covers the rounding, and squares that underflow.
inline double norm_above(double squares) noexcept { return std::sqrt(squares) * (1.0 + 1e-9) + 1e-150; }

// Outside of these the squares could overflow, or be lost against the terms above.
inline bool screenable(double norm) noexcept { return norm >= 1e-100 && norm <= 1e100; }

template <class Value>
void item_norms(Rows rows, Strided<Value> items, double* norms) noexcept {
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    const Value* at = items.data + row * items.row_step;
    double squares = 0.0;
    for (std::ptrdiff_t j = 0; j < items.columns; ++j) {
      const double x = static_cast<double>(at[j * items.column_step]);
      squares += x * x;
    }
    norms[row] = std::sqrt(squares);
  }
}

// Code of one factor: the nearest multiple of the scale.
inline int code_of(double factor, double inverse_scale) noexcept {
  return static_cast<int>(std::lrint(factor * inverse_scale));
}

template <class Value>
void pack_panels(Rows rows, Strided<Value> items, PackedItems packed) noexcept {
  const std::ptrdiff_t panel_bytes = packed.n_steps * panel_items * step_factors;
  for (std::ptrdiff_t panel = rows.first; panel < rows.last; ++panel) {
    const std::int32_t* ids = packed.ids + panel * panel_items;
    double largest = 0.0;
    for (std::ptrdiff_t i = 0; i < panel_items && ids[i] >= 0; ++i) {
      const Value* at = items.data + ids[i] * items.row_step;
      for (std::ptrdiff_t j = 0; j < items.columns; ++j) {
        largest = std::max(largest, std::abs(static_cast<double>(at[j * items.column_step])));
      }
    }
    const double scale = largest > 0.0 ? largest / largest_code : 1.0, inverse_scale = 1.0 / scale;
    std::uint8_t* codes = packed.codes + panel * panel_bytes;
    std::fill(codes, codes + panel_bytes, static_cast<std::uint8_t>(zero_code));
    double norm = 0.0, code_norm = 0.0, residual = 0.0;
    for (std::ptrdiff_t i = 0; i < panel_items && ids[i] >= 0; ++i) {
      const Value* at = items.data + ids[i] * items.row_step;
      double squares = 0.0, code_squares = 0.0, residual_squares = 0.0;
      for (std::ptrdiff_t j = 0; j < items.columns; ++j) {
        const double x = static_cast<double>(at[j * items.column_step]);
        const int code = code_of(x, inverse_scale);
        const double left = x - scale * code;
        codes[(j / step_factors * panel_items + i) * step_factors + j % step_factors] =
            static_cast<std::uint8_t>(code + zero_code);
        squares += x * x;
        code_squares += static_cast<double>(code * code);
        residual_squares += left * left;
      }
      norm = std::max(norm, squares);
      code_norm = std::max(code_norm, code_squares);
      residual = std::max(residual, residual_squares);
    }
    packed.scale[panel] = scale;
    const double rounding = static_cast<double>(items.columns + 16) * 0x1p-50;
    packed.norm[panel] = norm_above(norm);
    packed.code_norm[panel] = norm_above(code_norm);
    packed.residual[panel] = (norm_above(residual) + rounding * packed.norm[panel]) / scale;
  }
}

}  // namespace
}  // namespace fastrec
