"""Coordinate descent on the non-negative factors of rows, those of the other side held fixed; and products of rows.

Where the cells without an entry are zeros, all rows have one Gram matrix of the fixed factors. Sixteen rows then
descend together, a lane each, and what a lane does depends on its row alone. Where such cells are not known, a row
descends on its own entries.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec._jit.decorator import kernel
from fastrec._jit.lanes import LANES, aligned, fused, keep, load, local, maximum, pointer, store, zeros
from fastrec._jit.steps import product
from fastrec._types import Array, Ids, Offsets

_TOGETHER = 4  # coordinates whose slopes are summed in one pass over all
_ZERO, _ONE = np.float32(0), np.float32(1)


@kernel()
def vectors(n: int) -> Array:
    """Room for so many vectors, once it is `aligned`."""
    return np.empty((n + 1) * LANES, np.float32)


# ---- products -------------------------------------------------------------------------------------------------------


@kernel(part=True)
def add_up(begin: Any, end: Any, data: Any, indices: Any, fixed: Any, width: Any, out: Any, place: Any) -> None:
    """A row's entries, each times the fixed factors of its column, summed."""
    column = 0
    while column + 4 * LANES <= width:
        a, b, c, d = zeros(), zeros(), zeros(), zeros()
        for at in range(begin, end):
            start, value = np.int64(indices[at]) * width + column, data[at]
            a = fused(value, load(fixed, start), a)
            b = fused(value, load(fixed, start + LANES), b)
            c = fused(value, load(fixed, start + 2 * LANES), c)
            d = fused(value, load(fixed, start + 3 * LANES), d)
        store(out, place + column, a)
        store(out, place + column + LANES, b)
        store(out, place + column + 2 * LANES, c)
        store(out, place + column + 3 * LANES, d)
        column += 4 * LANES
    while column < width:
        a = zeros()
        for at in range(begin, end):
            a = fused(data[at], load(fixed, np.int64(indices[at]) * width + column), a)
        store(out, place + column, a)
        column += LANES


@kernel()
def products_of_rows(
    first: int, last: int, data: Array, indices: Ids, indptr: Offsets, fixed: Array, out: Array
) -> None:
    """Rows [first, last) of a sparse matrix times a dense one."""
    width = fixed.shape[1]
    data_, indices_, fixed_, out_ = pointer(data), pointer(indices), pointer(fixed), pointer(out)
    for row in range(first, last):
        add_up(indptr[row], indptr[row + 1], data_, indices_, fixed_, width, out_, row * width)


# ---- cells without an entry are zeros -------------------------------------------------------------------------------


@kernel(part=True)
def step(x: Any, t: Any, slope: Any, right: Any, curvature: Any, inverse: Any, active: Any, worst: Any) -> Any:
    """Coordinate ``t`` of all lanes goes to its best value; says by how much."""
    old = load(x, t * LANES)
    change = active * (maximum(fused(inverse, load(right, t * LANES) - slope, old), zeros()) - old)
    store(x, t * LANES, old + change)
    missed = curvature * change
    store(worst, 0, maximum(load(worst, 0), maximum(missed, zeros() - missed)))
    return change


@kernel(part=True)
def sweep(x: Any, right: Any, gram: Any, inverse: Any, width: Any, active: Any, worst: Any) -> None:
    """Every coordinate once, a few after each pass over all that sums their slopes."""
    for t in range(0, width, _TOGETHER):
        a, b, c, d = zeros(), zeros(), zeros(), zeros()
        e, f, g, h = zeros(), zeros(), zeros(), zeros()
        for other in range(0, width, 2):
            value, at = load(x, other * LANES), other * width + t
            a = fused(gram[at], value, a)
            b = fused(gram[at + 1], value, b)
            c = fused(gram[at + 2], value, c)
            d = fused(gram[at + 3], value, d)
            value, at = load(x, (other + 1) * LANES), at + width
            e = fused(gram[at], value, e)
            f = fused(gram[at + 1], value, f)
            g = fused(gram[at + 2], value, g)
            h = fused(gram[at + 3], value, h)
        a, b, c, d = a + e, b + f, c + g, d + h
        at = t * width + t
        change = step(x, t, a, right, gram[at], inverse[t], active, worst)
        b = fused(gram[at + 1], change, b)
        c = fused(gram[at + 2], change, c)
        d = fused(gram[at + 3], change, d)
        at += width
        change = step(x, t + 1, b, right, gram[at + 1], inverse[t + 1], active, worst)
        c = fused(gram[at + 2], change, c)
        d = fused(gram[at + 3], change, d)
        at += width
        change = step(x, t + 2, c, right, gram[at + 2], inverse[t + 2], active, worst)
        d = fused(gram[at + 3], change, d)
        at += width
        step(x, t + 3, d, right, gram[at + 3], inverse[t + 3], active, worst)


@kernel()
def nonnegative_rows(
    first: int, last: int, data: Array, indices: Ids, indptr: Offsets, fixed: Array, gram: Array, inverse: Array,
    l1: float, most_sweeps: int, tol: float, out: Array,
) -> None:  # fmt: skip
    """Rows [first, last) sweep over their coordinates, until the steps of a sweep are small or for so many times.

    The diagonal of ``gram`` has the L2 penalty, ``inverse`` its inverses, 0 where it is 0.
    """
    width = fixed.shape[1]
    data_, indices_, fixed_, out_ = pointer(data), pointer(indices), pointer(fixed), pointer(out)
    gram_, inverse_ = pointer(gram), pointer(inverse)
    of_sums, of_right, of_x = vectors(width), vectors(width), vectors(width)
    sums, right, x = aligned(of_sums), aligned(of_right), aligned(of_x)
    active, worst, limit = local(np.float32, LANES), local(np.float32, LANES), local(np.float32, LANES)
    for group in range(first, last, LANES):
        n = min(LANES, last - group)
        store(active, 0, zeros())
        for t in range(width):
            store(x, t * LANES, zeros())
            store(right, t * LANES, zeros())
        for lane in range(n):
            row = group + lane
            begin, end = indptr[row], indptr[row + 1]
            add_up(begin, end, data_, indices_, fixed_, width, sums, lane * width)
            active[lane], limit[lane] = _ONE, _ZERO
            for t in range(width):
                value = sums[lane * width + t]
                limit[lane] = max(limit[lane], tol * value)
                right[t * LANES + lane] = value - l1
                x[t * LANES + lane] = out_[row * width + t] if begin < end else _ZERO
        for _ in range(most_sweeps):
            store(worst, 0, zeros())
            sweep(x, right, gram_, inverse_, width, load(active, 0), worst)
            n_active = 0
            for lane in range(n):
                if worst[lane] <= limit[lane]:
                    active[lane] = _ZERO
                n_active += active[lane] > 0
            if n_active == 0:
                break
        for lane in range(n):
            for t in range(width):
                out_[(group + lane) * width + t] = x[t * LANES + lane]
    keep((of_sums, of_right, of_x))


# ---- cells without an entry are not known ---------------------------------------------------------------------------


@kernel(part=True)
def subtract(scale: Any, first: Any, begin: Any, second: Any, n: Any) -> None:
    """Subtract a multiple of ``n`` numbers of the one list from the other."""
    for at in range(0, n, LANES):
        store(second, at, fused(-scale, load(first, begin + at), load(second, at)))


@kernel()
def nonnegative_entries(
    first: int, last: int, data: Array, indices: Ids, indptr: Offsets, fixed: Array, l1: float, l2: float,
    most_sweeps: int, tol: float, out: Array,
) -> None:  # fmt: skip
    """The same on the entries of each row only, whose residuals are kept."""
    width, most = fixed.shape[1], 0
    for row in range(first, last):
        most = max(most, indptr[row + 1] - indptr[row])
    n_vectors = -(-most // LANES)
    of_columns, of_residuals = vectors(width * n_vectors), vectors(n_vectors)
    columns, residuals = aligned(of_columns), aligned(of_residuals)
    curvatures = np.empty(width, np.float32)
    for row in range(first, last):
        begin, n_entries, x = indptr[row], indptr[row + 1] - indptr[row], out[row]
        if n_entries == 0:
            x[:] = 0
            continue
        n = -(-n_entries // LANES) * LANES
        for at in range(n_entries):
            residuals[at] = data[begin + at]
            for t in range(width):
                columns[t * n + at] = fixed[indices[begin + at], t]
        for at in range(n_entries, n):
            residuals[at] = 0
            for t in range(width):
                columns[t * n + at] = 0
        limit = _ZERO
        for t in range(width):
            curvatures[t] = product(columns, t * n, columns, t * n, n) + l2
            limit = max(limit, tol * product(columns, t * n, residuals, 0, n))
        for t in range(width):
            if x[t] != 0:
                subtract(x[t], columns, t * n, residuals, n)
        for _ in range(most_sweeps):
            worst = _ZERO
            for t in range(width):
                if curvatures[t] > 0:
                    slope = product(columns, t * n, residuals, 0, n) - l1 - l2 * x[t]
                    change = max(x[t] + slope / curvatures[t], _ZERO) - x[t]
                    if change != 0:
                        worst = max(worst, curvatures[t] * abs(change))
                        x[t] += change
                        subtract(change, columns, t * n, residuals, n)
            if worst <= limit:
                break
    keep((of_columns, of_residuals))
