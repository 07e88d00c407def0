"""When two answers are the same. The only place that holds a tolerance."""

import hashlib

import numpy as np
import pytest
from hypothesis import Phase, settings
from scipy.sparse import csr_array, issparse

from fastrec import TopK

# What the rounding of each family of operations may change, in multiples of the machine epsilon of the answer's dtype.
#
# exact        selection, inner products, sparse products, similarity: every sum has one order, so nothing at all.
# elementwise  log, sqrt and division of one entry at a time: libraries differ in the last bit or two of a log, and
#              three more operations round after it.
# reduction    sums whose order is free, as those of BLAS: a sum of n terms moves by up to n roundings of the sum of
#              the terms' magnitudes, and by the root of n in practice. Relative to that sum of magnitudes.
# solve        systems of up to about 30 unknowns, solved in float64 by Cholesky or by eigenvectors of which those below
#              32 n roundings of the largest are dropped: the right side is missed by so much of |A| |x| + |b|, and the
#              solution by so much of |x| times the condition.
# pivoting     the same where solutions may not be negative: a gradient counts as negative below 1e-11 of its terms,
# ridge        and a singular system has 1e-8 of its largest diagonal term added to the diagonal.
# iteration    those solved by conjugate gradients in the dtype itself: the recurred residual drifts from the true one.
TOLERANCES = {
    "exact": 0,
    "elementwise": 8,
    "reduction": 64,
    "solve": 1024,
    "pivoting": 1 << 17,
    "ridge": 1 << 27,
    "iteration": 8,
}


def assert_same(got, expected):
    """Exact: type, dtype, shape and every value; an answer never holds NaN."""
    if isinstance(expected, TopK):
        assert isinstance(got, TopK), f"{type(got).__name__} is no TopK"
        _assert_same_array(got.items, expected.items, "items")
        _assert_same_array(got.scores, expected.scores, "scores")
    elif issparse(expected):
        assert_same_pattern(got, expected)
        _assert_same_array(got.data, expected.data, "data")
    else:
        _assert_same_array(got, expected, "array")


def assert_same_pattern(got, expected):
    """Sparse answers that store the same entries in the same order."""
    assert isinstance(got, csr_array), f"{type(got).__name__} is no csr_array"
    assert got.shape == expected.shape, f"shape {got.shape}, expected {expected.shape}"
    assert got.indices.dtype == got.indptr.dtype, f"indices {got.indices.dtype} but indptr {got.indptr.dtype}"
    _assert_same_array(got.indptr, expected.indptr.astype(got.indptr.dtype), "indptr")
    _assert_same_array(got.indices, expected.indices.astype(got.indices.dtype), "indices")


def assert_close(got, expected, family, *, magnitude=None):
    """Values that differ by their family's tolerance at most, relative to ``magnitude`` or else to what is expected."""
    if issparse(expected):
        assert_same_pattern(got, expected)
        got, expected = got.data, expected.data
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.dtype == expected.dtype, f"dtype {got.dtype}, expected {expected.dtype}"
    assert got.shape == expected.shape, f"shape {got.shape}, expected {expected.shape}"
    with np.errstate(invalid="ignore"):
        allowed = tolerance(family, got.dtype) * np.abs(expected if magnitude is None else magnitude)
        bad = ~((np.abs(got - expected) <= allowed) | (got == expected))
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise AssertionError(
            f"{family}: {got[at]!r} at {at}, expected {expected[at]!r}; {bad.sum()} of {bad.size} differ"
        )


def assert_solves(system, right, x, magnitude, tol=None):
    """``system @ x == right`` to the tolerance of a solve in float64 whose solution was rounded to the dtype of x.

    With a ``tol``: of an iteration in the dtype of x, whose residual is at most so much of the right side.
    ``magnitude`` is what the terms of the right side sum to without their signs: they may cancel.
    """
    assert np.isfinite(x).all()
    rounding = np.finfo(x.dtype).eps
    allowed = tolerance("solve", np.float64) + (rounding if x.dtype != np.float64 else 0)
    if tol is not None:
        allowed = max(allowed, tolerance("iteration", x.dtype))
    solution = x.astype(np.float64)
    size = np.abs(system).sum(axis=1).max(initial=0.0) * np.abs(solution).max(initial=0.0)
    allowed *= size + magnitude
    if tol is not None:
        allowed += tol * np.linalg.norm(right)
    missed = np.abs(system @ solution - right).max(initial=0.0)
    assert missed <= allowed, f"solve: misses the right side by {missed:.1e}, allowed {allowed:.1e}"


# For a law of a reference, since what equals it is held to the same law on all examples, and for what takes long.
fewer = settings(max_examples=max(5, settings().max_examples // 5))


def tolerance(family, dtype):
    """The relative difference that a family allows in a dtype."""
    return TOLERANCES[family] * float(np.finfo(dtype).eps)


def assert_rejects(law, operation):
    """A law, given an operation that is broken, finds a case in which it shows."""
    budget = settings(max_examples=400, database=None, derandomize=True, phases=[Phase.generate], print_blob=False)
    with pytest.raises(AssertionError):
        budget(law(operation))()


def scores_by_item(top):
    """Scores in the order of the items, of an answer that has all of them."""
    return np.take_along_axis(top.scores, np.argsort(top.items), axis=1)


def digest(*values):
    """The bits of arrays, answers and sparse matrices, with their dtypes and shapes."""
    state = hashlib.sha256()
    for value in values:
        if isinstance(value, TopK):
            parts = value
        elif issparse(value):
            by_row = {"csr", "csc", "bsr"}
            parts = (value.data, value.indices, value.indptr) if value.format in by_row else tuple(value.tocoo().coords)
            parts += () if value.format in by_row else (value.tocoo().data,)
        else:
            parts = (np.asarray(value),)
        for part in parts:
            state.update(f"{part.dtype.str}{part.shape}".encode())
            state.update(part.tobytes())
    return state.hexdigest()


def _assert_same_array(got, expected, name):
    assert isinstance(got, np.ndarray), f"{name}: {type(got).__name__} is no array"
    assert got.dtype == expected.dtype, f"{name}: dtype {got.dtype}, expected {expected.dtype}"
    assert got.shape == expected.shape, f"{name}: shape {got.shape}, expected {expected.shape}"
    bad = got != expected  # true of a NaN, whatever stands opposite
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise AssertionError(
            f"{name}: {got[at]!r} at {at}, expected {expected[at]!r}; {bad.sum()} of {bad.size} differ"
        )
