"""Metrics as published tables define them: of recommended ids against a sparse matrix of test items, of ratings."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastrec import _check
from fastrec._types import Array, TopK


def recall_at_k(recommended: Any, relevant: Any, k: int | None = None) -> float:
    """Share of a user's test items among the first ``k`` recommended, on average over users.

    Parameters
    ----------
    recommended : TopK or array_like of int, shape (n_users, n_recommended)
        Item ids, best first. Item -1 is padding and never counts; an item that comes twice counts where it comes first.
    relevant : sparse matrix, shape (n_users, n_items)
        The test items of the same users: entries above zero, all equally relevant.
    k : int, optional
        At most n_recommended, which is the default.

    Returns
    -------
    float
        Mean over the users with test items; NaN when nobody has any.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, or shapes do not match.

    Notes
    -----
    Of one user::

        recall = |{first k recommended} & {test items}| / |{test items}|

    A user with more than k test items cannot reach 1. Same bits for users in any order. Memory is a few times that of
    the two arguments; users x items is never formed.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from fastrec.evaluation import recall_at_k
    >>> recall_at_k([[2, 0], [1, -1]], csr_array([[0, 1, 1], [0, 1, 0]]))
    0.75
    """
    hits = _hits(recommended, relevant, k)
    found = np.bincount(hits.users, minlength=len(hits.n_relevant))
    return _mean(found, hits.n_relevant, hits.n_relevant)


def ndcg_at_k(recommended: Any, relevant: Any, k: int | None = None) -> float:
    """Normalised discounted cumulative gain of the first ``k`` recommended, on average over users.

    Parameters
    ----------
    recommended : TopK or array_like of int, shape (n_users, n_recommended)
        Item ids, best first. Item -1 is padding and never counts; an item that comes twice counts where it comes first.
    relevant : sparse matrix, shape (n_users, n_items)
        The test items of the same users: entries above zero, all equally relevant.
    k : int, optional
        At most n_recommended, which is the default.

    Returns
    -------
    float
        Mean over the users with test items; NaN when nobody has any.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, or shapes do not match.

    Notes
    -----
    Of one user, with ranks from 1::

        dcg  = sum of 1 / log2(rank + 1) over ranks up to k where a test item stands
        idcg = sum of 1 / log2(rank + 1) over ranks up to min(k, |{test items}|)
        ndcg = dcg / idcg

    (Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002, with binary gains.) Same bits
    for users in any order. Memory is a few times that of the two arguments; users x items is never formed.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from fastrec.evaluation import ndcg_at_k
    >>> ndcg_at_k([[2, 1], [1, -1]], csr_array([[0, 1, 1], [0, 1, 0]]))
    1.0
    """
    hits = _hits(recommended, relevant, k)
    gains = 1 / np.log2(np.arange(2, hits.k + 2))
    dcg = np.bincount(hits.users, weights=gains[hits.positions], minlength=len(hits.n_relevant))
    # Summed one after the other, as above, so that a perfect ranking is exactly 1.
    ideal = np.concatenate([[0.0], np.cumsum(gains)])[np.minimum(hits.n_relevant, hits.k)]
    return _mean(dcg, ideal, hits.n_relevant)


def rmse(predicted: Any, ratings: Any) -> float:
    """Root of the mean squared difference between predicted and true ratings.

    Parameters
    ----------
    predicted, ratings : array_like, shape (n_pairs,)
        Finite; of the same pairs of a user and an item.

    Returns
    -------
    float
        NaN of no pairs. Same bits for pairs in any order.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, or lengths do not match.

    Examples
    --------
    >>> from fastrec.evaluation import rmse
    >>> rmse([3.0, 5.0], [4, 2])
    2.23606797749979
    """
    first, second = _check.vector(predicted, "predicted"), _check.vector(ratings, "ratings")
    _check.same_size(len(first), "predicted", len(second), "ratings", "values")
    if not len(first):
        return math.nan
    with np.errstate(over="ignore"):
        missed = first.astype(np.float64) - second
    _, exponent = math.frexp(float(np.abs(missed).max()))
    missed = np.ldexp(missed, -exponent)  # so that no square overflows
    return math.ldexp(math.sqrt(math.fsum(missed * missed) / len(missed)), exponent)


class _Hits(NamedTuple):
    """Where test items stand among the recommended: users ascending, positions ascending within a user, from 0."""

    users: Array
    positions: Array
    n_relevant: Array
    k: int


def _hits(recommended: Any, relevant: Any, k: int | None) -> _Hits:
    matrix = _check.csr(relevant, "relevant")
    n_users, n_items = matrix.shape
    items = recommended.items if isinstance(recommended, TopK) else recommended
    items = _check.dimensions(items, "recommended", 2, "item ids of shape (n_users, n_recommended)")
    _check.same_size(len(items), "recommended", n_users, "relevant", "rows")
    _check.ids_at_least_zero(items[items != -1], "recommended", n_items)
    k = items.shape[1] if k is None else _check.integer(k, "k", 1, items.shape[1], fix="recommend more items a user")
    items = items[:, :k].astype(np.int64)

    # A pair (user, item) is one number; those of the test items are ascending.
    liked = matrix.data > 0
    test_users = np.repeat(np.arange(n_users), np.diff(matrix.indptr))[liked]
    test_pairs = test_users * n_items + matrix.indices[liked]
    users, positions = np.nonzero(items >= 0)
    pairs = users * n_items + items[users, positions]
    where = np.searchsorted(test_pairs, pairs)
    found = where < len(test_pairs)
    found[found] = test_pairs[where[found]] == pairs[found]
    users, positions = users[found], positions[found]
    first = np.sort(np.unique(pairs[found], return_index=True)[1])
    return _Hits(users[first], positions[first], np.bincount(test_users, minlength=n_users), k)


def _mean(gained: Array, possible: Array, n_relevant: Array) -> float:
    counted = n_relevant > 0
    if not counted.any():
        return math.nan
    shares = np.divide(gained, possible, out=np.zeros(len(gained)), where=possible > 0)  # 0 of no recommendation
    return math.fsum(shares[counted]) / int(counted.sum())  # fsum: the order of users cannot show
