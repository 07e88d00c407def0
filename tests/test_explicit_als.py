"""ExplicitALS: every half-step by its definition, and the laws of its objective."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

import fastrec
from equality import assert_same
from fastrec import reference
from fastrec.evaluation import rmse

N_USERS, N_ITEMS, N_FACTORS = 20, 14, 4
SOLVE = {"rtol": 1e-4, "atol": 2e-5}  # a float32 solution of a float64 solve, several half-steps on
LEARNED = ("user_factors_", "item_factors_", "user_biases_", "item_biases_")
OPTIONS = {
    "regularization": st.sampled_from([0.05, 0.5]),
    "regularization_exponent": st.sampled_from([0.0, 0.5, 1.0]),
    "biases": st.booleans(),
    "nonnegative": st.booleans(),
}
seeds = st.integers(0, 2**16)


def ratings(seed):
    """From -4 to 5, with zeros among them, of most users and items."""
    rng = np.random.default_rng(seed)
    matrix = sp.random_array((N_USERS, N_ITEMS), density=0.3, rng=rng, format="csr", dtype=np.float32)
    matrix.data = rng.integers(-4, 6, matrix.nnz).astype(np.float32)
    return matrix


def start(seed=3):
    return np.random.default_rng(seed).random((N_ITEMS, N_FACTORS)).astype(np.float32)


def model(**options):
    return fastrec.ExplicitALS(N_FACTORS, **{"n_epochs": 2, "random_state": 0, "tol": 1e-7, **options})


def precise(**options):
    return model(**{"dtype": "float64", "tol": 1e-12, **options})


def of_ones(matrix):
    return sp.csr_array((np.ones(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)


def entries_by_row(matrix):
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


# ---- the definition -------------------------------------------------------------------------------------------------


def half_step(rows, mean, other, regularization, *, biases, nonnegative):
    """Factors and biases of the rows, by dense least squares."""
    factors, other_biases = other
    fixed = np.column_stack([factors, np.ones(len(factors))]) if biases else factors
    targets = rows.astype(np.float64)
    targets.data = targets.data - mean - other_biases[rows.indices]
    penalties = regularization["reg"] * np.diff(rows.indptr).astype(float) ** regularization["exponent"]
    if not nonnegative:
        solutions = reference.als_half_step(
            of_ones(rows), targets, fixed, unobserved_weight=0.0, regularization=penalties
        )
    else:
        solutions = np.zeros((rows.shape[0], fixed.shape[1]))
        least = np.where(np.arange(fixed.shape[1]) < N_FACTORS, 0.0, -np.inf)
        for row in np.flatnonzero(np.diff(rows.indptr)):
            own = slice(rows.indptr[row], rows.indptr[row + 1])
            system = np.vstack([fixed[rows.indices[own]], np.sqrt(penalties[row]) * np.eye(fixed.shape[1])])
            right = np.append(targets.data[own], np.zeros(fixed.shape[1]))
            solutions[row] = lsq_linear(system, right, (least, np.inf), method="bvls", tol=1e-14).x
    return (solutions[:, :N_FACTORS], solutions[:, N_FACTORS]) if biases else (solutions, np.zeros(len(solutions)))


def epochs_by_definition(rows, options, n_epochs, init):
    """The objective in words of the reference's half-steps."""
    regularization = {"reg": options["regularization"], "exponent": options["regularization_exponent"]}
    signs = {name: options[name] for name in ("biases", "nonnegative")}
    mean = rows.data.mean(dtype=np.float64) if signs["biases"] else 0.0
    items = init.astype(np.float64), np.zeros(N_ITEMS)
    for _ in range(n_epochs):
        users = half_step(rows, mean, items, regularization, **signs)
        items = half_step(rows.T.tocsr(), mean, users, regularization, **signs)
    return users, items, mean


def predictions(users, items, mean):
    return mean + users[1][:, None] + items[1] + users[0] @ items[0].T


def learned(fitted):
    return (
        (fitted.user_factors_.astype(np.float64), fitted.user_biases_.astype(np.float64)),
        (fitted.item_factors_.astype(np.float64), fitted.item_biases_.astype(np.float64)),
        fitted.mean_,
    )


def loss_and_error(rows, users, items, mean, options):
    missed = rows.data.astype(np.float64) - predictions(users, items, mean)[entries_by_row(rows), rows.indices]
    total = (missed**2).sum()
    for side, (factors, biases) in ((rows, users), (rows.T.tocsr(), items)):
        lam = options["regularization"] * np.diff(side.indptr).astype(float) ** options["regularization_exponent"]
        total += (lam * ((factors**2).sum(axis=1) + biases**2)).sum()
    return total, np.sqrt((missed**2).mean())


@given(seeds, st.fixed_dictionaries(OPTIONS))
def test_equals_definition(seed, options):
    rows = ratings(seed)
    fitted = precise(**options).fit(rows, init=start(), compute_loss=True)
    users, items, mean = epochs_by_definition(rows, options, 2, start())
    for got, expected in zip(learned(fitted)[:2], (users, items), strict=True):
        for ours, theirs in zip(got, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)
    assert fitted.mean_ == pytest.approx(mean, rel=1e-12)
    np.testing.assert_allclose((fitted.loss_[-1], fitted.rmse_[-1]), loss_and_error(rows, users, items, mean, options))


def test_definition_notices_other_options():
    rows = ratings(0)
    options = {"regularization": 0.05, "regularization_exponent": 1.0, "biases": True, "nonnegative": False}
    expected = epochs_by_definition(rows, options, 2, start())
    changes = {"regularization": 0.0502, "regularization_exponent": 0.999, "biases": False, "nonnegative": True}
    for name, value in changes.items():
        other = learned(precise(**{**options, name: value}).fit(rows, init=start()))
        assert np.abs(predictions(*other) - predictions(*expected)).max() > 1e-4, name


@given(seeds, st.fixed_dictionaries(OPTIONS))
def test_loss_and_error_are_those_of_the_model(seed, options):
    rows = ratings(seed)
    fitted = model(**options).fit(rows, compute_loss=True)
    expected = loss_and_error(rows, *learned(fitted), options)
    np.testing.assert_allclose((fitted.loss_[-1], fitted.rmse_[-1]), expected, rtol=1e-7)
    predicted = fitted.predict(entries_by_row(rows), rows.indices)
    assert rmse(predicted, rows.data) == pytest.approx(fitted.rmse_[-1], rel=1e-6)


# ---- the gradient ---------------------------------------------------------------------------------------------------


def gradient_of_items(fitted, rows, regularization):
    """Half the loss's gradient at every item's factors and bias, beside the size of its right-hand side."""
    (x, of_users), (y, of_items), mean = learned(fitted)
    fixed, solved = np.column_stack([x, np.ones(len(x))]), np.column_stack([y, of_items])
    columns = rows.T.tocsr()
    target = np.zeros(columns.shape)
    target[entries_by_row(columns), columns.indices] = columns.data - mean - of_users[columns.indices]
    seen = np.zeros(columns.shape)
    seen[entries_by_row(columns), columns.indices] = 1
    lam = regularization * np.diff(columns.indptr)[:, None]
    gradient = (seen * (solved @ fixed.T) - target) @ fixed + lam * solved
    return gradient, np.linalg.norm(target @ fixed, axis=1)


@given(seeds)
def test_gradient_of_the_side_solved_last_is_zero(seed):
    rows = ratings(seed)
    gradient, right = gradient_of_items(model(tol=1e-5, regularization=0.1).fit(rows), rows, 0.1)
    assert (np.linalg.norm(gradient, axis=1) <= 3e-5 * right + 1e-6).all()


@given(seeds)
def test_nonnegative_factors_cannot_be_improved(seed):
    rows = ratings(seed)
    fitted = model(nonnegative=True, regularization=0.1).fit(rows)
    gradient, right = gradient_of_items(fitted, rows, 0.1)
    allowed = 3e-5 * right[:, None] + 1e-6
    held = np.column_stack([fitted.item_factors_ == 0, np.zeros(N_ITEMS, bool)])
    assert (fitted.item_factors_ >= 0).all()
    assert (fitted.user_factors_ >= 0).all()
    assert (np.where(held, np.maximum(-gradient, 0), np.abs(gradient)) <= allowed).all()


def test_gradient_check_can_fail():
    rows = ratings(0)
    fitted = model(regularization=0.1).fit(rows)
    fitted.item_biases_ = fitted.item_biases_ * np.float32(1.001)
    gradient, right = gradient_of_items(fitted, rows, 0.1)
    assert (np.linalg.norm(gradient, axis=1) > 3e-5 * right + 1e-6).any()


# ---- laws -----------------------------------------------------------------------------------------------------------


@given(seeds, st.fixed_dictionaries(OPTIONS))
def test_loss_never_rises(seed, options):
    losses = model(**options, n_epochs=8).fit(ratings(seed), compute_loss=True).loss_
    assert losses.dtype == np.float64
    assert losses.shape == (8,)
    assert (np.diff(losses) <= 1e-6 * losses[:-1]).all()


@given(seeds, st.sampled_from([0.0, 0.5, 1.0]))
def test_ratings_of_one_are_implicit_feedback_without_the_unseen(seed, exponent):
    rows = ratings(seed)
    rows.data[:] = 1
    options = {"regularization": 0.1, "regularization_exponent": exponent}
    explicit = model(biases=False, **options).fit(rows, init=start())
    implicit = fastrec.ImplicitALS(N_FACTORS, alpha=0.0, unobserved_weight=0.0, n_epochs=2, tol=1e-7, **options)
    implicit.fit(rows, init=start())
    np.testing.assert_allclose(explicit.user_factors_, implicit.user_factors_, **SOLVE)
    np.testing.assert_allclose(explicit.item_factors_, implicit.item_factors_, **SOLVE)


@given(seeds, st.fixed_dictionaries(OPTIONS))
def test_folding_in_a_row_returns_its_factors(seed, options):
    """The items were solved last: with the sides swapped they are users whose rows are the columns."""
    rows = ratings(seed)
    fitted = precise(**options).fit(rows)
    swapped = precise(**options)
    swapped.user_factors_, swapped.item_factors_ = fitted.item_factors_, fitted.user_factors_
    swapped.user_biases_, swapped.item_biases_ = fitted.item_biases_, fitted.user_biases_
    swapped.mean_ = fitted.mean_
    columns, options = rows.T.tocsr(), {"exclude_seen": False}
    folded = swapped.recommend(None, columns, N_USERS, **options)
    known = swapped.recommend(np.arange(N_ITEMS), columns, N_USERS, **options)
    np.testing.assert_allclose(folded.scores, known.scores, rtol=1e-7, atol=1e-9)


@given(seeds, st.fixed_dictionaries(OPTIONS))
def test_permuting_rows_with_init_permutes_what_is_learned(seed, options):
    rows, rng = ratings(seed), np.random.default_rng(seed)
    users, items = rng.permutation(N_USERS), rng.permutation(N_ITEMS)
    one = precise(**options).fit(rows, init=start())
    permuted = precise(**options).fit(rows[users][:, items], init=start()[items])
    for name, order in (("user", users), ("item", items)):
        for what in (f"{name}_factors_", f"{name}_biases_"):
            np.testing.assert_allclose(getattr(one, what)[order], getattr(permuted, what), rtol=1e-6, atol=1e-8)


@given(seeds, st.booleans())
def test_larger_ratings_with_as_much_more_regularization_scale(seed, nonnegative):
    """Four times the ratings, four times the penalty: biases are four times as large, factors twice."""
    rows, options = ratings(seed), {"nonnegative": nonnegative, "biases": False}
    one = precise(regularization=0.1, **options).fit(rows, init=start())
    four = precise(regularization=0.4, **options).fit(rows * np.float32(4), init=2 * start())
    np.testing.assert_allclose(2 * one.item_factors_, four.item_factors_, rtol=1e-9, atol=1e-12)


@given(seeds)
def test_adding_to_all_ratings_moves_the_mean_only(seed):
    rows = ratings(seed)
    more = rows.copy()
    more.data = more.data + 8
    one, other = precise().fit(rows), precise().fit(more)
    assert other.mean_ == pytest.approx(one.mean_ + 8)
    for name in LEARNED:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("n_threads", [2, 3, 8])
@pytest.mark.parametrize("nonnegative", [False, True])
def test_same_bits_at_any_number_of_threads(n_threads, nonnegative):
    rng = np.random.default_rng(0)
    rows = sp.random_array((900, 300), density=0.05, rng=rng, format="csr", dtype=np.float32)
    options = {"nonnegative": nonnegative, "n_epochs": 2, "random_state": 0}
    one = fastrec.ExplicitALS(24, n_threads=1, **options).fit(rows, compute_loss=True)
    many = fastrec.ExplicitALS(24, n_threads=n_threads, **options).fit(rows, compute_loss=True)
    for name in (*LEARNED, "loss_", "rmse_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))


def test_continues_from_given_factors_and_biases():
    rows = ratings(0)
    whole = model(n_epochs=4).fit(rows, init=start())
    half = model(n_epochs=2).fit(rows, init=start())
    continued = model(n_epochs=2).fit(rows, init=(half.item_factors_, half.item_biases_))
    for name in LEARNED:
        np.testing.assert_allclose(getattr(whole, name), getattr(continued, name), **SOLVE)


# ---- zeros, and nothing ---------------------------------------------------------------------------------------------


def test_a_stored_zero_is_a_rating():
    rows = ratings(1)
    assert (rows.data == 0).any()
    without = rows.copy()
    without.eliminate_zeros()
    fitted, fewer = model().fit(rows), model().fit(without)
    assert fitted.mean_ == np.float32(rows.data.mean(dtype=np.float64))
    assert abs(fitted.mean_ - fewer.mean_) > 1e-3
    one, other = (fitted.recommend(None, x, 3, exclude_seen=False).scores for x in (rows, without))
    assert np.abs(one - other).max() > 1e-3  # folded in with it
    user = entries_by_row(rows)[rows.data == 0][0]
    seen = rows.indices[rows.indptr[user] : rows.indptr[user + 1]]
    assert not np.isin(fitted.recommend([user], rows[[user]], N_ITEMS).items, seen).any()  # nor recommended again


@pytest.mark.parametrize("nonnegative", [False, True])
def test_empty_rows_are_zero(nonnegative):
    rows = ratings(9).tolil()
    rows[3, :] = 0
    rows[:, 2] = 0
    rows = rows.tocsr()
    rows.eliminate_zeros()
    fitted = model(nonnegative=nonnegative).fit(rows)
    assert not fitted.user_factors_[3].any()
    assert fitted.user_biases_[3] == 0
    assert not fitted.item_factors_[2].any()
    assert fitted.predict(3, 2)[0] == np.float32(fitted.mean_)


@pytest.mark.parametrize("options", [{}, {"nonnegative": True}, {"regularization": 0.0}])
def test_equal_ratings_are_the_mean(options):
    rows = ratings(2)
    rows.data[:] = 3.5
    fitted = model(**options).fit(rows, compute_loss=True)
    assert fitted.mean_ == 3.5
    assert fitted.rmse_[-1] == 0
    assert not fitted.user_biases_.any()
    assert (fitted.predict(entries_by_row(rows), rows.indices) == 3.5).all()


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (4, 6)])
@pytest.mark.parametrize("nonnegative", [False, True])
def test_no_ratings(shape, nonnegative):
    fitted = model(nonnegative=nonnegative).fit(sp.csr_array(shape, dtype=np.float32), compute_loss=True)
    assert fitted.mean_ == 0
    assert np.isnan(fitted.rmse_).all()
    assert (fitted.loss_ == 0).all()
    assert fitted.predict([], []).shape == (0,)


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("rows", [ratings(3)[:1], ratings(3)[:, :1], ratings(3)], ids=["one user", "one item", "all"])
def test_more_factors_than_rows(rows, nonnegative):
    fitted = fastrec.ExplicitALS(40, n_epochs=3, nonnegative=nonnegative, random_state=0).fit(rows)
    assert all(np.isfinite(getattr(fitted, name)).all() for name in LEARNED)


@pytest.mark.parametrize("biases", [False, True])
def test_no_regularisation_gives_least_norm(biases):
    rows, init = ratings(6), start()
    init[:, 3] = init[:, 2]  # rank deficient
    options = {"regularization": 0.0, "regularization_exponent": 1.0, "biases": biases, "nonnegative": False}
    fitted = precise(n_epochs=1, **options).fit(rows, init=init)
    users, _, _ = epochs_by_definition(rows, options, 1, init)
    np.testing.assert_allclose(fitted.user_factors_, users[0], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(fitted.user_factors_[:, 2], fitted.user_factors_[:, 3], rtol=1e-6, atol=1e-8)


def test_no_regularisation_of_nonnegative_factors():
    rows, init = ratings(6), start()
    init[:, 3] = init[:, 2]
    options = {"regularization": 0.0, "regularization_exponent": 1.0, "biases": True, "nonnegative": True}
    fitted = precise(n_epochs=1, **options).fit(rows, init=init)
    users, _, mean = epochs_by_definition(rows, options, 1, init)
    assert all(np.isfinite(getattr(fitted, name)).all() for name in LEARNED)
    fixed = init.astype(np.float64), np.zeros(N_ITEMS)
    ours, theirs = (
        loss_and_error(rows, side, fixed, mean, options)[0] for side in (learned(fitted)[0], users)
    )  # one of many minima
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    np.testing.assert_allclose(fitted.user_factors_[:, 2], fitted.user_factors_[:, 3], rtol=1e-6, atol=1e-8)


# ---- predictions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("n_factors", [1, 5, 6, 13, 40])
def test_predictions_and_scores_are_exact(dtype, biases, n_factors):
    rows = ratings(4)
    fitted = fastrec.ExplicitALS(n_factors, n_epochs=2, biases=biases, random_state=0, dtype=dtype).fit(rows)
    users = np.column_stack(
        [fitted.user_factors_, fitted.user_biases_, np.full(N_USERS, fitted.mean_), np.ones(N_USERS)]
    ).astype(dtype)
    items = np.column_stack([fitted.item_factors_, np.ones((N_ITEMS, 2)), fitted.item_biases_]).astype(dtype)
    expected = reference.top_k_inner_product(users, items, N_ITEMS)
    top = fitted.recommend(np.arange(N_USERS), None, N_ITEMS, exclude_seen=False)
    np.testing.assert_array_equal(top.items, expected.items)
    np.testing.assert_array_equal(top.scores, expected.scores)
    predicted = fitted.predict(np.repeat(np.arange(N_USERS), N_ITEMS), top.items.ravel())
    assert predicted.dtype == dtype
    np.testing.assert_array_equal(predicted, expected.scores.ravel())
    np.testing.assert_allclose(predictions(*learned(fitted))[0], fitted.predict([0] * N_ITEMS, range(N_ITEMS)), 1e-5)


def test_many_predictions_are_those_of_few():
    fitted = model().fit(ratings(4))
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, N_USERS, 10_000), rng.integers(0, N_ITEMS, 10_000)
    predicted = fitted.predict(users, items)
    for at in (0, 4095, 4096, 9_999):
        assert fitted.predict(users[at], items[at])[0] == predicted[at]


def test_a_new_user_without_ratings_is_the_average_one():
    fitted = model().fit(ratings(4))
    top = fitted.recommend(None, sp.csr_array((1, N_ITEMS), dtype=np.float32), N_ITEMS)
    expected = np.float64(fitted.mean_) + fitted.item_biases_[top.items[0]].astype(np.float64)
    np.testing.assert_array_equal(top.scores[0], expected.astype(np.float32))


def test_answers_follow_what_is_learned():
    fitted = model().fit(ratings(4))
    before = fitted.recommend([0], None, 1, exclude_seen=False)
    fitted.item_biases_ = fitted.item_biases_ + np.float32(1)
    after = fitted.recommend([0], None, 1, exclude_seen=False)
    np.testing.assert_allclose(before.scores + 1, after.scores, rtol=1e-6)


@pytest.mark.parametrize("nonnegative", [False, True])
def test_new_users_have_as_many_factors_as_were_learned(nonnegative):
    fitted = model(nonnegative=nonnegative).fit(ratings(4))
    before = fitted.recommend(None, ratings(5), 3)
    after = fitted.set_params(n_factors=900).recommend(None, ratings(5), 3)
    np.testing.assert_array_equal(before.scores, after.scores)


def test_similar_items_look_at_factors_only():
    fitted = model().fit(ratings(5))
    y = fitted.item_factors_.astype(np.float64)
    unit = y / np.maximum(np.linalg.norm(y, axis=1, keepdims=True), 1e-300)
    cosines = unit[[0, 7]] @ unit.T
    cosines[[0, 1], [0, 7]] = -np.inf
    top = fitted.similar_items([0, 7], 3)
    np.testing.assert_allclose(top.scores, -np.sort(-cosines, axis=1)[:, :3], rtol=1e-5)


@pytest.mark.parametrize(
    ("users", "items", "error", "words"),
    [
        ([N_USERS], [0], ValueError, "users: expected ids of users from 0 to 19, got 20"),
        ([0], [N_ITEMS], ValueError, "items: expected ids of items from 0 to 13, got 14"),
        ([-1], [0], ValueError, "users.*-1"),
        ([0, 1], [0], ValueError, "users has 2 ids but items has 1"),
        ([0.5], [0], TypeError, "users"),
        ([0], ["1"], TypeError, "items"),
        ([[0]], [0], ValueError, "users"),
    ],
)
def test_bad_pairs(users, items, error, words):
    with pytest.raises(error, match=words):
        model().fit(ratings(0)).predict(users, items)


def test_predict_needs_fit():
    with pytest.raises(fastrec.NotFittedError, match="call fit"):
        model().predict(0, 0)


# ---- fit ------------------------------------------------------------------------------------------------------------


class TestFit:
    def test_start_of_nonnegative_factors_is_the_magnitude(self):
        signed, magnitude = (
            model(n_epochs=0, nonnegative=sign).fit(ratings(0)).item_factors_ for sign in (False, True)
        )
        assert (signed < 0).any()
        np.testing.assert_array_equal(np.abs(signed), magnitude)

    def test_callback(self):
        calls = []
        fitted = model(n_epochs=3).fit(ratings(0), callback=lambda *call: calls.append(call))
        assert [epoch for epoch, _, _ in calls] == [0, 1, 2]
        assert all(seconds >= 0 for _, seconds, _ in calls)
        np.testing.assert_array_equal([loss for _, _, loss in calls], fitted.loss_)

    def test_loss_and_error_are_kept_only_when_asked_for(self):
        fitted = model().fit(ratings(0), compute_loss=True)
        assert fitted.rmse_.shape == fitted.loss_.shape == (2,)
        fitted.fit(ratings(0))
        assert not hasattr(fitted, "loss_")
        assert not hasattr(fitted, "rmse_")

    def test_an_error_leaves_the_model_as_it_was(self):
        fitted = model().fit(ratings(0))
        before = fitted.item_factors_

        def fail(*_):
            raise RuntimeError("stop")

        with pytest.raises(RuntimeError):
            fitted.fit(ratings(1), callback=fail)
        assert fitted.item_factors_ is before

    def test_progress_goes_to_stderr(self, capsys):
        model().fit(ratings(0), progress=True)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "ExplicitALS" in captured.err

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"n_factors": 0}, ValueError),
            ({"n_factors": 2.0}, TypeError),
            ({"regularization": -1}, ValueError),
            ({"regularization": np.nan}, ValueError),
            ({"regularization_exponent": 1.5}, ValueError),
            ({"biases": 1}, TypeError),
            ({"nonnegative": "yes"}, TypeError),
            ({"n_epochs": -1}, ValueError),
            ({"tol": -1e-5}, ValueError),
            ({"random_state": -1}, ValueError),
            ({"n_threads": 2000}, ValueError),
            ({"dtype": "int32"}, ValueError),
        ],
    )
    def test_bad_parameters(self, options, error):
        with pytest.raises(error, match=next(iter(options))):
            fastrec.ExplicitALS(**options).fit(ratings(0))

    @pytest.mark.parametrize(
        ("options", "init", "words"),
        [
            ({}, np.zeros((3, N_FACTORS)), "init: expected item factors of shape"),
            ({}, np.full((N_ITEMS, N_FACTORS), np.nan), "init"),
            ({}, (np.zeros((N_ITEMS, N_FACTORS)), np.zeros(3)), "init.*14 numbers"),
            ({}, (np.zeros((N_ITEMS, N_FACTORS)), np.full(N_ITEMS, np.inf)), "init"),
            ({"nonnegative": True}, -start(), "init.*nonnegative"),
        ],
    )
    def test_bad_starts(self, options, init, words):
        with pytest.raises(ValueError, match=words):
            model(**options).fit(ratings(0), init=init)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("nonnegative", [False, True])
    def test_large_ratings(self, dtype, nonnegative):
        rows = ratings(0).astype(np.float64)
        rows.data[0] = 1e18
        fitted = model(dtype=dtype, nonnegative=nonnegative).fit(rows)
        assert all(np.isfinite(getattr(fitted, name)).all() for name in LEARNED)
        rows.data[0] = -2e18
        with pytest.raises(ValueError, match=r"user_items: expected values of up to 1e\+18, got 2e\+18; scale them"):
            fitted.fit(rows)

    def test_more_memory_than_there_is(self):
        with pytest.raises(MemoryError, match="GiB"):
            fastrec.ExplicitALS(2**31 - 2).fit(ratings(0))


# ---- after the fit, and before its end ------------------------------------------------------------------------------


@pytest.mark.parametrize("biases", [True, False])
def test_partial_fit_solves_rows_and_leaves_others(biases):
    rows, new = ratings(0), ratings(1)[:3]
    fitted = precise(biases=biases).fit(rows)
    factors, user_biases, items = fitted.user_factors_.copy(), fitted.user_biases_.copy(), fitted.item_factors_
    ids = [4, rows.shape[0] + 1, 0]
    assert fitted.partial_fit(new, users=ids) is fitted
    assert fitted.item_factors_ is items
    assert len(fitted.user_factors_) == len(fitted.user_biases_) == rows.shape[0] + 2
    others = np.setdiff1d(np.arange(rows.shape[0]), ids)
    assert_same(fitted.user_factors_[others], factors[others])
    assert_same(fitted.user_biases_[others], user_biases[others])
    assert not fitted.user_factors_[rows.shape[0]].any()
    known = fitted.recommend(ids, new, exclude_seen=False)
    folded = fitted.recommend(None, new, exclude_seen=False)
    assert_same(known.scores, folded.scores)


@given(seeds, st.fixed_dictionaries(OPTIONS))
def test_folding_in_columns_returns_what_their_items_have(seed, options):
    rows = ratings(seed)
    fitted = precise(**options).fit(rows)
    factors, biases = fitted.fold_in_items(rows.T)
    np.testing.assert_allclose(factors, fitted.item_factors_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(biases, fitted.item_biases_, rtol=1e-6, atol=1e-8)


def test_folding_in_users_is_what_partial_fit_learns():
    new = ratings(1)[:3]
    fitted = precise().fit(ratings(0))
    factors, biases = fitted.fold_in_users(new)
    fitted.partial_fit(new, users=[2, 0, 1])
    assert_same(factors, fitted.user_factors_[[2, 0, 1]])
    assert_same(biases, fitted.user_biases_[[2, 0, 1]])
    with pytest.raises(ValueError, match="user_items: expected 14 columns"):
        fitted.fold_in_users(new[:, 1:])


def test_partial_fit_items_solves_rows_and_leaves_others():
    rows, new = ratings(0), ratings(1)[:, :2].T.tocsr()
    fitted = precise().fit(rows)
    factors, biases = fitted.fold_in_items(new)
    (users, _), (items, _), _ = learned(fitted)
    others = np.setdiff1d(np.arange(N_ITEMS), [3])
    fitted.partial_fit_items(new, items=[N_ITEMS + 1, 3])
    assert len(fitted.item_factors_) == len(fitted.item_biases_) == N_ITEMS + 2
    assert_same(fitted.item_factors_[[N_ITEMS + 1, 3]], factors)
    assert_same(fitted.item_biases_[[N_ITEMS + 1, 3]], biases)
    assert_same(fitted.item_factors_[others], items[others])
    assert_same(fitted.user_factors_, users)
    assert not fitted.item_factors_[N_ITEMS].any()
    with pytest.raises(ValueError, match="item_users"):
        fitted.partial_fit_items(new, items=[1])


@pytest.mark.parametrize("nonnegative", [True, False])
def test_epochs_may_come_one_after_the_other(nonnegative):
    rows, together = ratings(0), precise(n_epochs=5, nonnegative=nonnegative)
    apart = precise(n_epochs=2, nonnegative=nonnegative).fit(rows).partial_fit(rows, n_epochs=3)
    for ours, theirs in zip(learned(apart)[0], learned(together.fit(rows))[0], strict=True):
        assert_same(ours, theirs)
    first = precise(n_epochs=1, nonnegative=nonnegative)
    assert_same(precise(nonnegative=nonnegative).partial_fit(rows).item_factors_, first.fit(rows).item_factors_)


def test_biases_may_be_left_out_after_a_fit():
    """Users are then folded in on what mean and items' biases leave, and further epochs learn factors only."""
    rows = ratings(0).astype(np.float64)
    fitted = precise().fit(rows).set_params(biases=False)
    left = rows.data - fitted.mean_ - fitted.item_biases_[rows.indices]
    targets = sp.csr_array((left, rows.indices, rows.indptr), shape=rows.shape)
    penalty = 0.1 * np.diff(rows.indptr)
    factors, biases = fitted.fold_in_users(rows)
    alone = fastrec.als_half_step(
        of_ones(rows), targets, fitted.item_factors_, unobserved_weight=0, regularization=penalty, tol=1e-12
    )
    np.testing.assert_allclose(factors, alone, rtol=1e-6, atol=1e-8)
    assert not biases.any()
    fitted.partial_fit(rows)
    assert fitted.mean_ == 0
    assert not fitted.item_biases_.any()
    solved = fastrec.als_half_step(
        of_ones(rows.T.tocsr()), rows.T.tocsr(), fitted.user_factors_, unobserved_weight=0,
        regularization=0.1 * np.diff(rows.T.tocsr().indptr), tol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(fitted.item_factors_, solved, rtol=1e-6, atol=1e-8)


def test_partial_fit_takes_in_new_rows_and_columns():
    rows = ratings(0)
    grown = sp.csr_array(sp.vstack([sp.hstack([rows, rows[:, :1]]), sp.csr_array(np.ones((1, rows.shape[1] + 1)))]))
    fitted = precise().fit(rows).partial_fit(grown, n_epochs=2)
    assert (len(fitted.user_factors_), len(fitted.item_biases_)) == grown.shape
    with pytest.raises(ValueError, match="user_items: expected at least"):
        fitted.partial_fit(rows)


def test_early_stopping_keeps_the_best_epoch():
    scores = iter([1.0, 3.0, 2.0, 1.0])
    rule = fastrec.EarlyStopping(lambda model: next(scores), patience=2)
    fitted = precise(n_epochs=9).fit(ratings(0), early_stopping=rule)
    assert fitted.n_epochs_ == 2
    assert_same(fitted.item_factors_, precise(n_epochs=2).fit(ratings(0)).item_factors_)
    assert len(precise(n_epochs=50).fit(ratings(0), early_stopping=fastrec.EarlyStopping(patience=1)).loss_) < 50
