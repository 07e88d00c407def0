"""Definitions of the weightings."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastrec._types import Array
from fastrec.reference._operands import sparse


def bm25_weight(x: Any, *, k1: float = 1.2, b: float = 0.75, n_threads: int | None = None) -> csr_array:
    """See `fastrec.bm25_weight`."""
    counts = sparse(x)
    lengths = counts.sum(axis=1, dtype=np.float64)
    mean = lengths.mean() if lengths.any() else 1.0
    values = counts.data.astype(np.float64)
    saturation = values * (k1 + 1) / (k1 * (1 - b + b * lengths[row_of_entry(counts)] / mean) + values)
    return with_data(counts, saturation * idf(counts)[counts.indices])


def tfidf_weight(x: Any, *, n_threads: int | None = None) -> csr_array:
    """See `fastrec.tfidf_weight`."""
    counts = sparse(x)
    return with_data(counts, np.sqrt(counts.data.astype(np.float64)) * idf(counts)[counts.indices])


def normalize(x: Any, *, norm: str = "l2", axis: int = 1, n_threads: int | None = None) -> csr_array:
    """See `fastrec.normalize`."""
    matrix = sparse(x)
    if axis == 0:
        result = normalize(matrix.T.tocsr(), norm=norm).T.tocsr()
        result.sort_indices()
        return result
    values = matrix.data.astype(np.float64)
    for start, end in zip(matrix.indptr, matrix.indptr[1:], strict=False):
        row = values[start:end]
        if len(row):
            largest = np.abs(row).max()  # first, so that no square overflows
            row /= largest
            row /= {"l2": np.sqrt((row**2).sum()), "l1": np.abs(row).sum(), "max": 1.0}[norm]
    return with_data(matrix, values)


def idf(counts: csr_array) -> Array:
    """Inverse document frequency of every column: rows are documents."""
    n_documents = np.bincount(counts.indices, minlength=counts.shape[1])
    rarity: Array = np.log(max(counts.shape[0], 1)) - np.log1p(n_documents)
    return rarity


def row_of_entry(matrix: csr_array) -> Array:
    """The row of every stored entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def with_data(matrix: csr_array, values: Array) -> csr_array:
    """The same pattern with other values, in the matrix's dtype."""
    return csr_array((values.astype(matrix.dtype), matrix.indices, matrix.indptr), shape=matrix.shape)
