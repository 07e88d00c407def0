"""ImplicitALS: every half-step by its definition, and the laws of its objective."""

import functools
import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given
from hypothesis import strategies as st

import fastrec
from fastrec import reference
from fastrec.evaluation import recall_scorer
from strategies import BAD_RATINGS, in_sparse_form

N_USERS, N_ITEMS, N_FACTORS = 20, 14, 5
SOLVE = {"rtol": 1e-4, "atol": 1e-5}  # a float32 solution of a float64 solve, several half-steps on


def ratings(seed, *, negative=False):
    rng = np.random.default_rng(seed)
    matrix = sp.random_array((N_USERS, N_ITEMS), density=0.25, rng=rng, format="csr", dtype=np.float32)
    matrix.data = rng.integers(1, 5, matrix.nnz).astype(np.float32)
    if negative:
        matrix.data[::3] *= -1
    return matrix


def start(seed=3):
    return np.random.default_rng(seed).normal(size=(N_ITEMS, N_FACTORS)).astype(np.float32)


def model(**options):
    return fastrec.ImplicitALS(N_FACTORS, **{"n_epochs": 2, "random_state": 0, "tol": 1e-7, **options})


objectives = pytest.mark.parametrize(
    ("alpha", "regularization", "unobserved_weight"), [*itertools.product([1.0, 1e6], [0.0, 1.0], [1.0, 0.0])]
)


def with_data(matrix, data):
    return sp.csr_array((np.asarray(data, np.float64), matrix.indices, matrix.indptr), shape=matrix.shape)


def epochs_by_definition(rows, weights, options, n_epochs, init):
    """The objective of CONTRACTS in words of the reference's half-steps."""
    w0, reg, exponent = options["unobserved_weight"], options["regularization"], options["regularization_exponent"]
    targets = with_data(rows, rows.data > 0)
    items = init.astype(np.float64)
    sides = []
    for side in (weights, weights.T.tocsr()):
        counts = np.diff(side.indptr)
        sides.append(reg * (counts + w0 * side.shape[1]) ** exponent)
    for _ in range(n_epochs):
        users = reference.als_half_step(weights, targets, items, unobserved_weight=w0, regularization=sides[0])
        items = reference.als_half_step(weights.T, targets.T, users, unobserved_weight=w0, regularization=sides[1])
    loss = reference.implicit_loss(
        weights, targets, users, items,
        unobserved_weight=w0, user_regularization=sides[0], item_regularization=sides[1],
    )  # fmt: skip
    return users, items, loss


@given(
    st.integers(0, 2**16),
    st.booleans(),
    st.sampled_from([0.0, 1.0, 7.5]),
    st.sampled_from([0.01, 0.5]),
    st.sampled_from([0.2, 1.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_equals_definition(seed, negative, alpha, regularization, unobserved_weight, exponent):
    rows = ratings(seed, negative=negative)
    options = {
        "regularization": regularization,
        "unobserved_weight": unobserved_weight,
        "regularization_exponent": exponent,
    }
    fitted = model(alpha=alpha, dtype="float64", tol=1e-12, **options).fit(rows, init=start(), compute_loss=True)
    weights = with_data(rows, 1 + alpha * np.abs(rows.data))
    users, items, loss = epochs_by_definition(rows, weights, options, 2, start())
    np.testing.assert_allclose(fitted.user_factors_, users, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fitted.item_factors_, items, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fitted.loss_[-1], loss, rtol=1e-9)


def gradient_of_items(fitted, rows, w0=1.0, reg=0.01):
    """Half the loss's gradient at every item, beside the size of its right-hand side."""
    x, y = fitted.user_factors_.astype(np.float64), fitted.item_factors_.astype(np.float64)
    weight = np.where(rows.toarray() != 0, 1 + np.abs(rows.toarray()), w0).astype(np.float64)
    target = (rows.toarray() > 0).astype(np.float64)
    gradient = (weight * (x @ y.T - target)).T @ x + reg * y
    return np.linalg.norm(gradient, axis=1), np.linalg.norm((weight * target).T @ x, axis=1)


class TestPopularity:
    """Unobserved weights by popularity: the reference is told every cell's."""

    @staticmethod
    def half_step(rows, unobserved, fixed, regularization, alpha=1.0):
        values = rows.toarray().astype(np.float64)
        weights = np.where(values != 0, 1 + alpha * np.abs(values), unobserved)
        everywhere = np.arange(values.size) % values.shape[1], np.arange(0, values.size + 1, values.shape[1])
        stored = [sp.csr_array((x.ravel(), *everywhere), shape=values.shape) for x in (weights, 1.0 * (values > 0))]
        return reference.als_half_step(*stored, fixed, unobserved_weight=0.0, regularization=regularization)

    @given(st.integers(0, 2**16), st.sampled_from([0.3, 0.5, 1.0, 2.0]), st.sampled_from([0.0, 0.5, 1.0]))
    def test_equals_definition(self, seed, popularity_exponent, exponent):
        rows = ratings(seed, negative=True)
        options = {"unobserved_weight": 0.3, "regularization": 0.1, "regularization_exponent": exponent}
        fitted = model(**options, popularity_exponent=popularity_exponent, dtype="float64", tol=1e-12, n_epochs=2)
        fitted.fit(rows, init=start(), compute_loss=True)
        counts = np.diff(rows.tocsc().indptr)
        assume(counts.all())  # what the start of the others weighs does not matter for long
        powers = counts**popularity_exponent
        unobserved = 0.3 * powers / powers.mean()
        of_users = 0.1 * (np.diff(rows.indptr) + unobserved.sum()) ** exponent
        of_items = 0.1 * (counts + unobserved * N_USERS) ** exponent
        items = start().astype(np.float64)
        by_item = sp.csr_array(rows.T)
        for _ in range(2):
            users = self.half_step(rows, unobserved, items, of_users)
            items = self.half_step(by_item, unobserved[:, None], users, of_items)
        np.testing.assert_allclose(fitted.user_factors_, users, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(fitted.item_factors_, items, rtol=1e-6, atol=1e-9)
        values = rows.toarray()
        weights = np.where(values != 0, 1 + np.abs(values), unobserved)
        loss = (weights * ((values > 0) - users @ items.T) ** 2).sum()
        loss += of_users @ (users**2).sum(axis=1) + of_items @ (items**2).sum(axis=1)
        np.testing.assert_allclose(fitted.loss_[-1], loss, rtol=1e-9)
        np.testing.assert_array_equal(fitted.popularity_, counts)

    def test_none_is_the_same_for_all(self):
        rows = ratings(0)
        one, other = model(popularity_exponent=1e-12).fit(rows), model().fit(rows)
        np.testing.assert_allclose(one.item_factors_, other.item_factors_, **SOLVE)
        assert np.abs(model(popularity_exponent=1.0).fit(rows).item_factors_ - other.item_factors_).max() > 1e-2

    def test_given_weights(self):
        rows = ratings(3, negative=True)
        one = model(popularity_exponent=0.5, alpha=2.0).fit(rows)
        other = model(popularity_exponent=0.5, alpha=99.0).fit(rows, weights=with_data(rows, 1 + 2 * np.abs(rows.data)))
        np.testing.assert_array_equal(other.user_factors_, one.user_factors_)
        np.testing.assert_array_equal(other.item_factors_, one.item_factors_)

    def test_items_that_nobody_has(self):
        rows = ratings(9).tolil()
        rows[:, 2] = 0
        fitted = model(popularity_exponent=0.5).fit(rows)
        assert np.isfinite(fitted.item_factors_).all()
        assert not fitted.item_factors_[2].any()
        nobody = model(popularity_exponent=0.5).fit(sp.csr_array((4, 3)))
        assert not nobody.item_factors_.any()

    def test_new_items_take_part(self):
        rows = ratings(0)
        fitted = model(popularity_exponent=0.5).fit(rows)
        new = sp.csr_array(np.ones((1, N_USERS), np.float32))
        fitted.partial_fit_items(new, items=[N_ITEMS + 1])
        np.testing.assert_array_equal(fitted.popularity_[N_ITEMS:], [0, N_USERS])
        fitted.partial_fit(sp.csr_array(np.ones((1, N_ITEMS + 2))), users=[0])
        assert len(fitted.popularity_) == N_ITEMS + 2


@given(st.integers(0, 2**16))
def test_gradient_of_the_side_solved_last_is_zero(seed):
    rows = ratings(seed)
    gradient, right = gradient_of_items(model(tol=1e-5).fit(rows), rows)
    assert (gradient <= 3e-5 * right + 1e-12).all()


def test_gradient_check_can_fail():
    rows = ratings(0)
    fitted = model().fit(rows)
    fitted.item_factors_ = fitted.item_factors_ * np.float32(1.001)
    gradient, right = gradient_of_items(fitted, rows)
    assert (gradient > 3e-5 * right).any()


@given(st.integers(0, 2**16), st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from([0.0, 1.0]))
def test_loss_never_rises(seed, unobserved_weight, exponent):
    options = {"unobserved_weight": unobserved_weight, "regularization_exponent": exponent, "n_epochs": 8}
    losses = model(**options).fit(ratings(seed), compute_loss=True).loss_
    assert losses.dtype == np.float64
    assert losses.shape == (8,)
    assert (np.diff(losses) <= 1e-6 * losses[:-1]).all()


@pytest.mark.parametrize("n_epochs", [0, 2])
def test_the_factors_to_start_from_stay_the_callers(n_epochs):
    given = start()
    fitted = model(n_epochs=n_epochs).fit(ratings(0), init=given)
    np.testing.assert_array_equal(given, start())
    assert not np.shares_memory(fitted.item_factors_, given)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("regularization", "scale"), [(0, 1e-20), (1e-42, 1e-20), (1e-3, 1e20)])
def test_loss_of_factors_that_float32_cannot_square(regularization, scale):
    rows, start = sp.csr_array(np.ones((3, 4), np.float32)), np.full((4, 2), scale, np.float32)
    fitted = fastrec.ImplicitALS(2, regularization=regularization, unobserved_weight=0, n_epochs=1)
    fitted.fit(rows, init=start, compute_loss=True)
    assert np.isfinite(fitted.loss_).all()
    confidence, liked = 2 * rows, rows
    expected = fastrec.implicit_loss(
        confidence, liked, fitted.user_factors_, fitted.item_factors_, unobserved_weight=0,
        user_regularization=regularization, item_regularization=regularization,
    )  # fmt: skip
    np.testing.assert_allclose(fitted.loss_[-1], expected, rtol=1e-3, atol=1e-5)


@given(st.integers(0, 2**16), st.sampled_from([0.25, 3.0]))
def test_scaling_the_objective_changes_nothing(seed, scale):
    rows = ratings(seed)
    weights = with_data(rows, 1 + rows.data)
    one = model().fit(rows, weights=weights, init=start())
    scaled = model(unobserved_weight=scale, regularization=0.01 * scale).fit(
        rows, weights=weights * scale, init=start()
    )
    np.testing.assert_allclose(one.item_factors_, scaled.item_factors_, **SOLVE)


@given(st.integers(0, 2**16))
def test_permuting_items_with_init_permutes_factors(seed):
    rows, order = ratings(seed), np.random.default_rng(seed).permutation(N_ITEMS)
    one, permuted = model().fit(rows, init=start()), model().fit(rows[:, order], init=start()[order])
    np.testing.assert_allclose(one.item_factors_[order], permuted.item_factors_, **SOLVE)
    np.testing.assert_allclose(one.user_factors_, permuted.user_factors_, **SOLVE)


def test_weights_given_equal_the_rule():
    rows = ratings(2, negative=True)
    by_rule = model(alpha=2.0).fit(rows)
    given_ = model(alpha=99.0).fit(rows, weights=with_data(rows, 1 + 2 * np.abs(rows.data)))
    np.testing.assert_allclose(by_rule.item_factors_, given_.item_factors_, **SOLVE)


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_weights_of_zero_and_below_the_unobserved_one(value):
    rows = ratings(4)
    weights = with_data(rows, np.where(np.arange(rows.nnz) % 2, value, 2.0))
    options = {"regularization": 0.01, "unobserved_weight": 1.0, "regularization_exponent": 0.0}
    fitted = model(dtype="float64", tol=1e-12).fit(rows, weights=weights, init=start())
    users, items, _ = epochs_by_definition(rows, weights, options, 2, start())
    np.testing.assert_allclose(fitted.user_factors_, users, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(fitted.item_factors_, items, rtol=1e-6, atol=1e-9)


def test_stored_zeros_drop_with_their_weights():
    rows = ratings(5)
    weights = with_data(rows, 1 + rows.data)
    zeroed, kept = rows.copy(), np.arange(rows.nnz) % 3 != 0
    zeroed.data[~kept] = 0
    dropped, fewer = zeroed.copy(), weights.copy()
    dropped.eliminate_zeros()
    fewer.data[~kept] = 0
    fewer.eliminate_zeros()
    one = model().fit(zeroed, weights=weights, init=start())
    other = model().fit(dropped, weights=fewer, init=start())
    np.testing.assert_array_equal(one.item_factors_, other.item_factors_)


def test_no_regularisation_gives_least_norm():
    rows = ratings(6)
    init = start()
    init[:, 4] = init[:, 3]  # rank deficient
    fitted = model(regularization=0.0, dtype="float64", tol=1e-12).fit(rows, init=init)
    assert np.isfinite(fitted.user_factors_).all()
    np.testing.assert_allclose(fitted.user_factors_[:, 3], fitted.user_factors_[:, 4], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("alpha", [1e6, 1e10])
def test_huge_alpha_is_finite(alpha):
    fitted = model(alpha=alpha).fit(ratings(7))
    assert np.isfinite(fitted.user_factors_).all()
    assert np.isfinite(fitted.item_factors_).all()


class TestBadNumbers:
    """Rank-deficient sides, full rows, huge weights: the definition to what conditioning leaves, and never NaN."""

    @objectives
    @pytest.mark.parametrize("case", BAD_RATINGS)
    def test_equals_definition(self, case, alpha, regularization, unobserved_weight):
        rows = sp.csr_array(BAD_RATINGS[case])
        options = {
            "regularization": regularization,
            "unobserved_weight": unobserved_weight,
            "regularization_exponent": 0.0,
        }
        weights = with_data(rows, 1 + alpha * rows.data)
        users, items, loss = epochs_by_definition(rows, weights, options, 3, awkward_start())
        best = users @ items.T
        for tol in (0, 1e-12):
            fitted = model(alpha=alpha, n_epochs=3, dtype="float64", tol=tol, **options)
            fitted.fit(rows, init=awkward_start(), compute_loss=True)
            scores = fitted.user_factors_ @ fitted.item_factors_.T
            np.testing.assert_allclose(scores, best, rtol=0, atol=1e-5 * np.abs(best).max())  # pinv drops a little
            rounding = 1e-12 * weights.data.sum()
            np.testing.assert_allclose(fitted.loss_[-1], loss, rtol=3e-5, atol=rounding)
            assert (np.diff(fitted.loss_) <= 1e-6 * np.abs(fitted.loss_[:-1]) + rounding).all()

    @objectives
    @pytest.mark.parametrize("case", BAD_RATINGS)
    def test_float32_comes_near(self, case, alpha, regularization, unobserved_weight):
        rows = sp.csr_array(BAD_RATINGS[case].astype(np.float32))
        options = {"alpha": alpha, "regularization": regularization, "unobserved_weight": unobserved_weight}
        exact, near = (
            fastrec.ImplicitALS(N_FACTORS, n_epochs=5, dtype=dtype, tol=tol, **options).fit(
                rows, init=awkward_start(), compute_loss=True
            )
            for dtype, tol in (("float64", 0), ("float32", 1e-5))
        )
        assert np.isfinite(near.user_factors_).all()
        assert np.isfinite(near.item_factors_).all()
        loss_of_nothing = (1 + alpha * rows.data).sum()
        np.testing.assert_allclose(near.loss_, exact.loss_, rtol=1e-3, atol=1e-3 * loss_of_nothing)

    @pytest.mark.parametrize("case", BAD_RATINGS)
    def test_a_failed_solve_would_show(self, case):
        rows = sp.csr_array(BAD_RATINGS[case])
        fitted = model(n_epochs=3, dtype="float64").fit(rows, init=awkward_start(), compute_loss=True)
        assert fitted.loss_[-1] < 0.7 * (1 + rows.data).sum()


def awkward_start():
    return np.random.default_rng(3).normal(0, 0.01, (20, N_FACTORS))


@pytest.mark.parametrize("form", ["int64", "read-only", "memory-mapped", "excess", "csr_matrix"])
def test_forms_give_the_same_bits(form):
    rows = ratings(0, negative=True)
    rows.sum_duplicates()
    weights = with_data(rows, np.arange(rows.nnz)).astype(np.float32)
    other, other_weights = (in_sparse_form(x.data, x.indices, x.indptr, x.shape, form) for x in (rows, weights))
    if form == "int64":
        assert other.indptr.dtype == other.indices.dtype == np.int64
    for given_ in ({}, {"weights": weights}):
        fitted = model().fit(rows, **given_)
        same = model().fit(other, **({"weights": other_weights} if given_ else {}))
        np.testing.assert_array_equal(fitted.user_factors_, same.user_factors_)
        np.testing.assert_array_equal(fitted.item_factors_, same.item_factors_)
    np.testing.assert_array_equal(fitted.fold_in_users(rows), fitted.fold_in_users(other))
    np.testing.assert_array_equal(fitted.partial_fit(rows).item_factors_, same.partial_fit(other).item_factors_)


def test_more_factors_than_rows():
    rows = ratings(8)
    fitted = fastrec.ImplicitALS(N_USERS + 9, n_epochs=2, random_state=0).fit(rows)
    assert np.isfinite(fitted.item_factors_).all()


def test_empty_rows_are_zero():
    rows = ratings(9).tolil()
    rows[3, :] = 0
    rows[:, 2] = 0
    fitted = model().fit(rows)
    assert not fitted.user_factors_[3].any()
    assert not fitted.item_factors_[2].any()


@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_same_bits_at_any_number_of_threads(n_threads):
    rng = np.random.default_rng(0)
    rows = sp.random_array((900, 300), density=0.05, rng=rng, format="csr", dtype=np.float32)
    one = fastrec.ImplicitALS(24, n_epochs=2, random_state=0, n_threads=1).fit(rows, compute_loss=True)
    many = fastrec.ImplicitALS(24, n_epochs=2, random_state=0, n_threads=n_threads).fit(rows, compute_loss=True)
    np.testing.assert_array_equal(one.user_factors_, many.user_factors_)
    np.testing.assert_array_equal(one.item_factors_, many.item_factors_)
    np.testing.assert_array_equal(one.loss_, many.loss_)


class TestStart:
    def test_is_keyed_by_seed_and_row(self):
        few, many = (model(n_epochs=0).fit(ratings(0)[:, :n]).item_factors_ for n in (9, N_ITEMS))
        np.testing.assert_array_equal(few, many[:9])
        other = model(n_epochs=0, random_state=1).fit(ratings(0)).item_factors_
        assert (other != many).any()

    def test_is_normal_with_deviation_one_hundredth(self):
        factors = fastrec.ImplicitALS(64, n_epochs=0, random_state=5).fit(sp.csr_array((1, 5000))).item_factors_
        assert abs(factors.mean()) < 1e-4
        assert abs(factors.std() - 0.01) < 1e-4
        assert abs(np.corrcoef(factors[:, 0], factors[:, 1])[0, 1]) < 0.05
        assert abs(np.corrcoef(factors[:-1, 0], factors[1:, 0])[0, 1]) < 0.05

    @pytest.mark.parametrize("state", [np.random.default_rng(4), np.random.RandomState(4), None, np.int64(3)])
    def test_random_states(self, state):
        assert np.isfinite(model(random_state=state).fit(ratings(0)).item_factors_).all()

    def test_only_fit_draws_from_a_generator(self):
        generator = np.random.default_rng(4)
        fitted = model(random_state=generator).fit(ratings(0))
        before = generator.bit_generator.state
        fitted.recommend(None, ratings(1), 3)
        assert generator.bit_generator.state == before

    def test_continues_from_given_factors(self):
        rows = ratings(0)
        whole = model(n_epochs=4).fit(rows, init=start())
        half = model(n_epochs=2).fit(rows, init=start())
        continued = model(n_epochs=2).fit(rows, init=half.item_factors_)
        np.testing.assert_allclose(whole.item_factors_, continued.item_factors_, **SOLVE)


class TestFit:
    def test_callback(self):
        calls = []
        fitted = model(n_epochs=3).fit(ratings(0), callback=lambda *call: calls.append(call))
        assert [epoch for epoch, _, _ in calls] == [0, 1, 2]
        assert all(seconds > 0 for _, seconds, _ in calls)
        np.testing.assert_array_equal([loss for _, _, loss in calls], fitted.loss_)

    def test_loss_is_kept_only_when_asked_for(self):
        fitted = model().fit(ratings(0), compute_loss=True)
        assert hasattr(fitted, "loss_")
        assert not hasattr(fitted.fit(ratings(0)), "loss_")

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
        assert "ImplicitALS" in captured.err

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"n_factors": 0}, ValueError),
            ({"n_factors": 2.0}, TypeError),
            ({"regularization": -1}, ValueError),
            ({"regularization": np.nan}, ValueError),
            ({"alpha": -0.1}, ValueError),
            ({"alpha": "1"}, TypeError),
            ({"unobserved_weight": -1}, ValueError),
            ({"regularization_exponent": 1.5}, ValueError),
            ({"popularity_exponent": -0.5}, ValueError),
            ({"n_epochs": -1}, ValueError),
            ({"tol": -1e-5}, ValueError),
            ({"random_state": -1}, ValueError),
            ({"random_state": "seed"}, TypeError),
            ({"n_threads": 2000}, ValueError),
            ({"dtype": "int32"}, ValueError),
            ({"dtype": "nonsense"}, TypeError),
        ],
    )
    def test_bad_parameters(self, options, error):
        with pytest.raises(error, match=next(iter(options))):
            fastrec.ImplicitALS(**options).fit(ratings(0))

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"init": np.zeros((3, N_FACTORS), np.float32)}, "init"),
            ({"init": np.full((N_ITEMS, N_FACTORS), np.nan, np.float32)}, "init"),
            ({"weights": ratings(1)}, "weights"),
            ({"weights": -ratings(0)}, "weights"),
            ({"weights": ratings(0)[:3]}, "weights"),
            ({"init": start()[:, :3]}, "init"),
        ],
    )
    def test_bad_arguments(self, arguments, words):
        with pytest.raises(ValueError, match=words):
            model().fit(ratings(0), **arguments)

    def test_more_memory_than_there_is(self):
        with pytest.raises(MemoryError, match="GiB"):
            fastrec.ImplicitALS(2**31 - 1).fit(ratings(0))


class TestEarlyStopping:
    def test_by_loss(self):
        whole = model(n_epochs=30).fit(ratings(0), compute_loss=True)
        falls = -np.diff(whole.loss_) / whole.loss_[:-1]
        calls = []
        rule = fastrec.EarlyStopping(patience=1, min_improvement=0.01)
        fitted = model(n_epochs=30).fit(ratings(0), early_stopping=rule, callback=lambda *call: calls.append(call))
        n_run = int(np.argmax(falls <= 0.01)) + 2
        assert 2 < n_run < 30
        assert fitted.n_epochs_ == len(calls) == n_run
        np.testing.assert_array_equal(fitted.loss_, whole.loss_[:n_run])
        np.testing.assert_array_equal(fitted.item_factors_, model(n_epochs=n_run).fit(ratings(0)).item_factors_)

    @pytest.mark.parametrize("tol", [0, 1e-7])
    def test_by_score_keeps_the_best_in_the_basis_of_the_model(self, tol):
        scores = iter([0.1, 0.5, 0.4, 0.3, 0.9])
        rule = fastrec.EarlyStopping(lambda model: next(scores), patience=2)
        fitted = model(n_epochs=5, tol=tol).fit(ratings(0), early_stopping=rule, compute_loss=True)
        best = model(n_epochs=2, tol=tol).fit(ratings(0), compute_loss=True)
        assert fitted.n_epochs_ == 2
        np.testing.assert_array_equal(fitted.validation_scores_, [0.1, 0.5, 0.4, 0.3])
        for name in ("user_factors_", "item_factors_", "loss_"):
            np.testing.assert_array_equal(getattr(fitted, name), getattr(best, name))

    def test_the_score_recommends(self):
        rows = ratings(0)
        scorer = functools.partial(recall_scorer(5), user_items=rows)
        fitted = model(n_epochs=6).fit(rows, early_stopping=fastrec.EarlyStopping(scorer, patience=6))
        expected = [scorer(model(n_epochs=n).fit(rows)) for n in range(1, 7)]
        np.testing.assert_allclose(fitted.validation_scores_, expected)
        assert fitted.n_epochs_ == np.argmax(expected) + 1

    def test_is_saved(self, tmp_path):
        rule = fastrec.EarlyStopping(lambda model: 1.0, patience=2)
        fitted = model(n_epochs=6).fit(ratings(0), early_stopping=rule)
        fitted.save(tmp_path / "model")
        loaded = fastrec.load(tmp_path / "model")
        assert loaded.n_epochs_ == fitted.n_epochs_ == 1
        np.testing.assert_array_equal(loaded.validation_scores_, [1.0, 1.0, 1.0])


def test_similar_users_is_the_cosine_of_factors():
    fitted = model().fit(ratings(0))
    x = fitted.user_factors_.astype(np.float64)
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)
    top = fitted.similar_users([0, 7], 3)
    cosines = unit[[0, 7]] @ unit.T
    cosines[[0, 1], [0, 7]] = -np.inf
    np.testing.assert_allclose(top.scores, -np.sort(-cosines, axis=1)[:, :3], rtol=1e-5)


def test_what_a_dtype_cannot_hold_is_told_by_its_name(recwarn):
    rows = sp.csr_array(np.eye(4, dtype=np.float32)[:, [0, 1, 1, 3]])
    with pytest.raises(ValueError, match=r"init: expected values of up to 3\.4.*, got 1e\+50; scale them"):
        fastrec.ImplicitALS(2, n_epochs=0).fit(rows, init=np.full((4, 2), 1e50))
    heavy = sp.csr_array(np.ones((300, 4)))
    with pytest.raises(ValueError, match="popularity_exponent: expected finite values"):
        fastrec.ImplicitALS(2, popularity_exponent=300.0).fit(heavy)
    for model in (fastrec.ImplicitALS(2), fastrec.ExplicitALS(2), fastrec.NMF(2), fastrec.BPR(2), fastrec.BiasedMF(2)):
        with pytest.raises(
            TypeError, match=r"callback: expected a function of \(epoch, seconds, loss\), got 3 \(int\)"
        ):
            model.fit(rows, callback=3)
    assert not recwarn


def test_a_loss_without_factors():
    eye = sp.eye_array(2, format="csr")
    assert fastrec.implicit_loss(eye, eye, np.ones((2, 0)), np.ones((2, 0))) == 2.0
