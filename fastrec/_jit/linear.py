"""Kernels of the linear models: products of items, and scores by a matrix of weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec._jit.decorator import kernel
from fastrec._types import Array, Ids, Offsets


@kernel()
def add_products(
    item: int,
    end: int,
    user_data: Array,
    users: Ids,
    user_indptr: Offsets,
    item_data: Array,
    items: Ids,
    item_indptr: Offsets,
    sums: Array,
) -> None:
    """Add the products of an item's column with the columns of items below ``end``, its users in ascending order."""
    for at in range(user_indptr[item], user_indptr[item + 1]):
        value = np.float64(user_data[at])
        user = users[at]
        for other in range(item_indptr[user], item_indptr[user + 1]):
            if items[other] >= end:
                break
            sums[items[other]] += value * np.float64(item_data[other])


@kernel()
def gram_triangle(
    first: int,
    last: int,
    user_data: Array,
    users: Ids,
    user_indptr: Offsets,
    item_data: Array,
    items: Ids,
    item_indptr: Offsets,
    out: Array,
) -> None:
    """Rows [first, last) of the lower triangle of ``user_items' user_items``; its users by item, its items by user."""
    sums = np.empty(last)
    for item in range(first, last):
        sums[: item + 1] = 0
        add_products(item, item + 1, user_data, users, user_indptr, item_data, items, item_indptr, sums)
        for other in range(item + 1):
            out[item, other] = sums[other]


@kernel()
def inverse_by_users(
    first: int,
    last: int,
    data: Array,
    users: Ids,
    indptr: Offsets,
    of_users: Array,
    regularization: Any,
    tile: int,
    out: Array,
) -> None:
    """Columns [first, last) of the inverse of ``X'X + regularization I``, from that of ``XX' + regularization I``.

    Not above the diagonal but where their tiles of rows begin there. The users are by item, values as wide as ``out``.
    """
    n_users, width = len(of_users), last - first
    by_item = np.zeros((width, n_users), of_users.dtype)
    for item in range(first, last):
        sums = by_item[item - first]
        for at in range(indptr[item], indptr[item + 1]):
            value, row = data[at], of_users[users[at]]
            for user in range(n_users):
                sums[user] += value * row[user]
    by_user = np.ascontiguousarray(by_item.T)
    sums = np.empty(width, of_users.dtype)
    for item in range(first - first % tile, len(out)):
        sums[:] = 0
        for at in range(indptr[item], indptr[item + 1]):
            value, row = data[at], by_user[users[at]]
            for column in range(width):
                sums[column] += value * row[column]
        for column in range(width):
            own = 1 if first + column == item else 0
            out[item, first + column] = (own - sums[column]) / regularization


@kernel()
def scores_by_weights(
    first: int, last: int, data: Array, indices: Ids, indptr: Offsets, weights: Array, out: Array
) -> None:
    """Rows [first, last) of a sparse matrix times a dense one, its inner index ascending.

    A few columns at a time, so that their sums stay in the nearest cache.
    """
    n_columns, width = weights.shape[1], 2048
    sums = np.empty(width)
    for row in range(first, last):
        for begin in range(0, n_columns, width):
            end = min(begin + width, n_columns)
            sums[:] = 0
            for at in range(indptr[row], indptr[row + 1]):
                value = np.float64(data[at])
                weight = weights[indices[at], begin:end]
                for column in range(end - begin):
                    sums[column] += value * np.float64(weight[column])
            for column in range(end - begin):
                out[row, begin + column] = sums[column]
