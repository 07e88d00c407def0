"""Implicit alternating least squares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from fastrec import _check, _random, _threads
from fastrec._least_squares import Fixed, Side, Solutions, influences, solve
from fastrec._progress import progress_bar
from fastrec._transpose import transposed
from fastrec._types import ENTRIES_AT_ONCE, Array, Csr, Explanation
from fastrec.models.fold_in import Entries, FoldInModel, SideName, columns_apart, with_rows, with_zero_rows
from fastrec.models.item_units import ItemUnits
from fastrec.models.stopping import EarlyStopping, Learned, Watch

_START_DEVIATION = 0.01


class ImplicitALS(FoldInModel):
    """Matrix factorisation of implicit feedback by alternating least squares, each solve exact.

    Minimises, over user factors x and item factors y,

        sum_seen w (t - x.y)^2 + sum_unseen c (x.y)^2 + sum_u lam_u |x_u|^2 + sum_i lam_i |y_i|^2

    where an interaction r > 0 has w = 1 + alpha r, t = 1, one r < 0 has w = 1 + alpha |r|, t = 0, all pairs without one
    have c = unobserved_weight, and a row with n interactions has lam = regularization (n + sum c) ^
    regularization_exponent, the sum over all of the row's pairs.

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
    popularity_exponent : float, at least 0
        The weight of a pair without an interaction is in proportion to this power of the number of users who have the
        item, and unobserved_weight on average over items (He et al. 2016): who lacks what many have knows it, perhaps.
        0: the same for all.
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
    popularity_ : ndarray of float64, shape (n_items,)
        Users who have each item, of those that the last ``fit`` or `partial_fit` of all rows saw, or of the rows that
        were given for an item since; changed rows of single users do not tell what they had before.
    loss_ : ndarray of float64, shape (n_epochs,)
        The loss after each epoch that the factors have had, when ``fit`` was asked for it.
    n_epochs_ : int
        How many those are, when ``fit`` was given ``early_stopping``.
    validation_scores_ : ndarray of float64
        Every value of a callable score that ``early_stopping`` looked at.

    Notes
    -----
    Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", 2008; He et al., "Fast matrix
    factorization for online recommendation with implicit feedback", 2016; solved as `als_half_step` says. An epoch
    takes O(steps nnz n_factors + (n_users + n_items) n_factors^2), with 4 to 10 steps on usual data; memory is the
    interactions twice, with their weights, the factors and a copy of one side's. The same bits at any number of threads
    on one instruction set.

    Examples
    --------
    >>> import fastrec, numpy, scipy.sparse
    >>> user_items = scipy.sparse.csr_array(numpy.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype="float32"))
    >>> model = fastrec.ImplicitALS(n_factors=2, random_state=0).fit(user_items)
    >>> model.recommend(0, user_items[[0]], k=1).items
    array([[2]], dtype=int32)
    """

    _learned = ("user_factors_", "item_factors_", "popularity_")
    _optional = ("loss_", "n_epochs_", "validation_scores_")
    popularity_: Array

    def __init__(
        self,
        n_factors: int = 64,
        *,
        regularization: float = 0.01,
        alpha: float = 1.0,
        unobserved_weight: float = 1.0,
        popularity_exponent: float = 0.0,
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
        self.popularity_exponent = popularity_exponent
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
        early_stopping: EarlyStopping | None = None,
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
            Item factors to start from. An epoch solves the users first, so that the ``item_factors_`` of a model are
            all that it takes to continue from it; `partial_fit` does so in place.
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
        ImplicitALS
            The model itself. It is unchanged when anything was raised.
        """
        options, seed = self._options(), _random.seed_of(self.random_state)
        watch = Watch(early_stopping, self, options.n_epochs)
        _check.callback(callback)
        compute_loss = _check.flag(compute_loss, "compute_loss") or callback is not None or watch.needs_loss
        entries = _weighted(user_items, weights, "user_items", options)
        n_users, n_items = entries.weights.shape
        options.check_memory(n_users, n_items)
        start = _start(init, options, seed, (n_users, n_items))
        with progress_bar(options.n_epochs, "ImplicitALS", _check.flag(progress, "progress")) as advance:
            return self._learn(_epochs(entries, start, options, watch, compute_loss, callback, advance))

    def explain(self, user: int | None, item: int, user_items: Any, *, weights: Any = None) -> Explanation:
        """Why an item is recommended: what each item of the user's row adds to its score.

        Parameters
        ----------
        user : int or None
            Whose row it is; the row says all, so that a new user is explained too.
        item : int
            The item to explain.
        user_items : sparse matrix, shape (1, n_items)
            The user's row.
        weights : sparse matrix, optional
            As in ``fit``.

        Returns
        -------
        Explanation
            ``items`` of the row by their ``contributions``, most first, which sum to ``score``: the one of `recommend`
            with ``recalculate=True``. Items with r < 0 contribute 0.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        TypeError, ValueError
            An argument is not as described, or shapes do not match.

        Notes
        -----
        Hu, Koren and Volinsky 2008, section 5: with A the matrix of the user's normal equations, item j contributes
        y_item' A^-1 y_j w_j t_j. In float64, in O(n_seen n_factors^2 + n_factors^3).
        """
        self._check_fitted()
        if user is not None:
            _check.integer(user, "user", 0)
        item = _check.integer(item, "item", 0, self._n_items() - 1)
        options = self._options_now()
        entries = _weighted(user_items, weights, "user_items", options)
        _check.row_of_each(entries.weights.shape, 1, "[user]", self._n_items())
        row = options.side(self._units(options).as_columns(entries))
        contributions = influences(row, self._fixed("items", options), self.item_factors_[item])
        return Explanation.of(row.weights.indices, contributions)

    def _fold_in(self, rows: Csr, n_threads: int) -> Array:
        return self._solved(_confidence(rows, self._options_now(), "user_items"), "users", n_threads)

    def _entries(self, rows: Any, weights: Any, name: str) -> Entries:
        return _weighted(rows, weights, name, self._options_now())

    def _solved(self, entries: Entries, of: SideName, n_threads: int) -> Array:
        options = self._options_now()._replace(n_threads=n_threads)
        if of == "users":
            side = options.side(self._units(options).as_columns(entries))
            return solve(side, self._fixed("items", options), options.tol, n_threads).upright(n_threads)
        units = ItemUnits.by_popularity(_lengths(entries), self.popularity_, options.popularity_exponent)
        side = options.side(units.as_rows(entries), units.relative)
        return units.back(solve(side, self._fixed("users", options), options.tol, n_threads).upright(n_threads))

    def _fixed(self, name: SideName, options: Options) -> Fixed:
        if name == "users":
            return self._derived(name, self.user_factors_, lambda: Fixed(self.user_factors_, options.n_threads))
        return self._derived(
            f"items at {options.popularity_exponent}",
            self.item_factors_,
            lambda: Fixed(self._units(options).into(self.item_factors_), options.n_threads),
        )

    def _units(self, options: Options) -> ItemUnits:
        return ItemUnits.by_popularity(self.popularity_, self.popularity_, options.popularity_exponent)

    def _also_known_of_items(self, entries: Entries, ids: Array) -> Learned:
        return {"popularity_": with_rows(self.popularity_, ids, _lengths(entries))}

    def _learn_on(self, entries: Entries, n_epochs: int) -> Self:
        options = self._options_now()
        n_users, n_items = entries.weights.shape
        options.check_memory(n_users, n_items)
        if self.__sklearn_is_fitted__():
            _check.at_least_as_many(entries.weights.shape, (self._n_users(), self._n_items()), "user_items")
            users = with_zero_rows(self.user_factors_, n_users)
            liked = entries.weights.where(entries.weights.data * entries.targets != 0)
            apart = columns_apart(liked, with_zero_rows(self.item_factors_, n_items))
            drawn = options.drawn(_random.seed_of(self.random_state), n_items)[apart] if len(apart) else 0

            def items() -> Array:
                factors = with_zero_rows(self.item_factors_, n_items)
                factors[apart] = drawn
                return factors

            start = Start(lambda: users, items)
        else:
            start = _start(None, options, _random.seed_of(self.random_state), (n_users, n_items))
        return self._learn(_epochs(entries, start, options, Watch(None, self, n_epochs)))

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
            alpha=_check.real(self.alpha, "alpha", 0),
            unobserved_weight=_check.real(self.unobserved_weight, "unobserved_weight", 0),
            popularity_exponent=_check.real(self.popularity_exponent, "popularity_exponent", 0),
            regularization_exponent=_check.real(self.regularization_exponent, "regularization_exponent", 0, 1),
            n_epochs=_check.integer(self.n_epochs, "n_epochs", 0),
            tol=_check.real(self.tol, "tol", 0),
            n_threads=_threads.resolve(self.n_threads),
            dtype=_check.float_dtype(self.dtype, "dtype"),
        )

    def _check_learned(self) -> None:
        super()._check_learned()
        _check.row_values(self.popularity_, "popularity_", self._n_items())


class Options(NamedTuple):
    """Checked parameters."""

    n_factors: int
    regularization: float
    alpha: float
    unobserved_weight: float
    popularity_exponent: float
    regularization_exponent: float
    n_epochs: int
    tol: float
    n_threads: int
    dtype: np.dtype[Any]

    def side(self, entries: Entries, relative: Array | None = None) -> Side:
        """One side's rows, with the regularisation of each; of items, in their units."""
        weights, targets = entries
        units = 1.0 if relative is None else relative
        weight = np.diff(weights.indptr) + self.unobserved_weight * weights.shape[1] * units
        regularization = self.regularization * weight**self.regularization_exponent / units
        return Side(weights, targets, regularization, self.unobserved_weight)

    def check_memory(self, n_users: int, n_items: int) -> None:
        """Refuse factors that do not fit."""
        n_bytes = (float(n_users) + n_items) * self.n_factors * self.dtype.itemsize
        _check.memory(n_bytes, f"factors of {n_users} users and {n_items} items", "use fewer factors")

    def drawn(self, seed: int, n_items: int) -> Array:
        """Item factors to start from."""
        return _random.normal(seed, n_items, self.n_factors, _START_DEVIATION, self.dtype, self.n_threads)

    def half_step(self, side: Side, other: Solutions, *, losses: Array | None = None) -> Solutions:
        """Solve one side against the other; ``losses`` as in `solve`."""
        return solve(side, Fixed(other.factors, self.n_threads), self.tol, self.n_threads, losses=losses).against(other)


class Start(NamedTuple):
    """Makes the factors to start from, so that nobody else holds them."""

    users: Callable[[], Array]
    items: Callable[[], Array]


def _start(init: Any, options: Options, seed: int, shape: tuple[int, int]) -> Start:
    """Users at zero, who are solved first; items as given, or drawn."""
    (n_users, n_items), n_factors = shape, options.n_factors

    def users() -> Array:
        return np.zeros((n_users, n_factors), options.dtype)

    if init is None:
        return Start(users, lambda: options.drawn(seed, n_items))
    given = _check.start(init, "init", (n_items, n_factors), dtype=options.dtype)
    return Start(users, lambda: given.astype(options.dtype, order="C"))


def _epochs(
    entries: Entries,
    start: Start,
    options: Options,
    watch: Watch,
    compute_loss: bool = False,
    callback: Callable[[int, float, float], Any] | None = None,
    advance: Callable[[], Any] = lambda: None,
) -> Learned:
    """Solve the users, then the items, and again, from given factors."""
    by_item = _by_item(entries, options.n_threads)
    popularity = _lengths(by_item)
    units = ItemUnits.by_popularity(popularity, popularity, options.popularity_exponent)
    items = options.side(units.as_rows(by_item), units.relative)
    users = options.side(units.as_columns(entries))
    user_factors: Solutions | None = None
    item_factors = Solutions(units.into(start.items()), None)
    kept: list[float] = []
    losses = np.zeros(len(popularity)) if compute_loss else None

    def learned() -> Learned:
        if user_factors is None:
            sides = start.users(), start.items()
        else:
            sides = user_factors.upright(options.n_threads), units.back(item_factors.upright(options.n_threads))
        found = {"user_factors_": sides[0], "item_factors_": sides[1], "popularity_": popularity}
        return found | ({"loss_": np.array(kept)} if compute_loss else {})

    def step() -> float:
        nonlocal user_factors, item_factors
        user_factors = options.half_step(users, item_factors)
        item_factors = options.half_step(items, user_factors, losses=losses)
        if losses is None:
            return 0.0
        kept.append(float(losses.sum()) + users.penalty(user_factors.factors))
        return kept[-1]

    return watch.epochs(step, learned, callback, advance)


def _by_item(entries: Entries, n_threads: int) -> Entries:
    """Weights and targets travel together: a target of 0 as the sign of its weight."""
    weights, targets = entries
    if (targets == 1).all():
        return Entries(transposed(weights, n_threads), targets)
    columns = transposed(weights._replace(data=np.copysign(weights.data, targets - 0.5)), n_threads)
    return Entries(columns._replace(data=np.abs(columns.data)), (~np.signbit(columns.data)).astype(targets.dtype))


def _weighted(rows: Any, weights: Any, name: str, options: Options) -> Entries:
    """Weight and target of every interaction, by the rule or as given."""
    if weights is None:
        return _confidence(_check.csr(rows, name), options, name)
    ratings, given = _check.csr(rows, name, keep_zeros=True), _check.csr(weights, "weights", keep_zeros=True)
    _check.same_pattern(ratings, name, given, "weights")
    _check.not_negative(given.data, "weights", "weights")
    stored = ratings.data != 0
    kept = given._replace(data=_check.holdable(given.data, "weights", options.dtype).astype(options.dtype)).where(
        stored
    )
    return Entries(kept, (ratings.data[stored] > 0).astype(options.dtype))


def _confidence(ratings: Csr, options: Options, name: str) -> Entries:
    """Weight 1 + alpha |r| and target 1 or 0 (Hu et al. 2008, with negative r as a sure dislike)."""
    weights, targets = (np.empty(len(ratings.data), options.dtype) for _ in range(2))

    def fill(first: int, last: int) -> None:
        values = ratings.data[first:last].astype(np.float64)
        targets[first:last] = values > 0
        with np.errstate(over="ignore"):
            weights[first:last] = 1 + options.alpha * np.abs(values)

    _threads.run_blocks(fill, len(weights), options.n_threads, rows_a_block=ENTRIES_AT_ONCE // 8)
    return Entries(ratings._replace(data=_check.finite(weights, f"1 + alpha * |{name}|")), targets)


def _lengths(entries: Entries) -> Array:
    """Entries of every row."""
    return np.diff(entries.weights.indptr).astype(np.float64)
