"""Columns under other numbers: SciPy's own indexing and sorting, and rows longer than a network of keys takes."""

import numpy as np
import pytest
from hypothesis import given
from scipy.sparse import csr_array

from equality import assert_same
from fastrec._relabel import relabelled
from fastrec._types import Csr
from strategies import FLOATS, seeds, sparse_matrices, thread_counts


def by_scipy(matrix, labels):
    expected = csr_array((matrix.data.copy(), labels[matrix.indices], matrix.indptr), shape=matrix.shape)
    expected.sort_indices()
    return expected


def checked(matrix, seed, n_threads):
    labels = np.random.default_rng(seed).permutation(matrix.shape[1]).astype(np.int32)
    x, expected = Csr.of_canonical(matrix), by_scipy(matrix, labels)
    assert_same(relabelled(x, labels, n_threads).to_scipy(), expected)
    pattern = relabelled(x._replace(data=x.data[:0]), labels, n_threads)
    np.testing.assert_array_equal(pattern.indices, expected.indices)
    assert len(pattern.data) == 0


@given(sparse_matrices([*FLOATS, "int32"], forms=["csr_array"]), seeds, thread_counts)
def test_equals_scipy(matrix, seed, n_threads):
    matrix.sum_duplicates()
    checked(matrix, seed, n_threads)


@pytest.mark.parametrize("n", [7, 8, 9, 2047, 2048, 2049, 5000])
def test_around_the_longest_network(n):
    values = np.random.default_rng(n).random((3, n)).astype(np.float32) + 1
    values[1, ::2] = 0
    checked(csr_array(values), n, 2)


@pytest.mark.parametrize("n_columns", [64, 65, 1_000])
def test_rows_of_few_and_of_many_columns(n_columns):
    """A pattern's long rows go by bits, its short ones by keys."""
    rng = np.random.default_rng(n_columns)
    checked(csr_array((rng.random((40, n_columns)) < rng.random((40, 1)) ** 4).astype(np.float32)), n_columns, 2)
