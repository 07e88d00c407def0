"""Definition of item-item similarity."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from fastrec._types import Array, is_sparse
from fastrec.reference._operands import members, sparse
from fastrec.reference.selection import best_entries, stacked, sum_of_rows


class Pairs(NamedTuple):
    """What is known of an item i and others j, in float64; the first nine are what a measure of the user's takes."""

    dot: Any
    n_common: Any
    count_i: Any
    count_j: Any
    sum_i: Any
    sum_j: Any
    sumsq_i: Any
    sumsq_j: Any
    n_users: Any
    popularity_i: Any  # sums of the values before the metric changed them
    popularity_j: Any


# ---- measures: (pairs, addition to the denominator, own parameters) to similarities ---------------------------------


def dot(p: Pairs, h: float) -> Any:
    """Inner product."""
    return p.dot / (1 + h)


def cosine(p: Pairs, h: float) -> Any:
    """Cosine of the angle between the columns."""
    return p.dot / (np.sqrt(p.sumsq_i) * np.sqrt(p.sumsq_j) + h)


def asymmetric_cosine(p: Pairs, h: float, alpha: float = 0.5) -> Any:
    """Cosine whose two norms weigh differently (Aiolli 2013)."""
    return p.dot / (np.power(p.sumsq_i, alpha) * np.power(p.sumsq_j, 1 - alpha) + h)


def tversky(p: Pairs, h: float, alpha: float = 1.0, beta: float = 1.0) -> Any:
    """What two have in common against what only one of them has (Tversky 1977)."""
    return p.dot / (alpha * (p.sumsq_i - p.dot) + beta * (p.sumsq_j - p.dot) + p.dot + h)


def jaccard(p: Pairs, h: float) -> Any:
    """Common over all."""
    return tversky(p, h, 1.0, 1.0)


def dice(p: Pairs, h: float) -> Any:
    """Common over the mean of both."""
    return tversky(p, h, 0.5, 0.5)


def p3alpha(p: Pairs, h: float, alpha: float = 1.0) -> Any:
    """Probability of a walk from i to a user to j (Cooper et al. 2014): the product of `sides`."""
    return p.dot / (1 + h)


def rp3beta(p: Pairs, h: float, alpha: float = 1.0, beta: float = 1.0) -> Any:
    """The same against popularity (Paudel et al. 2017)."""
    return p.dot / (np.power(p.popularity_j, beta) + h)


def s_plus(
    p: Pairs,
    h: float,
    *,
    l1: float = 0.5,
    l2: float = 0.5,
    l3: float = 0.0,
    t1: float = 1.0,
    t2: float = 1.0,
    c1: float = 0.5,
    c2: float = 0.5,
    alpha: float = 1.0,
    beta1: float = 0.0,
    beta2: float = 0.0,
    pop1: str | None = None,
    pop2: str | None = None,
) -> Any:
    """Tversky's and cosine's denominators, and popularity, each with a weight."""
    in_sets = l1 * (t1 * (p.sumsq_i - p.dot) + t2 * (p.sumsq_j - p.dot) + p.dot)
    in_norms = l2 * (np.power(p.sumsq_i, c1) * np.power(p.sumsq_j, c2))
    pop_i = 1.0 if pop1 is None else p.popularity_i
    pop_j = np.ones_like(p.dot) if pop2 is None else p.popularity_j
    in_popularity = l3 * (np.power(pop_i, beta1) * np.power(pop_j, beta2))
    return np.power(p.dot, alpha) / (in_sets + in_norms + in_popularity + h)


def overlap(p: Pairs, h: float) -> Any:
    """Common over the smaller (Szymkiewicz 1934, Simpson 1943)."""
    return p.n_common / (np.minimum(p.count_i, p.count_j) + h)


def conditional_probability(p: Pairs, h: float) -> Any:
    """Of the users of i, how many have j."""
    return p.n_common / (p.count_i + h)


def lift(p: Pairs, h: float) -> Any:
    """How many times more often both come together than if they were independent."""
    return p.n_common * p.n_users / (p.count_i * p.count_j + h)


def pointwise_mutual_information(p: Pairs, h: float) -> Any:
    """Logarithm of the lift (Church and Hanks 1990)."""
    return np.log(lift(p, h))


def log_likelihood_ratio(p: Pairs, h: float) -> Any:
    """Dunning's G^2 (1993) of the table of who has i and who has j."""
    n, x, y, both = p.n_users, p.count_i, p.count_j, p.n_common
    cells = [
        (both, x * y / n), (x - both, x * (n - y) / n), (y - both, (n - x) * y / n),
        (n - x - y + both, (n - x) * (n - y) / n),
    ]  # fmt: skip
    (first, second, third, fourth) = (np.where(k > 0, k * np.log(k / expected), 0.0) for k, expected in cells)
    return 2.0 * ((first + fourth) + (second + third))


OF_ONES = (overlap, conditional_probability, lift, pointwise_mutual_information, log_likelihood_ratio)
MEASURES = {
    **{f.__name__: f for f in (dot, cosine, asymmetric_cosine, tversky, jaccard, dice, s_plus, p3alpha, rp3beta)},
    **{f.__name__: f for f in OF_ONES},
    "pearson": cosine,  # of what `sides` has centred
    "adjusted_cosine": cosine,
}


# ---- the operation --------------------------------------------------------------------------------------------------


def item_similarity(
    user_items: Any,
    k: int,
    *,
    metric: Any = "cosine",
    shrinkage: float = 0.0,
    shrinkage_type: str = "stabilized",
    threshold: float | None = None,
    binary: bool = False,
    min_support: int = 1,
    keep_diagonal: bool = False,
    target_items: Any = None,
    candidates: Any = None,
    n_threads: int | None = None,
    progress: bool = False,
    **parameters: Any,
) -> csr_array:
    """See `fastrec.item_similarity`."""
    ratings = sparse(user_items)
    dtype = np.float64 if np.dtype(user_items.dtype) in ("<f8", ">f8") else np.float32
    if binary or MEASURES.get(metric) in OF_ONES:
        ratings.data[:] = 1
    n_users, n_items = ratings.shape
    given = Statistics.of(ratings).total
    item_users, factors = sides(ratings, metric, parameters)
    items = Statistics.of(csr_array(item_users.T))
    allowed = members(candidates, n_items, n_items, default=True)
    targets = range(n_items) if target_items is None else set(np.asarray(target_items).tolist())

    rows = []
    for item in range(n_items):
        dots, n_common = sum_of_rows(item_users, factors, item, np.float64)
        others = np.flatnonzero((n_common >= max(1, min_support)) & allowed[item])
        if not keep_diagonal:
            others = others[others != item]
        if item not in targets:
            others = others[:0]
        known = items.of_pairs(item, others)
        pairs = Pairs(dots[others], n_common[others] * 1.0, *known, float(n_users), given[item], given[others])
        with np.errstate(all="ignore"):
            values = similarities(pairs, metric, shrinkage, shrinkage_type, parameters).astype(dtype)
        rows.append(best_entries(others, values, k, threshold))
    return stacked(rows, dtype, n_items)


def user_similarity(
    user_items: Any,
    k: int,
    *,
    metric: Any = "cosine",
    shrinkage: float = 0.0,
    shrinkage_type: str = "stabilized",
    threshold: float | None = None,
    binary: bool = False,
    min_support: int = 1,
    keep_diagonal: bool = False,
    target_users: Any = None,
    candidates: Any = None,
    n_threads: int | None = None,
    progress: bool = False,
    **parameters: Any,
) -> csr_array:
    """See `fastrec.user_similarity`."""
    values = user_items if is_sparse(user_items) else np.asarray(user_items)
    if values.dtype.kind == "f":
        values = sparse(values)  # duplicates are summed in the order of the users' rows
    return item_similarity(
        values.T,
        k,
        metric=metric,
        shrinkage=shrinkage,
        shrinkage_type=shrinkage_type,
        threshold=threshold,
        binary=binary,
        min_support=min_support,
        keep_diagonal=keep_diagonal,
        target_items=target_users,
        candidates=candidates,
        **parameters,
    )


class Statistics(NamedTuple):
    """Number, sum and sum of squares of every item's values."""

    n_users: Array
    total: Array
    sumsq: Array

    @classmethod
    def of(cls, ratings: csr_array) -> Statistics:
        """Sums by ascending user."""
        by_item = ratings.tocsc()
        values = by_item.data.astype(np.float64)
        columns = [values[start:end] for start, end in pairwise(by_item.indptr)]
        with np.errstate(over="ignore"):
            sums = [(len(x), sum(x.tolist(), 0.0), sum((x * x).tolist(), 0.0)) for x in columns]
        return cls(*np.array(sums, np.float64).reshape(-1, 3).T)

    def of_pairs(self, item: int, others: Array) -> tuple[Any, Any, Any, Any, Any, Any]:
        """As `Pairs` has them."""
        n_users, total, sumsq = self
        return n_users[item], n_users[others], total[item], total[others], sumsq[item], sumsq[others]


def centred(values: Array, whose: Array) -> Array:
    """Values less the mean of those that are theirs, which is not beyond the least of them or the most."""
    means = np.bincount(whose, values) / np.maximum(np.bincount(whose), 1)
    of_each = [values[whose == one] for one in whose]
    clipped = [np.clip(means[one], x.min(), x.max()) for one, x in zip(whose, of_each, strict=True)]
    return values - np.array(clipped, np.float64)


def sides(ratings: csr_array, metric: Any, parameters: dict[str, Any]) -> tuple[csr_array, csr_array]:
    """The two factors of the product: items by users, and users by items."""
    values: Array = ratings.data.astype(np.float64)
    user, item = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr)), ratings.indices
    totals = [np.bincount(ids, values, size)[ids] for ids, size in ((user, ratings.shape[0]), (item, ratings.shape[1]))]
    of_user, of_item = totals
    own = other = values
    if metric in ("p3alpha", "rp3beta"):
        own, other = (np.power(values / total, parameters.get("alpha", 1.0)) for total in (of_item, of_user))
    if metric == "pearson":
        own = other = centred(values, item)
    if metric == "adjusted_cosine":
        own = other = centred(values, user)
    by_user, factors = (csr_array((x, ratings.indices, ratings.indptr), shape=ratings.shape) for x in (own, other))
    item_users = by_user.T.tocsr()
    item_users.sort_indices()
    return item_users, factors


def similarities(p: Pairs, metric: Any, shrinkage: float, kind: str, parameters: dict[str, Any]) -> Array:
    """Similarities of the pairs."""
    if callable(metric):
        measure = getattr(metric, "py_func", metric)
        values = zip(*(np.broadcast_to(value, p.dot.shape).tolist() for value in p[:9]), strict=True)
        return np.array([measure(*pair) for pair in values], np.float64)
    if kind == "additive":
        p = p._replace(
            count_i=p.count_i + shrinkage,
            count_j=p.count_j + shrinkage,
            sumsq_i=p.sumsq_i + shrinkage,
            sumsq_j=p.sumsq_j + shrinkage,
        )
    similar: Array = MEASURES[metric](p, shrinkage if kind == "stabilized" else 0.0, **parameters)
    size = np.abs(p.dot)
    return similar * (size / (size + shrinkage)) if kind == "bayesian" and shrinkage else similar
