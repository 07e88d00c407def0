"""The linear models against their definitions, and the laws that their weights obey."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

import fastrec
from equality import assert_close, assert_rejects, assert_same, digest, fewer
from fastrec import _cholesky, reference
from fastrec._compiled.descent import most_together
from fastrec.models import linear
from fastrec.reference import linear as definitions

N_USERS, N_ITEMS = 30, 20
DTYPES = ["float32", "float64"]
SIGNALLING = {"float32": np.uint32(0x7FA00000), "float64": np.uint64(0x7FF4000000000000)}  # NaN that is warned of


def interactions(seed, dtype="float32", n_items=N_ITEMS):
    """Fractions, negative values, ties, users and items without any."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-3, 6, (N_USERS, n_items)) / rng.choice([1, 4])
    values[rng.random(values.shape) < 0.7] = 0
    values[rng.integers(N_USERS)] = 0
    values[:, rng.integers(n_items)] = 0
    return sp.csr_array(values.astype(dtype))


def gram(user_items):
    x = user_items.toarray().astype(np.float64)
    return x.T @ x


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(_cholesky, "TILE", 6)  # the last of 20 items is narrower
    monkeypatch.setattr(linear, "_SCORES_AT_ONCE", 1)
    monkeypatch.setattr(linear, "_USERS_A_BLOCK", 4)


# ---- the inverse ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [0, 1, 5, 6, 7, 12, 33])
@pytest.mark.parametrize("dtype", DTYPES)
def test_inverse(size, dtype, small_tiles):
    root = np.random.default_rng(size).standard_normal((size, size + 1))
    matrix = root @ root.T + np.eye(size)
    expected = np.linalg.inv(matrix)
    got = matrix.astype(dtype)
    above = SIGNALLING[dtype]
    got.view(above.dtype)[np.triu_indices(size, 1)] = above  # is not read
    steps = []
    assert _cholesky.invert(got, 2, steps.append)
    assert sum(steps) == _cholesky.n_steps(size)
    size_of_terms = np.linalg.cond(matrix) * np.abs(expected).max(initial=0) if size else 0
    assert_close(np.tril(got), np.tril(expected).astype(dtype), "solve", magnitude=size_of_terms)


@pytest.mark.parametrize("place", [0, 9, 19])
def test_what_is_not_positive_definite_has_none(place, small_tiles):
    matrix = np.eye(20)
    matrix[place, place] = -1
    assert not _cholesky.invert(matrix, 2)
    assert not _cholesky.invert(np.full((3, 3), np.nan), 1)


# ---- EASE -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@given(seed=st.integers(0, 2**16), regularization=st.sampled_from([0.5, 3.0, 500.0]))
def test_ease_equals_reference(dtype, seed, regularization):
    rows = interactions(seed, dtype)
    got = fastrec.EASE(regularization, dtype=dtype).fit(rows).similarity_
    expected = definitions.ease_weights(rows, regularization).astype(dtype)
    assert_close(got, expected, "solve", magnitude=np.linalg.cond(gram(rows) + regularization * np.eye(N_ITEMS)))


def assert_stationary(rows, weights, regularization):
    """Off the diagonal, which is given, the gradient of the objective is zero."""
    products = gram(rows)
    gradient = products @ weights + regularization * weights - products
    np.fill_diagonal(gradient, 0)
    size = (np.abs(products) @ np.abs(weights) + regularization * np.abs(weights) + np.abs(products)).max(initial=1)
    assert_close(gradient, np.zeros_like(gradient), "solve", magnitude=size)


def law_of_the_gradient(fit):
    @given(seed=st.integers(0, 2**16))
    def law(seed):
        rows = interactions(seed, "float64")
        weights = fit(rows)
        assert (np.diagonal(weights) == 0).all()
        assert_stationary(rows, weights, 2.0)

    return law


def fitted_ease(rows):
    return fastrec.EASE(2.0, dtype="float64").fit(rows).similarity_


test_ease_is_where_the_gradient_vanishes = law_of_the_gradient(fitted_ease)


@pytest.mark.parametrize("broken", [lambda w: 1.001 * w, lambda w: w.T, lambda w: w + 1e-6 * np.eye(len(w))])
def test_the_law_of_the_gradient_can_fail(broken):
    assert_rejects(law_of_the_gradient, lambda rows: broken(fitted_ease(rows)))


@given(seed=st.integers(0, 2**16), power=st.integers(-20, 20))
def test_ease_of_scaled_interactions(seed, power):
    """Interactions times 2^p under 4^p times the penalty: the same weights, to the bit."""
    rows = interactions(seed)
    weights = fastrec.EASE(4.0).fit(rows).similarity_
    assert_same(fastrec.EASE(4.0 * 4.0**power).fit(rows * np.float32(2.0**power)).similarity_, weights)


@given(seed=st.integers(0, 2**16))
def test_ease_of_permuted_items(seed):
    rows = interactions(seed, "float64")
    order = np.random.default_rng(seed).permutation(N_ITEMS)
    weights = fastrec.EASE(4.0, dtype="float64").fit(rows).similarity_
    permuted = fastrec.EASE(4.0, dtype="float64").fit(rows[:, order]).similarity_
    assert_close(permuted, weights[np.ix_(order, order)], "solve", magnitude=1000)


def test_ease_by_tiles_of_another_size(small_tiles):
    rows = interactions(1, "float64")
    assert_stationary(rows, fastrec.EASE(2.0, dtype="float64").fit(rows).similarity_, 2.0)


@pytest.fixture
def by_users(monkeypatch):
    monkeypatch.setattr(linear._Ridge, "is_sooner_by_users", lambda ridge: True)
    monkeypatch.setattr(linear, "_ITEMS_TOGETHER", 7)  # which no tile is a multiple of


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_items", [1, 5, N_ITEMS, 70])
def test_ease_by_the_inverse_of_its_users(dtype, n_items, by_users, small_tiles):
    """Wherever tiles and blocks end; also where there are more users than items."""
    for seed in range(10):
        rows = interactions(seed, dtype, n_items)
        for regularization in (3.0, 500.0):
            got = fastrec.EASE(regularization, dtype=dtype).fit(rows).similarity_
            expected = definitions.ease_weights(rows, regularization).astype(dtype)
            assert_close(
                got, expected, "solve", magnitude=np.linalg.cond(gram(rows) + regularization * np.eye(n_items))
            )


def test_ease_by_its_users_tells_of_progress(by_users, small_tiles):
    rows = linear.Csr.of_canonical(interactions(0))
    steps = []
    ridge = linear._Ridge(rows, linear.transposed(rows, 1), 3.0, np.dtype("float32"), 2)
    ridge.inverse_by_users(steps.append)
    assert sum(steps) == ridge.n_steps(by_users=True)


@pytest.mark.parametrize(
    ("n_users", "n_items", "regularization", "dtype", "available", "expected"),
    [
        (200, 2_000, 500.0, "float32", np.inf, True),
        (3_000, 2_000, 500.0, "float32", np.inf, False),
        (1_900, 2_000, 500.0, "float32", np.inf, False),  # the products would cost more
        (200, 2_000, 0.02, "float32", np.inf, False),  # 1 less nearly 1
        (200, 2_000, 0.1, "float64", np.inf, True),
        (200, 2_000, 0.0, "float64", np.inf, False),
        (200, 2_000, 500.0, "float32", 4 * 2_000**2, False),
        (0, 2_000, 500.0, "float32", np.inf, True),
    ],
)
def test_when_ease_inverts_by_users(n_users, n_items, regularization, dtype, available, expected, memory_of):
    memory_of(available)
    rng = np.random.default_rng(0)
    rows = linear.Csr.of_canonical(sp.csr_array((rng.random((n_users, n_items)) < 0.01).astype(np.float32)))
    by_item = linear.transposed(rows, 1)
    assert linear._Ridge(rows, by_item, regularization, np.dtype(dtype), 2).is_sooner_by_users() is expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows_dtype", DTYPES)
def test_ease_ranks_by_exact_scores(dtype, rows_dtype, small_tiles):
    rows = interactions(5, rows_dtype)
    model = fastrec.EASE(2.0, dtype=dtype).fit(rows)
    scores = definitions.linear_scores(rows, model.similarity_)
    users = np.arange(N_USERS)
    assert_same(model.recommend(users, rows, 25, exclude_seen=False), reference.top_k(scores, 25))

    hidden = np.where(rows.toarray() != 0, np.nan, scores)
    assert_same(model.recommend(users, rows, 25), reference.top_k(hidden, 25))
    hidden[:, [0, 7]] = np.nan
    assert_same(model.recommend(users, rows, 25, exclude=[7, 0, 7]), reference.top_k(hidden, 25))
    allowed = np.random.default_rng(0).random(rows.shape) < 0.5
    hidden[~allowed] = np.nan
    options = {"candidates": sp.csr_array(allowed), "exclude": [7, 0]}
    assert_same(model.recommend(users, rows, 25, **options), reference.top_k(hidden, 25))


def test_similar_items_of_ease_are_its_largest_weights():
    model = fastrec.EASE(2.0).fit(interactions(6))
    weights = model.similarity_.copy()
    np.fill_diagonal(weights, np.nan)
    assert_same(model.similar_items(np.arange(N_ITEMS), 25), reference.top_k(weights, 25))


@pytest.mark.parametrize("n_threads", [2, 3, 8])
@pytest.mark.parametrize("of_users", [False, True])
def test_ease_at_any_number_of_threads(n_threads, of_users, monkeypatch):
    """Over several tiles, the last of them narrower."""
    monkeypatch.setattr(linear._Ridge, "is_sooner_by_users", lambda ridge: of_users)
    rng = np.random.default_rng(0)
    rows = sp.random_array((300, 3 * _cholesky.TILE + 17), density=0.05, rng=rng, format="csr", dtype=np.float32)
    first, other = (fastrec.EASE(1.0, n_threads=n).fit(rows) for n in (1, n_threads))
    assert digest(other.similarity_) == digest(first.similarity_)
    assert digest(other.recommend(None, rows)) == digest(first.recommend(None, rows))


def test_ease_of_a_user_without_history_scores_zero():
    top = fastrec.EASE(2.0).fit(interactions(0)).recommend(None, sp.csr_array((1, N_ITEMS), dtype=np.float32), 3)
    np.testing.assert_array_equal(top.items, [[0, 1, 2]])
    np.testing.assert_array_equal(top.scores, [[0, 0, 0]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_collinear_items_without_a_penalty(dtype):
    rows = sp.csr_array(np.ones((3, 2), np.float32))
    model = fastrec.EASE(1.0).fit(rows)
    before = digest(model.similarity_)
    with pytest.raises(ValueError, match=r"regularization: expected a penalty .* got 0\.0; raise it"):
        model.set_params(regularization=0.0, dtype=dtype).fit(rows)
    assert digest(model.similarity_) == before


def test_values_whose_squares_are_no_numbers():
    with pytest.raises(ValueError, match=r"user_items' user_items .*expected finite values"):
        fastrec.EASE().fit(np.full((2, 2), 1e30, np.float32))
    assert np.isfinite(fastrec.EASE(dtype="float64").fit(np.full((2, 2), 1e30)).similarity_).all()


def test_ease_says_what_it_needs(memory_of, capfd):
    memory_of(2**30)
    wide = sp.csr_array((1, 40_981), dtype=np.float32)
    with pytest.raises(MemoryError, match=r"EASE of 40981 items in float32 needs 6\.3 GiB but 1\.0 GiB are available"):
        fastrec.EASE().fit(wide)
    with pytest.raises(MemoryError, match=r"needs 12\.\d GiB .* use dtype=float32"):
        fastrec.EASE(dtype="float64").fit(wide)
    fastrec.EASE().fit(interactions(0), progress=True)
    assert "EASE (1.5 MiB)" in capfd.readouterr().err


# ---- SLIM -----------------------------------------------------------------------------------------------------------


by_settings = given(
    seed=st.integers(0, 2**16),
    l1=st.sampled_from([0.0, 0.5, 4.0]),
    l2=st.sampled_from([0.5, 20.0]),
    positive=st.booleans(),
)


def fitted_slim(rows, l1, l2, **options):
    return fastrec.SLIM(l1, l2, **{"tol": 1e-9, "n_epochs": 10**6, **options}).fit(rows).similarity_.toarray()


@fewer
@by_settings
def test_slim_equals_reference(seed, l1, l2, positive):
    rows = interactions(seed, "float64", n_items=8)
    expected = definitions.slim_weights(rows, l1, l2, positive=positive)
    got = fitted_slim(rows, l1, l2, positive=positive)
    condition = np.linalg.cond(gram(rows) + l2 * np.eye(8))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-7 * condition)


def law_of_optimality(fit):
    @by_settings
    def law(seed, l1, l2, positive):
        rows = interactions(seed, "float64")
        assert_optimal(rows, fit(rows, l1, l2, positive=positive), l1, l2, positive, tol=1e-9)

    return law


def assert_optimal(rows, weights, l1, l2, positive, tol):
    """No condition is missed by more than asked, and by the rounding of what it is computed from."""
    products = gram(rows)
    slopes = products - products @ weights - l2 * weights
    missed = np.where(weights != 0, np.abs(slopes - np.sign(weights) * l1), (slopes if positive else abs(slopes)) - l1)
    np.fill_diagonal(missed, 0)
    np.fill_diagonal(products, 0)
    assert (np.diagonal(weights) == 0).all()
    assert not positive or (weights >= 0).all()
    assert (missed <= tol * np.abs(products).max(axis=0) + 1e-10).all()


test_slim_is_optimal = law_of_optimality(fitted_slim)


@pytest.mark.parametrize("broken", [lambda w: 1.001 * w, lambda w: w.T, lambda w: -w, lambda w: w * (w < w.max())])
def test_the_law_of_optimality_can_fail(broken):
    def fit(rows, l1, l2, **options):
        return broken(fitted_slim(rows, l1, l2, **options))

    assert_rejects(law_of_optimality, fit)


@fewer
@given(seed=st.integers(0, 2**16), density=st.sampled_from([0.02, 0.2, 0.7]), positive=st.booleans())
def test_slim_whose_coordinates_descend_a_few_at_a_time(seed, density, positive):
    """Where more have weights than may be together, and where products stand in full or not."""
    rng = np.random.default_rng(seed)
    rows = sp.random_array((60, 90), density=density, rng=rng, format="csr")
    weights = fitted_slim(rows, 0.0, 1.0, positive=positive, tol=1e-6)
    assert_optimal(rows, weights, 0.0, 1.0, positive, 1e-6)


def test_slim_with_more_weights_than_descend_together():
    rows = sp.csr_array(np.random.default_rng(0).standard_normal((40, most_together + 40)))
    weights = fastrec.SLIM(0.0, 50.0, positive=False, tol=1e-3).fit(rows).similarity_.toarray()
    assert (weights != 0).sum(axis=0).max() > most_together
    assert_optimal(rows, weights, 0.0, 50.0, False, 1e-3)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("scale", [2.0**-400, 2.0**400])
def test_slim_of_values_whose_squares_have_no_square(scale):
    rows = sp.random_array((60, 90), density=0.3, rng=np.random.default_rng(0), format="csr")
    penalties = np.array([0.5, 1.0])
    scaled = fastrec.SLIM(*penalties * scale**2).fit(rows * scale).similarity_.toarray()
    assert np.array_equal(scaled, fastrec.SLIM(*penalties).fit(rows).similarity_.toarray())


@given(seed=st.integers(0, 2**16), positive=st.booleans())
def test_nothing_lowers_the_objective_of_slim(seed, positive):
    rng = np.random.default_rng(seed)
    rows = interactions(seed, "float64")
    weights = fitted_slim(rows, 1.0, 2.0, positive=positive)
    least = definitions.slim_objective(rows, weights, 1.0, 2.0)
    for size in (1e-4, 1e-2):
        other = weights + size * rng.standard_normal(weights.shape)
        other = np.maximum(other, 0) if positive else other
        np.fill_diagonal(other, 0)
        assert (definitions.slim_objective(rows, other, 1.0, 2.0) >= least * (1 - 1e-12)).all()


@given(seed=st.integers(0, 2**16), k=st.integers(1, 25))
def test_slim_keeps_the_largest_weights(seed, k):
    rows = interactions(seed)
    weights = fastrec.SLIM(0.5, 2.0, positive=False).fit(rows).similarity_.toarray()
    order = np.argsort(-np.abs(weights), axis=0, kind="stable")
    expected = np.where(np.argsort(order, axis=0) < k, weights, 0)
    assert_same(fastrec.SLIM(0.5, 2.0, positive=False, k=k).fit(rows).similarity_.toarray(), expected)


def test_slim_without_an_l1_penalty_nor_a_sign_is_ease():
    rows = interactions(3, "float64")
    weights = fitted_slim(rows, 0.0, 2.0, positive=False, tol=1e-12)
    np.testing.assert_allclose(weights, fitted_ease(rows), rtol=0, atol=1e-9)


def test_a_large_penalty_leaves_nothing():
    rows = interactions(4)
    largest = np.abs(gram(rows) - np.diag(np.diagonal(gram(rows)))).max()
    assert fastrec.SLIM(float(largest)).fit(rows).similarity_.nnz == 0
    assert fastrec.SLIM(0.99 * float(largest), positive=False).fit(rows).similarity_.nnz > 0


def test_collinear_items_have_weights():
    rows = np.ones((3, 4), np.float32)
    rows[:, 3] = 0
    weights = fastrec.SLIM(0.0, 0.0).fit(rows).similarity_.toarray()
    np.testing.assert_allclose(rows[:, :3] @ weights[:3, :3], rows[:, :3], rtol=1e-3)
    assert not weights[3].any()
    assert not weights[:, 3].any()


@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_slim_at_any_number_of_threads(n_threads):
    rows = sp.random_array((200, 300), density=0.05, rng=np.random.default_rng(0), format="csr", dtype=np.float32)
    first, other = (fastrec.SLIM(0.1, 0.1, n_threads=n).fit(rows) for n in (1, n_threads))
    assert digest(other.similarity_) == digest(first.similarity_)


def test_slim_says_when_it_was_not_done():
    model = fastrec.SLIM(0.0, 0.0, positive=False, n_epochs=1, tol=0.0)
    with pytest.warns(RuntimeWarning, match=r"weights of \d+ of 20 items are not within tol"):
        model.fit(interactions(0))
    assert np.isfinite(model.similarity_.data).all()


def test_products_beyond_memory(memory_of):
    memory_of(10**6)
    with pytest.raises(MemoryError, match=r"products of 900 items needs .* leave out rare items"):
        fastrec.SLIM().fit(sp.csr_array(np.ones((1, 900), np.float32)))


def test_squares_beyond_the_dtype():
    with pytest.raises(ValueError, match=r"squares of user_items: expected finite values"):
        fastrec.SLIM().fit(np.full((2, 2), 1e30, np.float32))


# ---- explain --------------------------------------------------------------------------------------------------------

EXPLAINED = [fastrec.EASE(2.0), fastrec.EASE(2.0, dtype="float64"), fastrec.SLIM(0.5, 2.0), fastrec.ItemKNN(3)]


@pytest.mark.parametrize("model", EXPLAINED, ids=repr)
def test_contributions_sum_to_the_score(model):
    rows = interactions(7)
    model = clone(model).fit(rows)
    top = model.recommend(np.arange(N_USERS), rows, N_ITEMS)
    weights = model.similarity_ if isinstance(model, fastrec.EASE) else model.similarity_.toarray()
    for user in range(N_USERS):
        for item, score in zip(top.items[user], top.scores[user], strict=True):
            if item < 0:
                continue
            why = model.explain(user, int(item), rows[[user]])
            assert (np.diff(why.contributions) <= 0).all()
            row = rows[[user]].toarray()[0].astype(np.float64)
            np.testing.assert_array_equal(why.contributions, row[why.items] * weights[why.items, item])
            assert sorted(why.items) == np.flatnonzero(row).tolist()
            assert_close(np.asarray([why.score]).astype(top.scores.dtype), np.asarray([score]), "reduction",
                         magnitude=np.abs(why.contributions).sum())  # fmt: skip


def test_contributions_of_few_directions_sum_to_the_score():
    rows = interactions(7)
    model = fastrec.PureSVD(5, dtype="float64").fit(rows)
    top, dense = model.recommend(np.arange(N_USERS), rows, N_ITEMS, exclude_seen=False), rows.toarray()
    weights = model.item_factors_ @ model.item_factors_.T
    for user in range(N_USERS):
        for item, score in zip(top.items[user], top.scores[user], strict=True):
            why = model.explain(user, int(item), rows[[user]])
            np.testing.assert_allclose(why.contributions, dense[user, why.items] * weights[why.items, item], atol=1e-12)
            assert sorted(why.items) == np.flatnonzero(dense[user]).tolist()
            np.testing.assert_allclose(why.score, score, atol=1e-12)


def test_explaining_nobody_nothing_and_what_is_wrong():
    model = fastrec.EASE(2.0).fit(interactions(7))
    nothing = model.explain(None, 3, sp.csr_array((1, N_ITEMS), dtype=np.float32))
    assert (len(nothing.items), len(nothing.contributions), nothing.score) == (0, 0, 0.0)
    row = interactions(7)[[0]]
    for arguments, error, words in [
        ((0, N_ITEMS, row), ValueError, "item"),
        ((0, 1.0, row), TypeError, "item"),
        ((-1, 0, row), ValueError, "user"),
        ((0, 0, interactions(7)), ValueError, "user_items"),
        ((0, 0, row[:, :5]), ValueError, "user_items"),
    ]:
        with pytest.raises(error, match=words):
            model.explain(*arguments)
    with pytest.raises(fastrec.NotFittedError):
        fastrec.SLIM().explain(0, 1, row)


# ---- both -----------------------------------------------------------------------------------------------------------


def test_partial_fit_is_absent():
    assert not hasattr(fastrec.EASE, "partial_fit")
    assert not hasattr(fastrec.SLIM, "partial_fit")
    assert not hasattr(fastrec.PureSVD, "partial_fit")


@pytest.mark.parametrize("damage", [lambda w: w[:-1], lambda w: w[:, :-1], lambda w: w * np.nan])
def test_damaged_weights_are_not_loaded(damage, tmp_path):
    model = fastrec.EASE().fit(interactions(0))
    model.similarity_ = damage(model.similarity_)
    model.save(tmp_path / "m")
    with pytest.raises(ValueError, match="similarity_"):
        fastrec.load(tmp_path / "m")


def test_clones_are_equal():
    model = fastrec.EASE(3.0, dtype="float64", n_threads=2)
    assert clone(model).get_params() == model.get_params()
