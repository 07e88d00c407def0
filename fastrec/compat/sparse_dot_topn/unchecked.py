"""The same with arguments in another order; here they are checked all the same."""

from __future__ import annotations

from typing import Any

from scipy.sparse import csr_matrix

from fastrec.compat._ways_in import left_to_original
from fastrec.compat.sparse_dot_topn import api

__getattr__ = left_to_original(__name__)

__all__ = ["sp_matmul_topn"]


def sp_matmul_topn(
    A: Any,
    B: Any,
    top_n: int,
    sort: bool,
    threshold: float | None,
    density: float | None,
) -> csr_matrix:
    """`sparse_dot_topn.sp_matmul_topn` on one thread."""
    return api.sp_matmul_topn(A, B, top_n, threshold=threshold, sort=sort, density=density)


def sp_matmul_topn_mt(
    A: Any,
    B: Any,
    top_n: int,
    sort: bool,
    threshold: float | None,
    n_threads: int,
) -> csr_matrix:
    """`sparse_dot_topn.sp_matmul_topn` on many threads; all cores but one for 0 and less."""
    n_threads = n_threads if n_threads > 0 else -1
    return api.sp_matmul_topn(A, B, top_n, threshold=threshold, sort=sort, n_threads=n_threads)
