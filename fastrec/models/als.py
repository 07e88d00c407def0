"""Implicit alternating least squares."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from fastrec import _check, _random, _threads
from fastrec._least_squares import Fixed, Side, Solutions, losses, solve
from fastrec._progress import progress_bar
from fastrec._transpose import transposed
from fastrec._types import Array, Csr
from fastrec.models.base import FactorModel

_START_DEVIATION = 0.01


class ImplicitALS(FactorModel):
    """Matrix factorisation of implicit feedback by alternating least squares, each solve exact.

    Minimises, over user factors x and item factors y,

        sum_seen w (t - x.y)^2 + unobserved_weight sum_unseen (x.y)^2 + sum_u lam_u |x_u|^2 + sum_i lam_i |y_i|^2

    where an interaction r > 0 has w = 1 + alpha r, t = 1, one r < 0 has w = 1 + alpha |r|, t = 0, and a row with n
    interactions, of a matrix with n_other columns, has
    lam = regularization (n + unobserved_weight n_other) ^ regularization_exponent.

    Parameters
    ----------
    n_factors : int, at least 1
        Length of every factor.
    regularization : float, at least 0
        0 gives the solutions of least norm.
    alpha : float, at least 0
        How an interaction's value raises its weight.
    unobserved_weight : float, at least 0
        Weight of every pair without an interaction.
    regularization_exponent : float, 0 to 1
        0 penalises all rows alike, 1 in proportion to their weight (Rendle et al. 2022).
    n_epochs : int, at least 0
        Passes; each solves the users, then the items.
    tol : float, at least 0
        Largest residual of each row's normal equations, in relation to their right side. 0: solved by Cholesky, in
        float64, which takes many times longer.
    random_state : int, Generator, RandomState or None
        Seed of the start: item factors N(0, 0.01^2), keyed by seed and row.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.
    dtype : float32 or float64
        Of the factors.

    Attributes
    ----------
    user_factors_ : ndarray, shape (n_users, n_factors)
    item_factors_ : ndarray, shape (n_items, n_factors)
        Rows without interactions are zero.
    loss_ : ndarray of float64, shape (n_epochs,)
        The loss after each epoch, when ``fit`` was asked for it.

    Notes
    -----
    Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", 2008; solved as `als_half_step`
    says. An epoch takes O(steps nnz n_factors + (n_users + n_items) n_factors^2), with 4 to 10 steps on usual data;
    memory is the interactions twice, with their weights, the factors and a copy of one side's. The same bits at any
    number of threads on one instruction set.

    Examples
    --------
    >>> import fastrec, numpy, scipy.sparse
    >>> user_items = scipy.sparse.csr_array(numpy.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype="float32"))
    >>> model = fastrec.ImplicitALS(n_factors=2, random_state=0).fit(user_items)
    >>> model.recommend(0, user_items[[0]], k=1).items
    array([[2]], dtype=int32)
    """

    _learned = ("user_factors_", "item_factors_")
    _optional = ("loss_",)

    def __init__(
        self,
        n_factors: int = 64,
        *,
        regularization: float = 0.01,
        alpha: float = 1.0,
        unobserved_weight: float = 1.0,
        regularization_exponent: float = 0.0,
        n_epochs: int = 15,
        tol: float = 1e-5,
        random_state: Any = None,
        n_threads: int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.n_factors = n_factors
        self.regularization = regularization
        self.alpha = alpha
        self.unobserved_weight = unobserved_weight
        self.regularization_exponent = regularization_exponent
        self.n_epochs = n_epochs
        self.tol = tol
        self.random_state = random_state
        self.n_threads = n_threads
        self.dtype = dtype

    def fit(
        self,
        user_items: Any,
        y: Any = None,
        *,
        weights: Any = None,
        init: Any = None,
        compute_loss: bool = False,
        callback: Callable[[int, float, float], Any] | None = None,
        progress: bool = False,
    ) -> Self:
        """Learn factors from interactions.

        Parameters
        ----------
        user_items : sparse matrix, shape (n_users, n_items)
            Any format, index dtype and order; duplicates are summed, zeros dropped; NaN and inf are errors.
        y : ignored
            scikit-learn's pipelines pass it.
        weights : sparse matrix, optional
            Stored at the same places as ``user_items``, at least 0: replaces w.
        init : array_like, shape (n_items, n_factors), optional
            Item factors to start from.
        compute_loss : bool
            Keep the loss after every epoch in ``loss_``.
        callback : callable, optional
            Called as ``callback(epoch, seconds, loss)`` after every epoch, counted from 0; ``loss_`` is kept too.
        progress : bool
            Show a bar on stderr (needs tqdm).

        Returns
        -------
        ImplicitALS
            The model itself. It is unchanged when anything was raised.
        """
        options, seed = self._options(), _random.seed_of(self.random_state)
        compute_loss = _check.flag(compute_loss, "compute_loss") or callback is not None
        entry_weights, targets = _weighted(user_items, weights, options.alpha, options.dtype)
        n_users, n_items = entry_weights.shape
        n_bytes = (float(n_users) + n_items) * options.n_factors * options.dtype.itemsize
        _check.memory(n_bytes, f"factors of {n_users} users and {n_items} items", "use fewer factors")

        users = options.side(entry_weights, targets)
        items = options.side(
            transposed(entry_weights, options.n_threads),
            transposed(entry_weights._replace(data=targets), options.n_threads).data,
        )
        item_factors = Solutions(self._start(init, options, seed, n_items), None)
        user_factors = Solutions(np.zeros((n_users, options.n_factors), options.dtype), None)
        kept = np.zeros(options.n_epochs)
        with progress_bar(options.n_epochs, "ImplicitALS", _check.flag(progress, "progress")) as advance:
            for epoch in range(options.n_epochs):
                started = time.perf_counter()
                user_factors, _ = options.half_step(users, item_factors)
                item_factors, left = options.half_step(items, user_factors, compute_loss=compute_loss)
                if compute_loss:
                    kept[epoch] = left + users.penalty(user_factors.factors)
                if callback is not None:
                    callback(epoch, time.perf_counter() - started, float(kept[epoch]))
                advance()
        self.user_factors_ = user_factors.upright(options.n_threads)
        self.item_factors_ = item_factors.upright(options.n_threads)
        if compute_loss:
            self.loss_ = kept
        elif hasattr(self, "loss_"):
            del self.loss_
        return self

    def _start(self, init: Any, options: Options, seed: int, n_items: int) -> Array:
        if init is None:
            return _random.normal(seed, n_items, options.n_factors, _START_DEVIATION, options.dtype)
        given = _check.start(init, "init", (n_items, options.n_factors))
        return given.astype(options.dtype, order="C")

    def _fold_in(self, rows: Csr, n_threads: int) -> Array:
        options = self._options()._replace(n_threads=n_threads, dtype=self.item_factors_.dtype)
        weights, targets = _confidence(rows, options.alpha, options.dtype)
        items = self._derived("items", self.item_factors_, lambda: Fixed(self.item_factors_, n_threads))
        return solve(options.side(weights, targets), items, options.tol, n_threads).upright(n_threads)

    def _options(self) -> Options:
        return Options(
            n_factors=_check.integer(self.n_factors, "n_factors", 1, np.iinfo(np.int32).max),
            regularization=_check.real(self.regularization, "regularization", 0),
            alpha=_check.real(self.alpha, "alpha", 0),
            unobserved_weight=_check.real(self.unobserved_weight, "unobserved_weight", 0),
            regularization_exponent=_check.real(self.regularization_exponent, "regularization_exponent", 0, 1),
            n_epochs=_check.integer(self.n_epochs, "n_epochs", 0),
            tol=_check.real(self.tol, "tol", 0),
            n_threads=_threads.resolve(self.n_threads),
            dtype=_check.float_dtype(self.dtype, "dtype"),
        )

    def _check_learned(self) -> None:
        users, items = (
            _check.dense(self.user_factors_, "user_factors_"),
            _check.dense(self.item_factors_, "item_factors_"),
        )
        _check.same_size(users.shape[1], "user_factors_", items.shape[1], "item_factors_", "columns")


class Options(NamedTuple):
    """Checked parameters."""

    n_factors: int
    regularization: float
    alpha: float
    unobserved_weight: float
    regularization_exponent: float
    n_epochs: int
    tol: float
    n_threads: int
    dtype: np.dtype[Any]

    def side(self, weights: Csr, targets: Array) -> Side:
        """One side's rows, with the regularisation of each."""
        weight = np.diff(weights.indptr) + self.unobserved_weight * weights.shape[1]
        regularization = self.regularization * weight**self.regularization_exponent
        return Side(weights, targets, regularization, self.unobserved_weight)

    def half_step(self, side: Side, other: Solutions, *, compute_loss: bool = False) -> tuple[Solutions, float]:
        """Solve one side against the other, and say, when asked, what is left of its rows' objectives."""
        fixed = Fixed(other.factors, self.n_threads)
        solutions = solve(side, fixed, self.tol, self.n_threads)
        left = float(losses(side, fixed, solutions, self.n_threads).sum()) if compute_loss else 0.0
        return solutions.against(other), left


def _weighted(user_items: Any, weights: Any, alpha: float, dtype: np.dtype[Any]) -> tuple[Csr, Array]:
    """Weight and target of every interaction, by the rule or as given."""
    if weights is None:
        return _confidence(_check.csr(user_items, "user_items"), alpha, dtype)
    ratings, given = (
        _check.csr(user_items, "user_items", keep_zeros=True),
        _check.csr(weights, "weights", keep_zeros=True),
    )
    _check.same_pattern(ratings, "user_items", given, "weights")
    _check.not_negative(given.data, "weights", "weights")
    stored = ratings.data != 0
    kept = given._replace(data=_check.finite(given.data.astype(dtype), "weights")).where(stored)
    return kept, (ratings.data[stored] > 0).astype(dtype)


def _confidence(ratings: Csr, alpha: float, dtype: np.dtype[Any]) -> tuple[Csr, Array]:
    """Weight 1 + alpha |r| and target 1 or 0 (Hu et al. 2008, with negative r as a sure dislike)."""
    with np.errstate(over="ignore"):
        weights = (1 + alpha * np.abs(ratings.data.astype(np.float64))).astype(dtype)
    return ratings._replace(data=_check.finite(weights, "1 + alpha * |user_items|")), (ratings.data > 0).astype(dtype)
