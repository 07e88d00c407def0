"""top_k: the reference's answers, bit for bit, and the laws of a ranking."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

import fastrec
from equality import assert_rejects, assert_same, digest, fewer
from fastrec import TopK, reference
from strategies import (
    DENSE_DTYPES,
    FLOATS,
    SPARSE_FORMS,
    entries_of,
    k_values,
    score_matrices,
    seeds,
    sparse_matrices,
    thread_counts,
)

sparse_scores = sparse_matrices(forms=[form for form in SPARSE_FORMS if form != "dense"])


def equals_reference(top_k):
    @given(st.one_of(score_matrices(), sparse_scores), k_values, thread_counts)
    def law(scores, k, n_threads):
        assert_same(top_k(scores, k, n_threads=n_threads), reference.top_k(scores, k))

    return law


def is_a_prefix_of_the_answer_for_more(top_k):
    @given(score_matrices(), k_values)
    def law(scores, k):
        fewer, more = top_k(scores, k), top_k(scores, k + 1)
        assert_same(fewer, TopK(more.items[:, :k], more.scores[:, :k]))

    return law


def permutes_with_the_rows(top_k):
    @given(score_matrices(), k_values, seeds)
    def law(scores, k, seed):
        order = np.random.default_rng(seed).permutation(len(scores))
        answer = top_k(scores, k)
        assert_same(top_k(scores[order], k), TopK(answer.items[order], answer.scores[order]))

    return law


def permutes_with_the_items(top_k):
    @given(score_matrices(FLOATS), k_values, seeds)
    def law(scores, k, seed):
        order = np.random.default_rng(seed).permutation(scores.shape[1])
        answer, permuted = top_k(scores, k), top_k(scores[:, order], k)
        assert_same(permuted.scores, answer.scores)
        for row, (items, values) in enumerate(zip(permuted.items, permuted.scores, strict=True)):
            real = items >= 0
            assert_same(np.asarray(scores, values.dtype)[row, order[items[real]]], values[real])  # ties may swap

    return law


def leaves_out_nothing_better(top_k):
    @given(score_matrices(FLOATS), k_values)
    def law(scores, k):
        answer = top_k(scores, k)
        for row, items, values in zip(scores, answer.items, answer.scores, strict=True):
            real = items >= 0
            n_ranked = int((~np.isnan(row)).sum())
            assert real.sum() == min(k, n_ranked)
            assert (items[~real] == -1).all()
            assert np.isneginf(values[~real]).all()
            assert len(set(items[real])) == real.sum()
            assert (row[items[real]] == values[real]).all()
            order = [(-float(row[item]), int(item)) for item in items[real]]
            assert order == sorted(order)
            left_out = [
                (-float(row[item]), item)
                for item in set(range(len(row))) - set(items.tolist())
                if row[item] == row[item]
            ]
            assert not order or not left_out or max(order) < min(left_out)

    return law


def ranks_stored_entries_only(top_k):
    @given(sparse_matrices(forms=["csr_array", "csr_matrix", "int64", "read-only", "excess"]), k_values)
    def law(scores, k):
        answer = top_k(scores, k)
        stored = [set() for _ in range(scores.shape[0])]
        for row, item in zip(*(index.tolist() for index in entries_of(scores)[:2]), strict=True):
            stored[row].add(item)
        for items, mine in zip(answer.items, stored, strict=True):
            assert set(items[items >= 0].tolist()) <= mine
            assert (items >= 0).sum() == min(k, len(mine))

    return law


LAWS = [
    equals_reference,
    is_a_prefix_of_the_answer_for_more,
    permutes_with_the_rows,
    permutes_with_the_items,
    leaves_out_nothing_better,
    ranks_stored_entries_only,
]


@pytest.mark.parametrize("law", LAWS)
def test_law(law):
    law(fastrec.top_k)()


@pytest.mark.parametrize("law", LAWS[1:])
def test_law_of_the_reference(law):
    fewer(law(reference.top_k))()


# ---- the laws can fail ----------------------------------------------------------------------------------------------


def broken(change):
    """The reference, its answer changed by ``change(scores, k, items, values)`` in place."""

    def top_k(scores, k, *, n_threads=None):
        answer = reference.top_k(scores, k)
        change(scores, k, answer.items, answer.scores)
        return answer

    return top_k


def higher_item_first(scores, k, items, values):
    for row in range(len(items)):
        order = np.lexsort((-items[row], -values[row]))
        items[row] = items[row, order]


def nothing_past_64(scores, k, items, values):
    values[items >= 64] = -np.inf
    items[items >= 64] = -1


def minus_inf_is_padding(scores, k, items, values):
    items[np.isneginf(values)] = -1


def no_last(scores, k, items, values):
    items[:, k - 1 :], values[:, k - 1 :] = -1, -np.inf


def rows_swapped(scores, k, items, values):
    items[:2], values[:2] = items[:2][::-1].copy(), values[:2][::-1].copy()


def zeros_dropped(scores, k, items, values):
    items[values == 0], values[values == 0] = -1, -np.inf


def worst_first(scores, k, items, values):
    n = (items >= 0).sum(axis=1)
    for row in range(len(items)):
        items[row, : n[row]] = items[row, : n[row]][::-1].copy()


def one_ulp_more(scores, k, items, values):
    values[...] = np.nextafter(values, np.inf, where=np.isfinite(values), out=values.copy())


@pytest.mark.parametrize(
    ("change", "laws"),
    [
        (higher_item_first, [equals_reference, leaves_out_nothing_better]),
        (nothing_past_64, [equals_reference, permutes_with_the_items, leaves_out_nothing_better]),
        (minus_inf_is_padding, [equals_reference, leaves_out_nothing_better]),
        (no_last, [equals_reference, is_a_prefix_of_the_answer_for_more, ranks_stored_entries_only]),
        (rows_swapped, [equals_reference, permutes_with_the_rows, leaves_out_nothing_better]),
        (zeros_dropped, [equals_reference, ranks_stored_entries_only, leaves_out_nothing_better]),
        (worst_first, [equals_reference, leaves_out_nothing_better, is_a_prefix_of_the_answer_for_more]),
        (one_ulp_more, [equals_reference, leaves_out_nothing_better]),
    ],
)
def test_laws_reject(change, laws):
    for law in laws:
        assert_rejects(law, broken(change))


# ---- cases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DENSE_DTYPES)
def test_dtype_of_scores(dtype):
    expected = np.float32 if dtype in ("float32", "float16", "int8", "int16", "bool") else np.float64
    values = np.ones((2, 3), dtype)
    assert fastrec.top_k(values, 2).scores.dtype == expected
    if dtype != "float16":  # SciPy has no sparse float16
        assert fastrec.top_k(csr_array(values), 2).scores.dtype == expected


def test_order_of_all_kinds_of_scores():
    scores = [[np.nan, -np.inf, 0.0, np.inf, -0.0, 1.0, -np.inf, np.nan]]
    items, values = fastrec.top_k(scores, 8)
    assert items.tolist() == [[3, 5, 2, 4, 1, 6, -1, -1]]
    assert values.tolist() == [[np.inf, 1, 0, 0, -np.inf, -np.inf, -np.inf, -np.inf]]


@pytest.mark.parametrize("order", ["ascending", "descending", "equal", "saw"])
@pytest.mark.parametrize("k", [1, 2, 499, 500, 501, 999, 1000, 1001])
def test_any_order_of_arrival(order, k):
    scores = {
        "ascending": np.arange(1000.0),
        "descending": -np.arange(1000.0),
        "equal": np.zeros(1000),
        "saw": np.arange(1000.0) % 7,
    }[order]
    assert_same(fastrec.top_k(scores[None], k), reference.top_k(scores[None], k))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("k", [2047, 2048, 2049, 5000, 11_999, 12_000])
def test_thousands_of_the_best(k, dtype):
    """More than a network sorts, in orders that mislead a sample."""
    n = 12_000
    random = np.random.default_rng(k).normal(size=n)
    rare = np.where(np.arange(n) % (n // 65) == 0, 2.0, random)
    saw, up = np.arange(n) % 7.0, np.arange(1.0 * n)
    scores = np.stack([random, rare, saw, np.zeros(n), up, -up, np.round(random), np.abs(up - n / 2)]).astype(dtype)
    assert_same(fastrec.top_k(scores, k), reference.top_k(scores, k))


@given(seeds, st.sampled_from(FLOATS), st.integers(50, 1100), st.sampled_from([2, 40, 3000, 40_000]), st.booleans())
def test_scores_that_are_hardly_told_apart(seed, dtype, k, n_steps, best_last):
    """What is kept beside the k best while a row is read: as many steps of the last bit apart as are asked for."""
    rng = np.random.default_rng(seed)
    scores = (1 + rng.integers(n_steps, size=(2, 4000)) * np.finfo(dtype).eps).astype(dtype)
    scores[rng.random(scores.shape) < 0.1] *= -2
    if best_last:
        scores.sort(axis=1)
    assert_same(fastrec.top_k(scores, k), reference.top_k(scores, k))


def test_more_columns_than_a_narrow_counter_holds():
    scores = np.zeros((1, 70_000), np.float32)
    scores[0, 69_999] = 1
    assert fastrec.top_k(scores, 2).items.tolist() == [[69_999, 0]]
    assert fastrec.top_k(csr_array(scores), 2).items.tolist() == [[69_999, -1]]


@pytest.mark.parametrize("kind", ["array", "dlpack"])
def test_whatever_offers_its_values(kind):
    class Offers:
        def __init__(self, values):
            self.values = values

    if kind == "array":
        Offers.__array__ = lambda self, dtype=None, copy=None: self.values
    else:
        Offers.__dlpack__ = lambda self, **options: self.values.__dlpack__(**options)
        Offers.__dlpack_device__ = lambda self: self.values.__dlpack_device__()
    scores = np.array([[1.0, 3.0, 2.0]])
    assert_same(fastrec.top_k(Offers(scores), 2), reference.top_k(scores, 2))


@given(st.one_of(score_matrices(), sparse_scores), k_values)
def test_inputs_are_unchanged(scores, k):
    before = digest(scores)
    fastrec.top_k(scores, k)
    assert digest(scores) == before
