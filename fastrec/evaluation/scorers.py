"""Ranking metrics as scikit-learn's searches call them, without scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastrec import _check
from fastrec._types import Array, TopK
from fastrec.evaluation.metrics import ndcg_at_k, recall_at_k
from fastrec.evaluation.splits import split_by_time

Scorer = Callable[..., float]


def recall_scorer(k: int = 20, *, hidden_fraction: float = 0.2, random_state: int = 0) -> Scorer:
    """`recall_at_k` as the ``scoring`` of ``GridSearchCV`` and its kin.

    Parameters
    ----------
    k : int, default 20
        Items recommended to each user.
    hidden_fraction : float in (0, 1), default 0.2
        Of a user with n interactions, floor(hidden_fraction * n) are hidden and must be found from the others; users
        of whom nothing is hidden are left out.
    random_state : int, default 0
        Which ones are hidden. The same for every estimator that sees the same users, so that scores are comparable.

    Returns
    -------
    callable
        ``scorer(estimator, user_items, y=None)``, a float, higher is better. It calls
        ``estimator.recommend(None, rest, k)``, so users need not be those of ``fit``: they are folded in.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV  # doctest: +SKIP
    >>> GridSearchCV(ImplicitALS(), {"n_factors": [32, 64]}, scoring=recall_scorer()).fit(user_items)  # doctest: +SKIP
    """
    return _HiddenItems(recall_at_k, k, hidden_fraction, random_state)


def ndcg_scorer(k: int = 20, *, hidden_fraction: float = 0.2, random_state: int = 0) -> Scorer:
    """`ndcg_at_k` as the ``scoring`` of ``GridSearchCV`` and its kin.

    Parameters
    ----------
    k : int, default 20
        Items recommended to each user.
    hidden_fraction : float in (0, 1), default 0.2
        Of a user with n interactions, floor(hidden_fraction * n) are hidden and must be found from the others; users
        of whom nothing is hidden are left out.
    random_state : int, default 0
        Which ones are hidden. The same for every estimator that sees the same users, so that scores are comparable.

    Returns
    -------
    callable
        ``scorer(estimator, user_items, y=None)``, a float, higher is better. It calls
        ``estimator.recommend(None, rest, k)``, so users need not be those of ``fit``: they are folded in.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV  # doctest: +SKIP
    >>> GridSearchCV(ImplicitALS(), {"n_factors": [32, 64]}, scoring=ndcg_scorer()).fit(user_items)  # doctest: +SKIP
    """
    return _HiddenItems(ndcg_at_k, k, hidden_fraction, random_state)


@dataclass(frozen=True)
class _HiddenItems:
    """Not a closure: a search with several processes pickles its scorer."""

    metric: Callable[[TopK, csr_array], float]
    k: int
    hidden_fraction: float
    random_state: int

    def __post_init__(self) -> None:
        _check.integer(self.k, "k", 1)
        _check.real(self.hidden_fraction, "hidden_fraction", 0, 1)
        _check.integer(self.random_state, "random_state", 0)

    def __call__(self, estimator: Any, user_items: Any, y: Any = None) -> float:
        matrix = _check.csr(user_items, "user_items")
        users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        order = np.random.default_rng(self.random_state).permutation(len(users))
        hidden = split_by_time(users, order, test_fraction=self.hidden_fraction)  # at random: time is a permutation

        def part(chosen: Array) -> csr_array:
            pairs = (users[chosen], matrix.indices[chosen])
            return csr_array((matrix.data[chosen], pairs), shape=matrix.shape)

        return self.metric(estimator.recommend(None, part(~hidden), self.k), part(hidden))
