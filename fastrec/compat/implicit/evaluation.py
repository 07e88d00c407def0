"""`implicit.evaluation`: splits, and metrics of what a model recommends."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from fastrec import _check
from fastrec._types import Array
from fastrec.compat._numbers import whole
from fastrec.compat._ways_in import left_to_original, taken
from fastrec.compat.implicit.utils import check_random_state, tqdm

_USERS_AT_ONCE = 16_384


@taken
def train_test_split(
    ratings: Any, train_percentage: float = 0.8, random_state: Any = None
) -> tuple[csr_matrix, csr_matrix]:
    """Put every interaction into the first or the second of two matrices, at random.

    Parameters
    ----------
    ratings : sparse matrix
    train_percentage : float
        Probability of the first. Those below zero are dropped from the second.
    random_state : int, Generator, RandomState or None
        The same seed splits as in implicit.
    """
    _check.places(ratings, "ratings")
    ratings = coo_matrix(ratings)
    of_train = check_random_state(random_state).random(len(ratings.data)) < train_percentage
    train, test = _part(ratings, of_train), _part(ratings, ~of_train)
    test.data[test.data < 0] = 0
    test.eliminate_zeros()
    return train, test


@taken
def leave_k_out_split(
    ratings: Any,
    K: int = 1,  # noqa: N803
    train_only_size: float = 0.0,
    random_state: Any = None,
) -> tuple[csr_matrix, csr_matrix]:
    """Put ``K`` interactions of every user who has more than ``K + 1`` into the second of two matrices, at random.

    Parameters
    ----------
    ratings : sparse matrix
    K : int, at least 1
    train_only_size : float in [0, 1)
        Part of the users whose interactions all stay in the first.
    random_state : int, Generator, RandomState or None
        Decides everything.
    """
    K = whole(K, "K")  # noqa: N806
    if not 0.0 <= train_only_size < 1.0:
        raise ValueError(f"train_only_size: expected a number of at least 0 and below 1, got {train_only_size}")
    _check.places(ratings, "ratings")
    ratings, rs = coo_matrix(ratings), check_random_state(random_state)
    users, counts = np.unique(ratings.row, return_counts=True)
    eligible = counts > K + 1
    if train_only_size > 0.0 and len(users):
        eligible[rs.choice(len(users), max(1, int(len(users) * train_only_size)), replace=False)] = False
    order = np.lexsort((rs.random(len(ratings.row)), ratings.row))
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    of_test = np.zeros(len(order), np.bool_)
    of_test[order] = np.repeat(eligible, counts) & (place < K)
    return _part(ratings, ~of_test), _part(ratings, of_test)


def _part(ratings: coo_matrix, chosen: Array) -> csr_matrix:
    entries = ratings.data[chosen], (ratings.row[chosen], ratings.col[chosen])
    return csr_matrix(entries, shape=ratings.shape, dtype=ratings.dtype)


@taken
def ranking_metrics_at_k(
    model: Any,
    train_user_items: Any,
    test_user_items: Any,
    K: int = 10,  # noqa: N803
    show_progress: bool = True,
    num_threads: int = 1,
) -> dict[str, float]:
    """How well the best ``K`` that a model recommends meet the test items of every user who has some.

    Parameters
    ----------
    model : RecommenderBase
        Its `recommend` is asked for ``K`` items, those of the train row left out.
    train_user_items, test_user_items : sparse matrix, shape (n_users, n_items)
        Stored entries count, whatever their values; the first may have more rows.
    K : int, at least 1
    show_progress : bool
        Show a bar on stderr.
    num_threads : int
        Without a meaning: the model has its own.

    Returns
    -------
    dict of float
        - precision: hits of all users, over the sum of the smaller of ``K`` and each one's number of test items;
        - map: mean over users of the sum of precisions at the ranks of hits, over that smaller number;
        - ndcg: mean over users, with binary gains and the ideal of that smaller number;
        - auc: mean over users of the part of pairs of a test item and another in which the test item ranks higher;
          items below rank ``K`` are taken to be in random order.

        NaN where nobody has test items.
    """
    K = whole(K, "K")  # noqa: N806
    _check.places(train_user_items, "train_user_items")
    _check.places(test_user_items, "test_user_items")
    train, test = csr_matrix(train_user_items), csr_matrix(test_user_items)
    if not test.has_canonical_format:
        test = test.copy()
        test.sum_duplicates()
    if train.shape[0] < test.shape[0]:
        rows = f"train_user_items has {train.shape[0]} rows and test_user_items {test.shape[0]}"
        raise ValueError(f"{rows}; pass the train rows of all users to test")
    n_test = np.diff(test.indptr)
    users = np.flatnonzero(n_test)
    sums = {"precision": 0.0, "map": 0.0, "ndcg": 0.0, "auc": 0.0}
    if not len(users):
        return dict.fromkeys(sums, float("nan"))
    with tqdm(total=len(users), disable=not show_progress) as progress:
        for first in range(0, len(users), _USERS_AT_ONCE):
            some = users[first : first + _USERS_AT_ONCE]
            ids, _ = model.recommend(some, train[some], N=K)
            for name, values in _of_users(_hits(ids, test[some]), n_test[some], test.shape[1]).items():
                sums[name] += float(values.sum())
            progress.update(len(some))
    possible = {"precision": float(np.minimum(n_test, K).sum())}
    return {name: total / possible.get(name, len(users)) for name, total in sums.items()}


def _hits(ids: Array, test: csr_matrix) -> Array:
    """Which of the recommended are test items; an item that comes again does not count again."""
    n_users, n_items = test.shape
    users = np.arange(n_users)[:, None]
    pairs = np.where((ids >= 0) & (ids < n_items), users * n_items + ids.astype(np.int64), -1)
    test_pairs = np.repeat(np.arange(n_users), np.diff(test.indptr)) * n_items + test.indices
    hits = np.isin(pairs, test_pairs)
    first = np.zeros(pairs.shape, np.bool_)
    first.flat[np.unique(pairs, return_index=True)[1]] = True
    return hits & first


def _of_users(hits: Array, n_test: Array, n_items: int) -> dict[str, Array]:
    """Hits of every user, and what the metrics are of each."""
    n_hits, ranks = np.cumsum(hits, axis=1), np.arange(1, hits.shape[1] + 1)
    found, reachable = n_hits[:, -1], np.minimum(n_test, hits.shape[1])
    gains = 1 / np.log2(ranks + 1)
    others = n_items - n_test
    misses = np.minimum(np.cumsum(~hits, axis=1), others[:, None])
    above = (n_hits * np.diff(misses, axis=1, prepend=0)).sum(axis=1)
    below = (found + n_test) / 2 * (others - misses[:, -1])
    pairs = n_test * others
    return {
        "precision": found,
        "map": (hits * n_hits / ranks).sum(axis=1) / reachable,
        "ndcg": (hits * gains).sum(axis=1) / np.cumsum(gains)[reachable - 1],
        "auc": np.divide(above + below, pairs, out=np.zeros(len(pairs)), where=pairs > 0),
    }


@taken
def precision_at_k(
    model: Any,
    train_user_items: Any,
    test_user_items: Any,
    K: int = 10,  # noqa: N803
    show_progress: bool = True,
    num_threads: int = 1,
) -> float:
    """Precision of `ranking_metrics_at_k`."""
    return ranking_metrics_at_k(model, train_user_items, test_user_items, K, show_progress, num_threads)["precision"]


@taken
def mean_average_precision_at_k(
    model: Any,
    train_user_items: Any,
    test_user_items: Any,
    K: int = 10,  # noqa: N803
    show_progress: bool = True,
    num_threads: int = 1,
) -> float:
    """Mean average precision of `ranking_metrics_at_k`."""
    return ranking_metrics_at_k(model, train_user_items, test_user_items, K, show_progress, num_threads)["map"]


@taken
def ndcg_at_k(
    model: Any,
    train_user_items: Any,
    test_user_items: Any,
    K: int = 10,  # noqa: N803
    show_progress: bool = True,
    num_threads: int = 1,
) -> float:
    """Normalised discounted cumulative gain of `ranking_metrics_at_k`."""
    return ranking_metrics_at_k(model, train_user_items, test_user_items, K, show_progress, num_threads)["ndcg"]


@taken
def AUC_at_k(  # noqa: N802
    model: Any,
    train_user_items: Any,
    test_user_items: Any,
    K: int = 10,  # noqa: N803
    show_progress: bool = True,
    num_threads: int = 1,
) -> float:
    """Area under the curve of `ranking_metrics_at_k`."""
    return ranking_metrics_at_k(model, train_user_items, test_user_items, K, show_progress, num_threads)["auc"]


__getattr__ = left_to_original(__name__)
