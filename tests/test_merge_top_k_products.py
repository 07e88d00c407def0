"""merge_top_k_products: what the product of all columns gives, however they were cut into blocks."""

from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

import fastrec
from equality import assert_rejects, assert_same, digest, fewer
from fastrec import reference
from fastrec.reference._operands import sparse
from strategies import FLOATS, INTEGERS, SPARSE_DTYPES, k_values, seeds, sparse_matrices, thread_counts
from test_sparse_top_k_product import operands, rows_of, thresholds

TIES = [1.0, 1.0, 2.0, -1.0, 0.5]


@st.composite
def cut(draw, dtypes=SPARSE_DTYPES, **options):
    """Operands, and where the columns of the second are cut: at its ends and twice at one place too."""
    a, b = draw(operands(dtypes, **options))
    b = sparse(b, integers=True)
    places = st.lists(st.integers(0, b.shape[1]), max_size=6).map(sorted)
    return a, b, [0, *draw(places), b.shape[1]]


def blocks_of(b, cuts):
    return [b[:, first:last] for first, last in pairwise(cuts)]


def equals_the_whole_product(merge):
    @given(cut() | cut(FLOATS, values=TIES), k_values, thresholds, st.integers(0, 3), thread_counts)
    def law(operands, k, threshold, more, n_threads):
        a, b, cuts = operands
        expected = fastrec.sparse_top_k_product(a, b, k, threshold=threshold)
        found = [fastrec.sparse_top_k_product(a, x, k + more, threshold=threshold) for x in blocks_of(b, cuts)]
        assert_same(merge(found, k, n_threads=n_threads), expected)

    return law


def equals_reference(merge):
    """Of any matrices with the same number of rows, in any form."""

    @given(st.data(), st.integers(0, 30), k_values)
    def law(data, n_rows, k):
        widths = data.draw(st.lists(st.integers(0, 30), min_size=1, max_size=5))
        blocks = [data.draw(sparse_matrices(shape=(n_rows, width))) for width in widths]
        assert_same(merge(blocks, k), reference.merge_top_k_products(blocks, k))

    return law


def goes_on_from_what_it_gave(merge):
    @given(cut([*FLOATS, *INTEGERS]), k_values)
    def law(operands, k):
        a, b, cuts = operands
        found = [fastrec.sparse_top_k_product(a, x, k) for x in blocks_of(b, cuts)]
        assert_same(reduce(lambda best, block: merge([best, block], k), found), merge(found, k))

    return law


LAWS = [equals_the_whole_product, equals_reference, goes_on_from_what_it_gave]


@pytest.mark.parametrize("law", LAWS)
def test_law(law):
    law(fastrec.merge_top_k_products)()


@pytest.mark.parametrize("law", [equals_the_whole_product, goes_on_from_what_it_gave])
def test_law_of_the_reference(law):
    fewer(law(reference.merge_top_k_products))()


# ---- the laws can fail ----------------------------------------------------------------------------------------------


def of_the_best_block(blocks, k, *, n_threads=None):
    """Only as many as the longest block has."""
    longest = max((int(np.diff(block.tocsr().indptr).max(initial=1)) for block in blocks), default=1)
    return reference.merge_top_k_products(blocks, min(k, max(longest, 1)))


def later_columns_first(blocks, k, *, n_threads=None):
    answer = reference.merge_top_k_products([block[:, ::-1] for block in map(csr_array, blocks[::-1])], k)
    answer.indices = (answer.shape[1] - 1 - answer.indices).astype(answer.indices.dtype)
    return answer


def columns_of_the_block(blocks, k, *, n_threads=None):
    answer = reference.merge_top_k_products(blocks, k)
    answer.indices = (answer.indices % max(blocks[0].shape[1], 1)).astype(answer.indices.dtype)
    return answer


@pytest.mark.parametrize("broken", [of_the_best_block, later_columns_first, columns_of_the_block])
def test_laws_reject(broken):
    assert_rejects(equals_the_whole_product, broken)


# ---- cases ----------------------------------------------------------------------------------------------------------


def test_more_columns_than_32_bits_hold():
    wide = 2**31 - 1
    rows = [0, 0, 1]
    first = csr_array(([5.0, 1.0, 2.0], (rows, [wide - 1, 0, 7])), shape=(2, wide))
    second = csr_array(([5.0, 6.0, 2.0], (rows, [0, wide - 1, 7])), shape=(2, wide))
    answer = fastrec.merge_top_k_products([first, second], 3)
    assert_same(answer, reference.merge_top_k_products([first, second], 3))
    assert answer.shape == (2, 2 * wide)
    assert answer.indices.dtype == np.int64
    assert answer.indices.tolist() == [2 * wide - 1, wide - 1, wide, 7, wide + 7]
    with pytest.raises(ValueError, match=r"blocks\[0\]: expected at most 2147483647 columns"):
        fastrec.merge_top_k_products([answer, first], 3)


def test_what_overflowed():
    a, b = csr_array(np.array([[1e30]], np.float32)), csr_array(np.array([[1e30, 1.0, -1e30, 1e30]], np.float32))
    found = [fastrec.sparse_top_k_product(a, b[:, columns], 3) for columns in (slice(0, 1), slice(1, 4))]
    assert np.isposinf(found[0].data).all()
    assert_same(fastrec.merge_top_k_products(found, 3), fastrec.sparse_top_k_product(a, b, 3))


@pytest.mark.parametrize(
    "dtypes", [("float32", "float32"), ("int64", "int64"), ("int32", "int64"), ("float32", "int64")]
)
def test_dtype_of_the_answer(dtypes):
    blocks = [csr_array(np.eye(2, dtype=dtype)) for dtype in dtypes]
    assert fastrec.merge_top_k_products(blocks, 1).dtype == np.result_type(*dtypes)


@pytest.mark.parametrize("length", [2, 3, 64, 65, 200])
def test_rows_that_look_best_first(length):
    """But name a column twice, in one of two blocks: its values are summed."""
    values, columns = np.arange(length, 0, -1.0), np.arange(length)
    columns[-1] = 0
    twice = csr_array((values, columns, [0, length]), shape=(1, length))
    for blocks in ([twice, csr_array([[7.0, 2.5]])], [csr_array([[7.0, 2.5]]), twice]):
        expected = reference.merge_top_k_products(blocks, length)
        assert_same(fastrec.merge_top_k_products(blocks, length), expected)


@given(seeds)
def test_blocks_of_a_generator_are_unchanged(seed):
    rng = np.random.default_rng(seed)
    blocks = [csr_array((rng.random((5, 4)) < 0.5) * 1.0) for _ in range(3)]
    before = digest(*blocks)
    answer = fastrec.merge_top_k_products((block for block in blocks), 2)
    assert digest(*blocks) == before
    assert [len(columns) for columns, _ in rows_of(answer)] == [
        min(2, sum(block[[row]].nnz for block in blocks)) for row in range(5)
    ]


@pytest.mark.parametrize(
    ("blocks", "error", "said"),
    [
        ([], ValueError, "blocks: expected at least one sparse matrix, got an empty list"),
        (csr_array((2, 3)), TypeError, r"blocks: expected a list of sparse matrices, got csr_array; pass \[blocks\]"),
        ("blocks", TypeError, "blocks: expected a list of sparse matrices, got 'blocks'"),
        (None, TypeError, "blocks: expected a list of sparse matrices, got NoneType"),
        ([csr_array((2, 3)), csr_array((3, 3))], ValueError, r"blocks\[0\] has 2 rows but blocks\[1\] has 3"),
        ([csr_array((2, 3)), np.ones(3)], ValueError, r"blocks\[1\]: expected a matrix of two dimensions"),
        ([csr_array([[np.nan]])], ValueError, r"blocks\[0\]: expected finite values, got NaN"),
    ],
)
def test_bad_blocks(blocks, error, said):
    with pytest.raises(error, match=said):
        fastrec.merge_top_k_products(blocks, 2)


def test_as_many_as_there_are():
    blocks = [csr_array(np.eye(2, dtype=np.float32))] * 2
    assert_same(fastrec.merge_top_k_products(blocks, 2**63), fastrec.merge_top_k_products(blocks, 4))
