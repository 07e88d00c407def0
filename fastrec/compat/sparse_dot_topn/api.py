"""Sparse products of which the largest entries of every row are kept."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix as coo_matrix
from scipy.sparse import csc_matrix as csc_matrix
from scipy.sparse import csr_matrix

from fastrec import _check, _machine, _threads
from fastrec._types import is_sparse
from fastrec.compat._numbers import threads_of
from fastrec.compat._ways_in import left_to_original, level_of_caller, taken
from fastrec.compat.sparse_dot_topn._product import product
from fastrec.compat.sparse_dot_topn.types import assert_idx_dtype, assert_supported_dtype, ensure_compatible_dtype
from fastrec.selection import best_of_blocks

__getattr__ = left_to_original(__name__)

__all__ = ["awesome_cossim_topn", "sp_matmul", "sp_matmul_topn", "zip_sp_matmul_topn"]


@taken
def sp_matmul(A: Any, B: Any, n_threads: int | None = None, idx_dtype: Any = None) -> csr_matrix:
    """The product A B, or A B^T where only that fits, as SciPy gives it: entries in its order, none zero.

    Parameters
    ----------
    A, B : sparse matrix in CSR, CSC or COO, of int32, int64, float32 or float64
        Both of integers or both of floats; the wider of two dtypes is computed.
    n_threads : int, optional
        None: 1; below 0: all cores but one. Changes speed only.
    idx_dtype : dtype, optional
        int32 or int64; SciPy decides what the answer has.

    Returns
    -------
    csr_matrix

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, or shapes do not match.
    """
    assert_idx_dtype(idx_dtype)
    return product(*_operands(A, B), None, n_threads=_threads_of(n_threads))


@taken
def sp_matmul_topn(
    A: Any,
    B: Any,
    top_n: int,
    threshold: float | None = None,
    sort: bool = False,
    density: float | None = None,
    n_threads: int | None = None,
    idx_dtype: Any = None,
) -> csr_matrix:
    """Largest ``top_n`` entries of every row of the product A B, or A B^T where only that fits.

    Parameters
    ----------
    A, B, n_threads, idx_dtype
        As of `sp_matmul`.
    top_n : int, at least 1
        Entries kept a row.
    threshold : float, optional
        Keep entries strictly greater only; for integers it is rounded. None keeps all but zeros.
    sort : bool
        Whether each row is best first, equal ones by lower column, or in the order of SciPy's product.
    density : float, optional
        Without effect: no room is guessed.

    Returns
    -------
    csr_matrix

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, or shapes do not match.
    """
    assert_idx_dtype(idx_dtype)
    if density is not None:
        _check.real(density, "density")
    a, b = _operands(A, B)
    kept = _check.integer(operator.index(top_n), "top_n", 1)
    if threshold is not None:
        threshold = float(np.rint(threshold)) if a.dtype.kind == "i" else float(threshold)
    return product(a, b, kept, threshold=threshold, best_first=bool(sort), n_threads=_threads_of(n_threads))


@taken
def zip_sp_matmul_topn(top_n: int, C_mats: Iterable[Any]) -> csr_matrix:
    """Largest ``top_n`` entries of every row of matrices that stand side by side.

    Parameters
    ----------
    top_n : int, at least 1
        Entries kept a row.
    C_mats : iterable of sparse matrices in CSR, CSC or COO
        What `sp_matmul_topn` gave of A and each block of columns of B, with this ``top_n`` or a larger one.

    Returns
    -------
    csr_matrix
        Each row's best first, equal ones by lower column.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, or numbers of rows differ.
    """
    if is_sparse(C_mats) or not isinstance(C_mats, Iterable):
        raise TypeError(f"`C_mats` must be a list of sparse matrices, got `{type(C_mats)}`; pass [C] for one")
    blocks, kept = list(C_mats), _check.integer(operator.index(top_n), "top_n", 1)
    for block in blocks:
        _check_format(block, "C")
    if len({block.shape[0] for block in blocks}) > 1:
        raise ValueError("Each `C` in `C_mats` should have the same number of rows.")
    return best_of_blocks(blocks, "C_mats", kept, _threads.resolve(None)).to(csr_matrix)


@taken
def awesome_cossim_topn(
    A: Any,
    B: Any,
    ntop: int,
    lower_bound: float = 0,
    use_threads: bool = False,
    n_jobs: int = 1,
    return_best_ntop: bool | None = None,
    test_nnz_max: Any = None,
) -> Any:
    """Deprecated: `sp_matmul_topn`, sorted.

    Parameters
    ----------
    A, B
        As of `sp_matmul`.
    ntop, lower_bound
        ``top_n`` and ``threshold`` of `sp_matmul_topn`.
    use_threads, n_jobs
        Whether to use more than one thread, and how many.
    return_best_ntop : bool
        Whether the length of the longest row is wanted too.
    test_nnz_max
        Must be None.

    Returns
    -------
    csr_matrix, or a tuple of it and an int

    Raises
    ------
    DeprecationWarning
        ``test_nnz_max`` is given.
    TypeError, ValueError
        As of `sp_matmul_topn`.
    """
    message = "`awesome_cossim_topn` is deprecated and will be removed; use `sp_matmul_topn` instead."
    if test_nnz_max is not None:
        raise DeprecationWarning(message)
    warnings.warn(message, DeprecationWarning, stacklevel=level_of_caller())
    n_threads = n_jobs if use_threads is True else None
    found = sp_matmul_topn(A=A, B=B, top_n=ntop, threshold=lower_bound, sort=True, n_threads=n_threads)
    return (found, int(np.diff(found.indptr).max(initial=0))) if return_best_ntop else found


def _operands(a: Any, b: Any) -> tuple[Any, Any]:
    """Two matrices that can be multiplied, by rows; the second, or both, may be given as columns."""
    for matrix, name in ((a, "A"), (b, "B")):
        _check_format(matrix, name)
    fits = a.shape[1] == b.shape[0]
    for matrix, name in ((a, "A"), (b, "B")):
        if not fits or matrix.format != "csr":  # SciPy is to convert it, and looks at nothing
            _check.places(matrix, name)
    if not fits:
        if a.format == b.format == "csc" and a.shape[0] == b.shape[1]:
            a, b = a.T, b.T
        elif a.shape[1] == b.shape[1]:
            b = b.T
        else:
            raise ValueError(
                "Matrices `A` and `B` have incompatible shapes. "
                "`A.shape[1]` must be equal to `B.shape[0]` or `B.shape[1]`."
            )
    assert_supported_dtype(a, "A")
    assert_supported_dtype(b, "B")
    a, b = ensure_compatible_dtype(a, b)
    return a.tocsr(), b.tocsr()


def _check_format(matrix: Any, name: str) -> None:
    if not is_sparse(matrix) or matrix.format not in ("csr", "csc", "coo"):
        raise TypeError(
            f"type of `{name}` must be one of `csr_matrix`, `csc_matrix` or `coo_matrix`, got `{type(matrix)}`"
        )


def _threads_of(n_threads: int | None) -> int:
    n = operator.index(n_threads or 1)
    return threads_of(n if n > 0 else max(1, _machine.usable_cores() - 1), "n_threads")
