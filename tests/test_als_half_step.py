"""als_half_step and implicit_loss: zero gradients, the reference's solutions to the solve's tolerance, and the laws."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

import fastrec
from equality import assert_close, assert_rejects, assert_same, assert_solves, digest, tolerance
from fastrec import _least_squares, reference
from strategies import BAD_RATINGS, FLOATS, half_steps, seeds, thread_counts


def systems(weights, targets, fixed, unobserved_weight=1.0, regularization=0.01):
    """Every row's normal equations in dense float64: matrix, right side, and what its terms sum to without signs."""
    fixed = np.asarray(fixed, np.float64)
    for row in range(weights.shape[0]):
        entries = slice(weights.indptr[row], weights.indptr[row + 1])
        weight, target = np.full(len(fixed), float(unobserved_weight)), np.zeros(len(fixed))
        weight[weights.indices[entries]] = weights.data[entries]
        target[targets.indices[entries]] = targets.data[entries]
        penalty = np.broadcast_to(regularization, weights.shape[0])[row]
        pull = (np.abs(fixed).T @ np.abs(weight * target)).max(initial=0.0)
        yield (fixed.T * weight) @ fixed + penalty * np.eye(fixed.shape[1]), fixed.T @ (weight * target), pull


def spectrum(system):
    """Largest and smallest eigenvalue but for those that are zero; None when some could be either."""
    values = np.linalg.eigvalsh(system)
    largest = values[-1]
    if largest <= 0:
        return 0.0, 1.0
    unclear = (values > 1e-15 * largest) & (values < 1e-9 * largest)
    return None if unclear.any() else (largest, values[values >= 1e-9 * largest][0])


def assert_close_solutions(got, expected, step):
    """Rows whose systems are conditioned well enough to have one answer, to the solve's tolerance."""
    weights, targets, fixed, options = step
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    for row, (system, _, pull) in enumerate(systems(weights, targets, fixed, **options)):
        eigenvalues = spectrum(system)
        if eigenvalues:
            largest, smallest = eigenvalues
            magnitude = (largest * np.abs(expected[row]).max(initial=0.0) + pull) / smallest
            assert_close(got[row], expected[row], "solve", magnitude=magnitude)


def has_a_gradient_of_zero(als_half_step):
    @given(half_steps(), thread_counts)
    def law(step, n_threads):
        weights, targets, fixed, options = step
        solutions = als_half_step(weights, targets, fixed, **options, n_threads=n_threads)
        for row, (system, right, pull) in enumerate(systems(weights, targets, fixed, **options)):
            if weights.indptr[row] == weights.indptr[row + 1]:
                assert (solutions[row] == 0).all()
            else:
                assert_solves(system, right, solutions[row], pull)

    return law


def equals_reference(als_half_step):
    @given(half_steps())
    def law(step):
        weights, targets, fixed, options = step
        expected = reference.als_half_step(weights, targets, fixed, **options)
        assert_close_solutions(als_half_step(weights, targets, fixed, **options), expected, step)

    return law


def has_the_least_norm_where_there_are_many_solutions(als_half_step):
    @given(seeds, st.sampled_from(FLOATS), st.integers(1, 12), st.integers(1, 20))
    def law(seed, dtype, n_entries, n_factors):
        rng = np.random.default_rng(seed)
        fixed = rng.integers(-2, 3, (n_entries, n_factors)).astype(dtype)
        weights = csr_array(rng.choice([1.0, 4.0], (1, n_entries)))
        targets = csr_array(np.ones((1, n_entries)))
        options = {"unobserved_weight": 0.0, "regularization": 0.0}
        got = als_half_step(weights, targets, fixed, **options)
        scale = np.sqrt(weights.toarray().ravel())
        expected = np.linalg.lstsq(fixed * scale[:, None].astype(np.float64), scale, rcond=1e-7)[0].astype(dtype)
        assert_close_solutions(got, expected[None], (weights, targets, fixed, options))

    return law


def is_the_lowest_loss(als_half_step):
    @given(half_steps(dtypes=["float64"]), seeds)
    def law(step, seed):
        weights, targets, fixed, options = step
        full = csr_array(weights)
        solutions = als_half_step(weights, targets, fixed, **options)
        penalties = {
            "unobserved_weight": options["unobserved_weight"],
            "user_regularization": options["regularization"],
        }

        def loss(users):
            return reference.implicit_loss(full, targets, users, fixed, **penalties, item_regularization=0.0)

        lowest = loss(solutions)
        rng = np.random.default_rng(seed)
        size = np.abs(solutions).max(initial=0.0) + 1.0
        for step_size in (1.0, 1e-3, 1e-6):
            moved = solutions + step_size * size * rng.standard_normal(solutions.shape)
            assert lowest <= loss(moved) * (1 + tolerance("solve", np.float64))

    return law


def ignores_a_common_scale(als_half_step):
    @given(half_steps(), st.sampled_from([0.25, 3.0, 64.0]))
    def law(step, scale):
        weights, targets, fixed, options = step
        expected = als_half_step(weights, targets, fixed, **options)
        scaled = {name: value * scale for name, value in options.items()}
        assert_close_solutions(
            als_half_step(weights * weights.dtype.type(scale), targets, fixed, **scaled), expected, step
        )

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


def ignores_the_order_of_columns(als_half_step):
    @given(half_steps(), seeds)
    def law(step, seed):
        weights, targets, fixed, options = step
        order = np.random.default_rng(seed).permutation(len(fixed))
        permuted = als_half_step(weights[:, order], targets[:, order], fixed[order], **options)
        assert_close_solutions(permuted, als_half_step(weights, targets, fixed, **options), step)

    return law


def takes_an_entry_of_unobserved_weight_as_none(als_half_step):
    """A stored entry with the weight of the others and target 0 says nothing new."""

    @given(half_steps())
    def law(step):
        weights, targets, fixed, options = step
        stored = np.zeros(weights.shape, bool)
        stored[np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr)), weights.indices] = True
        filled = np.where(stored, weights.toarray(), options["unobserved_weight"])
        filled_weights, filled_targets = (everywhere(x, weights.shape) for x in (filled, targets.toarray()))
        expected = als_half_step(weights, targets, fixed, **options)
        got = als_half_step(filled_weights, filled_targets, fixed, **options)
        solved = np.flatnonzero(np.diff(weights.indptr))  # a row without entries is zero by rule, and here by solving
        options["regularization"] = np.broadcast_to(options["regularization"], weights.shape[0])[solved]
        assert_close_solutions(got[solved], expected[solved], (weights[solved], targets[solved], fixed, options))

    return law


def gives_zero_to_a_factor_that_is_nowhere(als_half_step):
    @given(half_steps(), st.integers(1, 9))
    def law(step, n_more):
        weights, targets, fixed, options = step
        wider = np.concatenate([fixed, np.zeros((len(fixed), n_more), fixed.dtype)], axis=1).astype(fixed.dtype)
        got = als_half_step(weights, targets, wider, **options)
        assert (got[:, fixed.shape[1] :] == 0).all()
        expected = als_half_step(weights, targets, fixed, **options)
        assert_close_solutions(np.ascontiguousarray(got[:, : fixed.shape[1]]), expected, step)

    return law


def everywhere(values, shape):
    """A sparse matrix that stores every cell, zeros too."""
    indptr = np.arange(shape[0] + 1) * shape[1]
    return csr_array((values.ravel(), np.tile(np.arange(shape[1]), shape[0]), indptr), shape=shape)


LAWS = [
    has_a_gradient_of_zero,
    equals_reference,
    has_the_least_norm_where_there_are_many_solutions,
    is_the_lowest_loss,
    ignores_a_common_scale,
    permutes_with_the_rows,
    ignores_the_order_of_columns,
    takes_an_entry_of_unobserved_weight_as_none,
    gives_zero_to_a_factor_that_is_nowhere,
]


directly = functools.partial(fastrec.als_half_step, tol=0)


@pytest.mark.parametrize("law", LAWS)
def test_law(law):
    law(directly)()


# ---- the tolerance --------------------------------------------------------------------------------------------------


def keeps_to_tol(als_half_step):
    @given(half_steps(), st.sampled_from([1e-2, 1e-5, 1e-6]), thread_counts)
    def law(step, tol, n_threads):
        weights, targets, fixed, options = step
        solutions = als_half_step(weights, targets, fixed, **options, tol=tol, n_threads=n_threads)
        for row, (system, right, pull) in enumerate(systems(weights, targets, fixed, **options)):
            if weights.indptr[row] == weights.indptr[row + 1]:
                assert (solutions[row] == 0).all()
            else:
                assert_solves(system, right, solutions[row], pull, tol=tol)

    return law


@pytest.fixture(params=[0, _least_squares._LONGEST_DUAL], ids=["by steps", "short rows by their size"])
def each_path(request, monkeypatch):
    monkeypatch.setattr(_least_squares, "_LONGEST_DUAL", request.param)


@pytest.mark.usefixtures("each_path")
@pytest.mark.parametrize("law", [keeps_to_tol])
def test_law_of_tol(law):
    law(fastrec.als_half_step)()


def steps_before_the_end(n_steps):
    """Conjugate gradients that end so many steps before their residual is small enough."""

    def als_half_step(weights, targets, fixed, *, tol=1e-5, n_threads=None, **options):
        solutions = np.zeros((weights.shape[0], fixed.shape[1]), fixed.dtype)
        for row, (system, right, _) in enumerate(systems(weights, targets, fixed, **options)):
            x, residual = np.zeros_like(right), right.copy()
            direction, iterates = residual.copy(), [x]
            while residual @ residual > tol**2 * (right @ right) and len(iterates) < 100:
                image = system @ direction
                square = residual @ residual
                x = x + square / (direction @ image) * direction
                residual = right - system @ x
                direction = residual + residual @ residual / square * direction
                iterates.append(x)
            solutions[row] = iterates[max(0, len(iterates) - 1 - n_steps)]
        return solutions

    return als_half_step


def test_law_of_tol_rejects():
    assert_rejects(keeps_to_tol, steps_before_the_end(2))
    assert_rejects(keeps_to_tol, changed(unobserved_weight=1.0))


@pytest.mark.usefixtures("each_path")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_factors", [1, 15, 16, 17, 33, 64, 65, 100])
@pytest.mark.parametrize("n_entries", [1, 2, 3, 4, 5, 8, 9, 255, 256, 257, 1000])
def test_tol_at_any_size(dtype, n_factors, n_entries):
    """Entries are taken eight and four together, in chunks of up to 256; factors one, two and four vectors together."""
    rng = np.random.default_rng(n_factors)
    weights = csr_array(rng.integers(1, 9, (2, n_entries)).astype(dtype))
    targets, fixed = (
        csr_array(np.ones((2, n_entries), dtype)),
        rng.standard_normal((n_entries, n_factors)).astype(dtype),
    )
    options = {"unobserved_weight": 1.0, "regularization": np.array([0.5, 2.0])}
    solutions = fastrec.als_half_step(weights, targets, fixed, **options)
    for row, (system, right, pull) in enumerate(systems(weights, targets, fixed, **options)):
        assert_solves(system, right, solutions[row], pull, tol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_factors", [1, 16, 17, 40, 64, 100])
@pytest.mark.parametrize("n_entries", [31, 32, 33, 64, 5000])
def test_rows_that_make_a_matrix_of_their_entries(dtype, n_factors, n_entries):
    rng = np.random.default_rng(n_entries)
    # Factors much alike and heavy weights, so that a row takes many steps.
    fixed = (rng.normal(size=(n_entries + 20, n_factors)) + 0.5).astype(dtype)
    stored = np.arange(n_entries + 20) < np.array([[n_entries], [n_entries - 9], [n_entries + 20]])
    stored[:, rng.permutation(len(fixed))] = stored.copy()
    weights = csr_array(np.where(stored, rng.integers(2, 600, stored.shape), 0).astype(dtype))
    targets = csr_array((rng.integers(0, 2, len(weights.data)).astype(dtype), weights.indices, weights.indptr))
    solutions = fastrec.als_half_step(weights, targets, fixed, tol=1e-5)
    for row, (system, right, pull) in enumerate(systems(weights, targets, fixed)):
        assert_solves(system, right, solutions[row], pull, tol=1e-5)


def short_rows(dtype, n_factors, heaviest):
    """Rows of every length up to 50, so that some batches of lanes are full and others are not."""
    rng = np.random.default_rng(n_factors)
    lengths = rng.permutation(np.repeat(np.arange(51), [1, *[3] * 50]))
    stored = np.arange(90) < lengths[:, None]
    for row in stored:
        rng.shuffle(row)
    fixed = (rng.normal(size=(90, n_factors)) + 2.0).astype(dtype)
    weights = csr_array(np.where(stored, rng.integers(2, heaviest, stored.shape), 0).astype(dtype))
    targets = csr_array((rng.integers(0, 3, weights.nnz).astype(dtype), weights.indices, weights.indptr))
    return lengths, weights, targets, fixed


def by_steps(monkeypatch, *step):
    with monkeypatch.context() as changes:
        changes.setattr(_least_squares, "_LONGEST_DUAL", 0)
        return fastrec.als_half_step(*step)


@pytest.mark.parametrize(
    ("dtype", "heaviest", "longest"),
    # of few steps, and of so many that longer rows too are solved by systems of their size
    [(np.float32, 4, 10), (np.float64, 4, 10), (np.float64, 60, 30)],
)
@pytest.mark.parametrize("n_factors", [1, 16, 40, 64])
def test_short_rows_by_systems_of_their_size(monkeypatch, dtype, n_factors, heaviest, longest):
    lengths, *step = short_rows(dtype, n_factors, heaviest)
    solutions = fastrec.als_half_step(*step, n_threads=1)
    for row, (system, right, pull) in enumerate(systems(*step)):
        assert_solves(system, right, solutions[row], pull, tol=1e-5)
    for n_threads in (2, 3, 8):
        assert_same(fastrec.als_half_step(*step, n_threads=n_threads), solutions)
    differs = (by_steps(monkeypatch, *step) != solutions).any(axis=1)
    assert not differs[lengths > _least_squares._LONGEST_DUAL].any()
    if n_factors > 1:  # one is solved in one step, to the same bits
        assert differs[(lengths > 3) & (lengths <= longest)].mean() > 0.9


@pytest.mark.parametrize("weight", [1.0, 0.0, 1 + 1e-7, 1e7])
def test_rows_that_systems_of_their_size_would_not_solve_exactly(monkeypatch, weight):
    """An entry that weighs no more than unobserved ones or hardly more, or so much that digits would be lost."""
    lengths, *step = short_rows(np.float32, 16, 4)
    weights = step[0]
    weights.data[weights.indptr[:-1][lengths > 0]] = weight
    solutions = fastrec.als_half_step(*step)
    for row, (system, right, pull) in enumerate(systems(*step)):
        assert_solves(system, right, solutions[row], pull, tol=1e-5)
    assert_same(by_steps(monkeypatch, *step), solutions)


@pytest.mark.parametrize("n_factors", [16, 80, 128])  # by a matrix, made with the right side or later, and by entries
def test_a_huge_row_is_shared_by_the_threads(n_factors):
    rng = np.random.default_rng(5)
    most = 2**23 // n_factors  # entries of one thread
    n_fixed, lengths = most + 76_000, [3, most + 6_000, 0, most + 76_000, 20]
    fixed = rng.normal(size=(n_fixed, n_factors)).astype(np.float32)
    indices = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    weights = csr_array((rng.uniform(0.5, 3, len(indices)).astype(np.float32), indices, indptr), (5, n_fixed))
    targets = csr_array((np.ones(len(indices), np.float32), indices, indptr), (5, n_fixed))
    solutions = fastrec.als_half_step(weights, targets, fixed, n_threads=1)
    for row, (system, right, pull) in enumerate(systems(weights, targets, fixed)):
        assert_solves(system, right, solutions[row], pull, tol=1e-5)
    for n_threads in (2, 3):
        assert_same(fastrec.als_half_step(weights, targets, fixed, n_threads=n_threads), solutions)


def test_the_direct_solve_takes_what_conjugate_gradients_do_not_finish(monkeypatch):
    rng = np.random.default_rng(0)
    weights = csr_array(rng.integers(1, 9, (40, 30)).astype(np.float32) * (rng.random((40, 30)) < 0.5))
    targets = csr_array((weights != 0).astype(np.float32))
    fixed = rng.standard_normal((30, 7)).astype(np.float32)
    monkeypatch.setattr(_least_squares, "_STEPS", -7)  # no step at all
    got, expected = fastrec.als_half_step(weights, targets, fixed), directly(weights, targets, fixed)
    assert_close(got, expected, "iteration", magnitude=np.abs(expected).max())


# ---- bad numbers ----------------------------------------------------------------------------------------------------


objectives = pytest.mark.parametrize(
    ("alpha", "regularization", "unobserved_weight"), [*itertools.product([1.0, 1e6], [0.0, 0.01], [1.0, 0.0])]
)


def bad_steps(matrix, dtype, alpha, **options):
    """The half-steps of two epochs, each against the definition's solution of the one before, rounded."""
    ratings = csr_array(matrix)
    weights, targets = ratings.copy(), ratings.copy()
    weights.data, targets.data = 1 + alpha * ratings.data, np.ones(ratings.nnz)
    fixed = np.random.default_rng(1).normal(0, 0.01, (matrix.shape[1], 5)).astype(dtype)
    for _ in range(4):
        yield weights, targets, fixed, options
        fixed = reference.als_half_step(weights, targets, fixed, **options)
        weights, targets = csr_array(weights.T), csr_array(targets.T)


@pytest.mark.usefixtures("each_path")
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", BAD_RATINGS)
@objectives
def test_bad_numbers(case, dtype, alpha, regularization, unobserved_weight):
    options = {"regularization": regularization, "unobserved_weight": unobserved_weight}
    for step in bad_steps(BAD_RATINGS[case], dtype, alpha, **options):
        weights, targets, fixed, options = step
        solved = directly(weights, targets, fixed, **options)
        assert_close_solutions(solved, reference.als_half_step(weights, targets, fixed, **options), step)
        for tol in (1e-5, 1e-12):
            solutions = fastrec.als_half_step(weights, targets, fixed, **options, tol=tol)
            for row, (system, right, pull) in enumerate(systems(weights, targets, fixed, **options)):
                assert_solves(system, right, solutions[row], pull, tol=tol)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("unobserved_weight", [0.0, 1.0])
@pytest.mark.parametrize("tol", [0, 1e-5])
def test_factors_that_are_noise_are_as_if_zero(dtype, unobserved_weight, tol):
    """A factor that all rows lack is no more than rounding once the basis was turned."""
    rng = np.random.default_rng(0)
    fixed = (rng.standard_normal((30, 6)) * [1.0, *[np.finfo(dtype).eps / 100] * 5]).astype(dtype)
    weights = csr_array(rng.integers(1, 5, (4, 30)) * (rng.random((4, 30)) < 0.6).astype(dtype))
    targets = csr_array((weights != 0).astype(dtype))
    options = {"unobserved_weight": unobserved_weight, "regularization": 0.0}
    got = fastrec.als_half_step(weights, targets, fixed, **options, tol=tol)
    expected = reference.als_half_step(weights, targets, fixed, **options)
    assert_close(got, expected, "iteration", magnitude=np.abs(expected).max())


def test_factors_of_very_different_size():
    """Small is not noise where it is more than rounding of the largest."""
    rng = np.random.default_rng(0)
    fixed = rng.standard_normal((30, 3)) * [1.0, 1e-3, 1e-5]
    weights = csr_array(rng.integers(1, 5, (4, 30)).astype(np.float64))
    targets = csr_array(rng.standard_normal((4, 30)))
    options = {"unobserved_weight": 0.0, "regularization": 0.0}
    for row, solution in enumerate(directly(weights, targets, fixed, **options)):
        root = np.sqrt(weights.toarray()[row])
        expected = np.linalg.lstsq(fixed * root[:, None], targets.toarray()[row] * root, rcond=1e-12)[0]
        np.testing.assert_allclose(solution, expected, rtol=1e-9)


def test_factors_that_have_much_in_common():
    """What cancels where solutions leave the eigenbasis must not be rounded to float32 before it does."""
    rng = np.random.default_rng(0)
    fixed = (rng.normal(size=(400, 64)) * np.logspace(0, -3.5, 64) + 5 * rng.normal(size=64)).astype(np.float32)
    targets = csr_array((rng.random((200, 400)) < 0.03).astype(np.float32))
    weights = 2 * targets

    def residuals(tol):
        solutions = fastrec.als_half_step(weights, targets, fixed, tol=tol).astype(np.float64)
        each = zip(systems(weights, targets, fixed), solutions, strict=True)
        return [np.linalg.norm(system @ x - right) / np.linalg.norm(right) for (system, right, _), x in each]

    assert np.median(residuals(1e-5)) < 1.5 * np.median(residuals(0))  # directly, in float64, and rounded once


def test_directions_that_hardly_occur_are_no_noise():
    """Where float32 would only add up noise of them, Gram matrix and basis are of float64."""
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    fixed = ((rng.normal(size=(3000, 8)) * np.logspace(0, -3, 8)) @ directions).astype(np.float32)
    targets = csr_array((rng.random((100, 3000)) < 0.05).astype(np.float32))
    options = {"unobserved_weight": 1.0, "regularization": 0.0}
    got = fastrec.als_half_step(2 * targets, targets, fixed, **options)
    expected = reference.als_half_step(2 * targets, targets, fixed.astype(np.float64), **options)
    errors = np.linalg.norm(got - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert np.median(errors) < 1e-5  # 7e-3 by a Gram matrix of float32


@pytest.mark.parametrize(("n_rows", "depth", "width"), [(0, 3, 2), (1, 1, 1), (49, 16, 16), (700, 130, 40)])
def test_what_is_turned_in_double_is_rounded_once(n_rows, depth, width):
    rng = np.random.default_rng(0)
    rows, matrix = (1e4 + rng.normal(size=(n_rows, depth))).astype(np.float32), rng.normal(size=(depth, width))
    matrix -= matrix.mean(axis=0)  # so that most of it cancels
    got = [_least_squares.turned(rows, matrix, n_threads) for n_threads in (1, 3)]
    assert got[0].dtype == np.float32
    np.testing.assert_allclose(got[0], rows.astype(np.float64) @ matrix, rtol=1e-7, atol=1e-8)
    assert_same(*got)


@pytest.mark.parametrize(
    ("value", "dtype", "said"), [(1e200, np.float64, "normal equations"), (1e-40, np.float32, "solutions")]
)
@pytest.mark.parametrize("tol", [0, 1e-5])
def test_numbers_beyond_the_dtype_are_refused(value, dtype, said, tol):
    fixed = np.array([[value, value], [value, -value]], dtype)
    ones = csr_array(np.ones((1, 2)))
    with pytest.raises(ValueError, match=f"{said}.*: expected finite values"):
        fastrec.als_half_step(ones, ones, fixed, unobserved_weight=0, regularization=0, tol=tol)


# ---- the loss -------------------------------------------------------------------------------------------------------


@st.composite
def losses(draw):
    """Arguments of implicit_loss."""
    weights, targets, fixed, options = draw(half_steps())
    users = np.random.default_rng(draw(seeds)).standard_normal((weights.shape[0], fixed.shape[1]))
    options["user_regularization"] = options.pop("regularization")
    options["item_regularization"] = draw(st.sampled_from([0.0, 0.5]))
    return (weights, targets, users.astype(draw(st.sampled_from(FLOATS))), fixed), options


def loss_equals_reference(implicit_loss):
    @given(losses())
    def law(case):
        (weights, targets, users, items), options = case
        counted = abs(weights)  # and once more as unobserved, which is summed over all cells and taken off for these
        counted.data = counted.data + options["unobserved_weight"]
        magnitude = reference.implicit_loss(counted, -abs(targets), np.abs(users), np.abs(items), **options)
        expected = reference.implicit_loss(weights, targets, users, items, **options)
        got = implicit_loss(weights, targets, users, items, **options)
        assert isinstance(got, float)
        assert_close(np.float64(got), np.float64(expected), "reduction", magnitude=magnitude)

    return law


def test_loss_equals_reference():
    loss_equals_reference(fastrec.implicit_loss)()


@given(seeds, st.sampled_from(FLOATS))
def test_loss_never_rises(seed, dtype):
    rng = np.random.default_rng(seed)
    seen = rng.random((30, 20)) < 0.2
    weights, targets = (csr_array(np.where(seen, values, 0.0)) for values in (rng.integers(1, 5, seen.shape), 1.0))
    users, items = np.zeros((30, 5), dtype), rng.normal(0, 0.1, (20, 5)).astype(dtype)
    options = {"unobserved_weight": 0.1}
    last = np.inf
    for _ in range(5):
        users = fastrec.als_half_step(weights, targets, items, regularization=0.1, **options)
        items = fastrec.als_half_step(weights.T, targets.T, users, regularization=0.1, **options)
        loss = fastrec.implicit_loss(
            weights, targets, users, items, user_regularization=0.1, item_regularization=0.1, **options
        )
        assert loss <= last * (1 + 1e-6)
        last = loss


def test_loss_of_more_entries_than_a_tile():
    rng = np.random.default_rng(0)
    weights, targets = (everywhere(rng.random((300, 300)), (300, 300)) for _ in range(2))
    users, items = rng.standard_normal((300, 4)), rng.standard_normal((300, 4))
    expected = reference.implicit_loss(weights, targets, users, items)
    assert_close(np.float64(fastrec.implicit_loss(weights, targets, users, items)), np.float64(expected), "reduction")


# ---- the laws can fail ----------------------------------------------------------------------------------------------


def changed(**other):
    """The reference with options of ours in place of those that it is given."""

    def als_half_step(weights, targets, fixed, *, n_threads=None, **options):
        return reference.als_half_step(weights, targets, fixed, **{**options, **other})

    return als_half_step


def slightly_off(weights, targets, fixed, *, n_threads=None, **options):
    solutions = reference.als_half_step(weights, targets, fixed, **options)
    return solutions * solutions.dtype.type(1 + 1e-5)


def one_gradient_step(weights, targets, fixed, *, n_threads=None, **options):
    solutions = np.zeros((weights.shape[0], fixed.shape[1]), fixed.dtype)
    for row, (system, right, _) in enumerate(systems(weights, targets, fixed, **options)):
        curvature = right @ system @ right
        solutions[row] = right * (right @ right / curvature) if curvature > 0 else 0
    return solutions


def weights_of_one(weights, targets, fixed, *, n_threads=None, **options):
    return reference.als_half_step(everywhere_stored(weights, 1.0), targets, fixed, **options)


def unobserved_weight_added(weights, targets, fixed, *, n_threads=None, unobserved_weight=1.0, **options):
    more = weights.copy()
    more.data = more.data + more.dtype.type(unobserved_weight)
    return reference.als_half_step(more, targets, fixed, unobserved_weight=unobserved_weight, **options)


def a_small_ridge(weights, targets, fixed, *, n_threads=None, regularization=0.01, **options):
    ridge = np.asarray(regularization) + 1e-3 * np.square(np.asarray(fixed, np.float64)).mean() if fixed.size else 0.0
    return reference.als_half_step(weights, targets, fixed, regularization=ridge, **options)


def some_solution(weights, targets, fixed, *, n_threads=None, **options):
    """A solution of singular systems that is not the least."""
    solutions = reference.als_half_step(weights, targets, fixed, **options)
    for row, (system, _, _) in enumerate(systems(weights, targets, fixed, **options)):
        values, vectors = np.linalg.eigh(system)
        if values[0] < 1e-12 * values[-1]:
            solutions[row] += vectors[:, 0].astype(fixed.dtype)
    return solutions


def first_row_everywhere(weights, targets, fixed, *, n_threads=None, **options):
    solutions = reference.als_half_step(weights, targets, fixed, **options)
    solutions[:] = solutions[:1]
    return solutions


def first_fixed_counts_more(weights, targets, fixed, *, n_threads=None, **options):
    fixed = np.array(fixed)
    fixed[:1] *= 2
    return reference.als_half_step(weights, targets, fixed, **options)


def last_factor_fixed(weights, targets, fixed, *, n_threads=None, **options):
    solutions = reference.als_half_step(weights, targets, fixed, **options)
    solutions[:, -1] = 1
    return solutions


def everywhere_stored(matrix, value):
    ones = matrix.copy()
    ones.data = np.full_like(ones.data, value)
    return ones


@pytest.mark.parametrize(
    ("broken", "laws"),
    [
        (slightly_off, [has_a_gradient_of_zero]),
        (one_gradient_step, [has_a_gradient_of_zero, equals_reference, is_the_lowest_loss]),
        (one_gradient_step, [has_the_least_norm_where_there_are_many_solutions]),
        (weights_of_one, [has_a_gradient_of_zero, equals_reference, ignores_a_common_scale]),
        (weights_of_one, [takes_an_entry_of_unobserved_weight_as_none]),
        (
            unobserved_weight_added,
            [has_a_gradient_of_zero, equals_reference, takes_an_entry_of_unobserved_weight_as_none],
        ),
        (a_small_ridge, [has_a_gradient_of_zero, equals_reference, is_the_lowest_loss]),
        (changed(regularization=0.01), [has_a_gradient_of_zero, equals_reference, ignores_a_common_scale]),
        (changed(unobserved_weight=1.0), [has_a_gradient_of_zero, equals_reference, is_the_lowest_loss]),
        (some_solution, [has_the_least_norm_where_there_are_many_solutions]),
        (first_row_everywhere, [permutes_with_the_rows, has_a_gradient_of_zero]),
        (first_fixed_counts_more, [ignores_the_order_of_columns, has_a_gradient_of_zero]),
        (last_factor_fixed, [gives_zero_to_a_factor_that_is_nowhere]),
    ],
)
def test_laws_reject(broken, laws):
    for law in laws:
        assert_rejects(law, broken)


def test_law_of_the_loss_rejects():
    def loss_of_stored_entries(weights, targets, users, items, **options):
        return reference.implicit_loss(weights, targets, users, items, **{**options, "unobserved_weight": 0.0})

    def loss_in_float32(weights, targets, users, items, **options):
        return float(np.float32(reference.implicit_loss(weights, targets, users, items, **options)))

    assert_rejects(loss_equals_reference, loss_of_stored_entries)
    assert_rejects(loss_equals_reference, loss_in_float32)


# ---- cases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_factors", [1, 3, 4, 5, 8, 31, 64, 65])
def test_any_number_of_factors(dtype, n_factors):
    """Panels of four and lanes of eight have ends of every length."""
    rng = np.random.default_rng(n_factors)
    seen = rng.random((6, 90)) < 0.3
    weights, targets = csr_array(seen * rng.integers(1, 5, seen.shape).astype(dtype)), csr_array(seen.astype(dtype))
    fixed = rng.standard_normal((90, n_factors)).astype(dtype)
    solutions = directly(weights, targets, fixed, regularization=0.5)
    assert solutions.dtype == dtype
    for row, (system, right, pull) in enumerate(systems(weights, targets, fixed, 1.0, 0.5)):
        assert_solves(system, right, solutions[row], pull)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_least_norm_of_many_singular_systems(dtype):
    """Rounding hides a few in a thousand of them from a Cholesky factorisation that looks for pivots near zero."""
    rng = np.random.default_rng(0)
    n_rows, n_entries, n_factors = 10_000, 5, 6
    fixed = rng.integers(-2, 3, (n_rows, n_entries, n_factors)).astype(dtype)
    entries = np.arange(n_rows * n_entries), np.arange(0, n_rows * n_entries + 1, n_entries)
    shape = (n_rows, n_rows * n_entries)
    weights = csr_array((rng.choice([1.0, 4.0], n_rows * n_entries), *entries), shape=shape)
    targets = csr_array((np.ones(n_rows * n_entries), *entries), shape=shape)
    got = directly(weights, targets, fixed.reshape(-1, n_factors), unobserved_weight=0.0, regularization=0.0)
    scale = np.sqrt(weights.data).reshape(n_rows, n_entries)
    scaled = fixed * scale[:, :, None]
    expected = (np.linalg.pinv(scaled, rcond=1e-9) @ scale[:, :, None])[:, :, 0].astype(dtype)
    singular_values = np.linalg.svd(scaled, compute_uv=False)
    smallest = np.where(singular_values > 1e-9 * singular_values[:, :1], singular_values, np.inf).min(axis=1)
    pull = (np.abs(scaled) * scale[:, :, None]).sum(axis=1).max(axis=1)
    magnitude = (singular_values[:, 0] ** 2 * np.abs(expected).max(axis=1) + pull) / smallest**2
    assert_close(got, expected, "solve", magnitude=magnitude[:, None])


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (3, 4)])
def test_nothing_stored(shape):
    nothing, fixed = csr_array(shape), np.ones((shape[1], 2), np.float32)
    assert_same(fastrec.als_half_step(nothing, nothing, fixed), np.zeros((shape[0], 2), np.float32))
    loss = fastrec.implicit_loss(nothing, nothing, np.zeros((shape[0], 2)), fixed, item_regularization=0.5)
    assert loss == shape[1]


def test_one_regularization_for_all_is_one_for_each():
    rng = np.random.default_rng(1)
    weights = csr_array(rng.integers(0, 3, (5, 7)).astype(np.float64))
    targets = csr_array((weights != 0).astype(np.float64))
    fixed = rng.standard_normal((7, 3))
    expected = fastrec.als_half_step(weights, targets, fixed, regularization=0.5)
    for same in (np.full(5, 0.5), [0.5] * 5, np.float32(0.5)):
        assert_same(fastrec.als_half_step(weights, targets, fixed, regularization=same), expected)


@given(half_steps())
def test_inputs_are_unchanged(step):
    weights, targets, fixed, options = step
    before = digest(weights, targets, fixed, options["regularization"])
    fastrec.als_half_step(weights, targets, fixed, **options)
    assert digest(weights, targets, fixed, options["regularization"]) == before


# ---- numbers that steps would lose digits of ------------------------------------------------------------------------


def relative_residuals(weights, targets, fixed, options, solutions):
    found = [
        np.linalg.norm(system @ solution - right) / np.linalg.norm(right)
        for (system, right, _), solution in zip(
            systems(weights, targets, fixed, **options), solutions.astype(np.float64), strict=True
        )
        if right.any()
    ]
    return np.array(found)


@pytest.mark.parametrize("scale", [1e-20, 1e15, 1e17, 1e18, 1e19, 1e25])
def test_right_sides_that_float32_cannot_square(scale):
    rng = np.random.default_rng(1)
    weights = csr_array((rng.random((60, 90)) < 0.3) * rng.integers(2, 6, (60, 90)) * scale).astype(np.float32)
    targets, fixed = (weights > 0).astype(np.float32), rng.normal(size=(90, 16)).astype(np.float32)
    options = {"unobserved_weight": scale, "regularization": 0.01 * scale}
    solutions = fastrec.als_half_step(weights, targets, fixed, **options)
    assert relative_residuals(weights, targets, fixed, options, solutions).max() < 1.5e-5


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("weight", [1e-2, 1e-3, 1e-4, 1e-6, 1e-9, 1e-30])
@pytest.mark.parametrize("share", [1.0, 0.6])
def test_weights_that_take_nearly_all_of_what_is_shared(weight, share, dtype):
    """A row that has everything, or all that is large, at less than the unobserved weight."""
    rng = np.random.default_rng(3)
    fixed = rng.normal(size=(500, 16))
    n = int(share * 500)
    fixed[n:] *= 1e-3
    full = np.full((2, n), weight)
    full[1, : n // 2] = 2.0
    weights = csr_array((full.ravel(), np.tile(np.arange(n), 2), [0, n, 2 * n]), shape=(2, 500)).astype(dtype)
    targets = csr_array((np.ones(2 * n), weights.indices, weights.indptr), shape=(2, 500)).astype(dtype)
    options = {"unobserved_weight": 1.0, "regularization": 0.01}
    solutions = fastrec.als_half_step(weights, targets, fixed.astype(dtype), **options)
    assert relative_residuals(weights, targets, fixed.astype(dtype), options, solutions).max() < 1.5e-5


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("regularization", [0.01, 1e-4])
def test_heavy_weights_have_the_solution_and_not_only_its_residual(dtype, regularization):
    rng = np.random.default_rng(0)
    weights = csr_array((rng.random((80, 60)) < 0.3) * (1 + 1e6 * rng.integers(1, 5, (80, 60)))).astype(dtype)
    targets, fixed = (weights > 0).astype(dtype), rng.normal(size=(60, 12)).astype(dtype)
    options = {"unobserved_weight": 1.0, "regularization": regularization}
    solutions = fastrec.als_half_step(weights, targets, fixed, **options)
    exact = fastrec.als_half_step(weights, targets, fixed, **options, tol=0)
    error = np.linalg.norm(solutions - exact, axis=1) / np.maximum(np.linalg.norm(exact, axis=1), 1e-9)
    assert error.max() < 1e-3


@pytest.mark.parametrize("n_factors", [1, 2, 8])
def test_short_rows_whose_right_sides_cancel(n_factors):
    rng = np.random.default_rng(2)
    lengths = rng.integers(2, 40, 500)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    indices = np.concatenate([np.sort(rng.choice(300, n, replace=False)) for n in lengths])
    weights = csr_array((rng.uniform(1, 1e6, len(indices)), indices, indptr), shape=(500, 300))
    targets = csr_array((np.ones(len(indices)), indices, indptr), shape=(500, 300))
    fixed = rng.normal(size=(300, n_factors))
    options = {"unobserved_weight": 0.0, "regularization": 0.01}
    solutions = fastrec.als_half_step(weights, targets, fixed, **options)
    assert relative_residuals(weights, targets, fixed, options, solutions).max() < 2e-5


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n_factors", [513, 600, 2048])
def test_more_factors_than_matrices_are_made_for(n_factors, dtype):
    rng = np.random.default_rng(4)
    weights = csr_array((rng.random((6, 700)) < [[0.01], [0.05], [0.3], [0.9], [1.0], [0.0]]) * 3.0).astype(dtype)
    targets, fixed = (weights > 0).astype(dtype), (0.1 * rng.normal(size=(700, n_factors))).astype(dtype)
    options = {"unobserved_weight": 0.5, "regularization": 0.1}
    solutions = fastrec.als_half_step(weights, targets, fixed, **options)
    assert relative_residuals(weights, targets, fixed, options, solutions).max() < 1.5e-5
    assert (solutions[5] == 0).all()
