"""Item-item similarity."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastrec import _check, _dispatch, _threads
from fastrec._types import Ids, Offsets, room_for_rows
from fastrec.selection import room_of_product

METRICS = ("cosine", "dot")
_MOST_COUNTED = np.iinfo(np.uint16).max  # users of an item, by the kernel's short counters


def item_similarity(
    user_items: Any,
    k: int,
    *,
    metric: str = "cosine",
    shrinkage: float = 0.0,
    threshold: float | None = None,
    binary: bool = False,
    min_support: int = 1,
    keep_diagonal: bool = False,
    n_threads: int | None = None,
) -> csr_array:
    r"""Most similar ``k`` items of every item, by the users they share.

    Parameters
    ----------
    user_items : sparse matrix, shape (n_users, n_items)
        Any format, index dtype and order; duplicates are summed, stored zeros dropped; NaN and inf are errors.
    k : int, at least 1
        Neighbours kept an item.
    metric : {"cosine", "dot"}
        With x and y the columns of two items: ``cosine`` is x.y / (\|x\| \|y\| + shrinkage), ``dot`` is
        x.y / (1 + shrinkage).
    shrinkage : float, at least 0
        Pulls similarities of items with small norms towards zero.
    threshold : float, optional
        Keep similarities strictly greater only.
    binary : bool
        Compute with 1 for every stored value.
    min_support : int, at least 1
        Leave out pairs with fewer users in common.
    keep_diagonal : bool
        Whether an item may be its own neighbour.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Returns
    -------
    csr_array, shape (n_items, n_items)
        Row i holds item i's neighbours, best first (column indices are not sorted); equal similarities by lower item.
        float64 for float64 input, else float32. Pairs without a common user are left out; zero and negative
        similarities are not; NaN is.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described.
    MemoryError
        The working arrays do not fit.

    Notes
    -----
    Time is the sum over users of the square of their number of items, plus the selection. Sums are float64 by ascending
    user, exact for integers up to 2^53; the similarity is computed in float64, rounded once, then ranked. Memory is the
    result, two copies of the input, 64 MiB, and at most 28 bytes an item and thread. Item-based neighbours: Sarwar et
    al., "Item-based collaborative filtering recommendation algorithms", 2001.
    """
    k = _check.integer(k, "k", 1)
    metric = _check.choice(metric, "metric", METRICS)
    shrinkage = _check.real(shrinkage, "shrinkage", 0)
    threshold = None if threshold is None else _check.real(threshold, "threshold")
    binary, keep_diagonal = _check.flag(binary, "binary"), _check.flag(keep_diagonal, "keep_diagonal")
    min_support = _check.integer(min_support, "min_support", 1, np.iinfo(np.int32).max)
    threads = _threads.resolve(n_threads)
    ratings = _check.csr(user_items, "user_items")
    score_dtype = _check.score_dtype(user_items)
    if binary:
        ratings = ratings._replace(data=np.ones_like(ratings.data))

    n_items = ratings.shape[1]
    kept = max(1, min(k, n_items))
    _check.product_memory(n_items, threads)
    item_users = ratings.transposed()
    capacities = room_of_product(item_users, ratings, kept, score_dtype, threshold)
    with np.errstate(over="ignore"):
        squares = np.bincount(ratings.indices, np.square(ratings.data, dtype=np.float64), n_items).astype(np.float64)
    norms = np.sqrt(squares)  # and not the root of a product, which could overflow
    counts = np.diff(item_users.indptr)
    only_ones = bool((ratings.data == 1).all()) and counts.max(initial=0) <= _MOST_COUNTED
    kernel = _dispatch.kernel("item_similarity", ratings.data.dtype, score_dtype)

    def fill(first: int, last: int, indices: Ids, data: Any, starts: Offsets, lengths: Offsets) -> None:
        kernel(first, last, item_users.data, item_users.indices, item_users.indptr, ratings.data, ratings.indices,
               ratings.indptr, metric, shrinkage, threshold, min_support, keep_diagonal, only_ones, norms, kept,
               indices, data, starts, lengths, threads)  # fmt: skip

    return room_for_rows(capacities, score_dtype, n_items, fill)
