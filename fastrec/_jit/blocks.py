"""What stochastic models share: random numbers by place, items in blocks, interactions in cells, verified negatives.

The definition of all of it, in plain Python: fastrec/reference/gradient.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastrec._jit.decorator import kernel
from fastrec._jit.lanes import LANES, TOGETHER, keep, pointer, prefetch
from fastrec._types import Array, Ids, Offsets

Words = npt.NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_U27, _U30, _U31, _U32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
_U1, _U8, _U14, _U20, _U26, _U63 = (np.uint64(number) for number in (1, 8, 14, 20, 26, 63))
_LOW = np.uint64(0xFFFFFFFF)

STRETCH = 64  # interactions of a cell that stay neighbours, so that a user's factors are near when they are met again
BATCH = 8  # samples that are worked on while memory brings what the next need; STRETCH is an even number of them
SLOTS = 2 * BATCH  # samples whose draws are kept
SLOT = SLOTS - 1  # the bits of a sample's place that say where
TRIES = 16  # draws of a negative; a sample that finds none is left out


# ---- random numbers -------------------------------------------------------------------------------------------------


@kernel(part=True)
def mixed(x: Any) -> Any:
    """A bijection of 64-bit words in which every bit depends on every bit: `fastrec._random` has the same."""
    x = x + _STEP
    x = (x ^ (x >> _U30)) * _FIRST
    x = (x ^ (x >> _U27)) * _SECOND
    return x ^ (x >> _U31)


@kernel(part=True)
def stream(seed: Any, epoch: Any, place: Any) -> Any:
    """Where the random numbers of a place in an epoch begin; number n of them is ``mixed`` of that plus n."""
    return mixed(mixed(mixed(seed) ^ np.uint64(epoch)) ^ np.uint64(place))


@kernel(part=True)
def below(word: Any, n: Any) -> Any:
    """A number in [0, n) from 32 random bits."""
    return np.int64(((word & _LOW) * np.uint64(n)) >> _U32)


@kernel(part=True)
def shuffle(order: Any, n: Any, key: Any) -> None:
    """Put ``n`` numbers into random order (Fisher and Yates). Takes an array or a pointer."""
    for at in range(n - 1):
        other = at + below(mixed(key + np.uint64(at)), n - at)
        order[at], order[other] = order[other], order[at]


@kernel()
def uniform_rows(first: int, last: int, out: Array, ids: Offsets, n_columns: int, key: Any, deviation: float) -> None:
    """Rows [first, last) of numbers with mean 0 and a standard deviation; each row's are keyed by its id."""
    unit = np.float32(deviation * np.sqrt(12.0) / 2.0**32)
    for row in range(first, last):
        place = mixed(key ^ np.uint64(ids[row]))
        for pair in range((n_columns + 1) // 2):
            word = mixed(place + np.uint64(pair))
            out[row, 2 * pair] = unit * np.float32(np.int32(word & _LOW))
            if 2 * pair + 1 < n_columns:
                out[row, 2 * pair + 1] = unit * np.float32(np.int32(word >> _U32))


# ---- what users have ------------------------------------------------------------------------------------------------


@kernel(part=True)
def filter_start(user: Any, indptr: Any) -> Any:
    """The first word of a user's filter, which has one for every four interactions and one more. Takes a pointer."""
    return (indptr[user] >> 2) + user


@kernel(part=True)
def filter_word(user: Any, item: Any, indptr: Any) -> Any:
    """Which word of the filters has the bits of an item of a user, and these bits (Putze, Sanders and Singler 2007).

    Word and bits come of a product (Knuth 1973, section 6.4). Takes a pointer.
    """
    start = filter_start(user, indptr)
    n_words = np.uint64(filter_start(user + 1, indptr) - start)
    product = np.uint64(item) * _STEP
    word = np.int64(((product >> _U32) * n_words) >> _U32)
    bits = np.uint64(0)
    for shift in (_U8, _U14, _U20, _U26):
        bits |= _U1 << ((product >> shift) & _U63)
    return start + word, bits


@kernel()
def fill_filters(first: int, last: int, indices: Ids, indptr: Offsets, filters: Words) -> None:
    """Write the words of users [first, last)."""
    indices_, indptr_, filters_ = pointer(indices), pointer(indptr), pointer(filters)
    for user in range(first, last):
        for word in range(filter_start(user, indptr_), filter_start(user + 1, indptr_)):
            filters_[word] = 0
        for at in range(indptr_[user], indptr_[user + 1]):
            word, bits = filter_word(user, indices_[at], indptr_)
            filters_[word] |= bits


@kernel(part=True)
def has(user: Any, item: Any, indices: Any, indptr: Any, filters: Any) -> Any:
    """Whether a user has an item: by the filter, which leaves one search in 300 to be done in vain. Takes pointers."""
    word, bits = filter_word(user, item, indptr)
    if filters[word] & bits != bits:
        return False
    low, high = indptr[user], indptr[user + 1]
    end = high
    while low < high:
        middle = (low + high) >> 1
        if indices[middle] < item:
            low = middle + 1
        else:
            high = middle
    return low < end and indices[low] == item


# ---- blocks and cells -----------------------------------------------------------------------------------------------


@kernel()
def partition_items(
    counts: Offsets, seed: Any, epoch: int, part: int, block_of: Array, pool: Ids, pool_starts: Offsets
) -> None:
    """Draw equal blocks of items for one part of an epoch, and what negatives are drawn from in each.

    The pool has an item as often as ``counts`` says, block after block.
    """
    n_items, n_blocks = len(counts), len(pool_starts) - 1
    key = stream(seed, epoch, -1 - part)
    order = np.arange(n_items)
    order_, counts_, block_of_, pool_ = pointer(order), pointer(counts), pointer(block_of), pointer(pool)
    shuffle(order_, n_items, key)
    filled = 0
    for block in range(n_blocks):
        pool_starts[block] = filled
        for at in range(block * n_items // n_blocks, (block + 1) * n_items // n_blocks):
            item = order_[at]
            block_of_[item] = block
            for _ in range(counts_[item]):
                pool_[filled] = item
                filled += 1
    pool_starts[n_blocks] = filled
    keep(order)


@kernel()
def sort_into_cells(
    first: int, last: int, indices: Ids, indptr: Offsets, weights: Array, seed: Any, epoch: int, blocks: Array,
    n_blocks: int, n_layers: int, pairs: Words, pair_weights: Array, starts: Offsets,
) -> None:  # fmt: skip
    """Gather the interactions of a block of users by part of the epoch, block of items, layer and user.

    ``blocks[p]`` are those of part p. Cell ``part * n_blocks + block`` of them begins at ``starts[cell * n_layers]``;
    layers are a power of two.
    """
    n_parts, n_items, weighted = len(blocks), blocks.shape[1], len(weights) > 0
    indices_, indptr_, weights_, blocks_ = pointer(indices), pointer(indptr), pointer(weights), pointer(blocks)
    starts_, pairs_, pair_weights_ = pointer(starts), pointer(pairs), pointer(pair_weights)
    starts[:] = 0
    for at in range(indptr_[first], indptr_[last]):
        part = part_of(at, n_parts, seed, epoch)
        block = np.int64(blocks_[part * n_items + indices_[at]])
        starts_[(part * n_blocks + block) * n_layers + (at & n_layers - 1) + 1] += 1
    starts[0] = indptr[first]
    for layer in range(n_parts * n_blocks * n_layers):
        starts[layer + 1] += starts[layer]
    ends = starts[:-1].copy()
    ends_ = pointer(ends)
    for user in range(first, last):
        for at in range(indptr_[user], indptr_[user + 1]):
            item = indices_[at]
            part = part_of(at, n_parts, seed, epoch)
            layer = (part * n_blocks + np.int64(blocks_[part * n_items + item])) * n_layers + (at & n_layers - 1)
            place = ends_[layer]
            ends_[layer] = place + 1
            pairs_[place] = (np.uint64(user) << _U32) | np.uint64(item)
            if weighted:
                pair_weights_[place] = weights_[at]
    keep(ends)


@kernel(part=True)
def part_of(at: Any, n_parts: Any, seed: Any, epoch: Any) -> Any:
    """In which part of an epoch an interaction is learned from."""
    if n_parts == 1:
        return 0
    return below(mixed(stream(seed, epoch, -1) + np.uint64(at)), n_parts)


@kernel(part=True)
def stretches(n: Any, key: Any) -> Any:
    """The stretches of a cell of ``n`` interactions in random order, and two that have none. To `keep`."""
    n_stretches = (n + STRETCH - 1) // STRETCH
    order = np.arange(n_stretches + 2)
    shuffle(order, n_stretches, mixed(key))
    return order


@kernel(part=True)
def place_of(number: Any, order: Any) -> Any:
    """Which interaction of a cell is taken as number so many; not one of them where the last stretch is short.

    Takes a pointer to its stretches.
    """
    return order[number // STRETCH] * STRETCH + number % STRETCH


@kernel(part=True)
def batch(number: Any, order: Any, n: Any) -> Any:
    """Where a batch of a cell of ``n`` interactions begins and ends. Takes a pointer to its stretches."""
    begin = place_of(number * BATCH, order)
    return min(begin, n), min(begin + BATCH, n)


@kernel(part=True)
def draw(word: Any, pool: Any, n_pool: Any, n_items: Any) -> Any:
    """An item of the pool, or of all where that is empty: a look into one that holds all would wait for memory.

    Takes a pointer, as all that follow.
    """
    return np.int64(pool[below(word, n_pool)]) if n_pool else below(word, n_items)


@kernel(part=True)
def unseen(
    item: Any, user: Any, word: Any, pool: Any, n_pool: Any, n_items: Any, indices: Any, indptr: Any, filters: Any
) -> Any:  # fmt: skip
    """What was drawn by a word, or is drawn after it, that the user has not; -1 when none was found."""
    for _ in range(TRIES):
        if not has(user, item, indices, indptr, filters):
            return item
        word = mixed(word)
        item = draw(word, pool, n_pool, n_items)
    return np.int64(-1)


@kernel(part=True)
def draw_negative(
    user: Any, word: Any, pool: Any, n_pool: Any, n_items: Any, indices: Any, indptr: Any, filters: Any
) -> Any:  # fmt: skip
    """What is drawn that the user has not; -1 when none was found."""
    item = draw(word, pool, n_pool, n_items)
    return unseen(item, user, word, pool, n_pool, n_items, indices, indptr, filters)


@kernel(part=True)
def ask_for(matrix: Any, first: Any, width: Any) -> None:
    """Let memory bring a row."""
    column = 0
    while column + TOGETHER <= width:
        for _ in range(TOGETHER // LANES):
            prefetch(matrix, first + column)
            column += LANES
    while column < width:
        prefetch(matrix, first + column)
        column += LANES
