"""Kernels of the weightings: a formula for one entry, and its loop over a block of rows."""

from __future__ import annotations

import numpy as np

from fastrec._jit.decorator import kernel
from fastrec._types import Array, Ids, Offsets


@kernel()
def bm25(count: float, length: float, mean_length: float, k1: float, b: float) -> float:
    """Saturated count of a term in a document (Robertson and Walker 1994), without the rarity of the term."""
    return count * (k1 + 1) / (k1 * (1 - b + b * length / mean_length) + count)


@kernel()
def bm25_weight(
    first: int,
    last: int,
    data: Array,
    indices: Ids,
    indptr: Offsets,
    rarity: Array,
    mean_length: float,
    k1: float,
    b: float,
    out: Array,
) -> None:
    """Rows [first, last) of `fastrec.bm25_weight`."""
    for row in range(first, last):
        length = 0.0
        for at in range(indptr[row], indptr[row + 1]):
            length += np.float64(data[at])
        for at in range(indptr[row], indptr[row + 1]):
            out[at] = bm25(np.float64(data[at]), length, mean_length, k1, b) * rarity[indices[at]]


@kernel()
def tfidf_weight(first: int, last: int, data: Array, indices: Ids, indptr: Offsets, rarity: Array, out: Array) -> None:
    """Rows [first, last) of `fastrec.tfidf_weight`."""
    for at in range(indptr[first], indptr[last]):
        out[at] = np.sqrt(np.float64(data[at])) * rarity[indices[at]]


@kernel()
def norm_of(values: Array, power: int) -> float:
    """Sum of absolute values or of squares (its root), of values whose largest is 1; the largest itself for power 0."""
    total = 0.0
    for value in values:
        total += abs(value) if power == 1 else value * value
    return 1.0 if power == 0 else (total if power == 1 else np.sqrt(total))


@kernel()
def normalize(first: int, last: int, data: Array, indptr: Offsets, power: int, out: Array) -> None:
    """Rows [first, last) of `fastrec.normalize`: scaled by their largest first, so that no square overflows."""
    for row in range(first, last):
        values = data[indptr[row] : indptr[row + 1]].astype(np.float64)
        if len(values) == 0:
            continue
        values /= np.abs(values).max()
        values /= norm_of(values, power)
        out[indptr[row] : indptr[row + 1]] = values
