"""Weightings of the stored values of CSR arrays, in their place: rows are documents, columns terms."""

from __future__ import annotations

from math import e

import numpy as np

from fastrec._types import Array
from fastrec.compat._ways_in import left_to_original

TF_MODES = ("binary", "raw", "sqrt", "freq", "log")
IDF_MODES = ("unary", "base", "smooth", "prob", "bm25")

__getattr__ = left_to_original(__name__)


def inplace_normalize_csr_l1(shape: tuple[int, int], data: Array, indices: Array, indptr: Array) -> None:
    """Divide rows by their sums of magnitudes."""
    _divide(data, indptr, _sums(np.abs(data), indptr))


def inplace_normalize_csr_l2(shape: tuple[int, int], data: Array, indices: Array, indptr: Array) -> None:
    """Divide rows by the roots of their sums of squares."""
    _divide(data, indptr, np.sqrt(_sums(np.square(data, dtype=np.float64), indptr)))


def inplace_normalize_csr_max(shape: tuple[int, int], data: Array, indices: Array, indptr: Array) -> None:
    """Divide rows by their largest values, where those are positive."""
    filled = np.flatnonzero(np.diff(indptr))
    largest = np.zeros(len(indptr) - 1)
    if len(filled):
        largest[filled] = np.maximum.reduceat(data[: indptr[-1]], indptr[filled])
    _divide(data, indptr, np.maximum(largest, 0))


def inplace_normalize_csr_tfidf(
    shape: tuple[int, int],
    data: Array,
    indices: Array,
    indptr: Array,
    tf_mode: str = "sqrt",
    idf_mode: str = "smooth",
    logbase: float = e,
) -> None:
    """Weight values by the rarity of their columns."""
    data[...] = _frequencies(data, indptr, tf_mode, logbase) * _rarity(shape, data, indices, idf_mode, logbase)[indices]


def inplace_normalize_csr_bm25plus(
    shape: tuple[int, int],
    data: Array,
    indices: Array,
    indptr: Array,
    k1: float = 1.2,
    b: float = 0.75,
    delta: float = 1.0,
    tf_mode: str = "raw",
    idf_mode: str = "bm25",
    logbase: float = e,
) -> None:
    """Weight values by saturation, the length of their rows and the rarity of their columns."""
    frequencies = _frequencies(data, indptr, tf_mode, logbase)
    lengths = _sums(data, indptr)
    total = lengths.sum()
    relative = lengths * (len(lengths) / total if total else 0.0)
    saturated = frequencies + np.repeat(k1 * (1 - b + b * relative), np.diff(indptr))
    rarity = _rarity(shape, data, indices, idf_mode, logbase)
    with np.errstate(divide="ignore", invalid="ignore"):
        data[...] = rarity[indices] * (frequencies * (k1 + 1) / saturated + delta)


def _sums(values: Array, indptr: Array) -> Array:
    """Of rows, in float64."""
    n_rows = len(indptr) - 1
    row = np.repeat(np.arange(n_rows), np.diff(indptr))
    sums: Array = np.bincount(row, values[: indptr[-1]], n_rows)
    return sums


def _divide(data: Array, indptr: Array, norms: Array) -> None:
    """Rows of norm zero stay."""
    data[: indptr[-1]] /= np.repeat(np.where(norms == 0, 1, norms), np.diff(indptr))


def _frequencies(data: Array, indptr: Array, mode: str, logbase: float) -> Array:
    frequencies: Array = data.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if mode == "binary":
            frequencies = (frequencies != 0).astype(np.float64)
        elif mode == "sqrt":
            frequencies = np.sqrt(frequencies)
        elif mode == "freq":
            frequencies = frequencies / np.repeat(_sums(data, indptr), np.diff(indptr))
        elif mode == "log":
            frequencies = np.log1p(frequencies) / np.log(logbase)
    return frequencies


def _rarity(shape: tuple[int, int], data: Array, indices: Array, mode: str, logbase: float) -> Array:
    """Of every column, by how many rows have a positive value in it; 0 where none has."""
    n_documents, found = shape[0], np.bincount(indices[data > 0], minlength=shape[1]).astype(np.float64)
    if mode == "unary":
        return np.where(found > 0, 1.0, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = {
            "base": n_documents / found,
            "smooth": n_documents / (1 + found),
            "prob": (n_documents - found) / found,
            "bm25": (n_documents - found + 0.5) / (found + 0.5),
        }[mode]
        rarity: Array = np.where(found > 0, np.log(ratio) / np.log(logbase), 0.0)
    return rarity
