"""PureSVD against the dense decomposition, and the laws of projections."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import fastrec
from equality import assert_close, assert_same, digest
from fastrec.reference import linear as definitions

N_USERS, N_ITEMS = 40, 25


def interactions(seed, dtype="float64", shape=(N_USERS, N_ITEMS)):
    """Negative values and fractions; singular values are apart with probability one."""
    rng = np.random.default_rng(seed)
    return sp.random_array(shape, density=0.3, rng=rng, format="csr", dtype=np.float64,
                           data_sampler=lambda size: rng.standard_normal(size)).astype(dtype)  # fmt: skip


def assert_decomposes(model, rows, n_factors):
    """Values as defined, and directions that belong to them, which may turn far where two values are close."""
    values, _ = definitions.pure_svd(rows, n_factors)
    x, directions = rows.toarray().astype(np.float64), model.item_factors_
    assert_close(model.singular_values_, values, "solve", magnitude=values.max())
    found = directions[:, model.singular_values_ > 0]
    assert_close(found.T @ found, np.eye(found.shape[1]), "solve", magnitude=1)
    turned = x.T @ (x @ directions)
    assert_close(turned, directions * values**2, "solve", magnitude=values.max() ** 2)


@given(st.integers(0, 2**16), st.integers(1, 30), st.booleans())
def test_decomposes(seed, n_factors, tall):
    """By either method, and with more factors than there are directions."""
    rows = interactions(seed, shape=(N_USERS, N_ITEMS) if tall else (N_ITEMS, N_USERS))
    model = fastrec.PureSVD(n_factors, random_state=seed, dtype="float64").fit(rows)
    assert model.item_factors_.shape == (rows.shape[1], n_factors)
    assert model.user_factors_.shape == (rows.shape[0], n_factors)
    assert_decomposes(model, rows, n_factors)


def test_what_is_no_decomposition_is_found():
    rows = interactions(0)
    model = fastrec.PureSVD(4, dtype="float64").fit(rows)
    model.item_factors_ = model.item_factors_[:, [1, 0, 2, 3]]
    with pytest.raises(AssertionError):
        assert_decomposes(model, rows, 4)


@pytest.mark.parametrize("n_factors", [3, 20])
def test_directions_are_those_of_the_definition(n_factors):
    """Signs included, where singular values are well apart."""
    left, right = (np.linalg.qr(np.random.default_rng(n).standard_normal((n, 20)))[0] for n in (40, 25))
    rows = sp.csr_array(left @ np.diag(np.arange(20.0, 0, -1)) @ right.T)
    model = fastrec.PureSVD(n_factors, dtype="float64").fit(rows)
    assert_close(model.item_factors_, definitions.pure_svd(rows, n_factors)[1], "solve", magnitude=20)


def test_signs_are_fixed():
    factors = fastrec.PureSVD(5, random_state=3).fit(interactions(1)).item_factors_
    assert (factors[np.abs(factors).argmax(axis=0), np.arange(5)] > 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(seed=st.integers(0, 2**16))
def test_folding_in_a_row_gives_its_factors(dtype, seed):
    rows = interactions(seed)
    model = fastrec.PureSVD(4, random_state=0, dtype=dtype).fit(rows)
    users = np.arange(N_USERS)
    assert model.item_factors_.dtype == model.user_factors_.dtype == dtype
    assert_same(model.recommend(users, rows, recalculate=True), model.recommend(users, rows))


def test_same_bits_for_the_same_seed():
    rows = interactions(2)
    first, again = (fastrec.PureSVD(4, random_state=5).fit(rows) for _ in range(2))
    assert digest(first.item_factors_, first.user_factors_) == digest(again.item_factors_, again.user_factors_)


def test_the_seed_hardly_matters():
    rows = interactions(2)
    first, other = (fastrec.PureSVD(4, random_state=seed, dtype="float64").fit(rows) for seed in (0, 1))
    assert_close(first.singular_values_, other.singular_values_, "solve")


@pytest.mark.parametrize("power", [-200, 200])
def test_values_whose_squares_are_no_numbers(power):
    rows = interactions(3)
    scaled = fastrec.PureSVD(4, random_state=0, dtype="float64").fit(rows * 10.0**power)
    values = fastrec.PureSVD(4, random_state=0, dtype="float64").fit(rows).singular_values_
    assert_close(scaled.singular_values_, values * 10.0**power, "solve")


@pytest.mark.parametrize("n_factors", [3, 20])
def test_factors_beyond_the_rank_are_zero(n_factors):
    rows = sp.csr_array(np.outer(np.arange(1.0, 41), np.arange(1.0, 26)))
    model = fastrec.PureSVD(n_factors, random_state=0).fit(rows)
    assert model.singular_values_[0] > 0
    assert not model.singular_values_[1:].any()
    assert not model.item_factors_[:, 1:].any()


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"n_factors": 0}, ValueError, "n_factors"),
        ({"n_factors": 2.0}, TypeError, "n_factors"),
        ({"random_state": -1}, ValueError, "random_state"),
        ({"dtype": "int32"}, ValueError, "dtype"),
        ({"n_threads": 0}, ValueError, "n_threads"),
    ],
)
def test_bad_parameters(parameters, error, words):
    model = fastrec.PureSVD(3).fit(interactions(0))
    before = digest(model.item_factors_)
    with pytest.raises(error, match=words):
        model.set_params(**parameters).fit(interactions(1))
    assert digest(model.item_factors_) == before


def test_more_memory_than_there_is(memory_of):
    memory_of(10**6)
    with pytest.raises(MemoryError, match=r"decomposition of 100000 users by 3 items needs .* use fewer factors"):
        fastrec.PureSVD().fit(sp.csr_array((100_000, 3)))


def test_damaged_factors_are_not_loaded(tmp_path):
    model = fastrec.PureSVD(3).fit(interactions(0))
    model.singular_values_ = model.singular_values_[:2]
    model.save(tmp_path / "m")
    with pytest.raises(ValueError, match="singular_values_"):
        fastrec.load(tmp_path / "m")


def test_a_seed_says_all_where_the_iteration_begins_anew():
    """Lanczos' method comes to an end before it has as many directions as are asked for."""
    few, alike = np.zeros((20, 20)), np.kron(np.eye(6), np.ones((2, 2)))
    few[range(5), range(5)] = 5, 4, 3, 2.5, 2
    for rows, n_factors in ((few, 6), (alike, 4)):
        found = {digest(fastrec.PureSVD(n_factors, random_state=0).fit(rows).item_factors_) for _ in range(5)}
        assert len(found) == 1
