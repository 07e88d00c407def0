"""Threads, index dtypes, and matrices of triplets."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from fastrec import _threads
from fastrec._types import Array
from fastrec.compat._ways_in import left_to_original

__getattr__ = left_to_original(__name__)


def get_num_threads() -> int:
    """Threads that ``num_threads=0`` means."""
    return _threads.resolve(None)


def get_index_dtype(maxval: int) -> type[np.integer[Any]]:
    """int32 where that holds a number, else int64."""
    return np.int32 if maxval <= np.iinfo(np.int32).max else np.int64


def build_coo_matrix(rows: Array, cols: Array, values: Array, item_count: int, user_count: int) -> coo_array:
    """Triplets of shape (item_count, user_count), in float32."""
    triplets = (np.asarray(values, np.float32), (np.asarray(rows), np.asarray(cols)))
    return coo_array(triplets, shape=(item_count, user_count))


def build_csr_matrix(rows: Array, cols: Array, values: Array, item_count: int, user_count: int) -> csr_array:
    """Triplets by rows, duplicates and zeros among them, in float32."""
    dtype = get_index_dtype(max(len(np.asarray(values)), user_count))
    return _by_rows(rows, cols, values, (item_count, user_count), dtype)


def build_csr_matrix_32(rows: Array, cols: Array, values: Array, item_count: int, user_count: int) -> csr_array:
    """`build_csr_matrix` with int32 indices."""
    return _by_rows(rows, cols, values, (item_count, user_count), np.int32)


def build_csr_matrix_64(rows: Array, cols: Array, values: Array, item_count: int, user_count: int) -> csr_array:
    """`build_csr_matrix` with int64 indices."""
    return _by_rows(rows, cols, values, (item_count, user_count), np.int64)


def _by_rows(rows: Array, cols: Array, values: Array, shape: tuple[int, int], dtype: npt.DTypeLike) -> csr_array:
    rows, cols, values = np.asarray(rows), np.asarray(cols), np.asarray(values, np.float32)
    order = np.argsort(rows, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    return csr_array((values[order], cols[order].astype(dtype), indptr.astype(dtype)), shape=shape)
