"""Linear models: a user's scores are the user's row times weights between items, learned by regression."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastrec import _check, _cholesky, _dispatch, _threads
from fastrec._progress import kernel_bar
from fastrec._transpose import transposed
from fastrec._types import Array, Csr, Pattern, TopK
from fastrec.models.similarity import ItemSimilarityModel

_SCORES_AT_ONCE = 1 << 24
_ITEMS_A_BLOCK = 16
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
    inverse by tiles. The same bits at any number of threads.

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

    def _learn(self, ratings: Csr, *, progress: bool) -> Array:
        regularization = _check.real(self.regularization, "regularization", 0)
        threads, dtype = _threads.resolve(self.n_threads), _check.float_dtype(self.dtype, "dtype")
        n_items = ratings.shape[1]
        n_bytes = float(n_items) ** 2 * dtype.itemsize + _cholesky.scratch_bytes(n_items, dtype, threads)
        _check.memory(n_bytes, f"EASE of {n_items} items in {dtype}", _LESS_MEMORY[dtype.name])
        label = f"EASE ({n_bytes / 2**30:.1f} GiB)"
        with kernel_bar(_cholesky.n_steps(n_items), label, progress) as bar:
            matrix = _gram(ratings, dtype, threads)
            with np.errstate(over="ignore"):
                matrix.flat[:: n_items + 1] += regularization
            _check.finite(matrix.diagonal(), "user_items' user_items + regularization")
            inverted = _cholesky.invert(matrix, threads, bar)
            _check.positive_definite(inverted, regularization, "regularization", dtype)
            _inverse_to_weights(matrix, threads)
        return matrix

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

    def _check_learned(self) -> None:
        weights = _check.finite(_check.dense(self.similarity_, "similarity_", what="items"), "similarity_")
        n_items = _check.csr(self.user_items_, "user_items_").shape[1]
        for size, of in zip(weights.shape, ("rows", "columns"), strict=True):
            _check.same_size(size, "similarity_", n_items, "user_items_", of)


_LESS_MEMORY = {"float32": "leave out rare items", "float64": "use dtype=float32, or leave out rare items"}


def _gram(ratings: Csr, dtype: np.dtype[Any], n_threads: int) -> Array:
    """The lower triangle of ``ratings' ratings``, each sum in float64."""
    out = np.empty((ratings.shape[1],) * 2, dtype)
    columns = transposed(ratings, n_threads)
    _threads.run_blocks(
        _dispatch.kernel("gram_triangle"), len(out), n_threads, *columns[:3], *ratings[:3], out,
        rows_a_block=_ITEMS_A_BLOCK,
    )  # fmt: skip
    return out


def _inverse_to_weights(inverse: Array, n_threads: int) -> None:
    """From the lower triangle of the inverse P to the weights -P_ij / P_jj, in place."""
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
