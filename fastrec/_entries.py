"""Columns and values of a sparse matrix side by side: one stretch of memory, and no more of it than they need."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastrec import _dispatch
from fastrec._types import Csr, Ids, room

_MOST_SHORT = 1 << 16  # columns; tests choose others


class Entries(NamedTuple):
    """Those of all rows, one after the other."""

    memory: npt.NDArray[np.uint8]
    short_columns: bool  # 16 bits, not 32
    short_values: bool  # likewise, unsigned, and not what they are

    @classmethod
    def of(cls, x: Csr, labels: Ids, short_values: bool, n_threads: int) -> Entries:
        """Each in its place, column j told as ``labels[j]``, of which there are no more than columns."""
        short_columns = x.shape[1] <= _MOST_SHORT
        entry_bytes = (2 if short_columns else 4) + (2 if short_values else x.data.itemsize)
        memory = room(len(x.indices) * entry_bytes, np.uint8)
        kernel = _dispatch.kernel("write_entries", x.data.dtype)
        kernel(*x[:3], labels, short_columns, short_values, memory, n_threads)
        return cls(memory, short_columns, short_values)


NO_ENTRIES = Entries(np.empty(0, np.uint8), False, False)
