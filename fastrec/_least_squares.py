"""Least squares of every row against the factors of the other side: what alternating least squares repeats."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastrec import _check, _dispatch, _threads
from fastrec._types import Array, Csr, room

_CONVERTED_ROWS = 4_096  # to another dtype at a time, which a near cache holds
_SINGULAR_ROWS = 256  # solved together
_FACTORS_TOGETHER = 16  # as in kernels.hpp
_LEAST_CURVATURE = 1e3  # roundings of the largest one: less, and Gram matrix and basis are computed in float64
_STEPS = 32  # of conjugate gradients, beside one a factor: then a direct solve is cheaper
_LONGEST_DUAL = 48  # entries of a row whose system may be of their size, as in kernels.hpp


class Side(NamedTuple):
    """The rows of one side: their entries, and how each row is regularised."""

    weights: Csr
    targets: Array
    regularization: Array
    unobserved_weight: float

    def rows(self, rows: Array) -> Side:
        """Some of them."""
        weights, places = self.weights.rows(rows)
        return Side(weights, self.targets[places], self.regularization[rows], self.unobserved_weight)

    def of_dtype(self, dtype: npt.DTypeLike) -> Side:
        """Weights and targets in a dtype."""
        weights = self.weights._replace(data=self.weights.data.astype(dtype, copy=False))
        return self._replace(weights=weights, targets=self.targets.astype(dtype, copy=False))

    def penalty(self, solutions: Array) -> float:
        """What the regularisation of these solutions adds to a loss: a row's squares in their dtype, all in float64."""
        with np.errstate(over="ignore"):
            squares = np.einsum("ij,ij->i", solutions, solutions)
        if not np.isfinite(squares).all():
            squares = np.square(solutions, dtype=np.float64).sum(axis=1)
        return float((self.regularization * squares).sum())


class Fixed:
    """The factors of the side that is held fixed, and what solves against them need, made once it is asked for.

    Not by `functools.cached_property`, whose lock a forked child would inherit.
    """

    def __init__(self, factors: Array, n_threads: int, gram: Array | None = None) -> None:
        self.factors = np.ascontiguousarray(factors)
        self._n_threads = n_threads
        self._gram = gram
        self._basis: Basis | None = None

    @property
    def gram(self) -> Array:
        """``factors' * factors``, summed in float64."""
        if self._gram is None:
            self._gram = gram_matrix(self.factors, self._n_threads, np.float64)
        return self._gram

    @property
    def basis(self) -> Basis:
        """The factors in the eigenbasis of their Gram matrix."""
        if self._basis is None:
            self._basis = self._in_eigenbasis()
        return self._basis

    def _in_eigenbasis(self) -> Basis:
        dtype = self.factors.dtype
        curvatures, vectors = _eigenvectors(gram_matrix(self.factors, self._n_threads, dtype))
        rounding = curvatures[-1] * np.finfo(dtype).eps
        if dtype != np.float64 and not curvatures[0] > _LEAST_CURVATURE * rounding:
            dtype = np.dtype(np.float64)
            curvatures, vectors = _eigenvectors(self.gram)
        n_more = -len(curvatures) % _FACTORS_TOGETHER
        vectors = np.pad(vectors, ((0, 0), (0, n_more)))
        return Basis(
            np.pad(np.maximum(curvatures, 0), (0, n_more), constant_values=1),
            vectors,
            turned(self.factors, vectors.astype(dtype), self._n_threads),
        )


class Basis(NamedTuple):
    """Factors in an orthogonal basis in which their Gram matrix is diagonal, with some more columns of zeros.

    Attributes
    ----------
    curvatures : ndarray of float64, shape (width,)
        The diagonal, least first; ones where there is no factor.
    vectors : ndarray of float64, shape (n_factors, width)
        The basis.
    factors : ndarray, shape (n_rows, width)
    """

    curvatures: Array
    vectors: Array
    factors: Array

    def turned(self, solutions: Array, n_threads: int) -> Array:
        """Solutions in the basis of the factors before, told in this one."""
        return turned(solutions, self.vectors.astype(solutions.dtype), n_threads)


class Solutions(NamedTuple):
    """Solutions, and the basis that they are in: (n_factors, width), or None for that of the fixed factors."""

    factors: Array
    vectors: Array | None

    def upright(self, n_threads: int) -> Array:
        """In the basis of the fixed factors, turned in float64: what cancels there, float32 would not hold to tol."""
        return self.factors if self.vectors is None else turned(self.factors, self.vectors.T, n_threads)

    def against(self, fixed: Solutions) -> Solutions:
        """The same, with the basis told in that which the fixed factors, solutions themselves, are told in."""
        if self.vectors is None:
            return Solutions(self.factors, fixed.vectors)
        n_factors = len(self.vectors)
        vectors = self.vectors[:, :n_factors]
        if fixed.vectors is not None:
            with _threads.one_blas_thread():  # one that waits for more would keep a core from the next solve
                vectors = fixed.vectors @ vectors
        return Solutions(self.factors[:, :n_factors], vectors)


def solve(side: Side, fixed: Fixed, tol: float, n_threads: int, *, losses: Array | None = None) -> Solutions:
    """Solve every row, to a residual of ``tol`` times its right side; 0: directly, in float64.

    ``losses``, if given, takes what every row's solution leaves of its objective.
    """
    n_rows, (n_fixed, n_factors) = side.weights.shape[0], fixed.factors.shape
    dtype = fixed.factors.dtype
    width = n_factors + -n_factors % _FACTORS_TOGETHER
    n_bytes = (float(n_rows) + n_fixed) * width * dtype.itemsize + n_threads * 8.0 * width**2
    _check.memory(n_bytes, f"a solution of {n_rows} rows by {n_factors} factors", "use fewer factors")
    side = side.of_dtype(dtype)
    if 0 in (n_rows, n_fixed):
        return Solutions(np.zeros((n_rows, n_factors), dtype), None)
    if tol == 0:
        upright = _solve_directly(side, fixed, n_threads)
        if losses is not None:
            losses[:] = losses_in(fixed.basis, side, fixed.basis.turned(upright, n_threads), n_threads)
        return Solutions(upright, None)
    basis = fixed.basis
    solutions, unsolved = room((n_rows, len(basis.curvatures)), dtype), np.zeros(n_rows, np.uint8)
    _dispatch.kernel("half_step", dtype)(
        *_operands(side, basis.factors),
        basis.curvatures,
        tol,
        n_factors + _STEPS,
        _LONGEST_DUAL,
        solutions,
        unsolved,
        losses,
        n_threads,
    )
    rows = np.flatnonzero(unsolved)
    if len(rows):
        few = side.rows(rows)
        solutions[rows] = basis.turned(_solve_directly(few, fixed, n_threads), n_threads)
        if losses is not None:
            losses[rows] = losses_in(basis, few, solutions[rows], n_threads)
    return Solutions(solutions, basis.vectors)


def solve_nonnegative(side: Side, fixed: Fixed, n_bounded: int, n_threads: int, name: str) -> Array:
    """Solve every row with the first ``n_bounded`` factors of its solution not negative: directly, in float64.

    ``name`` is what an error calls the arguments.
    """
    n_rows, n_factors = side.weights.shape[0], fixed.factors.shape[1]
    dtype = fixed.factors.dtype
    n_bytes = float(n_rows) * n_factors * dtype.itemsize + n_threads * 16.0 * n_factors**2
    _check.memory(n_bytes, f"a solution of {n_rows} rows by {n_factors} factors", "use fewer factors")
    solutions, unsolved = np.zeros((n_rows, n_factors), dtype), np.zeros(n_rows, np.uint8)
    if 0 in (n_rows, len(fixed.factors), len(side.targets)):
        return solutions
    _dispatch.kernel("nonnegative_solve", dtype)(
        *_operands(side.of_dtype(dtype), fixed.factors), fixed.gram, n_bounded, solutions, unsolved, n_threads
    )
    _check.solved(unsolved.astype(np.bool_) | ~np.isfinite(solutions).all(axis=1), name)
    return solutions


def losses_in(basis: Basis, side: Side, solutions: Array, n_threads: int) -> Array:
    """What every row's solution, told in the basis, leaves of its objective, in float64."""
    losses = np.zeros(len(solutions))
    if losses.size:
        _dispatch.kernel("row_losses", solutions.dtype)(
            *_operands(side, basis.factors), basis.curvatures, np.ascontiguousarray(solutions), losses, n_threads
        )
    return losses


def losses_of_entries(side: Side, fixed: Array, solutions: Array, n_threads: int) -> Array:
    """`losses_in` in float64 throughout and in any basis, but for the unobserved weight of all columns."""
    wide = padded(fixed.astype(np.float64, copy=False))
    width = wide.shape[1]
    basis = Basis(np.zeros(width), np.empty((0, width)), wide)
    return losses_in(basis, side.of_dtype(np.float64), padded(solutions.astype(np.float64, copy=False)), n_threads)


def influences(side: Side, fixed: Fixed, vector: Array) -> Array:
    """What each entry of the one row adds to its solution's inner product with a vector, in float64."""
    weights = side.weights.data.astype(np.float64)
    with _threads.one_blas_thread():
        system, _ = _normal_equations(0, side, fixed)
        answer = _least_norm(system[None], vector[None].astype(np.float64))[0]
        seen = fixed.factors[side.weights.indices].astype(np.float64) @ answer
    out: Array = weights * side.targets * seen + 0.0  # not -0.0
    return out


def gram_matrix(factors: Array, n_threads: int, dtype: npt.DTypeLike) -> Array:
    """``factors' * factors`` in float64, the sum of sums of some rows in ``dtype``."""
    n_rows, n_factors = factors.shape
    total = np.zeros((n_factors, n_factors))
    step = n_rows if factors.dtype == dtype else _CONVERTED_ROWS
    for first in range(0, n_rows, max(step, 1)):
        wide = padded(factors[first : first + step].astype(dtype, copy=False))
        gram = np.zeros((wide.shape[1], wide.shape[1]))
        _dispatch.kernel("gram", wide.dtype)(wide, gram, n_threads)
        total += gram[:n_factors, :n_factors]
    return total


def turned(rows: Array, matrix: Array, n_threads: int) -> Array:
    """``rows @ matrix``, multiplied in the dtype of the matrix, in that of the rows."""
    n_columns = matrix.shape[1]
    wide = padded(matrix)
    out = room((len(rows), wide.shape[1]), rows.dtype)
    same = rows.dtype == matrix.dtype
    multiply = _dispatch.kernel("multiply", rows.dtype) if same else _dispatch.kernel("multiply_in_double")
    multiply(np.ascontiguousarray(rows), wide, out, n_threads)
    return np.ascontiguousarray(out[:, :n_columns])


def padded(factors: Array) -> Array:
    """With columns of zeros up to what kernels take together."""
    n_more = -factors.shape[1] % _FACTORS_TOGETHER if factors.shape[1] else _FACTORS_TOGETHER
    return np.ascontiguousarray(np.pad(factors, ((0, 0), (0, n_more))) if n_more else factors)


def _operands(side: Side, fixed: Array) -> tuple[Any, ...]:
    """What all kernels begin with."""
    weights = side.weights
    return (
        weights.data, weights.indices, weights.indptr, side.targets, fixed, side.unobserved_weight, side.regularization
    )  # fmt: skip


def _eigenvectors(gram: Array) -> tuple[Array, Array]:
    """Eigenvalues, ascending, and eigenvectors; NaN where the matrix is not finite."""
    if not np.isfinite(gram).all():
        return np.full(len(gram), np.nan), np.full(gram.shape, np.nan)
    with _threads.one_blas_thread():
        values, vectors = np.linalg.eigh(gram)
    return values, vectors


def _solve_directly(side: Side, fixed: Fixed, n_threads: int) -> Array:
    """By Cholesky, and by eigenvectors what is singular."""
    solutions = np.empty((side.weights.shape[0], fixed.factors.shape[1]), fixed.factors.dtype)
    unsolved = np.zeros(len(solutions), np.uint8)
    _dispatch.kernel("direct_solve", fixed.factors.dtype)(
        *_operands(side, fixed.factors), fixed.gram, solutions, unsolved, n_threads
    )
    if unsolved.any():
        _solve_singular(np.flatnonzero(unsolved), side, fixed, solutions)
    return _check.finite(solutions, f"solutions in {solutions.dtype}")


def _solve_singular(rows: Array, side: Side, fixed: Fixed, solutions: Array) -> None:
    """The solutions of least norm of some rows."""
    with _threads.one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(rows), _SINGULAR_ROWS):
            batch = rows[start : start + _SINGULAR_ROWS]
            equations = zip(*(_normal_equations(row, side, fixed) for row in batch), strict=True)
            solutions[batch] = _least_norm(
                *(_check.finite(np.array(parts), "a row's normal equations") for parts in equations)
            )


def _normal_equations(row: int, side: Side, fixed: Fixed) -> tuple[Array, Array]:
    entries = slice(side.weights.indptr[row], side.weights.indptr[row + 1])
    seen = fixed.factors[side.weights.indices[entries]].astype(np.float64)
    weight = side.weights.data[entries].astype(np.float64)
    system = side.unobserved_weight * fixed.gram + (seen.T * (weight - side.unobserved_weight)) @ seen
    return system + side.regularization[row] * np.eye(len(system)), seen.T @ (weight * side.targets[entries])


def _least_norm(systems: Array, right: Array) -> Array:
    """Solutions of least norm of a stack of symmetric, positive semidefinite systems."""
    values, vectors = np.linalg.eigh(systems)
    smallest = values[:, -1:] * (32 * np.finfo(np.float64).eps * systems.shape[1])
    weights = np.einsum("rij,ri->rj", vectors, right)
    weights = np.divide(weights, values, out=np.zeros_like(weights), where=values > smallest)
    solutions: Array = np.einsum("rij,rj->ri", vectors, weights)
    return solutions
