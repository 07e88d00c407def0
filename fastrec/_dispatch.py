"""The one table: (operation, dtype, instruction set) to kernel.

The instruction set is chosen once, when this is first imported: the best that was built and that the processor and the
system can run, or the one that the environment variable FASTREC_ISA names. It switches the table of C++ kernels under
the bindings; operation and dtypes pick the binding here. Numba kernels compile on first use, for the processor they
run on.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from typing import Any

import numpy as np

Kernel = Callable[..., Any]

# Operation: module; most C++ bindings are instantiated for the dtypes of their arguments.
_COMPILED = {
    "top_k_dense": "selection",
    "top_k_csr": "selection",
    "top_k_inner_product": "selection",
    "pack_items": "selection",
    "packed_top_k": "selection",
    "sparse_top_k_product": "products",
    "merge_top_k_products": "products",
    "item_similarity": "products",
    "transpose": "products",
    "relabel": "products",
    "write_entries": "products",
    "places_of_rows": "products",
    "values_of_rows": "products",
    "terms_of_rows": "products",
    "limited_pointers": "products",
    "count_positives": "products",
    "sums_of_rows": "products",
    "constant_rows": "products",
    "half_step": "factorization",
    "direct_solve": "factorization",
    "nonnegative_solve": "factorization",
    "row_losses": "factorization",
    "multiply": "factorization",
    "multiply_in_double": "factorization",
    "gram": "factorization",
    "uniform_rows": "descent",
    "fill_filters": "descent",
    "partition_items": "descent",
    "sort_into_cells": "descent",
    "order_stretches": "descent",
    "count_partners": "descent",
    "item_products": "descent",
    "elastic_nets": "descent",
}
_JIT = {
    "bm25_weight": "weighting",
    "tfidf_weight": "weighting",
    "normalize": "weighting",
    "bpr_cell": "bpr",
    "bpr_fold_in": "bpr",
    "warp_cell": "warp",
    "warp_fold_in": "warp",
    "logistic_rows": "logistic_mf",
    "rating_cell": "biased_mf",
    "rating_fold_in": "biased_mf",
    "gram_triangle": "linear",
    "inverse_by_users": "linear",
    "scores_by_weights": "linear",
    "products_of_rows": "nmf",
    "nonnegative_rows": "nmf",
    "nonnegative_entries": "nmf",
}
_C_NAMES = {"float32": "float", "float64": "double", "int32": "int32_t", "int64": "int64_t"}


@functools.cache
def kernel(operation: str, *dtypes: Any) -> Kernel:
    """The kernel of an operation for the dtypes that it is instantiated on."""
    if operation in _JIT:  # Numba instantiates by itself
        return getattr(importlib.import_module(f"fastrec._jit.{_JIT[operation]}"), operation)  # type: ignore[no-any-return]
    if not compiled():
        raise ImportError(_NOT_COMPILED)
    binding = getattr(importlib.import_module(f"fastrec._compiled.{_COMPILED[operation]}"), operation)
    return binding["|".join(_C_NAMES[np.dtype(dtype).name] for dtype in dtypes)] if dtypes else binding  # type: ignore[no-any-return]


def compiled() -> bool:
    """Whether this copy of the package has its kernels; a checkout has not."""
    return _isa is not None


def instruction_sets() -> dict[str, bool]:
    """Every instruction set in this build, least first, and whether it can run here."""
    return _isa.built() if _isa else {}


def compiler() -> str:
    """What compiled the kernels."""
    return _isa.compiler if _isa else "none"


_NOT_COMPILED = (
    f"the kernels in {os.path.dirname(__file__)} are not compiled; "
    "run 'pip install .' in the checkout and import fastrec from another folder."
)


def _load() -> Any:
    try:
        return importlib.import_module("fastrec._compiled.isa")
    except ModuleNotFoundError as error:
        if error.name != "fastrec._compiled.isa":
            raise
        return None


def _choose() -> str | None:
    """Choose the instruction set for this process."""
    if _isa is None:
        return None
    supported = [name for name, runs in _isa.built().items() if runs]
    wanted = os.environ.get("FASTREC_ISA")
    if wanted and wanted not in supported:
        why = "which this processor does not support" if wanted in _isa.built() else "which is not one of this build"
        raise ImportError(f"FASTREC_ISA is {wanted!r}, {why}; valid here: {', '.join(supported) or 'none'}.")
    if not supported:
        raise ImportError(f"fastrec needs a processor with {next(iter(_isa.built()))} or better.")
    chosen = wanted or supported[-1]
    _isa.use(chosen)
    return chosen


_isa = _load()
instruction_set = _choose()
