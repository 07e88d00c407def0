"""item_similarity: the reference's answers, bit for bit, and the laws of a similarity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

import fastrec
from equality import assert_close, assert_rejects, assert_same, digest
from fastrec import reference
from strategies import FLOATS, SPARSE_DTYPES, k_values, seeds, sparse_matrices, thread_counts
from test_sparse_top_k_product import first_of_rows, rows_of

COUNTS = [1.0, 1.0, 2.0, 3.0, 5.0]
metrics = st.sampled_from(["cosine", "dot"])


@st.composite
def options(draw):
    """Keyword arguments of a call."""
    return {
        "metric": draw(metrics),
        "shrinkage": draw(st.sampled_from([0.0, 0.0, 1.0, 0.1, 1e6])),
        "threshold": draw(st.sampled_from([None, None, 0.0, 0.1, 0.5, -0.5, 1.0, np.inf, -np.inf])),
        "binary": draw(st.booleans()),
        "min_support": draw(st.sampled_from([1, 1, 2, 3, 1000])),
        "keep_diagonal": draw(st.booleans()),
    }


def equals_reference(item_similarity):
    @given(sparse_matrices(), k_values, options(), thread_counts)
    def law(user_items, k, options, n_threads):
        expected = reference.item_similarity(user_items, k, **options)
        assert_same(item_similarity(user_items, k, **options, n_threads=n_threads), expected)

    return law


def is_what_the_formula_says(item_similarity):
    """On small integers, where every order of summing gives the same number."""

    @given(seeds, metrics, st.sampled_from([0.0, 2.0]), st.sampled_from(FLOATS))
    def law(seed, metric, shrinkage, dtype):
        rng = np.random.default_rng(seed)
        dense = rng.integers(0, 2, (20, 15)) * rng.integers(-3, 4, (20, 15))
        dots = (dense.T @ dense).astype(np.float64)
        norms = np.sqrt(np.diag(dots))
        with np.errstate(all="ignore"):
            values = dots / (1 + shrinkage) if metric == "dot" else dots / (np.multiply.outer(norms, norms) + shrinkage)
        n_common = (dense != 0).T.astype(int) @ (dense != 0)
        answer = item_similarity(csr_array(dense.astype(dtype)), 15, metric=metric, shrinkage=shrinkage)
        for item, (others, similarities) in enumerate(rows_of(answer)):
            expected = [other for other in range(15) if other != item and n_common[item, other]]
            assert sorted(others.tolist()) == expected
            assert_same(similarities, values[item, others].astype(dtype))
            order = list(zip((-similarities).tolist(), others.tolist(), strict=True))
            assert order == sorted(order)

    return law


def is_a_prefix_of_the_answer_for_more(item_similarity):
    @given(sparse_matrices(), k_values, options())
    def law(user_items, k, options):
        fewer, more = (item_similarity(user_items, n, **options) for n in (k, k + 1))
        assert_same(fewer, first_of_rows(more, k))

    return law


def ignores_the_order_of_users(item_similarity):
    """Exact for counts; for real weights the sums may round in another order."""

    @given(sparse_matrices(FLOATS, values=COUNTS, forms=["csr_array"]), k_values, options(), seeds)
    def law(user_items, k, options, seed):
        order = np.random.default_rng(seed).permutation(user_items.shape[0])
        assert_same(item_similarity(user_items[order], k, **options), item_similarity(user_items, k, **options))

    return law


def moves_with_the_order_of_users_by_rounding_only(item_similarity):
    @given(seeds, metrics, st.sampled_from(FLOATS))
    def law(seed, metric, dtype):
        rng = np.random.default_rng(seed)
        dense = (rng.integers(0, 2, (40, 12)) * rng.random((40, 12))).astype(dtype)
        order = rng.permutation(40)
        answers = [item_similarity(csr_array(x), 12, metric=metric).toarray() for x in (dense, dense[order])]
        assert_close(*answers, "reduction")

    return law


def permutes_with_the_items(item_similarity):
    @given(sparse_matrices(FLOATS, values=COUNTS, forms=["csr_array"]), options(), seeds)
    def law(user_items, options, seed):
        order = np.random.default_rng(seed).permutation(user_items.shape[1])
        answer = item_similarity(user_items, 100, **options).toarray()
        permuted = item_similarity(user_items[:, order], 100, **options).toarray()
        assert_same(permuted, answer[order][:, order])

    return law


def has_a_diagonal_of_one(item_similarity):
    @given(sparse_matrices(FLOATS, values=[1.0, 0.1, -1 / 3, 7.3, 1e-12, 1e12], forms=["csr_array"]))
    def law(user_items):
        answer = item_similarity(user_items, 100, keep_diagonal=True)
        canonical = csr_array(user_items, copy=True)
        canonical.sum_duplicates()
        rated = set(canonical.indices[canonical.data != 0].tolist())
        for item, (others, similarities) in enumerate(rows_of(answer)):
            own = similarities[others == item]
            assert len(own) == (item in rated)
            if len(own):
                assert abs(float(own[0]) - 1) <= np.finfo(own.dtype).eps

    return law


def drops_by_the_threshold_what_a_filter_would(item_similarity):
    @given(sparse_matrices(FLOATS), k_values, options())
    def law(user_items, k, options):
        threshold = options.pop("threshold")
        threshold = 0.1 if threshold is None else threshold
        everything = item_similarity(user_items, 100, **options)
        rows = [
            (others[values.astype(np.float64) > threshold], values[values.astype(np.float64) > threshold])
            for others, values in rows_of(everything)
        ]
        filtered = reference.selection.stacked(rows, everything.dtype, everything.shape[1])
        assert_same(item_similarity(user_items, k, threshold=threshold, **options), first_of_rows(filtered, k))

    return law


def is_symmetric(item_similarity):
    @given(sparse_matrices(FLOATS, values=COUNTS), options())
    def law(user_items, options):
        answer = item_similarity(user_items, 100, **options).toarray()
        assert_same(answer, answer.T)

    return law


LAWS = [
    equals_reference,
    is_what_the_formula_says,
    is_a_prefix_of_the_answer_for_more,
    ignores_the_order_of_users,
    moves_with_the_order_of_users_by_rounding_only,
    permutes_with_the_items,
    has_a_diagonal_of_one,
    drops_by_the_threshold_what_a_filter_would,
    is_symmetric,
]


@pytest.mark.parametrize("law", LAWS)
def test_law(law):
    law(fastrec.item_similarity)()


@pytest.mark.parametrize("law", LAWS[1:])
def test_law_of_the_reference(law):
    law(reference.item_similarity)()


# ---- the laws can fail ----------------------------------------------------------------------------------------------


def changed(**other):
    """The reference with options of ours in place of some that it is given."""

    def item_similarity(user_items, k, *, n_threads=None, **options):
        return reference.item_similarity(user_items, k, **{**options, **other})

    return item_similarity


def with_data(change):
    """The reference, its similarities changed."""

    def item_similarity(user_items, k, *, n_threads=None, **options):
        answer = reference.item_similarity(user_items, k, **options)
        answer.data = change(answer)
        return answer

    return item_similarity


def zeros_dropped(user_items, k, *, n_threads=None, **options):
    answer = reference.item_similarity(user_items, 1000, **options)
    answer.eliminate_zeros()
    return first_of_rows(answer, k)


def weighted_by_the_first_user(user_items, k, *, n_threads=None, **options):
    x = csr_array(user_items, copy=True)
    x.data[: x.indptr[min(1, x.shape[0])]] *= 2
    return reference.item_similarity(x, k, **options)


@pytest.mark.parametrize(
    ("broken", "laws"),
    [
        (changed(shrinkage=0.0), [equals_reference, is_what_the_formula_says]),
        (changed(metric="dot"), [equals_reference, is_what_the_formula_says, has_a_diagonal_of_one]),
        (changed(min_support=1), [equals_reference]),
        (changed(keep_diagonal=True), [equals_reference, is_what_the_formula_says]),
        (changed(binary=True), [equals_reference, is_what_the_formula_says]),
        (changed(threshold=None), [equals_reference, drops_by_the_threshold_what_a_filter_would]),
        (zeros_dropped, [equals_reference, is_what_the_formula_says]),
        (weighted_by_the_first_user, [ignores_the_order_of_users]),
        (with_data(lambda x: np.nextafter(x.data, x.dtype.type(np.inf))), [equals_reference, is_what_the_formula_says]),
        (with_data(lambda x: x.data * (1 + x.indices % 2).astype(x.dtype)), [permutes_with_the_items, is_symmetric]),
    ],
)
def test_laws_reject(broken, laws):
    for law in laws:
        assert_rejects(law, broken)


# ---- cases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*SPARSE_DTYPES, "float16"])
def test_dtype_of_the_answer(dtype):
    expected = np.float64 if dtype == "float64" else np.float32
    assert fastrec.item_similarity(np.eye(3, dtype=dtype), 2).dtype == expected
    if dtype != "float16":  # SciPy has no sparse float16
        assert fastrec.item_similarity(csr_array(np.eye(3, dtype=dtype)), 2).dtype == expected


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (3, 4)])
def test_nothing_stored(shape):
    answer = fastrec.item_similarity(csr_array(shape), 2)
    assert_same(answer, csr_array((shape[1], shape[1])))


def test_norms_that_no_float64_can_square():
    """The product of two norms must not be formed as the root of a product."""
    matrix = csr_array(np.array([[1e150, 1e150, 1e-150, 1e-150]]))
    answer = fastrec.item_similarity(matrix, 4).toarray()
    assert_close(answer, 1 - np.eye(4), "elementwise")


@pytest.mark.parametrize("n_users", [255, 256, 65_535, 65_536])
@pytest.mark.parametrize("n_items", [3, 300_000])  # most columns touched, or few
def test_counters_hold_every_user(n_users, n_items):
    """Users of whom all have items 0 and 1 and one more has item 2, beside items that nobody has."""
    rows, columns = np.divmod(np.arange(2 * n_users), 2)
    user_items = csr_array((np.ones(2 * n_users + 1), ([*rows, 0], [*columns, 2])), shape=(n_users, n_items))
    similar = fastrec.item_similarity(user_items, 5, metric="dot", keep_diagonal=True)
    assert similar[[0]].data.tolist() == [n_users, n_users, 1]
    assert similar[[0]].indices.tolist() == [0, 1, 2]
    assert similar[[2]].data.tolist() == [1, 1, 1]
    assert similar.nnz == 9


def test_nan_is_dropped():
    matrix = csr_array(np.array([[1e200, 1e200, 1.0], [0.0, 1.0, 1.0]]))  # inf / inf
    answer = fastrec.item_similarity(matrix, 3)
    assert not np.isnan(answer.data).any()
    assert_same(answer, reference.item_similarity(matrix, 3))


@given(sparse_matrices(), k_values, options())
def test_inputs_are_unchanged(user_items, k, options):
    before = digest(user_items)
    fastrec.item_similarity(user_items, k, **options)
    assert digest(user_items) == before
