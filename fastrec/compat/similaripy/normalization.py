"""Weightings of the stored values of a sparse matrix."""

from __future__ import annotations

from collections.abc import Callable
from math import e
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastrec import _check
from fastrec._types import is_sparse
from fastrec.compat._ways_in import left_to_original, taken
from fastrec.compat.similaripy.cython_code import normalization as _inplace

_NORMALIZATIONS = {
    "l1": _inplace.inplace_normalize_csr_l1,
    "l2": _inplace.inplace_normalize_csr_l2,
    "max": _inplace.inplace_normalize_csr_max,
}

__getattr__ = left_to_original(__name__)


@taken
def normalize(X: Any, norm: str = "l2", axis: int = 1, inplace: bool = False) -> Any:
    """Scale every row, or every column, to norm 1.

    Parameters
    ----------
    X : sparse matrix
        Any format; dtypes other than float32 and float64 become float32.
    norm : {"l2", "l1", "max"}
        Root of the sum of squares, sum of magnitudes, or largest value; rows whose largest is not positive stay.
    axis : {1, 0}
        1 scales rows, 0 columns.
    inplace : bool
        Change the values of ``X`` itself, where it is stored by what is scaled, in float32 or float64.

    Returns
    -------
    csr_matrix or csr_array
        As ``X`` is a matrix or an array, with the same entries in the same order.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described.
    """
    if norm not in _NORMALIZATIONS:
        raise ValueError(f"norm must be one of {tuple(_NORMALIZATIONS)}, got {norm!r}")
    return _weighted(X, axis, inplace, _NORMALIZATIONS[norm])


@taken
def tfidf(
    X: Any,
    axis: int = 1,
    logbase: float = e,
    tf_mode: str = "sqrt",
    idf_mode: str = "smooth",
    inplace: bool = False,
) -> Any:
    """Weight values by how rare their column is: rows are documents, columns terms.

    Parameters
    ----------
    X, axis, inplace
        As of `normalize`; 0 takes columns as documents.
    logbase : float
        Of the logarithms.
    tf_mode : {"sqrt", "binary", "raw", "freq", "log"}
        What a value x counts: its root, 1, x, x over the row's sum, ln(1 + x).
    idf_mode : {"smooth", "unary", "base", "prob", "bm25"}
        What a column counts that df of N rows have: ln(N / (1 + df)), 1, ln(N / df), ln((N - df) / df),
        ln((N - df + 0.5) / (df + 0.5)).

    Returns
    -------
    csr_matrix or csr_array
        As of `normalize`.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described.
    """
    modes = _modes(tf_mode, idf_mode, logbase)
    return _weighted(X, axis, inplace, _inplace.inplace_normalize_csr_tfidf, **modes)


@taken
def bm25(
    X: Any,
    axis: int = 1,
    k1: float = 1.2,
    b: float = 0.75,
    logbase: float = e,
    tf_mode: str = "raw",
    idf_mode: str = "bm25",
    inplace: bool = False,
) -> Any:
    """Okapi BM25 weights: those of `bm25plus` with a delta of 0.

    Parameters
    ----------
    X, axis, k1, b, logbase, tf_mode, idf_mode, inplace
        As of `bm25plus`.

    Returns
    -------
    csr_matrix or csr_array
        As of `normalize`.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described.
    """
    modes = _modes(tf_mode, idf_mode, logbase)
    return _weighted(X, axis, inplace, _inplace.inplace_normalize_csr_bm25plus, k1=k1, b=b, delta=0.0, **modes)


@taken
def bm25plus(
    X: Any,
    axis: int = 1,
    k1: float = 1.2,
    b: float = 0.75,
    delta: float = 1.0,
    logbase: float = e,
    tf_mode: str = "raw",
    idf_mode: str = "bm25",
    inplace: bool = False,
) -> Any:
    """BM25+ weights: (t (k1 + 1) / (t + k1 (1 - b + b length / mean length)) + delta) * idf, t by ``tf_mode``.

    Parameters
    ----------
    X, axis, logbase, tf_mode, idf_mode, inplace
        As of `tfidf`.
    k1 : float
        Saturation.
    b : float
        How far a row's sum, relative to the mean sum, weakens its values.
    delta : float
        What every stored value gets beside.

    Returns
    -------
    csr_matrix or csr_array
        As of `normalize`.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described.
    """
    modes = _modes(tf_mode, idf_mode, logbase)
    return _weighted(X, axis, inplace, _inplace.inplace_normalize_csr_bm25plus, k1=k1, b=b, delta=delta, **modes)


def _modes(tf_mode: str, idf_mode: str, logbase: float) -> dict[str, Any]:
    for name, mode, known in (("tf_mode", tf_mode, _inplace.TF_MODES), ("idf_mode", idf_mode, _inplace.IDF_MODES)):
        if mode not in known:
            raise ValueError(f"{name} must be one of {tuple(known)}, got {mode!r}")
    return {"tf_mode": tf_mode, "idf_mode": idf_mode, "logbase": _check.real(logbase, "logbase")}


def _weighted(x: Any, axis: int, inplace: bool, weight: Callable[..., None], **options: Any) -> Any:
    """The rows of a matrix, or its columns, with other values."""
    if axis not in (0, 1):
        raise ValueError(f"axis must be 0 or 1, got {axis}")
    if not is_sparse(x):
        raise TypeError("X must be a sparse matrix")
    _check.places(x, "X")
    if x.dtype not in (np.float32, np.float64):
        x = csr_array(x, dtype=np.float32)
    elif not inplace:
        x = x.copy()
    rows = (x if axis == 1 else x.T).tocsr()
    weight(rows.shape, rows.data, rows.indices, rows.indptr, **options)
    return rows if axis == 1 else rows.T.tocsr()
