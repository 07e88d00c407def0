"""Weightings of a sparse matrix of counts, as text retrieval has them: rows are documents, columns are terms."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastrec import _check, _dispatch, _threads
from fastrec._row_facts import positives_of_columns
from fastrec._transpose import transposed
from fastrec._types import Array, Csr

_POWERS = {"l2": 2, "l1": 1, "max": 0}
_MOST_K1 = 1e100  # beyond which weights could be inf / inf
_ENTRIES_A_THREAD = 1 << 18  # whose weights take as long as a thread does to start


def bm25_weight(x: Any, *, k1: float = 1.2, b: float = 0.75, n_threads: int | None = None) -> csr_array:
    """Okapi BM25 weight of every count.

    Parameters
    ----------
    x : sparse matrix, shape (n_documents, n_terms)
        Counts, at least 0. Any format, index dtype and order; duplicates are summed, stored zeros dropped.
    k1 : float, 0 to 1e100
        Saturation: a count c tends to k1 + 1 as it grows.
    b : float, 0 to 1
        How far a document's length, relative to the mean length, weakens its counts.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Returns
    -------
    csr_array of the same shape
        x (k1 + 1) / (k1 (1 - b + b length / mean length) + x) * idf, where length is the sum of a row and
        idf = ln(n_documents) - ln(1 + number of rows that have the term). float32 for float32 input, bool, int8, int16
        and float16; float64 for others.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, or a count is negative.

    Notes
    -----
    Linear in the stored entries; memory is the result. Robertson and Walker, "Some simple effective approximations to
    the 2-Poisson model", 1994. The first call of a process that finds no cache compiles.
    """
    k1, b = _check.real(k1, "k1", 0, _MOST_K1), _check.real(b, "b", 0, 1)
    threads = _threads.resolve(n_threads)
    return bm25_of(counts_of(x, "x", threads), k1, b, threads)


def bm25_of(counts: Csr, k1: float, b: float, threads: int) -> csr_array:
    """`bm25_weight` of checked arguments."""
    with np.errstate(over="ignore"):
        total = counts.data.sum(dtype=np.float64)
        _check.finite(np.asarray(total * (k1 + 1)), "sum of counts times (k1 + 1)")
    mean_length = total / counts.shape[0] if total else 1.0
    out = np.empty_like(counts.data)
    _run("bm25_weight", counts, threads, counts.indices, counts.indptr, _rarity(counts), mean_length, k1, b, out)
    return counts.with_data(out).to_scipy()


def tfidf_weight(x: Any, *, n_threads: int | None = None) -> csr_array:
    """TF-IDF weight of every count: its square root times the rarity of its column.

    Parameters
    ----------
    x : sparse matrix, shape (n_documents, n_terms)
        Counts, at least 0. Any format, index dtype and order; duplicates are summed, stored zeros dropped.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Returns
    -------
    csr_array of the same shape
        sqrt(x) * idf with idf = ln(n_documents) - ln(1 + number of rows that have the term). float32 for float32
        input, bool, int8, int16 and float16; float64 for others.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, or a count is negative.

    Notes
    -----
    Linear in the stored entries; memory is the result. Sparck Jones, "A statistical interpretation of term specificity
    and its application in retrieval", 1972.
    """
    threads = _threads.resolve(n_threads)
    return tfidf_of(counts_of(x, "x", threads), threads)


def tfidf_of(counts: Csr, threads: int) -> csr_array:
    """`tfidf_weight` of checked arguments."""
    out = np.empty_like(counts.data)
    _run("tfidf_weight", counts, threads, counts.indices, counts.indptr, _rarity(counts), out)
    return counts.with_data(out).to_scipy()


def normalize(x: Any, *, norm: str = "l2", axis: int = 1, n_threads: int | None = None) -> csr_array:
    """Scale every row, or every column, to norm 1.

    Parameters
    ----------
    x : sparse matrix, shape (n_rows, n_columns)
        Any format, index dtype and order; duplicates are summed, stored zeros dropped.
    norm : {"l2", "l1", "max"}
        Root of the sum of squares, sum of absolute values, or largest absolute value.
    axis : {1, 0}
        1 scales rows, 0 columns. Empty ones stay empty.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Returns
    -------
    csr_array of the same shape
        float32 for float32 input, bool, int8, int16 and float16; float64 for others.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described.

    Notes
    -----
    Linear in the stored entries; memory is the result, and for columns a transposed copy. Squares neither overflow nor
    underflow.
    """
    power = _POWERS[_check.choice(norm, "norm", _POWERS)]
    axis = _check.integer(axis, "axis", 0, 1)
    threads = _threads.resolve(n_threads)
    given = _check.csr(x, "x", n_threads=threads)
    rows = given if axis == 1 else transposed(given, threads)
    scaled = normalized(rows, power, threads)
    return (scaled if axis == 1 else transposed(scaled, threads)).to_scipy()


def normalized(rows: Csr, power: int, threads: int) -> Csr:
    """`normalize` of checked rows."""
    out = np.empty_like(rows.data)
    _run("normalize", rows, threads, rows.indptr, power, out)
    return rows.with_data(out)


def _run(operation: str, rows: Csr, n_threads: int, *args: Any) -> None:
    worthwhile = min(n_threads, max(1, len(rows.data) // _ENTRIES_A_THREAD))
    _threads.run_blocks(_dispatch.kernel(operation), rows.shape[0], worthwhile, rows.data, *args)


def counts_of(x: Any, name: str, threads: int) -> Csr:
    """A matrix of numbers that are not negative."""
    counts = _check.csr(x, name, n_threads=threads)
    _check.not_negative(counts.data, name, "counts of terms")
    return counts


def _rarity(counts: Csr) -> Array:
    """Inverse document frequency of every column."""
    n_rows, n_columns = counts.shape
    n_rows_with = positives_of_columns(counts.data, counts.indices, n_columns)  # np.bincount would copy indices first
    rarity: Array = np.log(max(n_rows, 1)) - np.log1p(n_rows_with)
    return rarity
