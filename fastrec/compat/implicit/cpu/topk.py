"""`implicit.cpu.topk`: the best items of each query."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastrec import _check
from fastrec._types import Array, Csr, Pattern, TopK
from fastrec.compat._numbers import threads_of
from fastrec.compat._ways_in import left_to_original, taken
from fastrec.models.base import union
from fastrec.selection import best_inner_products


@taken
def topk(
    items: Any,
    query: Any,
    k: int,
    item_norms: Any = None,
    filter_query_items: Any = None,
    filter_items: Any = None,
    num_threads: int = 0,
) -> tuple[Array, Array]:
    """Best ``k`` items of each query by inner product, or by that over the items' norms.

    Parameters
    ----------
    items : array_like, shape (n_items, n_factors)
    query : array_like, shape (n_queries, n_factors) or (n_factors,)
    k : int, at least 1
    item_norms : array_like, shape (n_items,), optional
        What inner products are divided by.
    filter_query_items : csr_matrix, shape (n_queries, at most n_items), optional
        What is stored in a query's row is left out.
    filter_items : array_like of int, optional
        Items to leave out of all rows; ids below 0 are passed over, as those that end earlier results.
    num_threads : int
        0: every core that the process may use.

    Returns
    -------
    ids : ndarray of int32, shape (n_queries, k)
        Id -1 where nothing is left to rank.
    scores : ndarray, shape (n_queries, k)
        The least number of its dtype beside id -1.
    """
    k = _check.integer(k, "k", 1)
    threads = threads_of(num_threads)
    queries, factors = _check.dense(np.atleast_2d(query), "query"), _check.dense(items, "items", what="items")
    _check.same_size(queries.shape[1], "query", factors.shape[1], "items", "columns")
    excluded = left_out(filter_query_items, filter_items, len(queries), len(factors))
    if item_norms is not None:
        factors = factors / np.asarray(item_norms)[:, None]
    return marked(best_inner_products(queries, factors, k, excluded, None, threads))


def marked(best: TopK) -> tuple[Array, Array]:
    """With the least number of the dtype as the score of id -1."""
    padding = best.items < 0
    if padding.any():
        best.scores[padding] = np.finfo(best.scores.dtype).min
    return best.items, best.scores


def left_out(rows: Any, ids: Any, n_rows: int, n_items: int, name: str = "filter_items") -> Pattern | None:
    """What must not be ranked: the entries of each row, and a list for all, whose negative ids are padding.

    Rows that are a `Csr` were checked.
    """
    if rows is not None:
        check_columns(rows, n_items)
    if ids is None and isinstance(rows, Csr):
        return Pattern(rows.indices, rows.indptr, False)
    listed = None
    if ids is not None:
        given = np.asarray(ids)
        listed = item_ids(given[given >= 0] if given.dtype.kind in "iu" else given, n_items, name)
    if rows is None or n_rows == 1:
        lists = [ids for ids in (None if rows is None else rows.indices, listed) if ids is not None]
        shared = lists[0] if len(lists) == 1 else np.concatenate(lists) if lists else None
        return _check.pattern(shared, "user_items", n_rows, n_items)
    widened = csr_array((rows.data, rows.indices, rows.indptr), shape=(n_rows, n_items))
    own_items = _check.pattern(widened, "user_items", n_rows, n_items)
    if listed is None or own_items is None:
        return own_items
    return union(own_items, Pattern.one_list(np.unique(listed)), n_rows, n_items)


def check_columns(rows: Any, n_items: int) -> None:
    """Refuse sparse rows that have items which a model has not; wider ones may have none of these."""
    if rows.shape[-1] > n_items and rows.indices.max(initial=-1) >= n_items:
        most = rows.indices.max()
        raise IndexError(f"user_items: expected items from 0 to {n_items - 1}, got {most}; give those of the fit")


def item_ids(ids: Any, n_items: int, name: str) -> Array:
    """Ids that a model has."""
    array = np.asarray(ids)
    if array.size == 0:
        return np.empty(0, np.int32)
    if array.dtype.kind not in "iu":
        raise IndexError(f"{name}: expected a list of integer ids, got dtype {array.dtype}")
    if array.min() < 0 or array.max() >= n_items:
        raise IndexError(f"{name}: some ids are not in the model, which has 0 to {n_items - 1}")
    return array.astype(np.int32)


__getattr__ = left_to_original(__name__)
