"""Definition of item-item similarity."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastrec.reference._operands import sparse
from fastrec.reference.selection import best_entries, stacked, sum_of_rows

MEASURES = {
    "dot": lambda dot, sumsq_i, sumsq_j, shrinkage: dot / (1 + shrinkage),
    "cosine": lambda dot, sumsq_i, sumsq_j, shrinkage: dot / (np.sqrt(sumsq_i) * np.sqrt(sumsq_j) + shrinkage),
}


def item_similarity(
    user_items: Any,
    k: int,
    *,
    metric: str = "cosine",
    shrinkage: float = 0.0,
    threshold: float | None = None,
    binary: bool = False,
    min_support: int = 1,
    keep_diagonal: bool = False,
    n_threads: int | None = None,
) -> csr_array:
    """See `fastrec.item_similarity`."""
    ratings = sparse(user_items)
    dtype = np.float64 if np.dtype(user_items.dtype) in ("<f8", ">f8") else np.float32
    if binary:
        ratings.data[:] = 1
    item_users = ratings.T.tocsr()
    item_users.sort_indices()
    with np.errstate(over="ignore"):
        sumsq = np.array([sum((x * x for x in row.data.astype(np.float64)), 0.0) for row in rows_of(item_users)])
    rows = []
    for item in range(item_users.shape[0]):
        dots, n_common = sum_of_rows(item_users, ratings, item, np.float64)
        others = np.flatnonzero(n_common >= max(1, min_support))
        if not keep_diagonal:
            others = others[others != item]
        with np.errstate(all="ignore"):
            values = MEASURES[metric](dots[others], sumsq[item], sumsq[others], shrinkage).astype(dtype)
        rows.append(best_entries(others, values, k, threshold))
    return stacked(rows, dtype, item_users.shape[0])


def rows_of(matrix: csr_array) -> list[csr_array]:
    """Each row as a matrix."""
    return [matrix[[row]] for row in range(matrix.shape[0])]
