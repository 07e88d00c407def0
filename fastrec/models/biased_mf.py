"""Biased matrix factorisation of ratings by stochastic gradient descent."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Self

import numpy as np

from fastrec import _check, _dispatch, _random, _threads
from fastrec._blocks import Blocks, aligned_copy
from fastrec._types import Array, Csr
from fastrec.models.descent import (
    FOR_EPOCHS,
    FOR_ITEMS,
    FOR_USERS,
    NOTHING,
    Callback,
    Side,
    check_converging,
    check_memory,
    run_epochs,
)
from fastrec.models.ratings import RatingModel, Rows, mean_of, squared_error
from fastrec.models.stopping import EarlyStopping, Learned, Watch

_START_DEVIATION = 0.1
_USERS_A_BLOCK = 64  # of those folded in
_BYTES_A_RATING = 16.0
_SIDES = ("user", "item")


class BiasedMF(RatingModel):
    """Matrix factorisation of ratings with biases by stochastic gradient descent: "SVD" of the Netflix prize.

    Predicts the rating of item i by user u as mean + b_u + b_i + x_u.y_i, and lowers

        sum_ratings (r - mean - b_u - b_i - x_u.y_i)^2 + regularization (b_u^2 + b_i^2 + |x_u|^2 + |y_i|^2)

    by a step for each rating of each epoch; mean is that of all ratings. `ExplicitALS` minimises the same to the end.

    Parameters
    ----------
    n_factors : int, at least 0
        Length of every factor; 0 leaves the biases alone, the usual baseline.
    learning_rate : float, at least 0
        Length of a step. One that is too large ends ``fit`` with an error.
    regularization : float, at least 0
        Weight of the squared factors, and biases, of each rating.
    n_epochs : int, at least 0
        Passes; each takes every rating once.
    optimizer : {"sgd", "adagrad"}
        Plain steps, or steps with a rate for every number, by its own past gradients, which want a larger rate.
    biases : bool
        Without them nothing is subtracted: a rating is predicted as x_u.y_i, all biases and the mean are 0.
    random_state : int, Generator, RandomState or None
        Seed of the start and of the order of the ratings.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Attributes
    ----------
    user_factors_ : ndarray of float32, shape (n_users, n_factors)
    item_factors_ : ndarray of float32, shape (n_items, n_factors)
    user_biases_ : ndarray of float32, shape (n_users,)
    item_biases_ : ndarray of float32, shape (n_items,)
        Rows without ratings are zero.
    mean_ : float
        The mean rating, rounded to float32.
    seed_, n_epochs_ : int
        The seed that was used, and the epochs that the factors have had: `partial_fit` goes on from these.
    loss_ : ndarray of float64, shape (n_epochs,)
        The loss after each epoch, when ``fit`` was asked for it.
    rmse_ : ndarray of float64, shape (n_epochs,)
        Root of the mean squared error on the ratings that are learned from, likewise; NaN where there are none.
    user_squares_, item_squares_, user_bias_squares_, item_bias_squares_ : ndarray of float32
        Sums of squared gradients, with ``optimizer="adagrad"`` only.
    validation_scores_ : ndarray of float64
        Every value of a callable score that ``early_stopping`` looked at.

    Notes
    -----
    A stored zero is a rating of 0, here and in `recommend`; in a dense matrix a zero is no rating. Ratings stored twice
    are summed, as everywhere in fastrec. Factors start uniform with mean 0 and deviation 0.1, biases at 0.

    Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems", 2009; Duchi, Hazan and Singer,
    "Adaptive subgradient methods", 2011. Blocks of users and items that have nothing in common (Gemulla et al. 2011)
    are learned from side by side, so that the same bits come out at any number of threads of one machine:
    docs/gradient.md. An epoch takes O(nnz n_factors); memory is the factors, twice with Adagrad, and 16 bytes a rating.

    New users, known ones with ``recalculate`` and those named to `partial_fit` are folded in by as many passes of the
    same steps over their rows as the model has had, from zero, items fixed: the same row has the same factors.

    Examples
    --------
    >>> import fastrec, numpy, scipy.sparse
    >>> ratings = scipy.sparse.csr_array(numpy.array([[5, 4, 1], [4, 5, 2], [1, 0, 5]], dtype="float32"))
    >>> model = fastrec.BiasedMF(n_factors=2, n_epochs=2000, learning_rate=0.02, random_state=0).fit(ratings)
    >>> model.predict([0, 2], [0, 2]).round()
    array([5., 5.], dtype=float32)
    """

    _learned = ("user_factors_", "item_factors_", "user_biases_", "item_biases_", "mean_", "seed_", "n_epochs_")
    _optional = (
        "loss_", "rmse_", "user_squares_", "item_squares_", "user_bias_squares_", "item_bias_squares_",
        "validation_scores_",
    )  # fmt: skip
    seed_: int
    n_epochs_: int

    def __init__(
        self,
        n_factors: int = 64,
        *,
        learning_rate: float = 0.005,
        regularization: float = 0.02,
        n_epochs: int = 20,
        optimizer: str = "sgd",
        biases: bool = True,
        random_state: Any = None,
        n_threads: int | None = None,
    ) -> None:
        self.n_factors = n_factors
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.n_epochs = n_epochs
        self.optimizer = optimizer
        self.biases = biases
        self.random_state = random_state
        self.n_threads = n_threads

    def fit(
        self,
        user_items: Any,
        y: Any = None,
        *,
        compute_loss: bool = False,
        early_stopping: EarlyStopping | None = None,
        callback: Callback | None = None,
        progress: bool = False,
    ) -> Self:
        """Learn factors and biases from ratings.

        Parameters
        ----------
        user_items : sparse matrix, shape (n_users, n_items)
            Any format, index dtype and order; stored zeros are ratings; duplicates are summed; NaN and inf are errors.
        y : ignored
            scikit-learn's pipelines pass it.
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
        BiasedMF
            The model itself. It is unchanged when anything was raised.

        Raises
        ------
        ValueError
            Among others: the learning rate was so large that factors became NaN or inf; names the epoch.
        """
        options, seed = self._options(), _random.seed_of(self.random_state)
        watch = Watch(early_stopping, self, options.n_epochs)
        _check.callback(callback)
        compute_loss = _check.flag(compute_loss, "compute_loss") or callback is not None or watch.needs_loss
        progress = _check.flag(progress, "progress")
        run = Run.of(_ratings(user_items), {}, options, seed)
        return self._learn(run.through(range(options.n_epochs), watch, compute_loss, callback, progress))

    def partial_fit(self, user_items: Any, *, users: Any = None, n_epochs: int = 1) -> Self:
        """Take in changed and new users, or learn on from all rows.

        Parameters
        ----------
        user_items : sparse matrix, shape (len(users), n_items)
            Row r belongs to ``users[r]``.
        users : list of int, optional
            They are folded in, items and mean as they are: ids below the number of users replace, others are appended;
            users between are zero. Default: all users in order, who may have become more, as may items; the mean is
            taken again.
        n_epochs : int, at least 0
            Further epochs over all rows; given users are folded in once, whatever it is.

        Returns
        -------
        BiasedMF
            The model itself. It is unchanged when anything was raised. ``loss_`` and what else told of the fit before
            is gone.

        Notes
        -----
        With all users this continues `fit`: ten epochs and ten more have the bits of twenty.
        """
        n_epochs = _check.integer(n_epochs, "n_epochs", 0)
        if users is None:
            return self._learn_on(_ratings(user_items), n_epochs)
        self._check_fitted()
        ids, rows = _check.unique_ids(users, "users"), _ratings(user_items)
        _check.row_of_each(rows.shape, len(ids), "users", self._n_items())
        options, known = self._options_now(), self._known()
        return self._learn(self._solved(rows, options).put_into(known, "user", ids))

    def _learn_on(self, ratings: Csr, n_epochs: int) -> Self:
        options, known, seed, first = self._options_now(), {}, 0, 0
        if self.__sklearn_is_fitted__():
            _check.at_least_as_many(ratings.shape, (self._n_users(), self._n_items()), "user_items")
            known, seed, first = self._known(), self.seed_, self.n_epochs_
            if not options.biases:
                known = {name: values for name, values in known.items() if "bias" not in name}
        else:
            seed = _random.seed_of(self.random_state)
        run = Run.of(ratings, known, options, seed)
        return self._learn(run.through(range(first, first + n_epochs), Watch(None, self, n_epochs), False))

    def _known(self) -> Learned:
        """What was learned that further epochs go on from."""
        squares = (name for name in self._optional if name.endswith("squares_"))
        return {name: getattr(self, name) for name in (*self._learned, *squares) if hasattr(self, name)}

    def _fold_in(self, rows: Csr, n_threads: int) -> Array:
        options = self._options_now()._replace(n_threads=n_threads)
        return _rows(self._solved(_as_floats(rows), options)).queries(self.mean_)

    def _solved(self, rows: Csr, options: Options) -> Side:
        """Users with these rows, learned against the items as they are."""
        users = Side.zeros(rows.shape[0], options.n_factors, adaptive=options.adaptive, biased=True)
        items = self._derived("items of kernels", self.item_factors_, lambda: aligned_copy(self.item_factors_))
        _threads.run_blocks(
            _dispatch.kernel("rating_fold_in"), rows.shape[0], options.n_threads, rows.indices, rows.indptr, rows.data,
            items, self.item_biases_, options.biases, self.n_epochs_, options.adaptive, *options.steps,
            np.float32(self.mean_), users.factors, users.biases, users.bias_squares, rows_a_block=_USERS_A_BLOCK,
        )  # fmt: skip
        check_converging("folding in", users.factors, users.biases)
        return users

    def _options_now(self) -> Options:
        """The parameters, with the form of the factors that there are."""
        options = self._options()
        return options._replace(n_factors=self.item_factors_.shape[1]) if self.__sklearn_is_fitted__() else options

    def _options(self) -> Options:
        return Options(
            n_factors=_check.integer(self.n_factors, "n_factors", 0, np.iinfo(np.int32).max),
            learning_rate=_check.single(self.learning_rate, "learning_rate"),
            regularization=_check.single(self.regularization, "regularization"),
            n_epochs=_check.integer(self.n_epochs, "n_epochs", 0),
            adaptive=_check.choice(self.optimizer, "optimizer", ("sgd", "adagrad")) == "adagrad",
            biases=_check.flag(self.biases, "biases"),
            n_threads=_threads.resolve(self.n_threads),
        )

    def _check_learned(self) -> None:
        super()._check_learned()
        there = {name: hasattr(self, name) for name in self._optional}
        expected = {
            f"{side}_{what}_": there["item_squares_"] for side in _SIDES for what in ("squares", "bias_squares")
        }
        _check.attributes(there, expected)
        _check.integer(self.seed_, "seed_", 0)
        _check.integer(self.n_epochs_, "n_epochs_", 0)


class Options(NamedTuple):
    """Checked parameters."""

    n_factors: int
    learning_rate: np.float32
    regularization: np.float32
    n_epochs: int
    adaptive: bool
    biases: bool
    n_threads: int

    @property
    def steps(self) -> tuple[np.float32, np.float32]:
        """What kernels are told of a step."""
        return self.learning_rate, self.regularization


class Run(NamedTuple):
    """Ratings, and what is learned from them."""

    ratings: Csr
    mean: float
    users: Side
    items: Side
    options: Options
    seed: int

    @classmethod
    def of(cls, ratings: Csr, known: Learned, options: Options, seed: int) -> Run:
        """From what is known, or from the start."""
        check_memory(ratings.shape[0], ratings, options.n_factors, options.adaptive, _BYTES_A_RATING)
        of_users, of_items = np.diff(ratings.indptr), np.bincount(ratings.indices, minlength=ratings.shape[1])
        users, items = (
            Side.zeros(len(lengths), options.n_factors, adaptive=options.adaptive, biased=True)
            for lengths in (of_users, of_items)
        )
        for side, name, lengths, purpose in (
            (users, "user", of_users, FOR_USERS), (items, "item", of_items, FOR_ITEMS)
        ):  # fmt: skip
            side.start(lengths, _random.keyed(seed, purpose), _START_DEVIATION, options.n_threads)
            side.go_on(known, name)
        return cls(ratings, mean_of(ratings) if options.biases else 0.0, users, items, options, seed)

    def through(
        self,
        epochs: range,
        watch: Watch,
        compute_loss: bool,
        callback: Callback | None = None,
        progress: bool = False,
    ) -> Learned:
        """Run epochs, as many as the watch lets pass; what was learned."""
        options, n_ratings = self.options, len(self.ratings.data)
        key = _random.keyed(self.seed, FOR_EPOCHS)
        blocks = Blocks(self.ratings, self.ratings.data, key, options.n_threads)
        learn = _dispatch.kernel("rating_cell")
        biases = (self.users.biases, self.items.biases) if options.biases else (NOTHING, NOTHING)
        losses: list[float] = []
        errors: list[float] = []

        def step(epoch: int) -> float:
            met = blocks.run_epoch(
                epoch, learn, self.users.factors, self.items.factors, *biases, self.users.bias_squares,
                self.items.bias_squares, options.adaptive, *options.steps, np.float32(self.mean),
            )  # fmt: skip
            if not compute_loss or not math.isfinite(met):
                return met
            of_users, of_items = _rows(self.users), _rows(self.items)
            ranked = of_items.ranked()
            missed = squared_error(self.ratings, of_users.queries(self.mean), ranked, options.n_threads)
            errors.append(math.sqrt(missed / n_ratings) if n_ratings else math.nan)
            losses.append(missed + self._penalty(of_users, of_items))
            return losses[-1]

        def learned() -> Learned:
            sides = self.users.learned("user") | self.items.learned("item")
            told = {"loss_": np.array(losses), "rmse_": np.array(errors)} if compute_loss else {}
            return {"mean_": self.mean, "seed_": self.seed, **sides, **told}

        return run_epochs(epochs, step, learned, watch, callback, "BiasedMF", progress)

    def _penalty(self, of_users: Rows, of_items: Rows) -> float:
        """The penalty of all ratings."""
        of_columns = np.bincount(self.ratings.indices, minlength=self.ratings.shape[1])
        return float(self.options.regularization) * sum(
            float(lengths @ np.square(rows.joined(), dtype=np.float64).sum(axis=1))
            for lengths, rows in ((np.diff(self.ratings.indptr), of_users), (of_columns, of_items))
        )


def _rows(side: Side) -> Rows:
    return Rows(side.factors[:, : side.n_factors], side.biases)


def _ratings(user_items: Any) -> Csr:
    return _as_floats(_check.csr(user_items, "user_items", keep_zeros=True))


def _as_floats(rows: Csr) -> Csr:
    return rows._replace(data=_check.squarable(rows.data, "user_items").astype(np.float32, copy=False))
