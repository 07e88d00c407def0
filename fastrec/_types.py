"""What travels between the layers: answers, sparse operands, patterns. Imports nothing of ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, issparse

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]
MOST_OF_32_BITS = np.iinfo(np.int32).max
ENTRIES_AT_ONCE = 1 << 20  # of an operand that NumPy makes wider copies of
STRETCH = 64  # interactions of a cell that stay neighbours, so that a user's factors are near when they are met again
NEXT_STRETCHES = 2  # behind those to learn from, for kernels that look ahead
Matrix = TypeVar("Matrix")
Bar = Callable[[int], Any]  # told, while a kernel works, how many more rows are done


def is_sparse(value: Any) -> bool:
    """Whether SciPy holds it as sparse; not a type guard, for what SciPy's stubs call sparse has no arrays."""
    return type(value) is not np.ndarray and bool(issparse(value))


_LINE, _PAGE, _LARGE_PAGE = 64, 1 << 12, 1 << 21


def room(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Room for what a kernel writes: if it is some pages it starts on a line of the cache or, if large, a large page.

    NumPy asks the system for large pages from 4 MiB on, and gets them for the whole ones only that the array covers.
    New memory in small pages is several times as dear.
    """
    dtype = np.dtype(dtype)
    n = math.prod(shape if isinstance(shape, tuple) else (shape,))
    n_bytes = n * dtype.itemsize
    if n_bytes <= _PAGE:
        return np.empty(shape, dtype)
    boundary = _LARGE_PAGE if n_bytes > 2 * _LARGE_PAGE else _LINE
    memory = np.empty(n + boundary // dtype.itemsize, dtype)  # SciPy copies small parts of what has more elements
    start = -memory.ctypes.data % boundary // dtype.itemsize
    return memory[start : start + n].reshape(shape)


class TopK(NamedTuple):
    """The best items of every row, best first.

    Attributes
    ----------
    items : ndarray of int32, shape (n_rows, k)
        Item -1 where a row has fewer than ``k`` candidates.
    scores : ndarray of float32 or float64, shape (n_rows, k)
        Score -inf beside item -1.
    """

    items: Ids
    scores: Array

    @classmethod
    def empty(cls, n_rows: int, k: int, dtype: npt.DTypeLike) -> TopK:
        """Room for an answer that a kernel writes."""
        return cls(room((n_rows, k), np.int32), room((n_rows, k), dtype))

    @classmethod
    def of_rows(cls, rows: Csr, k: int) -> TopK:
        """Sparse rows of at most ``k`` entries, best first, with padding."""
        n_rows = rows.shape[0]
        if len(rows.indices) == n_rows * k:
            return cls(rows.indices.reshape(n_rows, k), rows.data.reshape(n_rows, k))
        out = cls(np.full((n_rows, k), -1, np.int32), np.full((n_rows, k), -np.inf, rows.data.dtype))
        taken = np.arange(k) < np.diff(rows.indptr)[:, None]
        out.items[taken], out.scores[taken] = rows.indices, rows.data
        return out


class Explanation(NamedTuple):
    """What every item of a user's row adds to the score of one item, most first; equal ones: lower item first.

    Attributes
    ----------
    items : ndarray of int32, shape (n_seen,)
        The user's row.
    contributions : ndarray of float64, shape (n_seen,)
        They sum to the score.
    score : float
        Of the item explained.
    """

    items: Ids
    contributions: Array
    score: float

    @classmethod
    def of(cls, items: Ids, contributions: Array) -> Explanation:
        """Put ascending items in order of what they contribute."""
        order = np.argsort(-contributions, kind="stable")
        return cls(items[order], contributions[order], math.fsum(contributions))


class Csr(NamedTuple):
    """A compressed sparse row matrix, each index once in a row: as an operand ascending, as an answer best first."""

    data: Array
    indices: Ids
    indptr: Offsets
    shape: tuple[int, int]

    def to_scipy(self) -> csr_array:
        """A SciPy view of the same values and indices."""
        return self.to(csr_array)

    def to(self, kind: Callable[..., Matrix]) -> Matrix:
        """The same as a SciPy matrix of another kind."""
        return kind((self.data, self.indices, _narrow(self.indptr)), shape=self.shape)

    def with_data(self, data: Array) -> Csr:
        """Other values at the same places, sharing no memory."""
        return Csr(data, self.indices.copy(), self.indptr.copy(), self.shape)

    def where(self, kept: npt.NDArray[np.bool_]) -> Csr:
        """Only some of the entries."""
        ends = np.concatenate([[0], np.cumsum(kept)])
        data = self.data[kept] if len(self.data) else self.data
        return Csr(data, self.indices[kept], ends[self.indptr].astype(np.int64), self.shape)

    def rows(self, rows: npt.NDArray[np.integer[Any]]) -> tuple[Csr, npt.NDArray[np.int64]]:
        """Some of the rows, and at which place each of their entries stands here."""
        lengths = self.indptr[rows + 1] - self.indptr[rows]
        indptr = pointers(lengths)
        places = np.arange(indptr[-1]) + np.repeat(self.indptr[rows] - indptr[:-1], lengths)
        return Csr(self.data[places], self.indices[places], indptr, (len(rows), self.shape[1])), places

    def among_empty_rows(self, rows: Ids, n_rows: int) -> Csr:
        """The same rows as ``rows`` of ``n_rows``."""
        lengths = np.zeros(n_rows, np.int64)
        lengths[rows] = np.diff(self.indptr)
        return self._replace(indptr=pointers(lengths), shape=(n_rows, self.shape[1]))

    @classmethod
    def of_canonical(cls, matrix: csr_array) -> Csr:
        """The arrays of a SciPy matrix that is sorted and free of duplicates."""
        indices, indptr = matrix.indices.astype(np.int32, copy=False), matrix.indptr.astype(np.int64, copy=False)
        return cls(matrix.data, indices, indptr, (int(matrix.shape[0]), int(matrix.shape[1])))


class Pattern(NamedTuple):
    """Ids for every row, each once: ids[indptr[r]] up to ids[indptr[r + 1]], or one list for all rows.

    Ascending, but where similarities tell ids as ranks, which may be in any order.
    """

    ids: Ids
    indptr: Offsets
    shared: bool

    @classmethod
    def one_list(cls, ids: Array) -> Pattern:
        """The same ids for all rows."""
        return cls(np.ascontiguousarray(ids, np.int32), np.array([0, len(ids)], np.int64), True)

    def as_matrix(self, n_rows: int, n_columns: int) -> csr_array:
        """Ones where the pattern has ids."""
        ids, indptr = self.ids, self.indptr
        if self.shared:
            ids, indptr = np.tile(ids, n_rows), np.arange(n_rows + 1, dtype=np.int64) * len(ids)
        return csr_array((np.ones(len(ids), np.int8), ids, indptr), shape=(n_rows, n_columns))


NO_PATTERN = Pattern(np.empty(0, np.int32), np.empty(0, np.int64), False)


def room_for_rows(
    ends: Offsets,
    dtype: npt.DTypeLike,
    n_columns: int,
    fill: Callable[[int, int, Ids, Array, Offsets, Offsets], None],
    *,
    most_bytes: int = 1 << 26,
) -> Csr:
    """Build a sparse result of which only row pointers for more entries than there will be are known.

    ``fill(first, last, indices, data, starts, indptr)`` writes the entries of rows ``first`` to ``last``, one row
    directly after the other, and from indptr[first] on where each ends among all; while it works, row r has room from
    ``starts[r]`` to ``starts[r + 1]``. Rows are asked for in chunks, so that the room given in excess stays below
    ``most_bytes`` or one row. The entries of a row stay in the order in which they were written.
    """
    n_rows = len(ends) - 1
    indptr = np.zeros(n_rows + 1, np.int64)  # also of rows that a measure's error leaves unwritten
    parts: list[tuple[Ids, Array]] = []
    for first, last in _chunks(ends, max(1, most_bytes // (4 + np.dtype(dtype).itemsize))):
        starts = ends
        if first or last < n_rows:
            starts = np.empty_like(ends)
            np.subtract(ends[first : last + 1], ends[first], out=starts[first : last + 1])
        size = int(starts[last])
        indices, data = room(size, np.int32), room(size, dtype)
        fill(first, last, indices, data, starts, indptr)
        used = int(indptr[last] - indptr[first])
        parts.append((indices[:used], data[:used]))
    if not parts:
        parts = [(np.empty(0, np.int32), np.empty(0, dtype))]
    indices, data = parts[0] if len(parts) == 1 else (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Csr(data, indices, indptr, (n_rows, n_columns))


def with_rows(matrix: csr_array, rows: Array, replacements: csr_array) -> csr_array:
    """A copy of a matrix in which ``rows``, each once, are others; those beyond its end are appended."""
    n_rows, n_columns = matrix.shape
    n_after = max(n_rows, int(rows.max(initial=-1)) + 1)
    lengths = np.zeros(n_after, np.int64)
    lengths[:n_rows] = np.diff(matrix.indptr)
    old = np.ones(n_after, np.bool_)
    old[rows] = False
    lengths[rows] = np.diff(replacements.indptr)
    indptr = _narrow(pointers(lengths))
    kept = np.repeat(old, lengths)
    data = np.empty(indptr[-1], np.result_type(matrix, replacements))
    indices = np.empty(indptr[-1], indptr.dtype)
    in_order = np.argsort(rows, kind="stable")
    given = replacements[in_order]
    still = np.repeat(old[:n_rows], np.diff(matrix.indptr))
    data[kept], indices[kept] = matrix.data[still], matrix.indices[still]
    data[~kept], indices[~kept] = given.data, given.indices
    return csr_array((data, indices, indptr), shape=(n_after, max(n_columns, replacements.shape[1])))


def pointers(lengths: Offsets) -> Offsets:
    """Row pointers of rows of these lengths."""
    indptr = np.empty(len(lengths) + 1, np.int64)
    indptr[0] = 0
    lengths.cumsum(out=indptr[1:])
    return indptr


def _narrow(indptr: Offsets) -> npt.NDArray[Any]:
    """Row pointers as int32 where that holds them: SciPy widens, and copies, indices that are narrower."""
    return indptr.astype(index_dtype(int(indptr[-1])), copy=False)


def index_dtype(largest: int) -> npt.DTypeLike:
    """The narrower one of indices up to this."""
    return np.int32 if largest <= MOST_OF_32_BITS else np.int64


def _chunks(ends: Offsets, most: int) -> Iterator[tuple[int, int]]:
    """Consecutive ranges of rows, of which ``ends`` are the pointers: at most ``most`` entries each, or one row."""
    n_rows = len(ends) - 1
    first = 0
    while first < n_rows:
        last = n_rows
        if ends[n_rows] - ends[first] > most:
            last = max(first + 1, int(np.searchsorted(ends, ends[first] + most, side="right")) - 1)
        yield first, last
        first = last
