"""Columns as rows, by a kernel on many threads."""

from __future__ import annotations

import numpy as np

from fastrec import _dispatch
from fastrec._types import Csr


def transposed(x: Csr, n_threads: int, *, narrow: bool = True) -> Csr:
    """Columns as rows. Values may be missing, as an empty array, for a pattern.

    ``narrow=False`` counts in 64 bits where 32 would do, so that tests need no 2^31 entries for that.
    """
    indptr = np.empty(x.shape[1] + 1, np.int64)
    out = Csr(np.empty_like(x.data), np.empty_like(x.indices), indptr, (x.shape[1], x.shape[0]))
    kernel = _dispatch.kernel("transpose", x.data.dtype)
    narrow = narrow and len(x.indices) <= np.iinfo(np.int32).max
    kernel(x.data, x.indices, x.indptr, x.shape[1], *out[:3], narrow, n_threads)
    return out
