"""Bindings of als_half_step, and of the dense products that it needs."""

from fastrec._compiled cimport csrc
from fastrec._compiled.isa cimport kernels
from fastrec._compiled.running cimport finish, poll
from libc.stdint cimport int32_t, int64_t, uint8_t

ctypedef fused Value:
    float
    double


cdef void describe(csrc.HalfStep[Value]* step, const Value[::1] weights, const int32_t[::1] indices,
                   const int64_t[::1] indptr, const Value[::1] targets, const Value[:, ::1] fixed,
                   double unobserved_weight, const double[::1] regularization):
    step.weights.data, step.weights.indices, step.weights.indptr = &weights[0], &indices[0], &indptr[0]
    step.weights.rows, step.weights.columns = indptr.shape[0] - 1, fixed.shape[0]
    step.targets = &targets[0]
    step.fixed = &fixed[0, 0]
    step.n_factors = fixed.shape[1]
    step.unobserved_weight = unobserved_weight
    step.regularization = &regularization[0]


def half_step(const Value[::1] weights, const int32_t[::1] indices, const int64_t[::1] indptr,
              const Value[::1] targets, const Value[:, ::1] fixed, double unobserved_weight,
              const double[::1] regularization, const double[::1] curvatures, double tol, int most_steps,
              ptrdiff_t longest_dual, Value[:, ::1] solutions, uint8_t[::1] unsolved, double[::1] losses,
              int n_threads):
    cdef csrc.HalfStep[Value] step
    describe(&step, weights, indices, indptr, targets, fixed, unobserved_weight, regularization)
    step.gram = &curvatures[0]
    cdef csrc.HalfStepAnswer[Value] answer
    answer.solutions, answer.unsolved = &solutions[0, 0], &unsolved[0]
    if losses is not None:
        answer.losses = &losses[0]
    cdef csrc.Status status
    with nogil:
        status = csrc.half_step(kernels[0], step, <Value>tol, most_steps, longest_dual, answer, n_threads, poll)
    finish(status)


def direct_solve(const Value[::1] weights, const int32_t[::1] indices, const int64_t[::1] indptr,
                 const Value[::1] targets, const Value[:, ::1] fixed, double unobserved_weight,
                 const double[::1] regularization, const double[:, ::1] gram, Value[:, ::1] solutions,
                 uint8_t[::1] unsolved, int n_threads):
    cdef csrc.HalfStep[Value] step
    describe(&step, weights, indices, indptr, targets, fixed, unobserved_weight, regularization)
    step.gram = &gram[0, 0]
    cdef csrc.Status status
    with nogil:
        status = csrc.direct_solve(kernels[0], step, &solutions[0, 0], &unsolved[0], n_threads, poll)
    finish(status)


def nonnegative_solve(const Value[::1] weights, const int32_t[::1] indices, const int64_t[::1] indptr,
                      const Value[::1] targets, const Value[:, ::1] fixed, double unobserved_weight,
                      const double[::1] regularization, const double[:, ::1] gram, ptrdiff_t n_bounded,
                      Value[:, ::1] solutions, uint8_t[::1] unsolved, int n_threads):
    cdef csrc.HalfStep[Value] step
    describe(&step, weights, indices, indptr, targets, fixed, unobserved_weight, regularization)
    step.gram = &gram[0, 0]
    cdef csrc.Status status
    with nogil:
        status = csrc.nonnegative_solve(kernels[0], step, n_bounded, &solutions[0, 0], &unsolved[0], n_threads, poll)
    finish(status)


def row_losses(const Value[::1] weights, const int32_t[::1] indices, const int64_t[::1] indptr,
               const Value[::1] targets, const Value[:, ::1] fixed, double unobserved_weight,
               const double[::1] regularization, const double[::1] curvatures, const Value[:, ::1] solutions,
               double[::1] losses, int n_threads):
    cdef csrc.HalfStep[Value] step
    describe(&step, weights, indices, indptr, targets, fixed, unobserved_weight, regularization)
    step.gram = &curvatures[0]
    cdef csrc.Status status
    with nogil:
        status = csrc.row_losses(kernels[0], step, &solutions[0, 0], &losses[0], n_threads, poll)
    finish(status)


def multiply(const Value[:, ::1] rows, const Value[:, ::1] matrix, Value[:, ::1] out, int n_threads):
    cdef csrc.Status status
    with nogil:
        status = csrc.multiply(kernels[0], rows.shape[0], &rows[0, 0], rows.shape[1], &matrix[0, 0], matrix.shape[1],
                           &out[0, 0], n_threads, poll)
    finish(status)


def multiply_in_double(const float[:, ::1] rows, const double[:, ::1] matrix, float[:, ::1] out, int n_threads):
    cdef csrc.Status status
    with nogil:
        status = csrc.multiply_in_double(kernels[0], rows.shape[0], &rows[0, 0], rows.shape[1], &matrix[0, 0],
                                     matrix.shape[1], &out[0, 0], n_threads, poll)
    finish(status)


def gram(const Value[:, ::1] rows, double[:, ::1] out, int n_threads):
    cdef csrc.Status status
    with nogil:
        status = csrc.gram(kernels[0], rows.shape[0], &rows[0, 0], rows.shape[1], &out[0, 0], n_threads, poll)
    finish(status)
