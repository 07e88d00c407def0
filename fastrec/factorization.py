"""Alternating least squares: the solves and the loss under the models."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec import _check, _threads
from fastrec._least_squares import Basis, Fixed, Side, gram_matrix, losses_in, padded, solve
from fastrec._types import Array


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
    O(nnz n_factors^2 + n_rows n_factors^3); memory beyond the answer is a copy of ``fixed``, n_factors^2 doubles
    a thread, and 8 MiB. The same bits at any number of threads on one instruction set.
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
    side = Side(entry_weights, entry_targets.data, row_regularization, unobserved_weight)
    return solve(side, Fixed(factors, threads), _check.real(tol, "tol", 0), threads).upright(threads)


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
    unobserved_weight = _check.real(unobserved_weight, "unobserved_weight", 0)
    of_users = _check.row_values(user_regularization, "user_regularization", len(users))
    of_items = _check.row_values(item_regularization, "item_regularization", len(items))

    threads = _threads.resolve(None)
    users, items = (padded(factors.astype(np.float64, copy=False)) for factors in (users, items))
    stored = Side(
        entry_weights._replace(data=entry_weights.data.astype(np.float64, copy=False)),
        entry_targets.data.astype(np.float64, copy=False),
        of_users,
        unobserved_weight,
    )
    upright = Basis(np.zeros(items.shape[1]), np.eye(items.shape[1]), items)
    total = losses_in(upright, stored, users, threads).sum()
    total += (of_items * np.square(items).sum(axis=1)).sum()
    grams = (gram_matrix(factors, threads, np.float64) for factors in (users, items))
    return float(total + unobserved_weight * np.multiply(*grams).sum())
