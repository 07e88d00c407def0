"""Definitions of what the linear models learn, and of their scores, by dense matrices in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec._types import Array
from fastrec.reference._operands import sparse


def pure_svd(user_items: Any, n_factors: int) -> tuple[Array, Array]:
    """Singular values, descending, and right singular vectors as columns, with zeros beyond the smaller side.

    See `fastrec.PureSVD`.
    """
    x = sparse(user_items).toarray().astype(np.float64)
    _, values, directions = np.linalg.svd(x, full_matrices=False)
    values, directions = values[:n_factors], directions[:n_factors].T
    largest = np.abs(directions).argmax(axis=0)
    directions = directions * np.sign(directions[largest, np.arange(directions.shape[1])])
    missing = n_factors - len(values)
    return np.pad(values, (0, missing)), np.pad(directions, ((0, 0), (0, missing)))


def ease_weights(user_items: Any, regularization: float = 500.0) -> Array:
    """See `fastrec.EASE`."""
    x = sparse(user_items).toarray().astype(np.float64)
    inverse = np.linalg.inv(x.T @ x + regularization * np.eye(x.shape[1]))
    weights = -inverse / np.diagonal(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def linear_scores(user_items: Any, weights: Any) -> Array:
    """Scores of all items by dense weights: terms in ascending order of the row's items, in float64, rounded once."""
    rows = sparse(user_items)
    sums = np.zeros((rows.shape[0], weights.shape[1]))
    for row in range(rows.shape[0]):
        for at in range(rows.indptr[row], rows.indptr[row + 1]):
            sums[row] += np.float64(rows.data[at]) * weights[rows.indices[at]].astype(np.float64)
    return sums.astype(np.result_type(rows.dtype, weights.dtype))


def slim_objective(
    user_items: Any, weights: Any, l1_regularization: float = 1.0, l2_regularization: float = 1.0
) -> Array:
    """What `fastrec.SLIM` minimises, an item each: the column of its weights."""
    x, b = sparse(user_items).toarray().astype(np.float64), np.asarray(weights, np.float64)
    squares = ((x - x @ b) ** 2).sum(axis=0) + l2_regularization * (b**2).sum(axis=0)
    objective: Array = squares / 2 + l1_regularization * np.abs(b).sum(axis=0)
    return objective


def slim_weights(
    user_items: Any,
    l1_regularization: float = 1.0,
    l2_regularization: float = 1.0,
    *,
    positive: bool = True,
    n_epochs: int = 2000,
) -> Array:
    """See `fastrec.SLIM`: by coordinate descent, one weight after the other, without any selection."""
    x = sparse(user_items).toarray().astype(np.float64)
    gram = x.T @ x
    weights = np.zeros_like(gram)
    for item in range(len(gram)):
        for _ in range(n_epochs):
            before = weights[:, item].copy()
            for other in np.flatnonzero(np.diagonal(gram)):
                if other != item:
                    slope = gram[other, item] - gram[other] @ weights[:, item]
                    slope += gram[other, other] * weights[other, item]
                    size = max(0.0, (slope if positive else abs(slope)) - l1_regularization)
                    weights[other, item] = np.sign(slope) * size / (gram[other, other] + l2_regularization)
            if np.array_equal(before, weights[:, item]):
                break
    return weights
