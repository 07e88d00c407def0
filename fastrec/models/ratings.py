"""What models of ratings share: a mean, biases, and the prediction of pairs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastrec import _check
from fastrec._least_squares import Side, losses_of_entries
from fastrec._types import Array, Csr
from fastrec.models.base import FactorModel, beside
from fastrec.models.fold_in import with_rows, with_zero_rows


class Rows(NamedTuple):
    """What is learned of the rows of one side."""

    factors: Array
    biases: Array

    @classmethod
    def zeros(cls, n_rows: int, n_factors: int, dtype: npt.DTypeLike) -> Rows:
        """Of rows without ratings."""
        return cls(np.zeros((n_rows, n_factors), dtype), np.zeros(n_rows, dtype))

    def with_zero_rows(self, n_rows: int) -> Rows:
        """A copy with zeros for what is new."""
        return Rows(with_zero_rows(self.factors, n_rows), with_zero_rows(self.biases, n_rows))

    def with_rows(self, ids: Array, others: Rows) -> Rows:
        """A copy in which some rows are others; those beyond its end are appended."""
        return Rows(with_rows(self.factors, ids, others.factors), with_rows(self.biases, ids, others.biases))

    def joined(self) -> Array:
        """A bias behind each row's factors."""
        return beside(self.factors, self.biases)

    def queries(self, mean: float) -> Array:
        """Users' rows whose inner products with ``ranked`` items are predictions."""
        return beside(self.factors, self.biases, mean, 1)

    def ranked(self) -> Array:
        """Items' rows for the same."""
        return beside(self.factors, 1, 1, self.biases)


class RatingModel(FactorModel):
    """Predicts the rating of item i by user u as mean + b_u + b_i + x_u.y_i."""

    _zeros_are_ratings = True
    user_biases_: Array
    item_biases_: Array
    mean_: float

    def predict(self, users: Any, items: Any) -> Array:
        """Predict ratings of pairs.

        Parameters
        ----------
        users, items : int or list of int, equally many
            Ids of users and items of ``fit``.

        Returns
        -------
        ndarray, shape (n_pairs,)
            In the dtype of the factors; to the bit what `recommend` scores.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        TypeError, ValueError
            An id is unknown, or there are not as many of both.
        """
        return self._scores_of_pairs(users, items)

    def _ranked_items(self) -> Array:
        rows = Rows(self.item_factors_, self.item_biases_)
        return self._derived("ranked items", tuple(rows), rows.ranked)

    def _queries(self, users: npt.NDArray[np.int64]) -> Array:
        return Rows(self.user_factors_[users], self.user_biases_[users]).queries(self.mean_)

    def _check_learned(self) -> None:
        super()._check_learned()
        _check.vector(self.user_biases_, "user_biases_", self._n_users())
        _check.vector(self.item_biases_, "item_biases_", self._n_items())
        _check.real(self.mean_, "mean_")


def squared_error(ratings: Csr, queries: Array, ranked: Array, n_threads: int) -> float:
    """Sum over the ratings, in float64."""
    no_penalty, ones = np.zeros(len(queries)), np.ones_like(ratings.data)
    side = Side(ratings._replace(data=ones), ratings.data, no_penalty, 0.0)
    return float(losses_of_entries(side, ranked, queries, n_threads).sum())


def mean_of(ratings: Csr) -> float:
    """The mean rating, rounded to the dtype of the ratings; 0 of none."""
    return float(ratings.data.mean(dtype=np.float64).astype(ratings.data.dtype)) if len(ratings.data) else 0.0
