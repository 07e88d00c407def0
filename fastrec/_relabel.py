"""Columns under other numbers, by kernels on many threads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastrec import _dispatch
from fastrec._types import Csr, Ids, room

LARGEST_SHORT = (1 << 16) - 1  # tests choose others


def relabelled(x: Csr, labels: Ids, n_threads: int) -> Csr:
    """Column j as column ``labels[j]``, of which no two are the same; every row in ascending order of the new numbers.

    The label of a column without entries may be anything. Values may be missing, as an empty array, for a pattern.
    """
    out = x._replace(data=np.empty_like(x.data), indices=np.empty_like(x.indices))
    kernel = _dispatch.kernel("relabel", x.data.dtype)
    kernel(*x[:3], labels, out.data, out.indices, n_threads)
    return out


class Entries(NamedTuple):
    """Columns and values of all rows, one entry after the other."""

    memory: npt.NDArray[np.uint8]
    short_columns: bool  # 16 bits, not 32
    short_values: bool  # likewise, unsigned, and not what they are

    @classmethod
    def of(cls, x: Csr, labels: Ids, short_values: bool, n_threads: int) -> Entries:
        """`relabelled` ones."""
        short_columns = x.shape[1] - 1 <= LARGEST_SHORT
        entry_bytes = (2 if short_columns else 4) + (2 if short_values else x.data.itemsize)
        memory = room(len(x.indices) * entry_bytes, np.uint8)
        kernel = _dispatch.kernel("write_entries", x.data.dtype)
        kernel(*x[:3], labels, short_columns, short_values, memory, n_threads)
        return cls(memory, short_columns, short_values)


NO_ENTRIES = Entries(np.empty(0, np.uint8), False, False)
