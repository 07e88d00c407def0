"""Columns as rows, by a kernel on many threads."""

from __future__ import annotations

import numpy as np

from fastrec import _dispatch
from fastrec._types import Csr, Ids


def transposed(x: Csr, n_threads: int, *, order: Ids | None = None) -> Csr:
    """Columns as rows. With an ``order`` its row p is row ``order[p]`` of x, and rows that are not in it are left out.

    Values may be missing, as an empty array, for a pattern.
    """
    n_rows = x.shape[0] if order is None else len(order)
    n_stored = int(x.indptr[-1]) if order is None else int(np.diff(x.indptr)[order].sum())
    data = np.empty(n_stored if len(x.data) else 0, x.data.dtype)
    out = Csr(data, np.empty(n_stored, np.int32), np.empty(x.shape[1] + 1, np.int64), (x.shape[1], n_rows))
    kernel = _dispatch.kernel("transpose", x.data.dtype)
    kernel(x.data, x.indices, x.indptr, x.shape[1], order, *out[:3], n_threads)
    return out
