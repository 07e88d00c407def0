"""Columns and values side by side: read again as NumPy's records, which have no gaps."""

import numpy as np
import pytest
from hypothesis import given
from scipy.sparse import csr_array

from fastrec._entries import Entries
from fastrec._types import Csr
from strategies import FLOATS, seeds, sparse_matrices, thread_counts


def records(entries, dtype):
    column, value = "u2" if entries.short_columns else "i4", "u2" if entries.short_values else dtype
    return entries.memory.view(np.dtype([("column", column), ("value", value)]))


@given(sparse_matrices([*FLOATS, "int32"], forms=["csr_array"]), seeds, thread_counts)
def test_are_columns_by_their_labels_and_values(matrix, seed, n_threads):
    matrix.sum_duplicates()
    labels = np.random.default_rng(seed).permutation(matrix.shape[1]).astype(np.int32)
    counts = np.floor(np.abs(matrix.data) % 16).astype(matrix.dtype)
    for values, short in ((matrix.data, False), (counts, True)):
        x = Csr.of_canonical(matrix)._replace(data=values)
        found = records(Entries.of(x, labels, short, n_threads), values.dtype)
        np.testing.assert_array_equal(found["column"], labels[x.indices])
        np.testing.assert_array_equal(found["value"], values)


@pytest.mark.parametrize("short_values", [False, True])
@pytest.mark.parametrize(("n_columns", "short_columns"), [(1 << 16, True), ((1 << 16) + 1, False)])
def test_are_short_where_they_fit(n_columns, short_columns, short_values):
    x = Csr.of_canonical(csr_array(([5.0, 65_535.0], ([0, 1], [0, n_columns - 1])), shape=(2, n_columns)))
    entries = Entries.of(x, np.arange(n_columns, dtype=np.int32), short_values, 1)
    assert (entries.short_columns, entries.short_values) == (short_columns, short_values)
    assert records(entries, x.data.dtype).tolist() == [(0, 5), (n_columns - 1, 65_535)]
