"""Non-negative matrix factorisation by coordinate descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np

from fastrec import _check, _random, _threads
from fastrec._blocks import aligned_copy, aligned_rows, padded
from fastrec._nndsvd import nndsvd
from fastrec._nonnegative import Problem
from fastrec._progress import progress_bar
from fastrec._transpose import transposed
from fastrec._types import Array, Csr
from fastrec.models.base import FactorModel
from fastrec.models.fold_in import columns_apart, with_rows, with_zero_rows
from fastrec.models.stopping import EarlyStopping, Watch

_FOLD_IN_SWEEPS = 1000
_FOLD_IN_TOLERANCE = 1e-6


class NMF(FactorModel):
    """Non-negative matrix factorisation: interactions as sums of a few parts, none of which takes another's place.

    Minimises, over factors x and y of at least 0,

        1/2 sum_cells (r - x_u.y_i)^2 + l1_users sum x + l2_users / 2 sum x^2 + l1_items sum y + l2_items / 2 sum y^2

    where the cells are all there are, those without an entry with r = 0, or those that have one.

    Parameters
    ----------
    n_factors : int, at least 1
        Length of every factor.
    unseen : "zeros" or "unobserved"
        What a cell without an entry is: a zero like any other, as for interactions, or nothing known, as for ratings.
    l1_regularization, l2_regularization : float, or a pair of them (users, items), at least 0
        Penalties of the factors and of half their squares.
    start : "nndsvd" or "random"
        Factors before the first epoch. "nndsvd" takes, of each pair of singular vectors, the parts of one sign, and
        random factors beyond the rank. "random" has item factors of the magnitude that would give the mean.
    n_epochs : int, at least 0
        Passes; each improves the users, then the items.
    random_state : int, Generator, RandomState or None
        Seed of the start; of "nndsvd" it changes little.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Attributes
    ----------
    user_factors_ : ndarray of float32, shape (n_users, n_factors)
    item_factors_ : ndarray of float32, shape (n_items, n_factors)
        At least 0; rows without entries are zero.
    loss_ : ndarray of float64, shape (n_epochs,)
        The loss after each epoch, when ``fit`` was asked for it.
    n_epochs_ : int
        Epochs that the factors have had, when ``fit`` was given ``early_stopping``.
    validation_scores_ : ndarray of float64
        Every value of a callable score that ``early_stopping`` looked at.

    Notes
    -----
    Hierarchical alternating least squares (Cichocki and Phan, "Fast local algorithms for large scale nonnegative matrix
    and tensor factorizations", 2009): a row's coordinates go to their best values one after the other. Its products
    with the other side are computed once for one to four sweeps, by what they take beside a sweep (Gillis and Glineur,
    "Accelerated multiplicative updates and hierarchical ALS algorithms for nonnegative matrix factorization", 2012).
    The loss never rises, but for rounding. In float32.

    An epoch takes O(nnz n_factors + (n_users + n_items) n_factors^2), with "unobserved" O(nnz n_factors). Nothing is
    made dense: memory is the interactions by user and by item and the factors, and for "unobserved" a copy of what the
    longest row multiplies for each thread. The same bits at any number of threads on one machine.

    With "unobserved", here and in `recommend`, a stored zero is a rating of 0; else it is dropped.

    Examples
    --------
    >>> import fastrec, numpy
    >>> user_items = numpy.array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 1]], dtype="float32")
    >>> fastrec.NMF(n_factors=2).fit(user_items).recommend(None, user_items[[2]], k=1).items
    array([[1]], dtype=int32)
    """

    _learned = ("user_factors_", "item_factors_")
    _optional = ("loss_", "n_epochs_", "validation_scores_")

    def __init__(
        self,
        n_factors: int = 64,
        *,
        unseen: str = "zeros",
        l1_regularization: float | tuple[float, float] = 0.0,
        l2_regularization: float | tuple[float, float] = 0.0,
        start: str = "nndsvd",
        n_epochs: int = 50,
        random_state: Any = None,
        n_threads: int | None = None,
    ) -> None:
        self.n_factors = n_factors
        self.unseen = unseen
        self.l1_regularization = l1_regularization
        self.l2_regularization = l2_regularization
        self.start = start
        self.n_epochs = n_epochs
        self.random_state = random_state
        self.n_threads = n_threads

    def fit(
        self,
        user_items: Any,
        y: Any = None,
        *,
        init: Any = None,
        compute_loss: bool = False,
        early_stopping: EarlyStopping | None = None,
        callback: Callable[[int, float, float], Any] | None = None,
        progress: bool = False,
    ) -> Self:
        """Learn factors from interactions or ratings.

        Parameters
        ----------
        user_items : sparse matrix, shape (n_users, n_items)
            Of at least 0. Any format, index dtype and order; duplicates are summed; NaN and inf are errors.
        y : ignored
            scikit-learn's pipelines pass it.
        init : array_like, shape (n_items, n_factors), or a pair of arrays, optional
            Item factors to start from, with users at zero, or (user factors, item factors); at least 0.
        compute_loss : bool
            Keep the loss after every epoch in ``loss_``.
        early_stopping : EarlyStopping, optional
            Ends before ``n_epochs``; ``loss_`` is kept too where it looks at the loss.
        callback : callable, optional
            Called as ``callback(epoch, seconds, loss)`` after every epoch, counted from 0; ``loss_`` is kept too.
        progress : bool
            Show a bar on stderr (needs tqdm).

        Returns
        -------
        NMF
            The model itself. It is unchanged when anything was raised.
        """
        options, seed = self._options(), _random.seed_of(self.random_state)
        watch = Watch(early_stopping, self, options.n_epochs)
        _check.callback(callback)
        compute_loss = _check.flag(compute_loss, "compute_loss") or callback is not None or watch.needs_loss
        ratings = options.ratings(user_items)
        options.check_memory(ratings.shape)
        sides = options.start_of(ratings, init, seed)
        with progress_bar(options.n_epochs, "NMF", _check.flag(progress, "progress")) as advance:
            return self._learn(_epochs(ratings, sides, options, watch, compute_loss, callback, advance))

    def partial_fit(self, user_items: Any, *, users: Any = None, n_epochs: int = 1) -> Self:
        """Take in changed and new users, or learn on from all rows.

        Parameters
        ----------
        user_items : sparse matrix, shape (len(users), n_items)
            Row r belongs to ``users[r]``.
        users : list of int, optional
            Their factors are folded in, the items' stay as they are: ids below the number of users replace, others are
            appended; users between are zero. Default: all users in order, who may have become more, as may items: new
            ones that only new users have start at random.
        n_epochs : int, at least 0
            Further epochs over all rows; given users are solved once, whatever it is.

        Returns
        -------
        NMF
            The model itself. It is unchanged when anything was raised. ``loss_`` and what else told of the fit before
            is gone.
        """
        n_epochs = _check.integer(n_epochs, "n_epochs", 0)
        if users is None:
            return self._learn_on(user_items, n_epochs)
        self._check_fitted()
        ids = _check.unique_ids(users, "users")
        rows = self._options_now().ratings(user_items)
        _check.row_of_each(rows.shape, len(ids), "users", self._n_items())
        return self._learn({"user_factors_": with_rows(self.user_factors_, ids, self._solved(rows, None))})

    def fold_in_users(self, user_items: Any, *, n_threads: int | None = None) -> Array:
        """Factors of any number of users, known by their rows only; the model stays as it is.

        Parameters
        ----------
        user_items : sparse matrix, shape (n_rows, n_items)
            A row a user, as in ``fit``.
        n_threads : int, optional
            Changes speed, never the result. Default: the model's own ``n_threads``.

        Returns
        -------
        ndarray of float32, shape (n_rows, n_factors)
            What minimises the users' part of the loss, by sweeps from zero on until the steps of one are below 1e-6 of
            the row's largest product, or 1,000 of them; zero for an empty row.
        """
        self._check_fitted()
        rows = self._options_now().ratings(user_items)
        _check.columns(rows.shape, self._n_items(), "items", "user_items")
        return self._solved(rows, n_threads)

    def transform(self, user_items: Any) -> Array:
        """`fold_in_users` as scikit-learn's pipelines call it."""
        return self.fold_in_users(user_items)

    def predict(self, users: Any, items: Any) -> Array:
        """Predict the cells of pairs.

        Parameters
        ----------
        users, items : int or list of int, equally many
            Ids of users and items of ``fit``.

        Returns
        -------
        ndarray of float32, shape (n_pairs,)
            To the bit what `recommend` scores.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        TypeError, ValueError
            An id is unknown, or there are not as many of both.
        """
        return self._scores_of_pairs(users, items)

    @property
    def _zeros_are_ratings(self) -> bool:  # type: ignore[override]
        return self.unseen == "unobserved"

    def _fold_in(self, rows: Csr, n_threads: int) -> Array:
        return self._solved(self._options_now().ratings(rows.to_scipy()), n_threads)

    def _solved(self, rows: Csr, n_threads: int | None) -> Array:
        options = self._options_now()
        factors = aligned_rows(rows.shape[0], options.n_factors)
        items = self._derived("aligned items", self.item_factors_, lambda: aligned_copy(self.item_factors_))
        problem = options.problem(rows, 0)
        problem.descend(items, factors, _FOLD_IN_SWEEPS, _FOLD_IN_TOLERANCE, self._threads(n_threads))
        return _check.finite(factors[:, : options.n_factors].copy(), "solutions for user_items")

    def _learn_on(self, user_items: Any, n_epochs: int) -> Self:
        options = self._options_now()
        ratings = options.ratings(user_items)
        options.check_memory(ratings.shape)
        if self.__sklearn_is_fitted__():
            _check.at_least_as_many(ratings.shape, (self._n_users(), self._n_items()), "user_items")
            learned = (self.user_factors_, self.item_factors_)
            users, items = (with_zero_rows(one, size) for one, size in zip(learned, ratings.shape, strict=True))
            apart = columns_apart(ratings, items, self._n_items())  # others may be zero by their penalty
            if len(apart):
                items[apart] = options.drawn(ratings, _random.seed_of(self.random_state))[apart]
            sides = aligned_copy(users), aligned_copy(items)
        else:
            sides = options.start_of(ratings, None, _random.seed_of(self.random_state))
        return self._learn(_epochs(ratings, sides, options, Watch(None, self, n_epochs)))

    def _options_now(self) -> Options:
        """The parameters, with the number of factors that there are."""
        options = self._options()
        return options._replace(n_factors=self.item_factors_.shape[1]) if self.__sklearn_is_fitted__() else options

    def _options(self) -> Options:
        return Options(
            n_factors=_check.integer(self.n_factors, "n_factors", 1, np.iinfo(np.int32).max),
            with_zeros=_check.choice(self.unseen, "unseen", ("zeros", "unobserved")) == "zeros",
            l1=_check.of_sides(self.l1_regularization, "l1_regularization"),
            l2=_check.of_sides(self.l2_regularization, "l2_regularization"),
            start=_check.choice(self.start, "start", ("nndsvd", "random")),
            n_epochs=_check.integer(self.n_epochs, "n_epochs", 0),
            n_threads=_threads.resolve(self.n_threads),
        )


class Options(NamedTuple):
    """Checked parameters."""

    n_factors: int
    with_zeros: bool
    l1: tuple[float, float]
    l2: tuple[float, float]
    start: str
    n_epochs: int
    n_threads: int

    def check_memory(self, shape: tuple[int, int]) -> None:
        """Refuse factors that do not fit."""
        n_copies = 6 if self.start == "nndsvd" else 2  # while parts of singular vectors are compared
        n_bytes = 4.0 * n_copies * (float(shape[0]) + shape[1]) * padded(self.n_factors)
        _check.memory(n_bytes, f"factors of {shape[0]} users and {shape[1]} items", "use fewer factors")

    def ratings(self, user_items: Any) -> Csr:
        """In the dtype that is computed in."""
        given = _check.csr(user_items, "user_items", keep_zeros=not self.with_zeros)
        _check.not_negative(given.data, "user_items", "NMF")
        return given._replace(data=_check.squarable(given.data, "user_items").astype(np.float32, copy=False))

    def problem(self, rows: Csr, side: int) -> Problem:
        """That of the users, side 0, or of the items."""
        return Problem(rows, self.l1[side], self.l2[side], self.with_zeros)

    def start_of(self, ratings: Csr, init: Any, seed: int) -> tuple[Array, Array]:
        """Factors of users and items before the first epoch."""
        n_users, n_items = ratings.shape
        if init is None:
            return self._own_start(ratings, seed)
        both = _check.pair(init, "init", "item factors, or (user factors, item factors)")
        users, items = both or (np.zeros((n_users, self.n_factors), np.float32), init)
        of_users = _check.start(users, "init[0]", (n_users, self.n_factors), of="user")
        _check.not_negative(of_users, "init[0]", "NMF")
        name = "init[1]" if both else "init"
        of_items = _check.start(items, name, (n_items, self.n_factors))
        _check.not_negative(of_items, name, "NMF")
        return aligned_copy(of_users), aligned_copy(of_items)

    def _own_start(self, ratings: Csr, seed: int) -> tuple[Array, Array]:
        if self.start == "random" or 0 in ratings.shape:
            return aligned_rows(ratings.shape[0], self.n_factors), aligned_copy(self.drawn(ratings, seed))
        users, items = nndsvd(ratings, self.n_factors, seed, self.n_threads)
        beyond = ~items.any(axis=0)
        if beyond.any():
            items[:, beyond] = self.drawn(ratings, seed)[:, beyond]
        return aligned_copy(users), aligned_copy(items)

    def drawn(self, ratings: Csr, seed: int) -> Array:
        """Item factors with which users alike would have the mean of all cells."""
        n_cells = float(ratings.shape[0]) * ratings.shape[1] if self.with_zeros else float(len(ratings.data))
        mean = float(ratings.data.sum(dtype=np.float64)) / max(n_cells, 1.0)
        deviation = (mean / self.n_factors) ** 0.5
        return np.abs(_random.normal(seed, ratings.shape[1], self.n_factors, deviation, np.float32, self.n_threads))


def _epochs(
    ratings: Csr,
    sides: tuple[Array, Array],
    options: Options,
    watch: Watch,
    compute_loss: bool = False,
    callback: Callable[[int, float, float], Any] | None = None,
    advance: Callable[[], Any] = lambda: None,
) -> dict[str, Any]:
    """Improve the users, then the items, and again, from given factors."""
    user_factors, item_factors = sides
    threads, n_factors = options.n_threads, options.n_factors
    users, items = options.problem(ratings, 0), options.problem(transposed(ratings, threads), 1)
    losses: list[float] = []

    def learned() -> dict[str, Any]:
        factors = {"user_factors_": user_factors, "item_factors_": item_factors}
        kept = {name: _check.finite(side[:, :n_factors].copy(), "factors") for name, side in factors.items()}
        return kept | ({"loss_": np.array(losses)} if compute_loss else {})

    def step() -> float:
        users.descend(item_factors, user_factors, users.n_sweeps(n_factors), 0.0, threads)
        items.descend(user_factors, item_factors, items.n_sweeps(n_factors), 0.0, threads)
        if not compute_loss:
            return 0.0
        missed = users.squared_error(user_factors, item_factors, threads)
        losses.append(missed / 2 + users.penalty(user_factors) + items.penalty(item_factors))
        return losses[-1]

    return watch.epochs(step, learned, callback, advance)
