"""Products of checked operands, in SciPy's order or best first."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array, csr_matrix

from fastrec import _check
from fastrec._types import Array, Csr
from fastrec.selection import best_of_product


def product(
    a: Any,
    b: Any,
    top_n: int | None,
    *,
    threshold: float | None = None,
    best_first: bool = False,
    n_threads: int = 1,
) -> csr_matrix:
    """Entries of ``a @ b``: the ``top_n`` largest of every row, or all; without a threshold those that are not zero."""
    left, right = (_check.csr(side, name, keep_zeros=True, integers=True) for side, name in ((a, "A"), (b, "B")))
    dtype = np.result_type(left.data, right.data)
    if threshold is not None and dtype == np.float32:
        threshold = float(np.float32(threshold))
    found = best_of_product(
        left,
        right,
        top_n or max(right.shape[1], 1),
        threshold=threshold,
        keep_zeros=threshold is not None,
        best_first=best_first,
        n_threads=n_threads,
    )
    if not best_first and not (_is_plain(a, left) and _is_plain(b, right)):
        found = _in_order_of(a, b, found)
    return found.to(csr_matrix)


def _is_plain(given: Any, checked: Csr) -> bool:
    """Whether an operand's entries were in the order of their columns, each once, when it was given."""
    return given.format == "csr" and given.nnz == len(checked.indices) and bool(given.has_sorted_indices)


def _in_order_of(a: Any, b: Any, found: Csr) -> Csr:
    """Put entries in the order that SciPy's product has, which follows that of the operands' entries."""
    a, b = (csr_array((np.ones(side.nnz, np.float32), side.indices, side.indptr), shape=side.shape) for side in (a, b))
    everything = a @ b
    n_columns = found.shape[1]
    wanted, there = _keys(found, n_columns), _keys(everything, n_columns)
    order = np.argsort(wanted)
    places = np.searchsorted(wanted[order], there)
    places[places == len(wanted)] = 0
    matched = order[places[wanted[order[places]] == there]] if len(wanted) else order
    return found._replace(data=found.data[matched], indices=found.indices[matched])


def _keys(matrix: Csr | csr_array, n_columns: int) -> Array:
    """A number for every entry's row and column."""
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    keys: Array = rows * n_columns + matrix.indices
    return keys
