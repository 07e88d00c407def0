"""Answers held against fastrec.reference."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from fastrec._types import Array, TopK


class Finding(NamedTuple):
    """What was compared, how many rows of it, and how many differ from the reference."""

    what: str
    n_rows: int
    n_wrong: int


def same_answers(what: str, answer: TopK, expected: TopK) -> Finding:
    """Items and scores must be equal, bit for bit."""
    return _rows_alike(what, (answer.items == expected.items) & (answer.scores == expected.scores))


def same_rows(what: str, answer: csr_array, expected: csr_array) -> Finding:
    """Every row must hold the same columns and values in the same order."""
    pairs = zip(_rows(answer), _rows(expected), strict=True)
    alike = [all(map(np.array_equal, mine, theirs)) for mine, theirs in pairs]
    return _rows_alike(what, np.array(alike, np.bool_)[:, None])


def close_rows(what: str, answer: Array, expected: Array, tolerance: float) -> Finding:
    """Every row must lie within a fraction of the expected row's length."""
    distance = np.linalg.norm(answer.astype(np.float64) - expected, axis=1)
    return _rows_alike(what, (distance <= tolerance * np.linalg.norm(expected, axis=1))[:, None])


def _rows_alike(what: str, alike: Array) -> Finding:
    return Finding(what, len(alike), int((~alike.all(axis=1)).sum()))


def _rows(matrix: csr_array) -> list[tuple[Array, Array]]:
    bounds = zip(matrix.indptr, matrix.indptr[1:], strict=False)
    return [(matrix.indices[start:end], matrix.data[start:end]) for start, end in bounds]
