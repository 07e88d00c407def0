"""Epochs of stochastic gradient descent in blocks that touch nothing in common: the same bits at any number of threads.

Users are cut into contiguous blocks with as many interactions each, items into equal blocks that are drawn anew for
each part of an epoch. What a block of users has in a block of items is a cell. In step s, block i of users learns from
block (i + s) mod n_blocks of items. Random numbers belong to a place in a cell of an epoch: docs/gradient.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fastrec import _dispatch, _threads
from fastrec._types import NEXT_STRETCHES, STRETCH, Array, Csr, Ids, Offsets

_LANES = 16
_ALIGNMENT = 64
_MOST_BLOCKS = 64
_LEAST_IN_CELL = 8192  # interactions, on average: less would not be worth a task
_LEAST_ITEMS, _LEAST_USERS = 64, 8  # in a block: fewer would leave few negatives to draw
_AT_ONCE = 2048  # stretches, between which Ctrl-C is looked for
_MOST_IN_LAYER = 4  # interactions of a user in a layer of a cell, in the mean
_MOST_LAYERS = 32


class Blocks:
    """Interactions, and the order in which each epoch goes through them."""

    def __init__(
        self,
        rows: Csr,
        values: Array | None,
        key: np.uint64,
        n_threads: int,
        *,
        times_drawn: Offsets | None = None,
        n_parts: int = 1,
    ) -> None:
        """``times_drawn`` says how often each item is among those that negatives are drawn from, None that none are.

        Kernels that draw no negatives are not given what it takes to.
        """
        n_users, n_items = rows.shape
        n_stored = len(rows.indices)
        self.n_blocks = blocks_for(n_stored, n_users, n_items)
        self._n_layers = layers_for(n_stored, n_users * self.n_blocks * n_parts)
        self._rows, self._key, self._draws = rows, key, times_drawn is not None
        self._times_drawn = np.zeros(n_items, np.int64) if times_drawn is None else times_drawn
        self._n_parts, self._n_threads = n_parts, n_threads
        self._cells = cells_in_order(n_parts, self.n_blocks)
        self._task_of = {cell: n_parts + self.n_blocks + at for at, cell in enumerate(self._cells)}
        self._user_bounds = even_bounds(rows.indptr, self.n_blocks)
        self._values = np.empty(0, np.float32) if values is None else values.astype(np.float32)
        self._filters = filters_of(rows, n_threads) if self._draws else np.empty(0, np.uint64)
        # What every epoch writes anew: blocks of items, what is drawn from them, interactions by cell.
        self._block_of = np.empty((n_parts, n_items), np.uint8)
        self._pools = np.empty((n_parts, int(self._times_drawn.sum())), np.int32)
        self._pool_starts = np.empty((n_parts, self.n_blocks + 1), np.int64)
        self._pairs, self._pair_values = np.empty(n_stored, np.uint64), np.empty_like(self._values)
        self._layer_starts = np.empty((self.n_blocks, n_parts * self.n_blocks * self._n_layers + 1), np.int64)

    def run_epoch(self, epoch: int, learn: Callable[..., float], *args: Any) -> float:
        """Let the kernel ``learn`` work on every cell; the sum of what it answers, in one order."""
        n_parts, n_blocks = self._n_parts, self.n_blocks
        n_before, cells, task_of = n_parts + n_blocks, self._cells, self._task_of
        answers = np.zeros((n_parts, n_blocks, n_blocks))

        def task(number: int) -> Iterator[None]:
            if number < n_parts:
                self._partition(epoch, number)
            elif number < n_before:
                self._sort(epoch, number - n_parts)
            else:
                part, step, of_users = cells[number - n_before]
                order, *cell = self._cell(epoch, part, of_users, (of_users + step) % n_blocks)
                for first in range(0, len(order) - NEXT_STRETCHES, _AT_ONCE):
                    stretches = order[first : first + _AT_ONCE + NEXT_STRETCHES]
                    answers[part, step, of_users] += learn(stretches, *cell, *args)
                    yield

        def needs(number: int) -> Iterable[int]:
            if number < n_parts:
                return ()
            if number < n_before:
                return range(n_parts)
            part, step, of_users = cells[number - n_before]
            if step:
                return task_of[part, step - 1, of_users], task_of[part, step - 1, (of_users + 1) % n_blocks]
            if part:
                return [task_of[part - 1, n_blocks - 1, block] for block in range(n_blocks)]
            return (n_parts + of_users,)

        # No more cells can be worked on at once; threads that only wait would hold up those that do not.
        _threads.run_in_order(task, needs, n_before + len(cells), min(self._n_threads, n_blocks))
        return float(answers.sum())

    def _cell(self, epoch: int, part: int, of_users: int, of_items: int) -> tuple[Any, ...]:
        """What its kernel needs of a cell, beside its own."""
        at, starts = part * self.n_blocks + of_items, self._layer_starts[of_users, :: self._n_layers]
        stored = slice(starts[at], starts[at + 1])
        pairs, values = self._pairs[stored], self._pair_values[stored]
        n_stretches = -(-len(pairs) // STRETCH)
        order = np.empty(n_stretches + NEXT_STRETCHES, np.int64)
        cell = (part * self.n_blocks + of_users) * self.n_blocks + of_items
        place = _dispatch.kernel("order_stretches")(order, n_stretches, self._key, epoch, cell)
        if not self._draws:
            return order, pairs, values
        pool = self._pools[part, slice(*self._pool_starts[part, of_items : of_items + 2])]
        return order, pairs, values, np.uint64(place), pool, self._rows.indices, self._rows.indptr, self._filters

    def _partition(self, epoch: int, part: int) -> None:
        _dispatch.kernel("partition_items")(
            self._times_drawn, self._key, epoch, part, self._block_of[part], self._pools[part], self._pool_starts[part]
        )

    def _sort(self, epoch: int, of_users: int) -> None:
        first, last = self._user_bounds[of_users : of_users + 2].tolist()
        _dispatch.kernel("sort_into_cells")(
            first, last, self._rows.indices, self._rows.indptr, self._values, self._key, epoch, self._block_of,
            self.n_blocks, self._n_layers, self._pairs, self._pair_values, self._layer_starts[of_users],
        )  # fmt: skip


def blocks_for(n_stored: int, n_users: int, n_items: int) -> int:
    """Number of blocks: a power of two that depends on the data only."""
    n_blocks = 1
    while (
        2 * n_blocks <= _MOST_BLOCKS
        and n_stored >= (2 * n_blocks) ** 2 * _LEAST_IN_CELL
        and n_items >= 2 * n_blocks * _LEAST_ITEMS
        and n_users >= 2 * n_blocks * _LEAST_USERS
    ):
        n_blocks *= 2
    return n_blocks


def layers_for(n_stored: int, n_rows: int) -> int:
    """Number of layers that keep a user's interactions in a cell apart, a power of two; all cells have ``n_rows``."""
    n_layers = 1
    while n_layers < _MOST_LAYERS and n_stored >= _MOST_IN_LAYER * n_layers * n_rows:
        n_layers *= 2
    return n_layers


def cells_in_order(n_parts: int, n_blocks: int) -> list[tuple[int, int, int]]:
    """Part, step and block of users of every cell, those of a block of items together; none before one that it needs.

    So a block's factors stay in a cache, whether one thread takes all cells or some share them.
    """
    return [
        (part, step, same_items - step)
        for part in range(n_parts)
        for same_items in range(2 * n_blocks - 1)  # the block of items, or that and n_blocks
        for step in range(max(0, same_items - n_blocks + 1), min(same_items + 1, n_blocks))
    ]


def even_bounds(indptr: Offsets, n_blocks: int) -> Offsets:
    """Where contiguous blocks of rows begin, and the last ends, with as many interactions in each as can be."""
    bounds: Offsets = np.searchsorted(indptr, np.arange(n_blocks + 1) * indptr[-1] // n_blocks)
    bounds[0], bounds[-1] = 0, len(indptr) - 1
    return bounds


def aligned_rows(n_rows: int, n_columns: int, n_matrices: int = 1) -> npt.NDArray[np.float32]:
    """Zeros for some matrices side by side, the rows of each a whole number of the kernels' vectors."""
    width = n_matrices * padded(n_columns)
    n_bytes = n_rows * width * np.float32().itemsize
    room = np.zeros(n_bytes + _ALIGNMENT, np.uint8)
    first = -room.ctypes.data % _ALIGNMENT
    return room[first : first + n_bytes].view(np.float32).reshape(n_rows, width)


def aligned_copy(factors: Array) -> npt.NDArray[np.float32]:
    """Factors in aligned rows, zeros beyond their columns."""
    out = aligned_rows(*factors.shape)
    out[:, : factors.shape[1]] = factors
    return out


def padded(n_columns: int) -> int:
    """Columns as the kernels have them."""
    return -(-n_columns // _LANES) * _LANES


def uniform_start(rows: Array, ids: Array, n_columns: int, key: np.uint64, deviation: float, n_threads: int) -> None:
    """Fill columns with numbers of mean 0, keyed by each row's id: uniform, for that is drawn ten times as fast."""
    _dispatch.kernel("uniform_rows")(rows, ids, n_columns, key, deviation, n_threads)


def pool_of(counts: Offsets, by_popularity: bool) -> Ids:
    """Items as often as negatives are drawn from them, or none where all are drawn alike."""
    every = np.arange(len(counts), dtype=np.int32)
    return np.repeat(every, counts) if by_popularity else every[:0]


def filters_of(rows: Csr, n_threads: int) -> npt.NDArray[np.uint64]:
    """Filters of what users have."""
    n_users = rows.shape[0]
    filters = np.empty(len(rows.indices) // 4 + n_users, np.uint64)
    _dispatch.kernel("fill_filters")(rows.indices, rows.indptr, filters, n_threads)
    return filters
