"""Columns as rows: SciPy's own transpose, rows in any order, and more entries than one step takes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from equality import assert_same
from fastrec._transpose import transposed
from fastrec._types import Csr
from strategies import FLOATS, seeds, sparse_matrices, thread_counts


@given(sparse_matrices([*FLOATS, "int32"], forms=["csr_array"]), st.booleans(), seeds, thread_counts)
def test_equals_scipy(matrix, ordered, seed, n_threads):
    matrix.sum_duplicates()
    chosen = None
    if ordered:
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(matrix.shape[0])[: rng.integers(matrix.shape[0] + 1)].astype(np.int32)
    expected = (matrix if chosen is None else matrix[chosen]).T.tocsr()
    x = Csr.of_canonical(matrix)
    assert_same(transposed(x, n_threads, order=chosen).to_scipy(), expected)
    pattern = transposed(x._replace(data=x.data[:0]), n_threads, order=chosen)
    np.testing.assert_array_equal(pattern.indices, expected.indices)
    assert len(pattern.data) == 0


@pytest.mark.parametrize("n_threads", [1, 2])
def test_in_steps(n_threads):
    """36 million entries of little memory: two rows, asked for again and again."""
    rows = np.ones((2, 1200), bool)
    rows[1, ::3] = False
    order = np.random.default_rng(0).integers(2, size=36_000).astype(np.int32)
    x = Csr.of_canonical(csr_array(rows.astype(np.float32)))
    answer = transposed(x._replace(data=x.data[:0]), n_threads, order=order)
    for column in (0, 1, 1198, 1199):
        found = answer.indices[answer.indptr[column] : answer.indptr[column + 1]]
        np.testing.assert_array_equal(found, np.flatnonzero(rows[order, column]))
    assert answer.indptr[-1] == rows.sum(axis=1)[order].sum()
