"""Logistic matrix factorisation: the probability that a user has an item."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from fastrec import _check, _dispatch, _random, _threads
from fastrec._blocks import aligned_copy, even_bounds, filters_of, pool_of
from fastrec._transpose import transposed
from fastrec._types import Array, Csr, Ids
from fastrec.models.base import FactorModel, beside
from fastrec.models.descent import (
    FOLD_IN_PASSES,
    FOR_EPOCHS,
    FOR_ITEMS,
    FOR_USERS,
    NOTHING,
    SAMPLINGS,
    Callback,
    Side,
    check_converging,
    check_memory,
    interactions,
    run_epochs,
    weighs_by_value,
    weights_of,
)
from fastrec.models.stopping import EarlyStopping, Learned, Watch

_START_DEVIATION = 0.1
_BLOCKS = 64  # of rows, in a half of an epoch
_BYTES_AN_INTERACTION = 36.0  # by user and by item: values, ids, filters, and what negatives are drawn from
_USERS, _ITEMS = 0, 1  # sides


class LogisticMF(FactorModel):
    """Logistic matrix factorisation: factors by which the log odds that a user has an item are s_ui.

    Maximises, over interactions (u, i) and a random sample of the pairs (u, j) without one,

        sum w_ui ln sigma(s_ui) + sum ln (1 - sigma(s_uj)) - regularization / 2 (sum_u |x_u|^2 + b_u^2 + sum_i ...)

    where s_ui = x_u . y_i + b_u + b_i. An epoch takes one step of every user on all that this user's row adds to it,
    then one of every item.

    Parameters
    ----------
    n_factors : int, at least 1
        Length of every factor.
    learning_rate : float, at least 0
        Length of a step. One that is too large ends ``fit`` with an error; plain descent needs a small one.
    regularization : float, at least 0
        Weight of the squared factors, and biases, of each row.
    n_epochs : int, at least 0
        Passes over the users, then over the items.
    n_negatives : int, at least 0
        Drawn in each half of an epoch for every interaction there is, the same number for each row.
    optimizer : {"adagrad", "sgd"}
        Steps with a rate for every number, by its own past gradients, or plain ones.
    negative_sampling : {"uniform", "popularity"}
        Negatives are drawn alike, or as often as they have interactions.
    biases : bool
        Whether users and items have biases; else they are 0.
    sample_weight : {None, "value"}
        w_ui is 1, or the value of the interaction: Johnson's alpha r, scaled before.
    random_state : int, Generator, RandomState or None
        Seed of the start and of everything drawn.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Attributes
    ----------
    user_factors_ : ndarray of float32, shape (n_users, n_factors)
    item_factors_ : ndarray of float32, shape (n_items, n_factors)
        Rows without interactions in ``fit`` are zero.
    user_biases_ : ndarray of float32, shape (n_users,)
    item_biases_ : ndarray of float32, shape (n_items,)
        With ``biases`` only.
    item_counts_ : ndarray of int64, shape (n_items,)
        Users of every item.
    n_negatives_ : int
        Drawn for every user in an epoch.
    seed_, n_epochs_ : int
        The seed that was used, and the epochs that the factors have had: `partial_fit` goes on from these.
    user_squares_, item_squares_, user_bias_squares_, item_bias_squares_ : ndarray of float32
        Sums of squared gradients, with ``optimizer="adagrad"`` only.
    validation_scores_ : ndarray of float64
        Every value of a callable score that ``early_stopping`` looked at.

    Notes
    -----
    Johnson, "Logistic matrix factorization for implicit feedback data", 2014; Duchi, Hazan and Singer, "Adaptive
    subgradient methods", 2011. The rows of a side do not depend on each other, and what is drawn is keyed by epoch,
    side, row and position, so that the same bits come out at any number of threads of one machine: docs/gradient.md. A
    negative is left out when 16 draws find nothing that the row has not. The loss that callbacks get is the mean, over
    samples as they were met, of the probability that the model gave to what is not so. An epoch takes
    O(nnz (1 + n_negatives) n_factors); memory is the factors, twice with Adagrad, and 36 bytes an interaction.

    New users, known ones with ``recalculate`` and those named to `partial_fit` are folded in by 30 steps from zero,
    item factors fixed, with negatives that depend on the step and the position in the row only: the same row has the
    same factors.

    Examples
    --------
    >>> import fastrec, numpy, scipy.sparse
    >>> user_items = scipy.sparse.csr_array(numpy.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]], dtype="float32"))
    >>> model = fastrec.LogisticMF(n_factors=2, regularization=0.1, random_state=0).fit(user_items)
    >>> model.recommend(2, user_items[[2]], k=1, exclude_seen=False).items[0, 0] in (2, 3)
    True
    """

    _learned = ("user_factors_", "item_factors_", "item_counts_", "n_negatives_", "seed_", "n_epochs_")
    _optional = (
        "user_biases_", "item_biases_", "user_squares_", "item_squares_", "user_bias_squares_", "item_bias_squares_",
        "validation_scores_",
    )  # fmt: skip
    item_counts_: npt.NDArray[np.int64]
    user_biases_: Array
    item_biases_: Array
    n_negatives_: int
    seed_: int
    n_epochs_: int

    def __init__(
        self,
        n_factors: int = 64,
        *,
        learning_rate: float = 0.3,
        regularization: float = 0.6,
        n_epochs: int = 30,
        n_negatives: int = 2,
        optimizer: str = "adagrad",
        negative_sampling: str = "uniform",
        biases: bool = True,
        sample_weight: str | None = None,
        random_state: Any = None,
        n_threads: int | None = None,
    ) -> None:
        self.n_factors = n_factors
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.n_epochs = n_epochs
        self.n_negatives = n_negatives
        self.optimizer = optimizer
        self.negative_sampling = negative_sampling
        self.biases = biases
        self.sample_weight = sample_weight
        self.random_state = random_state
        self.n_threads = n_threads

    def fit(
        self,
        user_items: Any,
        y: Any = None,
        *,
        early_stopping: EarlyStopping | None = None,
        callback: Callback | None = None,
        progress: bool = False,
    ) -> Self:
        """Learn factors from interactions.

        Parameters
        ----------
        user_items : sparse matrix, shape (n_users, n_items)
            Any format, index dtype and order; duplicates are summed, zeros dropped; negative values, NaN and inf are
            errors. What the values are matters with ``sample_weight="value"`` only.
        y : ignored
            scikit-learn's pipelines pass it.
        early_stopping : EarlyStopping, optional
            Ends before ``n_epochs``.
        callback : callable, optional
            Called as ``callback(epoch, seconds, loss)`` after every epoch, counted from 0.
        progress : bool
            Show a bar on stderr (needs tqdm).

        Returns
        -------
        LogisticMF
            The model itself. It is unchanged when anything was raised.

        Raises
        ------
        ValueError
            Among others: the learning rate was so large that factors became NaN or inf; names the epoch.
        """
        options = self._options()
        watch = Watch(early_stopping, self, options.n_epochs)
        seed, rows = _random.seed_of(self.random_state), interactions(user_items)
        progress = _check.flag(progress, "progress")
        return self._learn(_epochs(rows, {}, options, seed, range(options.n_epochs), watch, callback, progress))

    def partial_fit(self, user_items: Any, *, users: Any = None, n_epochs: int = 1) -> Self:
        """Further epochs on all users, or changed and new users against the items as they are.

        Parameters
        ----------
        user_items : sparse matrix, shape (len(users), n_items)
            Row r belongs to ``users[r]``; the items are those of ``fit``.
        users : list of int, optional
            They are folded in: ids below the number of users replace, others are appended; users between have zeros.
            Default: all users in order, who may have become more.
        n_epochs : int, at least 0
            Further epochs over all rows; given users are folded in once, whatever it is.

        Returns
        -------
        LogisticMF
            The model itself. It is unchanged when anything was raised.

        Notes
        -----
        With all users this continues `fit`: ten epochs and ten more have the bits of twenty.
        """
        n_epochs = _check.integer(n_epochs, "n_epochs", 0)
        options, rows = self._options(), interactions(user_items)
        if users is None and not self.__sklearn_is_fitted__():
            seed, epochs = _random.seed_of(self.random_state), range(n_epochs)
            return self._learn(_epochs(rows, {}, options, seed, epochs, Watch(None, self, n_epochs)))
        self._check_fitted()
        ids = np.arange(rows.shape[0]) if users is None else _check.unique_ids(users, "users")
        _check.row_of_each(rows.shape, len(ids), "users", self._n_items())
        _check.same_size(options.n_factors, "n_factors", self.item_factors_.shape[1], "item_factors_", "columns")
        names = {*self._learned, *self._optional} - {"validation_scores_"}
        known = {name: getattr(self, name) for name in names if hasattr(self, name)}
        if users is None:
            _check.at_least_as_many(rows.shape, (self._n_users(), self._n_items()), "user_items")
            epochs = range(self.n_epochs_, self.n_epochs_ + n_epochs)
            return self._learn(_epochs(rows, known, options, self.seed_, epochs, Watch(None, self, n_epochs)))
        return self._learn(self._solved(rows, options).put_into(known, "user", ids))

    def _fold_in(self, rows: Csr, n_threads: int) -> Array:
        _check.not_negative(rows.data, "user_items", "interactions")
        solved = self._solved(rows, self._options()._replace(n_threads=n_threads))
        return self._as_queries(solved.factors[:, : self.item_factors_.shape[1]], solved.biases)

    def _solved(self, rows: Csr, options: Options) -> Side:
        """Users with these rows, learned against the items as they are."""
        items = self._derived("items of kernels", self.item_factors_, lambda: aligned_copy(self.item_factors_))
        drawn = self._derived(
            f"drawn by {self.negative_sampling}",
            self.item_counts_,
            lambda: pool_of(self.item_counts_, options.by_popularity),
        )
        biased = self._has_biases
        options = options._replace(n_factors=self.item_factors_.shape[1], biased=biased)
        half = Half.of(rows, options, self.n_negatives_, drawn)
        users = Side.zeros(rows.shape[0], options.n_factors, adaptive=options.adaptive, biased=biased)
        fixed = Side(items, self.item_biases_ if biased else NOTHING, NOTHING, options.n_factors, False, biased)
        for number in range(FOLD_IN_PASSES):
            lost = half.step(users, fixed, options, np.uint64(0), number, _USERS, by_row=False)
            _check.converging(lost, "folding in")
        check_converging("folding in", users.factors, users.biases)
        return users

    def _ranked_items(self) -> Array:
        if not self._has_biases:
            return self.item_factors_
        both = self.item_factors_, self.item_biases_
        return self._derived("items with biases", both, lambda: beside(self.item_factors_, 1, self.item_biases_))

    def _queries(self, users: npt.NDArray[np.int64]) -> Array:
        return self._as_queries(self.user_factors_[users], self.user_biases_[users] if self._has_biases else NOTHING)

    def _as_queries(self, factors: Array, biases: Array) -> Array:
        """Factors of users, with what the items' columns of biases are multiplied by."""
        return beside(factors, biases, 1) if self._has_biases else factors

    @property
    def _has_biases(self) -> bool:
        return hasattr(self, "item_biases_")

    def _options(self) -> Options:
        return Options(
            n_factors=_check.integer(self.n_factors, "n_factors", 1, np.iinfo(np.int32).max),
            learning_rate=_check.single(self.learning_rate, "learning_rate"),
            regularization=_check.single(self.regularization, "regularization"),
            n_epochs=_check.integer(self.n_epochs, "n_epochs", 0),
            n_negatives=_check.integer(self.n_negatives, "n_negatives", 0, np.iinfo(np.int32).max),
            adaptive=_check.choice(self.optimizer, "optimizer", ("sgd", "adagrad")) == "adagrad",
            by_popularity=_check.choice(self.negative_sampling, "negative_sampling", SAMPLINGS) == "popularity",
            biased=_check.flag(self.biases, "biases"),
            weighted=weighs_by_value(self.sample_weight),
            n_threads=_threads.resolve(self.n_threads),
        )

    def _check_learned(self) -> None:
        super()._check_learned()
        there = {name: hasattr(self, name) for name in self._optional}
        squares, biases = there["item_squares_"], there["item_biases_"]
        for side in ("user", "item"):
            _check.attributes(
                there,
                {
                    f"{side}_biases_": biases,
                    f"{side}_squares_": squares,
                    f"{side}_bias_squares_": squares and biases,
                },
            )
        _check.same_size(len(self.item_counts_), "item_counts_", self._n_items(), "item_factors_", "rows")
        _check.integer(self.n_negatives_, "n_negatives_", 0)
        _check.integer(self.seed_, "seed_", 0)
        _check.integer(self.n_epochs_, "n_epochs_", 0)


class Options(NamedTuple):
    """Checked parameters."""

    n_factors: int
    learning_rate: np.float32
    regularization: np.float32
    n_epochs: int
    n_negatives: int
    adaptive: bool
    by_popularity: bool
    biased: bool
    weighted: bool
    n_threads: int

    def negatives_of_each(self, rows: Csr) -> int:
        """Negatives of every row, so that all rows together have ``n_negatives`` for each interaction."""
        return -(-self.n_negatives * len(rows.indices) // max(rows.shape[0], 1))


class Half(NamedTuple):
    """Half of an epoch: rows of one side, how many negatives each has, and what these are drawn from."""

    rows: Csr
    n_negatives: int
    weights: Array
    filters: Array
    pool: Ids
    bounds: npt.NDArray[np.int64]
    losses: Array

    @classmethod
    def of(cls, rows: Csr, options: Options, n_negatives: int, pool: Ids) -> Half:
        """Made once for all epochs."""
        weights = weights_of(rows, options.weighted)
        filters, bounds = filters_of(rows, options.n_threads), even_bounds(rows.indptr, _BLOCKS)
        return cls(rows, n_negatives, weights, filters, pool, bounds, np.zeros(rows.shape[0]))

    @property
    def n_samples(self) -> int:
        """Of all rows."""
        return len(self.rows.indices) + self.n_negatives * int(np.count_nonzero(np.diff(self.rows.indptr)))

    def step(
        self, side: Side, fixed: Side, options: Options, key: np.uint64, epoch: int, of: int, *, by_row: bool = True
    ) -> float:
        """One step of every row; the sum of losses, in one order."""
        _threads.run_blocks(
            _dispatch.kernel("logistic_rows"), len(self.bounds) - 1, options.n_threads, self.bounds, key, epoch, of,
            np.uint64(by_row), self.n_negatives, self.rows.indices, self.rows.indptr, self.weights, self.filters,
            self.pool, fixed.factors, fixed.biases, side.factors, side.biases,
            side.bias_squares, options.adaptive, options.learning_rate,
            options.regularization, self.losses, rows_a_block=1,
        )  # fmt: skip
        return float(self.losses.sum())


def _epochs(
    rows: Csr,
    known: Learned,
    options: Options,
    seed: int,
    epochs: range,
    watch: Watch,
    callback: Callback | None = None,
    progress: bool = False,
) -> Learned:
    """Steps of the users, then of the items, and again, from what is known or from the start."""
    check_memory(rows.shape[0], rows, options.n_factors, options.adaptive, _BYTES_AN_INTERACTION)
    columns = transposed(rows, options.n_threads)
    of_users, of_items = np.diff(rows.indptr), np.diff(columns.indptr)
    user_half, item_half = (
        Half.of(matrix, options, options.negatives_of_each(matrix), pool_of(of_others, options.by_popularity))
        for matrix, of_others in ((rows, of_items), (columns, of_users))
    )
    users, items = (
        Side.zeros(len(lengths), options.n_factors, adaptive=options.adaptive, biased=options.biased)
        for lengths in (of_users, of_items)
    )
    for side, name, lengths, purpose in ((users, "user", of_users, FOR_USERS), (items, "item", of_items, FOR_ITEMS)):
        side.start(lengths, _random.keyed(seed, purpose), _START_DEVIATION, options.n_threads)
        side.go_on(known, name)
    key, n_samples = _random.keyed(seed, FOR_EPOCHS), max(user_half.n_samples + item_half.n_samples, 1)

    def step(epoch: int) -> float:
        wrong = user_half.step(users, items, options, key, epoch, _USERS)
        return (wrong + item_half.step(items, users, options, key, epoch, _ITEMS)) / n_samples

    counted = {"item_counts_": of_items.astype(np.int64), "n_negatives_": user_half.n_negatives, "seed_": seed}

    def learned() -> Learned:
        return {**counted, **users.learned("user"), **items.learned("item")}

    return run_epochs(epochs, step, learned, watch, callback, "LogisticMF", progress)
