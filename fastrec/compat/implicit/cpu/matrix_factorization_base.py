"""`implicit.cpu.matrix_factorization_base`: what models of factors share."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse import lil_matrix as lil_matrix

from fastrec import _check
from fastrec._types import Array, Csr, Pattern
from fastrec.compat._numbers import threads_of, whole
from fastrec.compat._ways_in import left, left_to_original, level_of_caller, taken
from fastrec.compat.implicit.cpu._factors import Factors, cosine_index_of, index_of, own
from fastrec.compat.implicit.cpu.topk import item_ids, left_out, marked, topk
from fastrec.compat.implicit.recommender_base import Ranked, RecommenderBase
from fastrec.compat.implicit.utils import check_ids, is_scalar, not_empty, rows_of_each
from fastrec.item_index import ItemIndex

_BOTH = "{}: expected None beside {}, which says all"
_LEAST_NORM = 1e-10  # in the place of 0, so that the cosine with a zero vector is 0


class MatrixFactorizationBase(RecommenderBase):
    """A model whose score is the inner product of a user's and an item's factors.

    Attributes
    ----------
    user_factors : ndarray, shape (n_users, n_factors)
    item_factors : ndarray, shape (n_items, n_factors)
    num_threads : int
        0: every core that the process may use.
    """

    user_factors = Factors()
    item_factors = Factors()

    def __init__(self, num_threads: int = 0) -> None:
        self.item_factors = None
        self.user_factors = None
        self._user_norms: Any = None
        self._item_norms: Any = None
        self.num_threads = num_threads

    @property
    def _users(self) -> Any:
        return own(self, "user_factors")

    @property
    def _items(self) -> Any:
        return own(self, "item_factors")

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

        Where fewer are left to rank, a row ends in id -1 beside the least number of the scores' dtype. With ``items``
        it has all of them, up to ``N``, and that number beside those that are left out.
        """
        self._check_fitted()
        N = whole(N, "N")  # noqa: N806
        if filter_already_liked_items or recalculate_user:
            user_items = rows_of_each(user_items, userid, "user_items")
        user = self._user_factor(userid, user_items, recalculate_user)
        seen = user_items if filter_already_liked_items else None
        if items is None:
            ids, scores = self._rank(np.atleast_2d(user), seen, N, filter_items)
        else:
            if filter_items is not None and len(filter_items):
                raise ValueError(_BOTH.format("filter_items", "items"))
            ids, scores = self._rank_some(np.atleast_2d(user), seen, N, self._some(items, "items", "item"))
        return (ids[0], scores[0]) if is_scalar(userid) else (ids, scores)

    def _rank(self, users: Array, seen: Any, k: int, filter_items: Any) -> Ranked:
        """Order all items for each user."""
        index = index_of(self, "item_factors")
        if index is None:
            return topk(self._items, users, k, None, seen, filter_items, self.num_threads)
        users = _check.dense(users, "user_factors")
        _check.same_size(users.shape[1], "user_factors", index.items.shape[1], "item_factors", "columns")
        excluded = left_out(seen, filter_items, len(users), len(index.items))
        return marked(index.best(users, k, excluded, None, threads_of(self.num_threads)))

    def _rank_some(self, users: Array, seen: Any, k: int, items: Array) -> Ranked:
        """Order a list of items for each user; those that were seen come last."""
        items = np.sort(items)
        if seen is not None:
            _check.places(seen, "user_items")
            seen = _filter_items_from_sparse_matrix(items, seen)
            seen.sort_indices()
        ids, scores = topk(self._items[items], users, min(k, len(items)), None, seen, None, self.num_threads)
        if seen is not None:
            rows, places = np.nonzero(ids < 0)
            n_ranked = np.count_nonzero(ids >= 0, axis=1)
            ids[rows, places] = seen.indices[seen.indptr[rows] + places - n_ranked[rows]]
        return items[ids], scores

    def recommend_all(
        self,
        user_items: Any,
        N: int = 10,  # noqa: N803
        recalculate_user: bool = False,
        filter_already_liked_items: bool = True,
        filter_items: Any = None,
        users_items_offset: int = 0,
    ) -> Array:
        """Ids that `recommend` gives for all users, from an offset on; deprecated."""
        warnings.warn(
            "recommend_all is deprecated: call recommend with an array of userids instead",
            DeprecationWarning,
            stacklevel=level_of_caller(),
        )
        userids = np.arange(user_items.shape[0]) + users_items_offset
        return self.recommend(userids, user_items, N, filter_already_liked_items, filter_items, recalculate_user)[0]

    @taken
    def similar_users(self, userid: Any, N: int = 10, filter_users: Any = None, users: Any = None) -> Ranked:  # noqa: N803
        """Best ``N`` users by the cosine of their factors: see `RecommenderBase.similar_users`."""
        self._check_fitted()
        if users is not None and filter_users is not None and len(filter_users):
            raise ValueError(_BOTH.format("filter_users", "users"))
        return self._most_similar(userid, _rows(self._users, userid, "userid"), "user", N, filter_users, users)

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
        """Best ``N`` items by the cosine of their factors: see `RecommenderBase.similar_items`."""
        self._check_fitted()
        if items is not None and filter_items is not None and len(filter_items):
            raise ValueError(_BOTH.format("filter_items", "items"))
        factor = self._item_factor(itemid, item_users, recalculate_item)
        return self._most_similar(itemid, factor, "item", N, filter_items, items)

    def recalculate_user(self, userid: Any, user_items: Any) -> Array:
        """Make users' factors from their rows, in models that can."""
        raise NotImplementedError(f"{type(self).__name__} cannot make users' factors from rows")

    def recalculate_item(self, itemid: Any, item_users: Any) -> Array:
        """Make items' factors from their rows, in models that can."""
        raise NotImplementedError(f"{type(self).__name__} cannot make items' factors from rows")

    @property
    def user_norms(self) -> Array:
        """Norms of the users' factors."""
        if self._user_norms is None:
            self._user_norms = _norms(self._users)
        norms: Array = self._user_norms
        return norms

    @property
    def item_norms(self) -> Array:
        """Norms of the items' factors."""
        if self._item_norms is None:
            self._item_norms = _norms(self._items)
        norms: Array = self._item_norms
        return norms

    def _most_similar(self, ids: Any, factor: Array, of: str, k: int, excluded: Any, chosen: Any) -> Ranked:
        """Best ``k`` users, or items, by their cosine with some factors."""
        norms = getattr(self, f"{of}_norms")
        queries, index = (
            _check.dense(np.atleast_2d(factor), f"{of}_factors"),
            cosine_index_of(self, f"{of}_factors", norms),
        )
        n = len(index.items)
        left_aside = left_out(None, excluded, len(queries), n, f"filter_{of}s")
        some = None if chosen is None else self._some(chosen, f"{of}s", of)
        allowed, ids_of = None, None
        if some is not None:
            allowed = Pattern.one_list(np.unique(some))
            if len(allowed.ids) < len(some):  # what is named twice ranks twice
                allowed, ids_of = None, np.sort(some)
                index = ItemIndex.of_checked(index.items[ids_of], "cosine")
        k, threads = whole(k, "N"), threads_of(self.num_threads)
        found, scores = marked(index.best(queries, k, left_aside, allowed, threads))
        if ids_of is not None:
            found = np.where(found < 0, -1, ids_of[found])
        if some is not None and some.dtype.kind == "i":
            found = found.astype(some.dtype)
        return (found[0], scores[0]) if is_scalar(ids) else (found, scores)

    def _some(self, ids: Any, name: str, of: str) -> Array:
        """A list of items, or of users, that the model has."""
        chosen = not_empty(ids, name)
        item_ids(chosen, len(own(self, f"{of}_factors")), name)
        return chosen

    def _user_factor(self, userid: Any, user_items: Any, recalculate_user: bool = False) -> Array:
        return self.recalculate_user(userid, user_items) if recalculate_user else _rows(self._users, userid, "userid")

    def _item_factor(self, itemid: Any, item_users: Any, recalculate_item: bool = False) -> Array:
        return self.recalculate_item(itemid, item_users) if recalculate_item else _rows(self._items, itemid, "itemid")

    def __copy__(self) -> Self:
        """Share the factors, which each then has to expect the other to change."""
        copied = type(self).__new__(type(self))
        vars(copied).update(vars(self))
        for model in (self, copied):
            model.user_factors, model.item_factors = self._users, self._items
        return copied

    def _on_gpu(self, model: Any) -> Any:
        """A model of `implicit.gpu`, with these factors."""
        for name in ("user_factors", "item_factors"):
            if own(self, name) is not None:
                setattr(model, name, left("implicit.gpu").Matrix(own(self, name)))
        return model

    def _check_fitted(self) -> None:
        self._check_there(self._users, self._items)

    def _check_fit_errors(self) -> None:
        self._check_factors(self._users, self._items)


def _rows(factors: Any, ids: Any, name: str) -> Array:
    """Some rows, without a copy where they are all of them in order."""
    ids = check_ids(ids, name)
    if (
        isinstance(ids, np.ndarray)
        and ids.ndim == 1
        and len(ids) == len(factors)
        and np.array_equal(ids, np.arange(len(ids)))
    ):
        ids = slice(None)
    rows: Array = factors[ids]
    return rows


def _norms(factors: Array) -> Any:
    norms = np.linalg.norm(factors, axis=-1)
    return np.where(norms == 0, norms.dtype.type(_LEAST_NORM), norms)[()]


def _filter_items_from_sparse_matrix(items: Array, query_items: Any) -> csr_matrix:
    """Columns of some items, in their order; those beyond the last column are empty."""
    n_rows, n_columns = query_items.shape[0], max(query_items.shape[1], int(items.max()) + 1)
    data, columns, indptr = query_items.data, query_items.indices, query_items.indptr
    if (items[1:] <= items[:-1]).any():
        return csr_matrix((data, columns, indptr), (n_rows, n_columns))[:, items]
    places = np.minimum(np.searchsorted(items, columns), len(items) - 1)
    found = Csr(data, places, indptr, (n_rows, len(items))).where(items[places] == columns)
    return csr_matrix(found[:3], found.shape)


__getattr__ = left_to_original(__name__)
