"""Columns under other numbers: SciPy's own indexing and sorting, and rows longer than a network of keys takes."""

import numpy as np
import pytest
from hypothesis import given
from scipy.sparse import csr_array

from equality import assert_same
from fastrec._relabel import Entries, relabelled
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
    whole = x._replace(data=np.floor(np.abs(x.data) % 16).astype(x.data.dtype))
    for values, short in ((x, False), (whole, True)):
        entries = stored(Entries.of(values, labels, short, n_threads), x.data.dtype)
        np.testing.assert_array_equal(entries["column"], expected.indices)
        np.testing.assert_array_equal(entries["value"], by_scipy(values.to_scipy(), labels).data)


def stored(entries, dtype):
    column, value = "u2" if entries.short_columns else "i4", "u2" if entries.short_values else dtype
    return entries.memory.view(np.dtype([("column", column), ("value", value)]))  # without gaps


@given(sparse_matrices([*FLOATS, "int32"], forms=["csr_array"]), seeds, thread_counts)
def test_equals_scipy(matrix, seed, n_threads):
    matrix.sum_duplicates()
    checked(matrix, seed, n_threads)


@pytest.mark.parametrize("short_values", [False, True])
@pytest.mark.parametrize(("n_columns", "short_columns"), [(1 << 16, True), ((1 << 16) + 1, False)])
def test_columns_of_entries_are_short_where_they_fit(n_columns, short_columns, short_values):
    x = Csr.of_canonical(csr_array(([5.0, 65_535.0], ([0, 1], [0, n_columns - 1])), shape=(2, n_columns)))
    entries = Entries.of(x, np.arange(n_columns, dtype=np.int32), short_values, 1)
    assert (entries.short_columns, entries.short_values) == (short_columns, short_values)
    assert stored(entries, x.data.dtype).tolist() == [(0, 5), (n_columns - 1, 65_535)]


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
