"""Singular value decomposition of the interactions as they are, missing ones as zeros."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike
from scipy.sparse import csr_array

from fastrec import _check, _random, _threads
from fastrec._types import Array, Csr, Ids
from fastrec.models.base import FactorModel, LinearModel


class PureSVD(FactorModel, LinearModel):
    """Truncated singular value decomposition: a user's scores are the user's row, projected on a few directions.

    Minimises |X - X V V'|^2 over V with ``n_factors`` orthonormal columns; all cells of X count, unseen ones as zeros.

    Parameters
    ----------
    n_factors : int, at least 1
        Length of every factor. Beyond the rank of the interactions factors are zero.
    random_state : int, Generator, RandomState or None
        Seed of the vector that the iteration starts from. It changes roundings only, but where singular values
        coincide.
    n_threads : int, optional
        Of `recommend` and its kin; ``fit`` runs on one. Changes speed, never the result. Default: every core that the
        process may use.
    dtype : float32 or float64
        Of the factors; they are found in float64.

    Attributes
    ----------
    user_factors_ : ndarray, shape (n_users, n_factors)
        X V.
    item_factors_ : ndarray, shape (n_items, n_factors)
        V, the right singular vectors, that of the largest singular value first; the entry of largest magnitude of each
        is positive.
    singular_values_ : ndarray of float64, shape (n_factors,)
        Descending.

    Notes
    -----
    Cremonesi, Koren and Turrin, "Performance of recommender algorithms on top-N recommendation tasks", 2010. By the
    implicitly restarted Lanczos method (ARPACK, through SciPy), to float64's precision: the singular values of
    interactions fall so slowly that a randomised projection of the same cost misses the later ones. Where
    there are fewer than 2 ``n_factors`` + 2 users or items, LAPACK decomposes the dense matrix, which is then not
    much larger than the factors. Any real values may be interactions. Folding in a user's own row gives the user's
    own factors, to the bit.

    Examples
    --------
    >>> import fastrec, numpy
    >>> user_items = numpy.array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]], dtype="float32")
    >>> fastrec.PureSVD(n_factors=1).fit(user_items).recommend(None, user_items[[2]], k=1).items
    array([[1]], dtype=int32)
    """

    _learned = ("user_factors_", "item_factors_", "singular_values_")

    def __init__(
        self,
        n_factors: int = 64,
        *,
        random_state: Any = None,
        n_threads: int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.n_factors = n_factors
        self.random_state = random_state
        self.n_threads = n_threads
        self.dtype = dtype

    def fit(self, user_items: Any, y: Any = None) -> Self:
        """Decompose the interactions.

        Parameters
        ----------
        user_items : sparse matrix, shape (n_users, n_items)
            Any format, index dtype and order; duplicates are summed, zeros dropped; NaN and inf are errors.
        y : ignored
            scikit-learn's pipelines pass it.

        Returns
        -------
        PureSVD
            The model itself. It is unchanged when anything was raised.
        """
        n_factors = _check.integer(self.n_factors, "n_factors", 1, np.iinfo(np.int32).max)
        seed, dtype = _random.seed_of(self.random_state), _check.float_dtype(self.dtype, "dtype")
        _threads.resolve(self.n_threads)
        ratings = _check.csr(user_items, "user_items")
        n_users, n_items = ratings.shape
        n_bytes = (float(n_users) + n_items) * n_factors * dtype.itemsize
        n_bytes += 8.0 * (2 * n_factors + 2) * (max(ratings.shape) + min(ratings.shape))
        _check.memory(n_bytes, f"a decomposition of {n_users} users by {n_items} items", "use fewer factors")
        values, directions = _decompose(ratings.to_scipy().astype(np.float64), n_factors, seed)
        item_factors = directions.astype(dtype)
        user_factors = _check.finite(_projected(ratings, item_factors), "user_items, projected")
        self.user_factors_, self.item_factors_, self.singular_values_ = user_factors, item_factors, values
        return self

    def _fold_in(self, rows: Csr, n_threads: int) -> Array:
        return _projected(rows, self.item_factors_)

    def _similarities(self, items: Ids, item: int) -> Array:
        directions = self.item_factors_.astype(np.float64)
        values: Array = directions[items] @ directions[item]
        return values

    def _check_learned(self) -> None:
        super()._check_learned()
        values = _check.dense(self.singular_values_[None, :], "singular_values_")
        _check.same_size(values.shape[1], "singular_values_", self.item_factors_.shape[1], "item_factors_", "columns")


class _Decomposition(NamedTuple):
    """The largest singular values, descending, and right singular vectors as columns; zeros beyond the rank."""

    values: Array
    directions: Array


def _decompose(x: csr_array, n_factors: int, seed: int) -> _Decomposition:
    found = _Decomposition(np.zeros(n_factors), np.zeros((x.shape[1], n_factors)))
    if x.nnz == 0:
        return found
    scale = np.abs(x.data).max()  # squares must neither overflow nor vanish
    with _threads.one_blas_thread():
        values, rows = _largest(x / scale, n_factors, seed)
    order = np.argsort(-values, kind="stable")[:n_factors]
    order = order[values[order] > values.max() * max(x.shape) * np.finfo(np.float64).eps]
    directions = rows[order].T
    largest = np.abs(directions).argmax(axis=0)
    found.directions[:, : len(order)] = directions * np.sign(directions[largest, np.arange(len(order))])
    found.values[: len(order)] = values[order] * scale
    return found


def _largest(x: csr_array, n_factors: int, seed: int) -> tuple[Array, Array]:
    """Singular values in any order, and right singular vectors as rows."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    n_less = min(x.shape)
    if n_less < 2 * n_factors + 2:
        _, values, rows = np.linalg.svd(x.toarray(), full_matrices=False)
        return values, rows
    # As SciPy's svds, which draws vectors that it begins anew with from no seed.
    tall = x if x.shape[0] >= x.shape[1] else x.T.tocsr()
    wide = tall.T.tocsr()
    gram = LinearOperator((n_less, n_less), lambda v: wide @ (tall @ v), dtype=np.float64)
    start = _random.normal(seed, n_less, 1, 1.0, np.float64, 1)[:, 0]
    takes_generator = "rng" in inspect.signature(eigsh).parameters  # from SciPy 1.17 on
    generator: dict[str, Any] = {"rng": np.random.default_rng(seed)} if takes_generator else {}
    directions, _ = np.linalg.qr(eigsh(gram, n_factors, v0=start, **generator)[1])
    left, values, mixed = np.linalg.svd(tall @ directions, full_matrices=False)
    return values, mixed @ directions.T if tall is x else left.T


def _projected(rows: Csr, directions: Array) -> Array:
    """Rows times directions, each sum in float64 and in the order of the row's items."""
    products: Array = rows.to_scipy() @ directions.astype(np.float64)
    with np.errstate(over="ignore"):  # what is not finite is refused
        return products.astype(directions.dtype)
