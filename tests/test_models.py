"""What every model promises, over all of them."""

import hashlib
import inspect
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import fastrec

MODELS = {
    "Popularity": fastrec.Popularity(),
    "ItemKNN": fastrec.ItemKNN(k=5),
    "UserKNN": fastrec.UserKNN(k=5),
    "P3alpha": fastrec.P3alpha(k=5),
    "RP3beta": fastrec.RP3beta(k=5, beta=0.5),
    "ItemKNN-bm25": fastrec.ItemKNN(k=5, weighting="bm25", shrinkage=1.0),
    "ExplicitALS": fastrec.ExplicitALS(4, n_epochs=3, random_state=0),
    "ExplicitALS-nonnegative": fastrec.ExplicitALS(3, biases=False, nonnegative=True, n_epochs=2, random_state=0),
    "NMF": fastrec.NMF(4, n_epochs=3, random_state=0),
    "NMF-unobserved": fastrec.NMF(
        3, unseen="unobserved", l2_regularization=(0.5, 1.0), start="random", n_epochs=2, random_state=0
    ),
    "PureSVD": fastrec.PureSVD(4, random_state=0),
    "PureSVD-dense": fastrec.PureSVD(15, dtype="float64"),
    "EASE": fastrec.EASE(5.0),
    "EASE-float64": fastrec.EASE(5.0, dtype="float64"),
    "SLIM": fastrec.SLIM(0.5, 2.0),
    "SLIM-signed": fastrec.SLIM(0.5, 2.0, k=5, positive=False),
    "ImplicitALS": fastrec.ImplicitALS(4, n_epochs=3, random_state=0),
    "BPR": fastrec.BPR(4, n_epochs=3, random_state=0),
    "BPR-all": fastrec.BPR(
        5,
        n_epochs=2,
        optimizer="adagrad",
        negative_sampling="popularity",
        item_bias=True,
        sample_weight="value",
        random_state=1,
    ),
    "WARP": fastrec.WARP(4, n_epochs=3, random_state=0),
    "LogisticMF": fastrec.LogisticMF(4, n_epochs=3, random_state=0),
    "LogisticMF-no-biases": fastrec.LogisticMF(3, n_epochs=2, optimizer="sgd", biases=False, random_state=0),
    "BiasedMF": fastrec.BiasedMF(4, n_epochs=3, random_state=0),
    "BiasedMF-adagrad": fastrec.BiasedMF(3, n_epochs=2, optimizer="adagrad", random_state=0),
    "ImplicitALS-float64": fastrec.ImplicitALS(5, n_epochs=2, alpha=3.0, random_state=1, dtype="float64"),
}
N_USERS, N_ITEMS = 40, 25


def interactions(seed=0, n_users=N_USERS, n_items=N_ITEMS, density=0.2):
    rng = np.random.default_rng(seed)
    matrix = sp.random_array((n_users, n_items), density=density, rng=rng, format="csr", dtype=np.float32)
    matrix.data = np.ceil(matrix.data * 5)
    return matrix


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request):
    return clone(request.param).fit(interactions())


def digest(matrix):
    return [
        hashlib.sha256(np.ascontiguousarray(part)).digest() for part in (matrix.data, matrix.indices, matrix.indptr)
    ]


def same(first, second):
    np.testing.assert_array_equal(first.items, second.items)
    np.testing.assert_array_equal(first.scores, second.scores)


def learned(model):
    names = (*model._learned, *model._optional)
    return {name: getattr(model, name) for name in names if hasattr(model, name)}


class TestRecommend:
    def test_shapes_and_dtypes(self, model):
        top = model.recommend([3, 1, 3], interactions()[[3, 1, 3]], k=7)
        assert top.items.shape == top.scores.shape == (3, 7)
        assert top.items.dtype == np.int32
        same(fastrec.TopK(top.items[:1], top.scores[:1]), model.recommend(3, interactions()[[3]], k=7))

    def test_leaves_out_what_was_seen_only_when_asked(self, model):
        rows = interactions()
        users = np.arange(N_USERS)
        seen = rows.toarray() != 0
        items = model.recommend(users, rows, k=N_ITEMS).items
        assert not any(seen[user, item] for user in users for item in items[user] if item >= 0)
        items = model.recommend(users, rows, k=N_ITEMS, exclude_seen=False).items
        assert any(seen[user, item] for user in users for item in items[user] if item >= 0)

    def test_stored_zeros_were_not_seen_or_are_ratings(self, model):
        rows = interactions()[[0]]
        stored = sp.csr_array((rows.toarray().ravel(), np.arange(N_ITEMS), [0, N_ITEMS]), shape=rows.shape)
        assert stored.nnz == N_ITEMS
        if model._zeros_are_ratings:
            assert (model.recommend(0, stored, k=5).items == -1).all()
        else:
            same(model.recommend(0, rows, k=5), model.recommend(0, stored, k=5))

    def test_prefix_in_k_and_padding(self, model):
        rows, users = interactions(), np.arange(N_USERS)
        long, short = model.recommend(users, rows, k=N_ITEMS + 5), model.recommend(users, rows, k=3)
        np.testing.assert_array_equal(long.items[:, :3], short.items)
        assert (long.items[:, N_ITEMS:] == -1).all()
        assert np.isneginf(long.scores[long.items == -1]).all()

    def test_candidates_minus_exclude_in_both_forms(self, model):
        rows, users = interactions(), np.arange(N_USERS)
        candidates, exclude = [3, 9, 9, 4, 20, 7], [9, 1]
        shared = model.recommend(users, rows, k=6, candidates=candidates, exclude=exclude, exclude_seen=False)
        assert set(shared.items.ravel()) <= {-1, 3, 4, 7, 20}
        tiled = [sp.csr_array(np.tile(np.isin(np.arange(N_ITEMS), ids), (N_USERS, 1))) for ids in (candidates, exclude)]
        same(shared, model.recommend(users, rows, k=6, candidates=tiled[0], exclude=tiled[1], exclude_seen=False))
        filtered = model.recommend(users, rows, k=6, candidates=candidates, exclude=exclude)
        seen = rows.toarray() != 0
        assert not any(seen[user, item] for user in users for item in filtered.items[user] if item >= 0)
        same(filtered, model.recommend(users, rows, k=6, candidates=tiled[0], exclude=tiled[1]))

    def test_users_without_their_rows(self, model):
        rows = interactions()
        with_rows = model.recommend([2, 5], rows[[2, 5]], k=4, exclude_seen=False)
        same(with_rows, model.recommend([2, 5], None, k=4, exclude_seen=False))

    def test_new_users_by_none_or_by_id(self, model):
        rows = interactions(seed=9, n_users=3)
        same(model.recommend(None, rows, k=4), model.recommend([N_USERS, N_USERS + 7, N_USERS + 1], rows, k=4))
        same(model.recommend(None, rows, k=4), model.recommend([0, 1, 2], rows, k=4, recalculate=True))

    def test_known_and_new_users_together(self, model):
        rows = interactions()[[0, 1, 2]]
        mixed = model.recommend([0, N_USERS, 2], rows, k=4)
        same(fastrec.TopK(mixed.items[[1]], mixed.scores[[1]]), model.recommend(None, rows[[1]], k=4))
        same(fastrec.TopK(mixed.items[[0, 2]], mixed.scores[[0, 2]]), model.recommend([0, 2], rows[[0, 2]], k=4))

    def test_a_user_without_history_gets_an_answer(self, model):
        nobody = sp.csr_array((1, N_ITEMS), dtype=np.float32)
        top = model.recommend(None, nobody, k=3)
        assert top.items.shape == (1, 3)
        assert not np.isnan(top.scores).any()

    def test_no_users(self, model):
        assert model.recommend([], interactions()[[]], k=3).items.shape == (0, 3)

    @pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
    def test_same_bits_at_any_number_of_threads(self, model, n_threads):
        rows, users = interactions(), np.arange(N_USERS)
        same(model.recommend(users, rows, k=5, n_threads=1), model.recommend(users, rows, k=5, n_threads=n_threads))

    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            (([0], interactions(), 3), ValueError, "user_items"),
            (([0], interactions(n_items=24)[[0]], 3), ValueError, "user_items"),
            (([0], None, 3), ValueError, "exclude_seen"),
            ((None, None, 3), ValueError, "users=None"),
            (([-1], interactions()[[0]], 3), ValueError, "users"),
            (([0.5], interactions()[[0]], 3), TypeError, "users"),
            (([[0]], interactions()[[0]], 3), ValueError, "users"),
            (([0], interactions()[[0]], 0), ValueError, "k:"),
            (([0], interactions()[[0]], 2.0), TypeError, "k:"),
        ],
    )
    def test_bad_arguments(self, model, arguments, error, words):
        with pytest.raises(error, match=words):
            model.recommend(*arguments)

    def test_more_memory_than_there_is(self, model):
        with pytest.raises(MemoryError, match="GiB"):
            model.recommend([0], interactions()[[0]], k=10**14)

    def test_bad_options(self, model):
        row = interactions()[[0]]
        for options, error in (
            ({"exclude": [N_ITEMS]}, ValueError),
            ({"candidates": [-1]}, ValueError),
            ({"exclude": interactions()}, ValueError),
            ({"exclude_seen": "yes"}, TypeError),
            ({"recalculate": 1}, TypeError),
            ({"n_threads": 0}, ValueError),
        ):
            with pytest.raises(error, match=next(iter(options))):
                model.recommend([0], row, 3, **options)
        with pytest.raises(ValueError, match="new to this model"):
            model.recommend([N_USERS], None, 3, exclude_seen=False)


class TestFit:
    @pytest.mark.parametrize(
        "convert", [sp.csr_matrix, sp.coo_array, sp.csc_array, lambda x: x.toarray(), sp.csr_array]
    )
    def test_formats_give_the_same_model(self, model, convert):
        rows, users = interactions(), np.arange(N_USERS)
        other = clone(model).fit(convert(rows))
        same(model.recommend(users, rows, k=5), other.recommend(users, convert(rows), k=5))

    def test_inputs_are_unchanged(self, model):
        rows = sp.csr_array(([1.0, 2.0, 0.0, 3.0], [4, 1, 2, 4], [0, 4]), shape=(1, N_ITEMS), dtype=np.float32)
        before = digest(rows)
        clone(model).fit(rows)
        model.recommend(None, rows, 3)
        assert digest(rows) == before

    def test_duplicates_sum(self, model):
        rows = interactions()
        halves = sp.csr_array(
            (np.repeat(rows.data / 2, 2), np.repeat(rows.indices, 2), rows.indptr * 2), shape=rows.shape
        )
        users = np.arange(N_USERS)
        same(model.recommend(users, rows, 5), clone(model).fit(halves).recommend(users, halves, 5))

    @pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (4, 6)])
    def test_empty_matrices_are_allowed(self, model, shape):
        empty = sp.csr_array(shape, dtype=np.float32)
        top = clone(model).fit(empty).recommend(None, empty, 3)
        assert top.items.shape == (shape[0], 3)
        assert not np.isnan(top.scores).any()

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_refuses_what_is_not_finite_and_stays_as_it_was(self, model, value):
        rows, users = interactions(), np.arange(N_USERS)
        before = model.recommend(users, rows, 5)
        bad = rows.copy()
        bad.data[3] = value
        with pytest.raises(ValueError, match="user_items"):
            model.fit(bad)
        same(before, model.recommend(users, rows, 5))

    def test_not_fitted(self, model):
        fresh = clone(model)
        for use in (
            lambda: fresh.recommend(0, interactions()[[0]]),
            lambda: fresh.save("nowhere"),
            lambda: fresh.similar_items(0) if hasattr(fresh, "similar_items") else fresh.recommend(0, None),
        ):
            with pytest.raises(fastrec.NotFittedError, match="call fit"):
                use()
        assert issubclass(fastrec.NotFittedError, ValueError)
        assert issubclass(fastrec.NotFittedError, AttributeError)


class TestHabits:
    def test_parameters_are_kept_as_given(self, model):
        signature = inspect.signature(type(model).__init__).parameters
        assert set(model.get_params()) == set(signature) - {"self"}
        assert all(parameter.default is not parameter.empty for name, parameter in signature.items() if name != "self")
        copy = clone(model)
        assert copy.get_params() == model.get_params()
        assert not hasattr(copy, "_kept")

    def test_set_params_knows_its_names(self, model):
        assert model.set_params(n_threads=2) is model
        assert model.get_params()["n_threads"] == 2
        with pytest.raises(ValueError, match="no parameter 'factors'"):
            model.set_params(factors=3)

    def test_pipeline(self, model):
        pipeline = Pipeline(
            [("binary", FunctionTransformer(lambda x: (x > 0).astype(np.float32))), ("model", clone(model))]
        )
        rows = interactions()
        pipeline.fit(rows)
        binary = (rows > 0).astype(np.float32)
        same(
            pipeline.named_steps["model"].recommend(None, binary, 3),
            clone(model).fit(binary).recommend(None, binary, 3),
        )

    def test_pickles(self, model):
        rows, users = interactions(), np.arange(N_USERS)
        before = model.recommend(users, rows, 5)
        same(before, pickle.loads(pickle.dumps(model)).recommend(users, rows, 5))

    def test_repr_names_what_differs(self):
        assert repr(fastrec.ItemKNN()) == "ItemKNN()"
        assert repr(fastrec.ItemKNN(7, weighting="bm25")) == "ItemKNN(k=7, weighting='bm25')"

    def test_repeats_itself(self, model):
        rows, users = interactions(), np.arange(N_USERS)
        same(model.recommend(users, rows, 5), clone(model).fit(rows).recommend(users, rows, 5))


class TestSimilarItems:
    @pytest.fixture(params=[name for name, model in MODELS.items() if hasattr(model, "similar_items")])
    def model(self, request):
        return clone(MODELS[request.param]).fit(interactions())

    def test_never_the_item_itself(self, model):
        items = np.arange(N_ITEMS)
        top = model.similar_items(items, k=N_ITEMS)
        assert not (top.items == items[:, None]).any()
        assert (top.items[:, -1] == -1).all()

    def test_candidates_and_exclude(self, model):
        top = model.similar_items([0, 1], k=4, candidates=[0, 1, 2, 3], exclude=[3])
        assert set(top.items.ravel()) <= {-1, 0, 1, 2}

    def test_one_item(self, model):
        same(model.similar_items(3, k=4), model.similar_items([3], k=4))

    def test_bad_items(self, model):
        with pytest.raises(ValueError, match="items"):
            model.similar_items(N_ITEMS)
        with pytest.raises(TypeError, match="items"):
            model.similar_items("3")


def test_a_method_without_meaning_is_absent():
    assert not hasattr(fastrec.Popularity, "similar_items")


ORDER_OF_USERS_SHOWS = {
    "UserKNN",
    "BPR",
    "BPR-all",
    "WARP",
    "LogisticMF",
    "LogisticMF-no-biases",
    "BiasedMF",
    "BiasedMF-adagrad",
}  # it breaks ties, and is that of the samples


@given(st.integers(0, 2**16), st.sampled_from(sorted(set(MODELS) - ORDER_OF_USERS_SHOWS)))
def test_permuting_users_permutes_answers(seed, name):
    rng = np.random.default_rng(seed)
    rows = interactions(seed)
    order = rng.permutation(N_USERS)
    model = clone(MODELS[name])
    if "ALS" in name:  # sums run in another order, which float32 would make as large as a row is ill-conditioned
        model.set_params(dtype="float64")
    first, second = clone(model).fit(rows), clone(model).fit(rows[order])
    if "ALS" in name:
        np.testing.assert_allclose(first.user_factors_[order], second.user_factors_, rtol=0, atol=1e-9)
    elif "NMF" in name:  # the same, in float32
        largest = np.abs(second.user_factors_).max()
        np.testing.assert_allclose(first.user_factors_[order], second.user_factors_, rtol=0, atol=1e-4 * largest)
    elif name == "PureSVD":  # iterates from another vector
        np.testing.assert_allclose(first.singular_values_, second.singular_values_, rtol=1e-12)
    elif "PureSVD" in name:
        np.testing.assert_allclose(first.user_factors_[order], second.user_factors_, rtol=0, atol=1e-9)
    elif "P3" in name:  # shares are summed in another order
        best = [model.similarity_.max(axis=1).toarray() for model in (first, second)]
        np.testing.assert_allclose(*best, rtol=1e-6)
    else:
        top = first.recommend(np.arange(N_USERS), rows, 4)
        permuted = second.recommend(np.arange(N_USERS), rows[order], 4)
        same(fastrec.TopK(top.items[order], top.scores[order]), permuted)


WITH_EPOCHS = [name for name, model in MODELS.items() if "early_stopping" in inspect.signature(model.fit).parameters]


@pytest.mark.parametrize("name", WITH_EPOCHS)
def test_a_validation_score_is_asked_of_what_a_fit_of_so_many_epochs_would_be(name):
    """Whether it is the first fit, or one after another to other data and with other parts."""
    rows, users = interactions(1, n_items=N_ITEMS + 3), np.arange(N_USERS)
    seen = []

    def score(model):
        seen.append((learned(model), model.recommend(users, rows, k=6), model.recommend(None, rows, k=6)))
        return float(len(seen))

    rule = fastrec.EarlyStopping(score)
    other = {"optimizer": "adagrad", "item_bias": True, "biases": True, "n_factors": 6}
    for before in (None, {key: value for key, value in other.items() if key in MODELS[name].get_params()}):
        model = clone(MODELS[name]).set_params(n_epochs=3)
        if before is not None:
            given = model.get_params()
            model.set_params(**before).fit(interactions()).set_params(**given)
        seen.clear()
        model.fit(rows, early_stopping=rule)
        assert len(seen) == 3
        for n_epochs, (found, known, new) in enumerate(seen, 1):
            fresh = clone(MODELS[name]).set_params(n_epochs=n_epochs).fit(rows)
            expected = learned(fresh)
            assert set(expected) <= set(found)
            for attribute, value in expected.items():
                np.testing.assert_array_equal(found[attribute], value, err_msg=attribute)
            same(known, fresh.recommend(users, rows, k=6))
            same(new, fresh.recommend(None, rows, k=6))


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if "n_factors" in model.get_params()])
def test_parameters_that_are_changed_after_a_fit_do_not_change_what_was_learned(name):
    rows = interactions()
    model = clone(MODELS[name]).fit(rows)
    before = model.recommend(None, rows, k=6)
    for n_factors in (1, 40):
        same(before, model.set_params(n_factors=n_factors).recommend(None, rows, k=6))
    model.set_params(n_factors=MODELS[name].n_factors)
    # Others always have biases, though zeros: there a switch says what is folded in, as a regularization does.
    switches = {"item_bias", "biases"} if "item_biases_" in model._optional else set()
    for parameter in switches & set(model.get_params()):
        model.set_params(**{parameter: not getattr(model, parameter)})
        same(before, model.recommend(None, rows, k=6))


@pytest.mark.parametrize("model", [fastrec.ImplicitALS(4), fastrec.ExplicitALS(4, biases=False), fastrec.NMF(4)])
def test_items_that_only_new_users_have_are_learned(model):
    """Both would be zero for each other."""
    before = np.ones((20, 6), np.float32)
    before[::2, 0] = 0
    after = np.kron(np.eye(2, dtype=np.float32), before)
    model.set_params(random_state=0).fit(before).partial_fit(after, n_epochs=10)
    assert model.item_factors_[6:].any(axis=1).all()
    assert model.recommend([30], None, 6, exclude_seen=False).items.min() >= 6
