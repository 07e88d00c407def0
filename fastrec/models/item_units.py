"""Unobserved weights that differ from item to item, by a change of units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastrec import _check
from fastrec._types import ENTRIES_AT_ONCE, Array, Ids
from fastrec.models.fold_in import Entries


class ItemUnits(NamedTuple):
    """Items measured so that the same unobserved weight holds for all.

    With s what an item's is relative to it, and z = sqrt(s) y, every term of the loss keeps its value and its form:

        w (t - x.y)^2 = w / s (sqrt(s) t - x.z)^2,   s (x.y)^2 = (x.z)^2,   lam |y|^2 = lam / s |z|^2

    Attributes
    ----------
    relative : ndarray of float64, shape (n_items,), or None
        s; None where it is 1 for all.
    """

    relative: Array | None

    @classmethod
    def by_popularity(cls, popularity: Array, of_all: Array, exponent: float) -> ItemUnits:
        """Take s from popularity^exponent, over its mean among all items (He et al. 2016, section 4.1).

        Items that nobody has, whose factors are zero, may have any.
        """
        if exponent == 0:
            return cls(None)
        with np.errstate(over="ignore", invalid="ignore"):
            relative = np.where(popularity > 0, popularity, 1.0) ** exponent
            if of_all.any():
                relative /= np.mean(np.where(of_all > 0, of_all, 0.0) ** exponent)
        return cls(_check.finite(relative, "popularity to the power popularity_exponent"))

    def as_columns(self, entries: Entries) -> Entries:
        """Rows of users in these units."""
        if self.relative is None:
            return entries
        return self._of_entries(entries, entries.weights.indices, self.relative)

    def as_rows(self, entries: Entries) -> Entries:
        """Rows of items in these units."""
        if self.relative is None:
            return entries
        items = np.arange(entries.weights.shape[0], dtype=np.int32)
        return self._of_entries(entries, np.repeat(items, np.diff(entries.weights.indptr)), self.relative)

    def into(self, factors: Array) -> Array:
        """Factors z of factors y."""
        return factors if self.relative is None else _times(factors, np.sqrt(self.relative))

    def back(self, factors: Array) -> Array:
        """Factors y of factors z."""
        return factors if self.relative is None else _times(factors, 1 / np.sqrt(self.relative))

    @staticmethod
    def _of_entries(entries: Entries, items: Ids, relative: Array) -> Entries:
        """Each entry's in float64, some at a time, rounded once."""
        weights, targets = entries
        data, goals = np.empty_like(targets), np.empty_like(targets)
        for first in range(0, len(items), ENTRIES_AT_ONCE):
            some = slice(first, first + ENTRIES_AT_ONCE)
            units = relative[items[some]]
            with np.errstate(over="ignore"):  # refused below
                data[some] = weights.data[some] / units
            goals[some] = targets[some] * np.sqrt(units)
        _check.finite(data, "weights over the popularity of their items")
        return Entries(weights._replace(data=data), goals)


def _times(factors: Array, scale: Array) -> Array:
    scaled: Array = factors * scale.astype(factors.dtype)[:, None]
    return scaled
