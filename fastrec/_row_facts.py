"""What is asked about rows before they are multiplied, by kernels on many threads."""

from __future__ import annotations

import numpy as np

from fastrec import _dispatch
from fastrec._types import Array, Csr, Offsets


def terms_of_rows(a: Csr, b: Csr, n_threads: int) -> Offsets:
    """Multiply-adds of every row of ``a @ b``."""
    terms = np.empty(a.shape[0], np.int64)
    _dispatch.kernel("terms_of_rows")(a.indices, a.indptr, b.indptr, terms, n_threads)
    return terms


def sums_of_rows(x: Csr, n_threads: int) -> tuple[Array, Array, bool]:
    """Sums of each row's values and of their squares, in float64 by ascending column, and whether all are whole."""
    sums, squares = np.empty((2, x.shape[0]))
    whole = np.empty(x.shape[0], np.uint8)
    _dispatch.kernel("sums_of_rows", x.data.dtype)(x.data, x.indptr, sums, squares, whole, n_threads)
    return sums, squares, bool(whole.all())


def value_of_rows(x: Csr, n_threads: int) -> Array:
    """The value of every row where each has but one, however often; else nothing."""
    constant = np.empty(x.shape[0], np.uint8)
    if len(x.data):
        _dispatch.kernel("constant_rows", x.data.dtype)(x.data, x.indptr, constant, n_threads)
    if not len(x.data) or not constant.all():
        return x.data[:0]
    return x.data[np.minimum(x.indptr[:-1], len(x.data) - 1)]
