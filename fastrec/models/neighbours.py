"""Neighbourhood models."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array

from fastrec import _check, _threads
from fastrec._types import Csr, Pattern, TopK
from fastrec.models.base import NeighbourRequest, Ranking, Recommender, Request, stored
from fastrec.selection import best_of_product
from fastrec.similarity import item_similarity
from fastrec.weighting import bm25_weight, tfidf_weight

_WEIGHTINGS = {"bm25": bm25_weight, "tfidf": tfidf_weight}


class ItemKNN(Recommender):
    """Item-based nearest neighbours: an item's score is the user's row times its similarities.

    Parameters
    ----------
    k : int, at least 1
        Neighbours kept an item.
    metric : {"cosine", "dot"}
        As in `fastrec.item_similarity`.
    shrinkage : float, at least 0
        As in `fastrec.item_similarity`.
    weighting : {None, "bm25", "tfidf"}
        Weights the interactions before the similarity, with items as documents; a user's row is not weighted.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Attributes
    ----------
    similarity_ : csr_array, shape (n_items, n_items)
        Row i holds the neighbours of item i, best first, without itself.
    user_items_ : csr_array, shape (n_users, n_items)
        The interactions, for users who are asked for without their row.

    Notes
    -----
    Sarwar et al., "Item-based collaborative filtering recommendation algorithms", 2001. Score of item j for a user:
    the sum over the items i of the user's row, in ascending order, of row_i similarity_ij in float64, rounded once.
    Items that are no neighbour of any of the user's are not ranked.
    """

    _learned = ("similarity_", "user_items_")
    similarity_: csr_array
    user_items_: csr_array

    def __init__(
        self,
        k: int = 100,
        *,
        metric: str = "cosine",
        shrinkage: float = 0.0,
        weighting: str | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.k = k
        self.metric = metric
        self.shrinkage = shrinkage
        self.weighting = weighting
        self.n_threads = n_threads

    def fit(self, user_items: Any, y: Any = None) -> Self:
        """Find the neighbours of every item.

        Parameters
        ----------
        user_items : sparse matrix, shape (n_users, n_items)
            Any format, index dtype and order; duplicates are summed, zeros dropped; NaN and inf are errors.
        y : ignored
            scikit-learn's pipelines pass it.

        Returns
        -------
        ItemKNN
            The model itself. It is unchanged when anything was raised.
        """
        k = _check.integer(self.k, "k", 1)
        if self.weighting is not None:
            _check.choice(self.weighting, "weighting", _WEIGHTINGS)
        _threads.resolve(self.n_threads)
        ratings = _check.csr(user_items, "user_items")
        weighted: Any = ratings.to_scipy()
        if self.weighting is not None:
            weighted = _WEIGHTINGS[self.weighting](weighted.T, n_threads=self.n_threads).T
        similarity = item_similarity(
            weighted, k, metric=self.metric, shrinkage=self.shrinkage, n_threads=self.n_threads
        )
        self.similarity_, self.user_items_ = similarity, stored(ratings)
        return self

    def similar_items(
        self, items: Any, k: int = 10, *, candidates: Any = None, exclude: Any = None, n_threads: int | None = None
    ) -> TopK:
        """Most similar items of each given item, itself left out.

        Parameters
        ----------
        items : int or list of int
            Item ids.
        k : int, at least 1
            Rows with fewer neighbours, of which the model keeps its own ``k``, end in item -1, score -inf.
        candidates, exclude : list of item ids, or sparse matrix of shape (len(items), n_items), optional
            As in `recommend`.
        n_threads : int, optional
            Changes speed, never the result. Default: the model's own ``n_threads``.

        Returns
        -------
        TopK
            Each (len(items), k).
        """
        self._check_fitted()
        n_items = self._n_items()
        wanted = NeighbourRequest.checked(items, "items", n_items, k, candidates, exclude)
        n = len(wanted.ids)
        one_each = Csr(np.ones(n, self.similarity_.dtype), wanted.ids, np.arange(n + 1, dtype=np.int64), (n, n_items))
        return self._best(one_each, wanted.k, wanted.exclude, wanted.candidates, self._threads(n_threads))

    def _rank(self, request: Request, ranking: Ranking) -> TopK:
        rows = request.rows
        if rows is None:
            assert request.users is not None
            rows = Csr.of_canonical(self.user_items_[request.users])
        return self._best(rows, ranking.k, ranking.exclude, ranking.candidates, ranking.n_threads)

    def _best(self, rows: Csr, k: int, exclude: Pattern | None, candidates: Pattern | None, n_threads: int) -> TopK:
        _check.answer(rows.shape[0], k, self.similarity_.dtype)
        neighbours = self._derived(
            "sorted", self.similarity_, lambda: _check.csr(self.similarity_, "similarity_", keep_zeros=True)
        )
        best = best_of_product(rows, neighbours, k, exclude=exclude, candidates=candidates, n_threads=n_threads)
        return TopK.of_rows(best, k)

    def _n_users(self) -> int:
        return int(self.user_items_.shape[0])

    def _n_items(self) -> int:
        return int(self.user_items_.shape[1])

    def _check_learned(self) -> None:
        similarity, user_items = (
            _check.csr(self.similarity_, "similarity_"),
            _check.csr(self.user_items_, "user_items_"),
        )
        _check.same_size(similarity.shape[1], "similarity_", user_items.shape[1], "user_items_", "columns")
        _check.same_size(similarity.shape[0], "similarity_", user_items.shape[1], "user_items_", "rows or columns")
