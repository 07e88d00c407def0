"""Models of pairs of items by stochastic gradient descent: in parallel, with the same bits at any number of threads."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from fastrec import _check, _dispatch, _random, _threads
from fastrec._blocks import Blocks, aligned_copy, aligned_rows, filters_of, padded, pool_of, uniform_start
from fastrec._types import Array, Csr
from fastrec.models.base import FactorModel
from fastrec.models.descent import (
    FOLD_IN_PASSES,
    FOR_EPOCHS,
    FOR_ITEMS,
    FOR_USERS,
    NOTHING,
    SAMPLINGS,
    START_OF_SQUARES,
    Callback,
    before_any_step,
    check_converging,
    check_memory,
    interactions,
    run_epochs,
    weighs_by_value,
    weights_of,
)
from fastrec.models.fold_in import with_rows
from fastrec.models.stopping import EarlyStopping, Learned, Watch

_USERS_A_BLOCK = 64  # of those folded in
_BYTES_AN_INTERACTION = 18.0


class Options(NamedTuple):
    """Checked parameters."""

    n_factors: int
    learning_rate: np.float32
    regularization: np.float32
    n_epochs: int
    adaptive: bool
    by_popularity: bool
    item_bias: bool
    weighted: bool
    n_threads: int

    def check_memory(self, n_users: int, rows: Csr) -> None:
        """Refuse factors that do not fit."""
        check_memory(n_users, rows, self.n_factors, self.adaptive, _BYTES_AN_INTERACTION)


class State(NamedTuple):
    """What training changes: rows of factors, beside them with Adagrad the sums of their squared gradients."""

    users: Array
    items: Array
    biases: Array
    bias_squares: Array

    def learned(self, options: Options) -> Learned:
        """Views of it as attributes."""
        n, width = options.n_factors, padded(options.n_factors)
        found = {"user_factors_": self.users[:, :n], "item_factors_": self.items[:, :n]}
        if options.item_bias:
            found["item_biases_"] = self.biases
        if options.adaptive:
            found["user_squares_"] = self.users[:, width : width + n]
            found["item_squares_"] = self.items[:, width : width + n]
            if options.item_bias:
                found["bias_squares_"] = self.bias_squares
        return {name: np.ascontiguousarray(values) for name, values in found.items()}


class Run(NamedTuple):
    """What epochs go through."""

    rows: Csr
    counts: npt.NDArray[np.int64]  # users of every item
    options: Options
    seed: int
    epochs: range

    @property
    def times_drawn(self) -> npt.NDArray[np.int64]:
        """How often each item is among those that negatives are drawn from."""
        return self.counts if self.options.by_popularity else np.ones_like(self.counts)


class Kernels(NamedTuple):
    """What a model computes with: names of kernels, and the arguments that only these have."""

    cell: str
    fold_in: str
    own: tuple[Any, ...] = ()
    folds_in_by_adagrad: bool = False


class PairwiseModel(FactorModel):
    """Learns to score what users have above what they have not."""

    _learned = ("user_factors_", "item_factors_", "item_counts_", "seed_", "n_epochs_")
    _optional = ("item_biases_", "user_squares_", "item_squares_", "bias_squares_", "validation_scores_")
    _n_parts = 1  # of an epoch, each with blocks of items of its own
    _start_deviation = 0.06

    n_factors: int
    learning_rate: float
    regularization: float
    n_epochs: int
    optimizer: str
    negative_sampling: str
    item_bias: bool
    sample_weight: str | None
    random_state: Any
    item_counts_: npt.NDArray[np.int64]
    item_biases_: Array
    seed_: int
    n_epochs_: int

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
        The model itself. It is unchanged when anything was raised.

        Raises
        ------
        ValueError
            Among others: the learning rate was so large that factors became NaN or inf; names the epoch.
        """
        options = self._options()
        watch = Watch(early_stopping, self, options.n_epochs)
        seed, rows = _random.seed_of(self.random_state), interactions(user_items)
        options.check_memory(rows.shape[0], rows)
        state = self._continued(rows, np.arange(rows.shape[0]), {}, options, seed)
        run = Run(rows, _users_of_items(rows), options, seed, range(options.n_epochs))
        return self._learn(self._epochs(run, state, watch, callback, _check.flag(progress, "progress")))

    def partial_fit(
        self, user_items: Any, *, users: Any = None, n_epochs: int = 1, callback: Callback | None = None
    ) -> Self:
        """Further epochs, on all users or on some, of which some may be new.

        Parameters
        ----------
        user_items : sparse matrix, shape (len(users), n_items)
            Row r belongs to ``users[r]``; the items are those of ``fit``.
        users : list of int, optional
            Ids below the number of users go on from their factors; others are appended, and users between them and the
            known ones have zeros. Default: all users in order.
        n_epochs : int, at least 0
            Passes over these rows.
        callback : callable, optional
            As in `fit`; epochs are counted on.

        Returns
        -------
        The model itself. It is unchanged when anything was raised.

        Notes
        -----
        With all users this continues `fit`: ten epochs and ten more have the bits of twenty. With some, the factors of
        these change, and those of the items that they have or that were drawn against them.
        """
        n_epochs, options = _check.integer(n_epochs, "n_epochs", 0), self._options()
        if not self.__sklearn_is_fitted__():
            if users is not None:
                self._check_fitted()
            first = type(self)(**{**self.get_params(), "n_epochs": n_epochs}).fit(user_items, callback=callback)
            return self._learn(first._state_of_learning())
        rows = interactions(user_items)
        ids = np.arange(rows.shape[0]) if users is None else _check.unique_ids(users, "users")
        if users is None:
            _check.at_least_as_many(rows.shape, (self._n_users(), self._n_items()), "user_items")
        _check.row_of_each(rows.shape, len(ids), "users", self._n_items())
        _check.same_size(options.n_factors, "n_factors", self.item_factors_.shape[1], "item_factors_", "columns")
        n_after = max(self._n_users(), int(ids.max(initial=-1)) + 1)
        options.check_memory(n_after, rows)
        known = self._state_of_learning()
        state = self._continued(rows, ids, known, options, self.seed_)
        counts = _users_of_items(rows)
        if users is not None:
            counts = np.maximum(counts, self.item_counts_)
        run = Run(rows, counts, options, self.seed_, range(self.n_epochs_, self.n_epochs_ + n_epochs))
        learned = self._epochs(run, state, Watch(None, self, n_epochs), callback, False)
        for name in {"user_factors_", "user_squares_"} & set(learned):
            new = before_any_step(name)
            before = known.get(name, np.full(self.user_factors_.shape, new, np.float32))
            learned[name] = with_rows(before, ids, learned[name], new=new)
        return self._learn(learned)

    @abstractmethod
    def _kernels(self, n_items: int) -> Kernels:
        """What learns from cells and folds users in."""

    def _epochs(self, run: Run, state: State, watch: Watch, callback: Callback | None, progress: bool) -> Learned:
        """Run epochs, as many as the watch lets pass; what was learned."""
        options, n_samples = run.options, max(len(run.rows.indices), 1)
        kernels = self._kernels(run.rows.shape[1])
        learn = _dispatch.kernel(kernels.cell)
        weights = weights_of(run.rows, options.weighted)
        key = _random.keyed(run.seed, FOR_EPOCHS)
        blocks = Blocks(
            run.rows, weights, key, options.n_threads, times_drawn=run.times_drawn, n_parts=self._n_parts
        )  # fmt: skip
        steps = options.learning_rate, options.regularization

        def step(epoch: int) -> float:
            return blocks.run_epoch(epoch, learn, *state, options.adaptive, *steps, *kernels.own) / n_samples

        def learned() -> Learned:
            return {"item_counts_": run.counts, "seed_": run.seed, **state.learned(options)}

        return run_epochs(run.epochs, step, learned, watch, callback, type(self).__name__, progress)

    def _continued(self, rows: Csr, ids: Array, known: Learned, options: Options, seed: int) -> State:
        """State of the users ``ids`` and of all items: as known, or at the start."""
        n, width, n_items = options.n_factors, padded(options.n_factors), rows.shape[1]
        users, items = (aligned_rows(size, n, 1 + options.adaptive) for size in (len(ids), n_items))
        users[:, width:], items[:, width:] = START_OF_SQUARES, START_OF_SQUARES
        biases = np.zeros(n_items * options.item_bias, np.float32)
        squares = np.full(n_items * options.item_bias * options.adaptive, START_OF_SQUARES, np.float32)
        for of, rows_of, purpose in ((ids, users, FOR_USERS), (np.arange(n_items), items, FOR_ITEMS)):
            uniform_start(rows_of, of, n, _random.keyed(seed, purpose), self._start_deviation, options.n_threads)
        users[np.diff(rows.indptr) == 0, :n] = 0
        if known:
            old = np.flatnonzero(ids < len(known["user_factors_"]))
            users[old, :n], items[:, :n] = known["user_factors_"][ids[old]], known["item_factors_"]
            if "user_squares_" in known and options.adaptive:
                users[old, width : width + n] = known["user_squares_"][ids[old]]
                items[:, width : width + n] = known["item_squares_"]
            for name, values in (("item_biases_", biases), ("bias_squares_", squares)):
                if name in known and len(values):
                    values[:] = known[name]
        return State(users, items, biases, squares)

    def _fold_in(self, rows: Csr, n_threads: int) -> Array:
        options = self._options()._replace(n_factors=self.item_factors_.shape[1])
        _check.not_negative(rows.data, "user_items", "interactions")
        items = self._derived("items of kernels", self.item_factors_, lambda: aligned_copy(self.item_factors_))
        drawn = self._derived(
            f"drawn by {self.negative_sampling}",
            self.item_counts_,
            lambda: pool_of(self.item_counts_, options.by_popularity),
        )
        biases = getattr(self, "item_biases_", NOTHING)
        weights = weights_of(rows, options.weighted)
        kernels, width = self._kernels(self._n_items()), padded(options.n_factors)
        out = aligned_rows(rows.shape[0], options.n_factors, 1 + kernels.folds_in_by_adagrad)
        out[:, width:] = START_OF_SQUARES
        _threads.run_blocks(
            _dispatch.kernel(kernels.fold_in), rows.shape[0], n_threads, rows.indices, rows.indptr, weights,
            filters_of(rows, n_threads), drawn, items, biases, FOLD_IN_PASSES, options.learning_rate,
            options.regularization, out, *kernels.own, rows_a_block=_USERS_A_BLOCK,
        )  # fmt: skip
        factors = out[:, : options.n_factors]
        check_converging("folding in", factors)
        return self._with_one(factors)

    def _ranked_items(self) -> Array:
        if not hasattr(self, "item_biases_"):
            return self.item_factors_
        both = self.item_factors_, self.item_biases_
        return self._derived("items with biases", both, lambda: np.column_stack(both))

    def _queries(self, users: npt.NDArray[np.int64]) -> Array:
        return self._with_one(self.user_factors_[users])

    def _with_one(self, factors: Array) -> Array:
        """Factors of users, with what is multiplied with the items' biases."""
        if not hasattr(self, "item_biases_"):
            return factors
        return np.column_stack([factors, np.ones(len(factors), factors.dtype)])

    def _options(self) -> Options:
        return Options(
            n_factors=_check.integer(self.n_factors, "n_factors", 1, np.iinfo(np.int32).max),
            learning_rate=_check.single(self.learning_rate, "learning_rate"),
            regularization=_check.single(self.regularization, "regularization"),
            n_epochs=_check.integer(self.n_epochs, "n_epochs", 0),
            adaptive=_check.choice(self.optimizer, "optimizer", ("sgd", "adagrad")) == "adagrad",
            by_popularity=_check.choice(self.negative_sampling, "negative_sampling", SAMPLINGS) == "popularity",
            item_bias=_check.flag(self.item_bias, "item_bias"),
            weighted=weighs_by_value(self.sample_weight),
            n_threads=_threads.resolve(self.n_threads),
        )

    def _state_of_learning(self) -> Learned:
        """Everything that was learned."""
        names = (*self._learned, *self._optional)
        return {name: getattr(self, name) for name in names if hasattr(self, name)}

    def _check_learned(self) -> None:
        super()._check_learned()
        for name in ("item_counts_", "bias_squares_"):
            if hasattr(self, name):
                _check.same_size(len(getattr(self, name)), name, self._n_items(), "item_factors_", "rows")
        has_squares, has_biases = hasattr(self, "user_squares_"), hasattr(self, "item_biases_")
        expected = {"item_squares_": has_squares, "bias_squares_": has_squares and has_biases}
        _check.attributes({name: hasattr(self, name) for name in expected}, expected)
        _check.integer(self.seed_, "seed_", 0)
        _check.integer(self.n_epochs_, "n_epochs_", 0)


def _users_of_items(rows: Csr) -> npt.NDArray[np.int64]:
    return np.bincount(rows.indices, minlength=rows.shape[1]).astype(np.int64)


class BPR(PairwiseModel):
    """Bayesian personalised ranking: factors by which users score what they have above what they have not.

    Maximises, over interactions (u, i) and items j that u has not, drawn at random,

        sum w_ui ln sigma(s_ui - s_uj) - regularization / 2 (|x_u|^2 + |y_i|^2 + |y_j|^2),   s_ui = x_u . y_i + b_i

    by a step for each interaction of each epoch.

    Parameters
    ----------
    n_factors : int, at least 1
        Length of every factor.
    learning_rate : float, at least 0
        Length of a step. One that is too large ends ``fit`` with an error.
    regularization : float, at least 0
        Weight of the squared factors, and biases, of each sample.
    n_epochs : int, at least 0
        Passes; each takes every interaction once.
    optimizer : {"sgd", "adagrad"}
        Plain steps, or steps with a rate for every number, by its own past gradients.
    negative_sampling : {"uniform", "popularity"}
        Items j are drawn alike, or as often as users have them.
    item_bias : bool
        Whether items have a bias b_i; else it is 0.
    sample_weight : {None, "value"}
        w_ui is 1, or the value of the interaction.
    random_state : int, Generator, RandomState or None
        Seed of the start and of everything drawn.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Attributes
    ----------
    user_factors_ : ndarray of float32, shape (n_users, n_factors)
        Rows without interactions in ``fit`` are zero.
    item_factors_ : ndarray of float32, shape (n_items, n_factors)
    item_biases_ : ndarray of float32, shape (n_items,)
        With ``item_bias`` only.
    item_counts_ : ndarray of int64, shape (n_items,)
        Users of every item, or those of ``fit`` where later a `partial_fit` of some users met fewer.
    seed_, n_epochs_ : int
        The seed that was used, and the epochs that the factors have had: `partial_fit` goes on from these.
    user_squares_, item_squares_, bias_squares_ : ndarray of float32
        Sums of squared gradients, with ``optimizer="adagrad"`` only.
    validation_scores_ : ndarray of float64
        Every value of a callable score that ``early_stopping`` looked at.

    Notes
    -----
    Rendle, Freudenthaler, Gantner and Schmidt-Thieme, "BPR: Bayesian personalized ranking from implicit feedback",
    2009; Duchi, Hazan and Singer, "Adaptive subgradient methods", 2011. Blocks of users and items that have nothing in
    common (Gemulla et al. 2011) are learned from side by side, so that the same bits come out at any number of threads
    of one machine: docs/gradient.md, which says what that does to the sampling. A sample is left out when 16 draws find
    no item that the user has not. The loss that callbacks get is the mean of 1 - sigma(s_ui - s_uj) over the samples as
    they were met. An epoch takes O(nnz n_factors); memory is the factors, twice with Adagrad, and 18 bytes an
    interaction.

    New users, and known ones with ``recalculate``, are folded in by 30 passes of plain steps over their rows, item
    factors fixed, with negatives that depend on the pass and the item only: the same row has the same factors.

    Examples
    --------
    >>> import fastrec, numpy, scipy.sparse
    >>> user_items = scipy.sparse.csr_array(numpy.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]], dtype="float32"))
    >>> model = fastrec.BPR(n_factors=2, n_epochs=200, random_state=0).fit(user_items)
    >>> model.recommend(2, user_items[[2]], k=1, exclude_seen=False).items[0, 0] in (2, 3)
    True
    """

    def __init__(
        self,
        n_factors: int = 64,
        *,
        learning_rate: float = 0.05,
        regularization: float = 0.002,
        n_epochs: int = 20,
        optimizer: str = "sgd",
        negative_sampling: str = "uniform",
        item_bias: bool = False,
        sample_weight: str | None = None,
        random_state: Any = None,
        n_threads: int | None = None,
    ) -> None:
        self.n_factors = n_factors
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.n_epochs = n_epochs
        self.optimizer = optimizer
        self.negative_sampling = negative_sampling
        self.item_bias = item_bias
        self.sample_weight = sample_weight
        self.random_state = random_state
        self.n_threads = n_threads

    def _kernels(self, n_items: int) -> Kernels:
        return Kernels("bpr_cell", "bpr_fold_in")


class WARP(PairwiseModel):
    """Weighted approximate-rank pairwise loss: factors by which users score what they have well above the rest.

    For every interaction (u, i) of every epoch, items j are drawn until one that u has not violates the margin,
    s_uj > s_ui - 1, or ``max_draws`` are made. What is found after n draws is learned from with the weight
    ln max(1, floor((n_items - 1) / n)), an estimate of the logarithm of i's rank, as a step on

        w_ui ln(rank) (1 - s_ui + s_uj) + regularization / 2 (|x_u|^2 + |y_i|^2 + |y_j|^2),   s_ui = x_u . y_i + b_i

    Parameters
    ----------
    n_factors : int, at least 1
        Length of every factor.
    learning_rate : float, at least 0
        Length of a step. One that is too large ends ``fit`` with an error; plain descent needs a small one.
    regularization : float, at least 0
        Weight of the squared factors, and biases, of each sample.
    n_epochs : int, at least 0
        Passes; each takes every interaction once.
    optimizer : {"adagrad", "sgd"}
        Steps with a rate for every number, by its own past gradients, or plain ones.
    max_draws : int, at least 1
        Draws for an interaction; one for which they find nothing is left as it is.
    negative_sampling : {"uniform", "popularity"}
        Items j are drawn alike, or as often as users have them.
    item_bias : bool
        Whether items have a bias b_i; else it is 0.
    sample_weight : {None, "value"}
        w_ui is 1, or the value of the interaction.
    random_state : int, Generator, RandomState or None
        Seed of the start and of everything drawn.
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.

    Attributes
    ----------
    user_factors_, item_factors_, item_biases_, item_counts_, seed_, n_epochs_, validation_scores_
        As in `BPR`.
    user_squares_, item_squares_, bias_squares_ : ndarray of float32
        Sums of squared gradients, with ``optimizer="adagrad"`` only.

    Notes
    -----
    Weston, Bengio and Usunier, "WSABIE: scaling up to large vocabulary image annotation", 2011. Parallel and
    reproducible as `BPR`; each epoch has four parts with blocks of items of their own: docs/gradient.md. The loss that
    callbacks get is the mean of w ln(rank) (1 - s_ui + s_uj) over the samples as they were met, 0 where none violated.
    An epoch takes O(nnz max_draws n_factors) at most.

    New users, and known ones with ``recalculate``, are folded in by 30 passes of Adagrad over their rows, item factors
    fixed, with draws that depend on the pass and the item only: the same row has the same factors.

    Examples
    --------
    >>> import fastrec, numpy, scipy.sparse
    >>> user_items = scipy.sparse.csr_array(numpy.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]], dtype="float32"))
    >>> model = fastrec.WARP(n_factors=2, n_epochs=200, random_state=0).fit(user_items)
    >>> model.recommend(2, user_items[[2]], k=1, exclude_seen=False).items[0, 0] in (2, 3)
    True
    """

    _n_parts = 4
    _start_deviation = 0.02

    def __init__(
        self,
        n_factors: int = 64,
        *,
        learning_rate: float = 0.05,
        regularization: float = 0.0,
        n_epochs: int = 20,
        optimizer: str = "adagrad",
        max_draws: int = 10,
        negative_sampling: str = "uniform",
        item_bias: bool = True,
        sample_weight: str | None = None,
        random_state: Any = None,
        n_threads: int | None = None,
    ) -> None:
        self.n_factors = n_factors
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.n_epochs = n_epochs
        self.optimizer = optimizer
        self.max_draws = max_draws
        self.negative_sampling = negative_sampling
        self.item_bias = item_bias
        self.sample_weight = sample_weight
        self.random_state = random_state
        self.n_threads = n_threads

    def _options(self) -> Options:
        _check.integer(self.max_draws, "max_draws", 1, np.iinfo(np.int32).max)
        return super()._options()

    def _kernels(self, n_items: int) -> Kernels:
        return Kernels("warp_cell", "warp_fold_in", (n_items, int(self.max_draws)), folds_in_by_adagrad=True)
