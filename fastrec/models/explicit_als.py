"""Explicit alternating least squares: ratings, with biases."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from fastrec import _check, _random, _threads
from fastrec._least_squares import Fixed, Side, solve, solve_nonnegative
from fastrec._progress import progress_bar
from fastrec._transpose import transposed
from fastrec._types import Array, Csr
from fastrec.models.base import beside
from fastrec.models.fold_in import SideName, columns_apart
from fastrec.models.ratings import RatingModel, Rows, mean_of, squared_error
from fastrec.models.stopping import EarlyStopping, Watch

_START_DEVIATION = 0.1


class ExplicitALS(RatingModel):
    """Matrix factorisation of ratings by alternating least squares, biases and all, each solve exact.

    Predicts the rating of item i by user u as mean + b_u + b_i + x_u.y_i, and minimises, over the factors x and y and
    the biases b,

        sum_ratings (r - mean - b_u - b_i - x_u.y_i)^2 + sum_u lam_u (|x_u|^2 + b_u^2) + sum_i lam_i (|y_i|^2 + b_i^2)

    where mean is that of all ratings, and a row with n ratings has lam = regularization n ^ regularization_exponent.
    A user's bias is an unknown beside the user's factors, and solved with them; so is an item's.

    Parameters
    ----------
    n_factors : int, at least 1
        Length of every factor.
    regularization : float, at least 0
        0 gives the solutions of least norm. Ratings that are c times as large need c times as much, without
        biases, whose penalty then grows with them.
    regularization_exponent : float, 0 to 1
        1 penalises a row in proportion to its ratings (ALS-WR, Zhou et al. 2008), 0 penalises all rows alike.
    biases : bool
        Without them nothing is subtracted: a rating is predicted as x_u.y_i, all biases and the mean are 0.
    nonnegative : bool
        Factors, but not biases, are at least 0. Such rows are solved directly, in float64, which takes longer.
    n_epochs : int, at least 0
        Passes; each solves the users, then the items.
    tol : float, at least 0
        Largest residual of each row's normal equations, in relation to their right side. 0: solved by Cholesky, in
        float64, which takes longer.
    random_state : int, Generator, RandomState or None
        Seed of the start: item factors N(0, 0.1^2), of which ``nonnegative`` takes the magnitude, keyed by seed and
        row; item biases start at 0.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.
    dtype : float32 or float64
        Of the factors and biases.

    Attributes
    ----------
    user_factors_ : ndarray, shape (n_users, n_factors)
    item_factors_ : ndarray, shape (n_items, n_factors)
    user_biases_ : ndarray, shape (n_users,)
    item_biases_ : ndarray, shape (n_items,)
        Rows without ratings are zero.
    mean_ : float
        The mean rating, rounded to ``dtype``.
    loss_ : ndarray of float64, shape (n_epochs,)
        The loss after each epoch, when ``fit`` was asked for it.
    rmse_ : ndarray of float64, shape (n_epochs,)
        Root of the mean squared error on the ratings that are learned from, likewise; NaN where there are none.
    n_epochs_ : int
        Epochs that the factors have had, when ``fit`` was given ``early_stopping``.
    validation_scores_ : ndarray of float64
        Every value of a callable score that ``early_stopping`` looked at.

    Notes
    -----
    A stored zero is a rating of 0, here and in `recommend`; in a dense matrix a zero is no rating. Ratings stored twice
    are summed, as everywhere in fastrec.

    Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems", 2009; Zhou et al., "Large-scale
    parallel collaborative filtering for the Netflix Prize", 2008; solved as `als_half_step` says. An epoch takes
    O(steps nnz n_factors + (n_users + n_items) n_factors^2), with ``nonnegative`` about
    O(nnz n_factors^2 + (n_users + n_items) n_factors^3). Memory is the ratings by user and by item, each with weights
    of 1 and with what the biases leave, the factors, and a copy of each side's. The same bits at any number of threads
    on one instruction set.

    Examples
    --------
    >>> import fastrec, numpy, scipy.sparse
    >>> ratings = scipy.sparse.csr_array(numpy.array([[5, 4, 1], [4, 5, 2], [1, 0, 5]], dtype="float32"))
    >>> model = fastrec.ExplicitALS(n_factors=2, regularization=0.01, random_state=0).fit(ratings)
    >>> model.predict([0, 2], [0, 2]).round()
    array([5., 5.], dtype=float32)
    """

    _learned = ("user_factors_", "item_factors_", "user_biases_", "item_biases_", "mean_")
    _optional = ("loss_", "rmse_", "n_epochs_", "validation_scores_")

    def __init__(
        self,
        n_factors: int = 64,
        *,
        regularization: float = 0.1,
        regularization_exponent: float = 1.0,
        biases: bool = True,
        nonnegative: bool = False,
        n_epochs: int = 15,
        tol: float = 1e-5,
        random_state: Any = None,
        n_threads: int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.n_factors = n_factors
        self.regularization = regularization
        self.regularization_exponent = regularization_exponent
        self.biases = biases
        self.nonnegative = nonnegative
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
        init: Any = None,
        compute_loss: bool = False,
        early_stopping: EarlyStopping | None = None,
        callback: Callable[[int, float, float], Any] | None = None,
        progress: bool = False,
    ) -> Self:
        """Learn factors and biases from ratings.

        Parameters
        ----------
        user_items : sparse matrix, shape (n_users, n_items)
            Any format, index dtype and order; stored zeros are ratings; duplicates are summed; NaN and inf are errors.
        y : ignored
            scikit-learn's pipelines pass it.
        init : array_like, shape (n_items, n_factors), or a pair of it and one of shape (n_items,), optional
            Item factors, and item biases (else 0), to start from.
        compute_loss : bool
            Keep the loss and the error after every epoch in ``loss_`` and ``rmse_``.
        early_stopping : EarlyStopping, optional
            Ends before ``n_epochs``; both are kept too where it looks at the loss.
        callback : callable, optional
            Called as ``callback(epoch, seconds, loss)`` after every epoch, counted from 0; both are kept too.
        progress : bool
            Show a bar on stderr (needs tqdm).

        Returns
        -------
        ExplicitALS
            The model itself. It is unchanged when anything was raised.
        """
        options, seed = self._options(), _random.seed_of(self.random_state)
        watch = Watch(early_stopping, self, options.n_epochs)
        _check.callback(callback)
        compute_loss = _check.flag(compute_loss, "compute_loss") or callback is not None or watch.needs_loss
        ratings = options.ratings(_check.csr(user_items, "user_items", keep_zeros=True))
        options.check_memory(ratings.shape)
        of_users, of_items = (
            Rows.zeros(ratings.shape[0], options.n_factors, options.dtype),
            options.start(init, seed, ratings.shape[1]),
        )
        with progress_bar(options.n_epochs, "ExplicitALS", _check.flag(progress, "progress")) as advance:
            return self._learn(_epochs(ratings, of_users, of_items, options, watch, compute_loss, callback, advance))

    def fold_in_users(self, user_items: Any, *, n_threads: int | None = None) -> tuple[Array, Array]:
        """Factors and biases of any number of users, known by their ratings only; the model stays as it is.

        Parameters
        ----------
        user_items : sparse matrix, shape (n_rows, n_items)
            A row a user, as in ``fit``.
        n_threads : int, optional
            Changes speed, never the result. Default: the model's own ``n_threads``.

        Returns
        -------
        factors : ndarray, shape (n_rows, n_factors)
        biases : ndarray, shape (n_rows,)
            What ``recommend`` ranks by for new users, in the dtype of ``item_factors_``; zero for an empty row.
        """
        return self._folded_in(user_items, "user_items", "users", n_threads)

    def fold_in_items(self, item_users: Any, *, n_threads: int | None = None) -> tuple[Array, Array]:
        """Factors and biases of any number of items, known by their ratings only: `fold_in_users` of items.

        Parameters
        ----------
        item_users : sparse matrix, shape (n_rows, n_users)
            A row an item.
        n_threads : int, optional
            Changes speed, never the result. Default: the model's own ``n_threads``.

        Returns
        -------
        factors : ndarray, shape (n_rows, n_factors)
        biases : ndarray, shape (n_rows,)
            For a column of what the model was fitted to, those that its item has.
        """
        return self._folded_in(item_users, "item_users", "items", n_threads)

    def partial_fit(self, user_items: Any, *, users: Any = None, n_epochs: int = 1) -> Self:
        """Take in changed and new users, or learn on from all rows.

        Parameters
        ----------
        user_items : sparse matrix, shape (len(users), n_items)
            Row r belongs to ``users[r]``.
        users : list of int, optional
            Their factors and biases are solved against those of the items, which stay as they are, as does the mean:
            ids below the number of users replace, others are appended; users between are zero. Default: all users in
            order, who may have become more, as may items; the mean is taken again.
        n_epochs : int, at least 0
            Further epochs over all rows; given users are solved once, whatever it is.

        Returns
        -------
        ExplicitALS
            The model itself. It is unchanged when anything was raised. ``loss_`` and what else told of the fit before
            is gone.
        """
        n_epochs = _check.integer(n_epochs, "n_epochs", 0)
        if users is None:
            return self._learn_on(user_items, n_epochs)
        self._check_fitted()
        ids = _check.unique_ids(users, "users")
        rows = _check.csr(user_items, "user_items", keep_zeros=True)
        _check.row_of_each(rows.shape, len(ids), "users", self._n_items())
        solved = self._solved(rows, "users", self._threads(None))
        after = Rows(self.user_factors_, self.user_biases_).with_rows(ids, solved)
        return self._learn({"user_factors_": after.factors, "user_biases_": after.biases})

    def partial_fit_items(self, item_users: Any, *, items: Any) -> Self:
        """Take in changed and new items: `partial_fit` of items.

        Parameters
        ----------
        item_users : sparse matrix, shape (len(items), n_users)
            Row r belongs to ``items[r]``.
        items : list of int
            Their factors and biases are solved against those of the users, which stay as they are, as does the mean:
            ids below the number of items replace, others are appended; items between are zero.

        Returns
        -------
        ExplicitALS
            The model itself. It is unchanged when anything was raised. ``loss_`` and what else told of the fit before
            is gone.
        """
        self._check_fitted()
        ids = _check.unique_ids(items, "items")
        rows = _check.csr(item_users, "item_users", keep_zeros=True)
        _check.row_of_each(rows.shape, len(ids), "items", self._n_users(), name="item_users")
        solved = self._solved(rows, "items", self._threads(None))
        after = Rows(self.item_factors_, self.item_biases_).with_rows(ids, solved)
        return self._learn({"item_factors_": after.factors, "item_biases_": after.biases})

    def _folded_in(self, rows: Any, name: str, of: SideName, n_threads: int | None) -> tuple[Array, Array]:
        self._check_fitted()
        threads = self._threads(n_threads)
        checked = _check.csr(rows, name, keep_zeros=True)
        n_columns, other = (self._n_items(), "items") if of == "users" else (self._n_users(), "users")
        _check.columns(checked.shape, n_columns, other, name)
        solved = self._solved(checked, of, threads)
        return solved.factors, solved.biases

    def _fold_in(self, rows: Csr, n_threads: int) -> Array:
        return self._solved(rows, "users", n_threads).queries(self.mean_)

    def _solved(self, rows: Csr, of: SideName, n_threads: int) -> Rows:
        """What is learned of users, or of items, with these rows, against the other side."""
        options = self._options_now()._replace(n_threads=n_threads)
        name, other = "user_items", Rows(self.item_factors_, self.item_biases_)
        if of == "items":
            name, other = "item_users", Rows(self.user_factors_, self.user_biases_)
        side = options.side(options.ratings(rows, name), self.mean_)
        fixed = self._derived(f"fixed for {of}", (*other, options.biases), lambda: options.fixed(other))
        return options.solved(side, fixed, other.biases, name)

    def _learn_on(self, user_items: Any, n_epochs: int) -> Self:
        options = self._options_now()
        ratings = options.ratings(_check.csr(user_items, "user_items", keep_zeros=True))
        options.check_memory(ratings.shape)
        n_users, n_items = ratings.shape
        if self.__sklearn_is_fitted__():
            _check.at_least_as_many(ratings.shape, (self._n_users(), self._n_items()), "user_items")
            of_users = Rows(self.user_factors_, self.user_biases_).with_zero_rows(n_users)
            of_items = Rows(self.item_factors_, self.item_biases_).with_zero_rows(n_items)
            if not options.biases:
                of_users.biases[:], of_items.biases[:] = 0, 0
            apart = columns_apart(ratings, of_items.factors)
            if len(apart):
                drawn = options.start(None, _random.seed_of(self.random_state), n_items)
                of_items.factors[apart] = drawn.factors[apart]
        else:
            of_users = Rows.zeros(n_users, options.n_factors, options.dtype)
            of_items = options.start(None, _random.seed_of(self.random_state), n_items)
        return self._learn(_epochs(ratings, of_users, of_items, options, Watch(None, self, n_epochs)))

    def _options_now(self) -> Options:
        """The parameters, with the form of the factors that there are."""
        options = self._options()
        if not self.__sklearn_is_fitted__():
            return options
        return options._replace(n_factors=self.item_factors_.shape[1], dtype=self.item_factors_.dtype)

    def _options(self) -> Options:
        return Options(
            n_factors=_check.integer(self.n_factors, "n_factors", 1, np.iinfo(np.int32).max),
            regularization=_check.real(self.regularization, "regularization", 0),
            regularization_exponent=_check.real(self.regularization_exponent, "regularization_exponent", 0, 1),
            biases=_check.flag(self.biases, "biases"),
            nonnegative=_check.flag(self.nonnegative, "nonnegative"),
            n_epochs=_check.integer(self.n_epochs, "n_epochs", 0),
            tol=_check.real(self.tol, "tol", 0),
            n_threads=_threads.resolve(self.n_threads),
            dtype=_check.float_dtype(self.dtype, "dtype"),
        )


class Options(NamedTuple):
    """Checked parameters."""

    n_factors: int
    regularization: float
    regularization_exponent: float
    biases: bool
    nonnegative: bool
    n_epochs: int
    tol: float
    n_threads: int
    dtype: np.dtype[Any]

    def check_memory(self, shape: tuple[int, int]) -> None:
        """Refuse factors that do not fit."""
        n_bytes = 2 * (float(shape[0]) + shape[1]) * (self.n_factors + 1) * self.dtype.itemsize
        _check.memory(n_bytes, f"factors of {shape[0]} users and {shape[1]} items", "use fewer factors")

    def ratings(self, given: Csr, name: str = "user_items") -> Csr:
        """In the dtype that is computed in."""
        return given._replace(data=_check.squarable(given.data, name).astype(self.dtype, copy=False))

    def mean(self, ratings: Csr) -> float:
        """What is subtracted from every rating."""
        return mean_of(ratings) if self.biases else 0.0

    def start(self, init: Any, seed: int, n_items: int) -> Rows:
        """Item factors and biases before the first epoch."""
        shape, no_biases = (n_items, self.n_factors), np.zeros(n_items, self.dtype)
        if init is None:
            factors = _random.normal(seed, *shape, _START_DEVIATION, self.dtype, self.n_threads)
            return Rows(np.abs(factors) if self.nonnegative else factors, no_biases)
        both = _check.pair(init, "init", "item factors, or (item factors, item biases)")
        given, biases = both or (init, no_biases)
        name = "init[0]" if both else "init"
        factors = _check.start(given, name, shape, dtype=self.dtype).astype(self.dtype, order="C")
        if self.nonnegative:
            _check.not_negative(factors, name, "nonnegative=True")
        biases = _check.holdable(_check.vector(biases, "init[1]", n_items), "init[1]", self.dtype)
        return Rows(factors, biases.astype(self.dtype))

    def side(self, ratings: Csr, mean: float) -> Side:
        """One side's rows without the mean, with weights of 1 and the regularisation of each."""
        regularization = self.regularization * np.diff(ratings.indptr) ** self.regularization_exponent
        centred = ratings.data - self.dtype.type(mean)
        return Side(ratings._replace(data=np.ones_like(ratings.data)), centred, regularization, 0.0)

    def fixed(self, other: Rows) -> Fixed:
        """The other side, with a column that a bias multiplies."""
        return Fixed(beside(other.factors, 1) if self.biases else other.factors, self.n_threads)

    def half_step(self, side: Side, other: Rows) -> Rows:
        """Solve one side against the other."""
        return self.solved(side, self.fixed(other), other.biases, "user_items")

    def solved(self, side: Side, fixed: Fixed, fixed_biases: Array, name: str) -> Rows:
        """Factors and biases of rows whose ratings, which came as ``name``, still hold the other side's biases."""
        if fixed_biases.any():  # which there may be without biases of these rows
            side = side._replace(targets=side.targets - fixed_biases[side.weights.indices])
        if self.nonnegative:
            n_factors = fixed.factors.shape[1] - self.biases
            solutions = solve_nonnegative(side, fixed, n_factors, self.n_threads, name)
        else:
            solutions = solve(side, fixed, self.tol, self.n_threads).upright(self.n_threads)
        _check.finite(solutions, f"solutions for {name}")
        if not self.biases:
            return Rows(solutions, np.zeros(len(solutions), solutions.dtype))
        return Rows(np.ascontiguousarray(solutions[:, :-1]), solutions[:, -1].copy())


def _epochs(
    ratings: Csr,
    of_users: Rows,
    of_items: Rows,
    options: Options,
    watch: Watch,
    compute_loss: bool = False,
    callback: Callable[[int, float, float], Any] | None = None,
    advance: Callable[[], Any] = lambda: None,
) -> dict[str, Any]:
    """Solve the users, then the items, and again, from given factors and biases."""
    mean = options.mean(ratings)
    users, items = options.side(ratings, mean), options.side(transposed(ratings, options.n_threads), mean)
    losses: list[float] = []
    errors: list[float] = []

    def learned() -> dict[str, Any]:
        sides = {
            "user_factors_": of_users.factors,
            "user_biases_": of_users.biases,
            "item_factors_": of_items.factors,
            "item_biases_": of_items.biases,
            "mean_": mean,
        }
        return sides | ({"loss_": np.array(losses), "rmse_": np.array(errors)} if compute_loss else {})

    def step() -> float:
        nonlocal of_users, of_items
        of_users = options.half_step(users, of_items)
        of_items = options.half_step(items, of_users)
        if not compute_loss:
            return 0.0
        missed = squared_error(ratings, of_users.queries(mean), of_items.ranked(), options.n_threads)
        errors.append(math.sqrt(missed / len(ratings.data)) if len(ratings.data) else math.nan)
        losses.append(missed + users.penalty(of_users.joined()) + items.penalty(of_items.joined()))
        return losses[-1]

    return watch.epochs(step, learned, callback, advance)
