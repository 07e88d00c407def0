"""Weightings of the stored values of CSR arrays, in their place: rows are documents, columns terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import e

import numpy as np

from fastrec._row_facts import positives_of_columns
from fastrec._types import Array
from fastrec.compat._ways_in import left_to_original, taken

TF_MODES = ("binary", "raw", "sqrt", "freq", "log")
IDF_MODES = ("unary", "base", "smooth", "prob", "bm25")
_ENTRIES_AT_ONCE = 1 << 17  # what is made of more would be new memory, which takes longer than to compute it

__getattr__ = left_to_original(__name__)


@taken
def inplace_normalize_csr_l1(shape: tuple[int, int], data: Array, indices: Array, indptr: Array) -> None:
    """Divide rows by their sums of magnitudes."""
    _divide(data, indptr, lambda values, ends: _sums(np.abs(values), ends))


@taken
def inplace_normalize_csr_l2(shape: tuple[int, int], data: Array, indices: Array, indptr: Array) -> None:
    """Divide rows by the roots of their sums of squares."""
    _divide(data, indptr, lambda values, ends: np.sqrt(_sums(np.square(values, dtype=np.float64), ends)))


@taken
def inplace_normalize_csr_max(shape: tuple[int, int], data: Array, indices: Array, indptr: Array) -> None:
    """Divide rows by their largest values, where those are positive."""
    _divide(data, indptr, lambda values, ends: np.maximum(_reduced(np.maximum, values, ends), 0))


@taken
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
    rarity = _rarity(shape, data, indices, idf_mode, logbase)
    for _, entries, ends in _blocks(indptr):
        values = data[entries]
        np.multiply(_frequencies(values, ends, tf_mode, logbase), rarity.take(indices[entries]), out=values)


@taken
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
    rarity = _rarity(shape, data, indices, idf_mode, logbase)
    lengths = np.empty(len(indptr) - 1)
    for rows, entries, ends in _blocks(indptr):
        lengths[rows] = _sums(data[entries], ends)
    total = lengths.sum()
    relative = lengths * (len(lengths) / total if total else 0.0)
    for rows, entries, ends in _blocks(indptr):
        values = data[entries]
        frequencies = _frequencies(values, ends, tf_mode, logbase)
        saturated = frequencies + _of_entries(k1 * (1 - b + b * relative[rows]), values, ends)
        with np.errstate(divide="ignore", invalid="ignore"):
            np.divide(frequencies, saturated, out=saturated)
        saturated *= k1 + 1
        saturated += delta
        np.multiply(saturated, rarity.take(indices[entries]), out=values)


def _blocks(indptr: Array) -> Iterator[tuple[slice, slice, Array]]:
    """Some rows at a time: which they are, their entries, and row pointers to these."""
    n_rows, first = len(indptr) - 1, 0
    while first < n_rows:
        fit = int(np.searchsorted(indptr, int(indptr[first]) + _ENTRIES_AT_ONCE, side="right")) - 1
        last = min(max(fit, first + 1), n_rows)
        yield slice(first, last), slice(indptr[first], indptr[last]), indptr[first : last + 1] - indptr[first]
        first = last


def _sums(values: Array, indptr: Array) -> Array:
    """Of rows, in float64."""
    return _reduced(np.add, values, indptr)


def _reduced(operation: np.ufunc, values: Array, indptr: Array) -> Array:
    """Rows, in float64; 0 for empty ones."""
    found, filled = np.zeros(len(indptr) - 1), np.flatnonzero(np.diff(indptr))
    if len(filled):
        found[filled] = operation.reduceat(values[: indptr[-1]], indptr[filled], dtype=np.float64)
    return found


def _of_entries(of_rows: Array, data: Array, indptr: Array) -> Array:
    """The number of its row for each entry."""
    return np.repeat(of_rows.astype(data.dtype), np.diff(indptr))


def _divide(data: Array, indptr: Array, norms_of: Callable[[Array, Array], Array]) -> None:
    """Rows of norm zero stay."""
    for _, entries, ends in _blocks(indptr):
        values = data[entries]
        norms = norms_of(values, ends)
        values /= _of_entries(np.where(norms == 0, 1, norms), values, ends)


def _frequencies(data: Array, indptr: Array, mode: str, logbase: float) -> Array:
    """What values count for, in their dtype."""
    frequencies: Array = data
    with np.errstate(divide="ignore", invalid="ignore"):
        if mode == "binary":
            frequencies = (data != 0).astype(data.dtype)
        elif mode == "sqrt":
            frequencies = np.sqrt(data)
        elif mode == "freq":
            frequencies = data / _of_entries(_sums(data, indptr), data, indptr)
        elif mode == "log":
            frequencies = np.log1p(data) / data.dtype.type(np.log(logbase))
    return frequencies


def _rarity(shape: tuple[int, int], data: Array, indices: Array, mode: str, logbase: float) -> Array:
    """Of every column, by how many rows have a positive value in it, in the dtype of values; 0 where none has."""
    n_documents, found = shape[0], positives_of_columns(data, indices, shape[1]).astype(np.float64)
    if mode == "unary":
        return (found > 0).astype(data.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = {
            "base": n_documents / found,
            "smooth": n_documents / (1 + found),
            "prob": (n_documents - found) / found,
            "bm25": (n_documents - found + 0.5) / (found + 0.5),
        }[mode]
        rarity: Array = np.where(found > 0, np.log(ratio) / np.log(logbase), 0.0).astype(data.dtype)
    return rarity
