"""sparse_top_k_product: the reference's answers, bit for bit, and SciPy's own arithmetic for integers."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

import fastrec
from equality import assert_rejects, assert_same, digest, fewer
from fastrec import reference
from strategies import FLOATS, INTEGERS, SPARSE_DTYPES, in_sparse_form, k_values, seeds, sparse_matrices, thread_counts

thresholds = st.one_of(
    st.none(), st.sampled_from([0.0, 0.1, 1 / 3, 1.0]), st.sampled_from([2.5, -1.5, np.inf, -np.inf, 3e9, -3e9, 1e300])
)


@st.composite
def operands(draw, dtypes=SPARSE_DTYPES, **options):
    """Two sparse matrices that can be multiplied."""
    n_rows, n_inner, n_columns = (draw(st.integers(0, 40)) for _ in range(3))
    a = draw(sparse_matrices(dtypes, (n_rows, n_inner), **options))
    return a, draw(sparse_matrices(dtypes, (n_inner, n_columns), **options))


# Of products that float32 cannot tell from zero too: where no term is, sums tell whether there was one.
positive = operands(FLOATS, values=[0.5, 1.0, 3.0, 1e-18, 2e-20, 1e-30])


def equals_reference(product):
    @given(st.one_of(operands(), positive), k_values, thresholds, thread_counts)
    def law(both, k, threshold, n_threads):
        expected = reference.sparse_top_k_product(*both, k, threshold=threshold)
        assert_same(product(*both, k, threshold=threshold, n_threads=n_threads), expected)

    return law


def is_a_prefix_of_the_answer_for_more(product):
    @given(operands(), k_values, thresholds)
    def law(both, k, threshold):
        fewer, more = (product(*both, n, threshold=threshold) for n in (k, k + 1))
        assert_same(fewer, first_of_rows(more, k))

    return law


def drops_by_the_threshold_what_a_filter_would(product):
    @given(operands(FLOATS), k_values, st.sampled_from([0.0, 0.1, 1 / 3, 1.0, -1.5]))
    def law(both, k, threshold):
        everything = product(*both, 100)
        rows = [
            (indices[data.astype(np.float64) > threshold], data[data.astype(np.float64) > threshold])
            for indices, data in rows_of(everything)
        ]
        filtered = reference.selection.stacked(rows, everything.dtype, everything.shape[1])
        assert_same(product(*both, k, threshold=threshold), first_of_rows(filtered, k))

    return law


def leaves_nothing_out_that_ranks(product):
    """On data where most terms are skipped: unit vectors, terms by Zipf's law, copies, ties at the threshold itself.

    Or vectors of lengths whose squares are hardly numbers, or none.

    However few terms there are, bounds are made to leave some out, also where there is no threshold.
    """
    thresholds = st.sampled_from([None, None, 0.3, 0.5, 0.8, 1.0])

    lengths = {"float32": [(1e30, 1e-36), (1e-36, 1e30)], "float64": [(1e150, 1e-165), (1e-165, 1e150)]}
    of_dtypes = st.sampled_from([(dtype, *each) for dtype in FLOATS for each in [(1, 1), (1, 1), *lengths[dtype]]])

    @given(seeds, of_dtypes, thresholds, st.booleans(), st.integers(1, 9), st.sampled_from([60, 400]))
    def law(seed, of_dtype, threshold, signed, k, n_rows):
        dtype, left, right = of_dtype
        rng = np.random.default_rng(seed)
        dense = (rng.random((n_rows, 40)) < 1 / np.arange(1, 41)) * rng.choice([1.0, 0.5, 0.25], (n_rows, 40))
        dense *= rng.choice([-1.0, 1.0], dense.shape) if signed else 1.0
        dense *= np.arange(1, 41) ** rng.choice([0.0, 0.7])  # rare terms weigh as much, or more
        dense[n_rows // 2 :] = dense[rng.integers(n_rows // 2, size=n_rows - n_rows // 2)]
        norms = np.linalg.norm(dense, axis=1, keepdims=True)
        units = dense / np.where(norms == 0, 1, norms)
        a, b = csr_array((left * units).astype(dtype)), csr_array((right * units.T).astype(dtype))
        threshold = None if threshold is None else threshold * left * right
        expected = reference.sparse_top_k_product(a, b, k, threshold=threshold)
        with mock.patch.object(fastrec.selection, "_TERMS_THAT_PAY", 0):
            assert_same(product(a, b, k, threshold=threshold), expected)

    return law


def agrees_with_scipy_on_integers(product):
    """Any two orders of summing agree, and overflow wraps around in both."""

    @given(operands(INTEGERS, forms=["csr_array", "int64"]), k_values)
    def law(both, k):
        a, b = (csr_array(matrix, copy=True) for matrix in both)
        for matrix in (a, b):
            matrix.sum_duplicates()
            matrix.eliminate_zeros()
        exists = (a != 0).astype(np.int32) @ (b != 0).astype(np.int32)  # SciPy drops sums that are zero
        rows = []
        for values, (columns, _) in zip((a @ b).toarray(), rows_of(exists), strict=True):
            best = sorted(columns.tolist(), key=lambda column: (-int(values[column]), column))[:k]
            rows.append((np.array(best, np.int32), values[best]))
        assert_same(product(*both, k), reference.selection.stacked(rows, np.result_type(a, b), b.shape[1]))

    return law


def sums_duplicates(product):
    """Splitting every entry into two that sum to it changes nothing."""

    @given(operands(FLOATS, values=[1.0, 2.0, -4.0, 0.5], forms=["csr_array"]), k_values)
    def law(both, k):
        assert_same(product(*map(split, both), k), product(*both, k))

    return law


def permutes_with_the_rows(product):
    @given(operands(forms=["csr_array", "csr_matrix"]), k_values, seeds)
    def law(both, k, seed):
        a, b = both
        order = np.random.default_rng(seed).permutation(a.shape[0])
        answer = rows_of(product(a, b, k))
        permuted = product(csr_array(a)[order], b, k)
        for got, row in zip(rows_of(permuted), order, strict=True):
            assert_same(got[0], answer[row][0])
            assert_same(got[1], answer[row][1])

    return law


def rows_of(matrix):
    ends = zip(matrix.indptr, matrix.indptr[1:], strict=False)
    return [(matrix.indices[first:last], matrix.data[first:last]) for first, last in ends]


def first_of_rows(matrix, k):
    rows = [(indices[:k], data[:k]) for indices, data in rows_of(matrix)]
    return reference.selection.stacked(rows, matrix.dtype, matrix.shape[1])


def split(matrix):
    """Each entry as a quarter and three quarters of it, the second ones at the end of each row."""
    pieces = [(np.tile(indices, 2), np.concatenate([data * 0.25, data * 0.75])) for indices, data in rows_of(matrix)]
    indices = np.concatenate([np.empty(0, np.int32), *(indices for indices, _ in pieces)])
    data = np.concatenate([np.empty(0, matrix.dtype), *(data for _, data in pieces)])
    return in_sparse_form(data, indices, matrix.indptr * 2, matrix.shape, "csr_array")


LAWS = [
    equals_reference,
    is_a_prefix_of_the_answer_for_more,
    drops_by_the_threshold_what_a_filter_would,
    leaves_nothing_out_that_ranks,
    agrees_with_scipy_on_integers,
    sums_duplicates,
    permutes_with_the_rows,
]


@pytest.mark.parametrize("law", LAWS)
def test_law(law):
    law(fastrec.sparse_top_k_product)()


def test_law_where_bounds_are_always_asked(monkeypatch):
    monkeypatch.setattr(fastrec.selection, "_TERMS_THAT_PAY", 0)
    equals_reference(fastrec.sparse_top_k_product)()


def test_doubles_that_only_their_last_digits_tell_from_the_threshold():
    above = 0.1 + np.arange(1, 8) * 2.0**-56
    b = csr_array(np.array([[*above, 0.5]]))
    assert_same(
        fastrec.sparse_top_k_product(csr_array([[1.0]]), b, 2, threshold=0.1),
        csr_array(([0.5, above[-1]], [7, 6], [0, 2]), shape=(1, 8)),
    )


@pytest.mark.parametrize("law", LAWS[1:])
def test_law_of_the_reference(law):
    fewer(law(reference.sparse_top_k_product))()


# ---- the laws can fail ----------------------------------------------------------------------------------------------


def zero_sums_dropped(a, b, k, *, threshold=None, n_threads=None):
    answer = reference.sparse_top_k_product(a, b, 1000, threshold=threshold)
    answer.eliminate_zeros()
    return first_of_rows(answer, k)


def threshold_included(a, b, k, *, threshold=None, n_threads=None):
    below = None if threshold is None else np.nextafter(threshold, -np.inf)
    return reference.sparse_top_k_product(a, b, k, threshold=below)


def threshold_of_the_dtype(a, b, k, *, threshold=None, n_threads=None):
    return reference.sparse_top_k_product(
        a, b, k, threshold=None if threshold is None else float(np.float32(threshold))
    )


def summed_in_the_dtype(a, b, k, *, threshold=None, n_threads=None):
    left, right = (reference.selection.sparse(matrix, integers=True) for matrix in (a, b))
    product = csr_array(left @ right)
    product.sort_indices()
    rows = [reference.selection.best_entries(*row, k, threshold) for row in rows_of(product)]
    return reference.selection.stacked(rows, product.dtype, product.shape[1])


def saturating(a, b, k, *, threshold=None, n_threads=None):
    answer = reference.sparse_top_k_product(a, b, k, threshold=threshold)
    if answer.dtype.kind == "i":
        answer.data = np.abs(answer.data)
    return answer


def last_duplicate_only(a, b, k, *, threshold=None, n_threads=None):
    a = csr_array(a, copy=True)
    keep = np.ones(a.nnz, bool)
    seen = set()
    rows = np.repeat(np.arange(a.shape[0]), np.diff(a.indptr))
    for at in range(a.nnz - 1, -1, -1):
        keep[at] = (rows[at], a.indices[at]) not in seen
        seen.add((rows[at], a.indices[at]))
    a = csr_array((a.data[: a.nnz][keep], (rows[keep], a.indices[: a.nnz][keep])), shape=a.shape)
    return reference.sparse_top_k_product(a, b, k, threshold=threshold)


def one_less(a, b, k, *, threshold=None, n_threads=None):
    return reference.sparse_top_k_product(a, b, max(1, k // 2), threshold=threshold)


@pytest.mark.parametrize(
    ("broken", "laws"),
    [
        (zero_sums_dropped, [equals_reference, agrees_with_scipy_on_integers]),
        (threshold_included, [equals_reference, drops_by_the_threshold_what_a_filter_would]),
        (threshold_of_the_dtype, [drops_by_the_threshold_what_a_filter_would]),
        (summed_in_the_dtype, [equals_reference]),
        (saturating, [equals_reference, agrees_with_scipy_on_integers]),
        (last_duplicate_only, [equals_reference, sums_duplicates]),
        (one_less, [equals_reference, is_a_prefix_of_the_answer_for_more]),
    ],
)
def test_laws_reject(broken, laws):
    for law in laws:
        assert_rejects(law, broken)


# ---- cases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", SPARSE_DTYPES)
@pytest.mark.parametrize("right", SPARSE_DTYPES)
def test_dtype_of_the_answer(left, right):
    of = {"bool": "float32", "int8": "float32", "int16": "float32", "uint8": "float64"}
    expected = np.result_type(of.get(left, left), of.get(right, right))
    answer = fastrec.sparse_top_k_product(csr_array(np.eye(3, dtype=left)), csr_array(np.eye(3, dtype=right)), 2)
    assert answer.dtype == expected


@pytest.mark.parametrize("dtype", INTEGERS)
def test_smallest_integer_ranks(dtype):
    least = np.iinfo(dtype).min
    a = csr_array(np.array([[1]], dtype))
    b = csr_array((np.array([least, least, least + 1], dtype), np.array([0, 2, 5]), np.array([0, 3])), shape=(1, 9))
    answer = fastrec.sparse_top_k_product(a, b, 3)
    assert answer.indices.tolist() == [5, 0, 2]
    assert answer.data.tolist() == [least + 1, least, least]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize(
    "threshold", [-np.inf, -1e300, np.inf, 1e300, 2.0**31 - 1, 2.0**63, -(2.0**31), -(2.0**63), 0.5, -0.5]
)
def test_threshold_that_is_no_integer_of_the_dtype(dtype, threshold):
    limits = np.iinfo(dtype)
    values = np.array([limits.min, -1, 1, limits.max], dtype)
    a, b = csr_array(np.array([[1]], dtype)), csr_array((values, np.arange(4), np.array([0, 4])), shape=(1, 4))
    expected = sorted((value for value in values.tolist() if value > threshold), reverse=True)
    assert fastrec.sparse_top_k_product(a, b, 4, threshold=threshold).data.tolist() == expected


def test_threshold_is_compared_in_float64():
    a, b = csr_array(np.array([[1]], np.float32)), csr_array(np.array([[0.1]], np.float32))
    assert fastrec.sparse_top_k_product(a, b, 1, threshold=0.1).nnz == 1  # float32 has a little more than 0.1
    assert fastrec.sparse_top_k_product(a, b, 1, threshold=float(np.float32(0.1))).nnz == 0


@pytest.mark.parametrize("values", [[-1.0, 0.5, 1.0], [0.5, 1.0], [1e-38, 1.0], [1.2e-38, 1.0]])
@pytest.mark.parametrize("threshold", [None, 0.0, 1.5])
@pytest.mark.parametrize(
    ("n_columns", "a_row", "n_rows"),
    [
        (4097, 400, 60),
        (20_000, 20, 12),
        (20_000, 100, 60),
        (20_000, 3000, 12),
        (1 << 16, 99, 60),
        ((1 << 16) + 1, 99, 60),
    ],
)
def test_more_columns_than_are_summed_together(n_columns, a_row, n_rows, threshold, values):
    """Blocks have as many columns as rows of B have some terms in, and 4,096 at least.

    Many rows of A read a copy of B, of which columns have 16 bits and stand with the values.
    Float32 has 1.2e-38 in all digits and 1e-38 in some: below, a sum may become zero.
    """
    rng = np.random.default_rng(a_row)
    columns = np.sort(rng.random((50, n_columns)).argpartition(a_row)[:, :a_row])
    entries = rng.choice(values, columns.size).astype(np.float32)
    b = csr_array((entries, columns.ravel(), np.arange(0, columns.size + 1, a_row)), (50, n_columns))
    a = csr_array(rng.choice([0, 1, 2], (n_rows, 50), p=[0.5, 0.4, 0.1]).astype(np.float32))
    for k in (1, 50, 5000):
        got = fastrec.sparse_top_k_product(a, b, k, threshold=threshold, n_threads=2)
        assert_same(got, reference.sparse_top_k_product(a, b, k, threshold=threshold))


@pytest.mark.parametrize("n_columns", [3, 9000])  # listed, and added up in blocks
@pytest.mark.parametrize("dtype", FLOATS)
def test_products_that_are_zero_as_entries(dtype, n_columns):
    """Terms that are positive, and too small for an entry: it is zero, and kept, as in SciPy's product."""
    smallest = np.finfo(dtype).smallest_subnormal
    a, b = csr_array(np.full((2, 1), smallest)), csr_array(np.full((1, n_columns), smallest))
    got = fastrec.sparse_top_k_product(a, b, n_columns - 1)
    assert_same(got, reference.sparse_top_k_product(a, b, n_columns - 1))
    assert got.nnz == 2 * (n_columns - 1)
    assert not got.data.any()


def test_result_in_several_chunks(monkeypatch):
    """Room for the result is made a chunk of rows at a time; small chunks must give what a large one gives."""
    rng = np.random.default_rng(0)
    a, b = (csr_array(rng.integers(0, 2, (50, 50)).astype(np.float32)) for _ in range(2))
    expected = reference.sparse_top_k_product(a, b, 7)
    monkeypatch.setitem(fastrec._types.room_for_rows.__kwdefaults__, "most_bytes", 8 * 20)
    assert_same(fastrec.sparse_top_k_product(a, b, 7), expected)


@given(operands(), k_values)
def test_inputs_are_unchanged(both, k):
    before = digest(*both)
    fastrec.sparse_top_k_product(*both, k)
    assert digest(*both) == before
