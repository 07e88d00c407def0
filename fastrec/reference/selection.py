"""Definitions of the selections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from fastrec._types import Array, TopK, is_sparse
from fastrec.reference._operands import dense, members, sparse


def top_k(scores: Any, k: int, *, n_threads: int | None = None) -> TopK:
    """See `fastrec.top_k`."""
    if is_sparse(scores):
        stored = sparse(scores, keep_zeros=True)
        rows = [(stored.indices[a:b], stored.data[a:b]) for a, b in zip(stored.indptr, stored.indptr[1:], strict=False)]
        dtype = stored.dtype
    else:
        matrix = dense(scores)
        rows = [(np.arange(matrix.shape[1], dtype=np.int32), row) for row in matrix]
        dtype = matrix.dtype
    out = TopK(np.full((len(rows), k), -1, np.int32), np.full((len(rows), k), -np.inf, dtype))
    for row, (items, values) in enumerate(rows):
        best = ranking(items, values)[:k]
        out.items[row, : len(best)] = items[best]
        out.scores[row, : len(best)] = values[best]
    return out


def top_k_inner_product(
    queries: Any,
    items: Any,
    k: int,
    *,
    exclude: Any = None,
    candidates: Any = None,
    n_threads: int | None = None,
    progress: bool = False,
) -> TopK:
    """See `fastrec.top_k_inner_product`."""
    return ItemIndex(items).top_k(queries, k, exclude=exclude, candidates=candidates)


class ItemIndex:
    """See `fastrec.ItemIndex`."""

    def __init__(self, items: Any, *, metric: str = "inner_product") -> None:
        self.items, self.metric = dense(items), metric

    def top_k(
        self,
        queries: Any,
        k: int,
        *,
        exclude: Any = None,
        candidates: Any = None,
        n_threads: int | None = None,
        progress: bool = False,
    ) -> TopK:
        """See `fastrec.ItemIndex.top_k`."""
        scores = exact_scores(dense(queries), self.items, self.metric)
        allowed = members(candidates, *scores.shape, default=True) & ~members(exclude, *scores.shape, default=False)
        return top_k(np.where(allowed, scores, np.nan).astype(scores.dtype), k)


def sparse_top_k_product(
    a: Any,
    b: Any,
    k: int,
    *,
    threshold: float | None = None,
    n_threads: int | None = None,
    progress: bool = False,
) -> csr_array:
    """See `fastrec.sparse_top_k_product`."""
    left, right = sparse(a, integers=True), sparse(b, integers=True)
    dtype = np.result_type(left, right)
    rows = []
    for row in range(left.shape[0]):
        sums, n_terms = sum_of_rows(left, right, row, dtype)
        columns = np.flatnonzero(n_terms)
        with np.errstate(over="ignore"):
            values = sums[columns].astype(dtype)
        rows.append(best_entries(columns, values, k, threshold))
    return stacked(rows, dtype, right.shape[1])


def merge_top_k_products(blocks: Any, k: int, *, n_threads: int | None = None) -> csr_array:
    """See `fastrec.merge_top_k_products`."""
    stored = [sparse(block, keep_zeros=True, integers=True) for block in blocks]
    dtype = np.result_type(*stored)
    offsets = np.concatenate([[0], np.cumsum([block.shape[1] for block in stored], dtype=np.int64)])
    rows = []
    for row in range(stored[0].shape[0]):
        own = [slice(block.indptr[row], block.indptr[row + 1]) for block in stored]
        columns = [block.indices[at] + offset for block, at, offset in zip(stored, own, offsets, strict=False)]
        values = [block.data[at].astype(dtype) for block, at in zip(stored, own, strict=True)]
        rows.append(best_entries(np.concatenate(columns), np.concatenate(values), k, None))
    return stacked(rows, dtype, int(offsets[-1]))


def ranking(items: Array, values: Array) -> npt.NDArray[np.intp]:
    """Positions by score descending, then lower item; NaN never ranks."""
    order = np.lexsort((items, -values if values.dtype.kind == "f" else ~values))
    return order[~np.isnan(values[order])]


def exact_scores(queries: Array, items: Array, metric: str = "inner_product") -> Array:
    """Scores in float64, sums in the fixed order of eight lanes, rounded once."""
    n_factors, shape = queries.shape[1], (len(queries), len(items))
    left, right = queries.astype(np.float64), items.astype(np.float64)
    with np.errstate(all="ignore"):
        if metric == "euclidean":
            scores = -in_lanes(lambda j: np.square(np.subtract.outer(left[:, j], right[:, j])), n_factors, shape)
        else:
            scores = in_lanes(lambda j: np.multiply.outer(left[:, j], right[:, j]), n_factors, shape)
        if metric == "cosine":
            of_queries, of_items = norms(left)[:, None], norms(right)[None, :]
            scores = np.where((of_queries == 0) | (of_items == 0), 0.0, scores / (of_queries * of_items))
        rounded: Array = scores.astype(np.result_type(queries, items))
    return rounded


def in_lanes(term: Callable[[int], Array], n_terms: int, shape: tuple[int, ...]) -> Array:
    """Sum of terms 0 to n: lane j of 8 adds the terms j, j + 8, ...; then the lanes are added."""
    lanes = np.zeros((8, *shape))
    for j in range(n_terms):
        lanes[j % 8] += term(j)
    total: Array = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
    return total


def norms(rows: Array) -> Array:
    """Euclidean norms, summed in the same order."""
    return np.sqrt(in_lanes(lambda j: np.square(rows[:, j]), rows.shape[1], (len(rows),)))


def sum_of_rows(a: csr_array, b: csr_array, row: int, dtype: npt.DTypeLike) -> tuple[Array, Array]:
    """One row of ``a @ b``: sums of floats in float64 by ascending inner index, and how many terms each has."""
    wide = np.dtype(dtype) if np.dtype(dtype).kind == "i" else np.dtype(np.float64)
    own = slice(a.indptr[row], a.indptr[row + 1])
    rows = b[a.indices[own]]
    sums = np.zeros(b.shape[1], wide)
    with np.errstate(all="ignore"):
        terms = np.repeat(a.data[own].astype(wide), np.diff(rows.indptr)) * rows.data.astype(wide)
        np.add.at(sums, rows.indices, terms)  # one after the other
    return sums, np.bincount(rows.indices, minlength=b.shape[1])


def best_entries(columns: Array, values: Array, k: int, threshold: float | None) -> tuple[Array, Array]:
    """The k best of a row's entries that exceed the threshold."""
    if threshold is not None:
        kept = np.array([value > threshold for value in values.tolist()], np.bool_)
        columns, values = columns[kept], values[kept]
    best = ranking(columns, values)[:k]
    return columns[best], values[best]


def stacked(rows: list[tuple[Array, Array]], dtype: npt.DTypeLike, n_columns: int) -> csr_array:
    """Rows of (columns, values) as one matrix, each in the order given."""
    indptr = np.concatenate([[0], np.cumsum([len(columns) for columns, _ in rows], dtype=np.int64)])
    indices = np.concatenate([np.empty(0, np.int32), *(columns for columns, _ in rows)])
    indices = indices.astype(np.int32 if n_columns <= np.iinfo(np.int32).max else np.int64)
    data = np.concatenate([np.empty(0, dtype), *(values for _, values in rows)]).astype(dtype)
    return csr_array((data, indices, indptr), shape=(len(rows), n_columns))
