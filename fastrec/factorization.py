"""Alternating least squares: the solves and the loss under the models."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastrec import _check, _dispatch, _threads
from fastrec._types import Array, Csr

_TILE_ROWS = 1024  # summed in BLAS at a time: fixed, so that the sums do not depend on the threads
_LOSS_ENTRIES = 65536  # predicted together
_GRAM_BLOCKS = 64  # and at most so many sums
_SINGULAR_ROWS = 256  # solved together
_FACTORS_TOGETHER = 16  # as in kernels.hpp
_LEAST_CURVATURE = 1e3  # roundings of the largest one: less, and Gram matrix and basis are computed in float64
_STEPS = 32  # of conjugate gradients, beside one a factor: then a direct solve is cheaper


def als_half_step(
    weights: Any,
    targets: Any,
    fixed: Any,
    *,
    unobserved_weight: float = 1.0,
    regularization: Any = 0.01,
    tol: float = 1e-5,
    n_threads: int | None = None,
) -> Array:
    """Solve every row's weighted least squares problem against the fixed factors of the other side.

    Row x of the solution minimises, over the stored entries i of its row and all other entries j,

        sum_i weights_i (targets_i - x.fixed_i)^2 + unobserved_weight sum_j (x.fixed_j)^2 + regularization |x|^2

    Parameters
    ----------
    weights : sparse matrix, shape (n_rows, n_fixed)
        At least 0; stored zeros are kept.
    targets : sparse matrix, shape (n_rows, n_fixed)
        Stored at the same places as ``weights``.
    fixed : array_like of float32 or float64, shape (n_fixed, n_factors)
        Finite.
    unobserved_weight : float, at least 0
        Weight of every entry that is not stored, whose target is 0.
    regularization : float or array of shape (n_rows,), at least 0
        0 gives the solution of least norm where there are many.
    tol : float, at least 0
        Largest residual of a row's normal equations in relation to their right side. 0: by Cholesky, in float64.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Returns
    -------
    ndarray of shape (n_rows, n_factors)
        In the dtype of ``fixed``. Rows without entries are zero.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, or shapes do not match.
    MemoryError
        The solution does not fit.

    Notes
    -----
    The normal equations of Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", 2008,
    section 4, by conjugate gradients, preconditioned by the part of the system that all rows share: what a row's own
    entries add to it is of low rank, so that few steps solve it. Rows that do not get to ``tol`` are solved by Cholesky
    in float64, those that it finds singular by eigenvectors.

    Time is O(steps nnz n_factors + (n_rows + n_fixed) n_factors^2 + n_factors^3), by Cholesky
    O(nnz n_factors^2 + n_rows n_factors^3); scratch is n_factors^2 doubles and 1 MiB a thread, and a copy of ``fixed``.
    The same bits at any number of threads on one instruction set.
    """
    threads = _threads.resolve(n_threads)
    entry_weights = _check.csr(weights, "weights", keep_zeros=True)
    entry_targets = _check.csr(targets, "targets", keep_zeros=True)
    _check.same_pattern(entry_weights, "weights", entry_targets, "targets")
    _check.not_negative(entry_weights.data, "weights", "weights")
    factors = _check.finite(_check.dense(fixed, "fixed", what="fixed"), "fixed")
    _check.same_size(entry_weights.shape[1], "weights", len(factors), "fixed", "columns or rows")
    if factors.shape[1] < 1:
        raise ValueError(f"fixed: expected at least 1 column, got shape {factors.shape}.")
    unobserved_weight = _check.real(unobserved_weight, "unobserved_weight", 0)
    row_regularization = _check.row_values(regularization, "regularization", entry_weights.shape[0])
    tol = _check.real(tol, "tol", 0)
    known = Fixed(factors, threads)
    return solve_rows(entry_weights, entry_targets.data, known, unobserved_weight, row_regularization, tol, threads)


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
            vectors.astype(self.factors.dtype),
            _product(self.factors, vectors.astype(dtype), self._n_threads),
        )


class Basis(NamedTuple):
    """Factors in an orthogonal basis in which their Gram matrix is diagonal, with some more columns of zeros.

    Attributes
    ----------
    curvatures : ndarray of float64, shape (width,)
        The diagonal, least first; ones where there is no factor.
    vectors : ndarray, shape (n_factors, width)
        The basis, in the factors' dtype.
    factors : ndarray, shape (n_rows, width)
    """

    curvatures: Array
    vectors: Array
    factors: Array


def solve_rows(
    weights: Csr,
    targets: Array,
    fixed: Fixed,
    unobserved_weight: float,
    regularization: Array,
    tol: float,
    n_threads: int,
) -> Array:
    """`als_half_step` of checked operands."""
    n_rows, (n_fixed, n_factors) = weights.shape[0], fixed.factors.shape
    dtype = fixed.factors.dtype
    n_bytes = (float(n_rows) + n_fixed) * n_factors * dtype.itemsize + n_threads * 8.0 * n_factors**2
    _check.memory(n_bytes, f"a solution of {n_rows} rows by {n_factors} factors", "use fewer factors")
    weights = weights._replace(data=weights.data.astype(dtype, copy=False))
    targets = targets.astype(dtype, copy=False)
    if tol == 0 or 0 in (n_rows, n_fixed):
        return _solve_directly(weights, targets, fixed, unobserved_weight, regularization, n_threads)
    basis = fixed.basis
    in_basis, unsolved = _aligned((n_rows, len(basis.curvatures)), dtype), np.zeros(n_rows, np.uint8)
    _dispatch.kernel("conjugate_gradients", dtype)(
        weights.data, weights.indices, weights.indptr, targets, basis.factors, unobserved_weight, regularization,
        basis.curvatures, tol, n_factors + _STEPS, in_basis, unsolved, n_threads,
    )  # fmt: skip
    solutions = _product(in_basis, basis.vectors.T, n_threads)
    rows = np.flatnonzero(unsolved)
    if len(rows):
        few, places = weights.rows(rows)
        solutions[rows] = _solve_directly(
            few, targets[places], fixed, unobserved_weight, regularization[rows], n_threads
        )
    return solutions


def _solve_directly(
    weights: Csr, targets: Array, fixed: Fixed, unobserved_weight: float, regularization: Array, n_threads: int
) -> Array:
    """By Cholesky, and by eigenvectors what is singular."""
    solutions = np.empty((weights.shape[0], fixed.factors.shape[1]), fixed.factors.dtype)
    unsolved = np.zeros(weights.shape[0], np.uint8)
    _dispatch.kernel("direct_solve", fixed.factors.dtype)(
        weights.data, weights.indices, weights.indptr, targets, fixed.factors, unobserved_weight, regularization,
        fixed.gram, solutions, unsolved, n_threads,
    )  # fmt: skip
    rows = np.flatnonzero(unsolved)
    with _threads.one_blas_thread():
        for start in range(0, len(rows), _SINGULAR_ROWS):
            batch = rows[start : start + _SINGULAR_ROWS]
            systems = [
                _normal_equations(row, weights, targets, fixed, unobserved_weight, regularization[row]) for row in batch
            ]
            solutions[batch] = _least_norm(*(np.array(parts) for parts in zip(*systems, strict=True)))
    return solutions


def gram_matrix(factors: Array, n_threads: int, dtype: npt.DTypeLike) -> Array:
    """``factors' * factors`` in float64, the sum of tiles in ``dtype``."""
    n_blocks = max(1, min(_GRAM_BLOCKS, len(factors) // _TILE_ROWS))
    ends = np.linspace(0, len(factors), n_blocks + 1).astype(np.int64)
    grams = np.zeros((n_blocks, factors.shape[1], factors.shape[1]))

    def add(first: int, last: int) -> None:
        for block in range(first, last):
            for start in range(ends[block], ends[block + 1], _TILE_ROWS):
                tile = factors[start : min(start + _TILE_ROWS, ends[block + 1])].astype(dtype, copy=False)
                grams[block] += tile.T @ tile

    with _threads.one_blas_thread():
        _threads.run_blocks(add, n_blocks, n_threads, rows_a_block=1)
    total: Array = grams.sum(axis=0)
    return total


def _eigenvectors(gram: Array) -> tuple[Array, Array]:
    """Eigenvalues, ascending, and eigenvectors; of values that are not finite where the matrix is not."""
    if not np.isfinite(gram).all():
        return np.full(len(gram), np.nan), gram
    with _threads.one_blas_thread():
        values, vectors = np.linalg.eigh(gram)
    return values, vectors


def _product(rows: Array, matrix: Array, n_threads: int) -> Array:
    """``rows @ matrix`` in the dtype of the rows, in tiles that do not depend on the threads."""
    out = _aligned((len(rows), matrix.shape[1]), rows.dtype)

    def multiply(first: int, last: int) -> None:
        out[first:last] = rows[first:last].astype(matrix.dtype, copy=False) @ matrix

    with _threads.one_blas_thread():
        _threads.run_blocks(multiply, len(rows), n_threads)
    return out


def _aligned(shape: tuple[int, int], dtype: np.dtype[Any]) -> Array:
    """Room for a matrix that starts on a line of the cache."""
    n_bytes = shape[0] * shape[1] * dtype.itemsize
    room = np.empty(n_bytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + n_bytes].view(dtype).reshape(shape)


def implicit_loss(
    weights: Any,
    targets: Any,
    user_factors: Any,
    item_factors: Any,
    *,
    unobserved_weight: float = 1.0,
    user_regularization: Any = 0.01,
    item_regularization: Any = 0.01,
) -> float:
    """Loss that `als_half_step` lowers from both sides, over every cell of the matrix.

    Parameters
    ----------
    weights, targets : sparse matrix, shape (n_users, n_items)
        As in `als_half_step`.
    user_factors, item_factors : array_like, shape (n_users, n_factors) and (n_items, n_factors)
        The two sides.
    unobserved_weight : float, at least 0
        Weight of every cell that is not stored, whose target is 0.
    user_regularization, item_regularization : float or array of one value a row, at least 0
        What multiplies the squared norm of each row.

    Returns
    -------
    float
        In float64, in O(nnz n_factors + (n_users + n_items) n_factors^2).

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, or shapes do not match.
    """
    entry_weights = _check.csr(weights, "weights", keep_zeros=True)
    entry_targets = _check.csr(targets, "targets", keep_zeros=True)
    _check.same_pattern(entry_weights, "weights", entry_targets, "targets")
    _check.not_negative(entry_weights.data, "weights", "weights")
    users, items = _check.dense(user_factors, "user_factors"), _check.dense(item_factors, "item_factors")
    _check.same_size(users.shape[1], "user_factors", items.shape[1], "item_factors", "columns")
    _check.same_size(entry_weights.shape[0], "weights", len(users), "user_factors", "rows")
    _check.same_size(entry_weights.shape[1], "weights", len(items), "item_factors", "columns or rows")
    return loss_of(
        entry_weights,
        entry_targets.data,
        users,
        items,
        _check.real(unobserved_weight, "unobserved_weight", 0),
        _check.row_values(user_regularization, "user_regularization", len(users)),
        _check.row_values(item_regularization, "item_regularization", len(items)),
    )


def loss_of(
    weights: Csr,
    targets: Array,
    user_factors: Array,
    item_factors: Array,
    unobserved_weight: float,
    user_regularization: Array,
    item_regularization: Array,
) -> float:
    """`implicit_loss` of checked operands: all cells by the Gram matrices, then the stored ones put right."""
    total = unobserved_weight * float(
        np.vdot(*(gram_matrix(factors, 1, np.float64) for factors in (user_factors, item_factors)))
    )
    for factors, regularization in ((user_factors, user_regularization), (item_factors, item_regularization)):
        total += float(regularization @ np.square(factors, dtype=np.float64).sum(axis=1))
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    for start in range(0, len(rows), _LOSS_ENTRIES):
        part = slice(start, start + _LOSS_ENTRIES)
        x, y = user_factors[rows[part]].astype(np.float64), item_factors[weights.indices[part]].astype(np.float64)
        predicted = np.einsum("ij,ij->i", x, y)
        total += float(weights.data[part] @ np.square(targets[part] - predicted))
        total -= unobserved_weight * float(predicted @ predicted)
    return total


def _normal_equations(
    row: int, weights: Csr, targets: Array, fixed: Fixed, unobserved_weight: float, regularization: float
) -> tuple[Array, Array]:
    entries = slice(weights.indptr[row], weights.indptr[row + 1])
    seen = fixed.factors[weights.indices[entries]].astype(np.float64)
    weight = weights.data[entries].astype(np.float64)
    system = unobserved_weight * fixed.gram + (seen.T * (weight - unobserved_weight)) @ seen
    return system + regularization * np.eye(len(system)), seen.T @ (weight * targets[entries])


def _least_norm(systems: Array, right: Array) -> Array:
    """Solutions of least norm of a stack of symmetric, positive semidefinite systems."""
    values, vectors = np.linalg.eigh(systems)
    smallest = values[:, -1:] * (32 * np.finfo(np.float64).eps * systems.shape[1])
    weights = np.einsum("rij,ri->rj", vectors, right)
    weights = np.divide(weights, values, out=np.zeros_like(weights), where=values > smallest)
    solutions: Array = np.einsum("rij,rj->ri", vectors, weights)
    return solutions
