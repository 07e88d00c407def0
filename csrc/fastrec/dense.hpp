// Drivers of products of tall dense matrices.
#pragma once

#include <algorithm>

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"

namespace fastrec {

// out (n_rows, width) = from (n_rows, depth) * matrix (depth, width).
template <class Value>
Status multiply(const Kernels& table, std::ptrdiff_t n_rows, const Value* from, std::ptrdiff_t depth,
                const Value* matrix, std::ptrdiff_t width, Value* out, int n_threads, Poll poll) {
  const DenseKernels<Value>& kernels = table;
  const double a_row = static_cast<double>(depth) * static_cast<double>(width);
  n_threads = worthwhile_threads(static_cast<double>(n_rows) * a_row / 8, n_threads);
  return parallel_for_rows(0, n_rows, block_length(n_rows, n_threads, 256, a_row, 1e9), n_threads, poll,
                           [&](int, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.multiply({first, last}, from, depth, matrix, width, out);
                           });
}

// The same, computed in double.
inline Status multiply_in_double(const Kernels& table, std::ptrdiff_t n_rows, const float* from, std::ptrdiff_t depth,
                                 const double* matrix, std::ptrdiff_t width, float* out, int n_threads, Poll poll) {
  const DenseInDoubleKernels& kernels = table;
  const double a_row = 2 * static_cast<double>(depth) * static_cast<double>(width);
  n_threads = worthwhile_threads(static_cast<double>(n_rows) * a_row / 8, n_threads);
  const Scratch<double> wide(n_threads, rows_in_double * (depth + width), Fill::nothing);
  if (!wide) return Status::out_of_memory;
  return parallel_for_rows(0, n_rows, block_length(n_rows, n_threads, 256, a_row, 1e9), n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.multiply_in_double({first, last}, from, depth, matrix, width, wide[worker], out);
                           });
}

// out (width, width) = from' * from. Which rows are summed first does not depend on the threads.
template <class Value>
Status gram(const Kernels& table, std::ptrdiff_t n_rows, const Value* from, std::ptrdiff_t width, double* out,
            int n_threads, Poll poll) {
  constexpr std::ptrdiff_t least_rows = 1024, most_parts = 16, most_doubles = std::ptrdiff_t{1} << 20, columns = 64;
  const DenseKernels<Value>& kernels = table;
  const std::ptrdiff_t size = width * width;
  const std::ptrdiff_t n_parts =
      std::clamp<std::ptrdiff_t>(std::min(n_rows / least_rows, most_doubles / size), 1, most_parts);
  const std::ptrdiff_t n_blocks = (width + columns - 1) / columns;
  const Scratch<double> parts(static_cast<int>(n_parts), size);
  if (!parts) return Status::out_of_memory;
  const double operations = static_cast<double>(n_rows) * static_cast<double>(size) / 16;
  const Status status = parallel_for(
      n_parts * n_blocks, worthwhile_threads(operations, n_threads), poll, [&](int, std::ptrdiff_t task) noexcept {
        const std::ptrdiff_t part = task / n_blocks, column = task % n_blocks * columns;
        const auto start = [&](std::ptrdiff_t p) { return n_rows * p / n_parts; };
        kernels.add_gram({start(part), start(part + 1)}, from, width, {column, std::min(column + columns, width)},
                         parts[static_cast<int>(part)]);
      });
  for (std::ptrdiff_t i = 0; i < width; ++i) {
    for (std::ptrdiff_t j = i; j < width; ++j) {
      double sum = 0.0;
      for (int part = 0; part < static_cast<int>(n_parts); ++part) sum += parts[part][i * width + j];
      out[i * width + j] = out[j * width + i] = sum;
    }
  }
  return status;
}

}  // namespace fastrec
