"""The baseline that every model has to beat."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from fastrec import _check, _threads
from fastrec._types import Array, TopK
from fastrec.models.base import Ranking, Recommender, Request
from fastrec.selection import best_inner_products


class Popularity(Recommender):
    """Recommends to everyone the items that most users have.

    Parameters
    ----------
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Attributes
    ----------
    popularity_ : ndarray of float64, shape (n_items,)
        Users who have the item: the score of every recommendation.
    n_users_ : int
        Users in ``fit``.
    """

    _learned = ("popularity_", "n_users_")

    def __init__(self, *, n_threads: int | None = None) -> None:
        self.n_threads = n_threads

    def fit(self, user_items: Any, y: Any = None) -> Self:
        """Count the users of every item.

        Parameters
        ----------
        user_items : sparse matrix, shape (n_users, n_items)
            Any format, index dtype and order; duplicates are summed, zeros dropped; NaN and inf are errors.
        y : ignored
            scikit-learn's pipelines pass it.

        Returns
        -------
        Popularity
            The model itself.
        """
        _threads.resolve(self.n_threads)
        ratings = _check.csr(user_items, "user_items")
        self.popularity_: Array = np.bincount(ratings.indices, minlength=ratings.shape[1]).astype(np.float64)
        self.n_users_ = ratings.shape[0]
        return self

    def _rank(self, request: Request, ranking: Ranking) -> TopK:
        everyone = np.ones((request.n_rows, 1))  # a model of one factor
        return best_inner_products(
            everyone, self.popularity_[:, None], ranking.k, ranking.exclude, ranking.candidates, ranking.n_threads
        )

    def _n_users(self) -> int:
        return self.n_users_

    def _n_items(self) -> int:
        return len(self.popularity_)

    def _check_learned(self) -> None:
        _check.dense(self.popularity_[None, :], "popularity_")
        _check.integer(self.n_users_, "n_users_", 0)
