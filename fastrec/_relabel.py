"""Columns under other numbers, by a kernel on many threads."""

from __future__ import annotations

import numpy as np

from fastrec import _dispatch
from fastrec._types import Csr, Ids


def relabelled(x: Csr, labels: Ids, n_threads: int) -> Csr:
    """Column j as column ``labels[j]``, of which no two are the same; every row in ascending order of the new numbers.

    The label of a column without entries may be anything. Values may be missing, as an empty array, for a pattern.
    """
    out = x._replace(data=np.empty_like(x.data), indices=np.empty_like(x.indices))
    kernel = _dispatch.kernel("relabel", x.data.dtype)
    kernel(*x[:3], labels, out.data, out.indices, n_threads)
    return out
