"""The one function under all measures, and what its arguments must be."""

from __future__ import annotations

from typing import Any

from fastrec.compat._ways_in import left_to_original, taken
from fastrec.compat.similaripy._kernel import Weights, similarities
from fastrec.compat.similaripy.cython_code.s_plus_utils import (
    MODE_ARRAY,
    MODE_MATRIX,
    MODE_NONE,
    validate_s_plus_inputs,
)
from fastrec.compat.similaripy.cython_code.utils import build_coo_matrix, build_csr_matrix, get_num_threads

__getattr__ = left_to_original(__name__)

__all__ = [
    "MODE_ARRAY",
    "MODE_MATRIX",
    "MODE_NONE",
    "build_coo_matrix",
    "build_csr_matrix",
    "get_num_threads",
    "s_plus",
    "validate_s_plus_inputs",
]


@taken
def s_plus(
    matrix1: Any,
    matrix2: Any = None,
    weight_depop_matrix1: Any = "none",
    weight_depop_matrix2: Any = "none",
    p1: float = 0,
    p2: float = 0,
    a1: float = 1,
    l1: float = 0,
    l2: float = 0,
    l3: float = 0,
    t1: float = 1,
    t2: float = 1,
    c1: float = 0.5,
    c2: float = 0.5,
    k: int = 100,
    stabilized_shrink: float = 0,
    bayesian_shrink: float = 0,
    additive_shrink: float = 0,
    threshold: float = 0,
    binary: bool = False,
    target_rows: Any = None,
    filter_cols: Any = None,
    target_cols: Any = None,
    verbose: bool = True,
    format_output: str = "csr",
    num_threads: int = 0,
    block_size: int | None = 0,
) -> Any:
    """`similaripy.s_plus` with its own names, orders and defaults of arguments, and shrinkages that may be combined.

    A stabilized and a bayesian shrinkage at once are a ValueError.
    """
    shrink = {"stabilized": stabilized_shrink, "bayesian": bayesian_shrink, "additive": additive_shrink}
    pops = (weight_depop_matrix1, weight_depop_matrix2)
    return similarities(
        weights=Weights(l1, l2, l3, t1, t2, c1, c2, *pops, a1, p1, p2),
        shrink=shrink,
        matrix1=matrix1,
        matrix2=matrix2,
        k=k,
        threshold=threshold,
        binary=binary,
        target_rows=target_rows,
        target_cols=target_cols,
        filter_cols=filter_cols,
        verbose=verbose,
        format_output=format_output,
        num_threads=num_threads,
        block_size=block_size,
    )
