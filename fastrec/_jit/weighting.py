"""Kernels of the weightings: a formula for one entry, and its loop over a block of rows."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fastrec._jit.decorator import kernel
from fastrec._types import Array, Ids, Offsets


@kernel()
def bm25(count: float, length: float, mean_length: float, k1: float, b: float) -> float:
    """Saturated count of a term in a document (Robertson and Walker 1994), without the rarity of the term."""
    return count * (k1 + 1) / (k1 * (1 - b + b * length / mean_length) + count)


@kernel()
def count_columns(indices: Ids, counts: npt.NDArray[np.int64]) -> None:
    """Add 1 to the count of every entry's column."""
    for column in indices:
        counts[column] += 1


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


@kernel(part=True)
def norm_of(data: Array, first: int, last: int, scale: float, power: int) -> float:
    """Norm of entries [first, last), each times ``scale``: sum of absolute values, root of that of squares, largest."""
    total = 0.0
    for at in range(first, last):
        size = abs(scale * np.float64(data[at]))
        total = max(total, size) if power == 0 else total + (size if power == 1 else size * size)
    return math.sqrt(total) if power == 2 else total


@kernel()
def normalize(first: int, last: int, data: Array, indptr: Offsets, power: int, out: Array) -> None:
    """Rows [first, last) of `fastrec.normalize`; where squares may overflow or vanish, times a power of two first."""
    for row in range(first, last):
        begin, end = indptr[row], indptr[row + 1]
        scale = 1.0
        norm = norm_of(data, begin, end, scale, power)
        if not 1e-140 < norm < 1e140:
            exponent = math.frexp(norm_of(data, begin, end, scale, 0))[1]
            scale = math.ldexp(1.0, min(-exponent, 1000))  # of tiny ones 2^1000 is enough, and is finite
            norm = norm_of(data, begin, end, scale, power)
        for at in range(begin, end):
            out[at] = scale * np.float64(data[at]) / norm
