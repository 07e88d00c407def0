"""`implicit.nearest_neighbours`: item-based nearest neighbours, and the weights of their matrices."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy import bincount as bincount  # this and the like: names that the original module has too
from numpy import log as log
from numpy import log1p as log1p
from numpy import sqrt as sqrt
from scipy.sparse import coo_matrix, csr_array, csr_matrix

from fastrec import _check
from fastrec._types import Array, Pattern, TopK
from fastrec.compat._numbers import threads_of, whole
from fastrec.compat._ways_in import left_to_original, taken
from fastrec.compat.implicit._nearest_neighbours import NearestNeighboursScorer, in_float64, most_similar
from fastrec.compat.implicit._nearest_neighbours import all_pairs_knn as all_pairs_knn
from fastrec.compat.implicit.cpu.topk import check_columns, item_ids, left_out
from fastrec.compat.implicit.recommender_base import Callback, Ranked, RecommenderBase
from fastrec.compat.implicit.utils import (
    NO_SCORE,
    NPZ,
    check_csr,
    check_ids,
    file_of,
    is_scalar,
    not_empty,
    rows_of_each,
    whole_ids,
)
from fastrec.weighting import bm25_of, counts_of, normalized, tfidf_of

_LEAST = -float(np.finfo(np.float64).max)  # score of an item of ``items`` that has none
_L2 = 2  # power of a norm


class ItemItemRecommender(RecommenderBase):
    """The most similar items of each item, by the inner product of the columns that `fit` gets.

    Parameters
    ----------
    K : int, at least 1
        Neighbours kept an item, of which the item itself is one.
    num_threads : int
        0: every core that the process may use. Changes speed only.

    Attributes
    ----------
    similarity : csr_matrix of float64, shape (n_items, n_items)
        Row i holds the neighbours of item i, best first.
    """

    def __init__(self, K: int = 20, num_threads: int = 0) -> None:  # noqa: N803
        self.similarity: Any = None
        self.K = K
        self.num_threads = num_threads
        self.scorer: NearestNeighboursScorer | None = None

    @taken
    def fit(self, weighted: Any, show_progress: bool = True, callback: Callback | None = None) -> None:
        """Find the neighbours of every item: see `RecommenderBase.fit`; there is nothing to call back."""
        self._compare(check_csr(weighted), "dot", show_progress, callback)

    def _compare(self, weighted: Any, metric: str, show_progress: bool, callback: Callback | None) -> None:
        if callback:
            raise NotImplementedError("callback: expected None, for the fit of item-item recommenders has no epochs")
        self._take(most_similar(weighted, self.K, metric, self.num_threads, show_progress))

    @taken
    def recommend(
        self,
        userid: Any,
        user_items: Any,
        N: int = 10,  # noqa: N803
        filter_already_liked_items: bool = True,
        filter_items: Any = None,
        recalculate_user: bool = False,
        items: Any = None,
    ) -> Ranked:
        """Best ``N`` items for a user, or for each of many: see `RecommenderBase.recommend`.

        One user gets fewer where fewer items are similar to those of the row; of many, each row then ends in id -1.
        With ``items``, one user gets all of them, those without a score last.
        """
        rows = rows_of_each(user_items, userid, "user_items")
        if filter_items is not None and items is not None:
            raise ValueError("filter_items: expected None beside items, which says all")
        self._check_there(self.scorer)
        assert self.scorer is not None
        n_rows, n_items = rows.shape[0], self.similarity.shape[0]
        if filter_items is not None:
            listed = whole_ids(filter_items, "filter_items")
            filter_items = listed[listed < n_items]
        own = _check.csr(rows, "user_items", keep_zeros=True)
        check_columns(own, n_items)
        own = own._replace(shape=(n_rows, n_items))
        excluded = left_out(own if filter_already_liked_items else None, filter_items, n_rows, n_items)
        chosen, allowed, k = None, None, whole(N, "N")
        if items is not None:
            chosen = not_empty(whole_ids(items, "items"))
            allowed = np.unique(item_ids(chosen, n_items, "items"))
            k = len(allowed)
        candidates = None if allowed is None else Pattern.one_list(allowed)
        best = self.scorer.best(own, k, exclude=excluded, candidates=candidates, num_threads=self.num_threads)
        if is_scalar(userid):
            return _with_missing(best.indices, best.data, chosen)
        if chosen is None:
            return _padded(TopK.of_rows(best, k))
        ends = best.indptr
        each = [_with_missing(best.indices[a:b], best.data[a:b], chosen) for a, b in pairwise(ends)]
        return _stacked(each, whole(N, "N"))

    def similar_users(self, userid: Any, N: int = 10, filter_users: Any = None, users: Any = None) -> Ranked:  # noqa: N803
        """Not of this model, which knows no users."""
        raise NotImplementedError("item-item recommenders know no users: similar_users is not of them")

    @taken
    def similar_items(
        self,
        itemid: Any,
        N: int = 10,  # noqa: N803
        recalculate_item: bool = False,
        item_users: Any = None,
        filter_items: Any = None,
        items: Any = None,
    ) -> Ranked:
        """Best ``N`` of the ``K`` neighbours of an item, or of each of many: see `RecommenderBase.similar_items`.

        Fewer are filled up as in `recommend`.
        """
        if recalculate_item:
            raise NotImplementedError(
                "recalculate_item: expected False, for item-item recommenders have no factors to make"
            )
        if filter_items is not None and items is not None:
            raise ValueError("filter_items: expected None beside items, which says all")
        self._check_there(self.similarity)
        itemid = check_ids(itemid, "itemid")
        if items is not None:
            items = not_empty(items)
        if is_scalar(itemid):
            return self._neighbours(itemid, N, filter_items, items)
        return _stacked([self._neighbours(one, N, filter_items, items) for one in itemid], N)

    def _neighbours(self, itemid: int, k: int, filter_items: Any, items: Any) -> Ranked:
        n_items = self.similarity.shape[0]
        if itemid >= n_items:
            return np.array([]), np.array([])
        if itemid < -n_items:
            raise IndexError(f"itemid: expected ids from {-n_items} on, got {itemid}")
        row = itemid % n_items
        entries = slice(self.similarity.indptr[row], self.similarity.indptr[row + 1])
        ids, scores = self.similarity.indices[entries], self.similarity.data[entries]
        if filter_items is not None:
            kept = ~np.isin(ids, filter_items)
            ids, scores = ids[kept], scores[kept]
        elif items is not None:
            chosen = np.asarray(items)
            kept = np.isin(ids, chosen)
            ids, scores = _with_missing(ids[kept], scores[kept], chosen)
        best = np.lexsort((ids, -scores))[:k]
        return ids[best], scores[best]

    def _take(self, similarity: csr_matrix) -> None:
        self.similarity, self.scorer = similarity, NearestNeighboursScorer(similarity)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "scorer"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.scorer = None if self.similarity is None else NearestNeighboursScorer(self.similarity)

    def save(self, fileobj_or_path: Any) -> None:
        """Write the model in NumPy's npz format, which implicit reads too."""
        stored: dict[str, Any] = {"K": self.K}
        if self.similarity is not None:
            stored["shape"] = self.similarity.shape
            stored |= {name: getattr(self.similarity, name) for name in ("data", "indptr", "indices")}
        np.savez(fileobj_or_path, **stored)

    @classmethod
    def load(cls, fileobj_or_path: Any) -> Self:
        """Read a model that `save`, or implicit, wrote."""
        model = cls()
        with np.load(file_of(fileobj_or_path, NPZ), allow_pickle=False) as stored:
            model.K = int(stored["K"])
            if "data" in stored:
                arrays = stored["data"], stored["indices"], stored["indptr"]
                model._take(csr_matrix(arrays, shape=tuple(stored["shape"])))
        return model


class CosineRecommender(ItemItemRecommender):
    """The most similar items of each item, by the cosine of their columns."""

    @taken
    def fit(self, counts: Any, show_progress: bool = True, callback: Callback | None = None) -> None:
        """Find the neighbours of every item: see `ItemItemRecommender.fit`."""
        self._compare(check_csr(counts), "cosine", show_progress, callback)


class TFIDFRecommender(ItemItemRecommender):
    """The most similar items of each item, by the cosine of their columns weighted by `tfidf_weight`."""

    @taken
    def fit(self, counts: Any, show_progress: bool = True, callback: Callback | None = None) -> None:
        """Find the neighbours of every item: see `ItemItemRecommender.fit`."""
        weighted = _tfidf(check_csr(counts).T, "counts", self.num_threads).T
        self._compare(weighted, "cosine", show_progress, callback)


class BM25Recommender(ItemItemRecommender):
    """The most similar items of each item, by the inner product of their columns weighted by `bm25_weight`.

    Parameters
    ----------
    K : int, at least 1
        As in `ItemItemRecommender`.
    K1, B : float
        As in `bm25_weight`.
    num_threads : int
        As in `ItemItemRecommender`.
    """

    def __init__(self, K: int = 20, K1: float = 1.2, B: float = 0.75, num_threads: int = 0) -> None:  # noqa: N803
        super().__init__(K, num_threads)
        self.K1 = K1
        self.B = B

    @taken
    def fit(self, counts: Any, show_progress: bool = True, callback: Callback | None = None) -> None:
        """Find the neighbours of every item: see `ItemItemRecommender.fit`."""
        weighted = _bm25(check_csr(counts).T, "counts", self.K1, self.B, self.num_threads).T
        self._compare(weighted, "dot", show_progress, callback)


@taken
def tfidf_weight(X: Any) -> coo_matrix:  # noqa: N803
    """TF-IDF weight of every count, in float64: `fastrec.tfidf_weight`."""
    return coo_matrix(_tfidf(X, "X"))


@taken
def normalize(X: Any) -> coo_matrix:  # noqa: N803
    """Scale every row to norm 1, in float64: `fastrec.normalize`."""
    return coo_matrix(normalized(_check.csr(in_float64(X, "X"), "X"), _L2, threads_of(0)).to_scipy())


@taken
def bm25_weight(X: Any, K1: float = 100, B: float = 0.8) -> coo_matrix:  # noqa: N803
    """BM25 weight of every count, in float64: `fastrec.bm25_weight`."""
    return coo_matrix(_bm25(X, "X", K1, B))


def _tfidf(counts: Any, name: str, num_threads: int = 0) -> csr_array:
    threads = threads_of(num_threads)
    return tfidf_of(counts_of(in_float64(counts, name), name, threads), threads)


def _bm25(counts: Any, name: str, k1: float, b: float, num_threads: int = 0) -> csr_array:
    k1, b = _check.real(k1, "K1", 0), _check.real(b, "B", 0, 1)
    threads = threads_of(num_threads)
    return bm25_of(counts_of(in_float64(counts, name), name, threads), k1, b, threads)


def _with_missing(ids: Array, scores: Array, chosen: Array | None) -> Ranked:
    """Some ranked items of those that were chosen, then the others of these."""
    if chosen is None:
        return ids, scores
    missing = chosen[~np.isin(chosen, ids)]
    if not missing.size:
        return ids, scores
    return np.concatenate([ids, missing]), np.concatenate([scores, np.full(len(missing), _LEAST)])


def _padded(best: TopK) -> Ranked:
    best.scores[best.items < 0] = NO_SCORE
    return best.items, best.scores


def _stacked(rows: list[Ranked], k: int) -> Ranked:
    """Rows of any length as rows of ``k``."""
    _check.answer(len(rows), k, np.float64)
    ids, scores = np.full((len(rows), k), -1, np.int32), np.full((len(rows), k), NO_SCORE)
    for place, (found, of_found) in enumerate(rows):
        ids[place, : len(found)], scores[place, : len(found)] = found[:k], of_found[:k]
    return ids, scores


__getattr__ = left_to_original(__name__)
