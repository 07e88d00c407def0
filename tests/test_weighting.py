"""bm25_weight, tfidf_weight, normalize: the reference to the elementwise tolerance, and their laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

import fastrec
from equality import assert_close, assert_rejects, assert_same, assert_same_pattern, digest, fewer
from fastrec import reference
from strategies import FLOATS, SPARSE_DTYPES, seeds, sparse_matrices, thread_counts
from test_sparse_top_k_product import rows_of

counts = sparse_matrices(negative=False, max_rows=60, max_columns=60)
k1_values, b_values = st.sampled_from([1.2, 0.0, 100.0]), st.sampled_from([0.75, 0.0, 1.0])
norms, axes = st.sampled_from(["l2", "l1", "max"]), st.sampled_from([0, 1])


def bm25_equals_reference(bm25_weight):
    @given(counts, k1_values, b_values, thread_counts)
    def law(x, k1, b, n_threads):
        expected = reference.bm25_weight(x, k1=k1, b=b)
        assert_close(bm25_weight(x, k1=k1, b=b, n_threads=n_threads), expected, "elementwise")

    return law


def bm25_is_what_the_formula_says(bm25_weight):
    @given(seeds, st.sampled_from([1.2, 50.0]), b_values)
    def law(seed, k1, b):
        rng = np.random.default_rng(seed)
        x = (rng.integers(0, 2, (7, 9)) * rng.integers(1, 9, (7, 9))).astype(np.float64)
        x[0, 0] = 1.0
        expected = np.zeros_like(x)
        for row, column in zip(*np.nonzero(x), strict=True):
            length = x[row].sum() / (x.sum() / 7)
            idf = np.log(7) - np.log(1 + np.count_nonzero(x[:, column]))
            expected[row, column] = x[row, column] * (k1 + 1) / (k1 * (1 - b + b * length) + x[row, column]) * idf
        assert_close(bm25_weight(csr_array(x), k1=k1, b=b).toarray(), expected, "elementwise")

    return law


def tfidf_equals_reference(tfidf_weight):
    @given(counts, thread_counts)
    def law(x, n_threads):
        assert_close(tfidf_weight(x, n_threads=n_threads), reference.tfidf_weight(x), "elementwise")

    return law


def tfidf_permutes_with_rows_and_columns(tfidf_weight):
    @given(sparse_matrices(FLOATS, negative=False, forms=["csr_array"]), seeds)
    def law(x, seed):
        x = csr_array(x, copy=True)
        x.sum_duplicates()
        rng = np.random.default_rng(seed)
        rows, columns = (rng.permutation(size) for size in x.shape)
        expected = tfidf_weight(x).toarray()[rows][:, columns]
        assert_close(tfidf_weight(x[rows][:, columns]).toarray(), expected, "elementwise")

    return law


def normalize_equals_reference(normalize):
    @given(sparse_matrices(max_rows=60, max_columns=60), norms, axes, thread_counts)
    def law(x, norm, axis, n_threads):
        expected = reference.normalize(x, norm=norm, axis=axis)
        assert_close(normalize(x, norm=norm, axis=axis, n_threads=n_threads), expected, "elementwise")

    return law


def normalize_gives_norm_one(normalize):
    @given(sparse_matrices(FLOATS, values=[1.0, -2.0, 0.1, 1e30, 1e-30]), norms, axes)
    def law(x, norm, axis):
        scaled = normalize(x, norm=norm, axis=axis)
        for _, values in rows_of(scaled if axis == 1 else scaled.T.tocsr()):
            values = values.astype(np.float64)
            if len(values):
                size = {"l2": np.sqrt((values**2).sum()), "l1": np.abs(values).sum(), "max": np.abs(values).max()}[norm]
                assert_close(size.astype(x.dtype), x.dtype.type(1), "elementwise")

    return law


def normalize_ignores_scales_and_keeps_signs(normalize):
    @given(sparse_matrices(FLOATS, values=[1.0, -2.0, 0.1], forms=["csr_array"]), norms, st.integers(-40, 40))
    def law(x, norm, exponent):
        exponent *= 25 if x.dtype == np.float64 else 1  # to where squares vanish and overflow
        scaled = x * x.dtype.type(2.0**exponent)
        assert_same(normalize(scaled, norm=norm), normalize(x, norm=norm))
        flipped = normalize(-x, norm=norm)
        assert_same(-flipped.data, normalize(x, norm=norm).data)

    return law


def normalize_columns_is_rows_of_the_transpose(normalize):
    @given(sparse_matrices(FLOATS), norms)
    def law(x, norm):
        canonical = csr_array(x, copy=True)
        canonical.sum_duplicates()  # here, as their order would be another in the transpose
        expected = normalize(canonical.T.tocsr(), norm=norm).T.tocsr()
        expected.sort_indices()
        assert_same(normalize(canonical, norm=norm, axis=0), expected)

    return law


LAWS = {
    "bm25_weight": [bm25_equals_reference, bm25_is_what_the_formula_says],
    "tfidf_weight": [tfidf_equals_reference, tfidf_permutes_with_rows_and_columns],
    "normalize": [
        normalize_equals_reference,
        normalize_gives_norm_one,
        normalize_ignores_scales_and_keeps_signs,
        normalize_columns_is_rows_of_the_transpose,
    ],
}


@pytest.mark.parametrize(("operation", "law"), [(name, law) for name, laws in LAWS.items() for law in laws])
def test_law(operation, law):
    law(getattr(fastrec, operation))()


@pytest.mark.parametrize(("operation", "law"), [(name, law) for name, laws in LAWS.items() for law in laws[1:]])
def test_law_of_the_reference(operation, law):
    fewer(law(getattr(reference, operation)))()


# ---- the laws can fail ----------------------------------------------------------------------------------------------


def slightly_off(operation):
    def broken(x, *, n_threads=None, **options):
        answer = getattr(reference, operation)(x, **options)
        answer.data = answer.data * answer.dtype.type(1 + 32 * np.finfo(answer.dtype).eps)
        return answer

    return broken


def bm25_of_another_length(x, *, k1=1.2, b=0.75, n_threads=None):
    return reference.bm25_weight(x, k1=k1, b=b / 2)


def tfidf_of_columns(x, *, n_threads=None):
    answer = reference.weighting.sparse(x)
    return reference.weighting.with_data(answer, reference.tfidf_weight(x).data * (1 + answer.indices % 2))


def other_norm(x, *, norm="l2", axis=1, n_threads=None):
    return reference.normalize(x, norm={"l2": "l1", "l1": "max", "max": "l2"}[norm], axis=axis)


def rows_only(x, *, norm="l2", axis=1, n_threads=None):
    return reference.normalize(x, norm=norm)


def naive_squares(x, *, norm="l2", axis=1, n_threads=None):
    scaled = reference.weighting.sparse(x)
    for first, last in zip(scaled.indptr, scaled.indptr[1:], strict=False):
        row = scaled.data[first:last]
        with np.errstate(all="ignore"):
            row /= np.sqrt((row**2).sum())
    return scaled


@pytest.mark.parametrize(
    ("law", "broken"),
    [
        (bm25_equals_reference, slightly_off("bm25_weight")),
        (bm25_is_what_the_formula_says, slightly_off("bm25_weight")),
        (bm25_equals_reference, bm25_of_another_length),
        (bm25_is_what_the_formula_says, bm25_of_another_length),
        (tfidf_equals_reference, slightly_off("tfidf_weight")),
        (tfidf_permutes_with_rows_and_columns, tfidf_of_columns),
        (normalize_equals_reference, slightly_off("normalize")),
        (normalize_gives_norm_one, slightly_off("normalize")),
        (normalize_equals_reference, other_norm),
        (normalize_gives_norm_one, other_norm),
        (normalize_gives_norm_one, naive_squares),
        (normalize_equals_reference, rows_only),
        (normalize_columns_is_rows_of_the_transpose, rows_only),
    ],
)
def test_laws_reject(law, broken):
    assert_rejects(law, broken)


# ---- cases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", LAWS)
@pytest.mark.parametrize("dtype", SPARSE_DTYPES)
def test_dtype_of_the_answer(operation, dtype):
    expected = np.float32 if dtype in ("float32", "int8", "int16", "bool") else np.float64
    assert getattr(fastrec, operation)(csr_array(np.eye(3, dtype=dtype))).dtype == expected


@pytest.mark.parametrize("operation", LAWS)
def test_rows_in_several_blocks(operation):
    rng = np.random.default_rng(0)
    x = csr_array((rng.integers(0, 5, (9000, 6)) * (rng.random((9000, 6)) < 0.2)).astype(np.float32))
    expected = getattr(reference, operation)(x)
    for n_threads in (1, 3):
        assert_close(getattr(fastrec, operation)(x, n_threads=n_threads), expected, "elementwise")


@pytest.mark.parametrize("operation", LAWS)
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (3, 4)])
def test_nothing_stored(operation, shape):
    answer = getattr(fastrec, operation)(csr_array(shape, dtype=np.float32))
    assert_same_pattern(answer, csr_array(shape, dtype=np.float32))


@pytest.mark.parametrize("operation", LAWS)
@given(x=counts)
def test_inputs_are_unchanged(operation, x):
    before = digest(x)
    getattr(fastrec, operation)(x)
    assert digest(x) == before


@pytest.mark.parametrize("operation", LAWS)
@given(x=counts)
def test_answer_owns_its_values(operation, x):
    """What is done to an answer must not reach the input, although both may share row pointers inside."""
    before = digest(x)
    answer = getattr(fastrec, operation)(x)
    answer.data[:] = 7
    answer.indices[:] = 0
    answer.indptr[:] = 0
    assert digest(x) == before
