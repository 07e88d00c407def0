"""What the adapters that rank have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fastrec.cli.bench.agreement import Agreement, Ranked, same_ranking
from fastrec.cli.bench.operations import Inputs

_BLOCK = 512  # rows; their scores stay in the cache's reach


def partitioned(scores: Any, k: int) -> Ranked:
    """Take the best of every row by numpy.argpartition, and order them."""
    if k < scores.shape[1]:
        items = np.argpartition(scores, -k, axis=1)[:, -k:]
    else:
        items = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    best = np.take_along_axis(scores, items, axis=1)
    order = np.lexsort((items, -best))
    return Ranked(np.take_along_axis(items, order, axis=1), np.take_along_axis(best, order, axis=1))


def in_blocks(n_rows: int, ranked: Callable[[slice], Ranked]) -> Ranked:
    """Rank a block of rows at a time."""
    return joined(ranked(slice(first, first + _BLOCK)) for first in range(0, n_rows, _BLOCK))


def joined(parts: Iterable[Any]) -> Ranked:
    """Put rankings of some rows each, items before scores, under one another."""
    items, scores = zip(*parts, strict=True)
    return Ranked(np.concatenate(items), np.concatenate(scores))


def padded(answer: Ranked) -> Ranked:
    """Mark missing items as fastrec does; libraries give them some id beside a score of -inf or -3.4e38."""
    missing = answer.scores <= np.finfo(np.float32).min
    return Ranked(np.where(missing, -1, answer.items), np.where(missing, -np.inf, answer.scores))


def answer(inputs: Inputs, result: Any) -> Ranked:
    """Rename fastrec's answer."""
    return Ranked(*result)


def check(inputs: Inputs, ours: Ranked, theirs: Ranked, tolerance: float) -> Agreement:
    """Compare with exact answers."""
    return same_ranking(ours, theirs, tolerance)
