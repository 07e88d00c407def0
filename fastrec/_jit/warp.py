"""Weighted approximate-rank pairwise loss: the loop over a cell of the block scheme, and new users' factors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastrec._jit.blocks import (
    BATCH,
    Words,
    ask_for,
    below,
    draw,
    filter_start,
    has,
    mixed,
    n_places,
    place_of,
    stream,
)
from fastrec._jit.decorator import kernel
from fastrec._jit.lanes import LANES, load, pointer, prefetch
from fastrec._jit.steps import adapt, descend, descend_biases, margin
from fastrec._types import STRETCH, Array, Ids, Offsets

_U32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_ONE = np.float32(1)
_AHEAD = 4  # samples between stages, which are longer than those of the other models
_ASKED_FOR = 4  # of the negatives: the others are seldom drawn


@kernel(part=True)
def rank_weight(n_items: Any, n_draws: Any) -> Any:
    """Logarithm of a positive's rank, as the number of draws that found a violation says (Weston et al. 2011)."""
    return np.float32(math.log(max((n_items - 1) // n_draws, 1)))


@kernel()
def warp_cell(
    order: Offsets, pairs: Words, pair_weights: Array, place: Any, pool: Ids, indices: Ids, indptr: Offsets,
    filters: Words, users: Array, items: Array, biases: Array, bias_squares: Array, adaptive: bool, rate: float,
    penalty: float, n_items: int, max_draws: int,
) -> float:  # fmt: skip
    """Learn from the interactions of some stretches of a cell, each once, in their order.

    The answer sums their losses: weighted by rank, what the negative that was found lacks to a margin of 1.
    """
    stride = users.shape[1]
    width = stride // 2 if adaptive else stride
    weighted, biased = len(pair_weights) > 0, len(biases) > 0
    order_, pairs_, weights_ = pointer(order), pointer(pairs), pointer(pair_weights)
    pool_, indices_, indptr_ = pointer(pool), pointer(indices), pointer(indptr)
    filters_, x, y, b, b_squares = (
        pointer(filters), pointer(users), pointer(items), pointer(biases), pointer(bias_squares),
    )  # fmt: skip
    n, n_pool = len(pairs), len(pool)

    losses = np.float64(0)
    for number in range(n_places(len(order)) + _AHEAD):
        # A sample has two stages, _AHEAD samples apart: what the second needs, the first asks of memory.
        if number % BATCH == 0:
            prefetch(pairs_, place_of(number + STRETCH, order_))
        at = place_of(number, order_)
        if at < n:
            word = mixed(place + np.uint64(at))
            pair = pairs_[at]
            user, positive = np.int64(pair >> _U32), np.int64(pair & _LOW)
            ask_for(x, user * stride, stride)
            prefetch(filters_, filter_start(user, indptr_))  # most end within a line
            ask_for(y, positive * stride, stride)
            if biased:
                prefetch(b, positive)
            for _ in range(min(_ASKED_FOR, max_draws)):
                negative = np.int64(pool_[below(word, n_pool)])
                ask_for(y, negative * stride, width)
                if biased:
                    prefetch(b, negative)
                word = mixed(word)
        at = place_of(max(number - _AHEAD, 0), order_)
        if number < _AHEAD or at >= n:
            continue
        pair, word = pairs_[at], mixed(place + np.uint64(at))
        user, positive = np.int64(pair >> _U32), np.int64(pair & _LOW)
        of_user, above = user * stride, positive * stride
        for n_draws in range(1, max_draws + 1):
            negative = np.int64(pool_[below(word, n_pool)])
            word = mixed(word)
            under = negative * stride
            apart = margin(x, of_user, y, above, under, width)
            if biased:
                apart += b[positive] - b[negative]
            if apart >= _ONE or has(user, negative, indices_, indptr_, filters_):
                continue
            pull = rank_weight(n_items, n_draws)
            if weighted:
                pull *= weights_[at]
            descend(x, of_user, y, above, under, width, pull, adaptive, rate, penalty)
            if biased:
                descend_biases(b, b_squares, positive, negative, pull, adaptive, rate, penalty)
            losses += pull * (_ONE - apart)
            break
    return losses


@kernel()
def warp_fold_in(
    first: int, last: int, indices: Ids, indptr: Offsets, weights: Array, filters: Words, pool: Ids, items: Array,
    biases: Array, n_passes: int, rate: float, penalty: float, out: Array, n_items: int, max_draws: int,
) -> None:  # fmt: skip
    """Factors of users [first, last) from their items alone, whose factors stay: passes over each row, with Adagrad.

    What is drawn depends on the pass and the item only, so that the same row has the same factors everywhere. ``out``
    holds zeros, and beside them the squares to begin with.
    """
    stride = out.shape[1]
    width = stride // 2
    pool_, indices_, indptr_, filters_ = pointer(pool), pointer(indices), pointer(indptr), pointer(filters)
    x, y = pointer(out), pointer(items)
    for user in range(first, last):
        of_user = user * stride
        for number in range(n_passes):
            key = stream(np.uint64(0), number, 0)
            for at in range(indptr[user], indptr[user + 1]):
                positive = np.int64(indices[at])
                word = mixed(key + np.uint64(positive))
                for n_draws in range(1, max_draws + 1):
                    negative = draw(word, pool_, len(pool), n_items)
                    word = mixed(word)
                    apart = margin(x, of_user, y, positive * width, negative * width, width)
                    if len(biases):
                        apart += biases[positive] - biases[negative]
                    if apart >= _ONE or has(user, negative, indices_, indptr_, filters_):
                        continue
                    pull = rank_weight(n_items, n_draws)
                    if len(weights):
                        pull *= weights[at]
                    for column in range(0, width, LANES):
                        now = load(x, of_user + column)
                        pair = load(y, positive * width + column) - load(y, negative * width + column)
                        adapt(x, of_user + column, width, now, pull * pair - penalty * now, rate)
                    break
