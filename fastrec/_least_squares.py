"""Least squares of every row against the factors of the other side: what alternating least squares repeats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastrec import _check, _dispatch, _threads
from fastrec._types import Array, Csr

_CONVERTED_ROWS = 65_536  # to another dtype at a time
_SINGULAR_ROWS = 256  # solved together
_FACTORS_TOGETHER = 16  # as in kernels.hpp
_LEAST_CURVATURE = 1e3  # roundings of the largest one: less, and Gram matrix and basis are computed in float64
_STEPS = 32  # of conjugate gradients, beside one a factor: then a direct solve is cheaper


class Side(NamedTuple):
    """The rows of one side: their entries, and how each row is regularised."""

    weights: Csr
    targets: Array
    regularization: Array
    unobserved_weight: float

    def of_dtype(self, dtype: npt.DTypeLike) -> Side:
        """Weights and targets in a dtype."""
        weights = self.weights._replace(data=self.weights.data.astype(dtype, copy=False))
        return self._replace(weights=weights, targets=self.targets.astype(dtype, copy=False))

    def penalty(self, solutions: Array) -> float:
        """What the regularisation of these solutions adds to a loss, in float64."""
        squares = np.einsum("ij,ij->i", solutions, solutions, dtype=np.float64)
        return float((self.regularization * squares).sum())


class Fixed:
    """The factors of the side that is held fixed, and what solves against them need, made once it is asked for.

    Not by `functools.cached_property`, whose lock a forked child would inherit.
    """

    def __init__(self, factors: Array, n_threads: int) -> None:
        self.factors = np.ascontiguousarray(factors)
        self._n_threads = n_threads
        self._gram: Array | None = None
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


class Solutions(NamedTuple):
    """Solutions, and the basis that they are in: (n_factors, width), or None for that of the fixed factors."""

    factors: Array
    vectors: Array | None

    def upright(self, n_threads: int) -> Array:
        """In the basis of the fixed factors."""
        if self.vectors is None:
            return self.factors
        return turned(self.factors, self.vectors.T.astype(self.factors.dtype), n_threads)

    def against(self, fixed: Solutions) -> Solutions:
        """The same, with the basis told in that which the fixed factors, solutions themselves, are told in."""
        if self.vectors is None:
            return Solutions(self.factors, fixed.vectors)
        n_factors = len(self.vectors)
        vectors = self.vectors[:, :n_factors]
        return Solutions(self.factors[:, :n_factors], vectors if fixed.vectors is None else fixed.vectors @ vectors)


def solve(side: Side, fixed: Fixed, tol: float, n_threads: int) -> Solutions:
    """Solve every row, to a residual of ``tol`` times its right side; 0: directly, in float64."""
    n_rows, (n_fixed, n_factors) = side.weights.shape[0], fixed.factors.shape
    dtype = fixed.factors.dtype
    n_bytes = (float(n_rows) + n_fixed) * n_factors * dtype.itemsize + n_threads * 8.0 * n_factors**2
    _check.memory(n_bytes, f"a solution of {n_rows} rows by {n_factors} factors", "use fewer factors")
    side = side.of_dtype(dtype)
    if tol == 0 or 0 in (n_rows, n_fixed):
        return Solutions(_solve_directly(side, fixed, n_threads), None)
    basis = fixed.basis
    solutions, unsolved = _aligned((n_rows, len(basis.curvatures)), dtype), np.zeros(n_rows, np.uint8)
    _dispatch.kernel("conjugate_gradients", dtype)(
        *_operands(side, basis.factors), basis.curvatures, tol, n_factors + _STEPS, solutions, unsolved, n_threads
    )
    rows = np.flatnonzero(unsolved)
    if len(rows):
        weights, places = side.weights.rows(rows)
        few = Side(weights, side.targets[places], side.regularization[rows], side.unobserved_weight)
        solutions[rows] = turned(_solve_directly(few, fixed, n_threads), basis.vectors.astype(dtype), n_threads)
    return Solutions(solutions, basis.vectors)


def solve_nonnegative(side: Side, fixed: Fixed, n_bounded: int, n_threads: int) -> Array:
    """Solve every row with the first ``n_bounded`` factors of its solution not negative: directly, in float64."""
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
    if unsolved.any():
        raise ArithmeticError(f"row {unsolved.argmax()} has no solution that float64 can hold; scale its values.")
    return solutions


def losses(side: Side, fixed: Fixed, solutions: Solutions, n_threads: int) -> Array:
    """What every row's solution leaves of its objective, in float64."""
    basis = fixed.basis
    factors = solutions.factors
    if solutions.vectors is None:
        factors = turned(factors, basis.vectors.astype(factors.dtype), n_threads)
    return losses_in_basis(side, basis.factors, basis.curvatures, factors, n_threads)


def losses_in_basis(side: Side, fixed: Array, curvatures: Array, solutions: Array, n_threads: int) -> Array:
    """`losses` where the Gram matrix has the diagonal ``curvatures``."""
    out = np.zeros(len(solutions))
    if out.size:
        _dispatch.kernel("row_losses", fixed.dtype)(*_operands(side, fixed), curvatures, solutions, out, n_threads)
    return out


def gram_matrix(factors: Array, n_threads: int, dtype: npt.DTypeLike) -> Array:
    """``factors' * factors`` in float64, the sum of sums of some rows in ``dtype``."""
    n_factors = factors.shape[1]
    total = np.zeros((n_factors, n_factors))
    for tile in _tiles(factors, dtype):
        n_more = -n_factors % _FACTORS_TOGETHER
        padded = np.pad(tile, ((0, 0), (0, n_more))) if n_more else tile
        gram = np.zeros((padded.shape[1], padded.shape[1]))
        _dispatch.kernel("gram", padded.dtype)(padded, gram, n_threads)
        total += gram[:n_factors, :n_factors]
    return total


def turned(rows: Array, matrix: Array, n_threads: int) -> Array:
    """``rows @ matrix``, multiplied in the dtype of the matrix, in that of the rows."""
    n_columns = matrix.shape[1]
    padded = np.ascontiguousarray(np.pad(matrix, ((0, 0), (0, -n_columns % _FACTORS_TOGETHER))))
    out = _aligned((len(rows), padded.shape[1]), rows.dtype)
    first = 0
    for tile in _tiles(rows, matrix.dtype):
        into = out[first : first + len(tile)]
        room = into if into.dtype == matrix.dtype else np.empty(into.shape, matrix.dtype)
        _dispatch.kernel("turn", matrix.dtype)(tile, padded, room, n_threads)
        if room is not into:
            into[:] = room
        first += len(tile)
    return np.ascontiguousarray(out[:, :n_columns])


def _tiles(rows: Array, dtype: npt.DTypeLike) -> Iterator[Array]:
    """The rows in a dtype: all at once where it is theirs, else some at a time."""
    step = len(rows) if rows.dtype == dtype else _CONVERTED_ROWS
    for first in range(0, len(rows), max(step, 1)):
        yield np.ascontiguousarray(rows[first : first + step], dtype)


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


def _aligned(shape: tuple[int, int], dtype: np.dtype[Any]) -> Array:
    """Room for a matrix that starts on a line of the cache."""
    n_bytes = shape[0] * shape[1] * dtype.itemsize
    room = np.empty(n_bytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + n_bytes].view(dtype).reshape(shape)


def _solve_directly(side: Side, fixed: Fixed, n_threads: int) -> Array:
    """By Cholesky, and by eigenvectors what is singular."""
    solutions = np.empty((side.weights.shape[0], fixed.factors.shape[1]), fixed.factors.dtype)
    unsolved = np.zeros(len(solutions), np.uint8)
    _dispatch.kernel("direct_solve", fixed.factors.dtype)(
        *_operands(side, fixed.factors), fixed.gram, solutions, unsolved, n_threads
    )
    rows = np.flatnonzero(unsolved)
    with _threads.one_blas_thread():
        for start in range(0, len(rows), _SINGULAR_ROWS):
            batch = rows[start : start + _SINGULAR_ROWS]
            systems = [_normal_equations(row, side, fixed) for row in batch]
            solutions[batch] = _least_norm(*(np.array(parts) for parts in zip(*systems, strict=True)))
    return solutions


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
