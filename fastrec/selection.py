"""Top-K selection: the best of given scores, of inner products, and of a sparse product's rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from fastrec import _check, _dispatch, _threads
from fastrec._progress import kernel_bar
from fastrec._row_facts import limited_pointers, sums_of_rows, terms_of_rows
from fastrec._transpose import transposed
from fastrec._types import (
    NO_PATTERN,
    Array,
    Csr,
    Ids,
    Offsets,
    Pattern,
    TopK,
    index_dtype,
    is_sparse,
    room,
    room_for_rows,
)


def top_k(scores: Any, k: int, *, n_threads: int | None = None) -> TopK:
    """Best ``k`` items of every row, best first.

    Parameters
    ----------
    scores : array_like or sparse matrix, shape (n_rows, n_items)
        Dense: float32 or float64 in any memory order; NaN never ranks. Sparse: the stored entries are ranked, stored
        zeros included, after duplicates are summed; NaN and inf are errors. Other dtypes: bool, int8, int16 and
        float16 as float32, other integers as float64.
    k : int, at least 1
        Rows with fewer than ``k`` candidates end in item -1, score -inf.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Returns
    -------
    TopK
        ``items`` int32 and ``scores`` float32 or float64, each (n_rows, k). Score descending, equal scores by lower
        item; a true -inf ranks before padding.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described.
    MemoryError
        The answer is larger than the memory available.

    Notes
    -----
    Linear in the number of scores for any order of them, plus k log k a row. Scratch is 2 k entries a thread; a dense
    input is not copied.

    Examples
    --------
    >>> import fastrec
    >>> fastrec.top_k([[0.5, 2.0, 2.0, 1.0]], k=3).items
    array([[1, 2, 3]], dtype=int32)
    """
    k = _check.integer(k, "k", 1)
    threads = _threads.resolve(n_threads)
    if is_sparse(scores):
        rows = _check.csr(scores, "scores", keep_zeros=True)
        _check.answer(rows.shape[0], k, rows.data.dtype)
        out = TopK.empty(rows.shape[0], k, rows.data.dtype)
        kernel = _dispatch.kernel("top_k_csr", rows.data.dtype)
        kernel(rows.data, rows.indices, rows.indptr, rows.shape[1], *out, threads)
        return out
    matrix = _check.dense(scores, "scores")
    _check.answer(len(matrix), k, matrix.dtype)
    out = TopK.empty(len(matrix), k, matrix.dtype)
    _dispatch.kernel("top_k_dense", matrix.dtype)(matrix, *out, threads)
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
    """Items of largest inner product with each query, best first: the ranking of a factor model.

    Parameters
    ----------
    queries : array_like of float32 or float64, shape (n_queries, n_factors)
        May hold NaN and inf (IEEE rules). Any memory order.
    items : array_like of float32 or float64, shape (n_items, n_factors)
        As ``queries``.
    k : int, at least 1
        Queries with fewer than ``k`` candidates end in item -1, score -inf.
    exclude : sparse matrix of shape (n_queries, n_items) or list of item ids, optional
        Items that must not be ranked: a row a query (the stored entries count, whatever their values), or one list for
        all. Duplicates count once.
    candidates : sparse matrix of shape (n_queries, n_items) or list of item ids, optional
        The only items that may be ranked, in the same two forms; what is ranked is candidates minus exclude. Default:
        all items.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.
    progress : bool
        Show a bar on stderr (needs tqdm).

    Returns
    -------
    TopK
        ``items`` int32 and ``scores``, each (n_queries, k); scores float32 when both inputs are, else float64. Score
        descending, equal scores by lower item; NaN never ranks.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, or shapes do not match.
    MemoryError
        The answer is larger than the memory available.

    Notes
    -----
    A score is the float64 sum of products in a fixed order (lane j of 8 adds the products j, j + 8, ...; then lanes
    ((0+4)+(2+6))+((1+5)+(3+7))), rounded once to the output's dtype, and ranking is by that number: the same bits on
    every instruction set. The matrix of all scores is never formed.

    From 32 queries and 1,024 items (or candidates of one list) on, for up to 4,096 factors and k up to a sixteenth of
    the items, items are packed as 8-bit integers and screened under a proved bound (docs/screening.md); `ItemIndex`
    keeps that work for further calls. Memory is then 1 byte a factor and 20 bytes an item, and scratch that does not
    depend on the number of queries. Otherwise every score is computed, in a tile of items, a block of queries and 2 k
    entries for each of them a thread.
    """
    k = _check.integer(k, "k", 1)
    threads = _threads.resolve(n_threads)
    queries, items = _check.dense(queries, "queries", what="queries"), _check.dense(items, "items", what="items")
    _check.same_size(queries.shape[1], "queries", items.shape[1], "items", "columns")
    excluded = _check.pattern(exclude, "exclude", len(queries), len(items))
    allowed = _check.pattern(candidates, "candidates", len(queries), len(items))
    shown = _check.flag(progress, "progress")
    return best_inner_products(queries, items, k, excluded, allowed, threads, progress=shown)


def best_inner_products(
    queries: Array,
    items: Array,
    k: int,
    exclude: Pattern | None,
    candidates: Pattern | None,
    n_threads: int,
    *,
    progress: bool = False,
) -> TopK:
    """`top_k_inner_product` of checked operands."""
    dtype = np.result_type(queries, items)
    _check.answer(len(queries), k, dtype)
    out = TopK.empty(len(queries), k, dtype)
    kernel = _dispatch.kernel("top_k_inner_product", dtype)
    with kernel_bar(len(queries), "queries", progress) as bar:
        kernel(queries.astype(dtype, copy=False), items.astype(dtype, copy=False),
               *(exclude or NO_PATTERN), *(candidates or NO_PATTERN), *out, n_threads, bar)  # fmt: skip
    return out


def sparse_top_k_product(
    a: Any,
    b: Any,
    k: int,
    *,
    threshold: float | None = None,
    n_threads: int | None = None,
    progress: bool = False,
) -> csr_array:
    """Largest ``k`` entries of every row of the sparse product ``a @ b``.

    Parameters
    ----------
    a : sparse matrix, shape (n_rows, n_inner)
        Any format, index dtype and order; duplicates are summed, stored zeros dropped; NaN and inf are errors. int32
        and int64 are computed as they are, with wrap-around as in SciPy; bool, int8, int16 and float16 as float32;
        other integers as float64.
    b : sparse matrix, shape (n_inner, n_columns)
        As ``a``. Two different dtypes meet in the one that NumPy gives for them.
    k : int, at least 1
        Entries kept a row. Only entries with a stored term in both factors exist; a sum that is zero counts.
    threshold : float, optional
        Keep entries strictly greater only.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.
    progress : bool
        Show a bar on stderr (needs tqdm).

    Returns
    -------
    csr_array, shape (n_rows, n_columns)
        Each row's best first, so column indices are not sorted; equal values by lower column. float32 for float32
        input, float64 for float64, int32 and int64 for those.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, or shapes do not match.
    MemoryError
        The working arrays do not fit.

    Notes
    -----
    Row by row with a dense accumulator (Gustavson, "Two fast algorithms for sparse matrices", 1978): time is the number
    of multiply-adds plus the selection. Terms of a row that cannot reach what k entries reach, or a positive threshold,
    the dearest first, are skipped where that pays, and only columns with one of the others are looked at (Turtle and
    Flood, "Query evaluation: strategies and optimizations", 1995; with a threshold, Bayardo et al., "Scaling up all
    pairs similarity search", 2007): TF-IDF vectors and a small k take a third of the time or less. A value is the
    float64 sum of its terms by ascending inner index, rounded once, in any case. Memory is the result, 64 MiB, at most
    36 bytes a column and thread, and ``b`` once more where terms may be skipped or its rows are read often.
    """
    k = _check.integer(k, "k", 1)
    threads = _threads.resolve(n_threads)
    threshold = None if threshold is None else _check.real(threshold, "threshold")
    left, right = _check.csr(a, "a", integers=True), _check.csr(b, "b", integers=True)
    _check.same_inner(left.shape[1], "a", right.shape[0], "b")
    shown = _check.flag(progress, "progress")
    return best_of_product(left, right, k, threshold=threshold, n_threads=threads, progress=shown).to_scipy()


def merge_top_k_products(blocks: Any, k: int, *, n_threads: int | None = None) -> csr_array:
    """Best ``k`` entries of every row of a sparse product whose columns came in blocks.

    Parameters
    ----------
    blocks : iterable of sparse matrices, each of shape (n_rows, its number of columns)
        What `sparse_top_k_product` gave, with this ``k`` or a larger one, for consecutive blocks of the columns of
        ``b``; or what this function gave for some of them. Values as there, and inf, which a product may overflow to.
    k : int, at least 1
        Entries kept a row.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Returns
    -------
    csr_array, shape (n_rows, sum of the numbers of columns)
        The same matrix as ``sparse_top_k_product(a, b, k)`` of the whole ``b``: each row's best first, equal values by
        lower column, columns counted from the first block's, in int64 where there are 2^31 or more. Blocks of different
        dtypes meet in the one that NumPy gives for them.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, there is no block, or their numbers of rows differ.
    MemoryError
        The answer does not fit.

    Notes
    -----
    For a ``b`` larger than memory: the k best of all columns are among the k best of each block. Blocks may be merged
    one after the other, ``best = merge_top_k_products([best, block], k)``, so that no more than 2 k entries a row are
    held at a time; a merged matrix of 2^31 or more columns cannot be a block.

    Examples
    --------
    >>> import fastrec, numpy as np
    >>> from scipy.sparse import csr_array
    >>> a, b = csr_array(np.eye(2)), csr_array(np.array([[1.0, 4, 2, 3], [0, 0, 0, 5]]))
    >>> halves = [fastrec.sparse_top_k_product(a, b[:, columns], 2) for columns in (slice(0, 2), slice(2, 4))]
    >>> fastrec.merge_top_k_products(halves, 2).indices.tolist()
    [1, 3, 3]
    """
    k = _check.integer(k, "k", 1)
    return best_of_blocks(blocks, "blocks", k, _threads.resolve(n_threads)).to_scipy()


def best_of_blocks(blocks: Any, name: str, k: int, n_threads: int) -> Csr:
    """`merge_top_k_products` of blocks that came as ``name``, with the other arguments checked."""
    checked = _check.column_blocks(blocks, name)
    dtype = np.result_type(*(block.data for block in checked))
    merged = _merged(checked, dtype, k, n_threads)
    if merged is None:  # nothing of ours, or ordered in another dtype
        ordered = [_best_first(block, f"{name}[{at}]", dtype, k, n_threads) for at, block in enumerate(checked)]
        merged = _merged(ordered, dtype, k, n_threads)
    assert merged is not None
    return merged


def _merged(blocks: Sequence[Csr], dtype: np.dtype[Any], k: int, n_threads: int) -> Csr | None:
    """Best entries of rows that stand side by side; None where a row is not best first, or has a column twice."""
    n_rows = blocks[0].shape[0]
    n_columns = sum(block.shape[1] for block in blocks)
    n_stored: Offsets = sum((np.diff(block.indptr) for block in blocks), np.zeros(n_rows, np.int64))
    indptr, _ = limited_pointers(n_stored, min(k, n_columns))
    _check.entries_memory(int(indptr[-1]), dtype)
    data, columns = room(int(indptr[-1]), dtype), room(int(indptr[-1]), index_dtype(n_columns))
    unmerged = np.zeros(n_rows, np.uint8)
    operands = [(block.data.astype(dtype, copy=False), *block[1:3], block.shape[1]) for block in blocks]
    _dispatch.kernel("merge_top_k_products", dtype, columns.dtype)(operands, data, columns, indptr, unmerged, n_threads)
    return None if unmerged.any() else Csr(data, columns, indptr, (n_rows, n_columns))


def _best_first(block: Csr, name: str, dtype: np.dtype[Any], k: int, n_threads: int) -> Csr:
    """The best of every row of any matrix, in a dtype; columns that nobody has cost nothing."""
    rows = _check.in_order(block, name, overflowed=True, n_threads=n_threads)
    n_rows, lengths = rows.shape[0], np.diff(rows.indptr)
    places = (np.arange(rows.indptr[-1]) - np.repeat(rows.indptr[:-1], lengths)).astype(np.int32)
    itself = Csr(np.ones(n_rows, dtype), np.arange(n_rows, dtype=np.int32),
                 np.arange(n_rows + 1, dtype=np.int64), (n_rows, n_rows))  # fmt: skip
    entries = Csr(rows.data.astype(dtype, copy=False), places, rows.indptr, (n_rows, int(lengths.max(initial=0))))
    best = best_of_product(itself, entries, k, n_threads=n_threads)
    found = rows.indices[best.indices + np.repeat(rows.indptr[:-1], np.diff(best.indptr))]
    return Csr(best.data, found, best.indptr, rows.shape)


def best_of_product(
    a: Csr,
    b: Csr,
    k: int,
    *,
    threshold: float | None = None,
    exclude: Pattern | None = None,
    candidates: Pattern | None = None,
    keep_zeros: bool = True,
    best_first: bool = True,
    n_threads: int,
    progress: bool = False,
) -> Csr:
    """`sparse_top_k_product` of checked operands, with columns left out or allowed for each row.

    Sums that are zero may be left out, and entries may stand in the order that SciPy's products have: a column the
    earlier, the later it got its first term.
    """
    dtype = a.data.dtype if a.data.dtype == b.data.dtype else np.result_type(a.data, b.data)
    if dtype.kind == "i" and threshold is not None:
        threshold = _whole_threshold(threshold, dtype)
    kept = max(1, min(k, b.shape[1]))
    _check.product_memory(b.shape[1], n_threads)
    n_terms = terms_of_rows(a, b, n_threads)
    ends, n_all = room_of_product(n_terms, kept, dtype, threshold)
    left, right = a.data.astype(dtype, copy=False), b.data.astype(dtype, copy=False)
    pruning = _NO_PRUNING
    dear = n_all > _TERMS_THAT_PAY * len(right)
    if dtype.kind == "f" and (dear or (threshold is not None and threshold > 0)):
        pruning = _Pruning.of(b._replace(data=right), n_threads)
    if not best_first and pruning is _NO_PRUNING and kept < b.shape[1]:
        pruning = _Pruning.of_nothing(b, n_threads)
    columns = pruning.data.astype(dtype, copy=False)
    looked_at = n_all > len(left) + len(right)  # for few rows of A that would cost more than it spares
    positive = looked_at and _products_are_positive(left, right)
    kernel = _dispatch.kernel("sparse_top_k_product", dtype)

    def fill(first: int, last: int, indices: Ids, data: Any, starts: Offsets, indptr: Offsets) -> None:
        kernel(first, last, left, a.indices, a.indptr, a.shape[1], right, b.indices, b.indptr, b.shape[1],
               n_terms, *(exclude or NO_PATTERN), *(candidates or NO_PATTERN), threshold, keep_zeros, positive,
               best_first, columns, *pruning[1:], kept, indices, data, starts, indptr, n_threads, bar)  # fmt: skip

    with kernel_bar(a.shape[0], "rows", progress) as bar:
        return room_for_rows(ends, dtype, b.shape[1], fill)


class _Pruning(NamedTuple):
    """What bounds entries of ``a @ b`` before they are summed: b by columns, and how large its rows and columns are."""

    data: Array
    indices: Ids
    indptr: Offsets
    largest: Array  # magnitude in every row
    largest_norm: float  # of a column

    @classmethod
    def of(cls, b: Csr, n_threads: int) -> _Pruning:
        columns = transposed(b, n_threads)
        filled = np.flatnonzero(np.diff(b.indptr))
        largest = np.zeros(b.shape[0])
        if len(filled):
            largest[filled] = np.maximum.reduceat(np.abs(b.data), b.indptr[filled])
        norm = float(np.sqrt(sums_of_rows(columns, n_threads)[1].max(initial=0)))
        return cls(*columns[:3], largest, norm) if _LEAST_NORM < norm < _LARGEST_NORM else _NO_PRUNING

    @classmethod
    def of_nothing(cls, b: Csr, n_threads: int) -> _Pruning:
        """Columns only, whose pattern tells an order."""
        pattern = transposed(b._replace(data=np.empty(0, np.float32)), n_threads)
        return cls(*pattern[:3], np.full(b.shape[0], np.inf), np.inf)


_LEAST_NORM, _LARGEST_NORM = 1e-100, 1e100  # beyond, squares could vanish, or bounds overflow
_TERMS_THAT_PAY = 500  # for each entry of b: with fewer, to transpose it may cost more than pruning spares
_NO_PRUNING = _Pruning(np.empty(0), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0), 0.0)


def room_of_product(n_terms: Offsets, kept: int, dtype: np.dtype[Any], threshold: float | None) -> tuple[Offsets, int]:
    """Row pointers of what a product may need, if it fits, ``kept`` entries a row or its terms; and all terms."""
    ends, n_all = limited_pointers(n_terms, kept)
    if threshold is None:  # with one, how much is left nobody knows
        _check.entries_memory(int(ends[-1]), dtype)
    return ends, n_all


def _products_are_positive(a: Array, b: Array) -> bool:
    """Whether no product of two values is zero, negative, or too small to be told from zero."""
    if a.dtype.kind != "f":
        return False
    smallest, other = (float(side.min(initial=np.inf)) for side in (a, b))
    return smallest > 0 and other > 0 and smallest * other >= float(np.finfo(a.dtype).tiny)


def _whole_threshold(threshold: float, dtype: np.dtype[Any]) -> int | None:
    """The integer that is exceeded by the same integers."""
    limits = np.iinfo(dtype)
    if threshold < limits.min:
        return None
    return int(limits.max) if threshold >= limits.max else math.floor(threshold)
