// Row-kernel of als_half_step, directly: the normal equations of each row by Cholesky in double.
#pragma once

#include <algorithm>

#include "fastrec/rows/normal_equations.hpp"

namespace fastrec {
namespace {

template <class Value>
void direct_solve(Rows rows, HalfStep<Value> step, DirectScratch scratch, Value* solutions,
                  std::uint8_t* unsolved) noexcept {
  const std::ptrdiff_t n = step.n_factors, width = padded(n);
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    Value* solution = solutions + row * n;
    unsolved[row] = 0;
    if (step.weights.indptr[row] == step.weights.indptr[row + 1]) {
      std::fill(solution, solution + n, Value{0});
      continue;
    }
    build_equations(step, row, scratch);
    double* diagonal = scratch.gathered;  // free again
    for (std::ptrdiff_t i = 0; i < n; ++i) diagonal[i] = scratch.system[i * width + i];
    if (!cholesky(scratch.system, n, width, diagonal)) {
      unsolved[row] = 1;
    } else {
      solve_cholesky(scratch.system, n, width, scratch.right);
      for (std::ptrdiff_t i = 0; i < n; ++i) solution[i] = static_cast<Value>(scratch.right[i]);
    }
  }
}

}  // namespace
}  // namespace fastrec
