"""What is measured: for each operation its inputs, made from interactions, and fastrec's own call on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

import fastrec

Inputs = dict[str, Any]

K = 20
NEIGHBOURS = 100
ALS: dict[str, Any] = {"n_factors": 64, "regularization": 0.1, "alpha": 10.0, "n_epochs": 3, "random_state": 0}
_MOST_SCORES = 1 << 24
_MOST_QUERIES = 30_000


class Operation(NamedTuple):
    """One thing to measure.

    Attributes
    ----------
    inputs : callable
        From interactions (users x items) to keyword arguments. Not measured.
    call : callable
        ``call(n_threads=..., **inputs)`` is what is measured.
    """

    inputs: Callable[[csr_array], Inputs]
    call: Callable[..., Any]


def _scores(user_items: csr_array) -> Inputs:
    n_items = user_items.shape[1]
    n_rows = min(user_items.shape[0], max(1, _MOST_SCORES // n_items))
    return {"scores": np.random.default_rng(0).standard_normal((n_rows, n_items), np.float32), "k": K}


def _factors(user_items: csr_array) -> Inputs:
    """Factors as a fit leaves them: the spread of their norms decides what a search may skip."""
    model = fastrec.ImplicitALS(**ALS).fit(user_items)
    return {"queries": model.user_factors_[:_MOST_QUERIES], "items": model.item_factors_, "k": K}


def _factors_and_seen(user_items: csr_array) -> Inputs:
    return {**_factors(user_items), "exclude": user_items[:_MOST_QUERIES]}


def _items_by_items(user_items: csr_array) -> Inputs:
    """Item vectors of length 1 by their transpose, as in matching of names by their n-grams."""
    columns = user_items.T.tocsr()
    lengths = np.sqrt(columns.multiply(columns).sum(axis=1))
    columns.data /= np.repeat(lengths, np.diff(columns.indptr)).astype(columns.dtype)
    return {"a": columns, "b": columns.T.tocsr(), "k": NEIGHBOURS}


def _neighbours(user_items: csr_array) -> Inputs:
    # Most peers keep the diagonal and cannot leave it out.
    return {"user_items": user_items, "k": NEIGHBOURS, "metric": "cosine", "keep_diagonal": True}


def _item_documents(user_items: csr_array) -> Inputs:
    return {"x": user_items.T.tocsr()}


def _interactions_and_start(user_items: csr_array) -> Inputs:
    shape = (user_items.shape[1], ALS["n_factors"])
    return {"user_items": user_items, "init": np.random.default_rng(0).normal(0, 0.01, shape).astype(np.float32)}


def _fit_als(user_items: csr_array, init: Any, n_threads: int | None) -> Any:
    return fastrec.ImplicitALS(**ALS, n_threads=n_threads).fit(user_items, init=init)


OPERATIONS = {
    "top_k": Operation(_scores, fastrec.top_k),
    "top_k_inner_product": Operation(_factors, fastrec.top_k_inner_product),
    "top_k_inner_product_exclude": Operation(_factors_and_seen, fastrec.top_k_inner_product),
    "sparse_top_k_product": Operation(_items_by_items, fastrec.sparse_top_k_product),
    "item_similarity": Operation(_neighbours, fastrec.item_similarity),
    "bm25_weight": Operation(_item_documents, fastrec.bm25_weight),
    "tfidf_weight": Operation(_item_documents, fastrec.tfidf_weight),
    "normalize": Operation(_item_documents, fastrec.normalize),
    "implicit_als": Operation(_interactions_and_start, _fit_als),
}
