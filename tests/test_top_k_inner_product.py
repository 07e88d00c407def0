"""top_k_inner_product: the reference's answers, bit for bit, and the laws of a ranking by inner products."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

import fastrec
from equality import assert_rejects, assert_same, digest, fewer
from fastrec import TopK, reference
from strategies import FLOATS, factor_matrices, ids_of, k_values, patterns, seeds, thread_counts


@st.composite
def cases(draw, **options):
    """Arguments of a call."""
    queries, items = draw(factor_matrices(**options))
    shape = len(queries), len(items)
    return (queries, items, draw(k_values)), {"exclude": draw(patterns(*shape)), "candidates": draw(patterns(*shape))}


def equals_reference(top_k_inner_product):
    @given(cases(dtypes=(*FLOATS, "float16", "int8", "int64", "bool")), thread_counts)
    def law(case, n_threads):
        arguments, options = case
        expected = reference.top_k_inner_product(*arguments, **options)
        assert_same(top_k_inner_product(*arguments, **options, n_threads=n_threads), expected)

    return law


def is_top_k_of_the_exact_scores(top_k_inner_product):
    """Integers small enough that every order of summing gives the same number."""

    @given(seeds, st.integers(0, 40), k_values, st.sampled_from(FLOATS))
    def law(seed, n_factors, k, dtype):
        rng = np.random.default_rng(seed)
        queries, items = (rng.integers(-3, 4, (n, n_factors)).astype(dtype) for n in (35, 130))
        expected = reference.top_k((queries @ items.T).astype(dtype), k)
        assert_same(top_k_inner_product(queries, items, k), expected)

    return law


def is_a_prefix_of_the_answer_for_more(top_k_inner_product):
    @given(cases())
    def law(case):
        (queries, items, k), options = case
        fewer, more = (top_k_inner_product(queries, items, n, **options) for n in (k, k + 1))
        assert_same(fewer, TopK(more.items[:, :k], more.scores[:, :k]))

    return law


def permutes_with_the_queries(top_k_inner_product):
    @given(factor_matrices(), k_values, seeds)
    def law(factors, k, seed):
        queries, items = factors
        order = np.random.default_rng(seed).permutation(len(queries))
        answer = top_k_inner_product(queries, items, k)
        assert_same(top_k_inner_product(queries[order], items, k), TopK(answer.items[order], answer.scores[order]))

    return law


def permutes_with_the_items(top_k_inner_product):
    """Where scores tie, the lower item of the new numbering comes first, so only scores are compared there."""

    @given(factor_matrices(), k_values, seeds)
    def law(factors, k, seed):
        queries, items = factors
        order = np.random.default_rng(seed).permutation(len(items))
        answer, permuted = (
            top_k_inner_product(queries, items, len(items) + 1),
            top_k_inner_product(queries, items[order], k),
        )
        kept = min(k, answer.scores.shape[1])
        assert_same(permuted.scores[:, :kept], answer.scores[:, :kept])
        for row, (new_items, values) in enumerate(zip(permuted.items, permuted.scores, strict=True)):
            score_of = dict(zip(answer.items[row].tolist(), answer.scores[row].tolist(), strict=True))
            assert [score_of[int(order[item])] for item in new_items if item >= 0] == values[new_items >= 0].tolist()

    return law


def keeps_its_ranking_when_a_query_is_scaled(top_k_inner_product):
    @given(seeds, st.sampled_from(FLOATS), st.integers(-30, 30), k_values)
    def law(seed, dtype, exponent, k):
        rng = np.random.default_rng(seed)
        queries = rng.choice(np.array([0, 1, -1, 0.1, 1 / 3], dtype), (5, 13))
        items = rng.choice(np.array([0, 1, 0.5, 0.7], dtype), (90, 13))
        scale = dtype_scale = np.asarray(2.0**exponent, dtype)
        answer = top_k_inner_product(queries, items, k)
        scaled = top_k_inner_product(queries * scale, items, k)
        assert_same(scaled, TopK(answer.items, answer.scores * dtype_scale))

    return law


def ranks_candidates_minus_excluded(top_k_inner_product):
    @given(cases(finite=True))
    def law(case):
        (queries, items, k), options = case
        answer = top_k_inner_product(queries, items, k, **options)
        everything = top_k_inner_product(queries, items, max(1, len(items)))
        allowed = ids_of(options["candidates"], len(queries), len(items), default=range(len(items)))
        excluded = ids_of(options["exclude"], len(queries), len(items), default=())
        for row in range(len(queries)):
            kept = [
                (item, score)
                for item, score in zip(everything.items[row].tolist(), everything.scores[row].tolist(), strict=True)
                if item in allowed[row] and item not in excluded[row]
            ][:k]
            padding = [(-1, -np.inf)] * (k - len(kept))
            assert list(zip(answer.items[row].tolist(), answer.scores[row].tolist(), strict=True)) == kept + padding

    return law


def moves_the_rest_up_when_the_best_are_excluded(top_k_inner_product):
    @given(factor_matrices(), k_values, st.integers(1, 5))
    def law(factors, k, n_excluded):
        queries, items = factors
        answer = top_k_inner_product(queries, items, k + n_excluded)
        best = answer.items[:, :n_excluded]
        rows = np.repeat(np.arange(len(queries)), n_excluded)[best.ravel() >= 0]
        ids = best.ravel()[best.ravel() >= 0]
        exclude = csr_array((np.ones(len(ids)), (rows, ids)), shape=(len(queries), len(items)))
        rest = TopK(answer.items[:, n_excluded:], answer.scores[:, n_excluded:])
        assert_same(top_k_inner_product(queries, items, k, exclude=exclude), rest)

    return law


def takes_one_list_as_that_list_for_every_row(top_k_inner_product):
    @given(factor_matrices(), k_values, st.data())
    def law(factors, k, data):
        queries, items = factors
        ids = data.draw(st.lists(st.integers(0, len(items) - 1), max_size=20)) if len(items) else []
        matrix = np.zeros((len(queries), len(items)))
        matrix[:, ids] = 1
        for name in ("exclude", "candidates"):
            expected = top_k_inner_product(queries, items, k, **{name: csr_array(matrix)})
            assert_same(top_k_inner_product(queries, items, k, **{name: ids}), expected)

    return law


LAWS = [
    equals_reference,
    is_top_k_of_the_exact_scores,
    is_a_prefix_of_the_answer_for_more,
    permutes_with_the_queries,
    permutes_with_the_items,
    keeps_its_ranking_when_a_query_is_scaled,
    ranks_candidates_minus_excluded,
    moves_the_rest_up_when_the_best_are_excluded,
    takes_one_list_as_that_list_for_every_row,
]


@pytest.mark.parametrize("law", LAWS)
def test_law(law):
    law(fastrec.top_k_inner_product)()


@pytest.mark.parametrize("law", LAWS[1:])
def test_law_of_the_reference(law):
    fewer(law(reference.top_k_inner_product))()


# ---- the laws can fail ----------------------------------------------------------------------------------------------


def summed_in_sequence(queries, items, k, *, exclude=None, candidates=None, n_threads=None):
    queries, items = reference.selection.dense(queries), reference.selection.dense(items)
    total = np.zeros((len(queries), len(items)))
    with np.errstate(all="ignore"):
        for j in range(queries.shape[1]):
            total += np.multiply.outer(queries[:, j].astype(np.float64), items[:, j].astype(np.float64))
        scores = total.astype(np.result_type(queries, items))
    allowed = reference.selection.members(candidates, *scores.shape, default=True)
    allowed = allowed & ~reference.selection.members(exclude, *scores.shape, default=False)
    return reference.top_k(np.where(allowed, scores, np.nan).astype(scores.dtype), k)


def summed_in_float32(queries, items, k, *, n_threads=None, **options):
    answer = reference.top_k_inner_product(np.asarray(queries, np.float32), np.asarray(items, np.float32), k, **options)
    return TopK(answer.items, answer.scores.astype(np.result_type(queries, items, np.float32)))


def exclusion_of_row_0(queries, items, k, *, exclude=None, n_threads=None, **options):
    if hasattr(exclude, "tocsr"):
        exclude = sorted(ids_of(exclude, len(queries), len(items), default=())[0]) if len(queries) else []
    return reference.top_k_inner_product(queries, items, k, exclude=exclude, **options)


def values_of_patterns_read(queries, items, k, *, exclude=None, n_threads=None, **options):
    if hasattr(exclude, "eliminate_zeros"):
        exclude = exclude.copy()
        exclude.eliminate_zeros()
    return reference.top_k_inner_product(queries, items, k, exclude=exclude, **options)


def one_tile_only(queries, items, k, *, exclude=None, candidates=None, n_threads=None):
    beyond = list(range(64, len(items)))
    answer = reference.top_k_inner_product(queries, items, len(items) + 1, exclude=exclude, candidates=candidates)
    for row in range(len(queries)):
        kept = ~np.isin(answer.items[row], beyond)
        order = np.argsort(~kept, kind="stable")
        answer.items[row], answer.scores[row] = answer.items[row, order], answer.scores[row, order]
        answer.items[row, kept.sum() :], answer.scores[row, kept.sum() :] = -1, -np.inf
    more = max(0, k - answer.items.shape[1])
    return TopK(
        np.pad(answer.items, ((0, 0), (0, more)), constant_values=-1)[:, :k],
        np.pad(answer.scores, ((0, 0), (0, more)), constant_values=-np.inf)[:, :k],
    )


@pytest.mark.parametrize(
    ("broken", "laws"),
    [
        (summed_in_sequence, [equals_reference]),
        (summed_in_float32, [equals_reference]),
        (exclusion_of_row_0, [equals_reference, ranks_candidates_minus_excluded]),
        (exclusion_of_row_0, [moves_the_rest_up_when_the_best_are_excluded]),
        (values_of_patterns_read, [equals_reference, ranks_candidates_minus_excluded]),
        (one_tile_only, [equals_reference, is_top_k_of_the_exact_scores, permutes_with_the_items]),
    ],
)
def test_laws_reject(broken, laws):
    for law in laws:
        assert_rejects(law, broken)


# ---- cases ----------------------------------------------------------------------------------------------------------


def test_dtype_of_scores():
    for left, right, expected in [
        (np.float32, np.float32, np.float32),
        (np.float32, np.float64, np.float64),
        (np.float64, np.float32, np.float64),
        (np.int8, np.float32, np.float32),
        (np.int32, np.float32, np.float64),
    ]:
        answer = fastrec.top_k_inner_product(np.ones((2, 3), left), np.ones((4, 3), right), 2)
        assert answer.scores.dtype == expected, (left, right)


def test_products_of_float64_are_not_contracted():
    """A fused multiply-add would keep what the rounded product loses, and the difference would not be zero."""
    x = 1 + 2.0**-30
    queries, items = np.zeros((1, 16)), np.zeros((1, 16))
    queries[0, 0], items[0, 0] = x * x, -1.0  # lane 0: the rounded square is taken away,
    queries[0, 8], items[0, 8] = x, x  # then added again
    assert fastrec.top_k_inner_product(queries, items, 1).scores[0, 0] == 0.0


def test_lanes_are_added_in_the_order_of_the_contract():
    big = 2.0**53
    for lanes, expected in [
        ({0: big, 4: 1.0, 2: -big}, 0.0),  # (0 + 4) rounds the 1 away before 2 comes
        ({0: big, 2: -big, 4: 0.0, 1: 1.0}, 1.0),
        ({1: big, 5: 1.0, 3: -big}, 0.0),
        ({0: big, 8: 1.0, 16: -big, 1: 1.0}, 1.0),  # a lane adds j, j + 8, j + 16 in turn
    ]:
        query = np.zeros((1, 24))
        query[0, list(lanes)] = list(lanes.values())
        assert fastrec.top_k_inner_product(query, np.ones((1, 24)), 1).scores[0, 0] == expected


@given(seeds, st.sampled_from(FLOATS), st.integers(50, 900), st.sampled_from([300, 3000]), thread_counts)
def test_equal_scores_come_in_any_order(seed, dtype, k, n_scores, n_threads):
    """Items are met by their norms, so that of equal scores a lower item may come late, when the k best are cut."""
    rng = np.random.default_rng(seed)
    items = np.zeros((4000, 16), dtype)
    items[:, 0], items[:, 1] = rng.integers(n_scores, size=4000), rng.integers(5000, size=4000)
    queries = np.zeros((40, 16), dtype)
    queries[:, 0] = rng.integers(-2, 3, 40)
    ours = fastrec.top_k_inner_product(queries, items, k, n_threads=n_threads)
    assert_same(ours, reference.top_k_inner_product(queries, items, k))


def test_nan_from_infinities_never_ranks():
    queries = np.array([[np.inf, 1.0]])
    items = np.array([[0.0, 5.0], [1.0, 0.0], [-1.0, 0.0], [np.nan, 0.0]])
    answer = fastrec.top_k_inner_product(queries, items, 4)
    assert answer.items.tolist() == [[1, 2, -1, -1]]
    assert answer.scores.tolist() == [[np.inf, -np.inf, -np.inf, -np.inf]]


@given(cases())
def test_inputs_are_unchanged(case):
    (queries, items, k), options = case
    given_arrays = [value for value in (queries, items, *options.values()) if value is not None]
    before = digest(*given_arrays)
    fastrec.top_k_inner_product(queries, items, k, **options)
    assert digest(*given_arrays) == before
