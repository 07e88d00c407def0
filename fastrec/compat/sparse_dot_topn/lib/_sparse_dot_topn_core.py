"""Products of the arrays of CSR matrices, answered as arrays (data, indices, indptr); threads change speed only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from fastrec._types import Array
from fastrec.compat.sparse_dot_topn import api

_has_openmp_support = True  # that is, n_threads works

Arrays = tuple[Array, Array, Array]


def sp_matmul(
    nrows: int,
    ncols: int,
    A_data: Array,
    A_indptr: Array,
    A_indices: Array,
    B_data: Array,
    B_indptr: Array,
    B_indices: Array,
) -> Arrays:
    """The whole product."""
    return sp_matmul_mt(nrows, ncols, 1, A_data, A_indptr, A_indices, B_data, B_indptr, B_indices)


def sp_matmul_mt(
    nrows: int,
    ncols: int,
    n_threads: int,
    A_data: Array,
    A_indptr: Array,
    A_indices: Array,
    B_data: Array,
    B_indptr: Array,
    B_indices: Array,
) -> Arrays:
    """The whole product."""
    a, b = _operands(nrows, ncols, (A_data, A_indices, A_indptr), (B_data, B_indices, B_indptr))
    return _arrays(api.sp_matmul(a, b, n_threads=n_threads))


def sp_matmul_topn(
    top_n: int,
    nrows: int,
    ncols: int,
    threshold: float | None,
    density: float,
    A_data: Array,
    A_indptr: Array,
    A_indices: Array,
    B_data: Array,
    B_indptr: Array,
    B_indices: Array,
) -> Arrays:
    """Largest entries of every row in the order of SciPy's product; ``density`` is without effect."""
    return sp_matmul_topn_mt(
        top_n, nrows, ncols, threshold, 1, A_data, A_indptr, A_indices, B_data, B_indptr, B_indices
    )


def sp_matmul_topn_sorted(
    top_n: int,
    nrows: int,
    ncols: int,
    threshold: float | None,
    density: float,
    A_data: Array,
    A_indptr: Array,
    A_indices: Array,
    B_data: Array,
    B_indptr: Array,
    B_indices: Array,
) -> Arrays:
    """Largest entries of every row, best first; ``density`` is without effect."""
    return sp_matmul_topn_sorted_mt(
        top_n, nrows, ncols, threshold, 1, A_data, A_indptr, A_indices, B_data, B_indptr, B_indices
    )


def sp_matmul_topn_mt(
    top_n: int,
    nrows: int,
    ncols: int,
    threshold: float | None,
    n_threads: int,
    A_data: Array,
    A_indptr: Array,
    A_indices: Array,
    B_data: Array,
    B_indptr: Array,
    B_indices: Array,
) -> Arrays:
    """Largest entries of every row in the order of SciPy's product."""
    a, b = _operands(nrows, ncols, (A_data, A_indices, A_indptr), (B_data, B_indices, B_indptr))
    return _arrays(api.sp_matmul_topn(a, b, top_n, threshold=threshold, n_threads=n_threads))


def sp_matmul_topn_sorted_mt(
    top_n: int,
    nrows: int,
    ncols: int,
    threshold: float | None,
    n_threads: int,
    A_data: Array,
    A_indptr: Array,
    A_indices: Array,
    B_data: Array,
    B_indptr: Array,
    B_indices: Array,
) -> Arrays:
    """Largest entries of every row, best first."""
    a, b = _operands(nrows, ncols, (A_data, A_indices, A_indptr), (B_data, B_indices, B_indptr))
    return _arrays(api.sp_matmul_topn(a, b, top_n, threshold=threshold, sort=True, n_threads=n_threads))


def zip_sp_matmul_topn(
    top_n: int,
    Z_max_nnz: int,
    nrows: int,
    B_ncols: Array,
    data: Sequence[Array],
    indptr: Sequence[Array],
    indices: Sequence[Array],
) -> Arrays:
    """Largest entries of every row of matrices side by side; ``Z_max_nnz`` is without effect."""
    blocks = [
        csr_matrix(arrays, shape=(nrows, int(n_columns)))
        for *arrays, n_columns in zip(data, indices, indptr, B_ncols, strict=True)
    ]
    return _arrays(api.zip_sp_matmul_topn(top_n, blocks))


def _operands(n_rows: int, n_columns: int, a: Arrays, b: Arrays) -> tuple[csr_matrix, csr_matrix]:
    n_inner = len(b[2]) - 1
    return csr_matrix(a, shape=(n_rows, n_inner)), csr_matrix(b, shape=(n_inner, n_columns))


def _arrays(found: csr_matrix) -> Arrays:
    return np.asarray(found.data), np.asarray(found.indices), np.asarray(found.indptr)
