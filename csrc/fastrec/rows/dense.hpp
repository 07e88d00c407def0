// Row-kernels of products of tall dense matrices, in tiles that registers hold. Columns come in multiples of 16.
#pragma once

#include <algorithm>

#include "fastrec/kernels.hpp"
#include "fastrec/simd/vectors.hpp"

namespace fastrec {
namespace {

template <int n>
struct Constant {
  static constexpr int value = n;
};

constexpr int rows_at_once = 6;

template <class Value, int n_rows, int n_vectors>
struct Tile {
  Vector<Value> of[n_rows][n_vectors];
};

// In lane l of of[r][v] the sum over k below depth of a[r * a_row + k * a_step] * b[k * b_row + v * lanes + l].
template <int n_rows, int n_vectors, class Value>
inline Tile<Value, n_rows, n_vectors> products(const Value* a, std::ptrdiff_t a_row, std::ptrdiff_t a_step,
                                               const Value* b, std::ptrdiff_t b_row, std::ptrdiff_t depth) noexcept {
  Tile<Value, n_rows, n_vectors> sums = {};
  for (std::ptrdiff_t k = 0; k < depth; ++k) {
    Vector<Value> of_b[n_vectors];
#pragma GCC unroll 4
    for (int v = 0; v < n_vectors; ++v) of_b[v] = vector_at(b + k * b_row + v * lanes_of<Value>);
#pragma GCC unroll 6
    for (int r = 0; r < n_rows; ++r) {
      const Vector<Value> of_a = every_lane(a[r * a_row + k * a_step]);
#pragma GCC unroll 4
      for (int v = 0; v < n_vectors; ++v) sums.of[r][v] = fused<Value>(of_a, of_b[v], sums.of[r][v]);
    }
  }
  return sums;
}

// Calls visit(first row, number of rows, first column, number of vectors), both numbers constants, for tiles that cover
// all rows and columns.
template <class Value, class Visit>
inline void for_tiles(std::ptrdiff_t n_rows, std::ptrdiff_t n_columns, const Visit& visit) noexcept {
  constexpr int lanes = lanes_of<Value>;
  const auto for_rows = [&](std::ptrdiff_t column, auto n_vectors) {
    std::ptrdiff_t row = 0;
    for (; row + rows_at_once <= n_rows; row += rows_at_once) visit(row, Constant<rows_at_once>{}, column, n_vectors);
    for (; row < n_rows; ++row) visit(row, Constant<1>{}, column, n_vectors);
  };
  std::ptrdiff_t column = 0;
  for (; column + tile_vectors * lanes <= n_columns; column += tile_vectors * lanes) {
    for_rows(column, Constant<tile_vectors>{});
  }
  for (; column < n_columns; column += lanes) for_rows(column, Constant<1>{});
}

// A block of columns of the second factor, one row directly after the other: in place they would share few sets of the
// cache.
constexpr std::ptrdiff_t block_depth = 128;
template <class Value>
struct Block {
  alignas(64) Value values[block_depth * tile_vectors * lanes_of<Value>];

  void copy(const Value* from, std::ptrdiff_t row_step, std::ptrdiff_t depth, std::ptrdiff_t width) noexcept {
    for (std::ptrdiff_t k = 0; k < depth; ++k) std::copy_n(from + k * row_step, width, values + k * width);
  }
};

// Calls visit(column, number of columns) for blocks of the columns.
template <class Value, class Visit>
inline void for_blocks(std::ptrdiff_t first, std::ptrdiff_t last, const Visit& visit) noexcept {
  constexpr std::ptrdiff_t most = tile_vectors * lanes_of<Value>;
  for (std::ptrdiff_t column = first; column < last; column += most) visit(column, std::min(most, last - column));
}

// out = from * matrix, for (depth, width) values of the matrix.
template <class Value>
void multiply(Rows rows, const Value* from, std::ptrdiff_t depth, const Value* matrix, std::ptrdiff_t width,
              Value* out) noexcept {
  Block<Value> block;
  std::fill(out + rows.first * width, out + rows.last * width, Value{0});
  for_blocks<Value>(0, width, [&](std::ptrdiff_t column, std::ptrdiff_t n_columns) {
    for (std::ptrdiff_t k = 0; k < depth; k += block_depth) {
      const std::ptrdiff_t some = std::min(block_depth, depth - k);
      block.copy(matrix + k * width + column, width, some, n_columns);
      for_tiles<Value>(rows.last - rows.first, n_columns,
                       [&](std::ptrdiff_t row, auto n_rows, std::ptrdiff_t j, auto n_vectors) {
                         const auto sums = products<n_rows.value, n_vectors.value>(
                             from + (rows.first + row) * depth + k, depth, 1, block.values + j, n_columns, some);
                         for (int r = 0; r < n_rows.value; ++r) {
                           Value* to = out + (rows.first + row + r) * width + column + j;
                           for (int v = 0; v < n_vectors.value; ++v, to += lanes_of<Value>) {
                             put(to, vector_at(to) + sums.of[r][v]);
                           }
                         }
                       });
    }
  });
}

// out += from' * from in double, for some columns of the triangle right of the diagonal; the sums of a few rows each
// are in Value. What lies left of the diagonal is not meaningful.
template <class Value>
void add_gram(Rows rows, const Value* from, std::ptrdiff_t width, Rows columns, double* out) noexcept {
  constexpr int lanes = lanes_of<Value>;
  Block<Value> block;
  for (std::ptrdiff_t first = rows.first; first < rows.last; first += block_depth) {
    const Value* some = from + first * width;
    const std::ptrdiff_t depth = std::min(block_depth, rows.last - first);
    for_blocks<Value>(columns.first, columns.last, [&](std::ptrdiff_t column, std::ptrdiff_t n_columns) {
      block.copy(some + column, width, depth, n_columns);
      for_tiles<Value>(
          column + n_columns, n_columns, [&](std::ptrdiff_t row, auto n_rows, std::ptrdiff_t j, auto n_vectors) {
            const auto sums =
                products<n_rows.value, n_vectors.value>(some + row, 1, width, block.values + j, n_columns, depth);
            for (int r = 0; r < n_rows.value; ++r) {
              double* to = out + (row + r) * width + column + j;
              Value narrow[n_vectors.value * lanes];
              for (int v = 0; v < n_vectors.value; ++v) put(narrow + v * lanes, sums.of[r][v]);
              for (int at = 0; at < n_vectors.value * lanes; ++at) {
                to[at] += static_cast<double>(narrow[at]);
              }
            }
          });
    });
  }
}

}  // namespace
}  // namespace fastrec
