"""What one sample changes: a user's row and those of two items, by plain descent or by Adagrad.

Rows of factors are told by where they begin in their matrix. With Adagrad each is followed by its sums of squares.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastrec._jit.decorator import kernel
from fastrec._jit.lanes import LANES, TOGETHER, fused, inverse_root, load, store, total, zeros

_ONE = np.float32(1)


@kernel(part=True)
def product(first: Any, begin: Any, second: Any, start: Any, n: Any) -> Any:
    """Inner product of ``n`` numbers of two lists, from a place of each on."""
    sums = zeros()
    for at in range(0, n, LANES):
        sums = fused(load(first, begin + at), load(second, start + at), sums)
    return total(sums)


@kernel(part=True)
def margin(users: Any, user: Any, items: Any, positive: Any, negative: Any, width: Any) -> Any:
    """By how much a user's score of one item exceeds that of another: two sums, each of which waits half as long."""
    even, odd, column = zeros(), zeros(), 0
    while column + TOGETHER <= width:
        for _ in range(TOGETHER // (2 * LANES)):
            even = with_product(even, users, user + column, items, positive + column, negative + column)
            column += LANES
            odd = with_product(odd, users, user + column, items, positive + column, negative + column)
            column += LANES
    while column < width:
        even = with_product(even, users, user + column, items, positive + column, negative + column)
        column += LANES
    return total(even + odd)


@kernel(part=True)
def with_product(dot: Any, users: Any, user: Any, items: Any, positive: Any, negative: Any) -> Any:
    """The sum and sixteen numbers' part of it."""
    return fused(load(users, user), load(items, positive) - load(items, negative), dot)


@kernel(part=True)
def descend(
    users: Any, user: Any, items: Any, positive: Any, negative: Any, width: Any, pull: Any, adaptive: Any,
    rate: Any, penalty: Any,
) -> None:  # fmt: skip
    """A step with ``pull`` on the margin: plain, or with a rate for every number, from its own squared gradients.

    The latter is Adagrad (Duchi et al. 2011).
    """
    if adaptive:
        for column in range(0, width, LANES):
            x = load(users, user + column)
            above, below = load(items, positive + column), load(items, negative + column)
            adapt(users, user + column, width, x, pull * (above - below) - penalty * x, rate)
            adapt(items, positive + column, width, above, pull * x - penalty * above, rate)
            adapt(items, negative + column, width, below, -pull * x - penalty * below, rate)
        return
    step, keep, column = rate * pull, _ONE - rate * penalty, 0
    while column + TOGETHER <= width:
        for _ in range(TOGETHER // LANES):
            move(users, user + column, items, positive + column, negative + column, step, keep)
            column += LANES
    while column < width:
        move(users, user + column, items, positive + column, negative + column, step, keep)
        column += LANES


@kernel(part=True)
def move(users: Any, user: Any, items: Any, positive: Any, negative: Any, step: Any, keep: Any) -> None:
    """Sixteen numbers of each row move."""
    x = load(users, user)
    above, below = load(items, positive), load(items, negative)
    store(users, user, fused(step, above - below, keep * x))
    store(items, positive, fused(step, x, keep * above))
    store(items, negative, fused(-step, x, keep * below))


@kernel(part=True)
def adapt(matrix: Any, at: Any, width: Any, value: Any, ascent: Any, rate: Any) -> None:
    """Sixteen numbers of a row move along ``ascent``."""
    squares = fused(ascent, ascent, load(matrix, at + width))
    store(matrix, at + width, squares)
    store(matrix, at, fused(rate, ascent * inverse_root(squares), value))


@kernel(part=True)
def adapt_number(values: Any, squares: Any, adaptive: Any, at: Any, ascent: Any, rate: Any) -> None:
    """The same of one number, or plain descent."""
    if adaptive:
        squares[at] += ascent * ascent
        values[at] += rate * ascent / np.float32(math.sqrt(squares[at]))
    else:
        values[at] += rate * ascent


@kernel(part=True)
def descend_biases(
    biases: Any, squares: Any, positive: Any, negative: Any, pull: Any, adaptive: Any, rate: Any, penalty: Any
) -> None:
    """The step of both items' biases that goes with `descend`."""
    adapt_number(biases, squares, adaptive, positive, pull - penalty * biases[positive], rate)
    adapt_number(biases, squares, adaptive, negative, -pull - penalty * biases[negative], rate)
