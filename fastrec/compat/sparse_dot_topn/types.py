"""The dtypes of values and indices, and which two values may meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastrec.compat._ways_in import left_to_original

_SUPPORTED_DTYPES = {np.dtype(name) for name in ("int32", "int64", "float32", "float64")}

__getattr__ = left_to_original(__name__)

__all__ = ["assert_idx_dtype", "assert_supported_dtype", "ensure_compatible_dtype", "is_supported_dtype"]


def assert_idx_dtype(dtype: Any) -> Any:
    """int32 for None; other dtypes than int32 and int64 are a TypeError."""
    if dtype is None:
        return np.dtype("int32")
    if dtype not in (np.dtype("int32"), np.dtype("int64")):
        raise TypeError(f"`idx_dtype` must be a 32 or 64 bit integer, got {dtype}.")
    return dtype


def assert_supported_dtype(obj: Any, name: str | None = None) -> None:
    """Values of other dtypes are a TypeError."""
    if not is_supported_dtype(obj.dtype):
        raise TypeError(f"Supported dtypes are {{32, 64}}bit {{int, float}} got {name or 'obj'}.dtype: {obj.dtype}")


def ensure_compatible_dtype(a: Any, b: Any) -> tuple[Any, Any]:
    """Both in the wider dtype of their kind; an integer and a float are a TypeError."""
    if a.dtype == b.dtype:
        return a, b
    if a.dtype.kind != b.dtype.kind:
        raise TypeError("`a` and `b` do not have the same dtype and cannot be safely cast")
    dtype = np.result_type(a.dtype, b.dtype)
    return a.astype(dtype, copy=False), b.astype(dtype, copy=False)


def is_supported_dtype(dtype: npt.DTypeLike) -> bool:
    """Whether values may have a dtype."""
    return dtype in _SUPPORTED_DTYPES
