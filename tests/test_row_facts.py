"""What is asked about rows before they are multiplied: NumPy's own answers, sums in the same order."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equality import assert_same
from fastrec._row_facts import (
    limited_pointers,
    places_of_rows,
    positives_of_columns,
    sums_of_rows,
    terms_of_rows,
    value_of_rows,
    values_of_rows,
)
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


@given(
    st.lists(st.integers(-1, 5), max_size=12),
    st.lists(st.integers(-1, 13), min_size=1, max_size=6),
    st.booleans(),
    st.integers(0, 6),
    st.sampled_from(["int16", "int32", "int64", "uint64", ">i4"]),
    st.sampled_from(["int32", "int64", "uint32"]),
    thread_counts,
)
def test_places(indices, indptr, in_order, n_columns, dtype, pointer_dtype, n_threads):
    if in_order:
        indptr = [0, *sorted(min(abs(end), len(indices)) for end in indptr)]
    columns, pointers = np.array(indices, np.int64).astype(dtype), np.array(indptr, np.int64).astype(pointer_dtype)
    wide = pointers.astype(np.int64)
    rows = [columns[first:last].astype(np.int64) for first, last in pairwise(wide)]
    followed = wide[0] == 0 and (np.diff(wide) >= 0).all() and wide[-1] <= len(indices)
    within = bool(followed and all(((row >= 0) & (row < n_columns)).all() for row in rows))
    lie_within, ascend = places_of_rows(columns, pointers, len(indices), n_columns, n_threads)
    assert lie_within == within
    assert not within or ascend == all((np.diff(row) > 0).all() for row in rows)


def test_places_of_many_entries():
    """Blocks of entries end within rows, and at their ends."""
    lengths = np.full(40, 8192)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    indices = np.tile(np.arange(8192), 40)
    for place in (1 << 16, 3 << 16, (1 << 16) + 1, (1 << 17) - 1, 8192 * 40 - 1):
        assert places_of_rows(indices, indptr, len(indices), 8192, 2) == (True, True)
        wrong = indices.copy()
        wrong[place] = wrong[place - 1] if place % 8192 else 8192
        assert places_of_rows(wrong, indptr, len(indices), 8192, 2) == (place % 8192 != 0, False)


@given(
    st.lists(st.sampled_from([1.0, 2.0, -3.0, 0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45]), max_size=20),
    st.integers(0, 3),
    st.sampled_from([*FLOATS, "int32", "int64"]),
    thread_counts,
)
def test_whether_values_are_numbers(values, kept, dtype, n_threads):
    if dtype.startswith("int"):
        values = [value for value in values if np.isfinite(value)]
    values = np.array(([1.0] * 9 + values)[kept:]).astype(dtype)
    finite, nonzero = bool(np.isfinite(values).all()), bool((values != 0).all())
    assert values_of_rows(values, n_threads) == (finite, nonzero)


@pytest.mark.parametrize("dtype", [*FLOATS, "int32", "int64"])
def test_values_of_many_entries(dtype):
    """Blocks of entries, on threads."""
    good = np.ones(1 << 21, dtype)
    for place in (0, (1 << 16) - 1, 1 << 16, len(good) - 1):
        for value in (0, np.inf) if dtype in FLOATS else (0,):
            values = good.copy()
            values[place] = value
            assert values_of_rows(values, 2) == (bool(value == 0), bool(value != 0))
    assert values_of_rows(good, 2) == (True, True)


@given(st.lists(st.integers(0, 9), max_size=9), st.integers(1, 12))
def test_limited_pointers(lengths, most):
    indptr, n_all = limited_pointers(np.array(lengths, np.int64), most)
    assert np.diff(indptr).tolist() == [min(length, most) for length in lengths]
    assert indptr[0] == 0
    assert n_all == sum(lengths)


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from([-1.0, -0.0, 0.0, 1e-300, 2.0, np.inf, np.nan])), max_size=12
    ),
    st.sampled_from([*FLOATS, "int32"]),
    st.sampled_from(["int32", "int64"]),
)
def test_positives_of_columns(entries, dtype, index_dtype):
    with np.errstate(all="ignore"):
        data = np.array([value for _, value in entries]).astype(dtype)
    columns = np.array([column for column, _ in entries], index_dtype)
    assert_same(positives_of_columns(data, columns, 6), np.bincount(columns[data > 0], minlength=6))
    for wrong in (-1, 6):
        with pytest.raises(IndexError, match="columns from 0 to 5, got"):
            positives_of_columns(np.append(data, data.dtype.type(1)), np.append(columns, columns.dtype.type(wrong)), 6)
