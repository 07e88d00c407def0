"""SLIM: the products of all pairs of items, and coordinate descent on the elastic net of each item.

Products of an item stand in a row: in full where it has some with more than half of all items, else only those that it
has, in any order. ``full[item]`` is the number of its row among the full ones, or -1.
"""

from __future__ import annotations

import numpy as np

from fastrec._jit.decorator import kernel
from fastrec._types import Array, Ids, Offsets

_MOST_TOGETHER = 512  # coordinates that descend together: their products are 2 MiB
_FIRST_TOGETHER = 32


# ---- products -------------------------------------------------------------------------------------------------------


@kernel()
def partners(
    item: int, users: Ids, user_indptr: Offsets, items: Ids, item_indptr: Offsets, marks: Ids, found: Ids
) -> int:
    """Which items have a user in common with one; says how many."""
    n = 0
    for at in range(user_indptr[item], user_indptr[item + 1]):
        for other in range(item_indptr[users[at]], item_indptr[users[at] + 1]):
            if marks[items[other]] != item:
                marks[items[other]] = item
                found[n] = items[other]
                n += 1
    return n


@kernel()
def count_partners(
    first: int, last: int, users: Ids, user_indptr: Offsets, items: Ids, item_indptr: Offsets, counts: Offsets
) -> None:
    """Write for items [first, last) how many have a user in common with them."""
    marks, found = np.full(len(counts), -1, np.int32), np.empty(len(counts), np.int32)
    for item in range(first, last):
        counts[item] = partners(item, users, user_indptr, items, item_indptr, marks, found)


@kernel()
def item_products(
    first: int, last: int, user_data: Array, users: Ids, user_indptr: Offsets, item_data: Array, items: Ids,
    item_indptr: Offsets, full: Offsets, rows: Array, data: Array, indices: Ids, indptr: Offsets,
) -> None:  # fmt: skip
    """Write the products of items [first, last), each a sum in float64 over users in ascending order."""
    n_items = len(full)
    marks, found, sums = np.full(n_items, -1, np.int32), np.empty(n_items, np.int32), np.zeros(n_items)
    for item in range(first, last):
        for at in range(user_indptr[item], user_indptr[item + 1]):
            value = np.float64(user_data[at])
            for other in range(item_indptr[users[at]], item_indptr[users[at] + 1]):
                sums[items[other]] += value * np.float64(item_data[other])
        if full[item] >= 0:
            for other in range(n_items):
                rows[full[item], other] = sums[other]
                sums[other] = 0
        else:
            n = partners(item, users, user_indptr, items, item_indptr, marks, found)
            for at in range(n):
                indices[indptr[item] + at] = found[at]
                data[indptr[item] + at] = sums[found[at]]
                sums[found[at]] = 0


@kernel()
def add_row(
    item: int, scale: float, full: Offsets, rows: Array, data: Array, indices: Ids, indptr: Offsets, into: Array
) -> None:
    """Add a multiple of an item's products."""
    if full[item] >= 0:
        row = rows[full[item]]
        for other in range(len(into)):
            into[other] += scale * np.float64(row[other])
    else:
        for at in range(indptr[item], indptr[item + 1]):
            into[indices[at]] += scale * np.float64(data[at])


@kernel()
def copy_products(
    item: int, others: Ids, n: int, places: Ids, full: Offsets, rows: Array, data: Array, indices: Ids,
    indptr: Offsets, out: Array,
) -> None:  # fmt: skip
    """Copy an item's products with ``n`` others, each of which is at its place."""
    if full[item] >= 0:
        row = rows[full[item]]
        for place in range(n):
            out[place] = row[others[place]]
    else:
        out[:n] = 0
        for at in range(indptr[item], indptr[item + 1]):
            place = places[indices[at]]
            if place >= 0:
                out[place] = data[at]


# ---- coordinate descent ---------------------------------------------------------------------------------------------


@kernel()
def missed(gradient: float, weight: float, l1: float, l2: float, positive: bool) -> float:
    """How far a coordinate is from its condition of optimality; ``gradient`` is of the squared error, downhill."""
    if weight != 0:
        return abs(gradient - l2 * weight - (l1 if weight > 0 else -l1))
    return (gradient if positive else abs(gradient)) - l1


@kernel()
def best_weight(slope: float, curvature: float, l1: float, positive: bool) -> float:
    """Where one coordinate's objective is least, the others held: soft thresholding."""
    if slope > l1:
        return (slope - l1) / curvature
    if slope < -l1 and not positive:
        return (slope + l1) / curvature
    return 0.0


@kernel()
def descend(
    products: Array, gradient: Array, weights: Array, n: int, l1: float, l2: float, positive: bool, limit: float,
    most_sweeps: int,
) -> int:  # fmt: skip
    """Sweep over ``n`` coordinates until no step of a sweep mattered; says how many sweeps it took."""
    for sweep in range(most_sweeps):
        worst = 0.0
        for at in range(n):
            row = products[at]
            curvature = row[at] + l2
            step = best_weight(gradient[at] + row[at] * weights[at], curvature, l1, positive) - weights[at]
            if step != 0:
                worst = max(worst, abs(step) * curvature)
                weights[at] += step
                for other in range(n):
                    gradient[other] -= step * row[other]
        if worst <= limit:
            return sweep + 1
    return most_sweeps


@kernel()
def join(gains: Array, room: int, places: Ids, members: Ids, n: int) -> int:
    """Let up to ``room`` items join the ``n`` members: those with the largest gains, to a factor of two."""
    n_found, least = 0, 0.0
    for at in range(n):
        gains[members[at]] = 0
    for gain in gains:
        least = max(least, gain)
    while n_found < room and least > 0:
        n_found, n_more = 0, 0
        for gain in gains:
            n_found += gain >= least
            n_more += 0 < gain < least
        least = least / 2 if n_more else 0.0
    least *= 2
    for other in range(len(gains)):
        if room > 0 and gains[other] > 0 and gains[other] >= least:
            places[other] = n
            members[n] = other
            n += 1
            room -= 1
    return n


@kernel()
def solve_item(
    item: int, full: Offsets, rows: Array, data: Array, indices: Ids, indptr: Offsets, squares: Array, l1: float,
    l2: float, positive: bool, tol: float, n_epochs: int, gradient: Array, weights: Array, gains: Array, places: Ids,
    members: Ids, products: Array, slopes: Array, found: Array,
) -> bool:  # fmt: skip
    """Find the weights of all items for one; says whether they became as good as asked."""
    gradient[:] = 0
    weights[:] = 0
    places[:] = -1
    add_row(item, 1.0, full, rows, data, indices, indptr, gradient)
    gradient[item] = 0
    largest = 0.0
    for product in gradient:
        largest = max(largest, abs(product))
    limit = tol * largest
    n, n_sweeps = 0, 0
    while True:
        worst, n_weights = 0.0, 0
        gradient[item] = 0
        for other in range(len(gradient)):
            by = missed(gradient[other], weights[other], l1, l2, positive)
            worst = max(worst, by)
            n_weights += weights[other] != 0
            gains[other] = by * by / (squares[other] + l2) if by > limit else 0.0
        if worst <= limit:
            return True
        if n_sweeps >= n_epochs:
            return False
        if n == len(members):
            places[:] = -1
            n = 0
        before = n
        n = join(gains, min(len(members) - n, max(_FIRST_TOGETHER, n_weights)), places, members, n)
        for at in range(before, n):
            copy_products(members[at], members, n, places, full, rows, data, indices, indptr, products[at])
            for other in range(before):
                products[other, at] = products[at, other]
        for at in range(n):
            slopes[at], found[at] = gradient[members[at]], weights[members[at]]
        n_sweeps += descend(products, slopes, found, n, l1, l2, positive, limit / 2, n_epochs - n_sweeps)
        for at in range(n):
            step = found[at] - weights[members[at]]
            if step != 0:
                weights[members[at]] = found[at]
                add_row(members[at], -step, full, rows, data, indices, indptr, gradient)


@kernel()
def slim_weights(
    first: int, last: int, full: Offsets, rows: Array, data: Array, indices: Ids, indptr: Offsets, squares: Array,
    l1: float, l2: float, positive: bool, tol: float, n_epochs: int, out: Array,
) -> int:  # fmt: skip
    """Weights of all items for each of the items [first, last), a row each; says for how many n_epochs ended it."""
    n_items = len(squares)
    gradient, weights, gains = np.empty(n_items), np.empty(n_items), np.empty(n_items)
    n_together = min(_MOST_TOGETHER, n_items)
    places, members = np.empty(n_items, np.int32), np.empty(n_together, np.int32)
    products, slopes, found = np.empty((n_together, n_together)), np.empty(n_together), np.empty(n_together)
    n_unsolved = 0
    for item in range(first, last):
        n_unsolved += not solve_item(
            item, full, rows, data, indices, indptr, squares, l1, l2, positive, tol, n_epochs, gradient, weights,
            gains, places, members, products, slopes, found,
        )  # fmt: skip
        for other in range(n_items):
            out[item - first, other] = weights[other]
    return n_unsolved
