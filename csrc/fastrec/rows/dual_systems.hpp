// Rows of few entries: systems of the size of a row's entries instead of its factors, one in each lane of a register.
//
// With P the part of the system that all rows share, Z the factors of the row's entries, W the diagonal of what their
// weights exceed the unobserved one by, and s their weights times targets,
//     (P + Z'WZ) x = Z's   is solved by   x = P^-1 Z'u   with   (W^-1 + Z P^-1 Z') u = W^-1 s.
#pragma once

#include <algorithm>
#include <limits>

#include "fastrec/rows/entries.hpp"

namespace fastrec {
namespace {

// A tile of inner products: as many as registers hold, with what they multiply.
constexpr int dual_rows = 4, dual_tile = dual_rows * tile_vectors;

// A step of conjugate gradients costs about what so many entries do, each multiplied with all that come before.
constexpr double entries_of_a_step = tile_vectors == 4 ? 4.5 : 3;

// Where a row of a packed lower triangle begins.
constexpr std::ptrdiff_t triangle(std::ptrdiff_t row) noexcept { return row * (row + 1) / 2; }

// In the tiles of n rows, a multiple of dual_rows, that are not right of the diagonal.
constexpr std::ptrdiff_t values_of_tiles(std::ptrdiff_t n) noexcept { return n * (n + dual_rows) / 2; }

// sums[r][c] += a[r] * b[c], for a tile of rows of n values that are `stride` apart.
template <class Value>
inline void add_products(const Value* a, const Value* b, std::ptrdiff_t stride, std::ptrdiff_t n,
                         Vector<Value>* sums) noexcept {
  constexpr int lanes = lanes_of<Value>;
  for (std::ptrdiff_t k = 0; k < n; k += lanes) {
    Vector<Value> of_b[tile_vectors];
#pragma GCC unroll 4
    for (int c = 0; c < tile_vectors; ++c) of_b[c] = vector_at(b + c * stride + k);
#pragma GCC unroll 4
    for (int r = 0; r < dual_rows; ++r) {
      const Vector<Value> of_a = vector_at(a + r * stride + k);
#pragma GCC unroll 4
      for (int c = 0; c < tile_vectors; ++c) {
        sums[r * tile_vectors + c] = fused<Value>(of_a, of_b[c], sums[r * tile_vectors + c]);
      }
    }
  }
}

// products = rows * rows', one tile after the other, for n rows, a multiple of dual_rows.
template <class Value>
__attribute__((noinline)) void products_in_tiles(const Value* rows, std::ptrdiff_t width, std::ptrdiff_t n,
                                                 Value* products) noexcept {
  for (std::ptrdiff_t row = 0; row < n; row += dual_rows) {
    for (std::ptrdiff_t column = 0; column < row + dual_rows; column += tile_vectors, products += dual_tile) {
      Vector<Value> sums[dual_tile] = {};
      add_products(rows + row * width, rows + column * width, width, width, sums);
#pragma GCC unroll 4
      for (int t = 0; t < dual_tile; t += 4) {
        sums_of_four<Value>(sums[t], sums[t + 1], sums[t + 2], sums[t + 3], products + t);
      }
    }
  }
}

// From the tiles of each lane's system of n rows to one triangle of their lanes.
template <class Value>
inline void into_lanes(const Value* products, std::ptrdiff_t n, Value* triangles) noexcept {
  constexpr int lanes = lanes_of<Value>;
  const std::ptrdiff_t stride = values_of_tiles(n);
  for (std::ptrdiff_t row = 0; row < n; row += dual_rows) {
    for (std::ptrdiff_t column = 0; column < row + dual_rows; column += tile_vectors, products += dual_tile) {
      alignas(64) Value turned[dual_tile * lanes];
      for (int t = 0; t < dual_tile; t += lanes) {
        Vector<Value> block[lanes];
#pragma GCC unroll 16
        for (int s = 0; s < lanes; ++s) block[s] = vector_at(products + s * stride + t);
        transpose<Value>(block);
#pragma GCC unroll 16
        for (int s = 0; s < lanes; ++s) put(turned + (t + s) * lanes, block[s]);
      }
      for (int r = 0; r < dual_rows; ++r) {
        for (int c = 0; c < tile_vectors && column + c <= row + r; ++c) {
          put(triangles + (triangle(row + r) + column + c) * lanes, vector_at(turned + (r * tile_vectors + c) * lanes));
        }
      }
    }
  }
}

// The next dual_rows rows of L, and of the inverse of D, in LDL': what is left of the row after each column, CD, is in
// `rest` meanwhile.
template <class Value>
inline void factor_rows(std::ptrdiff_t row, Value* triangles, Value* inverse_pivots, Value* rest) noexcept {
  constexpr int lanes = lanes_of<Value>, together = 2;
  Value *of[dual_rows], *rest_of[dual_rows];
  for (int r = 0; r < dual_rows; ++r) {
    of[r] = triangles + triangle(row + r) * lanes;
    rest_of[r] = rest + r * row * lanes;
  }
  for (std::ptrdiff_t column = 0; column < row; column += together) {
    const Value *first = triangles + triangle(column) * lanes, *second = triangles + triangle(column + 1) * lanes;
    Vector<Value> sums[together][dual_rows];
#pragma GCC unroll 4
    for (int r = 0; r < dual_rows; ++r) {
      for (int c = 0; c < together; ++c) sums[c][r] = -vector_at(of[r] + (column + c) * lanes);
    }
    for (std::ptrdiff_t k = 0; k < column; ++k) {
      const Vector<Value> a = vector_at(first + k * lanes), b = vector_at(second + k * lanes);
#pragma GCC unroll 4
      for (int r = 0; r < dual_rows; ++r) {
        const Vector<Value> left = vector_at(rest_of[r] + k * lanes);
        sums[0][r] = fused<Value>(a, left, sums[0][r]);
        sums[1][r] = fused<Value>(b, left, sums[1][r]);
      }
    }
    const Vector<Value> between = vector_at(second + column * lanes);
    const Vector<Value> inverses[together] = {vector_at(inverse_pivots + column * lanes),
                                              vector_at(inverse_pivots + (column + 1) * lanes)};
#pragma GCC unroll 4
    for (int r = 0; r < dual_rows; ++r) {
      const Vector<Value> left = -sums[0][r], next = -fused<Value>(between, left, sums[1][r]);
      put(rest_of[r] + column * lanes, left);
      put(rest_of[r] + (column + 1) * lanes, next);
      put(of[r] + column * lanes, left * inverses[0]);
      put(of[r] + (column + 1) * lanes, next * inverses[1]);
    }
  }
  Vector<Value> sums[dual_rows][dual_rows];
#pragma GCC unroll 4
  for (int r = 0; r < dual_rows; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c <= r; ++c) sums[r][c] = -vector_at(of[r] + (row + c) * lanes);
  }
  for (std::ptrdiff_t k = 0; k < row; ++k) {
    Vector<Value> left[dual_rows];
#pragma GCC unroll 4
    for (int r = 0; r < dual_rows; ++r) left[r] = vector_at(rest_of[r] + k * lanes);
#pragma GCC unroll 4
    for (int c = 0; c < dual_rows; ++c) {
      const Vector<Value> done = vector_at(of[c] + k * lanes);
#pragma GCC unroll 4
      for (int r = c; r < dual_rows; ++r) sums[r][c] = fused<Value>(done, left[r], sums[r][c]);
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < dual_rows; ++c) {  // the square at the diagonal
    const Vector<Value> inverse = every_lane(Value{-1}) / sums[c][c];
    put(inverse_pivots + (row + c) * lanes, inverse);
    Vector<Value> done[dual_rows];
#pragma GCC unroll 4
    for (int r = c + 1; r < dual_rows; ++r) {
      done[r] = -sums[r][c] * inverse;
      put(of[r] + (row + c) * lanes, done[r]);
    }
#pragma GCC unroll 4
    for (int r = c + 1; r < dual_rows; ++r) {
#pragma GCC unroll 4
      for (int other = c + 1; other <= r; ++other) {
        sums[r][other] = fused<Value>(-sums[r][c], done[other], sums[r][other]);
      }
    }
  }
}

// Solves all lanes' systems of n rows, in place of their right sides.
template <class Value>
inline void solve_lanes(std::ptrdiff_t n, Value* triangles, Value* inverse_pivots, Value* rest, Value* right) noexcept {
  constexpr int lanes = lanes_of<Value>;
  for (std::ptrdiff_t row = 0; row < n; row += dual_rows) factor_rows(row, triangles, inverse_pivots, rest);
  for (std::ptrdiff_t row = 1; row < n; ++row) {
    const Value* own = triangles + triangle(row) * lanes;
    Vector<Value> even = vector_at(right + row * lanes), odd = {};
    std::ptrdiff_t k = 0;
    for (; k + 2 <= row; k += 2) {
      even = fused<Value>(-vector_at(own + k * lanes), vector_at(right + k * lanes), even);
      odd = fused<Value>(-vector_at(own + (k + 1) * lanes), vector_at(right + (k + 1) * lanes), odd);
    }
    if (k < row) even = fused<Value>(-vector_at(own + k * lanes), vector_at(right + k * lanes), even);
    put(right + row * lanes, even + odd);
  }
  for (std::ptrdiff_t row = 0; row < n; ++row) {
    put(right + row * lanes, vector_at(right + row * lanes) * vector_at(inverse_pivots + row * lanes));
  }
  for (std::ptrdiff_t row = n - 1; row > 0; --row) {
    const Value* own = triangles + triangle(row) * lanes;
    const Vector<Value> minus = -vector_at(right + row * lanes);
    for (std::ptrdiff_t k = 0; k < row; ++k) {
      put(right + k * lanes, fused<Value>(vector_at(own + k * lanes), minus, vector_at(right + k * lanes)));
    }
  }
}

// Rows whose systems are of one size, each in a lane.
template <class Value>
struct DualBatch {
  std::ptrdiff_t size;  // a multiple of dual_rows
  int n_rows;
  std::ptrdiff_t rows[lanes_of<Value>];
  double added[lanes_of<Value>];               // the trace of what a row's entries add to the identity
  Value *weights, *right;                      // (size, lanes)
  Value* products;                             // (lanes, values_of_tiles(size))
  alignas(64) Value square[lanes_of<Value>];   // of the right side Z's, after the batch was solved, by P^-1,
  alignas(64) Value squares[lanes_of<Value>];  // and the sum of those of its terms: where they cancel, digits are lost
};

// Reads a row's entries for the next lane, into `scaled` too: the trace of what they add to the identity, or infinity
// where some add nothing. Not inlined, as some others here: together compilers keep less in registers.
template <class Value>
__attribute__((noinline)) double read_entries(const Entries<Value>& entries, Value unobserved_weight, const Value* root,
                                              Value* scaled, const DualBatch<Value>& batch) noexcept {
  constexpr int lanes = lanes_of<Value>;
  constexpr Value rounding = std::numeric_limits<Value>::epsilon(), least = 4 * std::numeric_limits<Value>::min();
  const std::ptrdiff_t width = entries.width, size = batch.size;
  Value *weights = batch.weights + batch.n_rows, *right = batch.right + batch.n_rows;
  bool all_more = true;
  for (std::int64_t e = 0; e < entries.n; ++e) {
    const Value weight = entries.weights[e], more = weight - unobserved_weight;
    all_more &= (more > least) & (more > rounding * weight);
    weights[e * lanes] = more;
    right[e * lanes] = weight * entries.targets[e];
  }
  for (std::ptrdiff_t e = entries.n; e < size; ++e) {
    weights[e * lanes] = 1;
    right[e * lanes] = 0;
  }
  Vector<Value> added = {};
  for (std::int64_t e = 0; e < entries.n; ++e, scaled += width) {
    const Value* factors = entries.factors(e);
    Vector<Value> squares = {};
    for (std::ptrdiff_t j = 0; j < width; j += lanes) {
      const Vector<Value> part = vector_at(factors + j) * vector_at(root + j);
      put(scaled + j, part);
      squares = fused<Value>(part, part, squares);
    }
    added = fused<Value>(every_lane(weights[e * lanes]), squares, added);
  }
  std::fill(scaled, scaled + (size - entries.n) * width, Value{0});
  return all_more ? static_cast<double>(sum_of<Value>(added)) : std::numeric_limits<double>::infinity();
}

// Gives the next lane to a row that was read.
template <class Value>
inline void join(std::ptrdiff_t row, double added, const Value* scaled, std::ptrdiff_t width,
                 DualBatch<Value>& batch) noexcept {
  products_in_tiles(scaled, width, batch.size, batch.products + batch.n_rows * values_of_tiles(batch.size));
  batch.added[batch.n_rows] = added;
  batch.rows[batch.n_rows++] = row;
}

// Gives the lanes that no row took what is soon solved.
template <class Value>
inline void fill_lanes(const DualBatch<Value>& batch) noexcept {
  constexpr int lanes = lanes_of<Value>;
  const std::ptrdiff_t length = values_of_tiles(batch.size);
  std::fill(batch.products + batch.n_rows * length, batch.products + lanes * length, Value{0});
  for (int lane = batch.n_rows; lane < lanes; ++lane) {
    for (std::ptrdiff_t row = 0; row < batch.size; ++row) {
      batch.weights[row * lanes + lane] = 1;
      batch.right[row * lanes + lane] = 0;
    }
  }
}

// Measures all lanes' right sides, of which batch.right has the s.
template <class Value>
__attribute__((noinline)) void measure_right_sides(const Value* triangles, DualBatch<Value>& batch) noexcept {
  constexpr int lanes = lanes_of<Value>;
  Vector<Value> square = {}, squares = {};
  for (std::ptrdiff_t row = 0; row < batch.size; ++row) {
    const Value* own = triangles + triangle(row) * lanes;
    const Vector<Value> scale = vector_at(batch.right + row * lanes);
    const Vector<Value> alone = vector_at(own + row * lanes) * scale;
    Vector<Value> with_others = {};
    for (std::ptrdiff_t k = 0; k < row; ++k) {
      with_others = fused<Value>(vector_at(own + k * lanes), vector_at(batch.right + k * lanes), with_others);
    }
    squares = fused<Value>(alone, scale, squares);
    square = fused<Value>(with_others + with_others + alone, scale, square);
  }
  put(batch.square, square);
  put(batch.squares, squares);
}

// Solves all lanes' systems.
template <class Value>
__attribute__((noinline)) void solve_batch(const DualScratch<Value>& scratch, DualBatch<Value>& batch) noexcept {
  constexpr int lanes = lanes_of<Value>;
  fill_lanes(batch);
  into_lanes(batch.products, batch.size, scratch.triangles);
  measure_right_sides(scratch.triangles, batch);
  for (std::ptrdiff_t row = 0; row < batch.size; ++row) {
    Value *diagonal = scratch.triangles + (triangle(row) + row) * lanes, *right = batch.right + row * lanes;
    const Vector<Value> inverse = every_lane(Value{1}) / vector_at(batch.weights + row * lanes);
    put(diagonal, vector_at(diagonal) + inverse);
    put(right, vector_at(right) * inverse);
  }
  Value* rest = batch.products;  // which are no longer needed, and more
  solve_lanes(batch.size, scratch.triangles, scratch.inverse_pivots, rest, batch.right);
}

// The solution of a lane's row. False where it is not finite.
template <class Value>
__attribute__((noinline)) bool tell_solution(const Entries<Value>& entries, const DualBatch<Value>& batch, int lane,
                                             const Value* inverse, Value* solution) noexcept {
  constexpr int lanes = lanes_of<Value>;
  alignas(64) Value scales[longest_dual];
  for (std::int64_t e = 0; e < entries.n; ++e) scales[e] = batch.right[e * lanes + lane];
  std::fill(solution, solution + entries.width, Value{0});
  add_scaled(entries, 0, entries.n, scales, solution);
  Vector<Value> zeros = {};
  for (std::ptrdiff_t j = 0; j < entries.width; j += lanes) {
    const Vector<Value> part = vector_at(solution + j) * vector_at(inverse + j);
    put(solution + j, part);
    zeros = fused<Value>(part, Vector<Value>{}, zeros);
  }
  return sum_of<Value>(zeros) == 0;
}

}  // namespace
}  // namespace fastrec
