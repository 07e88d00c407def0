"""Alternating least squares: the solves and the loss under the models."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec import _check, _threads
from fastrec._least_squares import Fixed, Side, gram_matrix, losses_of_entries, solve, solve_nonnegative
from fastrec._types import Array


def als_half_step(
    weights: Any,
    targets: Any,
    fixed: Any,
    *,
    unobserved_weight: float = 1.0,
    regularization: Any = 0.01,
    nonnegative: bool = False,
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
    nonnegative : bool
        Minimise over x of at least 0.
    tol : float, at least 0
        Largest residual of a row's normal equations in relation to their right side. 0: by Cholesky, in float64, as
        ``nonnegative`` rows always are.
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
    entries add to it is of low rank, so that few steps solve it. Rows of few entries are solved by systems of the size
    of their entries instead (Woodbury). Rows that do not get to ``tol`` are solved by Cholesky in float64, those that
    it finds singular by eigenvectors.

    Rows that may not be negative are solved by Cholesky too, of the factors that are not 0: block principal pivoting
    (Kim and Park, "Fast nonnegative matrix factorization: an active-set-like method and comparisons", 2011) finds in
    a few steps which those are. The gradient is then at least -1e-11 of its terms, and 0 where the solution is
    not; a singular system gets 1e-8 of its largest diagonal term added to the diagonal, which leaves it a solution
    near the least.

    Time is O(steps nnz n_factors + (n_rows + n_fixed) n_factors^2 + n_factors^3), by Cholesky
    O(nnz n_factors^2 + n_rows n_factors^3); memory beyond the answer is that again and a copy of ``fixed``, rows of
    both filled up to a multiple of 16 factors, n_factors^2 doubles a thread and, where a row has more than 2^23 values,
    16 such matrices. The same bits at any number of threads on one instruction set.
    """
    threads = _threads.resolve(n_threads)
    entry_weights = _check.csr(weights, "weights", keep_zeros=True)
    entry_targets = _check.csr(targets, "targets", keep_zeros=True)
    _check.same_pattern(entry_weights, "weights", entry_targets, "targets")
    _check.not_negative(entry_weights.data, "weights", "weights")
    factors = _check.finite(_check.dense(fixed, "fixed", what="fixed"), "fixed")
    _check.same_inner(entry_weights.shape[1], "weights", len(_check.with_columns(factors, "fixed")), "fixed")
    for entries, name in ((entry_weights, "weights"), (entry_targets, "targets")):
        _check.holdable(entries.data, name, factors.dtype)
    unobserved_weight = _check.real(unobserved_weight, "unobserved_weight", 0)
    row_regularization = _check.row_values(regularization, "regularization", entry_weights.shape[0])
    side, other = (
        Side(entry_weights, entry_targets.data, row_regularization, unobserved_weight),
        Fixed(factors, threads),
    )
    tol = _check.real(tol, "tol", 0)
    if _check.flag(nonnegative, "nonnegative"):
        return solve_nonnegative(side, other, factors.shape[1], threads, "weights, targets and fixed")
    return solve(side, other, tol, threads).upright(threads)


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
    _check.same_inner(entry_weights.shape[1], "weights", len(items), "item_factors")
    unobserved_weight = _check.real(unobserved_weight, "unobserved_weight", 0)
    of_users = _check.row_values(user_regularization, "user_regularization", len(users))
    of_items = _check.row_values(item_regularization, "item_regularization", len(items))

    threads = _threads.resolve(None)
    stored = Side(entry_weights, entry_targets.data, of_users, unobserved_weight)
    total = losses_of_entries(stored, items, users, threads).sum()
    grams = (gram_matrix(factors, threads, np.float64) for factors in (users, items))
    with np.errstate(over="ignore", invalid="ignore"):
        total += (of_items * np.square(items, dtype=np.float64).sum(axis=1)).sum()
        loss = float(total + unobserved_weight * np.multiply(*grams).sum())
    if np.isnan(loss) and np.isfinite(users).all() and np.isfinite(items).all():
        _check.finite(np.asarray(loss), "loss of user_factors and item_factors")
    return loss
