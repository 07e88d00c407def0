// What a row's entries add to its system, as one matrix: for rows whose entries would be read so often that to make the
// matrix and to read that is sooner done.
#pragma once

#include <algorithm>

#include "fastrec/rows/entries.hpp"

namespace fastrec {
namespace {

// Outer products are summed in registers, of so many rows of the matrix by up to tile_vectors vectors of columns.
template <class Value, int n_vectors>
constexpr int matrix_rows = std::min(n_vectors == tile_vectors ? 4 : 8, lanes_of<Value>);

// matrix += sum over n entries of scaled * factors', for some rows and columns of it.
template <int n_vectors, class Value>
inline void add_block(const Value* const* factors, const Value* scaled, std::int64_t n, std::ptrdiff_t width,
                      std::ptrdiff_t row, std::ptrdiff_t column, Value* matrix) noexcept {
  constexpr int n_rows = matrix_rows<Value, n_vectors>, lanes = lanes_of<Value>;
  Vector<Value> sums[n_rows][n_vectors] = {};
  for (std::int64_t e = 0; e < n; ++e) {
    Vector<Value> of[n_vectors];
#pragma GCC unroll 4
    for (int v = 0; v < n_vectors; ++v) of[v] = vector_at(factors[e] + column + v * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < n_rows; ++r) {
      const Vector<Value> scale = every_lane(scaled[e * width + row + r]);
#pragma GCC unroll 4
      for (int v = 0; v < n_vectors; ++v) sums[r][v] = fused<Value>(scale, of[v], sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < n_rows; ++r) {
    Value* to = matrix + (row + r) * width + column;
#pragma GCC unroll 4
    for (int v = 0; v < n_vectors; ++v) put(to + v * lanes, vector_at(to + v * lanes) + sums[r][v]);
  }
}

// The same for n_vectors vectors of columns, in rows from first_row down to where the diagonal leaves the columns.
template <int n_vectors, class Value>
inline void add_columns(const Value* const* factors, const Value* scaled, std::int64_t n, std::ptrdiff_t width,
                        std::ptrdiff_t first_row, std::ptrdiff_t column, Value* matrix) noexcept {
  constexpr int lanes = lanes_of<Value>;
  for (std::ptrdiff_t row = first_row; row < column + lanes; row += matrix_rows<Value, n_vectors>) {
    add_block<n_vectors>(factors, scaled, n, width, row, column, matrix);
  }
  if constexpr (n_vectors > 1) {
    add_columns<n_vectors - 1>(factors, scaled, n, width, column + lanes, column + lanes, matrix);
  }
}

// What is left of the diagonal, from what is right of it.
template <class Value>
inline void mirror(std::ptrdiff_t width, Value* matrix) noexcept {
  constexpr int lanes = lanes_of<Value>;
  for (std::ptrdiff_t row = 0; row < width; row += lanes) {
    for (std::ptrdiff_t column = row + lanes; column < width; column += lanes) {
      Vector<Value> block[lanes];
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) block[r] = vector_at(matrix + (row + r) * width + column);
      transpose<Value>(block);
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) put(matrix + (column + r) * width + row, block[r]);
    }
  }
}

// matrix = sum over entries of (weight - unobserved_weight) * factors * factors'. Adds their right side too, unless it
// is nullptr. `scaled` takes the factors of outer_products_together entries.
template <class Value>
inline void sum_outer_products(const Entries<Value>& entries, Value unobserved_weight, Value* scaled, Value* matrix,
                               Value* right) noexcept {
  constexpr int lanes = lanes_of<Value>;
  const std::ptrdiff_t width = entries.width;
  std::fill(matrix, matrix + width * width, Value{0});
  const Value* factors[outer_products_together];
  for (std::int64_t first = 0; first < entries.n; first += outer_products_together) {
    const std::int64_t n = std::min<std::int64_t>(outer_products_together, entries.n - first);
    for (std::int64_t e = 0; e < n; ++e) {
      factors[e] = entries.factors(first + e);
      const Vector<Value> scale = every_lane(entries.weights[first + e] - unobserved_weight);
      for (std::ptrdiff_t j = 0; j < width; j += lanes) put(scaled + e * width + j, scale * vector_at(factors[e] + j));
    }
    if (right != nullptr) add_right_side(entries.some(first, n), right);
    std::ptrdiff_t column = 0;
    for (; column + tile_vectors * lanes <= width; column += tile_vectors * lanes) {
      add_columns<tile_vectors, Value>(factors, scaled, n, width, 0, column, matrix);
    }
    for (; column < width; column += lanes) add_columns<1, Value>(factors, scaled, n, width, 0, column, matrix);
  }
  mirror(width, matrix);
}

template <class Value>
struct MatrixRows {  // as Entries
  const Value* matrix;
  std::ptrdiff_t width;

  const Value* factors(std::int64_t row) const noexcept { return matrix + row * width; }
};

// out += matrix * x, for a symmetric matrix.
template <class Value>
inline void add_product(const Value* matrix, std::ptrdiff_t width, const Value* x, Value* out) noexcept {
  add_scaled(MatrixRows<Value>{matrix, width}, 0, width, x, out);
}

}  // namespace
}  // namespace fastrec
