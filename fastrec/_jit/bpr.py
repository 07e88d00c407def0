"""Bayesian personalised ranking: the loop over a cell of the block scheme, and new users' factors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastrec._jit.blocks import AHEAD, Words, ask_for, draw_negative, mixed, stream, take_pair
from fastrec._jit.decorator import kernel
from fastrec._jit.lanes import LANES, fused, load, pointer, prefetch, store
from fastrec._jit.steps import adapt_number, descend, descend_adagrad, margin
from fastrec._types import Array, Ids, Offsets

_U32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_ONE = np.float32(1)
_SLOTS = 2 * AHEAD - 1  # bits of a sample's number that say where its draws are kept


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
    drawn = np.empty((3, 2 * AHEAD), np.int64)  # user, positive, negative
    words, n_pool, n_items = np.empty(2 * AHEAD, np.uint64), pool_last - pool_first, len(items)

    key = stream(seed, epoch, place)
    wrong = np.float64(0)
    for now in range(first, last + AHEAD, AHEAD):
        # Draws for the next ones in loops of their own: what samples wait for, they wait for together.
        for at in range(now, min(now + AHEAD, last)):
            word = mixed(key + np.uint64(at - first))
            pair = take_pair(at, last, word, pairs_, weights_, weighted)
            user, positive = np.int64(pair >> _U32), np.int64(pair & _LOW)
            slot = at & _SLOTS
            drawn[0, slot], drawn[1, slot], words[slot] = user, positive, word
            ask_for(x, user * stride, stride)
            ask_for(y, positive * stride, stride)
            prefetch(marks_, indptr_[user])  # where the user's filter begins; most end within a line
        for at in range(now, min(now + AHEAD, last)):
            slot = at & _SLOTS
            user, word = drawn[0, slot], words[slot]
            negative = draw_negative(user, word, pool_, n_pool, n_items, indices_, indptr_, marks_)
            drawn[2, slot] = negative
            if negative >= 0:
                ask_for(y, negative * stride, stride)
        for at in range(max(now - AHEAD, first), min(now, last)):
            slot = at & _SLOTS
            user, positive, negative = drawn[0, slot], drawn[1, slot], drawn[2, slot]
            if negative < 0:
                continue
            of_user, above, below = user * stride, positive * stride, negative * stride
            apart = margin(x, of_user, y, above, below, width)
            if biased:
                apart += b[positive] - b[negative]
            doubt = _ONE / (_ONE + np.float32(math.exp(apart)))
            pull = doubt * weights_[at] if weighted else doubt
            if adaptive:
                descend_adagrad(x, of_user, y, above, below, width, pull, rate, penalty)
            else:
                descend(x, of_user, y, above, below, width, pull, rate, penalty)
            if biased:
                adapt_number(b, b_squares, adaptive, positive, pull - penalty * b[positive], rate)
                adapt_number(b, b_squares, adaptive, negative, -pull - penalty * b[negative], rate)
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
                pull = _ONE / (_ONE + np.float32(math.exp(apart)))
                if len(weights):
                    pull *= weights[at]
                step, keep = rate * pull, _ONE - rate * penalty
                for column in range(0, width, LANES):
                    pair = load(y, positive * width + column) - load(y, negative * width + column)
                    store(x, user * width + column, fused(step, pair, keep * load(x, user * width + column)))
