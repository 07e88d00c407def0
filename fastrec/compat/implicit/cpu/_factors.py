"""Factors as attributes of a model, and the indexes that are kept of them for as long as nobody can change them.

implicit's models show their factors as plain arrays, which callers may write to. An index of an array is therefore used
only if the model made or read that array itself and never gave it away.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from fastrec import _check
from fastrec._types import Array
from fastrec.item_index import ItemIndex


class _Kept:
    """What is known of a model's arrays, by the names of the attributes."""

    def __init__(self) -> None:
        self.given_away: dict[str, Any] = {}
        self.asked_for: dict[str, Any] = {}
        self.indexes: dict[str, tuple[Any, ...]] = {}


_OF_MODELS: WeakKeyDictionary[Any, _Kept] = WeakKeyDictionary()


class Factors:
    """An attribute whose reader and whose writer have the array in their hands."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, model: Any, owner: type | None = None) -> Any:
        if model is None:
            return self
        return self._given_away(model, own(model, self._name))

    def __set__(self, model: Any, factors: Any) -> None:
        vars(model)[self._name] = self._given_away(model, factors)

    def _given_away(self, model: Any, factors: Any) -> Any:
        kept(model).given_away[self._name] = factors
        return factors


def kept(model: Any) -> _Kept:
    """What is known of a model's arrays."""
    known = _OF_MODELS.get(model)
    return _OF_MODELS.setdefault(model, _Kept()) if known is None else known


def own(model: Any, name: str) -> Any:
    """Factors, for those who neither change them nor hand them on."""
    return vars(model).get(name)


def own_of_size(model: Any, name: str, n_rows: int, width: int, of_width: str) -> Any:
    """The factors that a fit goes on from, which must be of its users or items, and as many."""
    factors = own(model, name)
    _check.same_size(n_rows, "user_items", len(factors), name, f"{name.removesuffix('_factors')}s")
    _check.same_size(width, of_width, factors.shape[1], name, "columns")
    return factors


def take(model: Any, name: str, factors: Array) -> None:
    """Give a model factors that nobody else has."""
    kept(model).indexes.pop(name, None)
    vars(model)[name] = factors


def index_of(model: Any, name: str) -> ItemIndex | None:
    """An index by inner product, from the second time on that it is asked for; None where the array was given away."""
    factors, known = own(model, name), kept(model)
    if factors is None or known.given_away.get(name) is factors:
        return None
    if known.asked_for.get(name) is not factors:
        known.asked_for[name] = factors
        return None
    return _indexed(known, name, "inner_product", factors, factors)


def cosine_index_of(model: Any, name: str, norms: Array) -> ItemIndex:
    """An index by cosine, for as long as the norms that a model keeps."""
    return _indexed(kept(model), f"{name} by cosine", "cosine", own(model, name), norms)


def _indexed(known: _Kept, name: str, metric: str, factors: Any, lasting: Any) -> ItemIndex:
    found = known.indexes.get(name)
    if found is None or found[0] is not factors or found[1] is not lasting:
        items = np.ascontiguousarray(_check.dense(factors, name, what="items"))
        found = factors, lasting, ItemIndex.of_checked(items, metric)
        known.indexes[name] = found
    index: ItemIndex = found[2]
    return index
