"""The strategies reach every corner that they are there for."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from scipy.sparse import issparse

import strategies


def found(strategy, condition, n_examples=3000):
    """An example on which the condition holds; raises when there is none."""
    budget = settings(max_examples=n_examples, database=None, deadline=None, phases=[Phase.generate], derandomize=True)
    return find(strategy, condition, settings=budget)


def has_ties(array):
    return array.size > 20 and len(np.unique(array)) < array.size / 4


SCORES = {
    "no rows": lambda x: x.shape[0] == 0 < x.shape[1],
    "no columns": lambda x: x.shape[1] == 0 < x.shape[0],
    "several tiles": lambda x: x.shape[1] > 128 and x.shape[0] > 1,
    "ties": has_ties,
    "nan": lambda x: x.dtype.kind == "f" and np.isnan(x).any() and not np.isnan(x).all(),
    "a row of nan": lambda x: x.dtype.kind == "f" and x.size > 2 and np.isnan(x).all(),
    "-inf": lambda x: x.dtype.kind == "f" and np.isneginf(x).any(),
    "inf": lambda x: x.dtype.kind == "f" and np.isposinf(x).any(),
    "both zeros": lambda x: x.dtype.kind == "f" and len(set(np.signbit(x[x == 0]).tolist())) == 2,
    "subnormal": lambda x: x.dtype.kind == "f" and ((x != 0) & (np.abs(x) < np.finfo(x.dtype).tiny)).any(),
    "C order only": lambda x: x.flags.c_contiguous and not x.flags.f_contiguous,
    "F order only": lambda x: x.flags.f_contiguous and not x.flags.c_contiguous,
    "strided": lambda x: min(x.shape) > 1 and not x.flags.c_contiguous and not x.flags.f_contiguous,
    "negative strides": lambda x: min(x.shape) > 1 and x.strides[0] < 0 and x.strides[1] < 0,
    "read-only": lambda x: not x.flags.writeable,
    "byte-swapped": lambda x: not x.dtype.isnative and x.size > 1,
    "memory-mapped": lambda x: isinstance(x, np.memmap),
    "unaligned": lambda x: not x.flags.aligned and x.size > 1,
    **{dtype: lambda x, dtype=dtype: x.dtype == dtype and x.size for dtype in strategies.DENSE_DTYPES},
}


@pytest.mark.parametrize("corner", SCORES)
def test_score_matrices_reach(corner):
    found(strategies.score_matrices(), SCORES[corner])


def stored(x):
    return SimpleNamespace(**dict(zip(["rows", "columns", "data"], strategies.entries_of(x), strict=True)))


def has_duplicates(x):
    places = list(zip(stored(x).rows.tolist(), stored(x).columns.tolist(), strict=True)) if issparse(x) else []
    return len(set(places)) < len(places)


def is_unsorted(x):
    return issparse(x) and x.format == "csr" and not x.has_sorted_indices


SPARSE = {
    "no rows": lambda x: x.shape[0] == 0 < x.shape[1],
    "no columns": lambda x: x.shape[1] == 0 < x.shape[0],
    "nothing stored": lambda x: issparse(x) and x.nnz == 0 and min(x.shape) > 3,
    "empty row": lambda x: issparse(x) and x.nnz > 5 and len(set(stored(x).rows.tolist())) < x.shape[0],
    "empty column": lambda x: issparse(x) and x.nnz > 5 and len(set(stored(x).columns.tolist())) < x.shape[1],
    "stored zero": lambda x: issparse(x) and x.format == "csr" and (x.data[: x.indptr[-1]] == 0).any(),
    "duplicates": has_duplicates,
    "unsorted": is_unsorted,
    "int32 indices": lambda x: issparse(x) and x.format == "csr" and x.indices.dtype == np.int32 and x.nnz,
    "int64 indices": lambda x: issparse(x) and x.format == "csr" and x.indices.dtype == np.int64 and x.nnz,
    "read-only": lambda x: issparse(x) and x.format == "csr" and not x.data.flags.writeable and x.nnz,
    "memory-mapped": lambda x: issparse(x) and x.format == "csr" and isinstance(x.data, np.memmap),
    "entries behind the last row": lambda x: issparse(x) and x.format == "csr" and len(x.data) > x.indptr[-1] > 0,
    "negative": lambda x: issparse(x) and x.dtype.kind == "f" and x.nnz and stored(x).data.min() < 0,
    "dense": lambda x: not issparse(x) and x.any(),
    "csr_matrix": lambda x: type(x).__name__ == "csr_matrix" and x.nnz,
    **{
        name: lambda x, name=name: issparse(x) and x.format == name and x.nnz
        for name in ("coo", "csc", "bsr", "lil", "dok", "dia")
    },
    **{dtype: lambda x, dtype=dtype: x.dtype == dtype and x.size for dtype in strategies.SPARSE_DTYPES},
}


@pytest.mark.parametrize("corner", SPARSE)
def test_sparse_matrices_reach(corner):
    found(strategies.sparse_matrices(), SPARSE[corner])


FACTORS = {
    "no queries": lambda q, v: q.shape[0] == 0 < v.size,
    "no items": lambda q, v: v.shape[0] == 0 < q.size,
    "no factors": lambda q, v: q.shape[1] == 0 < min(len(q), len(v)),
    "a width that is no multiple of eight": lambda q, v: q.shape[1] > 8 and q.shape[1] % 8 and q.size and v.size,
    "a width that is a multiple of eight": lambda q, v: q.shape[1] == 16 and q.size and v.size,
    "several blocks and tiles": lambda q, v: len(q) > 33 and len(v) > 128,
    "duplicate rows": lambda q, v: v.size and len(np.unique(v, axis=0)) < len(v) / 4,
    "zero row": lambda q, v: v.size and (v == 0).all(axis=1).any() and v.any(),
    "nan": lambda q, v: np.isnan(v).any() and q.size,
    "inf": lambda q, v: np.isinf(q).any() and v.size,
    "huge": lambda q, v: (np.abs(q[np.isfinite(q)]) > 1e17).any() and v.size,
    "tiny": lambda q, v: ((q != 0) & (np.abs(q) < 1e-17)).any() and v.size,
    "two dtypes": lambda q, v: q.dtype != v.dtype and q.size and v.size,
}


@pytest.mark.parametrize("corner", FACTORS)
def test_factor_matrices_reach(corner):
    found(strategies.factor_matrices(), lambda both: FACTORS[corner](*both))


PATTERNS = {
    "none": lambda p: p is None,
    "empty list": lambda p: isinstance(p, list) and not p,
    "list with duplicates": lambda p: isinstance(p, list) and len(set(p)) < len(p),
    "array": lambda p: isinstance(p, np.ndarray) and p.size > 1,
    "matrix with nan and zero": lambda p: (
        issparse(p) and np.isnan(stored(p).data).any() and (stored(p).data == 0).any()
    ),
    "matrix with duplicates": has_duplicates,
    "unsorted matrix": is_unsorted,
    "another format": lambda p: issparse(p) and p.format == "csc",
}


@pytest.mark.parametrize("corner", PATTERNS)
def test_patterns_reach(corner):
    found(strategies.patterns(5, 12), PATTERNS[corner])


HALF_STEPS = {
    "no rows": lambda w, t, f, o: w.shape[0] == 0 < f.size,
    "row without entries": lambda w, t, f, o: w.nnz and (np.diff(w.indptr) == 0).any(),
    "weight of zero": lambda w, t, f, o: (w.data == 0).any(),
    "weight below the unobserved": lambda w, t, f, o: (w.data < o["unobserved_weight"]).any(),
    "more factors than entries": lambda w, t, f, o: w.nnz and f.shape[1] > np.diff(w.indptr).max(),
    "zero row of fixed": lambda w, t, f, o: w.nnz and (f == 0).all(axis=1).any(),
    "regularization of each row": lambda w, t, f, o: np.ndim(o["regularization"]) == 1 and w.nnz,
    "no regularization": lambda w, t, f, o: np.all(o["regularization"] == 0) and w.nnz,
    "two dtypes": lambda w, t, f, o: len({w.dtype, t.dtype, f.dtype}) == 2 and w.nnz,
}


@pytest.mark.parametrize("corner", HALF_STEPS)
def test_half_steps_reach(corner):
    found(strategies.half_steps(), lambda step: HALF_STEPS[corner](*step))


def test_found_fails_where_there_is_nothing():
    with pytest.raises(Exception, match="lambda"):
        found(strategies.score_matrices(), lambda x: x.shape[0] > 1000, n_examples=100)


@given(st.data())
def test_forms_hold_the_same_values(data):
    array = data.draw(strategies.filled((3, 7), "float32", strategies.corner_values("float32")))
    for form in strategies.FORMS:
        np.testing.assert_array_equal(strategies.in_form(array, form), array)


@given(seed=strategies.seeds)
def test_sparse_forms_hold_the_same_values(seed):
    rng = np.random.default_rng(seed)
    expected = rng.integers(0, 2, (5, 6)) * rng.integers(1, 9, (5, 6)).astype(np.float64)
    expected[0, 0] = 1
    stored_at = expected != 0
    indptr = np.concatenate([[0], np.cumsum(stored_at.sum(axis=1))]).astype(np.int32)
    indices = np.nonzero(stored_at)[1].astype(np.int32)
    for form in strategies.SPARSE_FORMS:
        matrix = strategies.in_sparse_form(expected[stored_at], indices, indptr, expected.shape, form)
        if issparse(matrix):
            rows, columns, values = strategies.entries_of(matrix)
            matrix = np.zeros(matrix.shape)
            matrix[rows, columns] = values
        np.testing.assert_array_equal(matrix, expected)
