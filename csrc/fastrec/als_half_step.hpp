// Drivers of als_half_step: every row in the eigenbasis of the Gram matrix, or by a direct solve, which may keep
// solutions from being negative; and the loss that is left.
#pragma once

#include <cmath>

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"

namespace fastrec {

constexpr std::ptrdiff_t widest_matrix = 512;

// Of a matrix of a row's entries, where there may be one.
inline std::ptrdiff_t values_of_matrix(std::ptrdiff_t width) noexcept {
  return width <= widest_matrix ? width * width : 0;
}

// The entries of one row, shared by the threads in parts that do not depend on how many there are.
template <class Value>
class SharedRow {
 public:
  static constexpr std::int64_t part_length = 16'384;

  SharedRow(const HalfStepKernels<Value>& kernels, const HalfStep<Value>& step, std::ptrdiff_t row, int n_threads,
            Patient<Poll>& ask)
      : kernels_(kernels),
        step_(step),
        first_(step.weights.indptr[row]),
        last_(step.weights.indptr[row + 1]),
        n_parts_((last_ - first_ + part_length - 1) / part_length),
        n_threads_(n_threads),
        ask_(ask),
        parts_(1, n_parts_ * step.n_factors),
        matrices_(parts_of_matrix, values_of_matrix(step.n_factors), Fill::nothing),
        scaled_(n_threads, outer_products_together * step.n_factors, Fill::nothing) {}

  explicit operator bool() const noexcept { return parts_ && matrices_ && scaled_; }
  Status status() const noexcept { return status_; }
  SharedSums<Value> sums() noexcept {
    return {this, [](void* row, const Value* x, Value* out) { return static_cast<SharedRow*>(row)->add(x, out); },
            [](void* row, Value* matrix, Value* right) { return static_cast<SharedRow*>(row)->sum(matrix, right); }};
  }

 private:
  struct Part {
    std::int64_t first, last;
    Value* sum;  // zeros at first
  };

  Part part(std::ptrdiff_t number) const noexcept {
    const std::int64_t first = first_ + number * part_length;
    Value* sum = parts_[0] + number * step_.n_factors;
    std::fill(sum, sum + step_.n_factors, Value{0});
    return {first, std::min(first + part_length, last_), sum};
  }

  static void add_up(const Value* from, std::ptrdiff_t n, Value* out) noexcept {
    for (std::ptrdiff_t i = 0; i < n; ++i) out[i] += from[i];
  }

  bool add(const Value* x, Value* out) {
    const std::ptrdiff_t width = step_.n_factors;
    status_ = parallel_for(n_parts_, n_threads_, ask_, [&](int, std::ptrdiff_t number) noexcept {
      const Part own = part(number);
      kernels_.add_sums(step_, own.first, own.last, x, own.sum);
    });
    for (std::ptrdiff_t number = 0; number < n_parts_; ++number) add_up(parts_[0] + number * width, width, out);
    return status_ == Status::done;
  }

  bool sum(Value* matrix, Value* right) {
    const std::ptrdiff_t width = step_.n_factors;
    std::fill(matrix, matrix + width * width, Value{0});
    for (std::ptrdiff_t first = 0; first < n_parts_; first += parts_of_matrix) {
      const std::ptrdiff_t n = std::min<std::ptrdiff_t>(parts_of_matrix, n_parts_ - first);
      status_ = parallel_for(n, n_threads_, ask_, [&](int worker, std::ptrdiff_t i) noexcept {
        const Part own = part(first + i);
        Value* of_right = right == nullptr ? nullptr : own.sum;
        kernels_.sum_matrix(step_, own.first, own.last, scaled_[worker], matrices_[i], of_right);
      });
      if (status_ != Status::done) return false;
      for (std::ptrdiff_t i = 0; i < n; ++i) {
        add_up(matrices_[i], width * width, matrix);
        if (right != nullptr) add_up(parts_[0] + (first + i) * width, width, right);
      }
    }
    return true;
  }

  static constexpr int parts_of_matrix = 16;  // summed before they are added up

  const HalfStepKernels<Value>& kernels_;
  const HalfStep<Value>& step_;
  std::int64_t first_, last_;
  std::ptrdiff_t n_parts_;
  int n_threads_;
  Patient<Poll>& ask_;
  Scratch<Value> parts_, matrices_, scaled_;
  Status status_ = Status::done;
};

template <class Value>
class SolverScratch {  // a HalfStepScratch for each worker
 public:
  SolverScratch(int n_threads, std::ptrdiff_t width)
      : width_(width),
        vectors_(n_threads, (6 + outer_products_together + longest_dual) * width),
        matrices_(n_threads, values_of_matrix(width), Fill::nothing),
        systems_(n_threads, values_of_pivots + values_of_triangles + values_of_batches(), Fill::nothing) {}

  explicit operator bool() const noexcept { return vectors_ && matrices_ && systems_; }

  HalfStepScratch<Value> of(int worker, std::ptrdiff_t longest) const noexcept {
    Value *vectors = vectors_[worker], *systems = systems_[worker];
    const auto vector = [&](int number) { return vectors + number * width_; };
    Value* matrix = values_of_matrix(width_) > 0 ? matrices_[worker] : nullptr;
    Value* triangles = systems + values_of_pivots;
    const Dual dual = {longest, systems, triangles, triangles + values_of_triangles,
                       vector(6 + outer_products_together)};
    return {vector(0), vector(1), vector(2), vector(3), vector(4), vector(5), matrix, vector(6), dual};
  }

 private:
  using Dual = DualScratch<Value>;
  static constexpr std::ptrdiff_t values_of_pivots = longest_dual * Dual::most_lanes;
  static constexpr std::ptrdiff_t values_of_triangles = longest_dual * (longest_dual + 1) / 2 * Dual::most_lanes;

  static constexpr std::ptrdiff_t values_of_batches() noexcept {
    std::ptrdiff_t values = 0;
    for (std::ptrdiff_t size = 4; size <= longest_dual; size += 4) values += size * (size + 8) / 2;
    return values * Dual::most_lanes;
  }

  std::ptrdiff_t width_;
  Scratch<Value> vectors_, matrices_, systems_;
};

// Up to how many entries rows are sooner solved by systems of their size than by conjugate gradients. How many steps
// rows take is asked of some, always the same ones.
template <class Value>
std::ptrdiff_t longest_that_pays(const HalfStepKernels<Value>& kernels, const HalfStep<Value>& step, Value tol,
                                 std::ptrdiff_t longest, const HalfStepScratch<Value>& scratch) noexcept {
  constexpr std::ptrdiff_t asked = 16;
  const double entries_of_a_step = kernels.entries_of_a_step * std::log(static_cast<double>(tol)) / std::log(1e-5);
  const auto entries_of = [&](double steps) {
    return static_cast<std::ptrdiff_t>(std::min(entries_of_a_step * steps, static_cast<double>(longest)));
  };
  const std::ptrdiff_t least = entries_of(least_steps);
  const auto may_pay = [&](std::ptrdiff_t row) {
    const std::int64_t n = step.weights.indptr[row + 1] - step.weights.indptr[row];
    return n > least && n <= longest;
  };
  std::ptrdiff_t n_rows = 0, number = 0, n_exact = 0, n_inexact = 0;
  for (std::ptrdiff_t row = 0; row < step.weights.rows; ++row) n_rows += may_pay(row);
  double all = 0;
  for (std::ptrdiff_t row = 0; row < step.weights.rows; ++row) {
    if (!may_pay(row) || number++ % (n_rows / asked + 1) != 0) continue;
    const double steps = kernels.usual_steps(step, row, tol, scratch);
    if (std::isfinite(steps)) {
      all += steps;
      ++n_exact;
    } else {
      ++n_inexact;
    }
  }
  if (n_inexact > n_exact) return 0;
  return n_exact == 0 ? least : entries_of(all / static_cast<double>(n_exact));
}

// `step` is in the eigenbasis of the Gram matrix. Rows of up to `longest` entries may be solved by systems of their
// size.
template <class Value>
Status half_step(const Kernels& table, HalfStep<Value> step, Value tol, int most_steps, std::ptrdiff_t longest,
                 HalfStepAnswer<Value> answer, int n_threads, Poll poll) {
  constexpr double assumed_steps = 8.0;
  constexpr std::int64_t most_of_one_thread = 1 << 23;  // values of a row's entries' factors
  const HalfStepKernels<Value>& kernels = table;
  const std::ptrdiff_t n_rows = step.weights.rows, width = step.n_factors;
  const auto length = [&](std::ptrdiff_t row) { return step.weights.indptr[row + 1] - step.weights.indptr[row]; };
  const auto is_shared = [&](std::ptrdiff_t row) { return length(row) * width > most_of_one_thread; };
  const double operations =
      static_cast<double>(step.weights.indptr[n_rows] + 4 * n_rows) * assumed_steps * static_cast<double>(width);
  n_threads = worthwhile_threads(operations, n_threads);

  const SolverScratch<Value> scratch(n_threads, width);
  if (!scratch) return Status::out_of_memory;
  longest = longest_that_pays(kernels, step, tol, std::min(longest, longest_dual), scratch.of(0, 0));
  const auto solve = [&](int worker, Rows rows, const SharedSums<Value>* shared) noexcept {
    kernels.solve(rows, step, tol, most_steps, scratch.of(worker, longest), shared, answer);
  };
  Patient<Poll> ask(poll);
  for (std::ptrdiff_t row = 0; row < n_rows; ++row) {
    if (!is_shared(row)) continue;
    SharedRow<Value> shared(kernels, step, row, n_threads, ask);
    if (!shared) return Status::out_of_memory;
    const SharedSums<Value> sums = shared.sums();
    solve(0, {row, row + 1}, &sums);
    if (shared.status() != Status::done) return shared.status();
  }
  const double a_row = operations / static_cast<double>(std::max<std::ptrdiff_t>(1, n_rows));
  return parallel_for_rows(0, n_rows, block_length(n_rows, n_threads, 512, a_row), n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             for (std::ptrdiff_t row = first; row < last; ++row) {  // runs between shared ones
                               if (!is_shared(row)) continue;
                               solve(worker, {first, row}, nullptr);
                               first = row + 1;
                             }
                             solve(worker, {first, last}, nullptr);
                           });
}

struct DensePlan {
  int n_threads;
  std::ptrdiff_t block;
};

// How to share rows each of which builds its system and factors it some times over.
template <class Value>
DensePlan plan_dense(const HalfStep<Value>& step, std::ptrdiff_t n_factorisations, int n_threads) noexcept {
  const std::ptrdiff_t n_rows = step.weights.rows, width = padded_width(step.n_factors);
  const std::ptrdiff_t own_terms = n_factorisations * width;
  const double terms = static_cast<double>(step.weights.indptr[n_rows]) + static_cast<double>(n_rows * own_terms);
  n_threads = worthwhile_threads(terms * static_cast<double>(width * width), n_threads);

  const std::int64_t longest = longest_row(step.weights.indptr, n_rows);
  const double row_operations = static_cast<double>(longest + own_terms) * static_cast<double>(width * width);
  return {n_threads, block_length(n_rows, n_threads, 32, row_operations, 1e9)};
}

class DenseSystems {  // a DirectScratch for each worker
 public:
  DenseSystems(int n_threads, std::ptrdiff_t width)
      : system_(n_threads, width * width), right_(n_threads, width), gathered_(n_threads, 4 * width) {}

  explicit operator bool() const noexcept { return system_ && right_ && gathered_; }
  DirectScratch operator[](int worker) const noexcept { return {system_[worker], right_[worker], gathered_[worker]}; }

 private:
  Scratch<double> system_, right_, gathered_;
};

template <class Value>
Status direct_solve(const Kernels& table, HalfStep<Value> step, Value* solutions, std::uint8_t* unsolved, int n_threads,
                    Poll poll) {
  const HalfStepKernels<Value>& kernels = table;
  const DensePlan plan = plan_dense(step, 1, n_threads);
  const DenseSystems systems(plan.n_threads, padded_width(step.n_factors));
  if (!systems) return Status::out_of_memory;
  return parallel_for_rows(0, step.weights.rows, plan.block, plan.n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.direct({first, last}, step, systems[worker], solutions, unsolved);
                           });
}

// The first n_bounded factors of every solution are not negative.
template <class Value>
Status nonnegative_solve(const Kernels& table, HalfStep<Value> step, std::ptrdiff_t n_bounded, Value* solutions,
                         std::uint8_t* unsolved, int n_threads, Poll poll) {
  constexpr std::ptrdiff_t assumed_exchanges = 4;
  const HalfStepKernels<Value>& kernels = table;
  const std::ptrdiff_t width = padded_width(step.n_factors);
  const DensePlan plan = plan_dense(step, assumed_exchanges, n_threads);
  const DenseSystems systems(plan.n_threads, width);
  const Scratch<double> factors(plan.n_threads, width * width), vectors(plan.n_threads, 3 * width);
  const Scratch<std::int32_t> free(plan.n_threads, width);
  const Scratch<std::uint8_t> marks(plan.n_threads, 2 * width);
  if (!systems || !factors || !vectors || !free || !marks) return Status::out_of_memory;
  return parallel_for_rows(0, step.weights.rows, plan.block, plan.n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             double* own = vectors[worker];
                             kernels.nonnegative({first, last}, step, n_bounded,
                                                 {systems[worker], factors[worker], own, own + width, own + 2 * width,
                                                  free[worker], marks[worker], marks[worker] + width},
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
