"""Kernels of the weightings: a formula for one entry, and its loop over a block of rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastrec._jit.decorator import kernel
from fastrec._jit.lanes import keep, pointer
from fastrec._types import Array, Ids, Offsets

_TOGETHER = 256  # entries


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
    data_, indices_, indptr_ = pointer(data), pointer(indices), pointer(indptr)
    rarity_, out_ = pointer(rarity), pointer(out)
    for row in range(first, last):
        begin, end = indptr_[row], indptr_[row + 1]
        length = 0.0
        for at in range(begin, end):
            length += np.float64(data_[at])
        for at in range(begin, end):
            out_[at] = bm25(np.float64(data_[at]), length, mean_length, k1, b) * rarity_[indices_[at]]


@kernel()
def tfidf_weight(first: int, last: int, data: Array, indices: Ids, indptr: Offsets, rarity: Array, out: Array) -> None:
    """Rows [first, last) of `fastrec.tfidf_weight`."""
    data_, indices_, rarity_, out_ = pointer(data), pointer(indices), pointer(rarity), pointer(out)
    roots = np.empty(_TOGETHER)  # in a loop of its own, which becomes one of vectors
    roots_ = pointer(roots)
    begin, end = indptr[first], indptr[last]
    for start in range(begin, end, _TOGETHER):
        n = min(_TOGETHER, end - start)
        for at in range(n):
            roots_[at] = np.sqrt(np.float64(data_[start + at]))
        for at in range(n):
            out_[start + at] = roots_[at] * rarity_[indices_[start + at]]
    keep(roots)


@kernel(part=True)
def part_of_norm(value: Any, scale: Any, power: Any) -> Any:
    """What an entry, times ``scale``, adds to the sum of absolute values or of squares."""
    size = abs(scale * np.float64(value))
    return size * size if power == 2 else size


@kernel(part=True)
def norm_of(data: Any, first: Any, last: Any, scale: Any, power: Any) -> Any:
    """Norm of entries [first, last), each times ``scale``: sum of absolute values, root of that of squares, largest.

    Four sums, each of which waits a quarter as long. Takes a pointer.
    """
    if power == 0:
        largest = 0.0
        for at in range(first, last):
            largest = max(largest, part_of_norm(data[at], scale, 1))
        return largest
    at, one, two, three, four = first, 0.0, 0.0, 0.0, 0.0
    while at + 4 <= last:
        one += part_of_norm(data[at], scale, power)
        two += part_of_norm(data[at + 1], scale, power)
        three += part_of_norm(data[at + 2], scale, power)
        four += part_of_norm(data[at + 3], scale, power)
        at += 4
    while at < last:
        one += part_of_norm(data[at], scale, power)
        at += 1
    total = (one + two) + (three + four)
    return math.sqrt(total) if power == 2 else total


@kernel()
def normalize(first: int, last: int, data: Array, indptr: Offsets, power: int, out: Array) -> None:
    """Rows [first, last) of `fastrec.normalize`; where squares may overflow or vanish, times a power of two first."""
    data_, indptr_, out_ = pointer(data), pointer(indptr), pointer(out)
    for row in range(first, last):
        begin, end = indptr_[row], indptr_[row + 1]
        scale = 1.0
        norm = norm_of(data_, begin, end, scale, power)
        if not 1e-140 < norm < 1e140:
            exponent = math.frexp(norm_of(data_, begin, end, scale, 0))[1]
            scale = math.ldexp(1.0, min(-exponent, 1000))  # of tiny ones 2^1000 is enough, and is finite
            norm = norm_of(data_, begin, end, scale, power)
        for at in range(begin, end):
            out_[at] = scale * np.float64(data_[at]) / norm
