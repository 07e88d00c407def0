"""What is measured: for each operation its inputs, made from interactions, and fastrec's own call on them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

import fastrec
from fastrec import _machine, _threads
from fastrec._transpose import transposed
from fastrec._types import Csr

Array = npt.NDArray[Any]
Inputs = dict[str, Any]

NEIGHBOURS = 100
ALS: dict[str, Any] = {"regularization": 0.1, "alpha": 10.0, "random_state": 0}
ALS_EPOCHS = 3
EXPLICIT_ALS: dict[str, Any] = {"regularization": 0.1, "n_epochs": 5, "random_state": 0}
PAIRWISE: dict[str, Any] = {"learning_rate": 0.05, "n_epochs": 10}
BPR_PENALTY = 0.002
LOGISTIC_EPOCHS = 20
BIASED_MF: dict[str, Any] = {"learning_rate": 0.005, "regularization": 0.02, "n_epochs": 10}
_HELD_OUT = 0.2  # of the interactions, for the quality of what is learned
EASE_PENALTY = 500.0
SLIM: dict[str, float] = {"alpha": 0.01, "l1_ratio": 0.1}  # of the mean squared error
NMF_EPOCHS = {"fastrec": 25, "scikit-learn": 30}  # with which our loss is as low, or a thousandth higher
_MOST_SCORES = 1 << 24
_MOST_SCORES_IN_MEMORY = 400_000_000  # 10,000 x 40,000: no cache holds them
_MOST_QUERIES = 30_000
_ONE_AT_A_TIME = 200  # queries: their sum is long enough to be timed
_MOST_ITEMS = 1_000_000
_MOST_ITEMS_SQUARED = 20_000  # linear models: minutes, and gigabytes
_LEAST_INTERACTIONS = 10_000
_MOST_SIMILAR_USERS = 20_000  # popular items make time grow with their square
_MOST_STRINGS = 50_000
_STRINGS_KEPT = 10


class Sizes(NamedTuple):
    """Sizes that can be chosen; all others follow from the interactions.

    Attributes
    ----------
    n_factors : int
        Of models, and of what `top_k_inner_product` and `ItemIndex` search.
    k : int
        Length of the rankings. Similarities and sparse products keep ``NEIGHBOURS`` a row instead.
    """

    n_factors: int = 64
    k: int = 20


DEFAULT_SIZES = Sizes()


class Operation(NamedTuple):
    """One thing to measure.

    Attributes
    ----------
    inputs : callable
        From interactions (users x items) and sizes to the inputs that everybody starts from. Not measured.
    call : callable
        ``call(n_threads=..., **prepare(inputs))`` is what is measured.
    prepare : callable
        From inputs to keyword arguments, where something is kept from call to call. Not measured.
    why_not : callable
        From interactions to a reason not to measure it on these unless it is asked for; mostly there is none.
    """

    inputs: Callable[[csr_array, Sizes], Inputs]
    call: Callable[..., Any]
    prepare: Callable[[Inputs], Inputs] = dict
    why_not: Callable[[csr_array], str] = lambda _: ""


# ---- scores ---------------------------------------------------------------------------------------------------------


def random_scores(shape: tuple[int, int]) -> Array:
    """Draw from the normal distribution, in float32."""
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def _scores(order: Callable[[Array], Array] = np.asarray) -> Callable[[csr_array, Sizes], Inputs]:
    def inputs(user_items: csr_array, sizes: Sizes) -> Inputs:
        return {"scores": order(random_scores(_matrix(user_items, _MOST_SCORES))), "k": sizes.k}

    return inputs


def _scores_in_memory(user_items: csr_array, sizes: Sizes) -> Inputs:
    """Scores of an eighth of the memory at most, since peers make copies."""
    most = int(min(_MOST_SCORES_IN_MEMORY, _machine.available_memory() / 8 / np.float32().nbytes))
    return {"scores": random_scores(_matrix(user_items, most)), "k": sizes.k}


def _matrix(user_items: csr_array, most_scores: int) -> tuple[int, int]:
    n_users, n_items = user_items.shape
    return min(n_users, max(1, most_scores // n_items)), n_items


def _ascending(scores: Array) -> Array:
    return np.sort(scores, axis=1)


def _nan_but_one(scores: Array) -> Array:
    rows, columns = np.arange(len(scores)), np.arange(len(scores)) % scores.shape[1]
    single = np.full_like(scores, np.nan)
    single[rows, columns] = scores[rows, columns]
    return single


# ---- factors --------------------------------------------------------------------------------------------------------


def _factors(user_items: csr_array, sizes: Sizes) -> Inputs:
    """Factors as a fit leaves them: the spread of their norms decides what a search may skip."""
    model = fastrec.ImplicitALS(sizes.n_factors, **ALS).fit(user_items)
    return {"queries": model.user_factors_[:_MOST_QUERIES], "items": model.item_factors_, "k": sizes.k}


def _factors_and_seen(user_items: csr_array, sizes: Sizes) -> Inputs:
    return {**_factors(user_items, sizes), "exclude": user_items[:_MOST_QUERIES]}


def _embeddings(user_items: csr_array, sizes: Sizes) -> Inputs:
    """Directions of the factors: vectors of length 1, as two-tower models and sentence encoders give them."""
    inputs = _factors(user_items, sizes)
    return {**inputs, "queries": _directions(inputs["queries"]), "items": _directions(inputs["items"])}


def _items_and_a_query(user_items: csr_array, sizes: Sizes) -> Inputs:
    inputs = _factors(user_items, sizes)
    return {**inputs, "queries": inputs["queries"][:1]}


def _one_at_a_time(*, many: bool = False, seen: bool = False) -> Callable[[csr_array, Sizes], Inputs]:
    """Some users, each to be asked for in a call of its own; a tenth of them where the items are ``many``."""

    def inputs(user_items: csr_array, sizes: Sizes) -> Inputs:
        made = _factors(user_items, sizes)
        n_queries = _ONE_AT_A_TIME // (10 if many else 1)
        asked = np.random.default_rng(0).permutation(len(made["queries"]))[:n_queries]
        made["queries"] = made["queries"][asked]
        if many:
            made["items"] = _resampled(made["items"], min(_MOST_ITEMS, 25 * len(made["items"])))
        if seen:
            made["exclude"] = user_items[asked]
            made["exclude"].resize(len(asked), len(made["items"]))  # the same ids, where there are more items
        return made

    return inputs


def _directions(rows: Array) -> Array:
    directions: Array = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(rows.dtype).tiny)
    return directions


def _resampled(items: Array, n_items: int) -> Array:
    """Draw rows, and add noise of a tenth of each one's root mean square."""
    random = np.random.default_rng(0)
    drawn = items[random.integers(len(items), size=n_items)]
    noise = random.standard_normal(drawn.shape, drawn.dtype)
    noise *= np.linalg.norm(drawn, axis=1, keepdims=True) / np.float32(10 * np.sqrt(drawn.shape[1]))
    noise += drawn
    return noise


def seen_by_each(inputs: Inputs) -> Sequence[Array | None]:
    """List the ids to exclude from each query's answer; None where nothing is."""
    exclude = inputs.get("exclude")
    if exclude is None:
        return [None] * len(inputs["queries"])
    return np.split(exclude.indices, exclude.indptr[1:-1])


def _index(inputs: Inputs) -> Inputs:
    index = fastrec.ItemIndex(inputs["items"])
    return {"index": index, "queries": inputs["queries"], "seen": seen_by_each(inputs), "k": inputs["k"]}


def _ask_one_at_a_time(index: Any, queries: Array, seen: Sequence[Array | None], k: int, n_threads: int | None) -> Any:
    asked = zip(queries, seen, strict=True)
    return [index.top_k(query[None], k, exclude=ids, n_threads=n_threads) for query, ids in asked]


def _build_and_ask(queries: Array, items: Array, k: int, n_threads: int | None) -> Any:
    return fastrec.ItemIndex(items).top_k(queries, k, n_threads=n_threads)


# ---- interactions ---------------------------------------------------------------------------------------------------


def _items_by_items(user_items: csr_array, sizes: Sizes) -> Inputs:
    """Item vectors of length 1 by their transpose, as in matching of names by their n-grams."""
    columns = user_items.T.tocsr()
    lengths = np.sqrt(columns.multiply(columns).sum(axis=1))
    columns.data /= np.repeat(lengths, np.diff(columns.indptr)).astype(columns.dtype)
    return {"a": columns, "b": columns.T.tocsr(), "k": NEIGHBOURS}


def _neighbours(user_items: csr_array, sizes: Sizes) -> Inputs:
    # Most peers keep the diagonal and cannot leave it out.
    return {"user_items": user_items, "k": NEIGHBOURS, "metric": "cosine", "keep_diagonal": True}


def _weighted_neighbours(user_items: csr_array, sizes: Sizes) -> Inputs:
    """Values that are not whole: users as documents, items as terms."""
    return _neighbours(fastrec.tfidf_weight(user_items), sizes)


def _neighbours_of_users(user_items: csr_array, sizes: Sizes) -> Inputs:
    return _neighbours(user_items[:_MOST_SIMILAR_USERS], sizes)


def jaccard(
    dot: float, n_common: float, count_i: float, count_j: float, sum_i: float, sum_j: float, sumsq_i: float,
    sumsq_j: float, n_users: float,
) -> float:  # fmt: skip
    """As a user would write it, to be compiled."""
    return n_common / (count_i + count_j - n_common)


@functools.cache
def _compiled_jaccard() -> Any:
    from fastrec._jit.decorator import kernel

    return kernel()(jaccard)


def _own_measure(inputs: Inputs) -> Inputs:
    return {**inputs, "binary": True, "metric": _compiled_jaccard()}


def _walks(metric: str) -> Callable[[csr_array, Sizes], Inputs]:
    def inputs(user_items: csr_array, sizes: Sizes) -> Inputs:
        return {**_neighbours(user_items, sizes), "metric": metric}

    return inputs


def _fitted_neighbours(user_items: csr_array, sizes: Sizes) -> Inputs:
    return {"model": fastrec.ItemKNN(NEIGHBOURS).fit(user_items), "user_items": user_items, "k": sizes.k}


def _recommend_by_neighbours(model: Any, user_items: csr_array, k: int, n_threads: int | None) -> Any:
    return model.recommend(np.arange(user_items.shape[0]), user_items, k, n_threads=n_threads)


def _fitted_neighbours_and_users(user_items: csr_array, sizes: Sizes) -> Inputs:
    asked = np.random.default_rng(0).permutation(user_items.shape[0])[:_ONE_AT_A_TIME]
    return {**_fitted_neighbours(user_items, sizes), "users": asked}


def _rows_of_users(inputs: Inputs) -> Inputs:
    rows = [inputs["user_items"][[user]] for user in inputs["users"]]
    return {"model": inputs["model"], "users": inputs["users"], "rows": rows, "k": inputs["k"]}


def _recommend_one_at_a_time(model: Any, users: Array, rows: Sequence[csr_array], k: int, n_threads: int | None) -> Any:
    asked = zip(users, rows, strict=True)
    return [model.recommend([user], row, k, n_threads=n_threads) for user, row in asked]


def _strings(threshold: float | None) -> Callable[[csr_array, Sizes], Inputs]:
    """TF-IDF vectors of n-grams by Zipf's law: 50,000 rows of 20 terms where the data have half as many users."""

    def inputs(user_items: csr_array, sizes: Sizes) -> Inputs:
        n_rows = min(_MOST_STRINGS, 2 * user_items.shape[0])
        n_terms = max(40, n_rows * 3 // 5)
        random = np.random.default_rng(0)
        law = 1.0 / np.arange(1, n_terms + 1) ** 0.8
        terms = random.choice(n_terms, size=(n_rows, 20), p=law / law.sum())
        copied = random.random(n_rows) < 0.3  # with a few terms changed, as misspelt names are
        terms[copied] = terms[random.integers(n_rows, size=int(copied.sum()))]
        terms[copied, : random.integers(1, 4)] = random.integers(n_terms, size=(int(copied.sum()), 1))
        rows = np.repeat(np.arange(n_rows), 20)
        counts = csr_array((np.ones(rows.size, np.float32), (rows, terms.ravel())), shape=(n_rows, n_terms))
        vectors = fastrec.normalize(fastrec.tfidf_weight(counts))
        return {"a": vectors, "b": vectors.T.tocsr(), "k": _STRINGS_KEPT, "threshold": threshold}

    return inputs


def _blocks_of_strings(user_items: csr_array, sizes: Sizes) -> Inputs:
    """The best of each quarter of the columns."""
    inputs = _strings(None)(user_items, sizes)
    a, b, k = inputs["a"], inputs["b"], inputs["k"]
    cuts = np.linspace(0, b.shape[1], 5).astype(int).tolist()
    quarters = [b[:, first:last] for first, last in pairwise(cuts)]
    return {"blocks": [fastrec.sparse_top_k_product(a, quarter, k) for quarter in quarters], "k": k}


def _item_documents(user_items: csr_array, sizes: Sizes) -> Inputs:
    return {"x": user_items.T.tocsr()}


def _interactions_and_start(user_items: csr_array, sizes: Sizes) -> Inputs:
    shape = (user_items.shape[1], sizes.n_factors)
    return {"user_items": user_items, "init": np.random.default_rng(0).normal(0, 0.01, shape).astype(np.float32)}


def _implicit_problem(user_items: csr_array, sizes: Sizes) -> Inputs:
    return {**_interactions_and_start(user_items, sizes), "n_epochs": ALS_EPOCHS}


def _ratings_and_start(user_items: csr_array, sizes: Sizes) -> Inputs:
    """A start as ExplicitALS draws it."""
    inputs = _interactions_and_start(user_items, sizes)
    return {**inputs, "init": 10 * inputs["init"]}


def _fit_als(user_items: csr_array, init: Any, n_epochs: int, n_threads: int | None) -> Any:
    model = fastrec.ImplicitALS(init.shape[1], **ALS, n_epochs=n_epochs, n_threads=n_threads)
    return model.fit(user_items, init=init)


def _fit_explicit_als(nonnegative: bool = False) -> Callable[..., Any]:
    def fit(user_items: csr_array, init: Any, n_threads: int | None) -> Any:
        options = {**EXPLICIT_ALS, "biases": not nonnegative, "nonnegative": nonnegative}
        model = fastrec.ExplicitALS(init.shape[1], **options, n_threads=n_threads)
        return model.fit(user_items, init=abs(init) if nonnegative else init)

    return fit


def _interactions_held_out(user_items: csr_array, sizes: Sizes) -> Inputs:
    """Some interactions to learn from and the others to be recommended."""
    entries = user_items.tocoo()
    held_out = np.random.default_rng(0).random(entries.nnz) < _HELD_OUT
    parts = (
        csr_array((np.ones(chosen.sum(), np.float32), (entries.row[chosen], entries.col[chosen])), entries.shape)
        for chosen in (~held_out, held_out)
    )
    return {**dict(zip(("user_items", "held_out"), parts, strict=True)), "n_factors": sizes.n_factors}


def _without_held_out(inputs: Inputs) -> Inputs:
    return {name: value for name, value in inputs.items() if name != "held_out"}


def _too_wide(user_items: csr_array) -> str:
    return f"skipped above {_MOST_ITEMS_SQUARED:,} items" if user_items.shape[1] > _MOST_ITEMS_SQUARED else ""


def _too_few(user_items: csr_array) -> str:
    few = user_items.nnz < _LEAST_INTERACTIONS
    return f"skipped below {_LEAST_INTERACTIONS:,} interactions: of what is learned chance decides" if few else ""


def _no_ratings(user_items: csr_array) -> str:
    return "skipped: all values are the same" if np.ptp(user_items.data) == 0 else ""


def _fit_bpr(user_items: csr_array, n_factors: int, n_threads: int | None) -> Any:
    model = fastrec.BPR(n_factors, **PAIRWISE, regularization=BPR_PENALTY, random_state=0, n_threads=n_threads)
    return model.fit(user_items)


def _fit_warp(user_items: csr_array, n_factors: int, n_threads: int | None) -> Any:
    return fastrec.WARP(n_factors, **PAIRWISE, random_state=0, n_threads=n_threads).fit(user_items)


def _fit_logistic_mf(user_items: csr_array, n_factors: int, n_threads: int | None) -> Any:
    return fastrec.LogisticMF(n_factors, n_epochs=LOGISTIC_EPOCHS, random_state=0, n_threads=n_threads).fit(user_items)


def _ratings(user_items: csr_array, sizes: Sizes) -> Inputs:
    return {"user_items": user_items, "n_factors": sizes.n_factors}


def _fit_biased_mf(user_items: csr_array, n_factors: int, n_threads: int | None) -> Any:
    return fastrec.BiasedMF(n_factors, **BIASED_MF, random_state=0, n_threads=n_threads).fit(user_items)


def _ones(user_items: csr_array, sizes: Sizes) -> Inputs:
    """Which items a user has, as the linear models are published."""
    ones = user_items.copy()
    ones.data = np.ones_like(ones.data)
    return {"user_items": ones}


def _fit_ease(user_items: csr_array, n_threads: int | None) -> Any:
    return fastrec.EASE(EASE_PENALTY, n_threads=n_threads).fit(user_items)


def slim_penalties(n_users: int) -> tuple[float, float]:
    """L1 and L2 of the sum of squared errors."""
    alpha, ratio = SLIM["alpha"] * n_users, SLIM["l1_ratio"]
    return alpha * ratio, alpha * (1 - ratio)


def _fit_slim(user_items: csr_array, n_threads: int | None) -> Any:
    return fastrec.SLIM(*slim_penalties(user_items.shape[0]), n_threads=n_threads).fit(user_items)


def _ones_and_factors(user_items: csr_array, sizes: Sizes) -> Inputs:
    return {**_ones(user_items, sizes), "n_factors": min(sizes.n_factors, *user_items.shape)}


def _fit_svd(user_items: csr_array, n_factors: int, n_threads: int | None) -> Any:
    return fastrec.PureSVD(n_factors, random_state=0, n_threads=n_threads).fit(user_items)


def _fit_nmf(user_items: csr_array, n_factors: int, n_threads: int | None) -> Any:
    model = fastrec.NMF(n_factors, n_epochs=NMF_EPOCHS["fastrec"], random_state=0, n_threads=n_threads)
    return model.fit(user_items)


def _transpose(x: csr_array, n_threads: int | None) -> csr_array:
    return transposed(Csr.of_canonical(x), _threads.resolve(n_threads)).to_scipy()


OPERATIONS = {
    "top_k": Operation(_scores(), fastrec.top_k),
    "top_k_ascending": Operation(_scores(_ascending), fastrec.top_k),
    "top_k_ties": Operation(_scores(np.zeros_like), fastrec.top_k),
    "top_k_nan_but_one": Operation(_scores(_nan_but_one), fastrec.top_k),
    "top_k_in_memory": Operation(_scores_in_memory, fastrec.top_k),
    "top_k_inner_product": Operation(_factors, fastrec.top_k_inner_product),
    "top_k_inner_product_exclude": Operation(_factors_and_seen, fastrec.top_k_inner_product),
    "top_k_inner_product_embeddings": Operation(_embeddings, fastrec.top_k_inner_product),
    "item_index_build": Operation(_items_and_a_query, _build_and_ask),
    "item_index_one_query": Operation(_one_at_a_time(), _ask_one_at_a_time, _index),
    "item_index_one_query_exclude": Operation(_one_at_a_time(seen=True), _ask_one_at_a_time, _index),
    "item_index_one_query_1m": Operation(_one_at_a_time(many=True), _ask_one_at_a_time, _index),
    "item_index_one_query_1m_exclude": Operation(_one_at_a_time(many=True, seen=True), _ask_one_at_a_time, _index),
    "sparse_top_k_product": Operation(_items_by_items, fastrec.sparse_top_k_product),
    "sparse_top_k_product_strings": Operation(_strings(None), fastrec.sparse_top_k_product),
    "sparse_top_k_product_strings_05": Operation(_strings(0.5), fastrec.sparse_top_k_product),
    "sparse_top_k_product_strings_08": Operation(_strings(0.8), fastrec.sparse_top_k_product),
    "merge_top_k_products": Operation(_blocks_of_strings, fastrec.merge_top_k_products),
    "item_similarity": Operation(_neighbours, fastrec.item_similarity),
    "item_similarity_tfidf": Operation(_weighted_neighbours, fastrec.item_similarity),
    "item_similarity_own_measure": Operation(_neighbours, fastrec.item_similarity, _own_measure),
    "user_similarity": Operation(_neighbours_of_users, fastrec.user_similarity),
    "p3alpha": Operation(_walks("p3alpha"), fastrec.item_similarity),
    "rp3beta": Operation(_walks("rp3beta"), fastrec.item_similarity),
    "item_knn_recommend": Operation(_fitted_neighbours, _recommend_by_neighbours),
    "item_knn_recommend_one_user": Operation(_fitted_neighbours_and_users, _recommend_one_at_a_time, _rows_of_users),
    "bm25_weight": Operation(_item_documents, fastrec.bm25_weight),
    "tfidf_weight": Operation(_item_documents, fastrec.tfidf_weight),
    "normalize": Operation(_item_documents, fastrec.normalize),
    "transpose": Operation(lambda user_items, sizes: {"x": user_items}, _transpose),
    "ease": Operation(_ones, _fit_ease, why_not=_too_wide),
    "slim": Operation(_ones, _fit_slim, why_not=_too_wide),
    "pure_svd": Operation(_ones_and_factors, _fit_svd),
    "nmf": Operation(_ones_and_factors, _fit_nmf, why_not=_too_few),
    "implicit_als": Operation(_implicit_problem, _fit_als),
    "explicit_als": Operation(_ratings_and_start, _fit_explicit_als(), why_not=_no_ratings),
    "explicit_als_nonnegative": Operation(_ratings_and_start, _fit_explicit_als(nonnegative=True), why_not=_no_ratings),
    "bpr": Operation(_interactions_held_out, _fit_bpr, _without_held_out, why_not=_too_few),
    "warp": Operation(_interactions_held_out, _fit_warp, _without_held_out, why_not=_too_few),
    "logistic_mf": Operation(_interactions_held_out, _fit_logistic_mf, _without_held_out, why_not=_too_few),
    "biased_mf": Operation(_ratings, _fit_biased_mf, why_not=_no_ratings),
}
