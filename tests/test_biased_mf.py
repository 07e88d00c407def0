"""BiasedMF: every step by its definition, what it converges to, and what becomes of new users."""

import copy

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import fastrec
from equality import scores_by_item
from fastrec import _blocks, _random
from fastrec.models import descent
from fastrec.reference import gradient as reference

SAME = {"rtol": 2e-4, "atol": 2e-5}  # float32 steps beside float64 ones, a few hundred later
OPTIONS = {
    "sgd": {},
    "adagrad": {"optimizer": "adagrad", "learning_rate": 0.05},
    "no biases": {"biases": False},
    "no factors": {"n_factors": 0},
    "no factors, adagrad": {"n_factors": 0, "optimizer": "adagrad", "learning_rate": 0.05},
}


def ratings(seed=0, n_users=30, n_items=40, density=0.2):
    """Ratings of 0 to 5, of which the zeros are stored."""
    rng = np.random.default_rng(seed)
    matrix = sp.random_array((n_users, n_items), density=density, rng=rng, format="csr", dtype=np.float32)
    matrix.data = rng.integers(0, 6, matrix.nnz).astype(np.float32)
    return matrix


def tastes(n_users=60, n_items=50, density=0.5, seed=0):
    """Some of the ratings by two factors and biases, and all of them."""
    rng = np.random.default_rng(seed)
    every = 3 + rng.normal(0, 0.5, (n_users, 1)) + rng.normal(0, 0.5, n_items)
    every += rng.normal(0, 0.7, (n_users, 2)) @ rng.normal(0, 0.7, (2, n_items))
    rated = rng.random(every.shape) < density
    users, items = np.nonzero(rated)
    return sp.csr_array((every[rated].astype(np.float32), (users, items)), shape=every.shape), every


@pytest.fixture(params=OPTIONS.values(), ids=OPTIONS.keys())
def model_of(request):
    return lambda **o: fastrec.BiasedMF(**{"n_factors": 5, "n_epochs": 3, "random_state": 7, **request.param, **o})


@pytest.fixture
def blocks_of(monkeypatch):
    """Lets small data have so many blocks."""
    return lambda n: monkeypatch.setattr(_blocks, "blocks_for", lambda *_: n)


def by_definition(model, rows, n_blocks, **options):
    """What the definition makes of the factors that a model starts from."""
    told = model.get_params() | options
    start = fastrec.BiasedMF(model.n_factors, n_epochs=0, random_state=model.random_state).fit(rows)
    names = ("learning_rate", "regularization", "optimizer", "biases")
    return reference.rating_epochs(
        rows, start.user_factors_, start.item_factors_, epochs=range(model.n_epochs),
        key=int(_random.keyed(model.random_state, descent.FOR_EPOCHS)), n_blocks=n_blocks,
        **{name: told[name] for name in names},
    )  # fmt: skip


def is_same(model, defined):
    names = ("user_factors_", "item_factors_", "user_biases_", "item_biases_")
    return all(np.allclose(getattr(model, name), values, **SAME) for name, values in zip(names, defined, strict=True))


def learned(model):
    names = (*model._learned, *model._optional)
    return {name: getattr(model, name) for name in names if hasattr(model, name)}


def assert_same_learned(first, second):
    one, other = learned(first), learned(second)
    assert set(one) == set(other)
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


class TestDefinition:
    @pytest.mark.parametrize("n_blocks", [1, 3])
    def test_equals_definition(self, model_of, n_blocks, blocks_of):
        blocks_of(n_blocks)
        rows = ratings()
        assert is_same(model_of().fit(rows), by_definition(model_of(), rows, n_blocks))

    @given(st.integers(0, 2**32), st.integers(0, 40), st.sampled_from([1, 2, 4]), st.floats(0.05, 0.95))
    def test_equals_definition_on_any_matrix(self, seed, n_factors, n_blocks, density):
        rows = ratings(seed, n_users=12, n_items=9, density=density)
        model = fastrec.BiasedMF(n_factors, n_epochs=2, random_state=seed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_blocks, "blocks_for", lambda *_: n_blocks)
            model.fit(rows)
        assert is_same(model, by_definition(model, rows, n_blocks))

    def test_new_users_equal_definition(self, model_of):
        model, new = model_of().fit(ratings()), ratings(8)
        scores = scores_by_item(model.recommend(None, new, new.shape[1], exclude_seen=False))
        options = {name: getattr(model, name) for name in ("learning_rate", "regularization", "optimizer", "biases")}

        def defined(n_passes=3, **others):
            fixed = model.item_factors_, model.item_biases_, model.mean_
            x, biases = reference.rating_fold_in(new, *fixed, n_passes=n_passes, **{**options, **others})
            return model.mean_ + biases[:, None] + model.item_biases_ + x @ model.item_factors_.T

        np.testing.assert_allclose(scores, defined(), **SAME)
        for others in ({"regularization": 0.5}, {"learning_rate": 0.021}, {"n_passes": 2}):
            assert not np.allclose(scores, defined(**others), **SAME)

    def test_the_comparison_can_fail(self, blocks_of):
        blocks_of(2)
        rows = ratings()
        model = fastrec.BiasedMF(5, n_epochs=3, learning_rate=0.05, random_state=7).fit(rows)
        assert is_same(model, by_definition(model, rows, 2))
        for options in (
            {"learning_rate": 0.051},
            {"regularization": 0.05},
            {"optimizer": "adagrad"},
            {"biases": False},
        ):
            assert not is_same(model, by_definition(model, rows, 2, **options))
        assert not is_same(model, by_definition(model, rows, 3))

    def test_ends_where_least_squares_do(self):
        """Both lower the same sum: a thousand epochs of small steps, and alternating exact solves."""
        rows, _ = tastes()
        steps = fastrec.BiasedMF(2, regularization=0.1, n_epochs=1000, learning_rate=0.005, random_state=0)
        solves = fastrec.ExplicitALS(2, regularization=0.1, n_epochs=100, random_state=0)
        ends = [model.fit(rows, compute_loss=True).loss_[-1] for model in (steps, solves)]
        assert ends[0] == pytest.approx(ends[1], rel=0.01)


class TestAll:
    @pytest.mark.parametrize("n_threads", [2, 3, 8])
    def test_same_bits_at_any_number_of_threads(self, model_of, n_threads, blocks_of):
        blocks_of(4)
        rows = ratings(1, 200, 150)
        first, second = (model_of(n_threads=n).fit(rows, compute_loss=True) for n in (1, n_threads))
        assert_same_learned(first, second)
        folded = [model.recommend(None, rows, 5) for model in (first, second)]
        np.testing.assert_array_equal(folded[0].scores, folded[1].scores)

    @pytest.mark.parametrize("optimizer", [{}, {"optimizer": "adagrad", "learning_rate": 0.3}])
    def test_learns(self, optimizer):
        rows, every = tastes()
        options = {"learning_rate": 0.02, "n_epochs": 200, "random_state": 0, **optimizer}
        model = fastrec.BiasedMF(2, **options).fit(rows, compute_loss=True)
        predicted = np.stack([model.predict(np.full(50, user), np.arange(50)) for user in range(60)])
        assert np.sqrt(np.square(predicted - every).mean()) < 0.25
        assert model.rmse_[-1] < 0.1 < 0.5 < model.rmse_[0]
        again = model.recommend(None, rows, 50, exclude_seen=False)
        folded = np.take_along_axis(every, again.items.astype(int), axis=1)
        assert np.sqrt(np.square(again.scores - folded).mean()) < 0.25

    def test_error_and_loss_are_those_of_predictions(self, model_of):
        rows = ratings()
        model = model_of().fit(rows, compute_loss=True)
        users, items = rows.nonzero() if rows.data.all() else (rows.tocoo().row, rows.tocoo().col)
        errors = rows.tocoo().data - model.predict(users, items)
        assert model.rmse_[-1] == pytest.approx(np.sqrt(np.square(errors).mean()), rel=1e-5)
        squares = [
            np.square(factors).sum(axis=1) + biases**2
            for factors, biases in (
                (model.user_factors_, model.user_biases_),
                (model.item_factors_, model.item_biases_),
            )
        ]
        penalty = 0.02 * (squares[0][users] + squares[1][items]).sum()
        assert model.loss_[-1] == pytest.approx(np.square(errors).sum() + penalty, rel=1e-5)
        assert not hasattr(model.fit(rows), "loss_")

    def test_predictions_are_what_is_ranked(self, model_of):
        rows = ratings()
        model = model_of().fit(rows)
        top = model.recommend([3, 4], rows[[3, 4]], 6)
        np.testing.assert_array_equal(model.predict(np.repeat([3, 4], 6), top.items.ravel()), top.scores.ravel())
        assert not set(top.items[0]) & set(rows.indices[rows.indptr[3] : rows.indptr[4]])
        assert model.similar_items([0], 3).items.shape == (1, 3)

    def test_further_epochs_are_those_of_one_fit(self, model_of, blocks_of):
        blocks_of(3)
        rows = ratings()
        assert_same_learned(
            model_of(n_epochs=5).fit(rows), model_of(n_epochs=2).fit(rows).partial_fit(rows, n_epochs=3)
        )
        fresh = model_of(n_epochs=9).partial_fit(rows, n_epochs=2)
        assert_same_learned(fresh, model_of(n_epochs=2).fit(rows))
        with pytest.raises(fastrec.NotFittedError):
            model_of().partial_fit(rows[:1], users=[0])

    def test_new_users_and_items_join(self, model_of):
        rows = ratings(0, 33, 44)
        model = model_of().fit(rows[:30, :40].tocsr())
        before = model.item_factors_.copy()
        model.partial_fit(rows, n_epochs=0)
        np.testing.assert_array_equal(model.item_factors_[:40], before)
        assert (model.item_factors_[40:] != 0).all()
        assert len(model.user_biases_) == 33
        model.partial_fit(rows)
        model._check_learned()
        with pytest.raises(ValueError, match="user_items: expected at least the 33 users and 44 items"):
            model.partial_fit(rows[:30])

    def test_partial_fit_of_some_users_leaves_all_else(self, model_of):
        rows = ratings()
        model = model_of().fit(rows, compute_loss=True)
        users, items, biases = model.user_factors_.copy(), model.item_factors_, model.user_biases_.copy()
        model.partial_fit(rows[[3, 9]], users=[3, 32])
        others = np.setdiff1d(np.arange(30), [3])
        np.testing.assert_array_equal(model.user_factors_[others], users[others])
        np.testing.assert_array_equal(model.user_biases_[others], biases[others])
        assert model.item_factors_ is items
        assert (model.user_factors_[30:32] == 0).all()
        assert not hasattr(model, "loss_")
        model._check_learned()
        new = model.recommend(None, rows[[9]], 4)
        np.testing.assert_array_equal(model.recommend(32, rows[[9]], 4).scores, new.scores)

    def test_squares_of_users_between_are_those_of_the_start(self):
        threes = np.full((5, 3), 3, np.float32)
        model = fastrec.BiasedMF(2, optimizer="adagrad", n_epochs=0, random_state=0).fit(threes[:3])
        model.partial_fit(threes[:1], users=[4])
        assert (model.user_squares_[3] == 1).all()
        assert model.user_bias_squares_[3] == 1
        model.partial_fit(threes)

    def test_biases_may_be_left_out_after_a_fit(self):
        """Users are then folded in on what the items' biases leave, and epochs over all rows begin without biases."""
        rows, _ = tastes()
        model = fastrec.BiasedMF(2, n_epochs=20, random_state=0).fit(rows).set_params(biases=False)
        centred = copy.deepcopy(model)
        centred.item_biases_ = np.zeros_like(model.item_biases_)
        without = sp.csr_array((rows.data - model.item_biases_[rows.indices], rows.indices, rows.indptr), rows.shape)
        by_item = [
            scores_by_item(one.recommend(None, x, 50, exclude_seen=False))
            for one, x in ((model, rows), (centred, without))
        ]
        np.testing.assert_allclose(by_item[0] - model.item_biases_, by_item[1], rtol=1e-4, atol=1e-5)
        model.partial_fit(rows)
        assert model.mean_ == 0
        assert not model.item_biases_.any()
        assert not model.user_biases_.any()

    def test_early_stopping_keeps_the_best_epoch(self, model_of):
        scores = iter([1.0, 3.0, 2.0, 2.0, 2.0, 9.0])
        rows = ratings()
        rule = fastrec.EarlyStopping(lambda _: next(scores), patience=3)
        model = model_of(n_epochs=20).fit(rows, early_stopping=rule)
        assert model.n_epochs_ == 2
        np.testing.assert_array_equal(model.validation_scores_, [1, 3, 2, 2, 2])
        np.testing.assert_array_equal(model.item_biases_, model_of(n_epochs=2).fit(rows).item_biases_)
        stopped = model_of(n_epochs=50).fit(rows, early_stopping=fastrec.EarlyStopping(min_improvement=0.5, patience=2))
        assert stopped.n_epochs_ == len(stopped.loss_) == 3

    def test_nothing_to_learn_from(self, model_of):
        rows = sp.csr_array((3, 4), dtype=np.float32)
        model = model_of().fit(rows, compute_loss=True)
        assert model.mean_ == 0
        assert (model.user_factors_ == 0).all()
        assert np.isnan(model.rmse_).all()
        assert (model.predict([0], [1]) == 0).all()

    def test_a_user_without_ratings_gets_the_mean_and_the_items_biases(self):
        rows = ratings()
        model = fastrec.BiasedMF(4, random_state=0).fit(rows)
        top = model.recommend(None, sp.csr_array((1, 40), dtype=np.float32), 5)
        np.testing.assert_allclose(top.scores[0], model.mean_ + model.item_biases_[top.items[0]], rtol=1e-6)

    @pytest.mark.parametrize("rate", [10.0, 1e6, 3e38])
    def test_a_rate_that_diverges_is_told(self, rate):
        rows = ratings()
        model = fastrec.BiasedMF(5, random_state=0).fit(rows)
        before = model.item_factors_
        model.set_params(learning_rate=rate)
        with pytest.raises(ValueError, match=r"learning_rate: expected .* epoch \d+ .*; use a smaller one"):
            model.fit(rows, compute_loss=rate < 1e3)
        with pytest.raises(ValueError, match=r"learning_rate"):
            model.partial_fit(rows)
        with pytest.raises(ValueError, match=r"learning_rate"):
            model.recommend(None, rows, 3)
        assert model.item_factors_ is before

    def test_ratings_out_of_any_scale(self):
        rows = ratings()
        rows.data[3] = 1e19
        with pytest.raises(ValueError, match="user_items: expected values of up to"):
            fastrec.BiasedMF(4).fit(rows)

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"n_factors": -1}, ValueError),
            ({"n_factors": 2.0}, TypeError),
            ({"learning_rate": np.inf}, ValueError),
            ({"regularization": -0.1}, ValueError),
            ({"n_epochs": 1.5}, TypeError),
            ({"optimizer": "adam"}, ValueError),
            ({"biases": 1}, TypeError),
            ({"random_state": -1}, ValueError),
            ({"n_threads": 0}, ValueError),
        ],
    )
    def test_bad_parameters(self, options, error):
        with pytest.raises(error, match=next(iter(options))):
            fastrec.BiasedMF(**options).fit(ratings())

    def test_bad_arguments(self, memory_of):
        with pytest.raises(TypeError, match="compute_loss"):
            fastrec.BiasedMF(4).fit(ratings(), compute_loss=1)
        model = fastrec.BiasedMF(4).fit(ratings())
        for arguments, words in (({"users": [1, 1]}, "users"), ({"users": [0]}, "user_items")):
            with pytest.raises(ValueError, match=words):
                model.partial_fit(ratings()[:2], **arguments)
        memory_of(10**6)
        with pytest.raises(MemoryError, match="GiB"):
            fastrec.BiasedMF(4096).fit(ratings())
