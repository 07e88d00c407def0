"""The checkers fail on everything that is not the same answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array, csc_array, csr_array, csr_matrix

from equality import (
    TOLERANCES,
    assert_close,
    assert_rejects,
    assert_same,
    assert_same_pattern,
    assert_solves,
    digest,
    tolerance,
)
from fastrec import TopK


def answer(**changed):
    fields = {
        "items": np.array([[2, 0], [1, -1]], np.int32),
        "scores": np.array([[2.0, 1.0], [5.0, -np.inf]], np.float32),
    }
    return TopK(**{**fields, **changed})


def matrix(data=(2.0, 1.0, 3.0), indices=(2, 0, 1), indptr=(0, 2, 3), shape=(2, 3), dtype=np.float32):
    return csr_array((np.array(data, dtype), np.array(indices, np.int32), np.array(indptr, np.int32)), shape=shape)


def test_the_same_answer_is_the_same():
    assert_same(answer(), answer())
    assert_same(matrix(), matrix())
    assert_same(np.arange(3), np.arange(3))


@pytest.mark.parametrize(
    "wrong",
    [
        tuple(answer()),
        answer(items=answer().items.astype(np.int64)),
        answer(items=answer().items[:, ::-1]),
        answer(items=np.array([[2, 0], [1, 0]], np.int32)),
        answer(items=answer().items[:1]),
        answer(items=answer().items.tolist()),
        answer(scores=answer().scores.astype(np.float64)),
        answer(scores=np.array([[2.0, np.nextafter(np.float32(1), np.float32(2))], [5.0, -np.inf]], np.float32)),
        answer(scores=np.array([[2.0, 1.0], [5.0, np.nan]], np.float32)),
        answer(scores=answer().scores.ravel()),
    ],
)
def test_another_top_k_is_not(wrong):
    with pytest.raises(AssertionError):
        assert_same(wrong, answer())


def test_nan_is_never_the_same():
    wrong = answer(scores=np.full((2, 2), np.nan, np.float32))
    with pytest.raises(AssertionError):
        assert_same(wrong, wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        csr_matrix(matrix()),
        csc_array(matrix()),
        matrix(dtype=np.float64),
        matrix(data=(2.0, 1.0, 3.5)),
        matrix(data=(1.0, 2.0, 3.0), indices=(0, 2, 1)),
        matrix(indptr=(0, 1, 3)),
        matrix(shape=(2, 4)),
        matrix(data=(2.0, 1.0), indices=(2, 0), indptr=(0, 2, 2)),
        matrix().toarray(),
    ],
)
def test_another_matrix_is_not(wrong):
    with pytest.raises(AssertionError):
        assert_same(wrong, matrix())
    with pytest.raises(AssertionError):
        assert_close(wrong, matrix(), "elementwise")


@pytest.mark.parametrize("family", TOLERANCES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_tolerance_is_kept_from_both_sides(family, dtype):
    expected = np.array([1.0, -8.0, 0.0, np.inf], dtype)
    allowed = tolerance(family, dtype)
    assert_close(expected, expected, family)
    assert_close(expected * dtype(1 + allowed / 2), expected, family)
    for factor in (1 + 1.5 * allowed + 2 * np.finfo(dtype).eps, 1 - 1.5 * allowed - 2 * np.finfo(dtype).eps):
        with pytest.raises(AssertionError):
            assert_close(expected * dtype(factor), expected, family)
    with pytest.raises(AssertionError):  # nothing is allowed around a zero
        assert_close(expected + np.array([0, 0, 1e-30, 0], dtype), expected, family)
    with pytest.raises(AssertionError):
        assert_close(np.where(expected == 1, dtype(np.nan), expected), expected, family)
    with pytest.raises(AssertionError):
        assert_close(expected.astype(np.float16), expected, family)


def test_magnitude_is_what_a_difference_is_relative_to():
    assert_close(np.array([1e-16]), np.array([0.0]), "reduction", magnitude=1.0)
    with pytest.raises(AssertionError):
        assert_close(np.array([1e-16]), np.array([0.0]), "reduction", magnitude=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_solution_solves_and_nothing_near_it_does(dtype):
    rng = np.random.default_rng(0)
    system = np.eye(9) + rng.random((9, 9)) / 20
    solution = rng.random(9).astype(dtype)
    right = system @ solution.astype(np.float64)
    assert_solves(system, right, solution, right.max())
    for wrong in (solution * dtype(1 + 3000 * np.finfo(dtype).eps), solution[::-1], solution * dtype(np.nan)):
        with pytest.raises(AssertionError):
            assert_solves(system, right, wrong, right.max())


def test_pattern_alone():
    assert_same_pattern(matrix(), matrix(data=(7.0, 7.0, 7.0)))
    with pytest.raises(AssertionError):
        assert_same_pattern(matrix(), matrix(indices=(0, 2, 1)))


def test_digest_sees_every_bit():
    values = [
        np.zeros(3),
        -np.zeros(3),
        np.zeros(3, np.float32),
        np.zeros((3, 1)),
        answer(),
        answer(items=np.zeros((2, 2), np.int32)),
        matrix(),
        matrix(indices=(2, 1, 1)),
        csc_array(matrix()),
        coo_array(matrix()),
    ]
    digests = [digest(value) for value in values]
    assert len(set(digests)) == len(digests)
    assert digests == [digest(value) for value in values]


def test_a_law_is_proved_to_fail_by_a_failure_only():
    def law(operation):
        @given(st.integers())
        def check(value):
            assert operation(value) == value

        return check

    law(int)()
    assert_rejects(law, lambda value: value + (value > 100))
    with pytest.raises(pytest.fail.Exception):
        assert_rejects(law, int)
