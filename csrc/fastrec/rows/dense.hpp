// Row-kernels of products of tall dense matrices, in tiles that registers hold. Columns come in multiples of 16.
#pragma once

#include <algorithm>

#include "fastrec/kernels.hpp"
#include "fastrec/rows/ask_for.hpp"
#include "fastrec/simd/lanes.hpp"
#include "fastrec/simd/vectors.hpp"

namespace fastrec {
namespace {

template <int n>
struct Constant {
  static constexpr int value = n;
};

constexpr std::ptrdiff_t block_depth = 128;
template <class Value>
constexpr std::ptrdiff_t block_width = tile_vectors * static_cast<std::ptrdiff_t>(lanes_of<Value>);

// A block of a matrix, one row directly after the other: in place they would share few sets of the cache.
template <class Value>
struct Block {
  alignas(64) Value values[block_depth * block_width<Value>];

  void copy(const Value* from, std::ptrdiff_t row_step, std::ptrdiff_t depth, std::ptrdiff_t n_columns) noexcept {
    for (std::ptrdiff_t k = 0; k < depth; ++k, from += row_step) {
      if (n_columns == block_width<Value>) {  // known, so that it is no call
        std::copy_n(from, block_width<Value>, row(k));
      } else {
        std::copy_n(from, n_columns, row(k));
      }
    }
  }

  const Value* row(std::ptrdiff_t k) const noexcept { return values + k * block_width<Value>; }
  Value* row(std::ptrdiff_t k) noexcept { return values + k * block_width<Value>; }
};

// Calls visit(column, number of columns) for blocks of the columns.
template <class Value, class Visit>
inline void for_blocks(Rows columns, const Visit& visit) noexcept {
  for (std::ptrdiff_t column = columns.first; column < columns.last; column += block_width<Value>) {
    visit(column, std::min(block_width<Value>, columns.last - column));
  }
}

template <class Value, int n_rows, int n_vectors>
struct Tile {
  Vector<Value> of[n_rows][n_vectors];
};

// In lane l of of[r][v] the sum over k below depth of a[r * a_row + k * a_step] * b.row(k)[column + v * lanes + l].
template <int n_rows, int n_vectors, class Value>
inline Tile<Value, n_rows, n_vectors> products(const Value* a, std::ptrdiff_t a_row, std::ptrdiff_t a_step,
                                               const Block<Value>& b, std::ptrdiff_t column,
                                               std::ptrdiff_t depth) noexcept {
  Tile<Value, n_rows, n_vectors> sums;  // GCC 12 would clear = {} in memory
#pragma GCC unroll 6
  for (int r = 0; r < n_rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < n_vectors; ++v) sums.of[r][v] = every_lane(Value{0});
  }
  const Value* of_k = b.row(0) + column;
  for (std::ptrdiff_t k = 0; k < depth; ++k, of_k += block_width<Value>) {
    Vector<Value> of_b[n_vectors];
#pragma GCC unroll 4
    for (int v = 0; v < n_vectors; ++v) of_b[v] = vector_at(of_k + v * lanes_of<Value>);
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
  const auto for_rows = [&](std::ptrdiff_t column, auto n_vectors) {
    std::ptrdiff_t row = 0;
    const auto by = [&](auto some) {
      for (; row + some.value <= n_rows; row += some.value) visit(row, some, column, n_vectors);
    };
    by(Constant<6>{});
    by(Constant<4>{});
    by(Constant<2>{});
    by(Constant<1>{});
  };
  if (n_columns == block_width<Value>) return for_rows(0, Constant<tile_vectors>{});
  for (std::ptrdiff_t column = 0; column < n_columns; column += lanes_of<Value>) for_rows(column, Constant<1>{});
}

// out = from * matrix, for (depth, width) values of the matrix.
template <class Value>
void multiply(Rows rows, const Value* from, std::ptrdiff_t depth, const Value* matrix, std::ptrdiff_t width,
              Value* out) noexcept {
  Block<Value> block;
  for_blocks<Value>({0, width}, [&](std::ptrdiff_t first_column, std::ptrdiff_t n_columns) {
    std::ptrdiff_t k = 0;
    do {  // once also where depth is 0
      const std::ptrdiff_t some = std::min(block_depth, depth - k);
      block.copy(matrix + k * width + first_column, width, some, n_columns);
      for_tiles<Value>(rows.last - rows.first, n_columns, [&](std::ptrdiff_t i, auto n_rows, std::ptrdiff_t j, auto n) {
        const std::ptrdiff_t row = rows.first + i, column = first_column + j;
        if (column == 0) ask_for(from + (row + n_rows.value) * depth, n_rows.value * depth);
        const auto sums = products<n_rows.value, n.value>(from + row * depth + k, depth, 1, block, j, some);
#pragma GCC unroll 6
        for (int r = 0; r < n_rows.value; ++r) {
          Value* to = out + (row + r) * width + column;
#pragma GCC unroll 4
          for (int v = 0; v < n.value; ++v, to += lanes_of<Value>) {
            put(to, k == 0 ? sums.of[r][v] : vector_at(to) + sums.of[r][v]);
          }
        }
      });
      k += block_depth;
    } while (k < depth);
  });
}

// The same, computed in double.
inline void multiply_in_double(Rows rows, const float* from, std::ptrdiff_t depth, const double* matrix,
                               std::ptrdiff_t width, double* wide, float* out) noexcept {
  double* products = wide + rows_in_double * depth;
  for (std::ptrdiff_t row = rows.first; row < rows.last; row += rows_in_double) {
    const std::ptrdiff_t n = std::min(rows_in_double, rows.last - row);
    std::copy_n(from + row * depth, n * depth, wide);
    multiply<double>({0, n}, wide, depth, matrix, width, products);
    std::transform(products, products + n * width, out + row * width, [](double v) { return static_cast<float>(v); });
  }
}

// out += from' * from in double, for some columns of the triangle right of the diagonal; the sums of a few rows each
// are in Value. What lies left of the diagonal is not meaningful.
template <class Value>
void add_gram(Rows rows, const Value* from, std::ptrdiff_t width, Rows columns, double* out) noexcept {
  Block<Value> block;
  for (std::ptrdiff_t first = rows.first; first < rows.last; first += block_depth) {
    const Value* some = from + first * width;
    const std::ptrdiff_t depth = std::min(block_depth, rows.last - first);
    for_blocks<Value>(columns, [&](std::ptrdiff_t column, std::ptrdiff_t n_columns) {
      block.copy(some + column, width, depth, n_columns);
      for_tiles<Value>(
          column + n_columns, n_columns, [&](std::ptrdiff_t row, auto n_rows, std::ptrdiff_t j, auto n_vectors) {
            const auto sums = products<n_rows.value, n_vectors.value>(some + row, 1, width, block, j, depth);
#pragma GCC unroll 6
            for (int r = 0; r < n_rows.value; ++r) {
              double* to = out + (row + r) * width + column + j;
              Value narrow[n_vectors.value * lanes_of<Value>];
#pragma GCC unroll 4
              for (int v = 0; v < n_vectors.value; ++v) put(narrow + v * lanes_of<Value>, sums.of[r][v]);
              for (int at = 0; at < n_vectors.value * lanes_of<Value>; at += lanes_of<double>) {
                put(to + at, vector_at(to + at) + Loads<Doubles>::from(narrow + at));
              }
            }
          });
    });
  }
}

}  // namespace
}  // namespace fastrec
