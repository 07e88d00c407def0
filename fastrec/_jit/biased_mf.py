"""Biased matrix factorisation of ratings: the loop over a cell of the block scheme, and new users' factors."""

from __future__ import annotations

import numpy as np

from fastrec._jit.blocks import BATCH, Words, ask_for, batch, n_places
from fastrec._jit.decorator import kernel
from fastrec._jit.lanes import LANES, fused, load, pointer, prefetch, store
from fastrec._jit.steps import adapt, adapt_number, product
from fastrec._types import STRETCH, Array, Ids, Offsets

_U32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_ONE = np.float32(1)


@kernel()
def rating_cell(
    order: Offsets, pairs: Words, ratings: Array, users: Array, items: Array, user_biases: Array, item_biases: Array,
    user_squares: Array, item_squares: Array, adaptive: bool, rate: float, penalty: float, mean: float,
) -> float:  # fmt: skip
    """Learn from the ratings of some stretches of a cell, each once, in their order.

    The answer sums their squared errors.
    """
    stride = users.shape[1]
    width = stride // 2 if adaptive else stride
    biased = len(user_biases) > 0
    order_, pairs_, ratings_, x, y = pointer(order), pointer(pairs), pointer(ratings), pointer(users), pointer(items)
    b_x, b_y, b_x_squares, b_y_squares = (
        pointer(user_biases), pointer(item_biases), pointer(user_squares), pointer(item_squares),
    )  # fmt: skip
    n = len(pairs)

    begin, end = np.int64(0), np.int64(0)
    squares = np.float64(0)
    for number in range(n_places(len(order)) // BATCH + 1):
        # Samples have two stages, and go through each in batches: what the second needs, the first asks of memory.
        begin_before, end_before = begin, end
        begin, end = batch(number, order_, n)
        prefetch(pairs_, batch(number + STRETCH // BATCH, order_, n)[0])
        for at in range(begin, end):
            pair = pairs_[at]
            ask_for(x, np.int64(pair >> _U32) * stride, stride)
            ask_for(y, np.int64(pair & _LOW) * stride, stride)
        for at in range(begin_before, end_before):
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
                step, kept = rate * error, _ONE - rate * penalty
                for column in range(0, width, LANES):
                    u, i = load(x, of_user + column), load(y, of_item + column)
                    store(x, of_user + column, fused(step, i, kept * u))
                    store(y, of_item + column, fused(step, u, kept * i))
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
