"""Models by stochastic gradient descent: every step by its definition, and what holds for all of them."""

import inspect
import itertools
import re
import threading
import time

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

import fastrec
import processes
from equality import scores_by_item
from fastrec import _blocks, _random, _threads
from fastrec.models import descent
from fastrec.reference import gradient as reference

SAME = {"rtol": 2e-4, "atol": 2e-5}  # float32 steps beside float64 ones, a few hundred later


def ratings(seed=0, n_users=30, n_items=40, density=0.2):
    rng = np.random.default_rng(seed)
    matrix = sp.random_array((n_users, n_items), density=density, rng=rng, format="csr", dtype=np.float32)
    matrix.data = rng.integers(1, 4, matrix.nnz).astype(np.float32)
    return matrix


def clusters(n_users=120, n_items=60, n_clusters=3, density=0.3, seed=0):
    """Users who like items of their own cluster only."""
    rng = np.random.default_rng(seed)
    own = np.arange(n_users)[:, None] % n_clusters == np.arange(n_items)[None, :] % n_clusters
    return sp.csr_array((own & (rng.random(own.shape) < density)).astype(np.float32)), own


@pytest.fixture
def blocks_of(monkeypatch):
    """Lets small data have so many blocks."""
    return lambda n: monkeypatch.setattr(_blocks, "blocks_for", lambda *_: n)


@pytest.fixture(params=[1, 3])
def in_blocks(request, blocks_of):
    blocks_of(request.param)
    return request.param


def by_definition(model, rows, seed, n_epochs, n_blocks, **options):
    """What the definition makes of the factors that a model starts from."""
    start = clone(model).set_params(n_epochs=0, random_state=seed).fit(rows)
    names = inspect.signature(DEFINITIONS[type(model)]).parameters
    told = {name: value for name, value in model.get_params().items() if name in names} | options
    return DEFINITIONS[type(model)](
        rows, start.user_factors_, start.item_factors_, epochs=range(n_epochs),
        key=int(_random.keyed(seed, descent.FOR_EPOCHS)), n_blocks=n_blocks, **told,
    )  # fmt: skip


def is_same(model, defined):
    x, y, b = defined
    return (
        np.allclose(model.user_factors_, x, **SAME)
        and np.allclose(model.item_factors_, y, **SAME)
        and (not model.item_bias or np.allclose(model.item_biases_, b, **SAME))
    )


def drawn(rows, negative_sampling):
    """How often each item is among those that negatives are drawn from."""
    return np.bincount(rows.indices, minlength=rows.shape[1]) if negative_sampling == "popularity" else np.ones(40, int)


DEFINITIONS = {fastrec.BPR: reference.bpr_epochs, fastrec.WARP: reference.warp_epochs}
FOLD_INS = {fastrec.BPR: reference.bpr_fold_in, fastrec.WARP: reference.warp_fold_in}
RATES = {fastrec.BPR: {}, fastrec.WARP: {"learning_rate": 0.02}}  # at which rounding does not decide what violates


@pytest.fixture(params=DEFINITIONS)
def kind(request):
    return request.param


class TestDefinition:
    @pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
    @pytest.mark.parametrize("negative_sampling", ["uniform", "popularity"])
    @pytest.mark.parametrize("item_bias", [False, True])
    @pytest.mark.parametrize("sample_weight", [None, "value"])
    def test_equals_definition(self, kind, in_blocks, optimizer, negative_sampling, item_bias, sample_weight):
        model = kind(
            5, optimizer=optimizer, negative_sampling=negative_sampling, item_bias=item_bias, regularization=0.01,
            sample_weight=sample_weight, n_epochs=3, random_state=7, **RATES[kind],
        )  # fmt: skip
        rows = ratings()
        assert is_same(model.fit(rows), by_definition(model, rows, 7, 3, in_blocks))

    @given(
        st.sampled_from(list(DEFINITIONS)),
        st.integers(0, 2**32),
        st.integers(1, 40),
        st.sampled_from([1, 2, 4]),
        st.floats(0.05, 0.95),
    )
    def test_equals_definition_on_any_matrix(self, kind, seed, n_factors, n_blocks, density):
        rows = ratings(seed, n_users=12, n_items=9, density=density)
        model = kind(n_factors, n_epochs=2, random_state=seed, **RATES[kind])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_blocks, "blocks_for", lambda *_: n_blocks)
            model.fit(rows)
        assert is_same(model, by_definition(model, rows, seed, 2, n_blocks))

    @pytest.mark.parametrize("negative_sampling", ["uniform", "popularity"])
    @pytest.mark.parametrize("item_bias", [False, True])
    @pytest.mark.parametrize("sample_weight", [None, "value"])
    def test_new_users_equal_definition(self, kind, negative_sampling, item_bias, sample_weight):
        options = {"learning_rate": 0.02, "regularization": 0.01, "sample_weight": sample_weight}
        model = kind(5, negative_sampling=negative_sampling, item_bias=item_bias, n_epochs=3, random_state=7, **options)
        rows, new = ratings(), ratings(8)
        scores = scores_by_item(model.fit(rows).recommend(None, new, 40, exclude_seen=False))
        biases = model.item_biases_ if item_bias else np.zeros(40)

        def defined(**others):
            fixed = model.item_factors_, biases, drawn(rows, negative_sampling)
            return FOLD_INS[kind](new, *fixed, **{**options, **others}) @ model.item_factors_.T + biases

        np.testing.assert_allclose(scores, defined(), **SAME)
        for others in ({"regularization": 0.02}, {"learning_rate": 0.021}, {"n_passes": 29}):
            assert not np.allclose(scores, defined(**others), **SAME)

    def test_the_comparison_can_fail(self, kind, in_blocks):
        rows = ratings()
        model = kind(5, n_epochs=3, random_state=7).fit(rows)
        others = {"sgd": "adagrad", "adagrad": "sgd"}
        for options in ({"learning_rate": 0.051}, {"regularization": 0.01}, {"optimizer": others[model.optimizer]}):
            assert not is_same(model, by_definition(model, rows, 7, 3, in_blocks, **options))
        assert not is_same(model, by_definition(model, rows, 7, 3, 2))

    def test_draws_of_warp(self, in_blocks):
        rows = ratings(density=0.5)
        for max_draws in (1, 3):
            model = fastrec.WARP(5, n_epochs=3, random_state=1, max_draws=max_draws, **RATES[fastrec.WARP]).fit(rows)
            assert is_same(model, by_definition(model, rows, 1, 3, in_blocks))
            assert not is_same(model, by_definition(model, rows, 1, 3, in_blocks, max_draws=max_draws + 1))

    def test_weights_of_one_are_no_weights(self, kind):
        rows = ratings()
        rows.data[:] = 1
        plain, weighted = (kind(4, n_epochs=2, random_state=0, sample_weight=w) for w in (None, "value"))
        np.testing.assert_array_equal(plain.fit(rows).item_factors_, weighted.fit(rows).item_factors_)

    def test_values_matter_with_weights_only(self, kind):
        rows = ratings()
        fractional = rows * np.float32(0.5)
        for weight, same in ((None, True), ("value", False)):
            first, second = (
                kind(4, n_epochs=2, random_state=0, sample_weight=weight).fit(x) for x in (rows, fractional)
            )
            assert np.array_equal(first.item_factors_, second.item_factors_) is same

    @pytest.mark.parametrize("n_parts", [1, 4])
    def test_every_interaction_once_an_epoch(self, n_parts):
        rows = ratings()
        drawn = [(one.user, one.item) for one in reference.positives(rows, 5, 2, 3, n_parts)]
        assert sorted(drawn) == list(zip(*(part.tolist() for part in rows.nonzero()), strict=True))


MODELS = {
    "BPR": lambda **o: fastrec.BPR(8, **{"random_state": 0, "n_epochs": 5, **o}),
    "BPR, adagrad, biases": lambda **o: fastrec.BPR(
        8, **{"random_state": 0, "n_epochs": 5, "optimizer": "adagrad", "item_bias": True, **o}
    ),
    "WARP": lambda **o: fastrec.WARP(8, **{"random_state": 0, "n_epochs": 5, **o}),
    "WARP, sgd": lambda **o: fastrec.WARP(
        8, **{"random_state": 0, "n_epochs": 5, "optimizer": "sgd", "item_bias": False, "learning_rate": 0.01, **o}
    ),
    "LogisticMF": lambda **o: fastrec.LogisticMF(8, **{"random_state": 0, "n_epochs": 5, **o}),
    "LogisticMF, sgd, weights": lambda **o: fastrec.LogisticMF(
        8,
        **{
            "random_state": 0,
            "n_epochs": 5,
            "optimizer": "sgd",
            "learning_rate": 0.02,
            "regularization": 0.5,
            "negative_sampling": "popularity",
            "sample_weight": "value",
            "biases": False,
            **o,
        },
    ),
    "BPR, popularity, weights": lambda **o: fastrec.BPR(
        8, **{"random_state": 0, "n_epochs": 5, "negative_sampling": "popularity", "sample_weight": "value", **o}
    ),
}


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model_of(request):
    return request.param


def learned(model):
    names = (*model._learned, *model._optional)
    return {name: getattr(model, name) for name in names if hasattr(model, name)}


def assert_same_learned(first, second):
    one, other = learned(first), learned(second)
    assert set(one) == set(other)
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


class TestAll:
    @pytest.mark.parametrize("n_threads", [2, 3, 8])
    def test_same_bits_at_any_number_of_threads(self, model_of, n_threads, blocks_of):
        blocks_of(4)
        rows = ratings(1, 200, 150)
        assert_same_learned(model_of(n_threads=1).fit(rows), model_of(n_threads=n_threads).fit(rows))

    def test_same_bits_however_often_it_could_be_stopped(self, model_of, in_blocks, monkeypatch):
        rows = ratings(1, 200, 150)
        expected = model_of().fit(rows)
        monkeypatch.setattr(_blocks, "_AT_ONCE", 3)
        assert_same_learned(model_of().fit(rows), expected)

    @pytest.mark.parametrize("n_users", [30, 34])
    def test_partial_fit_of_more_rows(self, model_of, n_users):
        """Who is new starts as in a fit of all."""
        rows = ratings(2, n_users, 40)
        model = model_of(n_epochs=2).fit(rows[:30]).partial_fit(rows, n_epochs=0)
        start = model_of(n_epochs=0).fit(rows)
        assert model.user_factors_.shape[0] == n_users
        np.testing.assert_array_equal(model.user_factors_[30:], start.user_factors_[30:])
        model.partial_fit(rows, n_epochs=3)
        assert (model.user_factors_[30:] != start.user_factors_[30:]).any(axis=1).all()
        model._check_learned()

    def test_learns(self, model_of):
        rows, own = clusters()
        model = model_of(n_epochs=60).fit(rows)
        top = model.recommend(np.arange(len(own)), rows, 5).items
        assert np.take_along_axis(own, top, axis=1).mean() > 0.8

    def test_new_users_are_folded_in(self, model_of):
        rows, own = clusters()
        model = model_of(n_epochs=60).fit(rows)
        top = model.recommend(None, rows[:30], 5).items
        assert np.take_along_axis(own[:30], top, axis=1).mean() > 0.8

    def test_the_same_row_has_the_same_factors(self, model_of):
        rows = ratings()
        model = model_of().fit(rows)
        alone = model.recommend(None, rows[[5]], 6)
        among = model.recommend(None, rows[[3, 5, 5]], 6, n_threads=3)
        for at in (1, 2):
            np.testing.assert_array_equal(alone.scores[0], among.scores[at])

    def test_further_epochs_are_those_of_one_fit(self, model_of, in_blocks):
        rows = ratings()
        assert_same_learned(
            model_of(n_epochs=5).fit(rows), model_of(n_epochs=2).fit(rows).partial_fit(rows, n_epochs=3)
        )

    def test_partial_fit_of_a_new_model_is_fit(self, model_of):
        rows = ratings()
        model = model_of(n_epochs=9).partial_fit(rows, n_epochs=2)
        assert model.n_epochs == 9
        assert_same_learned(model, model_of(n_epochs=2).fit(rows))
        with pytest.raises(fastrec.NotFittedError):
            model_of().partial_fit(rows[:1], users=[3])

    @pytest.mark.parametrize("by", ["uniform", "popularity"])
    @pytest.mark.parametrize("users", [None, range(200)])
    def test_partial_fit_of_items_that_nobody_had(self, model_of, by, users, blocks_of):
        """Their blocks have nothing that negatives could have been drawn from before."""
        blocks_of(4)
        few, rows = sp.csr_array(([1, 1, 1], ([0, 1, 2], [7, 7, 7])), shape=(200, 150)), ratings(1, 200, 150)
        first, second = (
            model_of(negative_sampling=by, n_threads=n).fit(few).partial_fit(rows, users=users, n_epochs=3)
            for n in (1, 3)
        )
        assert_same_learned(first, second)
        counts = np.bincount(rows.indices, minlength=150)
        if not isinstance(first, fastrec.LogisticMF) or users is None:
            assert (first.item_counts_ >= counts).all()
        if users is None:
            np.testing.assert_array_equal(first.item_counts_, counts)
        empty = model_of(negative_sampling=by).fit(few * 0).partial_fit(rows, users=users)
        assert all(np.isfinite(value).all() for value in learned(empty).values())

    def test_what_does_not_fit_float32_is_refused_without_a_warning(self, model_of, recwarn):
        rows = ratings().astype(np.float64)
        for parameter in ("learning_rate", "regularization"):
            with pytest.raises(ValueError, match=f"{parameter}: expected a number from 0 to 3.4"):
                model_of(**{parameter: 1e39}).fit(rows)
        with pytest.raises(ValueError, match="user_items: expected values of up to 1e"):
            model_of(sample_weight="value").fit(rows * 1e300)
        model = model_of(sample_weight="value").fit(rows)
        with pytest.raises(ValueError, match="user_items: expected values of up to 1e"):
            model.recommend(None, rows * 1e300, 3)
        with pytest.raises(ValueError, match=r"learning_rate: expected .* by folding in"):
            model.set_params(learning_rate=1e30, regularization=1.0, optimizer="sgd").recommend(None, rows * 1e10, 3)
        assert not recwarn

    @pytest.mark.parametrize("value", ["", "none", 0, False, [], "values"])
    def test_a_sample_weight_is_none_or_value(self, model_of, value):
        with pytest.raises((TypeError, ValueError), match="sample_weight: expected None, or one of 'value', got"):
            model_of(sample_weight=value).fit(ratings())

    def test_partial_fit_of_some_users_leaves_the_others(self, model_of):
        rows = ratings()
        model = model_of().fit(rows)
        before = model.user_factors_.copy()
        model.partial_fit(rows[[3, 9]], users=[3, 32], n_epochs=2)
        assert model.user_factors_.shape == (33, 8)
        others = np.setdiff1d(np.arange(30), [3])
        np.testing.assert_array_equal(model.user_factors_[others], before[others])
        assert (model.user_factors_[3] != before[3]).any()
        assert (model.user_factors_[30:32] == 0).all()
        assert (model.user_factors_[32] != 0).all()
        assert model.recommend([32], rows[[9]], 3).items.shape == (1, 3)

    @pytest.mark.parametrize("first", ["sgd", "adagrad"])
    def test_squares_of_who_was_not_learned_from_are_those_of_the_start(self, model_of, first):
        rows = ratings()
        model = model_of(optimizer=first).fit(rows).set_params(optimizer="adagrad")
        model.partial_fit(rows[[3, 9]], users=[3, 32])
        if first == "sgd" and isinstance(model, fastrec.LogisticMF):  # items have none, so users need none yet
            assert not hasattr(model, "user_squares_")
            return
        assert (model.user_squares_[[3, 32]] > 1).any(axis=1).all()
        assert (model.user_squares_[30:32] == 1).all()
        assert first == "adagrad" or (np.delete(model.user_squares_, [3, 32], axis=0) == 1).all()
        assert (getattr(model, "user_bias_squares_", np.ones(33))[30:32] == 1).all()

    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            ({"users": [1, 1]}, ValueError, "users"),
            ({"users": [0]}, ValueError, "user_items"),
            ({"n_epochs": -1}, ValueError, "n_epochs"),
            ({"n_epochs": 1.0}, TypeError, "n_epochs"),
        ],
    )
    def test_partial_fit_refuses(self, model_of, arguments, error, words):
        model = model_of().fit(ratings())
        before = learned(model)
        with pytest.raises(error, match=words):
            model.partial_fit(ratings()[:2], **arguments)
        with pytest.raises(ValueError, match="user_items"):
            model.partial_fit(ratings(n_items=41))
        with pytest.raises(ValueError, match="n_factors"):
            model.set_params(n_factors=3).partial_fit(ratings())
        assert all(learned(model)[name] is value for name, value in before.items())

    def test_users_who_have_everything_and_items_that_nobody_has(self, model_of, in_blocks):
        rows = ratings().tolil()
        rows[4] = 1
        rows[:, 7] = 0
        rows = sp.csr_array(rows)
        model = model_of().fit(rows)
        assert all(np.isfinite(value).all() for value in learned(model).values())
        top = model.recommend([4], rows[[4]], 3)
        assert (top.items[0] == [7, -1, -1]).all()
        if isinstance(model, fastrec.LogisticMF):  # which learns from what users have alone
            return
        everything = model_of().fit(np.ones((6, 4), np.float32))
        start = model_of(n_epochs=0).fit(np.ones((6, 4), np.float32))
        np.testing.assert_array_equal(everything.user_factors_, start.user_factors_)

    def test_nothing_to_learn_from(self, model_of):
        rows = sp.csr_array((3, 4), dtype=np.float32)
        model = model_of().fit(rows)
        assert (model.user_factors_ == 0).all()
        assert model.recommend([0], rows[[0]], 2).items.shape == (1, 2)

    @pytest.mark.parametrize("rate", [1e6, 1e20, 3e38])
    def test_a_rate_that_diverges_is_told(self, rate, model_of):
        rows = ratings()
        model = model_of().fit(rows)
        before = model.item_factors_
        model.set_params(learning_rate=rate, regularization=1.0, optimizer="sgd", n_epochs=30)
        with pytest.raises(ValueError, match=r"learning_rate: expected .* epoch \d+ .*; use a smaller one"):
            model.fit(rows)
        assert model.item_factors_ is before

    def test_negative_values_are_refused(self, model_of):
        rows = ratings()
        rows.data[2] = -1
        with pytest.raises(ValueError, match=re.escape("user_items: expected values of at least 0 (interactions)")):
            model_of().fit(rows)
        model = model_of().fit(ratings())
        with pytest.raises(ValueError, match="user_items"):
            model.recommend(None, rows, 3)
        with pytest.raises(ValueError, match="user_items"):
            model.partial_fit(rows)

    def test_callback(self, model_of):
        calls = []
        model_of(n_epochs=4).fit(clusters()[0], callback=lambda *call: calls.append(call))
        assert [epoch for epoch, _, _ in calls] == [0, 1, 2, 3]
        assert all(seconds >= 0 for _, seconds, _ in calls)
        assert calls[0][2] > calls[-1][2] > 0

    def test_an_error_leaves_the_model_as_it_was(self, model_of):
        model = model_of().fit(ratings(0))
        before = learned(model)

        def fail(*_):
            raise RuntimeError("stop")

        with pytest.raises(RuntimeError):
            model.fit(ratings(1), callback=fail)
        assert all(learned(model)[name] is value for name, value in before.items())

    def test_early_stopping_keeps_the_best_epoch(self, model_of):
        scores = iter([1.0, 3.0, 2.0, 2.0, 2.0, 9.0])
        rows = ratings()
        rule = fastrec.EarlyStopping(lambda _: next(scores), patience=3)
        model = model_of(n_epochs=20).fit(rows, early_stopping=rule)
        assert model.n_epochs_ == 2
        np.testing.assert_array_equal(model.validation_scores_, [1, 3, 2, 2, 2])
        np.testing.assert_array_equal(model.item_factors_, model_of(n_epochs=2).fit(rows).item_factors_)

    def test_what_was_learned_before_is_forgotten(self, model_of):
        rows = ratings()
        model = model_of().fit(rows, early_stopping=fastrec.EarlyStopping(lambda _: 0.0, patience=1))
        assert_same_learned(model.fit(rows), model_of().fit(rows))

    def test_progress_goes_to_stderr(self, model_of, capsys):
        model_of().fit(ratings(), progress=True)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "5/5" in captured.err

    def test_more_memory_than_there_is(self, memory_of):
        memory_of(10**6)
        with pytest.raises(MemoryError, match="GiB"):
            fastrec.BPR(4096).fit(ratings())

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"n_factors": 0}, ValueError),
            ({"n_factors": 2.0}, TypeError),
            ({"learning_rate": -0.1}, ValueError),
            ({"learning_rate": np.nan}, ValueError),
            ({"regularization": -1}, ValueError),
            ({"regularization": "1"}, TypeError),
            ({"n_epochs": -1}, ValueError),
            ({"optimizer": "adam"}, ValueError),
            ({"optimizer": None}, TypeError),
            ({"negative_sampling": "all"}, ValueError),
            ({"item_bias": 1}, TypeError),
            ({"sample_weight": "count"}, ValueError),
            ({"sample_weight": 1}, TypeError),
            ({"random_state": -1}, ValueError),
            ({"n_threads": 0}, ValueError),
        ],
    )
    def test_bad_parameters(self, kind, options, error):
        with pytest.raises(error, match=next(iter(options))):
            kind(**options).fit(ratings())
        with pytest.raises(ValueError, match="max_draws"):
            fastrec.WARP(max_draws=0).fit(ratings())


class TestLogisticMF:
    @pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
    @pytest.mark.parametrize("negative_sampling", ["uniform", "popularity"])
    @pytest.mark.parametrize("biases", [False, True])
    @pytest.mark.parametrize("sample_weight", [None, "value"])
    def test_equals_definition(self, optimizer, negative_sampling, biases, sample_weight):
        options = {"optimizer": optimizer, "negative_sampling": negative_sampling, "biases": biases,
                   "sample_weight": sample_weight, "learning_rate": 0.02, "regularization": 0.5}  # fmt: skip
        assert self.is_same(self.fitted(**options), self.by_definition(**options))

    @given(st.integers(0, 2**32), st.integers(1, 40), st.integers(0, 9), st.floats(0.05, 0.95))
    def test_equals_definition_on_any_matrix(self, seed, n_factors, n_negatives, density):
        rows = ratings(seed, n_users=12, n_items=9, density=density)
        options = {"rows": rows, "n_factors": n_factors, "seed": seed, "n_negatives": n_negatives}
        assert self.is_same(self.fitted(**options), self.by_definition(**options))

    def test_the_comparison_can_fail(self):
        model = self.fitted()
        for options in ({"learning_rate": 0.31}, {"regularization": 0.7}, {"n_negatives": 3}, {"optimizer": "sgd"}):
            assert not self.is_same(model, self.by_definition(**options))

    @pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
    @pytest.mark.parametrize("negative_sampling", ["uniform", "popularity"])
    @pytest.mark.parametrize("biases", [False, True])
    @pytest.mark.parametrize("sample_weight", [None, "value"])
    def test_new_users_equal_definition(self, optimizer, negative_sampling, biases, sample_weight):
        options = {"optimizer": optimizer, "biases": biases, "sample_weight": sample_weight, "learning_rate": 0.02,
                   "regularization": 0.5}  # fmt: skip
        rows, new = ratings(), ratings(8)
        model = self.fitted(rows, negative_sampling=negative_sampling, **options).partial_fit(new, users=range(30))
        of_items = model.item_biases_ if biases else np.zeros(40)
        fixed = model.item_factors_, of_items, drawn(rows, negative_sampling), -(-2 * rows.nnz // 30)
        factors, own = reference.logistic_fold_in(new, *fixed, **options)
        np.testing.assert_allclose(model.user_factors_, factors, **SAME)
        if biases:
            np.testing.assert_allclose(model.user_biases_, own, **SAME)
        for other in ({"regularization": 0.51}, {"learning_rate": 0.021}, {"n_passes": 29}):
            factors, _ = reference.logistic_fold_in(new, *fixed, **{**options, **other})
            assert not np.allclose(model.user_factors_, factors, **SAME)

    def test_scores_are_log_odds(self):
        model = self.fitted()
        top = model.recommend(4, None, 40, exclude_seen=False)
        scores = model.item_factors_ @ model.user_factors_[4] + model.item_biases_ + model.user_biases_[4]
        np.testing.assert_allclose(top.scores[0], scores[top.items[0]], rtol=1e-5, atol=1e-6)
        clustered, own = clusters()
        model = fastrec.LogisticMF(8, n_epochs=30, regularization=0.1, random_state=0).fit(clustered)
        odds = model.recommend(np.arange(len(own)), None, own.shape[1], exclude_seen=False)
        assert np.take_along_axis(own, odds.items, axis=1)[odds.scores > 0].mean() > 0.9

    def test_a_rate_that_diverges_in_folding_in_is_told(self):
        model = self.fitted(optimizer="sgd", learning_rate=0.01).set_params(learning_rate=1e30)
        with pytest.raises(ValueError, match="learning_rate"):
            model.recommend(None, ratings(), 3)

    def test_a_rate_that_diverges_in_the_last_pass_is_told(self):
        """The loss, which is that of before each pass, is a number in all thirty."""
        model = self.fitted(optimizer="sgd", learning_rate=0.01, biases=False)
        for rate in np.geomspace(10, 30, 200):
            model.set_params(learning_rate=float(rate), regularization=1.0)
            try:
                found = model.recommend(None, ratings(), 3)
            except ValueError:
                return
            assert np.isfinite(found.scores).all(), rate
        raise AssertionError("no rate diverges")

    def test_an_optimizer_may_change(self):
        rows = ratings()
        for first, second in (("adagrad", "sgd"), ("sgd", "adagrad")):
            model = self.fitted(optimizer=first, learning_rate=0.02).set_params(optimizer=second)
            model.partial_fit(rows[[1]], users=[31])
            model._check_learned()
            model.partial_fit(rows[[*range(30), 1, 2]])
            model._check_learned()
            assert hasattr(model, "item_squares_") == (second == "adagrad")

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"n_factors": 0}, ValueError),
            ({"learning_rate": -1}, ValueError),
            ({"regularization": np.nan}, ValueError),
            ({"n_negatives": -1}, ValueError),
            ({"n_negatives": 1.0}, TypeError),
            ({"negative_sampling": "all"}, ValueError),
            ({"optimizer": "adam"}, ValueError),
            ({"biases": None}, TypeError),
            ({"sample_weight": "count"}, ValueError),
        ],
    )
    def test_bad_parameters(self, options, error):
        with pytest.raises(error, match=next(iter(options))):
            self.fitted(**options)

    def test_more_memory_than_there_is(self, memory_of):
        memory_of(10**6)
        with pytest.raises(MemoryError, match="GiB"):
            self.fitted(n_factors=4096)

    def fitted(self, rows=None, seed=7, n_factors=5, n_epochs=3, **options):
        model = fastrec.LogisticMF(n_factors, n_epochs=n_epochs, random_state=seed, **options)
        return model.fit(ratings() if rows is None else rows)

    def by_definition(self, rows=None, seed=7, n_factors=5, **options):
        rows = ratings() if rows is None else rows
        start = self.fitted(rows, seed, n_factors, 0)
        return reference.logistic_epochs(
            rows, start.user_factors_, start.item_factors_, epochs=range(3),
            key=int(_random.keyed(seed, descent.FOR_EPOCHS)), **options,
        )  # fmt: skip

    def is_same(self, model, defined):
        names = ["user_factors_", "item_factors_", "user_biases_", "item_biases_"][: 4 if model.biases else 2]
        return all(
            np.allclose(getattr(model, name), values, **SAME) for name, values in zip(names, defined, strict=False)
        )


class TestBlocks:
    def test_number_follows_from_the_data(self):
        assert _blocks.blocks_for(100, 10, 10) == 1
        assert _blocks.blocks_for(810_128, 29_858, 40_981) == 8
        assert _blocks.blocks_for(10**7, 10**6, 100) == 1
        assert _blocks.blocks_for(10**12, 10**9, 10**9) == 64

    def test_a_layer_has_few_interactions_of_a_user(self):
        layers = [_blocks.layers_for(n_stored, 100) for n_stored in (0, 399, 400, 799, 800, 6_400, 10**9)]
        assert layers == [1, 1, 2, 2, 4, 32, 32]

    @pytest.mark.parametrize("n_blocks", [1, 2, 8])
    def test_cells_of_a_block_of_items_stand_together_and_after_what_they_need(self, n_blocks):
        cells = _blocks.cells_in_order(2, n_blocks)
        assert sorted(cells) == list(itertools.product(range(2), range(n_blocks), range(n_blocks)))
        items = [(of_users + step) % n_blocks for _, step, of_users in cells]
        assert sum(one != other for one, other in itertools.pairwise(items)) <= 2 * (2 * n_blocks - 1)
        for at, (part, step, of_users) in enumerate(cells):
            before = {(part, step - 1, of_users), (part, step - 1, (of_users + 1) % n_blocks)} if step else set()
            assert before <= set(cells[:at])
            assert all(earlier[0] <= part for earlier in cells[:at])

    @pytest.mark.parametrize("n_threads", [1, 2, 5])
    def test_tasks_run_once_and_after_what_they_need(self, n_threads):
        ended, wrong = set(), []

        def needs(number):
            return [n for n in (number - 3, number - 4) if n >= 0]

        def task(number):
            wrong.extend(n for n in needs(number) if n not in ended)
            yield
            ended.add(number)

        _threads.run_in_order(task, needs, 500, n_threads)
        assert not wrong
        assert ended == set(range(500))

    @pytest.mark.parametrize("n_threads", [1, 2, 5])
    @pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
    def test_what_a_task_raises_ends_all(self, n_threads, error):
        begun = []

        def task(number):
            begun.append(number)
            if number == 20:
                raise error
            yield

        with pytest.raises(error):
            _threads.run_in_order(task, lambda n: range(max(0, n - 1), n), 10**6, n_threads)
        assert len(begun) < 1000

    def test_what_a_task_raises_ends_others_where_they_yield(self):
        endless = threading.Event()

        def task(number):
            if number == 0:
                for _ in itertools.count():
                    endless.set()
                    yield
            endless.wait()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            _threads.run_in_order(task, lambda n: (), 2, 2)

    def test_a_missed_need_is_found(self):
        """The order above would be broken without waiting: a task that sleeps is overtaken."""
        order = []

        def task(number):
            time.sleep(0.05 if number == 0 else 0)
            order.append(number)
            yield

        _threads.run_in_order(task, lambda n: (), 4, 2)
        assert order[0] != 0


def test_import_compiles_nothing_and_needs_no_numba(tmp_path):
    assert processes.run("import sys, fastrec; print('numba' in sys.modules)", tmp_path).strip() == "False"
