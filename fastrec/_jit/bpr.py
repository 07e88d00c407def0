"""Bayesian personalised ranking: the loop over a cell of the block scheme, and new users' factors."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec._jit.blocks import (
    BATCH,
    SLOT,
    SLOTS,
    Words,
    ask_for,
    batch,
    draw,
    draw_negative,
    filter_word,
    mixed,
    n_places,
    stream,
    unseen,
)
from fastrec._jit.decorator import kernel
from fastrec._jit.lanes import LANES, fused, load, local, logistic, pointer, prefetch, store
from fastrec._jit.steps import descend, descend_biases, margin
from fastrec._types import STRETCH, Array, Ids, Offsets

_U32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_ONE = np.float32(1)


@kernel()
def bpr_cell(
    order: Offsets, pairs: Words, pair_weights: Array, place: Any, pool: Ids, indices: Ids, indptr: Offsets,
    filters: Words, users: Array, items: Array, biases: Array, bias_squares: Array, adaptive: bool, rate: float,
    penalty: float,
) -> float:  # fmt: skip
    """Learn from the interactions of some stretches of a cell, each once, in their order.

    The answer sums, over them, the probability that the model gave the pair the other order.
    """
    stride = users.shape[1]
    width = stride // 2 if adaptive else stride
    weighted, biased = len(pair_weights) > 0, len(biases) > 0
    order_, pairs_, weights_ = pointer(order), pointer(pairs), pointer(pair_weights)
    pool_, indices_, indptr_ = pointer(pool), pointer(indices), pointer(indptr)
    filters_, x, y, b, b_squares = (
        pointer(filters), pointer(users), pointer(items), pointer(biases), pointer(bias_squares),
    )  # fmt: skip
    drawn_users, positives, negatives = local(np.int64, SLOTS), local(np.int64, SLOTS), local(np.int64, SLOTS)
    words, filters_at, filter_bits = local(np.uint64, SLOTS), local(np.int64, SLOTS), local(np.uint64, SLOTS)
    n, n_pool, n_items = len(pairs), len(pool), len(items)

    begin, end = np.int64(0), np.int64(0)
    wrong = np.float64(0)
    for number in range(n_places(len(order)) // BATCH + 1):
        # Samples have two stages, and go through each in batches: what the second needs, the first asks of memory.
        begin_before, end_before = begin, end
        begin, end = batch(number, order_, n)
        prefetch(pairs_, batch(number + STRETCH // BATCH, order_, n)[0])
        for at in range(begin, end):
            slot = at & SLOT
            word = mixed(place + np.uint64(at))
            pair = pairs_[at]
            user, positive = np.int64(pair >> _U32), np.int64(pair & _LOW)
            negative = draw(word, pool_, n_pool, n_items)  # it will seldom have to be another
            filter_at, bits = filter_word(user, negative, indptr_)
            words[slot], filters_at[slot], filter_bits[slot] = word, filter_at, bits
            drawn_users[slot], positives[slot], negatives[slot] = user, positive, negative
            ask_for(x, user * stride, stride)
            ask_for(y, positive * stride, stride)
            ask_for(y, negative * stride, stride)
            prefetch(filters_, filter_at)
        for at in range(begin_before, end_before):
            slot = at & SLOT
            user, positive, negative, bits = drawn_users[slot], positives[slot], negatives[slot], filter_bits[slot]
            if filters_[filters_at[slot]] & bits == bits:
                negative = unseen(negative, user, words[slot], pool_, n_pool, n_items, indices_, indptr_, filters_)
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
