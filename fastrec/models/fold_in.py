"""Factor models that solve a row against the other side exactly: new and changed users and items at any time."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from fastrec import _check
from fastrec._types import Array, Csr, Ids
from fastrec.models.base import FactorModel

SideName = Literal["users", "items"]


class Entries(NamedTuple):
    """Interactions of some rows: their weights, and at the same places their targets."""

    weights: Csr
    targets: Array


class FoldInModel(FactorModel):
    """Solves rows of users against the item factors, rows of items against the user factors."""

    def fold_in_users(self, user_items: Any, *, weights: Any = None, n_threads: int | None = None) -> Array:
        """Factors of any number of users, known by their rows only; the model stays as it is.

        Parameters
        ----------
        user_items : sparse matrix, shape (n_rows, n_items)
            A row a user, as in ``fit``.
        weights : sparse matrix, optional
            As in ``fit``.
        n_threads : int, optional
            Changes speed, never the result. Default: the model's own ``n_threads``.

        Returns
        -------
        ndarray, shape (n_rows, n_factors)
            What ``recommend`` ranks by for new users, in the dtype of ``item_factors_``; zero for an empty row.
        """
        return self._folded_in(user_items, weights, "user_items", "users", n_threads)

    def fold_in_items(self, item_users: Any, *, weights: Any = None, n_threads: int | None = None) -> Array:
        """Factors of any number of items, known by their users only: `fold_in_users` of items.

        Parameters
        ----------
        item_users : sparse matrix, shape (n_rows, n_users)
            A row an item.
        weights : sparse matrix, optional
            As in ``fit``, at the places of ``item_users``.
        n_threads : int, optional
            Changes speed, never the result. Default: the model's own ``n_threads``.

        Returns
        -------
        ndarray, shape (n_rows, n_factors)
            For a column of what the model was fitted to, the factors that its item has.
        """
        return self._folded_in(item_users, weights, "item_users", "items", n_threads)

    def transform(self, user_items: Any) -> Array:
        """`fold_in_users` as scikit-learn's pipelines call it."""
        return self.fold_in_users(user_items)

    def partial_fit(self, user_items: Any, *, users: Any = None, weights: Any = None, n_epochs: int = 1) -> Self:
        """Take in changed and new users, or learn on from all rows.

        Parameters
        ----------
        user_items : sparse matrix, shape (len(users), n_items)
            Row r belongs to ``users[r]``.
        users : list of int, optional
            Their factors are solved against the item factors, which stay as they are: ids below the number of users
            replace, others are appended; users between are zero. Default: all users in order, who may have become more,
            as may items; new items get their factors in the first epoch.
        weights : sparse matrix, optional
            As in ``fit``.
        n_epochs : int, at least 0
            Further epochs over all rows; given users are solved once, whatever it is.

        Returns
        -------
        The model itself. It is unchanged when anything was raised. ``loss_`` and what else told of the fit before is
        gone.

        Notes
        -----
        Without ``users``, n_epochs more are what ``fit`` with as many more would have run; before ``fit`` they are the
        first.
        """
        n_epochs = _check.integer(n_epochs, "n_epochs", 0)
        if users is None:
            return self._learn_on(self._entries(user_items, weights, "user_items"), n_epochs)
        self._check_fitted()
        ids = _check.unique_ids(users, "users")
        entries = self._entries(user_items, weights, "user_items")
        _check.row_of_each(entries.weights.shape, len(ids), "users", self._n_items())
        solved = self._solved(entries, "users", self._threads(None))
        return self._learn({"user_factors_": with_rows(self.user_factors_, ids, solved)})

    def partial_fit_items(self, item_users: Any, *, items: Any, weights: Any = None) -> Self:
        """Take in changed and new items: `partial_fit` of items.

        Parameters
        ----------
        item_users : sparse matrix, shape (len(items), n_users)
            Row r belongs to ``items[r]``.
        items : list of int
            Their factors are solved against the user factors, which stay as they are: ids below the number of items
            replace, others are appended; items between are zero.
        weights : sparse matrix, optional
            As in ``fit``, at the places of ``item_users``.

        Returns
        -------
        The model itself. It is unchanged when anything was raised. ``loss_`` and what else told of the fit before is
        gone.
        """
        self._check_fitted()
        ids = _check.unique_ids(items, "items")
        entries = self._entries(item_users, weights, "item_users")
        _check.row_of_each(entries.weights.shape, len(ids), "items", self._n_users(), name="item_users")
        solved = self._solved(entries, "items", self._threads(None))
        after = with_rows(self.item_factors_, ids, solved)
        return self._learn({"item_factors_": after, **self._also_known_of_items(entries, ids)})

    @abstractmethod
    def _entries(self, rows: Any, weights: Any, name: str) -> Entries:
        """What a caller gave as rows of users or of items."""

    @abstractmethod
    def _solved(self, entries: Entries, of: SideName, n_threads: int) -> Array:
        """Factors of rows of users, or of items, against the other side's."""

    @abstractmethod
    def _learn_on(self, entries: Entries, n_epochs: int) -> Self:
        """Run more epochs over all rows, or the first ones."""

    def _also_known_of_items(self, entries: Entries, ids: Array) -> dict[str, Any]:
        """What else is learned of items with these rows."""
        return {}

    def _folded_in(self, rows: Any, weights: Any, name: str, of: SideName, n_threads: int | None) -> Array:
        self._check_fitted()
        threads = self._threads(n_threads)
        entries = self._entries(rows, weights, name)
        n_columns, other = (self._n_items(), "items") if of == "users" else (self._n_users(), "users")
        _check.columns(entries.weights.shape, n_columns, other, name)
        return self._solved(entries, of, threads)


def with_rows(factors: Array, ids: Array, replacements: Array, *, new: float = 0.0) -> Array:
    """A copy of factors, or biases, in which some rows, each once, are others; those beyond its end are appended.

    Rows between, which are nobody's, are ``new``.
    """
    n_rows = max(len(factors), int(ids.max(initial=-1)) + 1)
    n_bytes_a_row = math.prod(factors.shape[1:]) * factors.itemsize
    _check.memory(float(n_rows) * n_bytes_a_row, f"factors of {n_rows} rows", "number what is new from the last on")
    after = with_zero_rows(factors, n_rows)
    after[len(factors) :] = new
    after[ids] = replacements
    return after


def with_zero_rows(factors: Array, n_rows: int) -> Array:
    """A copy of factors, or biases, with zeros for what is new."""
    after = np.zeros((n_rows, *factors.shape[1:]), factors.dtype)
    after[: len(factors)] = factors
    return after


def columns_apart(rows: Csr, item_factors: Array, first: int = 0) -> Ids:
    """Items from ``first`` on that only users have who have none with factors: zeros on both sides would stay zeros.

    ``rows``: what users' factors are learned from, before those of items.
    """
    has_factors = np.any(item_factors, axis=1)
    of_users = rows.indptr[:-1][np.diff(rows.indptr) > 0]
    meets = np.zeros(rows.shape[0], np.bool_)
    meets[np.diff(rows.indptr) > 0] = np.logical_or.reduceat(has_factors[rows.indices], of_users)
    of_such = np.repeat(meets, np.diff(rows.indptr))
    return np.setdiff1d(rows.indices[rows.indices >= first], rows.indices[of_such])
