// Row-kernel of als_half_step, in the eigenbasis of the fixed side's Gram matrix: rows of few entries by systems of
// their size, as many at a time as there are lanes, and others by conjugate gradients, each by whichever is sooner
// done.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "fastrec/rows/ask_for.hpp"
#include "fastrec/rows/conjugate_gradients.hpp"
#include "fastrec/rows/dual_systems.hpp"
#include "fastrec/rows/row_losses.hpp"

namespace fastrec {
namespace {

// The part of the system that all rows share but for their regularisation, and its inverse. False where that would not
// precondition: its least entry may be rounding only.
template <class Value>
inline bool share_diagonal(const HalfStep<Value>& step, double regularization,
                           const HalfStepScratch<Value>& scratch) noexcept {
  constexpr double least_share = 1e-10;
  double least = std::numeric_limits<double>::infinity(), most = 0.0;
  for (std::ptrdiff_t j = 0; j < step.n_factors; ++j) {
    const double shared = step.unobserved_weight * step.gram[j] + regularization;
    least = std::min(least, shared);
    most = std::max(most, shared);
    scratch.diagonal[j] = static_cast<Value>(shared);
    scratch.inverse[j] = static_cast<Value>(1.0 / shared);
    scratch.root[j] = static_cast<Value>(std::sqrt(1.0 / shared));
  }
  return least > least_share * most;
}

// Whether a row whose entries add so much to the identity is solved to tol by a system of their size. Terms of the
// right side that cancel take as many digits with them: `kept` is what is left of their length.
template <class Value>
inline bool is_exact(double added, Value tol, double kept = 1.0) noexcept {
  constexpr double rounding = std::numeric_limits<Value>::epsilon();  // five times what was seen of it
  return added * rounding <= static_cast<double>(tol) * kept;
}

template <class Value>
class RowSolver {
 public:
  RowSolver(const HalfStep<Value>& step, Value tol, int most_steps, const HalfStepScratch<Value>& scratch,
            const SharedSums<Value>* shared, const HalfStepAnswer<Value>& answer) noexcept
      : step_(step),
        tol_(tol),
        share_(std::log(static_cast<double>(tol)) / std::log(1e-5)),
        most_steps_(most_steps),
        scratch_(scratch),
        shared_(shared),
        answer_(answer) {
    Value* free = scratch.dual.batches;
    const auto next = [&free](std::ptrdiff_t n) { return (free += n) - n; };
    std::ptrdiff_t size = 0;
    for (DualBatch<Value>& batch : batches_) {
      batch.size = size += dual_rows;
      batch.n_rows = 0;
      batch.weights = next(size * lanes);
      batch.right = next(size * lanes);
      batch.products = next(values_of_tiles(size) * lanes);
    }
  }

  void solve(Rows rows) noexcept {
    for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
      if (row + 1 < rows.last && is_short(row + 1)) ask_for_factors(row + 1);
      if (!is_short(row) || !joins(row)) by_steps(row);
    }
    for (DualBatch<Value>& batch : batches_) end(batch);
  }

 private:
  static constexpr int lanes = lanes_of<Value>;

  std::int64_t length(std::ptrdiff_t row) const noexcept {
    return step_.weights.indptr[row + 1] - step_.weights.indptr[row];
  }
  bool is_short(std::ptrdiff_t row) const noexcept { return length(row) > 0 && length(row) <= scratch_.dual.longest; }
  Entries<Value> entries(std::ptrdiff_t row) const noexcept {
    return entries_at(step_, step_.weights.indptr[row], step_.weights.indptr[row + 1]);
  }
  Value* solution(std::ptrdiff_t row) const noexcept { return answer_.solutions + row * step_.n_factors; }

  // Whether what the row shares with others is there and preconditions.
  bool is_prepared(std::ptrdiff_t row) noexcept {
    if (step_.regularization[row] != regularization_) {
      regularization_ = step_.regularization[row];
      preconditions_ = share_diagonal(step_, regularization_, scratch_);
    }
    return preconditions_;
  }

  // Asks for them to be fetched while another row is solved.
  void ask_for_factors(std::ptrdiff_t row) const noexcept {
    const Entries<Value> of_row = entries(row);
    for (std::int64_t e = 0; e < of_row.n; ++e) ask_for(of_row.factors(e), of_row.width);
  }

  // Whether a short row waits for others, to be solved with them.
  bool joins(std::ptrdiff_t row) noexcept {
    if (!is_prepared(row)) return false;
    DualBatch<Value>& batch = batches_[(length(row) - 1) / dual_rows];
    const double added = read_entries(entries(row), static_cast<Value>(step_.unobserved_weight), scratch_.root,
                                      scratch_.dual.scaled, batch);
    if (!is_exact(added, tol_)) return false;
    join(row, added, scratch_.dual.scaled, step_.n_factors, batch);
    if (batch.n_rows == lanes) end(batch);
    return true;
  }

  void end(DualBatch<Value>& batch) noexcept {
    if (batch.n_rows == 0) return;
    solve_batch(scratch_.dual, batch);
    for (int lane = 0; lane < batch.n_rows; ++lane) {
      const std::ptrdiff_t row = batch.rows[lane];
      const double kept = std::sqrt(static_cast<double>(batch.square[lane]) / static_cast<double>(batch.squares[lane]));
      const bool exact = batch.squares[lane] == 0 || is_exact(batch.added[lane], tol_, std::min(kept, 1.0));
      if (exact && is_prepared(row) && tell_solution(entries(row), batch, lane, scratch_.inverse, solution(row))) {
        finish(row, true);
      } else {
        by_steps(row);
      }
    }
    batch.n_rows = 0;
  }

  void by_steps(std::ptrdiff_t row) noexcept {
    const std::ptrdiff_t width = step_.n_factors;
    Value* x = solution(row);
    std::fill(x, x + width, Value{0});
    if (length(row) == 0) {
      answer_.unsolved[row] = 0;
      return;
    }
    const bool is_solved =
        is_prepared(row) && solve_by_steps(step_, row, tol_, share_, most_steps_, scratch_, shared_, x);
    if (!is_solved) std::fill(x, x + width, Value{0});
    finish(row, is_solved);
  }

  void finish(std::ptrdiff_t row, bool is_solved) const noexcept {
    answer_.unsolved[row] = is_solved ? 0 : 1;
    if (answer_.losses != nullptr) {
      answer_.losses[row] = loss_of(step_, entries(row), step_.regularization[row], solution(row));
    }
  }

  const HalfStep<Value>& step_;
  Value tol_;
  double share_;  // of the steps to 1e-5, to tol
  int most_steps_;
  const HalfStepScratch<Value>& scratch_;
  const SharedSums<Value>* shared_;
  const HalfStepAnswer<Value>& answer_;
  double regularization_ = std::numeric_limits<double>::quiet_NaN();
  bool preconditions_ = false;
  DualBatch<Value> batches_[longest_dual / dual_rows];
};

template <class Value>
void half_step(Rows rows, HalfStep<Value> step, Value tol, int most_steps, HalfStepScratch<Value> scratch,
               const SharedSums<Value>* shared, HalfStepAnswer<Value> answer) noexcept {
  RowSolver<Value>(step, tol, most_steps, scratch, shared, answer).solve(rows);
}

template <class Value>
double usual_steps_of(HalfStep<Value> step, std::ptrdiff_t row, Value tol, HalfStepScratch<Value> scratch) noexcept {
  constexpr double of_largest = 1.5;  // about so many times what its bound is
  const Entries<Value> entries = entries_at(step, step.weights.indptr[row], step.weights.indptr[row + 1]);
  share_diagonal(step, step.regularization[row], scratch);
  std::fill(scratch.residual, scratch.residual + entries.width, Value{0});
  add_right_side(entries, scratch.residual);
  double product = 0;
  for (std::ptrdiff_t j = 0; j < entries.width; ++j) {
    const double right = static_cast<double>(scratch.residual[j]);
    product += right * right * static_cast<double>(scratch.inverse[j]);
  }
  const double added = of_largest * largest_eigenvalue(entries, static_cast<Value>(step.unobserved_weight), product);
  return is_exact(added, tol) ? usual_steps(added) : std::numeric_limits<double>::infinity();
}

}  // namespace
}  // namespace fastrec
