"""Alternating least squares: the solves and the loss under the models."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec import _check, _dispatch, _threads
from fastrec._types import Array, Csr

_TILE_ROWS = 4096  # summed in BLAS at a time: fixed, so that the sums do not depend on the threads
_SINGULAR_ROWS = 256  # solved together


def als_half_step(
    weights: Any,
    targets: Any,
    fixed: Any,
    *,
    unobserved_weight: float = 1.0,
    regularization: Any = 0.01,
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
    Normal equations in float64, solved by Cholesky, and by eigenvectors where that finds them singular: Hu, Koren and
    Volinsky, "Collaborative filtering for implicit feedback datasets", 2008, section 4. Time is
    O(nnz n_factors^2 + n_rows n_factors^3); scratch is n_factors^2 doubles a thread. The same bits at any number of
    threads on one instruction set.
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
    return solve_rows(entry_weights, entry_targets.data, factors, unobserved_weight, row_regularization, threads)


def solve_rows(
    weights: Csr,
    targets: Array,
    fixed: Array,
    unobserved_weight: float,
    regularization: Array,
    n_threads: int,
    gram: Array | None = None,
) -> Array:
    """`als_half_step` of checked operands; ``gram`` is that of ``fixed``, where it is known."""
    n_rows, n_factors = weights.shape[0], fixed.shape[1]
    n_bytes = float(n_rows) * n_factors * fixed.itemsize + n_threads * 8.0 * n_factors**2
    _check.memory(n_bytes, f"a solution of {n_rows} rows by {n_factors} factors", "use fewer factors")
    fixed = np.ascontiguousarray(fixed)
    solutions, singular = np.empty((n_rows, n_factors), fixed.dtype), np.zeros(n_rows, np.uint8)
    gram = gram_matrix(fixed) if gram is None else gram
    data, targets = weights.data.astype(fixed.dtype, copy=False), targets.astype(fixed.dtype, copy=False)
    _dispatch.kernel("als_half_step", fixed.dtype)(
        data, weights.indices, weights.indptr, targets, fixed, unobserved_weight, gram, regularization, solutions,
        singular, n_threads,
    )  # fmt: skip
    rows = np.flatnonzero(singular)
    with _threads.one_blas_thread():
        for start in range(0, len(rows), _SINGULAR_ROWS):
            batch = rows[start : start + _SINGULAR_ROWS]
            systems = [
                _normal_equations(row, weights, targets, fixed, unobserved_weight, gram, regularization[row])
                for row in batch
            ]
            solutions[batch] = _least_norm(*(np.array(parts) for parts in zip(*systems, strict=True)))
    return solutions


def gram_matrix(factors: Array) -> Array:
    """``factors' * factors`` in float64."""
    gram = np.zeros((factors.shape[1], factors.shape[1]))
    with _threads.one_blas_thread():
        for start in range(0, len(factors), _TILE_ROWS):
            tile = factors[start : start + _TILE_ROWS].astype(np.float64)
            gram += tile.T @ tile
    return gram


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
    total = unobserved_weight * float(np.vdot(gram_matrix(user_factors), gram_matrix(item_factors)))
    for factors, regularization in ((user_factors, user_regularization), (item_factors, item_regularization)):
        total += float(regularization @ np.square(factors, dtype=np.float64).sum(axis=1))
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    for start in range(0, len(rows), _TILE_ROWS * 16):
        part = slice(start, start + _TILE_ROWS * 16)
        x, y = user_factors[rows[part]].astype(np.float64), item_factors[weights.indices[part]].astype(np.float64)
        predicted = np.einsum("ij,ij->i", x, y)
        total += float(weights.data[part] @ np.square(targets[part] - predicted))
        total -= unobserved_weight * float(predicted @ predicted)
    return total


def _normal_equations(
    row: int, weights: Csr, targets: Array, fixed: Array, unobserved_weight: float, gram: Array, regularization: float
) -> tuple[Array, Array]:
    entries = slice(weights.indptr[row], weights.indptr[row + 1])
    seen = fixed[weights.indices[entries]].astype(np.float64)
    weight = weights.data[entries].astype(np.float64)
    system = unobserved_weight * gram + (seen.T * (weight - unobserved_weight)) @ seen
    return system + regularization * np.eye(len(gram)), seen.T @ (weight * targets[entries])


def _least_norm(systems: Array, right: Array) -> Array:
    """Solutions of least norm of a stack of symmetric, positive semidefinite systems."""
    values, vectors = np.linalg.eigh(systems)
    smallest = values[:, -1:] * (32 * np.finfo(np.float64).eps * systems.shape[1])
    weights = np.einsum("rij,ri->rj", vectors, right)
    weights = np.divide(weights, values, out=np.zeros_like(weights), where=values > smallest)
    solutions: Array = np.einsum("rij,rj->ri", vectors, weights)
    return solutions
