"""What the kernels of stochastic models share: random numbers by place, a cell's interactions, verified negatives.

The definition of all of it, in plain Python: fastrec/reference/gradient.py. What has no formula of a model in it is in
csrc/fastrec/descent_blocks.hpp, so that no first fit waits for it to be compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastrec._jit.decorator import kernel
from fastrec._jit.lanes import LANES, TOGETHER, prefetch
from fastrec._types import NEXT_STRETCHES, STRETCH

Words = npt.NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_U27, _U30, _U31, _U32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
_U1, _U8, _U14, _U20, _U26, _U63 = (np.uint64(number) for number in (1, 8, 14, 20, 26, 63))
_LOW = np.uint64(0xFFFFFFFF)

BATCH = 8  # samples that are worked on while memory brings what the next need; STRETCH is an even number of them
SLOTS = 2 * BATCH  # samples whose draws are kept
SLOT = SLOTS - 1  # the bits of a sample's place that say where
TRIES = 16  # draws of a negative; a sample that finds none is left out


# ---- random numbers -------------------------------------------------------------------------------------------------


@kernel(part=True)
def mixed(x: Any) -> Any:
    """A bijection of 64-bit words in which every bit depends on every bit, as csrc/fastrec/keyed_words.hpp has it."""
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


# ---- what users have ------------------------------------------------------------------------------------------------


@kernel(part=True)
def filter_start(user: Any, indptr: Any) -> Any:
    """The first word of a user's filter, which has one for every four interactions and one more. Takes a pointer."""
    return (indptr[user] >> 2) + user


@kernel(part=True)
def filter_word(user: Any, item: Any, indptr: Any) -> Any:
    """Which word of the filters has the bits of an item of a user, and these bits. Takes a pointer.

    As csrc/fastrec/descent_blocks.hpp fills them.
    """
    start = filter_start(user, indptr)
    n_words = np.uint64(filter_start(user + 1, indptr) - start)
    product = np.uint64(item) * _STEP
    word = np.int64(((product >> _U32) * n_words) >> _U32)
    bits = np.uint64(0)
    for shift in (_U8, _U14, _U20, _U26):
        bits |= _U1 << ((product >> shift) & _U63)
    return start + word, bits


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


# ---- cells ----------------------------------------------------------------------------------------------------------


@kernel(part=True)
def n_places(n_stretches: Any) -> Any:
    """How many interactions some stretches of a cell would have were its last as long as the others.

    Takes the number of all that a kernel is given.
    """
    return (n_stretches - NEXT_STRETCHES) * STRETCH


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
