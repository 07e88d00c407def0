"""item_similarity: the reference's answers, bit for bit, and the laws of a similarity."""

from itertools import cycle

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, eye_array, vstack

import fastrec
from equality import assert_close, assert_rejects, assert_same, digest, fewer
from fastrec import _types, reference
from strategies import FLOATS, SPARSE_DTYPES, k_values, patterns, seeds, sparse_matrices, thread_counts
from test_sparse_top_k_product import first_of_rows, rows_of

COUNTS = [1.0, 1.0, 2.0, 3.0, 5.0]
EXACT_AND_SYMMETRIC = ["cosine", "dot", "jaccard", "dice", "overlap", "lift", "pearson", "adjusted_cosine"]
SYMMETRIC = [*EXACT_AND_SYMMETRIC, "pointwise_mutual_information", "log_likelihood_ratio"]
EXACT = [*EXACT_AND_SYMMETRIC, "tversky", "conditional_probability"]
WITH_LOG_OR_POWER = [
    "asymmetric_cosine",
    "s_plus",
    "p3alpha",
    "rp3beta",
    "pointwise_mutual_information",
    "log_likelihood_ratio",
]
PARAMETERS = {
    "asymmetric_cosine": {"alpha": [0.0, 0.3, 1.0]},
    "tversky": {"alpha": [0.0, 0.2, 1.0, 3.0], "beta": [0.0, 0.7]},
    "s_plus": {
        "l1": [0.0, 0.5], "l2": [0.0, 1.0], "l3": [0.0, 0.5], "t1": [1.0, 0.3], "t2": [0.0], "c1": [0.5, 0.2],
        "c2": [0.8], "alpha": [1.0, 0.5], "pop1": [None, "sum"], "pop2": ["sum"], "beta1": [0.4], "beta2": [1.0],
    },
    "p3alpha": {"alpha": [1.0, 0.4]},
    "rp3beta": {"alpha": [1.0, 1.7], "beta": [0.0, 0.3]},
}  # fmt: skip
SHRINKAGE_TYPES = {
    "dot": ["stabilized", "bayesian"],
    "p3alpha": ["stabilized", "bayesian"],
    "rp3beta": ["stabilized", "bayesian"],
    "log_likelihood_ratio": ["bayesian"],
}


@numba.njit
def jaccard_of_counts(dot, n_common, count_i, count_j, sum_i, sum_j, sumsq_i, sumsq_j, n_users):
    return n_common / (count_i + count_j - n_common)


@numba.njit
def of_everything(dot, n_common, count_i, count_j, sum_i, sum_j, sumsq_i, sumsq_j, n_users):
    return dot + n_common / 2 - 3 * count_i + 5 * count_j - sum_i / 4 + 9 * sum_j + sumsq_i - sumsq_j * 2 + n_users


metrics = st.sampled_from(EXACT)
logarithms = st.sampled_from(["pointwise_mutual_information", "log_likelihood_ratio"])
of_integers = st.sampled_from([name for name in EXACT if name not in ("pearson", "adjusted_cosine")])  # no means
symmetric_metrics = st.sampled_from(SYMMETRIC)


@st.composite
def options(draw, metrics=metrics):
    """Keyword arguments of a call."""
    metric = draw(metrics)
    own = {name: draw(st.sampled_from(values)) for name, values in PARAMETERS.get(metric, {}).items()}
    types = SHRINKAGE_TYPES.get(metric, ["stabilized", "bayesian", "additive"])
    return {
        "metric": metric,
        "shrinkage": 0.0 if callable(metric) else draw(st.sampled_from([0.0, 0.0, 1.0, 0.1, 1e6])),
        "shrinkage_type": draw(st.sampled_from(types)),
        "threshold": draw(st.sampled_from([None, None, 0.0, 0.1, 0.5, -0.5, 1.0, np.inf, -np.inf])),
        "binary": draw(st.booleans()),
        "min_support": draw(st.sampled_from([1, 1, 2, 3, 1000])),
        "keep_diagonal": draw(st.booleans()),
        **{name: value for name, value in own.items() if draw(st.booleans())},
    }


# Any values, but for metrics that want counts.
operands = st.tuples(sparse_matrices(), options()) | st.tuples(
    sparse_matrices(values=COUNTS), options(st.sampled_from(WITH_LOG_OR_POWER))
)


@st.composite
def restricted(draw, n_items):
    """Items that are asked for, and items that may be answered."""
    targets = st.none() if not n_items else st.none() | st.lists(st.integers(0, n_items - 1), max_size=2 * n_items)
    return {"target_items": draw(targets), "candidates": draw(patterns(n_items, n_items))}


def equals_reference(item_similarity):
    functions = st.sampled_from([jaccard_of_counts, of_everything])

    @given(sparse_matrices(), k_values, options(metrics | functions), st.data(), thread_counts)
    def law(user_items, k, options, data, n_threads):
        options |= data.draw(restricted(user_items.shape[1]))
        expected = reference.item_similarity(user_items, k, **options)
        assert_same(item_similarity(user_items, k, **options, n_threads=n_threads), expected)

    return law


def is_close_to_the_reference(item_similarity):
    """Where libraries may differ in the last bits of a logarithm or a power."""

    @given(sparse_matrices(values=COUNTS), options(st.sampled_from(WITH_LOG_OR_POWER)), st.data(), thread_counts)
    def law(user_items, options, data, n_threads):
        options |= {**data.draw(restricted(user_items.shape[1])), "threshold": None}
        expected = reference.item_similarity(user_items, 100, **options)
        answer = item_similarity(user_items, 100, **options, n_threads=n_threads)
        assert_same((answer.toarray() != 0).sum(axis=1), (expected.toarray() != 0).sum(axis=1))
        size = max(user_items.shape[0], 1) if options["metric"] == "log_likelihood_ratio" else 0
        magnitude = np.maximum(np.abs(expected.toarray()), np.float64(size))  # its terms cancel
        assert_close(answer.toarray(), expected.toarray(), "elementwise", magnitude=magnitude)
        for _, similarities in rows_of(answer):
            assert (similarities[1:] <= similarities[:-1]).all()

    return law


def is_what_the_formula_says(item_similarity):
    """On small integers, where every order of summing gives the same number."""

    @given(seeds, st.sampled_from(["cosine", "dot"]), st.sampled_from([0.0, 2.0]), st.sampled_from(FLOATS))
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
    @given(st.data(), k_values)
    def law(data, k):
        user_items, options = data.draw(operands)
        fewer, more = (item_similarity(user_items, n, **options) for n in (k, k + 1))
        assert_same(fewer, first_of_rows(more, k))

    return law


def ignores_the_order_of_users(item_similarity):
    """Exact for counts; for real weights the sums may round in another order."""

    @given(sparse_matrices(FLOATS, values=COUNTS, forms=["csr_array"]), k_values, options(of_integers), seeds)
    def law(user_items, k, options, seed):
        order = np.random.default_rng(seed).permutation(user_items.shape[0])
        assert_same(item_similarity(user_items[order], k, **options), item_similarity(user_items, k, **options))

    return law


def moves_with_the_order_of_users_by_rounding_only(item_similarity):
    @given(seeds, st.sampled_from(["cosine", "dot", "jaccard"]), st.sampled_from(FLOATS))
    def law(seed, metric, dtype):
        rng = np.random.default_rng(seed)
        dense = (rng.integers(0, 2, (40, 12)) * rng.random((40, 12))).astype(dtype)
        order = rng.permutation(40)
        answers = [item_similarity(csr_array(x), 12, metric=metric).toarray() for x in (dense, dense[order])]
        assert_close(*answers, "reduction")

    return law


def permutes_with_the_items(item_similarity):
    @given(sparse_matrices(FLOATS, values=COUNTS, forms=["csr_array"]), options(of_integers | logarithms), seeds)
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
    @given(st.data(), k_values)
    def law(data, k):
        user_items, options = data.draw(operands)
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
    @given(sparse_matrices(FLOATS, values=COUNTS), options(symmetric_metrics))
    def law(user_items, options):
        answer = item_similarity(user_items, 100, **options).toarray()
        assert_same(answer, answer.T)

    return law


LAWS = [
    equals_reference,
    is_close_to_the_reference,
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


@pytest.mark.parametrize("law", LAWS[2:])
def test_law_of_the_reference(law):
    fewer(law(reference.item_similarity))()


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
        (changed(shrinkage_type="stabilized"), [equals_reference]),
        (changed(target_items=None), [equals_reference, is_close_to_the_reference]),
        (changed(candidates=None), [equals_reference, is_close_to_the_reference]),
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


@pytest.mark.parametrize("n_head", range(16))
def test_wherever_the_head_ends(monkeypatch, n_head):
    """Common users of popular items are counted as common bits: the same number."""
    rng = np.random.default_rng(n_head)
    user_items = csr_array((rng.random((700, 15)) < rng.random(15) ** 2).astype(np.float32))
    monkeypatch.setattr("fastrec.similarity._HEAD_ITEMS", n_head)
    for options in ({}, {"metric": "jaccard", "candidates": [1, 4, 7]}, {"min_support": 20, "keep_diagonal": True}):
        assert_same(
            fastrec.item_similarity(user_items, 9, **options), reference.item_similarity(user_items, 9, **options)
        )


@pytest.mark.parametrize("most_short", [15, 14])  # of the items, whose ranks then have 16 bits
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "below zero"])
def test_ranks_and_values_of_16_and_of_more_bits(dtype, most_short, monkeypatch):
    rng = np.random.default_rng(0)
    values = rng.integers(1, 128, (60, 15)) * (rng.random((60, 15)) < rng.random(15))
    user_items = csr_array(values / 10 if "float" in dtype else values).astype(
        "int64" if dtype == "below zero" else dtype
    )
    user_items.data[:20] *= -1 if dtype == "below zero" else 0
    monkeypatch.setattr("fastrec._entries._MOST_SHORT", most_short)
    for options in ({}, {"metric": "dot", "keep_diagonal": True}, {"min_support": 9}, {"candidates": [1, 4, 7]}):
        assert_same(
            fastrec.item_similarity(user_items, 9, **options), reference.item_similarity(user_items, 9, **options)
        )


@pytest.mark.parametrize("n_items", [1 << 16, (1 << 16) + 1])  # whose ranks 16 bits hold, and do not
def test_the_largest_whole_values(n_items):
    first, other, most = n_items - 1, n_items - 2, 46_340
    pairs = csr_array(([3, most, 2, most], ([0, 0, 1, 1], [0, first, 0, other])), shape=(2, n_items))
    alone = eye_array(n_items, dtype=np.int64), eye_array(other, n_items, dtype=np.int64)  # no item is less popular
    found = fastrec.item_similarity(vstack([pairs, *alone]), 2, metric="dot").tocoo()
    triples = list(zip(*(part.tolist() for part in (found.row, found.col, found.data)), strict=True))
    assert triples == [(0, first, 3 * most), (0, other, 2 * most), (other, 0, 2 * most), (first, 0, 3 * most)]


@pytest.mark.parametrize("spread", [0, 1, 6, 9, 200])  # of users' weights, in powers of ten: 9 is more than is taken
def test_wherever_the_weighted_head_ends(monkeypatch, spread):
    """Users with one weight each: common bits tell what it may be, and exact sums in the same order what it is."""
    rng = np.random.default_rng(spread)
    dense = rng.random((150, 300)) < rng.permutation(300) / 300
    dense[[3, 7]] = False
    user_items = csr_array(dense.astype(np.float32))
    each_his_own = user_items.multiply(10 ** (-spread * rng.random((150, 1)))).tocsr()
    for x, options in (
        (user_items, {"metric": "p3alpha", "alpha": spread / 4}),
        (user_items, {"metric": "rp3beta", "beta": 0.4, "min_support": 30}),
        (user_items, {"metric": "rp3beta", "beta": 0.8, "shrinkage": 0.1, "target_items": [1, 2, 250]}),
        (each_his_own, {"metric": "cosine", "keep_diagonal": True}),
        (each_his_own.astype(np.float32), {"metric": "cosine", "threshold": 0.3}),
        (each_his_own, {"metric": "jaccard", "candidates": [1, 4, 7, 200]}),
        (each_his_own[:3], {"metric": "dot"}),
        (csr_array(np.round(each_his_own.toarray() * 9)), {"metric": "dot"}),
    ):
        for k in (9, 70):
            expected = reference.item_similarity(x, k, **options)
            for n_head in (-1, 0, 1, 31, 33, 128, 257, 400):  # -1: where it pays
                monkeypatch.setattr("fastrec.similarity._HEAD_ITEMS", n_head)
                assert_same(fastrec.item_similarity(x, k, **options), expected)


@pytest.mark.parametrize("n_head", [-1, *range(16), 400])  # -1: where it pays
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_wherever_the_summed_head_ends(monkeypatch, dtype, n_head):
    """Of values that differ within a row each pair of popular items is summed once, in the same order for both."""
    rng = np.random.default_rng(n_head + 1)
    stored = rng.random((300, 15)) < rng.permutation(15) / 15
    values = rng.integers(1, 128, stored.shape) if dtype == "int64" else rng.lognormal(size=stored.shape)
    user_items = csr_array((stored * values).astype(dtype))
    monkeypatch.setattr("fastrec.similarity._HEAD_ITEMS", n_head)
    for options in (
        {}, {"metric": "dot", "keep_diagonal": True}, {"metric": "jaccard", "candidates": [1, 4, 7, 9]},
        {"metric": "asymmetric_cosine", "alpha": 0.3, "threshold": 0.4}, {"target_items": [2, 3, 11]},
        {"metric": "rp3beta"}, {"min_support": 20},
    ):  # fmt: skip
        expected = reference.item_similarity(user_items, 9, **options)
        for n_threads in (1, 3):
            assert_same(fastrec.item_similarity(user_items, 9, n_threads=n_threads, **options), expected)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_a_summed_head_of_many_stretches_of_users(monkeypatch, dtype):
    """More entries than stay near, of few items that all are popular, and of others."""
    rng = np.random.default_rng(0)
    n_users, n_items = 60_000, 260
    users = np.repeat(np.arange(n_users), rng.integers(1, 80, n_users))
    items = (n_items * rng.random(len(users)) ** 3).astype(np.int32)
    user_items = csr_array((rng.integers(1, 6, len(users)), (users, items)), shape=(n_users, n_items))
    assert user_items.nnz > 1 << 20
    user_items = (user_items / 10 if dtype == "float32" else user_items).astype(dtype)
    answers = []
    for n_head, n_threads in ((0, 2), (200, 1), (250, 3), (260, 2)):
        monkeypatch.setattr("fastrec.similarity._HEAD_ITEMS", n_head)
        answers.append(fastrec.item_similarity(user_items, 20, n_threads=n_threads))
    for answer in answers[1:]:
        assert_same(answer, answers[0])


def test_more_than_one_table_of_popular_items(monkeypatch):
    """Bits are looked up among 1,024 items at a time."""
    rng = np.random.default_rng(0)
    user_items = csr_array((rng.random((40, 2_500)) < 0.5).astype(np.float32))
    expected = reference.item_similarity(user_items, 30, metric="p3alpha")
    for n_head in (1_024, 1_025, 2_500):
        monkeypatch.setattr("fastrec.similarity._HEAD_ITEMS", n_head)
        assert_same(fastrec.item_similarity(user_items, 30, metric="p3alpha"), expected)


def test_a_weighted_head_of_many_words(monkeypatch):
    """More users than are looked at together, and neighbours next to each other in popularity."""
    rng = np.random.default_rng(0)
    first = rng.random(12_000) < 0.31
    columns = [rng.random(12_000) < 0.3 for _ in range(3)]
    near = [first & (rng.random(12_000) < share) for share in (0.9, 0.9, 0.42)]
    user_items = csr_array(
        np.column_stack([first, *columns, *near, rng.random((12_000, 40)) < 0.25]).astype(np.float32)
    )
    expected = reference.item_similarity(user_items, 3, metric="p3alpha")
    for n_head in (0, 32, 47):
        monkeypatch.setattr("fastrec.similarity._HEAD_ITEMS", n_head)
        assert_same(fastrec.item_similarity(user_items, 3, metric="p3alpha"), expected)


QUOTIENTS = [
    {}, {"shrinkage": 4}, {"threshold": 0.3}, {"keep_diagonal": True}, {"min_support": 2}, {"metric": "dot"},
    {"metric": "asymmetric_cosine", "alpha": 0.8}, {"candidates": range(0, 1_600, 2)},
]  # fmt: skip
OF_OTHER_FORMS = [
    {"metric": "conditional_probability"}, {"metric": "lift"}, {"metric": "lift", "shrinkage": 30},
    {"metric": "overlap"}, {"metric": "overlap", "shrinkage": 2}, {"metric": "jaccard"},
    {"metric": "dice", "shrinkage": 4}, {"metric": "jaccard", "threshold": 0.2},
    {"metric": "jaccard", "candidates": range(0, 1_600, 2)}, {"metric": "tversky", "alpha": 0.2, "beta": 1.5},
    {"metric": "tversky", "alpha": 0, "beta": 0}, {"metric": "tversky", "beta": 2}, {"metric": "s_plus"},
    {"metric": "s_plus", "c2": 0.2, "t1": 0.3, "shrinkage": 2}, {"metric": "s_plus", "l1": 0, "min_support": 2},
    {"metric": "s_plus", "l2": 0, "l3": 0.5, "pop2": "sum", "beta2": 0.3}, {"metric": "s_plus", "alpha": 0.5},
]  # fmt: skip
FEW, MORE = (3, np.float32), (20, np.float64)


@pytest.mark.parametrize(
    ("options", "k", "dtype"),
    [
        *((options, *kept) for options in QUOTIENTS for kept in (FEW, MORE)),
        *((options, *kept) for options, kept in zip(OF_OTHER_FORMS, cycle([FEW, MORE]), strict=False)),
    ],
    ids=str,
)
def test_counts_that_are_guessed_to_be_needed(k, dtype, options):
    """Many more items than a row meets; of rows with as many terms, some meet others once, some again and again."""
    rng = np.random.default_rng(0)
    n_items, n_clusters = 1_600, 16
    user_items = np.zeros((640, n_items), dtype)
    for user, row in enumerate(user_items):
        cluster = rng.integers(n_clusters)
        near = cluster * 50 + rng.permutation(50)[:12]  # of the first half, which come first; the others lie far apart
        row[near if user % 2 else n_items // 2 + rng.integers(n_items // 2, size=12)] = 1
        row[rng.integers(n_items, size=8)] = 1
        row[rng.integers(40, size=3) * 37] = 1  # and some are popular
    expected = reference.item_similarity(csr_array(user_items), k, **options)
    for n_threads in (1, 3):
        assert_same(fastrec.item_similarity(csr_array(user_items), k, n_threads=n_threads, **options), expected)


@pytest.mark.parametrize("n_users", [254, 255, 256])
@pytest.mark.parametrize("options", [{}, {"shrinkage": 3}, {"threshold": 0.3}], ids=str)
def test_needed_counts_hold_every_user(n_users, options, monkeypatch):
    """Of twelve items that all but a few users of each have, beside 30,000 that nobody has."""
    monkeypatch.setattr("fastrec.similarity._HEAD_ITEMS", 0)
    few = np.ones((n_users, 12), np.float32)
    for item in range(12):
        few[item * item : item * item + item // 4, item] = 0
    expected = reference.item_similarity(csr_array(few), 3, **options)
    users, items = np.nonzero(few)
    for places in (np.arange(12), np.arange(12) * 2_500):
        many = csr_array((np.ones(len(users), np.float32), (users, places[items])), shape=(n_users, 30_000))
        similar = fastrec.item_similarity(many, 3, n_threads=1, **options)
        assert_same(similar[places][:, places], expected)
        assert similar.nnz == expected.nnz


@pytest.mark.parametrize("density", [0.3, 1])
@pytest.mark.parametrize("metric", ["cosine", "p3alpha"])
def test_popular_items_in_several_blocks(metric, density, monkeypatch):
    """Blocks of up to 256 items meet each other, words of 64 users some at a time, the last of each not full."""
    rng = np.random.default_rng(0)
    user_items = csr_array((rng.random((700, 600)) < density * rng.random(600) ** 0.1).astype(np.float32))
    expected = reference.item_similarity(user_items, 20, metric=metric)
    for n_head in (225, 256, 257, 400, 600):
        monkeypatch.setattr("fastrec.similarity._HEAD_ITEMS", n_head)
        assert_same(fastrec.item_similarity(user_items, 20, metric=metric), expected)


@pytest.mark.parametrize("seed", range(8))
def test_products_that_float32_does_not_hold(seed):
    """Of items that have little in common beside much of their own, and differ by less than float32 tells of it."""
    rng = np.random.default_rng(seed)
    own, common = 2e-15 * (1 + 4e-5 * rng.random(400)), 5e-21 * (1 + 4e-5 * rng.random(400))
    matrix = csr_array(vstack([common[None], np.diag(own)]))
    assert_same(fastrec.item_similarity(matrix, 5), reference.item_similarity(matrix, 5))


@pytest.mark.parametrize("spread", [1e-7, 1e-3, 1])
@pytest.mark.parametrize(
    "options",
    [{"metric": "jaccard"}, {"metric": "dice", "shrinkage": 3}, {"metric": "tversky", "alpha": 0.1, "beta": 0.6},
     {"metric": "tversky", "alpha": 1.6, "beta": 0.3}, {"metric": "s_plus"}, {"metric": "s_plus", "l2": 0}],
    ids=str,
)  # fmt: skip
def test_sets_of_values_that_are_nearly_the_same(options, spread):
    """Of what is left of sums of squares float32 may know nothing."""
    rng = np.random.default_rng(0)
    dense = (rng.random((30, 60)) < 0.9) * (5 + spread * rng.random((30, 60)))
    dense[:, 30:] *= rng.random(30)
    for x in (dense, dense.astype(np.float32), -dense):
        assert_same(
            fastrec.item_similarity(csr_array(x), 4, **options), reference.item_similarity(csr_array(x), 4, **options)
        )


def test_similarities_too_small_for_near_scores():
    """Sums of products that float32 takes for zero are of pairs with a common user all the same."""
    matrix = csr_array(np.vstack([np.eye(6), np.full(6, 1e-30)]))
    answer = fastrec.item_similarity(matrix, 2)
    assert_same(answer, reference.item_similarity(matrix, 2))
    assert answer.nnz == 12


@pytest.mark.parametrize("n_users", [90, 3_000, 70_000])
@pytest.mark.parametrize("dtype", FLOATS)
def test_likelihood_ratios_that_near_scores_leave(n_users, dtype):
    """The best few are those of all pairs: items rare and popular, which meet more and less often than by chance."""
    rng = np.random.default_rng(0)
    shares, tastes = np.exp(rng.uniform(np.log(1e-3), 0, 250)), rng.integers(3, size=250)
    chances = shares * np.where(tastes == rng.integers(3, size=n_users)[:, None], 1, 0.3)
    user_items = csr_array((rng.random((n_users, 250)) < chances).astype(dtype))
    options = {"metric": "log_likelihood_ratio"}
    every = fastrec.item_similarity(user_items, 250, **options)
    for k in (1, 5, 30):
        assert_same(fastrec.item_similarity(user_items, k, **options), first_of_rows(every, k))
    above = every.copy()
    above.data[above.data <= 9] = 0
    above.eliminate_zeros()
    assert_same(fastrec.item_similarity(user_items, 5, threshold=9, **options), first_of_rows(above, 5))


@pytest.mark.parametrize("n_users", [3_000, 70_000])
def test_a_head_that_pays(n_users):
    """Items that most users have, and how many the cost model takes: the answer tells nothing of it."""
    rng = np.random.default_rng(0)
    user_items = csr_array((rng.random((n_users, 24)) < 0.9).astype(np.float32))
    dense = user_items.toarray().astype(np.int64)
    answer = fastrec.item_similarity(user_items, 24, metric="dot", keep_diagonal=True)
    assert_same(answer.toarray(), (dense.T @ dense).astype(np.float32))


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


def test_popularity_of_ones_own():
    x = csr_array(np.array([[1.0, 1, 0], [0, 1, 1], [1, 1, 1]]))
    popularity = np.array([1.0, 2.0, 4.0])
    own = {
        "metric": "s_plus",
        "l1": 0,
        "l2": 0,
        "l3": 1,
        "pop1": popularity,
        "pop2": popularity,
        "beta1": 1,
        "beta2": 2,
    }
    expected = (x.T @ x).toarray() / np.multiply.outer(popularity, popularity**2)
    assert_same(fastrec.item_similarity(x, 3, keep_diagonal=True, **own).toarray(), expected)


@given(sparse_matrices(), k_values, options(), st.data(), thread_counts)
def test_users_are_the_items_of_the_transpose(user_items, k, options, data, n_threads):
    targets = {"target_users": data.draw(restricted(user_items.shape[0]))["target_items"]}
    expected = reference.user_similarity(user_items, k, **options, **targets)
    assert_same(fastrec.user_similarity(user_items, k, **options, **targets, n_threads=n_threads), expected)


# ---- a measure of one's own -----------------------------------------------------------------------------------------


@numba.njit
def picky(dot, n_common, count_i, count_j, sum_i, sum_j, sumsq_i, sumsq_j, n_users):
    if count_i == 3 and count_j == 2:
        raise ValueError("no such pair, please")
    return dot


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("value", [1.0, 0.5])
def test_an_error_in_it_is_told_with_its_arguments(n_threads, value):
    x = csr_array(np.array([[1.0, 1, 0], [0, 1, 1], [1, 1, 1]]) * value)
    with pytest.raises(ValueError, match=r"picky\(dot=.*count_i=3.0, count_j=2.0.*no such pair, please") as raised:
        fastrec.item_similarity(x, 2, metric=picky, n_threads=n_threads)
    assert str(raised.value.__cause__) == "no such pair, please"
    assert f"dot={2 * value * value}," in str(raised.value)
    assert "sum_i=" in str(raised.value)


def test_division_by_zero_in_it_is_an_error():
    @numba.njit
    def careless(dot, n_common, count_i, count_j, sum_i, sum_j, sumsq_i, sumsq_j, n_users):
        return dot / (count_i - count_j)

    with pytest.raises(ValueError, match=r"careless.*ZeroDivisionError"):
        fastrec.item_similarity(csr_array(np.ones((2, 2))), 2, metric=careless)


def test_a_function_that_is_no_measure():
    @numba.njit
    def of_two(dot, n_common):
        return dot

    @numba.njit
    def of_text(dot, n_common, count_i, count_j, sum_i, sum_j, sumsq_i, sumsq_j, n_users):
        return "similar"

    x = csr_array(np.ones((2, 2)))
    for wrong in (of_two, of_text):
        with pytest.raises(TypeError, match=rf"metric: expected a function of \(dot, n_common.*{wrong.__name__}"):
            fastrec.item_similarity(x, 2, metric=wrong)
    with pytest.raises(TypeError, match=r"numba\.njit"):
        fastrec.item_similarity(x, 2, metric=lambda *pair: 1.0)
    with pytest.raises(ValueError, match="shrinkage"):
        fastrec.item_similarity(x, 2, metric=of_everything, shrinkage=1)
    with pytest.raises(TypeError, match="alpha"):
        fastrec.item_similarity(x, 2, metric=of_everything, alpha=1)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"metric": "tversky", "gamma": 1}, TypeError, "'tversky' has no parameter 'gamma'; it takes alpha, beta"),
        ({"alpha": 1}, TypeError, "metric='cosine' has no parameter 'alpha'; it takes none of its own"),
        ({"metric": "tversky", "alpha": -1}, ValueError, "alpha"),
        ({"metric": "tversky", "alpha": np.nan}, ValueError, "alpha"),
        ({"metric": "rp3beta", "beta": "much"}, TypeError, "beta"),
        ({"metric": "s_plus", "pop1": "mean"}, ValueError, "pop1"),
        ({"metric": "s_plus", "pop2": [1.0, 2.0]}, ValueError, "pop2"),
        ({"metric": "log_likelihood_ratio", "shrinkage": 1}, ValueError, "shrinkage_type of metric='log_l"),
        ({"metric": "dot", "shrinkage": 1, "shrinkage_type": "additive"}, ValueError, "shrinkage_type"),
        ({"shrinkage_type": "laplace"}, ValueError, "shrinkage_type"),
        ({"metric": "p3alpha"}, ValueError, "user_items: expected values of at least 0"),
    ],
)  # fmt: skip
def test_bad_options(options, error, said):
    x = csr_array(np.array([[1.0, -2.0, 3.0], [0.0, 1.0, 1.0]]))
    with pytest.raises(error, match=said):
        fastrec.item_similarity(x, 2, **options)


@given(sparse_matrices(), k_values, options())
def test_inputs_are_unchanged(user_items, k, options):
    before = digest(user_items)
    fastrec.item_similarity(user_items, k, **options)
    assert digest(user_items) == before


@pytest.mark.parametrize("metric", ["pearson", "adjusted_cosine"])
@pytest.mark.parametrize("value", [0.1, 0.7, 1 / 3, 1e-9, 3.0])
def test_ratings_that_are_all_the_same_are_like_no_others(metric, value):
    """Their mean is themselves, however their sum rounds: 0 / 0."""
    rng = np.random.default_rng(0)
    ratings = np.round(rng.random((50, 8)) * 10 + 1) / 10
    if metric == "pearson":
        ratings[:, 0] = value
        assert fastrec.item_similarity(ratings, 8, metric=metric)[[0]].nnz == 0
    everybody = np.full((7, 3), value)
    assert fastrec.item_similarity(everybody, 3, metric=metric).nnz == 0


def test_bayesian_shrinkage_of_negative_similarities():
    ratings = np.array([[1.0, -1.0, 2.0]])
    answer = fastrec.item_similarity(ratings, 3, shrinkage=1.0, shrinkage_type="bayesian").toarray()
    np.testing.assert_allclose(answer, [[0, -1 / 2, 2 / 3], [-1 / 2, 0, -2 / 3], [2 / 3, -2 / 3, 0]])


def test_what_a_measure_raised_at_is_what_it_was_given():
    """To the last bit, so that it raises again where the error is let out."""
    rng = np.random.default_rng(1)
    ratings = rng.random((60, 4))
    dot = float(np.cumsum(ratings[:, 0] * ratings[:, 1])[-1])
    assert dot != float(ratings[:, 0] @ ratings[:, 1])

    @numba.njit
    def picky(x, n_common, count_i, count_j, sum_i, sum_j, sumsq_i, sumsq_j, n_users):
        if x == dot:
            raise ValueError("exactly this")
        return x

    with pytest.raises(ValueError, match=rf"picky\(dot={dot!r}, .*exactly this"):
        fastrec.item_similarity(ratings, 2, metric=picky)

    @numba.njit
    def silent(x, n_common, count_i, count_j, sum_i, sum_j, sumsq_i, sumsq_j, n_users):
        return None if x == dot else x

    with pytest.raises(ValueError, match=r"silent.* returned None, not a number"):
        fastrec.item_similarity(ratings, 2, metric=silent)


def test_row_pointers_of_64_bits(monkeypatch):
    """As an answer of more than 2^31 entries has them."""
    rows = csr_array((np.random.default_rng(0).random((30, 20)) < 0.3).astype(np.float32))
    expected = fastrec.item_similarity(rows, 5)
    monkeypatch.setattr(_types, "MOST_OF_32_BITS", 10)
    answer = fastrec.item_similarity(rows, 5)
    assert answer.indptr.dtype == answer.indices.dtype == np.int64
    assert_same(answer, expected)
    assert fastrec.sparse_top_k_product(rows.T, rows, 5).indptr.dtype == np.int64


@pytest.mark.parametrize("metric", ["cosine", "asymmetric_cosine", "jaccard"])
@pytest.mark.parametrize("k", [1, 2, 3, 9])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_squares_that_vanish(metric, k):
    """An item of values whose squares are zero is infinitely similar to others, and no less so for a small k."""
    user_items = csr_array(np.vstack([np.ones((4, 5)), np.ones(5)]) * np.array([1e-162, 1, 1, 1, 1]))
    assert_same(
        fastrec.item_similarity(user_items, k, metric=metric), reference.item_similarity(user_items, k, metric=metric)
    )
