"""What is asked about rows before they are multiplied or weighted, by kernels."""

from __future__ import annotations

import numpy as np

from fastrec import _dispatch
from fastrec._types import Array, Csr, Offsets


def places_of_rows(indices: Array, indptr: Array, n_stored: int, n_columns: int, n_threads: int) -> tuple[bool, bool]:
    """What holds of integers that say where entries stand.

    Whether they may be followed: row pointers start at 0, never decrease and end within what is stored, and columns are
    there. And, of such, whether no row names a column twice or after a higher one.
    """
    indices, indptr = _offsets(indices), _offsets(indptr)
    kernel = _dispatch.kernel("places_of_rows", indices.dtype, indptr.dtype)
    return kernel(indices, n_stored, indptr, n_columns, n_threads)  # type: ignore[no-any-return]


def values_of_rows(data: Array, n_threads: int) -> tuple[bool, bool]:
    """Whether all values are finite, and whether none is zero."""
    return _dispatch.kernel("values_of_rows", data.dtype)(data, n_threads)  # type: ignore[no-any-return]


def _offsets(integers: Array) -> Array:
    as_they_are = integers.dtype == np.int32 or integers.dtype == np.int64
    return np.ascontiguousarray(integers) if as_they_are else integers.astype(np.int64)


def terms_of_rows(a: Csr, b: Csr, n_threads: int) -> Offsets:
    """Multiply-adds of every row of ``a @ b``."""
    terms = np.empty(a.shape[0], np.int64)
    _dispatch.kernel("terms_of_rows")(a.indices, a.indptr, b.indptr, terms, n_threads)
    return terms


def limited_pointers(lengths: Offsets, most: int) -> tuple[Offsets, int]:
    """Row pointers of no more than ``most`` entries a row, and how many there are without that limit."""
    indptr = np.empty(len(lengths) + 1, np.int64)
    return indptr, _dispatch.kernel("limited_pointers")(lengths, most, indptr)


def positives_of_columns(data: Array, indices: Array, n_columns: int) -> Offsets:
    """How many entries of every column are positive; IndexError where a column is not there."""
    counts = np.zeros(n_columns, np.int64)
    kernel = _dispatch.kernel("count_positives", data.dtype, indices.dtype)
    if not kernel(data, indices, counts):
        raise IndexError(f"expected columns from 0 to {n_columns - 1}, got {indices.min()} to {indices.max()}")
    return counts


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
