"""What the rules for inputs make of an operand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from fastrec._types import Array, is_sparse


def value_dtype(dtype: npt.DTypeLike, *, integers: bool = False) -> np.dtype[Any]:
    """The dtype that values are computed from: small ones become float32, others float64."""
    dtype = np.dtype(dtype)
    if integers and dtype.kind == "i" and dtype.itemsize >= 4:
        return dtype.newbyteorder("=")
    most = {"b": 1, "i": 2, "f": 4}.get(dtype.kind, 0)
    small = dtype.itemsize <= most
    return np.dtype(np.float32 if small else np.float64)


def dense(values: Any) -> Array:
    """A dense operand."""
    array = np.asarray(values)
    return array.astype(value_dtype(array.dtype))


def sparse(matrix: Any, *, keep_zeros: bool = False, integers: bool = False) -> csr_array:
    """A sparse operand: a copy with duplicates summed, indices sorted and zeros dropped."""
    values = matrix if is_sparse(matrix) else np.asarray(matrix)
    rows = csr_array(values.astype(value_dtype(values.dtype, integers=integers)), copy=True)
    rows.sum_duplicates()
    if not keep_zeros:
        rows.eliminate_zeros()
    return rows


def members(ids: Any, n_rows: int, n_items: int, *, default: bool) -> npt.NDArray[np.bool_]:
    """A pattern as a dense matrix of booleans."""
    if ids is None:
        return np.full((n_rows, n_items), default)
    result = np.zeros((n_rows, n_items), np.bool_)
    if is_sparse(ids):
        stored = csr_array(ids)
        result[np.repeat(np.arange(n_rows), np.diff(stored.indptr)), stored.indices] = True
    else:
        result[:, np.asarray(ids, dtype=np.int64)] = True
    return result
