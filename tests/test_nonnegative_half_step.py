"""als_half_step(nonnegative=True): nothing can be improved, the reference's solutions, and the laws."""

import functools

import numpy as np
import pytest
from hypothesis import given
from scipy.sparse import csr_array

import fastrec
from equality import assert_close, assert_rejects, assert_same, tolerance
from fastrec import reference
from strategies import half_steps, seeds, thread_counts
from test_als_half_step import spectrum, systems

nonnegative = functools.partial(fastrec.als_half_step, nonnegative=True)


def family(system):
    """What a system's conditioning allows."""
    values = np.linalg.eigvalsh(system)
    return "pivoting" if values[0] > 1e-7 * values[-1] else "ridge"


def cannot_be_improved(als_half_step):
    @given(half_steps(), thread_counts)
    def law(step, n_threads):
        weights, targets, fixed, options = step
        solutions = als_half_step(weights, targets, fixed, **options, n_threads=n_threads)
        assert (solutions >= 0).all()
        assert np.isfinite(solutions).all()
        for row, (system, right, pull) in enumerate(systems(weights, targets, fixed, **options)):
            if weights.indptr[row] == weights.indptr[row + 1]:
                assert (solutions[row] == 0).all()
                continue
            x = solutions[row].astype(np.float64)
            gradient = system @ x - right
            size = np.abs(system).sum(axis=1).max(initial=0.0) * x.max(initial=0.0) + pull
            allowed = tolerance(family(system), np.float64) + 4 * np.finfo(solutions.dtype).eps
            assert (gradient >= -allowed * size).all(), "falls where a factor grows"
            assert (gradient[x > 0] <= allowed * size).all(), "falls where a factor shrinks"

    return law


def equals_reference(als_half_step):
    @given(half_steps())
    def law(step):
        weights, targets, fixed, options = step
        got = als_half_step(weights, targets, fixed, **options)
        expected = reference.als_half_step(weights, targets, fixed, **options, nonnegative=True)
        assert got.dtype == expected.dtype
        assert got.shape == expected.shape
        for row, (system, _, pull) in enumerate(systems(weights, targets, fixed, **options)):
            if family(system) == "pivoting":  # there is one solution
                largest, smallest = spectrum(system)
                magnitude = (largest * expected[row].max(initial=0.0) + pull) / smallest
                assert_close(got[row], expected[row], "pivoting", magnitude=magnitude)

    return law


def is_the_plain_solution_where_that_is_not_negative(als_half_step):
    @given(half_steps())
    def law(step):
        weights, targets, fixed, options = step
        plain = fastrec.als_half_step(weights, targets, fixed, **options, tol=0)
        found = als_half_step(weights, targets, fixed, **options)
        well = [family(system) == "pivoting" for system, _, _ in systems(weights, targets, fixed, **options)]
        rows = np.flatnonzero((plain >= 0).all(axis=1) & np.array(well, bool))
        assert_same(found[rows], plain[rows])

    return law


def permutes_with_the_rows(als_half_step):
    @given(half_steps(), seeds)
    def law(step, seed):
        weights, targets, fixed, options = step
        order = np.random.default_rng(seed).permutation(weights.shape[0])
        options["regularization"] = np.broadcast_to(options["regularization"], weights.shape[0])
        expected = als_half_step(weights, targets, fixed, **options)[order]
        options["regularization"] = options["regularization"][order]
        assert_same(als_half_step(weights[order], targets[order], fixed, **options), expected)

    return law


LAWS = [
    cannot_be_improved,
    equals_reference,
    is_the_plain_solution_where_that_is_not_negative,
    permutes_with_the_rows,
]


@pytest.mark.parametrize("law", LAWS)
def test_law(law):
    law(nonnegative)()


# ---- the laws can fail ----------------------------------------------------------------------------------------------


def signed(weights, targets, fixed, *, n_threads=None, **options):
    return reference.als_half_step(weights, targets, fixed, **options)


def clipped(weights, targets, fixed, **options):
    return np.maximum(signed(weights, targets, fixed, **options), 0)


def one_step_early(weights, targets, fixed, *, n_threads=None, **options):
    """What was negative is held at zero for good: the first step of the pivoting, and its answer."""
    solutions = np.zeros((weights.shape[0], fixed.shape[1]), fixed.dtype)
    for row, (system, right, _) in enumerate(systems(weights, targets, fixed, **options)):
        free = np.arange(len(right))
        while len(free):
            x = np.linalg.pinv(system[np.ix_(free, free)], rcond=1e-13, hermitian=True) @ right[free]
            if (x >= 0).all():
                solutions[row, free] = x
                break
            free = free[x >= 0]
    return solutions


def first_row_everywhere(weights, targets, fixed, *, n_threads=None, **options):
    solutions = reference.als_half_step(weights, targets, fixed, **options, nonnegative=True)
    solutions[:] = solutions[:1]
    return solutions


def without_the_penalty(weights, targets, fixed, *, n_threads=None, regularization=None, **options):
    return reference.als_half_step(weights, targets, fixed, **options, regularization=1e-9, nonnegative=True)


@pytest.mark.parametrize(
    ("broken", "laws"),
    [
        (signed, [cannot_be_improved, equals_reference]),
        (clipped, [cannot_be_improved, equals_reference]),
        (one_step_early, [cannot_be_improved, equals_reference]),
        (without_the_penalty, [cannot_be_improved, equals_reference, is_the_plain_solution_where_that_is_not_negative]),
        (first_row_everywhere, [permutes_with_the_rows]),
    ],
)
def test_laws_reject(broken, laws):
    for law in laws:
        assert_rejects(law, broken)


# ---- cases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_factors", [1, 3, 4, 5, 8, 31, 64, 65, 130])
def test_any_number_of_factors(dtype, n_factors):
    rng = np.random.default_rng(n_factors)
    seen = rng.random((6, 90)) < 0.5
    weights, targets = csr_array(seen * rng.integers(1, 5, seen.shape).astype(dtype)), csr_array(seen.astype(dtype))
    targets.data = rng.standard_normal(targets.nnz).astype(dtype)
    fixed = np.abs(rng.standard_normal((90, n_factors))).astype(dtype)
    got = nonnegative(weights, targets, fixed, regularization=0.5)
    expected = reference.als_half_step(weights, targets, fixed, regularization=0.5, nonnegative=True)
    assert (got > 0).any()
    assert (got == 0).any()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


def test_factors_that_are_the_same_share_what_one_would_have():
    """Near the least of many solutions, which has no reason to prefer one of them."""
    rng = np.random.default_rng(0)
    one = rng.random((30, 3))
    weights = csr_array((rng.random((8, 30)) < 0.6).astype(np.float64))
    targets = weights.copy()
    targets.data = rng.standard_normal(targets.nnz)
    options = {"unobserved_weight": 0.0, "regularization": 0.0}
    single, double = (nonnegative(weights, targets, fixed, **options) for fixed in (one, np.hstack([one, one])))
    np.testing.assert_allclose(double[:, :3], double[:, 3:], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(2 * double[:, :3], single, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("scale", [1, 1e-2, 1e-4])
def test_a_singular_row_of_factors_of_very_different_size(scale):
    """A ridge for the largest factor must not be one that holds back the smallest."""
    fixed = np.abs(np.random.default_rng(0).normal(size=(30, 3))) * [1, 1, scale]
    fixed = np.column_stack([fixed, fixed[:, 2]])
    targets = fixed @ [1, 1, 1 / scale, 1 / scale]
    solution = fastrec.als_half_step(
        csr_array(np.ones((1, 30))), csr_array(targets[None]), fixed,
        unobserved_weight=0, regularization=0, nonnegative=True,
    )  # fmt: skip
    assert (solution >= 0).all()
    np.testing.assert_allclose(fixed @ solution[0], targets, rtol=5e-3)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (3, 4)])
def test_nothing_stored(shape):
    nothing, fixed = csr_array(shape), np.ones((shape[1], 2), np.float32)
    assert_same(nonnegative(nothing, nothing, fixed), np.zeros((shape[0], 2), np.float32))
