"""Neighbourhood models."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array, vstack

from fastrec import _check, _measures
from fastrec._types import Array, Csr, Ids, TopK, with_rows
from fastrec.models.base import Ranking, Request
from fastrec.models.similarity import ItemSimilarityModel, SimilarityModel
from fastrec.selection import best_of_product
from fastrec.similarity import item_similarity
from fastrec.weighting import bm25_weight, tfidf_weight

_WEIGHTINGS = {"bm25": bm25_weight, "tfidf": tfidf_weight}


class NeighbourModel(SimilarityModel):
    """A similarity of items or of users that is refitted row by row."""

    similarity_: csr_array
    k: int

    def partial_fit(self, user_items: Any, *, users: Any = None, n_epochs: int = 1) -> Self:
        """Replace or append the rows of some users; the model becomes what `fit` makes of all rows.

        Parameters
        ----------
        user_items : sparse matrix, shape (len(users), n_items)
            Row r belongs to ``users[r]``.
        users : list of int, optional
            Ids below the number of users replace their rows, others are appended; users between are empty. Default: all
            users in order.
        n_epochs : int
            For models that have epochs; this one has none.

        Returns
        -------
        The model itself. It is unchanged when anything was raised.

        Notes
        -----
        Only rows of `similarity_` that can change are computed again: of items, or users, that share an entry with a
        changed one. All are where the metric or the weighting looks at everything, where parameters were changed since
        the fit, or where float64 meets float32.
        """
        _check.integer(n_epochs, "n_epochs", 0)
        rows = _check.csr(user_items, "user_items", single=True)
        if not self.__sklearn_is_fitted__():
            if users is None:
                return self.fit(user_items)
            self._check_fitted()
        if users is None:
            _check.at_least_as_many(rows.shape, (self._n_users(), self._n_items()), "user_items")
        ids = np.arange(rows.shape[0]) if users is None else _check.unique_ids(users, "users")
        _check.row_of_each(rows.shape, len(ids), "users", self._n_items())
        _check.rows_memory(int(ids.max(initial=-1)) + 1)
        before = self.user_items_
        after = with_rows(before, ids, rows.to_scipy())
        as_before = after.dtype == before.dtype and self._parameters() == self._made_with
        changed = self._changed(before, after, ids) if as_before else None
        fresh = self._similar(Csr.of_canonical(after), changed)
        similarity = fresh if changed is None else with_rows(self.similarity_, changed, fresh[changed])
        self._keep(similarity, after)
        return self

    def _similarity_of(self, ratings: Csr, *, progress: bool) -> csr_array:
        return self._similar(ratings, None, progress=progress)

    @abstractmethod
    def _similar(self, ratings: Csr, targets: Ids | None, *, progress: bool = False) -> csr_array:
        """Similarities of all, or of some; refuses bad parameters."""

    @abstractmethod
    def _changed(self, before: csr_array, after: csr_array, users: Array) -> Ids | None:
        """Rows of the similarity that change with these users; None for all."""


class ItemNeighbours(NeighbourModel, ItemSimilarityModel):
    """A model of the items that are nearest to each item."""

    def _changed(self, before: csr_array, after: csr_array, users: Array) -> Ids | None:
        if self._looks_at_everything():
            return None
        known = users[users < before.shape[0]]
        items = np.union1d(before[known].indices, after[users].indices)
        near = [x[_rows_with_any(x, items)].indices for x in (before, after)]
        changed: Ids = np.unique(np.concatenate([items, *near])).astype(np.int32)
        return changed

    def _looks_at_everything(self) -> bool:
        return False


class _WithMetric(NeighbourModel):
    """A model of weighted rows, items or users, and a metric between them."""

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

    def _similar_rows(self, rows: Any, n_threads: int | None, **options: Any) -> csr_array:
        if self.weighting is not None:
            weigh = _WEIGHTINGS[_check.choice(self.weighting, "weighting", _WEIGHTINGS, or_none=True)]
            rows = weigh(rows, n_threads=n_threads)
        return item_similarity(
            rows.T, self.k, metric=self.metric, shrinkage=self.shrinkage, n_threads=n_threads, **options
        )


class ItemKNN(_WithMetric, ItemNeighbours):
    """Item-based nearest neighbours: an item's score is the user's row times its similarities.

    Parameters
    ----------
    k : int, at least 1
        Neighbours kept an item.
    metric : str, or a function compiled by ``numba.njit``
        As in `fastrec.item_similarity`, with the metric's default parameters. A model with a function cannot be saved.
    shrinkage : float, at least 0
        As in `fastrec.item_similarity`, stabilized.
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

    def _similar(self, ratings: Csr, targets: Ids | None, *, progress: bool = False) -> csr_array:
        return self._similar_rows(ratings.to_scipy().T, self.n_threads, target_items=targets, progress=progress)

    def _looks_at_everything(self) -> bool:
        return self.weighting is not None or _measures.looks_at_all_users(self.metric)


class UserKNN(_WithMetric):
    """User-based nearest neighbours: the score of an item is the similarities of the user's neighbours who have it.

    Parameters
    ----------
    k : int, at least 1
        Neighbours kept a user.
    metric : str, or a function compiled by ``numba.njit``
        As in `fastrec.user_similarity`, with the metric's default parameters. A model with a function cannot be saved.
    shrinkage : float, at least 0
        As in `fastrec.user_similarity`, stabilized.
    weighting : {None, "bm25", "tfidf"}
        Weights the interactions before the similarity, with users as documents; the rows that are added up are not
        weighted.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Attributes
    ----------
    similarity_ : csr_array, shape (n_users, n_users)
        Row u holds the neighbours of user u, best first, without u.
    user_items_ : csr_array, shape (n_users, n_items)
        The interactions.

    Notes
    -----
    Resnick et al., "GroupLens: an open architecture for collaborative filtering of netnews", 1994. Score of item j for
    user u: the sum over the neighbours v of u, in ascending order, of similarity_uv row_vj in float64, rounded once.
    Items that no neighbour has are not ranked. New users are compared with those of ``fit``; their weighting takes all
    rows together.
    """

    _similar_axis = 0

    def _similar(self, ratings: Csr, targets: Ids | None, *, progress: bool = False) -> csr_array:
        return self._similar_rows(ratings.to_scipy(), self.n_threads, target_items=targets, progress=progress)

    def similar_users(
        self, users: Any, k: int = 10, *, candidates: Any = None, exclude: Any = None, n_threads: int | None = None
    ) -> TopK:
        """Most similar users of each given user, itself left out.

        Parameters
        ----------
        users : int or list of int
            User ids.
        k : int, at least 1
            Rows with fewer neighbours in ``similarity_`` end in user -1, score -inf.
        candidates, exclude : list of user ids, or sparse matrix of shape (len(users), n_users), optional
            As in `recommend`, of users.
        n_threads : int, optional
            Changes speed, never the result. Default: the model's own ``n_threads``.

        Returns
        -------
        TopK
            Each (len(users), k).
        """
        return self._neighbours_of(users, "users", k, candidates, exclude, n_threads)

    def _rank(self, request: Request, ranking: Ranking) -> TopK:
        n_users = self._n_users()
        known = np.zeros(request.n_rows, np.bool_)
        if request.users is not None and not ranking.recalculate:
            known = request.users < n_users
        neighbours = csr_array((request.n_rows, n_users), dtype=self.similarity_.dtype)
        if known.any():
            assert request.users is not None
            neighbours = with_rows(neighbours, np.flatnonzero(known), self.similarity_[request.users[known]])
        if not known.all():
            assert request.rows is not None
            new = np.flatnonzero(~known)
            everybody = csr_array(vstack([self.user_items_, request.rows.to_scipy()[new]], format="csr"))
            targets = n_users + np.arange(len(new))
            found = self._similar_rows(
                everybody, ranking.n_threads, target_items=targets, candidates=np.arange(n_users)
            )
            neighbours = with_rows(neighbours, new, found[targets][:, :n_users])
        rows = _check.csr(neighbours, "similarity_", keep_zeros=True)
        items = self._derived("checked", self.user_items_, lambda: _check.csr(self.user_items_, "user_items_"))
        _check.answer(request.n_rows, ranking.k, np.result_type(rows.data, items.data))
        best = best_of_product(
            rows, items, ranking.k, exclude=ranking.exclude, candidates=ranking.candidates, n_threads=ranking.n_threads
        )
        return TopK.of_rows(best, ranking.k)

    def _changed(self, before: csr_array, after: csr_array, users: Array) -> Ids | None:
        if self.weighting is not None or _measures.looks_at_other_items(self.metric):
            return None
        known = users[users < before.shape[0]]
        near = [_rows_with_any(x, x[ids].indices) for x, ids in ((before, known), (after, users))]
        appended = np.arange(before.shape[0], after.shape[0])
        changed: Ids = np.unique(np.concatenate([*near, users, appended])).astype(np.int32)
        return changed


class P3alpha(ItemNeighbours):
    """Random walks of three steps: user, item, user, item.

    Parameters
    ----------
    k : int, at least 1
        Items kept that a walk from an item ends at.
    alpha : float, at least 0
        Power of the probability of each step.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Attributes
    ----------
    similarity_ : csr_array, shape (n_items, n_items)
        Row i holds the best ends of walks from item i, best first, without itself.
    user_items_ : csr_array, shape (n_users, n_items)
        The interactions, for users who are asked for without their row.

    Notes
    -----
    Cooper et al., "Random walks in recommender systems: exact computation and simulations", 2014. Scores as in
    `fastrec.ItemKNN`; interactions must not be negative.
    """

    def __init__(self, k: int = 100, *, alpha: float = 1.0, n_threads: int | None = None) -> None:
        self.k = k
        self.alpha = alpha
        self.n_threads = n_threads

    def _similar(self, ratings: Csr, targets: Ids | None, *, progress: bool = False) -> csr_array:
        return item_similarity(
            ratings.to_scipy(),
            self.k,
            metric="p3alpha",
            alpha=self.alpha,
            target_items=targets,
            n_threads=self.n_threads,
            progress=progress,
        )


class RP3beta(ItemNeighbours):
    """`P3alpha` against popularity: an item's probability is divided by a power of its number of interactions.

    Parameters
    ----------
    k : int, at least 1
        Items kept that a walk from an item ends at.
    alpha : float, at least 0
        Power of the probability of each step.
    beta : float, at least 0
        Power of the popularity, the sum of the item's interactions.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Attributes
    ----------
    similarity_ : csr_array, shape (n_items, n_items)
        Row i holds the best ends of walks from item i, best first, without itself.
    user_items_ : csr_array, shape (n_users, n_items)
        The interactions, for users who are asked for without their row.

    Notes
    -----
    Paudel et al., "Updatable, accurate, diverse, and scalable recommendations for interactive applications", 2017.
    Scores as in `fastrec.ItemKNN`; interactions must not be negative.
    """

    def __init__(self, k: int = 100, *, alpha: float = 1.0, beta: float = 1.0, n_threads: int | None = None) -> None:
        self.k = k
        self.alpha = alpha
        self.beta = beta
        self.n_threads = n_threads

    def _similar(self, ratings: Csr, targets: Ids | None, *, progress: bool = False) -> csr_array:
        return item_similarity(
            ratings.to_scipy(),
            self.k,
            metric="rp3beta",
            alpha=self.alpha,
            beta=self.beta,
            target_items=targets,
            n_threads=self.n_threads,
            progress=progress,
        )


def _rows_with_any(x: csr_array, columns: Any) -> Any:
    """Which rows have an entry in any of the columns."""
    wanted = np.zeros(x.shape[1], np.bool_)
    wanted[columns] = True
    rows = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    return np.unique(rows[wanted[x.indices]])
