"""What is asked about rows before they are multiplied: NumPy's own sums, in the same order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from equality import assert_same
from fastrec._row_facts import sums_of_rows, terms_of_rows, value_of_rows
from fastrec._types import Csr
from strategies import FLOATS, sparse_matrices, thread_counts


@given(sparse_matrices([*FLOATS, "int32"], forms=["csr_array"]), thread_counts)
def test_sums(matrix, n_threads):
    matrix.sum_duplicates()
    x = Csr.of_canonical(matrix)
    sums, squares, whole = sums_of_rows(x, n_threads)
    rows = [matrix.data[first:last].astype(np.float64) for first, last in zip(x.indptr, x.indptr[1:], strict=False)]
    with np.errstate(over="ignore"):
        assert_same(sums, np.array([sum(row, 0.0) for row in rows]))
        assert_same(squares, np.array([sum(row * row, 0.0) for row in rows]))
    assert whole == all((row == np.rint(row)).all() for row in rows)


@given(sparse_matrices([*FLOATS, "int32"], forms=["csr_array"]), st.booleans(), thread_counts)
def test_values(matrix, made_constant, n_threads):
    matrix.sum_duplicates()
    lengths = np.diff(matrix.indptr)
    if made_constant:
        matrix.data = np.repeat(np.arange(len(lengths)), lengths).astype(matrix.dtype)
    rows = [set(matrix.data[first:last]) for first, last in zip(matrix.indptr, matrix.indptr[1:], strict=False)]
    values = value_of_rows(Csr.of_canonical(matrix), n_threads)
    if matrix.nnz and max(map(len, rows)) == 1:
        np.testing.assert_array_equal(values[lengths > 0], [row.pop() for row in rows if row])
        assert len(values) == len(rows)
    else:
        assert len(values) == 0


@given(sparse_matrices(FLOATS, forms=["csr_array"]), thread_counts)
def test_terms(matrix, n_threads):
    matrix.sum_duplicates()
    a, b = Csr.of_canonical(matrix), Csr.of_canonical(matrix.T.tocsr())
    stored = np.zeros(matrix.shape, np.int64)
    stored[np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices] = 1
    np.testing.assert_array_equal(terms_of_rows(a, b, n_threads), (stored @ stored.T).sum(axis=1))
