"""Bayesian personalised ranking: the loop over a cell of the block scheme, and new users' factors."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec._jit.blocks import (
    AHEAD,
    SLOT,
    SLOTS,
    Words,
    ask_for,
    draw,
    draw_negative,
    filter_word,
    first_word,
    mixed,
    stream,
    take_pair,
    unseen,
)
from fastrec._jit.decorator import kernel
from fastrec._jit.lanes import LANES, fused, load, logistic, pointer, prefetch, store
from fastrec._jit.steps import descend, descend_biases, margin
from fastrec._types import Array, Ids, Offsets

_U32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_ONE = np.float32(1)


@kernel()
def bpr_cell(
    first: int, last: int, seed: Any, epoch: int, place: int, pairs: Words, pair_weights: Array, pool: Ids,
    pool_first: int, pool_last: int, indices: Ids, indptr: Offsets, filters: Words, users: Array, items: Array,
    biases: Array, bias_squares: Array, adaptive: bool, rate: float, penalty: float,
) -> float:  # fmt: skip
    """Learn from the interactions [first, last) of a cell, each once, in random order.

    The answer sums, over them, the probability that the model gave the pair the other order.
    """
    stride = users.shape[1]
    width = stride // 2 if adaptive else stride
    weighted, biased = len(pair_weights) > 0, len(biases) > 0
    pairs_, weights_, pool_ = pointer(pairs), pointer(pair_weights), pointer(pool[pool_first:pool_last])
    indices_, indptr_, filters_ = pointer(indices), pointer(indptr), pointer(filters)
    x, y, b, b_squares = pointer(users), pointer(items), pointer(biases), pointer(bias_squares)
    drawn = np.empty((3, SLOTS), np.int64)  # user, positive, negative
    words, n_pool, n_items = np.empty(SLOTS, np.uint64), pool_last - pool_first, len(items)

    key = stream(seed, epoch, place)
    wrong = np.float64(0)
    for batch in range(first, last + 2 * AHEAD, AHEAD):
        # Samples have three stages, and go through each in batches of AHEAD: what one needs, the one before has asked
        # of memory.
        for at in range(batch, min(batch + AHEAD, last)):
            words[at & SLOT] = first_word(at, first, last, key, pairs_)
        for at in range(max(batch - AHEAD, first), min(batch, last)):
            slot = at & SLOT
            word = words[slot]
            pair = take_pair(at, last, word, pairs_, weights_, weighted)
            user, positive = np.int64(pair >> _U32), np.int64(pair & _LOW)
            negative = draw(word, pool_, n_pool, n_items)  # it will seldom have to be another
            drawn[0, slot], drawn[1, slot], drawn[2, slot] = user, positive, negative
            ask_for(x, user * stride, stride)
            ask_for(y, positive * stride, stride)
            ask_for(y, negative * stride, stride)
            prefetch(filters_, filter_word(user, negative, indptr_)[0])
        for at in range(max(batch - 2 * AHEAD, first), min(batch - AHEAD, last)):
            slot = at & SLOT
            user, positive = drawn[0, slot], drawn[1, slot]
            negative = unseen(drawn[2, slot], user, words[slot], pool_, n_pool, n_items, indices_, indptr_, filters_)
            if negative < 0:
                continue
            of_user, above, below = user * stride, positive * stride, negative * stride
            apart = margin(x, of_user, y, above, below, width)
            if biased:
                apart += b[positive] - b[negative]
            doubt = logistic(-apart)
            pull = doubt * weights_[at] if weighted else doubt
            descend(x, of_user, y, above, below, width, pull, adaptive, rate, penalty)
            if biased:
                descend_biases(b, b_squares, positive, negative, pull, adaptive, rate, penalty)
            wrong += doubt
    return wrong


@kernel()
def bpr_fold_in(
    first: int, last: int, indices: Ids, indptr: Offsets, weights: Array, filters: Words, pool: Ids, items: Array,
    biases: Array, n_passes: int, rate: float, penalty: float, out: Array,
) -> None:  # fmt: skip
    """Factors of users [first, last) from their items alone, whose factors stay: passes over each row, from zero on.

    The negatives depend on the pass and the item only, so that the same row has the same factors everywhere.
    """
    n_items, width = items.shape
    pool_, indices_, indptr_, filters_ = pointer(pool), pointer(indices), pointer(indptr), pointer(filters)
    x, y = pointer(out), pointer(items)
    for user in range(first, last):
        for number in range(n_passes):
            key = stream(np.uint64(0), number, 0)
            for at in range(indptr[user], indptr[user + 1]):
                positive = np.int64(indices[at])
                word = mixed(key + np.uint64(positive))
                negative = draw_negative(user, word, pool_, len(pool), n_items, indices_, indptr_, filters_)
                if negative < 0:
                    continue
                apart = margin(x, user * width, y, positive * width, negative * width, width)
                if len(biases):
                    apart += biases[positive] - biases[negative]
                pull = logistic(-apart)
                if len(weights):
                    pull *= weights[at]
                step, keep = rate * pull, _ONE - rate * penalty
                for column in range(0, width, LANES):
                    pair = load(y, positive * width + column) - load(y, negative * width + column)
                    store(x, user * width + column, fused(step, pair, keep * load(x, user * width + column)))
