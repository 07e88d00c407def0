"""What all models share: parameters, whose row is whose, what is left out of a ranking."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from os import PathLike
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from fastrec import _check, _threads
from fastrec._types import Array, Csr, Explanation, Ids, Pattern, TopK
from fastrec.item_index import ItemIndex
from fastrec.models import files

Result = TypeVar("Result")

_PAIRS_TOGETHER = 4096  # so that they stay in the cache


class NotFittedError(ValueError, AttributeError):
    """A model was used before ``fit``."""


class Estimator(ABC):
    """Parameters as scikit-learn handles them, learned attributes, and files of them."""

    _learned: ClassVar[tuple[str, ...]]  # attributes that fit sets
    _optional: ClassVar[tuple[str, ...]] = ()  # and those that it sets when asked

    @classmethod
    def _parameter_names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Constructor arguments by name."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **params: Any) -> Self:
        """Change constructor arguments; they are validated in ``fit``."""
        _check.parameter_names(params, self._parameter_names(), type(self).__name__)
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted model to one safetensors file; `fastrec.load` reads it.

        The file is written beside ``path`` and renamed, so that an older one stays whole until the new one is.
        """
        self._check_fitted()
        learned = {name: getattr(self, name) for name in (*self._learned, *self._optional) if hasattr(self, name)}
        files.write(files.Content(type(self).__name__, self.get_params(), learned), path)

    def __repr__(self) -> str:
        defaults = {name: p.default for name, p in inspect.signature(type(self).__init__).parameters.items()}
        changed = (
            f"{name}={value!r}" for name, value in self.get_params().items() if repr(value) != repr(defaults[name])
        )
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_is_fitted__(self) -> bool:
        return all(hasattr(self, name) for name in self._learned)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            input_tags=InputTags(sparse=True, allow_nan=False),
        )

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(f"this {type(self).__name__} is not fitted; call fit first.")

    def _learn(self, learned: dict[str, Any]) -> Self:
        """Take over what ``fit`` learned, and forget what an earlier one was asked for beside that."""
        for name in self._optional:
            self.__dict__.pop(name, None)
        for name, value in learned.items():
            setattr(self, name, value)
        return self

    def _restore(self, learned: dict[str, Any]) -> None:
        """Take over what a file says was learned, if it is whole and holds together."""
        for name in (*self._learned, *self._optional):
            if name in learned:
                setattr(self, name, learned[name])
        self._check_fitted()
        self._check_learned()

    @abstractmethod
    def _check_learned(self) -> None:
        """Refuse learned attributes that do not fit together."""

    def _derived(self, name: str, source: Any, make: Callable[[], Result]) -> Result:
        """What is computed from a learned attribute, or a tuple of them, once for as long as they stay."""
        kept = self.__dict__.setdefault("_kept", {})
        sources = source if isinstance(source, tuple) else (source,)
        if name not in kept or any(one is not other for one, other in zip(kept[name][0], sources, strict=True)):
            kept[name] = (sources, make())
        return kept[name][1]  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}


class Request(NamedTuple):
    """Users to serve: their ids, and their rows where they were given."""

    users: npt.NDArray[np.int64] | None  # None: all rows belong to new users
    rows: Csr | None
    n_rows: int


class Ranking(NamedTuple):
    """What to rank for each of them, and how."""

    k: int
    exclude: Pattern | None
    candidates: Pattern | None
    recalculate: bool
    n_threads: int


class Recommender(Estimator):
    """Ranks items for users; a model says how in `_rank`."""

    _zeros_are_ratings: ClassVar[bool] = False  # or, of interactions, none at all
    n_threads: int | None

    def recommend(
        self,
        users: Any,
        user_items: Any,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        candidates: Any = None,
        exclude: Any = None,
        recalculate: bool = False,
        n_threads: int | None = None,
    ) -> TopK:
        """Best ``k`` items for each user, best first.

        Parameters
        ----------
        users : int, list of int, or None
            Ids at or above the number of users in ``fit``, and all rows when ``users`` is None, are new users: their
            rows are folded in.
        user_items : sparse matrix, shape (len(users), n_items), or None
            Row r belongs to ``users[r]``. None is allowed for known users with ``exclude_seen=False``.
        k : int, at least 1
            Rows with fewer candidates end in item -1, score -inf.
        exclude_seen : bool
            Leave out the items of each user's row.
        candidates : list of item ids, or sparse matrix of shape (len(users), n_items), optional
            The only items that may be recommended: one list for all users, or a row a user (values ignored).
        exclude : list of item ids, or sparse matrix of shape (len(users), n_items), optional
            Items that must not be recommended, in the same two forms.
        recalculate : bool
            Fold in known users too, from the rows given.
        n_threads : int, optional
            Changes speed, never the result. Default: the model's own ``n_threads``.

        Returns
        -------
        TopK
            ``items`` int32 and ``scores``, each (len(users), k); equal scores: lower item first. Scores have the dtype
            of what was learned; those of models of similarities are float64 too where the rows that they read are.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        TypeError, ValueError
            An argument is not as described, or shapes do not match.
        MemoryError
            The answer is larger than the memory available.

        Notes
        -----
        Of a user without history, and of all users of a model of no interactions, neighbour models and `SLIM` rank
        nothing: items are -1. Where every item has a score, it is that of a user whose row is zero: the same for all
        items, of which the lower come first, but for biases of items, and for `Popularity`.

        What a search needs of learned arrays is kept: assign another array to an attribute instead of changing its
        values in place.
        """
        self._check_fitted()
        k = _check.integer(k, "k", 1)
        exclude_seen, recalculate = _check.flag(exclude_seen, "exclude_seen"), _check.flag(recalculate, "recalculate")
        threads = self._threads(n_threads)
        request = self._request(users, user_items, rows_needed=exclude_seen or recalculate)
        n_items = self._n_items()
        allowed = _check.pattern(candidates, "candidates", request.n_rows, n_items)
        excluded = _check.pattern(exclude, "exclude", request.n_rows, n_items)
        if exclude_seen and request.rows is not None:
            seen = Pattern(request.rows.indices, request.rows.indptr, False)
            excluded = seen if excluded is None else union(seen, excluded, request.n_rows, n_items)
        return self._rank(request, Ranking(k, excluded, allowed, recalculate, threads))

    @abstractmethod
    def _rank(self, request: Request, ranking: Ranking) -> TopK: ...

    @abstractmethod
    def _n_users(self) -> int: ...

    @abstractmethod
    def _n_items(self) -> int: ...

    def _threads(self, n_threads: int | None) -> int:
        return _threads.resolve(self.n_threads if n_threads is None else n_threads)

    def _request(self, users: Any, user_items: Any, *, rows_needed: bool) -> Request:
        ids = None if users is None else _check.ids_at_least_zero(users, "users", unit="users")
        if user_items is None:
            _check.no_rows_needed(self._why_rows_are_needed(ids, rows_needed))
            assert ids is not None
            return Request(ids, None, len(ids))
        rows = _check.csr(user_items, "user_items", keep_zeros=self._zeros_are_ratings, single=True)
        n_rows = rows.shape[0] if ids is None else len(ids)
        _check.row_of_each(rows.shape, n_rows, "users", self._n_items())
        return Request(ids, rows, n_rows)

    def _why_rows_are_needed(self, ids: npt.NDArray[np.int64] | None, rows_needed: bool) -> str:
        """The reason, or nothing."""
        if ids is None:
            return "users=None means that every row is a new user's"
        if rows_needed:
            return "exclude_seen and recalculate read it"
        if len(ids) and ids.max() >= self._n_users():
            return f"user {ids.max()} is new to this model of {self._n_users()} users"
        return ""


class LinearModel(Recommender):
    """A recommender whose score of an item is a user's row times that item's similarities with those in the row."""

    def explain(self, user: int | None, item: int, user_items: Any) -> Explanation:
        """Why an item is recommended: what each item of the user's row adds to its score.

        Parameters
        ----------
        user : int or None
            Whose row it is; the row says all, so that a new user is explained too.
        item : int
            The item to explain.
        user_items : sparse matrix, shape (1, n_items)
            The user's row.

        Returns
        -------
        Explanation
            ``items`` of the row by their ``contributions``, the row's value times the similarity in float64, most
            first, which sum to ``score``: that of `recommend`, for `PureSVD` but for the rounding of its factors; 0
            where it does not rank the item.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        TypeError, ValueError
            An argument is not as described, or shapes do not match.
        """
        self._check_fitted()
        if user is not None:
            _check.integer(user, "user", 0)
        item = _check.integer(item, "item", 0, self._n_items() - 1)
        row = _check.csr(user_items, "user_items")
        _check.row_of_each(row.shape, 1, "[user]", self._n_items())
        return Explanation.of(row.indices, row.data.astype(np.float64) * self._similarities(row.indices, item))

    @abstractmethod
    def _similarities(self, items: Ids, item: int) -> Array:
        """Of some items with one, in float64."""


class NeighbourRequest(NamedTuple):
    """Items, or users, whose neighbours are wanted, none of which is its own."""

    ids: Ids
    k: int
    exclude: Pattern
    candidates: Pattern | None

    @classmethod
    def checked(cls, ids: Any, name: str, n: int, k: int, candidates: Any, exclude: Any) -> NeighbourRequest:
        """Take what a caller gave for ``name``, of which there are ``n``."""
        wanted = _check.item_ids(ids, name, n, unit=name)
        k = _check.integer(k, "k", 1)
        allowed = _check.pattern(candidates, "candidates", len(wanted), n)
        excluded = _check.pattern(exclude, "exclude", len(wanted), n)
        itself = Pattern(wanted, np.arange(len(wanted) + 1, dtype=np.int64), False)
        return cls(wanted, k, itself if excluded is None else union(itself, excluded, len(wanted), n), allowed)


class FactorModel(Recommender):
    """A recommender whose score is the inner product of a user's and an item's factors.

    A model whose score has more terms says in `_queries`, `_fold_in` and `_ranked_items` which columns add them.
    """

    user_factors_: Array
    item_factors_: Array

    def similar_items(
        self, items: Any, k: int = 10, *, candidates: Any = None, exclude: Any = None, n_threads: int | None = None
    ) -> TopK:
        """Items whose factors have the largest cosine with those of each given item, itself left out.

        Parameters
        ----------
        items : int or list of int
            Item ids.
        k : int, at least 1
            Rows with fewer candidates end in item -1, score -inf.
        candidates, exclude : list of item ids, or sparse matrix of shape (len(items), n_items), optional
            As in `recommend`.
        n_threads : int, optional
            Changes speed, never the result. Default: the model's own ``n_threads``.

        Returns
        -------
        TopK
            Each (len(items), k). The cosine with a zero vector is 0.
        """
        self._check_fitted()
        return self._similar(self.item_factors_, items, "items", k, candidates, exclude, n_threads)

    def similar_users(
        self, users: Any, k: int = 10, *, candidates: Any = None, exclude: Any = None, n_threads: int | None = None
    ) -> TopK:
        """Users whose factors have the largest cosine with those of each given user, itself left out.

        Parameters
        ----------
        users : int or list of int
            User ids.
        k : int, at least 1
            Rows with fewer candidates end in user -1, score -inf.
        candidates, exclude : list of user ids, or sparse matrix of shape (len(users), n_users), optional
            As in `recommend`, of users.
        n_threads : int, optional
            Changes speed, never the result. Default: the model's own ``n_threads``.

        Returns
        -------
        TopK
            Each (len(users), k). The cosine with a zero vector is 0.
        """
        self._check_fitted()
        return self._similar(self.user_factors_, users, "users", k, candidates, exclude, n_threads)

    def _rank(self, request: Request, ranking: Ranking) -> TopK:
        ranked = self._ranked_items()
        queries = np.zeros((request.n_rows, ranked.shape[1]), ranked.dtype)
        known = np.zeros(request.n_rows, np.bool_)
        if request.users is not None and not ranking.recalculate:
            known = request.users < self._n_users()
            queries[known] = self._queries(request.users[known])
        if not known.all():
            assert request.rows is not None
            new = Csr.of_canonical(request.rows.to_scipy()[np.flatnonzero(~known)])
            queries[~known] = self._fold_in(new, ranking.n_threads)
        index = self._index(ranked, "inner_product")
        return index.best(queries, ranking.k, ranking.exclude, ranking.candidates, ranking.n_threads)

    def _ranked_items(self) -> Array:
        """What inner products with queries score: the same array for as long as the model stays."""
        return self.item_factors_

    def _queries(self, users: npt.NDArray[np.int64]) -> Array:
        """Queries of users of ``fit``."""
        return self.user_factors_[users]

    def _scores_of_pairs(self, users: Any, items: Any) -> Array:
        """What `recommend` scores, of a user of ``fit`` with an item each."""
        self._check_fitted()
        user_ids = _check.ids_at_least_zero(users, "users", self._n_users(), unit="users")
        item_ids = _check.ids_at_least_zero(items, "items", self._n_items())
        _check.same_size(len(user_ids), "users", len(item_ids), "items", "ids")
        return pair_scores(self._queries, self._ranked_items(), user_ids, item_ids)

    def _check_learned(self) -> None:
        users, items = (_check.dense(getattr(self, name), name) for name in ("user_factors_", "item_factors_"))
        _check.same_size(users.shape[1], "user_factors_", items.shape[1], "item_factors_", "columns")
        sizes = {"user": users.shape, "item": items.shape}
        for name in (*self._learned, *self._optional):
            side, _, what = name.partition("_")
            if side in sizes and hasattr(self, name) and what in ("factors_", "biases_", "squares_", "bias_squares_"):
                shape = sizes[side][:1] if what.startswith("bias") else sizes[side]
                _check.learned(getattr(self, name), name, shape, items.dtype)

    @abstractmethod
    def _fold_in(self, rows: Csr, n_threads: int) -> Array:
        """Queries of users that are known by their rows only."""

    def _similar(
        self, factors: Array, ids: Any, name: str, k: int, candidates: Any, exclude: Any, n_threads: int | None
    ) -> TopK:
        wanted = NeighbourRequest.checked(ids, name, len(factors), k, candidates, exclude)
        index = self._index(factors, "cosine", name)
        queries = factors[wanted.ids]
        return index.best(queries, wanted.k, wanted.exclude, wanted.candidates, self._threads(n_threads))

    def _index(self, factors: Array, metric: str, name: str = "items") -> ItemIndex:
        return self._derived(f"{metric} of {name}", factors, lambda: ItemIndex.of_checked(factors, metric))

    def _n_users(self) -> int:
        return len(self.user_factors_)

    def _n_items(self) -> int:
        return len(self.item_factors_)


def pair_scores(
    queries: Callable[[npt.NDArray[np.int64]], Array],
    items: Array,
    query_ids: npt.NDArray[np.int64],
    item_ids: npt.NDArray[np.int64],
) -> Array:
    """Exact inner products of some queries with an item each: summed in eight lanes, as `top_k_inner_product` does."""
    out, n_factors = np.empty(len(query_ids), items.dtype), items.shape[1]
    for first in range(0, len(out), _PAIRS_TOGETHER):
        pairs = slice(first, first + _PAIRS_TOGETHER)
        left = queries(query_ids[pairs]).astype(np.float64)
        left *= items[item_ids[pairs]]
        lanes = np.zeros((len(left), 8))
        for j in range(0, n_factors, 8):
            lanes[:, : n_factors - j] += left[:, j : j + 8]
        halves = lanes[:, :4] + lanes[:, 4:]
        quarters = halves[:, :2] + halves[:, 2:]
        out[pairs] = quarters[:, 0] + quarters[:, 1]
    return out


def beside(factors: Array, *columns: Any) -> Array:
    """Factors and more columns, each a vector or one number."""
    n_factors = factors.shape[1]
    out = np.empty((len(factors), n_factors + len(columns)), factors.dtype)
    out[:, :n_factors] = factors
    for place, column in enumerate(columns, n_factors):
        out[:, place] = column
    return out


def union(first: Pattern, second: Pattern, n_rows: int, n_items: int) -> Pattern:
    """Ids that a row has in either."""
    for listed in (first, second):
        if listed.shared:
            _check.pairs_memory(n_rows, len(listed.ids))
    both = first.as_matrix(n_rows, n_items) + second.as_matrix(n_rows, n_items)
    both.sum_duplicates()
    merged = Csr.of_canonical(both)
    return Pattern(merged.indices, merged.indptr, False)


def stored(matrix: Csr) -> csr_array:
    """A copy of a checked matrix, for a model to keep."""
    return matrix.to_scipy().copy()
