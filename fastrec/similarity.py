"""Item-item similarity."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from fastrec import _check, _dispatch, _threads
from fastrec._entries import NO_ENTRIES, Entries
from fastrec._measures import Measure, Statistics
from fastrec._near_scores import Values
from fastrec._progress import kernel_bar
from fastrec._relabel import relabelled
from fastrec._row_facts import terms_of_rows, value_of_rows
from fastrec._transpose import transposed
from fastrec._types import (
    ENTRIES_AT_ONCE,
    NO_PATTERN,
    Array,
    Csr,
    Ids,
    Offsets,
    Pattern,
    room_for_rows,
)
from fastrec.selection import room_of_product

_LARGEST_INTEGER = np.iinfo(np.int32).max
_NO_VALUES = np.empty(0, np.float32)
_LEAST_FACTOR = 1e-150  # the product of two such is not rounded to zero
_HEAD_ITEMS = -1  # the most popular, whose pairs are counted or summed apart: as many as pay; tests choose others
_SUMS_BYTES = 31 << 20  # of all pairs of those that are summed: of more glibc would not keep the memory


def item_similarity(
    user_items: Any,
    k: int,
    *,
    metric: str | Callable[..., float] = "cosine",
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
    r"""Most similar ``k`` items of every item, by the users they share.

    Parameters
    ----------
    user_items : sparse matrix, shape (n_users, n_items)
        Any format, index dtype and order; duplicates are summed, stored zeros dropped; NaN and inf are errors.
    k : int, at least 1
        Neighbours kept an item.
    metric : str, or a scalar function compiled by ``numba.njit``
        One of the metrics below, or your own: a function of ``(dot, n_common, count_i, count_j, sum_i, sum_j, sumsq_i,
        sumsq_j, n_users)``, all float64, that returns a number; docs/similarity.md has examples.
    shrinkage : float, at least 0
        Pulls similarities that rest on little towards zero; 0 leaves them alone.
    shrinkage_type : {"stabilized", "bayesian", "additive"}
        With h the shrinkage: "stabilized" adds h to the denominator, "bayesian" multiplies by \|x.y\| / (\|x.y\| + h),
        "additive" adds h to X and Y. Own metrics have none, and not every metric has all three.
    threshold : float, optional
        Keep similarities strictly greater only.
    binary : bool
        Compute with 1 for every stored value.
    min_support : int, at least 1
        Leave out pairs with fewer users in common.
    keep_diagonal : bool
        Whether an item may be its own neighbour.
    target_items : list of item ids, optional
        The only items whose neighbours are wanted; the other rows of the answer are empty.
    candidates : list of item ids, or sparse matrix of shape (n_items, n_items), optional
        The only items that may be neighbours: one list for all, or a row an item (values ignored).
    n_threads : int, optional
        Changes speed, never the result. Default: every core that the process may use.
    progress : bool
        Show a bar on stderr (needs tqdm).
    parameters : float, at least 0
        Those that the metric has, by name, as given below with their defaults.

    Returns
    -------
    csr_array, shape (n_items, n_items)
        Row i holds item i's neighbours, best first (column indices are not sorted); equal similarities by lower item.
        float64 for float64 input, else float32. Pairs without a common user are left out; zero and negative
        similarities are not; NaN is.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described, or a metric of your own failed; the message names the pair.
    MemoryError
        The working arrays do not fit.

    Notes
    -----
    With x and y the columns of items i and j, X and Y their sums of squares, n_i, n_j and n the users who have i, j and
    both, and N all users:

    - ``dot``: x.y / (1 + h).
    - ``cosine``: x.y / (\|x\| \|y\| + h); ``asymmetric_cosine(alpha=0.5)``: x.y / (X^alpha Y^(1 - alpha) + h).
    - ``tversky(alpha=1, beta=1)``: x.y / (alpha (X - x.y) + beta (Y - x.y) + x.y + h); ``jaccard`` is alpha = beta = 1,
      ``dice`` 0.5.
    - ``s_plus(l1=0.5, l2=0.5, l3=0, t1=1, t2=1, c1=0.5, c2=0.5, alpha=1, pop1=None, pop2=None, beta1=0, beta2=0)``:
      x.y^alpha / (l1 (t1 (X - x.y) + t2 (Y - x.y) + x.y) + l2 X^c1 Y^c2 + l3 pop1_i^beta1 pop2_j^beta2 + h), where a
      popularity is "sum" (of the item's values), a number for every item, or 1.
    - ``p3alpha(alpha=1)``: probability of the walk i, a user, j, each step's to the power alpha;
      ``rp3beta(alpha=1, beta=1)``: the same over (sum of y)^beta.
    - ``pearson`` and ``adjusted_cosine``: cosine of ratings less the item's or the user's mean, over those that exist.
    - Of ones, whatever the values: ``overlap`` n / (min(n_i, n_j) + h), ``conditional_probability`` n / (n_i + h),
      ``lift`` n N / (n_i n_j + h), ``pointwise_mutual_information`` ln(lift), ``log_likelihood_ratio`` Dunning's G^2.

    Time is the sum over users of the square of their number of items, plus the selection. Sums are float64 by ascending
    user, exact for integers up to 2^53; the similarity is computed in float64, rounded once, then ranked. Memory is the
    result, two copies of the input (without values where all are 1; of float64, and as much again for a while, where
    the metric changes them), 64 MiB, at most 36 bytes an item and thread and, where values are 1, 32 MiB and a bit a
    user for each of up to 4,064 popular items, or two where only each user's values are all the same (of
    ``log_likelihood_ratio`` 8 bytes a user); never items x items. Sarwar et al., "Item-based collaborative filtering
    recommendation algorithms", 2001; Tversky, "Features of similarity", 1977; Cooper et al., "Random walks in
    recommender systems", 2014 (P3alpha); Paudel et al., "Updatable, accurate, diverse, and scalable recommendations for
    interactive applications", 2017 (RP3beta); Dunning, "Accurate methods for the statistics of surprise and
    coincidence", 1993.
    """
    options = Options.checked(
        k, metric, parameters, shrinkage, shrinkage_type, threshold, binary, min_support, keep_diagonal, n_threads,
        progress,
    )  # fmt: skip
    ratings = _check.csr(user_items, "user_items", n_threads=options.n_threads)
    dtype = _check.score_dtype(user_items)
    n_items = ratings.shape[1]
    targets = None if target_items is None else _check.item_ids(target_items, "target_items", n_items)
    allowed = _check.pattern(candidates, "candidates", n_items, n_items)
    ratings = without_ones(options, ratings)
    items = transposed(ratings, options.n_threads)
    return most_similar(items, None, dtype, options, targets, by_user=ratings, candidates=allowed).to_scipy()


def user_similarity(
    user_items: Any,
    k: int,
    *,
    metric: str | Callable[..., float] = "cosine",
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
    """Most similar ``k`` users of every user, by the items they share: `item_similarity` of the transpose.

    Parameters
    ----------
    user_items : sparse matrix, shape (n_users, n_items)
        As in `item_similarity`.
    k : int, at least 1
        Neighbours kept a user.
    metric, shrinkage, shrinkage_type, threshold, binary, min_support, keep_diagonal : optional
        As in `item_similarity`, with users and items in each other's place.
    target_users : list of user ids, optional
        The only users whose neighbours are wanted; the other rows of the answer are empty.
    candidates : list of user ids, or sparse matrix of shape (n_users, n_users), optional
        The only users that may be neighbours: one list for all, or a row a user (values ignored).
    n_threads, progress, parameters : optional
        As in `item_similarity`.

    Returns
    -------
    csr_array, shape (n_users, n_users)
        As in `item_similarity`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As in `item_similarity`.
    """
    options = Options.checked(
        k, metric, parameters, shrinkage, shrinkage_type, threshold, binary, min_support, keep_diagonal, n_threads,
        progress,
    )  # fmt: skip
    ratings = _check.csr(user_items, "user_items", n_threads=options.n_threads)
    dtype = _check.score_dtype(user_items)
    n_users = ratings.shape[0]
    targets = None if target_users is None else _check.item_ids(target_users, "target_users", n_users, unit="users")
    allowed = _check.pattern(candidates, "candidates", n_users, n_users)
    return most_similar(ratings, None, dtype, options, targets, candidates=allowed).to_scipy()


class Options(NamedTuple):
    """What a caller asked for."""

    k: int
    measure: Measure
    threshold: float | None
    binary: bool
    min_support: int
    keep_diagonal: bool
    n_threads: int
    progress: bool

    @classmethod
    def checked(
        cls, k: Any, metric: Any, parameters: dict[str, Any], shrinkage: Any, shrinkage_type: Any, threshold: Any,
        binary: Any, min_support: Any, keep_diagonal: Any, n_threads: Any, progress: Any,
    ) -> Options:  # fmt: skip
        """Refuse what is not as described."""
        return cls(
            _check.integer(k, "k", 1),
            Measure.chosen(metric, parameters, shrinkage, shrinkage_type),
            None if threshold is None else _check.real(threshold, "threshold"),
            _check.flag(binary, "binary"),
            _check.integer(min_support, "min_support", 1, _LARGEST_INTEGER),
            _check.flag(keep_diagonal, "keep_diagonal"),
            _threads.resolve(n_threads),
            _check.flag(progress, "progress"),
        )


def most_similar(
    items: Csr,
    others: Csr | None,
    dtype: np.dtype[Any],
    options: Options,
    targets: Ids | None = None,
    *,
    by_user: Csr | None = None,
    candidates: Pattern | None = None,
    exclude: Pattern | None = None,
) -> Csr:
    """`item_similarity` of checked arguments, both sides as items by users; or of items and others, two matrices.

    ``by_user`` is the second side transposed, from who has it.
    """
    n_items, threads = items.shape[0], options.n_threads
    n_others = n_items if others is None else others.shape[0]
    measure, threshold = options.measure, options.threshold
    _check.product_memory(n_others, threads)
    sides = [items] if others is None else [items, others]
    if _count_as_ones(options, *sides):
        sides = [side._replace(data=_NO_VALUES) for side in sides]
        by_user = by_user and by_user._replace(data=_NO_VALUES)
    pairs = _Pairs.of(sides[0], sides[-1], by_user, measure, candidates, threads)
    n_ranks = len(pairs.id_of_rank)
    rows = np.arange(n_items, dtype=np.int32) if targets is None else np.unique(targets)
    kept = max(1, min(options.k, n_ranks))
    n_terms = terms_of_rows(pairs.by_item, pairs.by_user, threads)
    ends, _ = room_of_product(n_terms[rows], kept, dtype, threshold)
    terms = measure.terms(pairs.items, pairs.given, pairs.others, pairs.given_others, pairs.id_of_rank, pairs.values())
    of_every_item = None if candidates is None or candidates.shared else candidates
    own_rank = pairs.rank_of_id if others is None else np.full(n_items, -1, np.int32)
    counted = measure.function is not None or options.min_support > 1 or pairs.smallest < _LEAST_FACTOR
    failed = np.full(1, -1, np.int64)
    kernel = _dispatch.kernel("item_similarity", pairs.by_item.data.dtype, dtype)

    def fill(first: int, last: int, indices: Ids, data: Array, starts: Offsets, indptr: Offsets) -> None:
        kernel(first, last, rows, *pairs.by_item[:3], *pairs.by_user[1:3], *pairs.entries, pairs.n_by_id,
               pairs.item_values, pairs.user_values, pairs.user_weights, own_rank, pairs.id_of_rank, n_terms,
               *pairs.ranked(exclude), *pairs.ranked(of_every_item), *terms, measure.address, failed, threshold,
               options.min_support, options.keep_diagonal, counted, _HEAD_ITEMS, kept, indices, data, starts, indptr,
               threads, bar)  # fmt: skip
        if failed[0] >= 0:
            item, rank = divmod(int(failed[0]), n_ranks)
            measure.raise_error(pairs.facts(item, rank))

    with kernel_bar(len(rows), "neighbours", options.progress) as bar:
        found = room_for_rows(ends, dtype, n_others, fill)
    return found if targets is None else found.among_empty_rows(rows, n_items)


def without_ones(options: Options, side: Csr) -> Csr:
    """A matrix without its values, if all count as 1 and it is the only one."""
    return side._replace(data=_NO_VALUES) if _count_as_ones(options, side) else side


def _count_as_ones(options: Options, *sides: Csr) -> bool:
    """Whether every value counts as 1."""
    return options.binary or options.measure.metric.of_ones or all(_are_ones(side.data) for side in sides)


def _are_ones(values: Array) -> bool:
    parts = (values[at : at + ENTRIES_AT_ONCE] for at in range(0, len(values), ENTRIES_AT_ONCE))
    return all(bool((part == 1).all()) for part in parts)


class _Pairs(NamedTuple):
    """Interactions as the kernel reads them, and what is known of both items of a pair."""

    by_item: Csr  # item ids by user ids; no values where all are 1, or all of an item's the same, then these:
    item_values: Array
    by_user: Csr  # user ids by ranks of the second items, ascending; no values where all of a user's are the same,
    user_values: Array  # then these; else they are with the ranks,
    entries: Entries  # here; of so many of the most popular items, where both sides have the same values, ranks ascend
    n_by_id: int  # as their ids do
    user_weights: Array  # where what a user adds to a sum is his weight, times what depends on its item only; or empty
    id_of_rank: Ids
    rank_of_id: Ids
    items: Statistics
    given: Statistics  # of the values before the metric changed them
    others: Statistics  # the same of the second items
    given_others: Statistics
    smallest: float  # value, 1 where there is none

    @classmethod
    def of(
        cls, items: Csr, others: Csr, by_user: Csr | None, measure: Measure, allowed: Pattern | None, n_threads: int
    ) -> _Pairs:
        """``others``: the items themselves or another matrix with the same users; ``by_user``: its transpose."""
        first = _Side.of(items, measure, n_threads)
        second = first if others is items else _Side.of(others, measure, n_threads)
        own = items._replace(data=first.values)
        by_user = transposed(others, n_threads) if by_user is None else by_user
        factors = by_user._replace(data=second.factors(by_user, measure, n_threads))
        same = others is items and measure.metric.values is None and measure.metric.factors is None
        id_of_rank, rank_of_id = _ranks(others, allowed)
        kept = factors if len(id_of_rank) == others.shape[0] else factors.where(rank_of_id[factors.indices] >= 0)
        item_values, user_values, user_weights = _values_of_rows(own, factors, kept, same, measure, n_threads)
        dtype = _common_dtype(measure, (first, second), (own.data, factors.data, item_values))
        smallest = _smallest(own.data, item_values, *(() if same else (factors.data, user_values)))
        n_by_id = 0
        if len(user_values) or not len(kept.data):
            by_user, entries = relabelled(kept._replace(data=kept.data[:0]), rank_of_id, n_threads), NO_ENTRIES
        else:
            if same:
                n_by_id = min(math.isqrt(_SUMS_BYTES // (4 if dtype == np.int32 else 8)), len(id_of_rank))
                id_of_rank[:n_by_id].sort()
                rank_of_id[id_of_rank[:n_by_id]] = np.arange(n_by_id, dtype=np.int32)
            short_values = dtype == np.int32 and smallest >= 0  # their squares have 31 bits
            by_user = kept if short_values else kept._replace(data=kept.data.astype(dtype, copy=False))
            entries = Entries.of(by_user, rank_of_id, short_values, n_threads)
        own = own._replace(data=own.data.astype(dtype, copy=False))
        item_values, user_values = (each.astype(dtype, copy=False) for each in (item_values, user_values))
        return cls(
            own, item_values, by_user, user_values, entries, n_by_id, user_weights, id_of_rank, rank_of_id,
            first.items, first.given, second.items, second.given, smallest,
        )  # fmt: skip

    def values(self) -> Values:
        """What near scores depend on."""
        largest_norm = max(float(np.sqrt(side.sumsq.max(initial=0))) for side in (self.items, self.others))
        ones = not len(self.by_item.data) and not len(self.item_values)
        return Values(largest_norm, ones, self.smallest > 0, self.by_item.shape[1])

    def ranked(self, pattern: Pattern | None) -> Pattern:
        """Ranks for ids, in the order of these and without those that have none."""
        if pattern is None:
            return NO_PATTERN
        ranks = self.rank_of_id[pattern.ids]
        kept = ranks >= 0
        if kept.all():
            return pattern._replace(ids=ranks)
        ends = np.concatenate([[0], np.cumsum(kept)])
        return pattern._replace(ids=ranks[kept], indptr=ends[pattern.indptr])

    def facts(self, item: int, rank: int) -> dict[str, float]:
        """Arguments of a measure for one pair."""
        other = int(self.id_of_rank[rank])
        values = self.by_item.data if len(self.by_item.data) else np.ones(len(self.by_item.indices))
        x, y = self.by_item._replace(data=values.astype(np.float64)).to_scipy()[[item, other]].toarray()
        found = {"dot": float(np.cumsum(x * y)[-1]), "n_common": float(((x != 0) & (y != 0)).sum())}
        for name, of_items in zip(("count", "sum", "sumsq"), self.items[:3], strict=True):
            found |= {f"{name}_i": float(of_items[item]), f"{name}_j": float(of_items[other])}
        return {**found, "n_users": float(self.by_item.shape[1])}


def _ranks(others: Csr, allowed: Pattern | None) -> tuple[Ids, Ids]:
    """Which second item has each rank, that of most users first, and each one's rank, -1 where it is not allowed."""
    n_others = others.shape[0]
    ids = allowed.ids if allowed is not None and allowed.shared else np.arange(n_others, dtype=np.int32)
    id_of_rank = ids[_most_first(np.diff(others.indptr)[ids])]
    rank_of_id = np.full(n_others, -1, np.int32)
    rank_of_id[id_of_rank] = np.arange(len(ids), dtype=np.int32)
    return id_of_rank, rank_of_id


def _common_dtype(measure: Measure, sides: tuple[_Side, _Side], values: tuple[Array, ...]) -> np.dtype[Any]:
    """What the kernel computes with: int32 where that is exact."""
    if measure.metric.values is None and all(side.is_small_integers() for side in sides):
        return np.dtype(np.int32)
    return np.result_type(*values)


def _smallest(*values: Array) -> float:
    """The smallest of all, 1 where there is none."""
    return min((float(each.min()) for each in values if len(each)), default=1.0)


def _most_first(numbers: Offsets) -> npt.NDArray[np.intp]:
    """Their order, equal ones as they stand; NumPy sorts 16 bits in linear time."""
    short_of_most = numbers.max(initial=0) - numbers
    is_narrow = short_of_most.max(initial=0) <= np.iinfo(np.uint16).max
    return np.argsort(short_of_most.astype(np.uint16) if is_narrow else short_of_most, kind="stable")


def _values_of_rows(
    by_item: Csr, by_user: Csr, kept: Csr, same: bool, measure: Measure, n_threads: int
) -> tuple[Array, Array, Array]:
    """``item_values``, ``user_values`` and ``user_weights`` of `_Pairs`, each empty where there are none.

    ``kept`` is what a choice of items leaves of ``by_user``; ``same`` says that both sides have the same values.
    """
    nothing = by_item.data[:0]
    if measure.is_of_rows(by_item, by_user):
        user_values = measure.value_of_rows(by_user)
        return measure.value_of_rows(by_item), user_values, user_values
    user_values = value_of_rows(kept, n_threads)
    if not same:
        return nothing, user_values, nothing.astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):  # weights that lie so far apart are not used
        return nothing, user_values, user_values.astype(np.float64) ** 2


class _Side(NamedTuple):
    """What a metric makes of the items of one side of a pair."""

    values: Array  # where they are the first of a pair
    items: Statistics
    given: Statistics  # of the values before the metric changed them

    @classmethod
    def of(cls, by_item: Csr, measure: Measure, n_threads: int) -> _Side:
        given = Statistics.of(by_item, n_threads)
        if measure.metric.values is None or measure.is_of_rows(by_item):
            return cls(by_item.data, given, given)
        values = measure.metric.values(by_item, given, measure.parameters)
        return cls(values, Statistics.of(by_item._replace(data=values), n_threads), given)

    def factors(self, by_user: Csr, measure: Measure, n_threads: int) -> Array:
        """Values where these items are the second of a pair."""
        if not len(self.values):
            return self.values
        if measure.metric.factors is None:
            return by_user.data
        return measure.metric.factors(by_user, self.given, Statistics.of(by_user, n_threads), measure.parameters)

    def is_small_integers(self) -> bool:
        """Whether sums of products, which no sum of squares is below, are exact in int32."""
        return len(self.values) > 0 and self.items.whole and bool(self.items.sumsq.max() <= _LARGEST_INTEGER)
