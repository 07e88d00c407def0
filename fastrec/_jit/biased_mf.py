"""Biased matrix factorisation of ratings: the loop over a cell of the block scheme, and new users' factors."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec._jit.blocks import AHEAD, SLOT, SLOTS, Words, ask_for, first_word, stream, take_pair
from fastrec._jit.decorator import kernel
from fastrec._jit.lanes import LANES, fused, load, pointer, store
from fastrec._jit.steps import adapt, adapt_number, product
from fastrec._types import Array, Ids, Offsets

_U32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_ONE = np.float32(1)


@kernel()
def rating_cell(
    first: int, last: int, seed: Any, epoch: int, place: int, pairs: Words, ratings: Array, users: Array, items: Array,
    user_biases: Array, item_biases: Array, user_squares: Array, item_squares: Array, adaptive: bool, rate: float,
    penalty: float, mean: float,
) -> float:  # fmt: skip
    """Learn from the ratings [first, last) of a cell, each once, in random order; the sum of their squared errors."""
    stride = users.shape[1]
    width = stride // 2 if adaptive else stride
    biased = len(user_biases) > 0
    pairs_, ratings_, x, y = pointer(pairs), pointer(ratings), pointer(users), pointer(items)
    b_x, b_y, b_x_squares, b_y_squares = (
        pointer(user_biases), pointer(item_biases), pointer(user_squares), pointer(item_squares),
    )  # fmt: skip
    words = np.empty(SLOTS, np.uint64)

    key = stream(seed, epoch, place)
    squares = np.float64(0)
    for now in range(first, last + 2 * AHEAD):
        # A sample has three stages, AHEAD samples apart: what each needs, the one before has asked of memory.
        if now < last:
            words[now & SLOT] = first_word(now, first, last, key, pairs_)
        at = now - AHEAD
        if first <= at < last:
            pair = take_pair(at, last, words[at & SLOT], pairs_, ratings_, True)
            ask_for(x, np.int64(pair >> _U32) * stride, stride)
            ask_for(y, np.int64(pair & _LOW) * stride, stride)
        at = now - 2 * AHEAD
        if at < first:
            continue
        pair = pairs_[at]
        user, item = np.int64(pair >> _U32), np.int64(pair & _LOW)
        of_user, of_item = user * stride, item * stride
        error = ratings_[at] - mean - product(x, of_user, y, of_item, width)
        if biased:
            error -= b_x[user] + b_y[item]
            adapt_number(b_x, b_x_squares, adaptive, user, error - penalty * b_x[user], rate)
            adapt_number(b_y, b_y_squares, adaptive, item, error - penalty * b_y[item], rate)
        if adaptive:
            for column in range(0, width, LANES):
                u, i = load(x, of_user + column), load(y, of_item + column)
                adapt(x, of_user + column, width, u, error * i - penalty * u, rate)
                adapt(y, of_item + column, width, i, error * u - penalty * i, rate)
        else:
            step, keep = rate * error, _ONE - rate * penalty
            for column in range(0, width, LANES):
                u, i = load(x, of_user + column), load(y, of_item + column)
                store(x, of_user + column, fused(step, i, keep * u))
                store(y, of_item + column, fused(step, u, keep * i))
        squares += np.float64(error) * error
    return squares


@kernel()
def rating_fold_in(
    first: int, last: int, indices: Ids, indptr: Offsets, ratings: Array, items: Array, item_biases: Array,
    biased: bool, n_passes: int, adaptive: bool, rate: float, penalty: float, mean: float, out: Array, biases: Array,
    bias_squares: Array,
) -> None:  # fmt: skip
    """Factors and biases of users [first, last) from their ratings alone, items as they are: passes over each row.

    Biases of items count in any case; users get one only if ``biased``.
    """
    stride, width = out.shape[1], items.shape[1]
    x, y, b_x, squares = pointer(out), pointer(items), pointer(biases), pointer(bias_squares)
    step_keep = _ONE - rate * penalty
    for user in range(first, last):
        of_user = user * stride
        for _ in range(n_passes):
            for at in range(indptr[user], indptr[user + 1]):
                of_item = np.int64(indices[at]) * width
                error = ratings[at] - mean - product(x, of_user, y, of_item, width)
                error -= b_x[user] + item_biases[indices[at]]
                if biased:
                    adapt_number(b_x, squares, adaptive, user, error - penalty * b_x[user], rate)
                for column in range(0, width, LANES):
                    u, i = load(x, of_user + column), load(y, of_item + column)
                    if adaptive:
                        adapt(x, of_user + column, width, u, error * i - penalty * u, rate)
                    else:
                        store(x, of_user + column, fused(rate * error, i, step_keep * u))
