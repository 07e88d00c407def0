// Drivers of als_half_step: every row by conjugate gradients, or by a direct solve; and the loss that is left.
#pragma once

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"

namespace fastrec {

// `step` is in the eigenbasis of the Gram matrix.
template <class Value>
Status conjugate_gradients(const Kernels& table, HalfStep<Value> step, Value tol, int most_steps, Value* solutions,
                           std::uint8_t* unsolved, int n_threads, Poll poll) {
  constexpr double usual_steps = 8.0;
  const HalfStepKernels<Value>& kernels = table;
  const std::ptrdiff_t n_rows = step.weights.rows, width = step.n_factors;
  const double operations =
      static_cast<double>(step.weights.indptr[n_rows] + 4 * n_rows) * usual_steps * static_cast<double>(width);
  n_threads = worthwhile_threads(operations, n_threads);

  const Scratch<Value> vectors(n_threads, 5 * width);
  if (!vectors) return Status::out_of_memory;
  const double a_row = operations / static_cast<double>(std::max<std::ptrdiff_t>(1, n_rows));
  return parallel_for_rows(0, n_rows, block_length(n_rows, n_threads, 256, a_row), n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             Value* own = vectors[worker];
                             kernels.conjugate({first, last}, step, tol, most_steps,
                                               {own, own + width, own + 2 * width, own + 3 * width, own + 4 * width},
                                               solutions, unsolved);
                           });
}

template <class Value>
Status direct_solve(const Kernels& table, HalfStep<Value> step, Value* solutions, std::uint8_t* unsolved, int n_threads,
                    Poll poll) {
  const HalfStepKernels<Value>& kernels = table;
  const std::ptrdiff_t n_rows = step.weights.rows;
  const std::ptrdiff_t width = padded_width(step.n_factors);
  const double terms = static_cast<double>(step.weights.indptr[n_rows]) + static_cast<double>(n_rows * width);
  n_threads = worthwhile_threads(terms * static_cast<double>(width * width), n_threads);

  std::int64_t longest_row = 0;
  for (std::ptrdiff_t row = 0; row < n_rows; ++row) {
    longest_row = std::max(longest_row, step.weights.indptr[row + 1] - step.weights.indptr[row]);
  }
  const double row_operations = static_cast<double>(longest_row + width) * static_cast<double>(width * width);

  const Scratch<double> system(n_threads, width * width), right(n_threads, width), gathered(n_threads, 4 * width);
  if (!system || !right || !gathered) return Status::out_of_memory;
  return parallel_for_rows(0, n_rows, block_length(n_rows, n_threads, 32, row_operations, 1e9), n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.direct({first, last}, step, {system[worker], right[worker], gathered[worker]},
                                            solutions, unsolved);
                           });
}

template <class Value>
Status row_losses(const Kernels& table, HalfStep<Value> step, const Value* solutions, double* losses, int n_threads,
                  Poll poll) {
  const HalfStepKernels<Value>& kernels = table;
  const std::ptrdiff_t n_rows = step.weights.rows;
  const double operations =
      static_cast<double>(step.weights.indptr[n_rows] + n_rows) * static_cast<double>(step.n_factors);
  n_threads = worthwhile_threads(operations, n_threads);
  const double a_row = operations / static_cast<double>(std::max<std::ptrdiff_t>(1, n_rows));
  return parallel_for_rows(0, n_rows, block_length(n_rows, n_threads, 256, a_row), n_threads, poll,
                           [&](int, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.losses({first, last}, step, solutions, losses);
                           });
}

}  // namespace fastrec
