"""Definitions of the alternating least squares solves, by dense normal equations."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec._types import Array
from fastrec.reference._operands import dense, sparse


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
    """See `fastrec.als_half_step`."""
    from scipy.optimize import nnls

    weights, targets = sparse(weights, keep_zeros=True), sparse(targets, keep_zeros=True)
    fixed = dense(fixed)
    other = fixed.astype(np.float64)
    n_rows, n_factors = weights.shape[0], other.shape[1]
    regularization = np.broadcast_to(regularization, n_rows)
    solutions = np.zeros((n_rows, n_factors), fixed.dtype)
    for row in range(n_rows):
        entries = slice(weights.indptr[row], weights.indptr[row + 1])
        weight = np.full(len(other), unobserved_weight)
        target = np.zeros(len(other))
        weight[weights.indices[entries]] = weights.data[entries]
        target[targets.indices[entries]] = targets.data[entries]
        if nonnegative:
            root, ridge = np.sqrt(weight), np.sqrt(regularization[row]) * np.eye(n_factors)
            solutions[row] = nnls(
                np.vstack([root[:, None] * other, ridge]), np.append(root * target, np.zeros(n_factors))
            )[0]
            continue
        system = (other.T * weight) @ other + regularization[row] * np.eye(n_factors)
        solutions[row] = np.linalg.pinv(system, rcond=1e-13, hermitian=True) @ (other.T @ (weight * target))
    return solutions


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
    """See `fastrec.implicit_loss`."""
    weights, targets = sparse(weights, keep_zeros=True), sparse(targets, keep_zeros=True)
    x, y = np.asarray(user_factors, np.float64), np.asarray(item_factors, np.float64)
    weight = np.full(weights.shape, unobserved_weight)
    target = np.zeros(weights.shape)
    rows = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
    weight[rows, weights.indices] = weights.data
    target[rows, targets.indices] = targets.data
    penalty = (user_regularization * (x**2).sum(axis=1)).sum() + (item_regularization * (y**2).sum(axis=1)).sum()
    return float((weight * (target - x @ y.T) ** 2).sum() + penalty)
