"""ItemIndex: the reference's answers for every metric, whatever the dtypes, and what an index promises as an object.

Sizes from which items are screened: test_screening.py.
"""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array

import fastrec
from equality import assert_rejects, assert_same, digest, fewer
from fastrec import TopK, reference
from fastrec.item_index import METRICS
from strategies import FLOATS, factor_matrices, k_values, patterns, seeds, thread_counts


@st.composite
def searches(draw, **options):
    """Queries and items, and what else a search takes."""
    queries, items = draw(factor_matrices(**options))
    shape = len(queries), len(items)
    return queries, items, draw(k_values), {"exclude": draw(patterns(*shape)), "candidates": draw(patterns(*shape))}


metrics = st.sampled_from(METRICS)


def equals_reference(index_of):
    @given(searches(dtypes=(*FLOATS, "float16", "int8", "int64", "bool")), metrics, thread_counts)
    def law(search, metric, n_threads):
        queries, items, k, options = search
        expected = reference.ItemIndex(items, metric=metric).top_k(queries, k, **options)
        assert_same(index_of(items, metric=metric).top_k(queries, k, **options, n_threads=n_threads), expected)

    return law


def is_a_prefix_of_the_answer_for_more(index_of):
    @given(searches(), metrics)
    def law(search, metric):
        queries, items, k, options = search
        index = index_of(items, metric=metric)
        fewer, more = (index.top_k(queries, n, **options) for n in (k, k + 1))
        assert_same(fewer, TopK(more.items[:, :k], more.scores[:, :k]))

    return law


def finds_each_item_nearest_to_itself(index_of):
    """Whole numbers, so that a distance is 0 only for equal items; the lowest of equal ones comes first."""

    @given(seeds, st.integers(1, 20))
    def law(seed, n_factors):
        items = np.random.default_rng(seed).integers(-3, 4, (60, n_factors)).astype(np.float32)
        answer = index_of(items, metric="euclidean").top_k(items, 1)
        assert (answer.scores == 0).all()
        assert (items[answer.items[:, 0]] == items).all()
        assert (answer.items[:, 0] <= np.arange(60)).all()

    return law


def ranks_cosines_alike_when_items_are_scaled(index_of):
    @given(seeds, st.integers(1, 20), k_values)
    def law(seed, n_factors, k):
        rng = np.random.default_rng(seed)
        queries, items = (rng.standard_normal((n, n_factors)) for n in (5, 60))
        scaled = items * 2.0 ** rng.integers(-20, 20, (60, 1))
        expected = index_of(items, metric="cosine").top_k(queries, k)
        assert_same(index_of(scaled, metric="cosine").top_k(queries, k), expected)

    return law


LAWS = [
    equals_reference,
    is_a_prefix_of_the_answer_for_more,
    finds_each_item_nearest_to_itself,
    ranks_cosines_alike_when_items_are_scaled,
]


@pytest.mark.parametrize("law", LAWS)
def test_law(law):
    law(fastrec.ItemIndex)()


@pytest.mark.parametrize("law", LAWS[1:])
def test_law_of_the_reference(law):
    fewer(law(reference.ItemIndex))()


# ---- the laws can fail ----------------------------------------------------------------------------------------------


class NoNorms(reference.ItemIndex):
    def __init__(self, items, *, metric="inner_product"):
        super().__init__(items, metric="inner_product" if metric == "cosine" else metric)


class NoDistances(reference.ItemIndex):
    def __init__(self, items, *, metric="inner_product"):
        super().__init__(items, metric="inner_product" if metric == "euclidean" else metric)


class OneItemMore(reference.ItemIndex):
    def top_k(self, queries, k, **options):
        answer = super().top_k(queries, k + 1, **options)
        return TopK(answer.items[:, 1:], answer.scores[:, 1:]) if k == 1 else super().top_k(queries, k, **options)


@pytest.mark.parametrize(
    ("broken", "laws"),
    [
        (NoNorms, [equals_reference, ranks_cosines_alike_when_items_are_scaled]),
        (NoDistances, [equals_reference, finds_each_item_nearest_to_itself]),
        (OneItemMore, [equals_reference, is_a_prefix_of_the_answer_for_more]),
    ],
)
def test_laws_reject(broken, laws):
    for law in laws:
        assert_rejects(law, broken)


# ---- an index as an object ------------------------------------------------------------------------------------------


def factors(n_queries=40, n_items=2000, n_factors=16, dtype=np.float32):
    rng = np.random.default_rng(0)
    return tuple(rng.standard_normal((n, n_factors)).astype(dtype) for n in (n_queries, n_items))


def test_owns_a_copy_that_nobody_can_change():
    queries, items = factors()
    index = fastrec.ItemIndex(items)
    before = index.top_k(queries, 5)
    items[:] = 0
    assert_same(index.top_k(queries, 5), before)
    assert not index.items.flags.writeable
    assert items.flags.writeable


@pytest.mark.parametrize("n_items", [20, 2048])  # of as many as the second, all are packed
@pytest.mark.parametrize("ids", [None, [3, 5], "rows"])
def test_no_queries(n_items, ids):
    allowed = csr_array((0, n_items)) if ids == "rows" else ids
    found = fastrec.ItemIndex(np.ones((n_items, 16), np.float32)).top_k(
        np.empty((0, 16), np.float32), 5, exclude=allowed, candidates=allowed
    )
    assert found.items.shape == found.scores.shape == (0, 5)


def test_dtype_of_scores():
    for of_items, of_queries, expected in [
        (np.float32, np.float32, np.float32),
        (np.float32, np.float64, np.float64),
        (np.float64, np.float32, np.float64),
        (np.int8, np.float32, np.float32),
        (np.int32, np.float32, np.float64),
    ]:
        index = fastrec.ItemIndex(np.ones((4, 3), of_items))
        assert index.top_k(np.ones((2, 3), of_queries), 2).scores.dtype == expected, (of_items, of_queries)


@pytest.mark.parametrize("metric", METRICS)
def test_many_threads_search_at_once(metric):
    queries, items = factors(n_queries=200)
    index = fastrec.ItemIndex(items, metric=metric)
    parts = [queries[first : first + 10] for first in range(0, 200, 10)] * 5
    expected = [digest(index.top_k(part.astype(dtype), 7)) for dtype in FLOATS for part in parts]
    fresh = fastrec.ItemIndex(items, metric=metric)  # makes its second form while they search
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda part: digest(fresh.top_k(part, 7)), [p.astype(d) for d in FLOATS for p in parts])
        assert list(answers) == expected


@pytest.mark.parametrize("metric", METRICS)
def test_pickles(metric):
    queries, items = factors()
    index = fastrec.ItemIndex(items, metric=metric)
    again = pickle.loads(pickle.dumps(index))
    assert again.metric == metric
    assert_same(again.top_k(queries, 5), index.top_k(queries, 5))


def test_says_what_it_is():
    assert repr(fastrec.ItemIndex(np.ones((3, 2)))) == "ItemIndex(3 items, 2 factors, metric='inner_product')"


@pytest.mark.parametrize("exclude", [None, [3, 5], "rows"])
def test_progress_changes_nothing_but_stderr(exclude, capfd):
    queries, items = factors(n_queries=900)
    if exclude == "rows":
        exclude = random_array((900, 2000), density=0.01, rng=np.random.default_rng(1), format="csr")
    index = fastrec.ItemIndex(items)
    expected = index.top_k(queries, 5, exclude=exclude)
    assert capfd.readouterr().err == ""
    assert_same(index.top_k(queries, 5, exclude=exclude, progress=True), expected)
    assert "queries: 100%" in capfd.readouterr().err
    assert_same(fastrec.top_k_inner_product(queries, items, 5, exclude=exclude, progress=True), expected)
