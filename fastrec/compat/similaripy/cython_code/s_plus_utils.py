"""Sums, the kinds of column selectors, and what the arguments of s_plus must be."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec import _check
from fastrec._types import Array
from fastrec.compat._ways_in import left_to_original
from fastrec.compat.similaripy._kernel import check_matrices, popularity, selector, target_rows_of

MODE_NONE, MODE_ARRAY, MODE_MATRIX = 0, 1, 2

__getattr__ = left_to_original(__name__)


def validate_s_plus_inputs(
    matrix1: Any,
    matrix2: Any,
    weight_depop_matrix1: Any,
    weight_depop_matrix2: Any,
    k: int,
    target_rows: Any,
    filter_cols: Any,
    target_cols: Any,
    verbose: bool,
    format_output: str,
) -> None:
    """A TypeError or a ValueError where an argument is not what `s_plus` takes."""
    shape = check_matrices(matrix1, matrix2, format_output)
    _check.integer(k, "k", 1)
    popularity(weight_depop_matrix1, "pop1", shape[0])
    popularity(weight_depop_matrix2, "pop2", shape[1])
    if target_rows is not None:
        target_rows_of(target_rows, shape[0])
    selector(filter_cols, "filter_cols", shape)
    selector(target_cols, "target_cols", shape)
    _check.flag(verbose, "verbose")


def csr_sum(matrix: Any, axis: int) -> Array:
    """Sums of the columns (0) or of the rows (1) in float32."""
    if axis not in (0, 1):
        raise ValueError(f"axis must be 0 or 1, got {axis}")
    sums: Array = np.asarray(matrix.sum(axis=axis, dtype=np.float64), np.float32).ravel()
    return sums
