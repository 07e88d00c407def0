"""What the splits and metrics mean, a user at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from fastrec._types import TopK


def split_by_time(users: Any, times: Any, *, test_fraction: float = 0.2) -> npt.NDArray[np.bool_]:
    """Put the latest part of every user's interactions into the test."""
    users, times = np.asarray(users), np.asarray(times)
    test = np.zeros(len(users), np.bool_)
    for user in set(users.tolist()):
        mine = np.flatnonzero(users == user)
        mine = mine[np.argsort(times[mine], kind="stable")]  # equal times: what stands later is later
        n_test = math.floor(round(test_fraction * len(mine), 6))
        n_test = min(n_test, len(mine) - (test_fraction < 1))  # below 1 everybody keeps one
        test[mine[len(mine) - n_test :]] = True
    return test


def recall_at_k(recommended: Any, relevant: Any, k: int | None = None) -> float:
    """Share of a user's test items among the first ``k`` recommended, on average over users with test items."""
    recalls = [len(set(best) & liked) / len(liked) for best, liked in _users(recommended, relevant, k)]
    return float(np.mean(recalls)) if recalls else math.nan


def ndcg_at_k(recommended: Any, relevant: Any, k: int | None = None) -> float:
    """Discounted gain of the test items among the first ``k`` recommended over the best possible, on average."""
    ndcgs = []
    for best, liked in _users(recommended, relevant, k):
        gains = [1 / math.log2(rank + 1) for rank in range(1, len(best) + 1)]
        first = [item not in best[:position] for position, item in enumerate(best)]
        dcg = sum(gain for gain, item, new in zip(gains, best, first, strict=True) if new and item in liked)
        ndcgs.append(dcg / sum(gains[: len(liked)]))
    return float(np.mean(ndcgs)) if ndcgs else math.nan


def rmse(predicted: Any, ratings: Any) -> float:
    """Root of the mean squared difference between predicted and true ratings."""
    squares = [(float(p) - float(r)) ** 2 for p, r in zip(predicted, ratings, strict=True)]
    return math.sqrt(sum(squares) / len(squares)) if squares else math.nan


def _users(recommended: Any, relevant: Any, k: int | None) -> list[tuple[list[int], set[int]]]:
    """The first k items recommended, and the test items, of each user with test items. Padding is no test item."""
    items = np.asarray(recommended.items if isinstance(recommended, TopK) else recommended)[:, :k]
    liked = [set(np.flatnonzero(row > 0).tolist()) for row in csr_array(relevant).toarray()]
    return [(best, mine) for best, mine in zip(items.tolist(), liked, strict=True) if mine]
