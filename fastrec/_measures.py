"""What the similarity metrics are to the kernel: a formula, and what it takes from either item of a pair."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastrec import _check
from fastrec._near_scores import NO_NEAR_SCORES, NearScores, Values, near_scores
from fastrec._row_facts import sums_of_rows
from fastrec._types import Array, Csr

ARGUMENTS = ("dot", "n_common", "count_i", "count_j", "sum_i", "sum_j", "sumsq_i", "sumsq_j", "n_users")
Parameters = Mapping[str, Any]
SHRINKAGE_TYPES = ("stabilized", "bayesian", "additive")
_BAYESIAN_ONLY = ("bayesian",)
_NOT_ADDITIVE = ("stabilized", "bayesian")


class Statistics(NamedTuple):
    """Of every item, in float64: its number of users, the sum of its values, and that of their squares."""

    n_users: Array
    total: Array
    sumsq: Array
    whole: bool = True  # whether all values are integers

    @classmethod
    def of(cls, by_item: Csr, n_threads: int) -> Statistics:
        """Sums by ascending user."""
        n_users = np.diff(by_item.indptr).astype(np.float64)
        if not len(by_item.data):
            return cls(n_users, n_users, n_users)
        return cls(n_users, *sums_of_rows(by_item, n_threads))

    def plus(self, amount: float) -> Statistics:
        """Additive shrinkage."""
        return self._replace(n_users=self.n_users + amount, sumsq=self.sumsq + amount)


# From the statistics of the items on one side of pairs, those of their values as they were given, and the parameters.
TermsOf = Callable[[Statistics, Statistics, Parameters], Sequence[Array]]


class Metric(NamedTuple):
    """A metric.

    Attributes
    ----------
    formula : str
        Name of the kernel's formula.
    own, other : callable
        What the formula takes from the first item of a pair, and from the second; left out: the same.
    parameters : dict of str to float or None
        Names and defaults of the metric's own parameters.
    weights : callable
        From the parameters to the numbers of the formula.
    of_ones : bool
        Whether every value counts as 1.
    values : callable, optional
        From the interactions by item, their statistics and the parameters to the values of the first item of a pair.
    factors : callable, optional
        From the interactions by user, the statistics of items, those of users and the parameters to the values of the
        second.
    shrinkage_types : tuple of str
        What its shrinkage may be.
    of_all_users : bool
        Whether a pair's similarity changes with users who have neither item.
    of_other_items : bool
        Whether an item's norm changes with the values that its users give to others.
    """

    formula: str
    own: TermsOf
    other: TermsOf | None = None
    parameters: dict[str, Any] = {}  # noqa: RUF012
    weights: Callable[[Parameters], Sequence[float]] = lambda p: ()
    of_ones: bool = False
    values: Callable[[Csr, Statistics, Parameters], Array] | None = None
    factors: Callable[[Csr, Statistics, Statistics, Parameters], Array] | None = None
    value_of_ones: Callable[[Array, Parameters], Array] | None = None  # instead of both, of rows of so many ones
    shrinkage_types: tuple[str, ...] = SHRINKAGE_TYPES
    of_all_users: bool = False
    of_other_items: bool = False


# ---- terms ----------------------------------------------------------------------------------------------------------


def _norms(items: Statistics, given: Statistics, p: Parameters) -> Sequence[Array]:
    return [np.sqrt(items.sumsq)]  # and no root of a product, which could overflow


def _sums_of_squares(items: Statistics, given: Statistics, p: Parameters) -> Sequence[Array]:
    return [items.sumsq]


def _counts(items: Statistics, given: Statistics, p: Parameters) -> Sequence[Array]:
    return [items.n_users]


def _nothing(items: Statistics, given: Statistics, p: Parameters) -> Sequence[Array]:
    return [np.ones_like(items.n_users)]


def _s_plus_of(side: int) -> TermsOf:
    def terms(items: Statistics, given: Statistics, p: Parameters) -> Sequence[Array]:
        popularity = _popularity(p[f"pop{side}"], given, f"pop{side}")
        return [items.sumsq, items.sumsq ** p[f"c{side}"], popularity ** p[f"beta{side}"]]

    return terms


def _popularity(chosen: Any, given: Statistics, name: str) -> Array:
    if chosen is None:
        return np.ones_like(given.total)
    if isinstance(chosen, str):
        _check.choice(chosen, name, ("sum",))
        return given.total
    return _check.row_values(chosen, name, len(given.total))


# ---- values ---------------------------------------------------------------------------------------------------------


def _walk_to_user(by_item: Csr, items: Statistics, p: Parameters) -> Array:
    """Probabilities of a step from an item to a user."""
    _check.not_negative(by_item.data, "user_items", "weights of a random walk")
    return _steps(by_item, items.total, p)


def _walk_to_item(by_user: Csr, items: Statistics, users: Statistics, p: Parameters) -> Array:
    """Probabilities of a step from a user to an item."""
    return _steps(by_user, users.total, p)


def _steps(x: Csr, totals: Array, p: Parameters) -> Array:
    """Each value's part of its row's total, to the power alpha."""
    parts = _at_entries(totals, x)
    np.divide(x.data if len(x.data) else 1.0, parts, out=parts)
    return parts if p["alpha"] == 1 else np.power(parts, p["alpha"], out=parts)


def _step_of_ones(n_ones: Array, p: Parameters) -> Array:
    """Every value's part of the total of a row of ones, to the power alpha."""
    part = 1.0 / np.maximum(n_ones, 1)
    return part if p["alpha"] == 1 else part ** p["alpha"]


def _item_centred(by_item: Csr, items: Statistics, p: Parameters) -> Array:
    return _centred(by_item, _row_of_entries(by_item))


def _item_centred_factors(by_user: Csr, items: Statistics, users: Statistics, p: Parameters) -> Array:
    return _centred(by_user, by_user.indices)


def _user_centred(by_item: Csr, items: Statistics, p: Parameters) -> Array:
    return _centred(by_item, by_item.indices)


def _user_centred_factors(by_user: Csr, items: Statistics, users: Statistics, p: Parameters) -> Array:
    return _centred(by_user, _row_of_entries(by_user))


def _centred(x: Csr, whose: Array) -> Array:
    """Values less the mean of all that are theirs, which no rounding moves beyond the least and the largest."""
    values = x.data.astype(np.float64) if len(x.data) else np.ones(len(x.indices))
    n = int(whose.max(initial=-1)) + 1
    least, largest = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(least, whose, values)
    np.maximum.at(largest, whose, values)
    means = np.bincount(whose, values, n) / np.maximum(np.bincount(whose, minlength=n), 1)
    centred: Array = values - np.minimum(np.maximum(means, least), largest)[whose]
    return centred


def _row_of_entries(x: Csr) -> Array:
    return _at_entries(np.arange(x.shape[0]), x)


def _at_entries(of_rows: Array, x: Csr) -> Array:
    return np.repeat(of_rows, np.diff(x.indptr))


# ---- the metrics ----------------------------------------------------------------------------------------------------

_S_PLUS: dict[str, Any] = {
    "l1": 0.5, "l2": 0.5, "l3": 0.0, "t1": 1.0, "t2": 1.0, "c1": 0.5, "c2": 0.5, "alpha": 1.0,
    "pop1": None, "pop2": None, "beta1": 0.0, "beta2": 0.0,
}  # fmt: skip

METRICS = {
    "dot": Metric("quotient", _nothing, shrinkage_types=_NOT_ADDITIVE),
    "cosine": Metric("quotient", _norms),
    "asymmetric_cosine": Metric(
        "quotient",
        lambda items, given, p: [items.sumsq ** p["alpha"]],
        lambda items, given, p: [items.sumsq ** (1 - p["alpha"])],
        parameters={"alpha": 0.5},
    ),
    "jaccard": Metric("tversky", _sums_of_squares, weights=lambda p: (1.0, 1.0)),
    "dice": Metric("tversky", _sums_of_squares, weights=lambda p: (0.5, 0.5)),
    "tversky": Metric(
        "tversky",
        _sums_of_squares,
        parameters={"alpha": 1.0, "beta": 1.0},
        weights=lambda p: (p["alpha"], p["beta"]),
    ),
    "s_plus": Metric(
        "s_plus",
        _s_plus_of(1),
        _s_plus_of(2),
        parameters=_S_PLUS,
        weights=lambda p: [p[name] for name in ("l1", "t1", "t2", "l2", "l3", "alpha")],
    ),
    "p3alpha": Metric(
        "quotient",
        _nothing,
        parameters={"alpha": 1.0},
        values=_walk_to_user,
        factors=_walk_to_item,
        value_of_ones=_step_of_ones,
        shrinkage_types=_NOT_ADDITIVE,
    ),
    "rp3beta": Metric(
        "quotient",
        _nothing,
        lambda items, given, p: [given.total ** p["beta"]],
        parameters={"alpha": 1.0, "beta": 1.0},
        values=_walk_to_user,
        factors=_walk_to_item,
        value_of_ones=_step_of_ones,
        shrinkage_types=_NOT_ADDITIVE,
    ),
    "pearson": Metric("quotient", _norms, values=_item_centred, factors=_item_centred_factors),
    "adjusted_cosine": Metric(
        "quotient", _norms, values=_user_centred, factors=_user_centred_factors, of_other_items=True
    ),
    "overlap": Metric("overlap", _counts, of_ones=True),
    "conditional_probability": Metric("quotient", _counts, _nothing, of_ones=True),
    "lift": Metric("lift", _counts, of_ones=True, of_all_users=True),
    "pointwise_mutual_information": Metric("pointwise_mutual_information", _counts, of_ones=True, of_all_users=True),
    "log_likelihood_ratio": Metric(
        "log_likelihood_ratio", _counts, of_ones=True, of_all_users=True, shrinkage_types=_BAYESIAN_ONLY
    ),
}


def looks_at_all_users(metric: Any) -> bool:
    """Whether a pair's similarity changes with users who have neither item; so may one of the user's own."""
    return not isinstance(metric, str) or (metric in METRICS and METRICS[metric].of_all_users)


def looks_at_other_items(metric: Any) -> bool:
    """Whether an item's values change with those that its users give to others."""
    return isinstance(metric, str) and metric in METRICS and METRICS[metric].of_other_items


_CUSTOM = Metric("custom", lambda items, given, p: items[:3])


class Measure(NamedTuple):
    """A metric with its parameters and shrinkage, or a function of the user's."""

    metric: Metric
    parameters: dict[str, Any]
    shrinkage: float
    shrinkage_type: str
    function: Any = None  # scalar, by numba.njit,
    block: Any = None  # and what calls it for a block of pairs

    @classmethod
    def chosen(cls, metric: Any, parameters: Parameters, shrinkage: Any, shrinkage_type: Any) -> Measure:
        """Check what a caller asked for."""
        shrinkage = _check.real(shrinkage, "shrinkage", 0)
        shrinkage_type = _check.choice(shrinkage_type, "shrinkage_type", SHRINKAGE_TYPES)
        if not isinstance(metric, str) and callable(metric):
            _check.keywords(parameters, (), "a metric of your own")
            _check.compiled_function(metric, "metric")
            _check.no_shrinkage(shrinkage)
            return cls(_CUSTOM, {}, 0.0, shrinkage_type, metric, _block_of(metric))
        kind = METRICS[_check.choice(metric, "metric", METRICS)]
        if shrinkage:
            _check.choice(shrinkage_type, f"shrinkage_type of metric={metric!r}", kind.shrinkage_types)
        _check.keywords(parameters, kind.parameters, f"metric={metric!r}")
        values = {
            name: value if name.startswith("pop") else _check.real(value, name, 0)
            for name, value in {**kind.parameters, **parameters}.items()
        }
        return cls(kind, values, shrinkage, shrinkage_type)

    @property
    def address(self) -> int:
        """Where the user's function starts, 0 without one."""
        return 0 if self.block is None else int(self.block.address)

    def is_of_rows(self, *sides: Csr) -> bool:
        """Whether the metric gives all ones of a row the same value, and there are only ones."""
        return self.metric.value_of_ones is not None and not any(len(side.data) for side in sides)

    def value_of_rows(self, x: Csr) -> Array:
        """What that is."""
        assert self.metric.value_of_ones is not None
        return self.metric.value_of_ones(np.diff(x.indptr), self.parameters)

    def terms(
        self,
        items: Statistics,
        given: Statistics,
        others: Statistics,
        given_others: Statistics,
        second_items: Array,
        values: Values,
    ) -> KernelTerms:
        """Everything that the kernel wants to know, for the second item of a pair among ``second_items``."""
        shrinkages = {name: self.shrinkage if name == self.shrinkage_type else 0.0 for name in SHRINKAGE_TYPES}
        with np.errstate(all="ignore"):
            firsts = self.metric.own(items.plus(shrinkages["additive"]), given, self.parameters)
            seconds = firsts
            if others is not items or self.metric.other:
                of_other = self.metric.other or self.metric.own
                seconds = of_other(others.plus(shrinkages["additive"]), given_others, self.parameters)
        own = np.ascontiguousarray(firsts, np.float64)
        other = np.ascontiguousarray([each[second_items] for each in seconds], np.float64)
        weights = self.metric.weights(self.parameters)
        near = NO_NEAR_SCORES
        if not (shrinkages["bayesian"] or _vanish(firsts, items) or _vanish(seconds, others)):
            near = near_scores(self.metric.formula, own, other, shrinkages["stabilized"], weights, values)
        return KernelTerms(
            self.metric.formula, own, other, near, shrinkages["stabilized"], shrinkages["bayesian"], weights
        )

    def raise_error(self, facts: dict[str, float]) -> None:
        """Let out what the user's function raised on a pair."""
        call = f"{self.function.__name__}({', '.join(f'{name}={value!r}' for name, value in facts.items())})"
        try:
            answer = self.function.py_func(*facts.values())
        except Exception as error:
            _check.metric_failed(f"{call} raised {error!r}", error)
        if not isinstance(answer, numbers.Real):
            _check.metric_failed(f"{call} returned {answer!r}, not a number")
        _check.metric_failed(f"{call} raised an error when compiled, but not in Python")


class KernelTerms(NamedTuple):
    """A measure as the kernel takes it."""

    formula: str
    own: Array  # (n_terms, n_items)
    other: Array  # (n_terms, number of second items)
    near: NearScores
    stabilized: float
    bayesian: float
    weights: Sequence[float]


def _vanish(terms: Sequence[Array], items: Statistics) -> bool:
    """Whether the first term of an item is zero because squares of what it has are."""
    return bool(((terms[0] == 0) & (items.total != 0)).any())


def _block_of(function: Any) -> Any:
    from fastrec._jit.measures import block_function

    try:
        return block_function(function)
    except TypeError as error:
        _check.metric_not_compiled(function.__name__, ARGUMENTS, error)
