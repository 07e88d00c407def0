"""Definitions of the loss of non-negative matrix factorisation and of half an epoch, by dense matrices in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec._types import Array
from fastrec.reference._operands import sparse


def nmf_loss(
    user_items: Any,
    user_factors: Any,
    item_factors: Any,
    *,
    unseen: str = "zeros",
    l1_regularization: tuple[float, float] = (0.0, 0.0),
    l2_regularization: tuple[float, float] = (0.0, 0.0),
) -> float:
    """What `fastrec.NMF` minimises; penalties of users and items."""
    x, counts = _cells(user_items, unseen)
    sides = np.asarray(user_factors, np.float64), np.asarray(item_factors, np.float64)
    loss = (counts * (x - sides[0] @ sides[1].T) ** 2).sum() / 2
    for side, l1, l2 in zip(sides, l1_regularization, l2_regularization, strict=True):
        loss += l1 * side.sum() + l2 / 2 * (side**2).sum()
    return float(loss)


def nmf_half_step(
    rows: Any, factors: Any, fixed: Any, *, unseen: str = "zeros", l1: float = 0.0, l2: float = 0.0, n_sweeps: int = 1
) -> Array:
    """Factors of rows after so many sweeps: of all others held, each coordinate in turn is where the loss is least."""
    x, counts = _cells(rows, unseen)
    out, other = np.array(factors, np.float64), np.asarray(fixed, np.float64)
    for row, solution in enumerate(out):
        seen = other[counts[row]]
        for t in np.tile(np.arange(other.shape[1]), n_sweeps):
            curvature = seen[:, t] @ seen[:, t] + l2
            if curvature > 0:
                slope = seen[:, t] @ (x[row, counts[row]] - seen @ solution) - l1 - l2 * solution[t]
                solution[t] = max(0.0, solution[t] + slope / curvature)
    out[np.diff(sparse(rows, keep_zeros=unseen == "unobserved").indptr) == 0] = 0
    return out


def _cells(user_items: Any, unseen: str) -> tuple[Array, Array]:
    """Values, and which cells count."""
    stored = sparse(user_items, keep_zeros=True)
    values = stored.toarray().astype(np.float64)
    if unseen == "zeros":
        return values, np.ones(values.shape, np.bool_)
    stored.data = np.ones_like(stored.data)
    return values, stored.toarray() > 0
