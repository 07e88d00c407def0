"""Columns as rows: SciPy's own transpose, and more entries than one step takes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from equality import assert_same
from fastrec._transpose import transposed
from fastrec._types import Csr
from strategies import FLOATS, sparse_matrices, thread_counts


@given(sparse_matrices([*FLOATS, "int32"], forms=["csr_array"]), thread_counts, st.booleans())
def test_equals_scipy(matrix, n_threads, narrow):
    matrix.sum_duplicates()
    expected = matrix.T.tocsr()
    x = Csr.of_canonical(matrix)
    assert_same(transposed(x, n_threads, narrow=narrow).to_scipy(), expected)
    pattern = transposed(x._replace(data=x.data[:0]), n_threads, narrow=narrow)
    np.testing.assert_array_equal(pattern.indices, expected.indices)
    assert len(pattern.data) == 0


@pytest.mark.parametrize("last", [0.0, -0.0, 1.0, np.nan])
def test_values_that_are_alike(last):
    """All zeros, or all but the last, which can differ by its sign alone."""
    matrix = csr_array(np.ones((7, 60), np.float32))
    matrix.data[:] = 0.0
    matrix.data[-1] = last
    answer, expected = transposed(Csr.of_canonical(matrix), 2).to_scipy(), matrix.T.tocsr()
    np.testing.assert_array_equal(answer.data.view(np.int32), expected.data.view(np.int32))
    np.testing.assert_array_equal(answer.indices, expected.indices)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_in_steps(n_threads):
    """36 million entries, no row without and two columns in three with all."""
    n_rows, whole = 36_000, np.arange(1200, dtype=np.int32)
    indices = np.tile(np.concatenate([whole, whole[whole % 3 > 0]]), n_rows // 2)
    indptr = np.concatenate([[0], np.tile([1200, 800], n_rows // 2).cumsum()])
    x = Csr(np.empty(0, np.float32), indices, indptr, (n_rows, 1200))
    answer = transposed(x, n_threads)
    for column in (0, 1, 1198, 1199):
        found = answer.indices[answer.indptr[column] : answer.indptr[column + 1]]
        np.testing.assert_array_equal(found, np.arange(0, n_rows, 2 if column % 3 == 0 else 1))
    assert answer.indptr[-1] == len(indices)
