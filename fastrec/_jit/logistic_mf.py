"""Logistic matrix factorisation: one step of every row of a side, the other side fixed."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec._jit.blocks import Words, ask_for, draw_negative, mixed, stream
from fastrec._jit.decorator import kernel
from fastrec._jit.lanes import LANES, aligned, fused, keep, load, local, logistic, pointer, store, total, zeros
from fastrec._jit.steps import adapt, adapt_number
from fastrec._types import Array, Ids, Offsets

_ONE, _ZERO = np.float32(1), np.float32(0)
_TWO = 2 * LANES  # of samples: those that are learned from, and those that memory brings


@kernel()
def logistic_rows(
    first: int, last: int, bounds: Offsets, seed: Any, epoch: int, side: int, by_row: Any, n_negatives: int,
    indices: Ids, indptr: Offsets, weights: Array, filters: Words, pool: Ids, fixed: Array, fixed_biases: Array,
    rows: Array, biases: Array, bias_squares: Array, adaptive: bool, rate: float, penalty: float, losses: Array,
) -> None:  # fmt: skip
    """Let the rows of blocks [first, last) climb their own part of the objective, which others do not change.

    A row's samples are its interactions and so many negatives, taken sixteen at a time while memory brings the
    next sixteen. What is drawn depends on the row, or with ``by_row`` 0 does not. ``losses`` gets, of every
    row, the sum over its samples of the probability that the model gave to what is not so.
    """
    stride = fixed.shape[1]
    row_stride = rows.shape[1]
    width = row_stride // 2 if adaptive else row_stride
    weighted, biased = len(weights) > 0, len(biases) > 0
    of_sums = np.empty(width + LANES, np.float32)
    sums, pulls = aligned(of_sums), local(np.float32, LANES)
    targets, counts, others = local(np.float32, _TWO), local(np.float32, _TWO), local(np.int64, _TWO)
    weights_, indices_, indptr_, filters_, pool_ = (
        pointer(weights), pointer(indices), pointer(indptr), pointer(filters), pointer(pool),
    )  # fmt: skip
    x, y, other_biases = pointer(rows), pointer(fixed), pointer(fixed_biases)

    place, n_pool, end = stream(seed, epoch, side), len(pool), bounds[last]
    row, n, slot = np.int64(-1), 0, 0  # what is learned from now: none yet
    next_row, at = bounds[first], np.int64(0)  # what is drawn, and its first sample
    bias, bias_sum, wrong = _ZERO, _ZERO, np.float64(0)
    while True:
        while next_row < end and indptr_[next_row] == indptr_[next_row + 1]:
            next_row += 1
        n_samples, after = np.int64(0), slot ^ LANES
        if next_row < end:
            start, n_seen = indptr_[next_row], indptr_[next_row + 1] - indptr_[next_row]
            key, n_samples = mixed(place ^ (np.uint64(next_row) * by_row)), n_seen + n_negatives
            for k in range(after, after + LANES):
                number = at + k - after
                target, count, other = _ZERO, _ZERO, np.int64(0)
                if number < n_seen:
                    other = np.int64(indices_[start + number])
                    target = weights_[start + number] if weighted else _ONE
                    count = target
                elif number < n_samples:
                    word = mixed(key + np.uint64(number))
                    drawn = draw_negative(next_row, word, pool_, n_pool, len(fixed), indices_, indptr_, filters_)
                    if drawn >= 0:
                        other, count = drawn, _ONE
                others[k], targets[k], counts[k] = other, target, count
                ask_for(y, other * stride, width)
        if row >= 0:
            of_row = row * row_stride
            for k in range(n):
                of_other, dot = others[slot + k] * stride, zeros()
                for column in range(0, width, LANES):
                    dot = fused(load(x, of_row + column), load(y, of_other + column), dot)
                pulls[k] = total(dot) + (bias + other_biases[others[slot + k]] if biased else _ZERO)
            for k in range(n, LANES):
                pulls[k] = _ZERO
            pull = load(targets, slot) - load(counts, slot) * logistic(load(pulls, 0))
            store(pulls, 0, pull)
            bias_sum += total(pull)
            for k in range(n):
                wrong += abs(pulls[k])
            for column in range(0, width, LANES):
                ascent = load(sums, column)
                for k in range(n):
                    ascent = fused(pulls[k], load(y, others[slot + k] * stride + column), ascent)
                store(sums, column, ascent)
            if next_row != row:
                for column in range(0, width, LANES):
                    value = load(x, of_row + column)
                    ascent = load(sums, column) - penalty * value
                    if adaptive:
                        adapt(x, of_row + column, width, value, ascent, rate)
                    else:
                        store(x, of_row + column, fused(rate, ascent, value))
                if biased:
                    adapt_number(biases, bias_squares, adaptive, row, bias_sum - penalty * bias, rate)
                losses[row] = wrong
        if next_row >= end:
            keep(of_sums)
            return
        if next_row != row:
            bias, bias_sum, wrong = biases[next_row] if biased else _ZERO, _ZERO, np.float64(0)
            for column in range(0, width, LANES):
                store(sums, column, zeros())
        row, n, slot = next_row, min(LANES, int(n_samples - at)), after
        at += LANES
        if at >= n_samples:
            next_row, at = next_row + 1, np.int64(0)
