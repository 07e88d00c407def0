"""Columns under other numbers, by kernels on many threads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fastrec import _dispatch
from fastrec._types import Csr, Ids, room

_SHORT, _LONG = 2, 4  # bytes of a column
_MOST_SHORT = 1 << 16  # columns; tests choose others


def relabelled(x: Csr, labels: Ids, n_threads: int) -> Csr:
    """Column j as column ``labels[j]``, of which no two are the same; every row in ascending order of the new numbers.

    The label of a column without entries may be anything. Values may be missing, as an empty array, for a pattern.
    """
    out = x._replace(data=np.empty_like(x.data), indices=np.empty_like(x.indices))
    kernel = _dispatch.kernel("relabel", x.data.dtype)
    kernel(*x[:3], labels, out.data, out.indices, n_threads)
    return out


class Entries(NamedTuple):
    """Columns and values of all rows, one entry after the other.

    With ``value_bits`` an entry is one number of 32 bits, of which so many, the lowest, are its whole value.
    """

    memory: npt.NDArray[np.uint8]
    column_bytes: int
    value_bits: int

    @classmethod
    def of(cls, x: Csr, labels: Ids, value_bits: int, n_threads: int) -> Entries:
        """`relabelled` ones."""
        column_bytes = _SHORT if not value_bits and x.shape[1] <= _MOST_SHORT else _LONG
        entry_bytes = column_bytes + (0 if value_bits else x.data.itemsize)
        memory = room(len(x.indices) * entry_bytes, np.uint8)
        kernel = _dispatch.kernel("write_entries", x.data.dtype)
        kernel(*x[:3], labels, column_bytes, value_bits, memory, n_threads)
        return cls(memory, column_bytes, value_bits)


NO_ENTRIES = Entries(np.empty(0, np.uint8), _LONG, 0)
