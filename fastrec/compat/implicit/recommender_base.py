"""`implicit.recommender_base`: what all models of implicit are called by."""

from __future__ import annotations

import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from fastrec._types import Array
from fastrec.compat._ways_in import left_to_original, level_of_caller
from fastrec.compat.implicit.utils import NPZ, file_of
from fastrec.models.base import NotFittedError

Ranked = tuple[Array, Array]
Callback = Callable[..., Any]


class ModelFitError(Exception):
    """A fit gave factors that are no numbers."""


class RecommenderBase(metaclass=ABCMeta):
    """The calls that every model has; users and items are named by their row and column in ``fit``."""

    @abstractmethod
    def fit(self, user_items: Any, show_progress: bool = True, callback: Callback | None = None) -> None:
        """Learn from interactions.

        Parameters
        ----------
        user_items : csr_matrix, shape (n_users, n_items)
            Stored entries are what users have; how sure that is, is their value.
        show_progress : bool
            Show a bar on stderr.
        callback : callable, optional
            Called after every epoch with its number, its seconds, and what the model says of it.
        """

    @abstractmethod
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
        """Best ``N`` items for a user, or for each of many.

        Parameters
        ----------
        userid : int or array_like of int
            Whom for. Many in one call take far less time than one by one.
        user_items : csr_matrix, shape (number of users named, n_items)
            A row for each of them, in their order.
        N : int
            How many.
        filter_already_liked_items : bool
            Leave out what is stored in a user's row.
        filter_items : array_like of int, optional
            Items to leave out for everybody; ids below 0 are passed over, as those that end earlier results.
        recalculate_user : bool
            Make factors from the rows given, for models that can.
        items : array_like of int, optional
            The only items to rank; not together with ``filter_items``.

        Returns
        -------
        ids, scores : ndarray
            Of one dimension for one user, else with a row a user; best first, equal scores by lower item.
        """

    @abstractmethod
    def similar_users(self, userid: Any, N: int = 10, filter_users: Any = None, users: Any = None) -> Ranked:  # noqa: N803
        """Best ``N`` users by similarity to a user, or to each of many, the user itself among them.

        Parameters
        ----------
        userid : int or array_like of int
            To whom.
        N : int
            How many.
        filter_users : array_like of int, optional
            Users to leave out, as ``filter_items`` of `recommend`.
        users : array_like of int, optional
            The only users to rank; not together with ``filter_users``.

        Returns
        -------
        ids, scores : ndarray
            As in `recommend`.
        """

    @abstractmethod
    def similar_items(
        self,
        itemid: Any,
        N: int = 10,  # noqa: N803
        recalculate_item: bool = False,
        item_users: Any = None,
        filter_items: Any = None,
        items: Any = None,
    ) -> Ranked:
        """Best ``N`` items by similarity to an item, or to each of many, the item itself among them.

        Parameters
        ----------
        itemid : int or array_like of int
            To which.
        N : int
            How many.
        recalculate_item : bool
            Make factors from ``item_users``, for models that can.
        item_users : csr_matrix, shape (number of items named, n_users), optional
            A row for each of them, in their order.
        filter_items : array_like of int, optional
            Items to leave out, as in `recommend`.
        items : array_like of int, optional
            The only items to rank; not together with ``filter_items``.

        Returns
        -------
        ids, scores : ndarray
            As in `recommend`.
        """

    @abstractmethod
    def save(self, file: Any) -> None:
        """Write the model in NumPy's npz format, which implicit reads too."""

    @classmethod
    def load(cls, fileobj_or_path: Any) -> Self:
        """Read a model that `save`, or implicit, wrote."""
        model = cls()
        with np.load(file_of(fileobj_or_path, NPZ), allow_pickle=False) as stored:
            for name, value in stored.items():
                if name == "dtype":
                    value = np.dtype(str(value))
                elif value.ndim == 0:
                    value = value.item()
                vars(model)[name] = value
        return model

    def rank_items(self, userid: Any, user_items: Any, selected_items: Any, recalculate_user: bool = False) -> Ranked:
        """Order some items for a user; deprecated: `recommend` with ``items``."""
        message = "rank_items is deprecated: call recommend with items instead"
        warnings.warn(message, DeprecationWarning, stacklevel=level_of_caller())
        return self.recommend(
            userid,
            user_items,
            recalculate_user=recalculate_user,
            items=selected_items,
            filter_already_liked_items=False,
        )

    def _check_there(self, *learned: Any) -> None:
        """What a fit sets is there."""
        if any(one is None for one in learned):
            raise NotFittedError(f"this {type(self).__name__} is not fitted; call fit first.")

    @staticmethod
    def _check_numbers(user_items: Any) -> None:
        if not np.isfinite(user_items.data).all():
            raise ModelFitError("user_items: expected finite values, got NaN or inf; drop those entries")

    @staticmethod
    def _check_factors(user_factors: Array, item_factors: Array) -> None:
        if np.isnan(user_factors).any() or np.isnan(item_factors).any():
            raise ModelFitError("the fit gave factors that are NaN; check the interactions and the regularization")


__getattr__ = left_to_original(__name__)
