"""Bayesian personalised ranking: the loop over a cell of the block scheme, and new users' factors."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec._jit.blocks import AHEAD, SLOT, SLOTS, Words, ask_for, draw_negative, first_word, mixed, stream, take_pair
from fastrec._jit.decorator import kernel
from fastrec._jit.lanes import LANES, fused, load, logistic, pointer, prefetch, store
from fastrec._jit.steps import descend, descend_biases, margin
from fastrec._types import Array, Ids, Offsets

_U32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_ONE = np.float32(1)


@kernel()
def bpr_cell(
    first: int, last: int, seed: Any, epoch: int, place: int, pairs: Words, pair_weights: Array, pool: Ids,
    pool_first: int, pool_last: int, indices: Ids, indptr: Offsets, marks: Array, users: Array, items: Array,
    biases: Array, bias_squares: Array, adaptive: bool, rate: float, penalty: float,
) -> float:  # fmt: skip
    """Learn from the interactions [first, last) of a cell, each once, in random order.

    The answer sums, over them, the probability that the model gave the pair the other order.
    """
    stride = users.shape[1]
    width = stride // 2 if adaptive else stride
    weighted, biased = len(pair_weights) > 0, len(biases) > 0
    pairs_, weights_, pool_ = pointer(pairs), pointer(pair_weights), pointer(pool[pool_first:pool_last])
    indices_, indptr_, marks_ = pointer(indices), pointer(indptr), pointer(marks)
    x, y, b, b_squares = pointer(users), pointer(items), pointer(biases), pointer(bias_squares)
    drawn = np.empty((3, SLOTS), np.int64)  # where factors begin: of the user, the positive, the negative
    words, n_pool, n_items = np.empty(SLOTS, np.uint64), pool_last - pool_first, len(items)

    key = stream(seed, epoch, place)
    wrong = np.float64(0)
    for now in range(first, last + 3 * AHEAD):
        # A sample has four stages, AHEAD samples apart: what each needs, the one before has asked of memory.
        if now < last:
            words[now & SLOT] = first_word(now, first, last, key, pairs_)
        at = now - AHEAD
        if first <= at < last:
            slot = at & SLOT
            pair = take_pair(at, last, words[slot], pairs_, weights_, weighted)
            user = np.int64(pair >> _U32)
            of_user, above = user * stride, np.int64(pair & _LOW) * stride
            drawn[0, slot], drawn[1, slot] = of_user, above
            ask_for(x, of_user, stride)
            ask_for(y, above, stride)
            prefetch(marks_, indptr_[user])  # where the user's filter begins; most end within a line
        at = now - 2 * AHEAD
        if first <= at < last:
            slot, user = at & SLOT, np.int64(pairs_[at] >> _U32)
            negative = draw_negative(user, words[slot], pool_, n_pool, n_items, indices_, indptr_, marks_)
            below = negative * stride
            drawn[2, slot] = below
            if negative >= 0:
                ask_for(y, below, stride)
        at = now - 3 * AHEAD
        if at < first:
            continue
        slot = at & SLOT
        of_user, above, below = drawn[0, slot], drawn[1, slot], drawn[2, slot]
        if below < 0:
            continue
        apart = margin(x, of_user, y, above, below, width)
        if biased:
            positive, negative = above // stride, below // stride
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
    first: int, last: int, indices: Ids, indptr: Offsets, weights: Array, marks: Array, pool: Ids, items: Array,
    biases: Array, n_passes: int, rate: float, penalty: float, out: Array,
) -> None:  # fmt: skip
    """Factors of users [first, last) from their items alone, whose factors stay: passes over each row, from zero on.

    The negatives depend on the pass and the item only, so that the same row has the same factors everywhere.
    """
    n_items, width = items.shape
    pool_, indices_, indptr_, marks_ = pointer(pool), pointer(indices), pointer(indptr), pointer(marks)
    x, y = pointer(out), pointer(items)
    for user in range(first, last):
        for number in range(n_passes):
            key = stream(np.uint64(0), number, 0)
            for at in range(indptr[user], indptr[user + 1]):
                positive = np.int64(indices[at])
                word = mixed(key + np.uint64(positive))
                negative = draw_negative(user, word, pool_, len(pool), n_items, indices_, indptr_, marks_)
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
