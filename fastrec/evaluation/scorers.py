"""Metrics as scikit-learn's searches call them, without scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastrec import _check
from fastrec._types import Csr, TopK
from fastrec.evaluation.metrics import ndcg_at_k, recall_at_k, rmse
from fastrec.evaluation.splits import split_by_time

Scorer = Callable[..., float]

_SCORES_TOGETHER = 1 << 22  # that an estimator is asked for


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
    return _HiddenItems(recall_at_k, k, _Hiding(hidden_fraction, random_state))


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
    return _HiddenItems(ndcg_at_k, k, _Hiding(hidden_fraction, random_state))


def rmse_scorer(*, hidden_fraction: float = 0.2, random_state: int = 0) -> Scorer:
    """Minus `rmse` as the ``scoring`` of ``GridSearchCV`` and its kin, for models whose scores are ratings.

    Parameters
    ----------
    hidden_fraction : float in (0, 1), default 0.2
        Of a user with n ratings, floor(hidden_fraction * n) are hidden and must be predicted from the others.
    random_state : int, default 0
        Which ones are hidden. The same for every estimator that sees the same users, so that scores are comparable.

    Returns
    -------
    callable
        ``scorer(estimator, user_items, y=None)``, a float, higher is better; NaN when nothing is hidden. It takes the
        scores of ``estimator.recommend(None, rest, k, candidates=hidden)``, so users need not be those of ``fit``:
        they are folded in. Stored zeros are ratings.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV  # doctest: +SKIP
    >>> GridSearchCV(ExplicitALS(), {"n_factors": [32, 64]}, scoring=rmse_scorer()).fit(ratings)  # doctest: +SKIP
    """
    return _HiddenRatings(_Hiding(hidden_fraction, random_state))


@dataclass(frozen=True)
class _Hiding:
    """Which part of every row is hidden."""

    fraction: float
    random_state: int

    def __post_init__(self) -> None:
        _check.between(self.fraction, "hidden_fraction", 0, 1)
        _check.integer(self.random_state, "random_state", 0)

    def parts(self, matrix: Csr) -> tuple[csr_array, csr_array]:
        """What is shown, and what is hidden."""
        users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        order = np.random.default_rng(self.random_state).permutation(len(users))
        hidden = split_by_time(users, order, test_fraction=self.fraction)  # at random: time is a permutation
        return matrix.where(~hidden).to_scipy(), matrix.where(hidden).to_scipy()


@dataclass(frozen=True)
class _HiddenItems:
    """Not a closure: a search with several processes pickles its scorer."""

    metric: Callable[[TopK, csr_array], float]
    k: int
    hiding: _Hiding

    def __post_init__(self) -> None:
        _check.integer(self.k, "k", 1)

    def __call__(self, estimator: Any, user_items: Any, y: Any = None) -> float:
        model, rows = _model_of(estimator, user_items)
        rest, hidden = self.hiding.parts(_check.csr(rows, "user_items"))
        return self.metric(model.recommend(None, rest, self.k), hidden)


@dataclass(frozen=True)
class _HiddenRatings:
    """The same."""

    hiding: _Hiding

    def __call__(self, estimator: Any, user_items: Any, y: Any = None) -> float:
        model, rows = _model_of(estimator, user_items)
        rest, hidden = self.hiding.parts(_check.csr(rows, "user_items", keep_zeros=True))
        predicted = np.empty(hidden.nnz)
        most = max(1, int(np.diff(hidden.indptr).max(initial=0)))
        step = max(1, _SCORES_TOGETHER // most)
        for first in range(0, hidden.shape[0], step):
            rows = hidden[first : first + step]
            top = model.recommend(None, rest[first : first + step], most, exclude_seen=False, candidates=rows)
            asked = top.items >= 0
            _check.all_ranked(int(asked.sum()), rows.nnz, type(model).__name__)
            order = np.lexsort((top.items[asked], np.nonzero(asked)[0]))
            predicted[hidden.indptr[first] :][: rows.nnz] = top.scores[asked][order]
        return -rmse(predicted, hidden.data)


def _model_of(estimator: Any, user_items: Any) -> tuple[Any, Any]:
    """The model, and its rows: of a pipeline the last step, and what the others make of the rows given."""
    if hasattr(estimator, "recommend") or not hasattr(estimator, "steps"):
        return estimator, user_items
    return estimator[-1], estimator[:-1].transform(user_items) if len(estimator.steps) > 1 else user_items
