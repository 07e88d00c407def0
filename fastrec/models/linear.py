"""Linear models: a user's scores are the user's row times weights between items, learned by regression."""

from __future__ import annotations

import threading
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import csr_array

from fastrec import _check, _cholesky, _dispatch, _machine, _threads
from fastrec._progress import kernel_bar
from fastrec._row_facts import sums_of_rows
from fastrec._transpose import transposed
from fastrec._types import Array, Csr, Ids, Offsets, Pattern, TopK
from fastrec.models.similarity import ItemSimilarityModel

_SCORES_AT_ONCE = 1 << 24
_ITEMS_A_BLOCK = 16
_ITEMS_TOGETHER = 128
_PRODUCT_COST = 70  # of a multiply-add with a sparse matrix, beside one of a Cholesky inverse
_ROUNDINGS_LEFT = 1e5  # of what is subtracted from 1, at least: weights then have five digits
_USERS_A_BLOCK = 16


class EASE(ItemSimilarityModel):
    """Embarrassingly shallow autoencoder: every item by ridge regression on all others, in closed form.

    Minimises, over weights B between items whose diagonal is zero,

        |X - X B|^2 + regularization |B|^2

    Parameters
    ----------
    regularization : float, at least 0
        Penalty of the squared weights.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.
    dtype : float32 or float64
        Of the weights, and of the arithmetic that finds them.

    Attributes
    ----------
    similarity_ : ndarray, shape (n_items, n_items)
        B: row i holds what an interaction with item i adds to the score of each item.
    user_items_ : csr_array, shape (n_users, n_items)
        The interactions, for users who are asked for without their row.

    Notes
    -----
    Steck, "Embarrassingly shallow autoencoders for sparse data", 2019: with P the inverse of X'X + regularization I,
    weight ij is -P_ij / P_jj. Any real values may be interactions. Score of item j for a user: the sum over the items
    i of the user's row, in ascending order, of row_i B_ij in float64, rounded once; every item has one.

    Memory is the n_items^2 weights (6.3 GiB for 41,000 items in float32), found in place, and little else;
    ``fit`` refuses where that is not available, and its bar says how much it is. Time is O(n_items^3): a Cholesky
    inverse by tiles. Where users are so many fewer than items that it pays, and memory is there for n_users^2 values
    more, it is O(n_users^3): with K the inverse of XX' + regularization I, P = (I - X'K X) / regularization (Woodbury
    1950). The same bits at any number of threads.

    Examples
    --------
    >>> import fastrec, numpy
    >>> user_items = numpy.array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]], dtype="float32")
    >>> fastrec.EASE(1.0).fit(user_items).recommend(None, user_items[[2]], k=1).items
    array([[1]], dtype=int32)
    """

    similarity_: Array

    def __init__(
        self, regularization: float = 500.0, *, n_threads: int | None = None, dtype: DTypeLike = np.float32
    ) -> None:
        self.regularization = regularization
        self.n_threads = n_threads
        self.dtype = dtype

    def _similarity_of(self, ratings: Csr, *, progress: bool) -> Array:
        regularization = _check.real(self.regularization, "regularization", 0)
        threads, dtype = _threads.resolve(self.n_threads), _check.float_dtype(self.dtype, "dtype")
        ridge = _Ridge(ratings, transposed(ratings, threads), regularization, dtype, threads)
        by_users = ridge.is_sooner_by_users()
        n_bytes = ridge.bytes_needed(by_users)
        _check.memory(n_bytes, f"EASE of {ratings.shape[1]} items in {dtype}", _LESS_MEMORY[dtype.name])
        with kernel_bar(ridge.n_steps(by_users), f"EASE ({_amount(n_bytes)})", progress) as bar:
            weights = ridge.inverse_by_users(bar) if by_users else ridge.inverse(bar)
            _inverse_to_weights(weights, threads)
        return weights

    def _best(self, rows: Csr, k: int, exclude: Pattern | None, candidates: Pattern | None, n_threads: int) -> TopK:
        weights = self.similarity_
        n_rows, n_items = rows.shape
        dtype = np.result_type(rows.data, weights)
        _check.answer(n_rows, k, dtype)
        out = TopK.empty(n_rows, k, dtype)
        step = max(_USERS_A_BLOCK, _SCORES_AT_ONCE // max(n_items, 1))
        rank = _dispatch.kernel("top_k_dense", dtype)
        for first in range(0, n_rows, step):
            last = min(first + step, n_rows)
            scores = np.empty((last - first, n_items), dtype)
            _threads.run_blocks(
                _dispatch.kernel("scores_by_weights"), last - first, n_threads,
                rows.data, rows.indices, rows.indptr[first : last + 1], weights, scores, rows_a_block=_USERS_A_BLOCK,
            )  # fmt: skip
            _hide(scores, exclude, candidates, first)
            rank(scores, out.items[first:last], out.scores[first:last], n_threads)
        return out

    def _similarities(self, items: Ids, item: int) -> Array:
        values: Array = self.similarity_[items, item].astype(np.float64)
        return values

    def _check_learned(self) -> None:
        weights = _check.finite(_check.dense(self.similarity_, "similarity_", what="items"), "similarity_")
        n_items = _check.csr(self.user_items_, "user_items_").shape[1]
        for size, of in zip(weights.shape, ("rows", "columns"), strict=True):
            _check.same_size(size, "similarity_", n_items, "user_items_", of)


def _amount(n_bytes: float) -> str:
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.1f} MiB"


class SLIM(ItemSimilarityModel):
    """Sparse linear method: every item by an elastic net on all others.

    Minimises, over weights B between items whose diagonal is zero, and which are not negative where ``positive``,

        1/2 |X - X B|^2 + l2_regularization / 2 |B|^2 + l1_regularization (sum of the magnitudes of B)

    Parameters
    ----------
    l1_regularization : float, at least 0
        The larger, the fewer weights. An item's weights are all zero from its largest product with another on.
    l2_regularization : float, at least 0
        Penalty of the squared weights.
    k : int, optional
        Weights kept an item, those of largest magnitude, equal ones by lower item; default: all.
    positive : bool
        No weight is negative.
    tol : float, at least 0
        No optimality condition of an item is missed by more than so much of its largest product with another.
    n_epochs : int, at least 1
        Passes over an item's weights, at most; a warning says how many items would take more.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Attributes
    ----------
    similarity_ : csr_array, shape (n_items, n_items)
        B: row i holds what an interaction with item i adds to the scores of others.
    user_items_ : csr_array, shape (n_users, n_items)
        The interactions, for users who are asked for without their row.

    Notes
    -----
    Ning and Karypis, "SLIM: sparse linear methods for top-N recommender systems", 2011, by coordinate descent on the
    products X'X, as sparse as they are (Friedman, Hastie and Tibshirani, "Regularization paths for generalized linear
    models via coordinate descent", 2010, section 2.2). Any real values may be interactions. Scores as in
    `fastrec.ItemKNN`: items that none of the user's items has a weight for are not ranked. An item is solved by one
    thread in float64: the same bits at any number of threads. Memory is that of the products: at most an entry for
    each pair of items that have a user in common.

    Examples
    --------
    >>> import fastrec, numpy
    >>> user_items = numpy.array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]], dtype="float32")
    >>> fastrec.SLIM(0.1, 0.1).fit(user_items).recommend(None, user_items[[2]], k=1).items
    array([[1]], dtype=int32)
    """

    similarity_: csr_array

    def __init__(
        self,
        l1_regularization: float = 1.0,
        l2_regularization: float = 1.0,
        *,
        k: int | None = None,
        positive: bool = True,
        tol: float = 1e-4,
        n_epochs: int = 1000,
        n_threads: int | None = None,
    ) -> None:
        self.l1_regularization = l1_regularization
        self.l2_regularization = l2_regularization
        self.k = k
        self.positive = positive
        self.tol = tol
        self.n_epochs = n_epochs
        self.n_threads = n_threads

    def _similarity_of(self, ratings: Csr, *, progress: bool) -> csr_array:
        penalties = (
            _check.real(self.l1_regularization, "l1_regularization", 0),
            _check.real(self.l2_regularization, "l2_regularization", 0),
        )
        positive, tol = _check.flag(self.positive, "positive"), _check.real(self.tol, "tol", 0)
        n_epochs = _check.integer(self.n_epochs, "n_epochs", 1, _MOST_EPOCHS)
        n_items = ratings.shape[1]
        k = n_items if self.k is None else _check.integer(self.k, "k", 1)
        threads = _threads.resolve(self.n_threads)
        with np.errstate(over="ignore"):
            of_entries = np.square(ratings.data, dtype=np.float64)
            squares = np.bincount(ratings.indices, of_entries, n_items).astype(np.float64)  # of nothing: integers
            _check.finite(squares.astype(ratings.data.dtype), "squares of user_items")
        products = _Products.of(ratings, threads)
        blocks: dict[int, _Weights] = {}
        told = threading.Lock()
        kernel = _dispatch.kernel("elastic_nets", ratings.data.dtype)

        def solve(first: int, last: int) -> None:
            weights = np.empty((last - first, n_items), ratings.data.dtype)
            unsolved = kernel(first, last, *products, squares, *penalties, positive, tol, n_epochs, weights)
            blocks[first] = _Weights.of(weights, unsolved)
            if bar is not None:
                with told:
                    bar(last - first)

        with kernel_bar(n_items, "SLIM", progress) as bar:
            _threads.run_blocks(solve, n_items, threads, rows_a_block=_ITEMS_A_BLOCK)
        rows = _joined([blocks[first] for first in sorted(blocks)], n_items, ratings.data.dtype)
        return transposed(rows if self.k is None else _largest(rows, k), threads).to_scipy()


_MOST_EPOCHS = np.iinfo(np.int32).max


class _Products(NamedTuple):
    """``user_items' user_items``: a row an item, in full where it has more than half of them, else those it has.

    ``full`` has the number of an item's row among the full ones, or -1.
    """

    full: Offsets
    rows: Array
    data: Array
    indices: Ids
    indptr: Offsets

    @classmethod
    def of(cls, ratings: Csr, n_threads: int) -> _Products:
        columns, n_items, dtype = transposed(ratings, n_threads), ratings.shape[1], ratings.data.dtype
        counts = np.zeros(n_items, np.int64)
        _dispatch.kernel("count_partners", dtype)(*columns[:3], *ratings[:3], counts, n_threads)
        is_full = counts > n_items // 2
        lengths = np.where(is_full, 0, counts)
        n_bytes = float(is_full.sum()) * n_items * dtype.itemsize + float(lengths.sum()) * (dtype.itemsize + 4)
        _check.memory(n_bytes, f"products of {n_items} items", "leave out rare items")
        room = cls(
            np.where(is_full, np.cumsum(is_full) - 1, -1),
            np.empty((is_full.sum(), n_items), dtype),
            np.empty(lengths.sum(), dtype),
            np.empty(lengths.sum(), np.int32),
            np.concatenate([[0], np.cumsum(lengths)]),
        )
        _dispatch.kernel("item_products", dtype)(*columns[:3], *ratings[:3], *room, n_threads)
        return room


class _Weights(NamedTuple):
    """Sparse rows: the weights of all items for each of some."""

    data: Array
    indices: Ids
    lengths: Offsets
    n_unsolved: int

    @classmethod
    def of(cls, weights: Array, n_unsolved: int) -> _Weights:
        rows, columns = np.nonzero(weights)
        lengths = np.bincount(rows, minlength=len(weights))
        return cls(weights[rows, columns], columns.astype(np.int32), lengths, n_unsolved)


def _joined(blocks: list[_Weights], n_items: int, dtype: np.dtype[Any]) -> Csr:
    """Rows of all blocks; a warning where there are some that took too long."""
    nothing = _Weights(np.empty(0, dtype), np.empty(0, np.int32), np.empty(0, np.int64), 0)
    data, indices, lengths, unsolved = zip(nothing, *blocks, strict=True)
    if sum(unsolved):
        warnings.warn(
            f"SLIM: the weights of {sum(unsolved)} of {n_items} items are not within tol after n_epochs passes; "
            "raise n_epochs, tol or l2_regularization.",
            RuntimeWarning,
            stacklevel=4,
        )
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    return Csr(np.concatenate(data), np.concatenate(indices), indptr, (n_items, n_items))


def _largest(rows: Csr, k: int) -> Csr:
    """The ``k`` entries of largest magnitude of every row; equal ones: lower column first."""
    lengths = np.diff(rows.indptr)
    row = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((rows.indices, -np.abs(rows.data), row))
    kept = np.zeros(len(order), np.bool_)
    kept[order] = np.arange(len(order)) - np.repeat(rows.indptr[:-1], lengths) < k
    return rows.where(kept)


_LESS_MEMORY = {"float32": "leave out rare items", "float64": "use dtype=float32, or leave out rare items"}


class _Ridge(NamedTuple):
    """Every item regressed on all, with a penalty: what X'X + regularization I, and its inverse, are made from."""

    by_user: Csr
    by_item: Csr
    regularization: float
    dtype: np.dtype[Any]
    n_threads: int

    def bytes_needed(self, by_users: bool) -> float:
        """Of `inverse`, or of `inverse_by_users`, with all on the way."""
        (n_users, n_items), itemsize = map(float, self.by_user.shape), self.dtype.itemsize
        if not by_users:
            return n_items**2 * itemsize + _cholesky.scratch_bytes(int(n_items), self.dtype, self.n_threads)
        return (n_items**2 + n_users**2 + 2 * self.n_threads * _ITEMS_TOGETHER * n_users) * itemsize

    def n_steps(self, by_users: bool) -> int:
        """How often they tell of progress."""
        n_users, n_items = self.by_user.shape
        return _cholesky.n_steps(n_users) - (-n_items // _ITEMS_TOGETHER) if by_users else _cholesky.n_steps(n_items)

    def is_sooner_by_users(self) -> bool:
        """Whether it is, in the memory there is, and what is taken from 1 leaves enough digits of each diagonal."""
        (n_users, n_items), n_stored = map(float, self.by_user.shape), float(len(self.by_user.data))
        if n_users**3 + _PRODUCT_COST * n_stored * (n_items / 2 + n_users) > n_items**3:
            return False
        _, squares, _ = sums_of_rows(self.by_item, self.n_threads)
        most = self.regularization + squares.max(initial=0)
        if not self.regularization > _ROUNDINGS_LEFT * np.finfo(self.dtype).eps * most:
            return False
        return self.bytes_needed(by_users=True) <= _machine.available_memory()

    def inverse(self, advance: Any) -> Array:
        """Of the inverse the tiles on the diagonal, and what is below them."""
        return self._inverted(self.by_item, self.by_user, "user_items' user_items + regularization", advance)

    def inverse_by_users(self, advance: Any) -> Array:
        """The same as (I - X'KX) / regularization with K the inverse of XX' + regularization I (Woodbury 1950)."""
        of_users = self._inverted(self.by_user, self.by_item, "user_items user_items' + regularization", advance)
        _cholesky.mirror(of_users, self.n_threads)
        n_items = self.by_item.shape[0]
        out = np.empty((n_items, n_items), self.dtype)
        values, regularization = self.by_item.data.astype(self.dtype, copy=False), self.dtype.type(self.regularization)
        kernel, told = _dispatch.kernel("inverse_by_users"), threading.Lock()

        def multiply(first: int, last: int) -> None:
            kernel(first, last, values, *self.by_item[1:3], of_users, regularization, _cholesky.TILE, out)
            if advance is not None:
                with told:
                    advance(1)

        _threads.run_blocks(multiply, n_items, self.n_threads, rows_a_block=_ITEMS_TOGETHER)
        return out

    def _inverted(self, rows: Csr, columns: Csr, what: str, advance: Any) -> Array:
        """The inverse of ``rows rows' + regularization I``, of which each sum is in float64."""
        out = np.empty((rows.shape[0],) * 2, self.dtype)
        _threads.run_blocks(
            _dispatch.kernel("gram_triangle"), len(out), self.n_threads, *rows[:3], *columns[:3], out,
            rows_a_block=_ITEMS_A_BLOCK,
        )  # fmt: skip
        with np.errstate(over="ignore"):
            out.flat[:: len(out) + 1] += self.regularization
        _check.finite(out.diagonal(), what)
        inverted = _cholesky.invert(out, self.n_threads, advance)
        _check.positive_definite(inverted, self.regularization, "regularization", self.dtype)
        return out


def _inverse_to_weights(inverse: Array, n_threads: int) -> None:
    """From the inverse P, of which no tile above the diagonal counts, to the weights -P_ij / P_jj, in place."""
    with np.errstate(divide="ignore", over="ignore"):
        scale = _check.finite(-1 / inverse.diagonal(), "1 / diagonal of the inverse of user_items' user_items")
    tile = _cholesky.TILE

    def weigh(first: int, last: int) -> None:
        rows = slice(first, last)
        for start in range(0, first, tile):
            columns = slice(start, start + tile)
            inverse[columns, rows] = inverse[rows, columns].T * scale[rows]
            inverse[rows, columns] *= scale[columns]
        inverse[rows, rows] *= scale[rows]

    _threads.run_blocks(weigh, len(inverse), n_threads, rows_a_block=tile)
    inverse.flat[:: len(inverse) + 1] = 0


def _hide(scores: Array, exclude: Pattern | None, candidates: Pattern | None, first: int) -> None:
    """Let what may not be ranked be NaN; the scores' rows begin at row ``first`` of the patterns."""
    if candidates is not None:
        hidden = np.ones(scores.shape, np.bool_)
        hidden[_places(candidates, first, len(scores))] = False
        scores[hidden] = np.nan
    if exclude is not None:
        scores[_places(exclude, first, len(scores))] = np.nan


def _places(pattern: Pattern, first: int, n_rows: int) -> tuple[Any, Any]:
    """Rows and columns of some rows' ids."""
    if pattern.shared:
        return np.arange(n_rows)[:, None], pattern.ids[None, :]
    indptr = pattern.indptr[first : first + n_rows + 1]
    return np.repeat(np.arange(n_rows), np.diff(indptr)), pattern.ids[indptr[0] : indptr[-1]]
