"""fastrec.compat.implicit beside implicit: the same answers, but where those are wrong.

Two rankings are the same where their scores agree rank for rank, and their ids wherever no other score ties. What
implicit fills a row with, filtered items and item 0, is id -1 here.
"""

import contextlib
import copy
import importlib
import importlib.util
import inspect
import io
import itertools
import pickle
import pkgutil
import runpy
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.sparse import coo_matrix, csr_array, csr_matrix
from threadpoolctl import threadpool_info, threadpool_limits

import fastrec.compat
import fastrec.compat.implicit as ours
import processes
from compat.originals import lacking
from fastrec.compat.implicit import evaluation, utils
from fastrec.compat.implicit.cpu import _factors
from fastrec.compat.implicit.cpu.als import AlternatingLeastSquares
from fastrec.compat.implicit.cpu.bpr import BayesianPersonalizedRanking
from fastrec.compat.implicit.cpu.lmf import LogisticMatrixFactorization
from fastrec.compat.implicit.nearest_neighbours import (
    BM25Recommender,
    CosineRecommender,
    ItemItemRecommender,
    TFIDFRecommender,
)
from fastrec.compat.implicit.recommender_base import ModelFitError
from strategies import seeds

PROGRAMS = Path(__file__).parent / "programs"
MODULES = (
    "als", "bpr", "lmf", "cpu.als", "cpu.bpr", "cpu.lmf", "cpu.topk", "cpu.matrix_factorization_base",
    "nearest_neighbours", "evaluation", "utils", "recommender_base",
)  # fmt: skip
LEFT = {"cpu.bpr": {"RNGVector", "bpr_update"}, "cpu.lmf": {"RNGVector", "lmf_update"}}  # loops of theirs
NEIGHBOUR_CLASSES = [ItemItemRecommender, CosineRecommender, TFIDFRecommender, BM25Recommender]
WEIGHTS = ["bm25_weight", "tfidf_weight", "normalize"]
NEIGHBOURS = ["ItemItemRecommender", "CosineRecommender", "TFIDFRecommender", "BM25Recommender"]
QUIET = {"show_progress": False}

needs_original = pytest.mark.skipif(importlib.util.find_spec("implicit") is None, reason="needs implicit")
pytestmark = [
    pytest.mark.filterwarnings("ignore:OpenBLAS is configured:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:.*CSR input.*"),
]


@pytest.fixture(scope="module")
def theirs():
    return original("implicit")


def original(name):
    return importlib.import_module(name)


def interactions(rng, n_users=12, n_items=9, density=0.4, dtype=np.float64):
    """Values that nothing ties by: every user has one, and every item two, for items of one user are parallel.

    No user has all items but one, whose inverse frequency is 0: theirs keeps such zeros as entries.
    """
    present = rng.random((n_users, n_items)) < density
    present[np.arange(n_users), rng.integers(n_items, size=n_users)] = True
    for first in (0, n_users // 2):
        present[first + rng.integers(n_users // 2, size=n_items), np.arange(n_items)] = True
    present[np.ix_(present.sum(axis=1) > n_items - 2, np.argsort(present.sum(axis=0))[-2:])] = False
    return csr_matrix((present * rng.uniform(0.5, 4.0, present.shape)).astype(dtype))


# ---- when two answers are one ---------------------------------------------------------------------------------------


def assert_same_ranking(mine, other, tolerance=1e-5, *, filled=True):
    """Compare ids and scores; with ``filled``, what is left out is -1 in ours and any id in theirs."""
    (ids, scores), (their_ids, their_scores) = mine, other
    assert (ids.shape, ids.dtype, scores.dtype) == (their_ids.shape, their_ids.dtype, their_scores.dtype)
    for row in zip(*map(np.atleast_2d, (ids, scores, their_ids, their_scores)), strict=True):
        assert_same_row(*row, tolerance, filled)


def assert_same_row(ids, scores, their_ids, their_scores, tolerance, filled):
    ranked = scores > np.finfo(np.float32).min
    assert (ids[ranked] >= 0).all()
    if filled:
        assert (ids[~ranked] == -1).all()
    n = int(ranked.sum())
    assert ranked[:n].all()
    np.testing.assert_allclose(scores[:n], their_scores[:n], rtol=tolerance, atol=tolerance)
    apart = np.abs(np.diff(their_scores)) > 2 * tolerance * (1 + np.abs(their_scores[1:]))
    alone = np.append(True, apart) & np.append(apart, True)
    np.testing.assert_array_equal(ids[:n][alone[:n]], their_ids[:n][alone[:n]])


def test_rankings_are_compared():
    ids, scores = np.array([3, 1, 2], np.int32), np.array([2.0, 1.0, 1.0], np.float32)
    assert_same_ranking((ids, scores), (np.array([3, 2, 1], np.int32), scores))
    for wrong in (
        (ids[[1, 0, 2]], scores),
        (ids, scores + 1e-3),
        (ids.astype(np.int64), scores),
        (ids[:2], scores[:2]),
    ):
        with pytest.raises(AssertionError):
            assert_same_ranking(wrong, (ids, scores))


# ---- names ----------------------------------------------------------------------------------------------------------


@needs_original
@pytest.mark.parametrize("name", MODULES)
def test_public_names_and_arguments(name):
    theirs, mine = original(f"implicit.{name}"), importlib.import_module(f"fastrec.compat.implicit.{name}")
    assert lacking(mine, theirs) == LEFT.get(name, set())
    for public, value in vars(theirs).items():
        if public.startswith("_") or not getattr(value, "__module__", "").startswith("implicit"):
            continue
        if public in LEFT.get(name, ()):
            continue
        if inspect.isroutine(value):
            assert arguments(getattr(mine, public)) == arguments(value), public
        elif inspect.isclass(value) and hasattr(value, "fit"):
            for method, of_class in inspect.getmembers(value, callable):
                if not method.startswith("_") or method == "__init__":
                    assert arguments(getattr(getattr(mine, public), method)) == arguments(of_class), (
                        f"{public}.{method}"
                    )


def arguments(function):
    return [(parameter.name, parameter.default) for parameter in inspect.signature(function).parameters.values()]


@needs_original
def test_names_that_are_left_are_those_of_the_library():
    for name, left in LEFT.items():
        for public in left:
            assert getattr(importlib.import_module(f"fastrec.compat.implicit.{name}"), public).__module__.startswith(
                "implicit."
            )


def test_what_is_lacking_is_told():
    theirs, mine = ModuleType("theirs"), ModuleType("mine")
    vars(theirs).update(have=1, lack=2, _private=3, module=np, Any=Any)
    vars(mine).update(have=1, __getattr__=lambda name: 2)
    assert lacking(mine, theirs) == {"lack"}


def test_everything_listed_is_there():
    assert ours.__version__ == "0.7.3"
    assert set(ours.__all__) - {"approximate_als"} <= vars(ours).keys()  # but for what is left to the original


# ---- alternating least squares --------------------------------------------------------------------------------------


def als_pair(theirs, **options):
    return tuple(
        module.AlternatingLeastSquares(use_cg=False, num_threads=1, **options)
        for module in (importlib.import_module("fastrec.compat.implicit.cpu.als"), theirs.cpu.als)
    )


def assert_same_factors(mine, other, tolerance):
    for name in ("user_factors", "item_factors"):
        ours_, theirs_ = getattr(mine, name), getattr(other, name)
        assert (ours_.shape, ours_.dtype) == (theirs_.shape, theirs_.dtype)
        np.testing.assert_allclose(ours_, theirs_, rtol=tolerance, atol=tolerance * np.abs(theirs_).max())


@needs_original
@given(
    seeds,
    st.integers(1, 5),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from([1.0, 0.5, 40]),
    st.integers(0, 3),
    st.booleans(),
)
def test_fit_gives_the_same_factors(theirs, seed, factors, dtype, alpha, iterations, dislikes):
    user_items = interactions(np.random.default_rng(seed))
    if dislikes:
        user_items.data[::5] *= -1
    mine, other = als_pair(
        theirs, factors=factors, regularization=1.0, alpha=alpha, dtype=dtype, iterations=iterations, random_state=seed
    )
    assert mine.fit(user_items, **QUIET) is other.fit(user_items, **QUIET) is None
    tolerance = 2e-2 if dtype == "float32" else 1e-6  # what a start near zero makes of roundings, fit by fit
    assert_same_factors(mine, other, tolerance)
    assert vars(mine).keys() == vars(other).keys()
    mine.fit(user_items, **QUIET)
    other.fit(user_items, **QUIET)
    assert_same_factors(mine, other, tolerance)
    rows = user_items[[2, 3]]
    np.testing.assert_allclose(
        mine.recalculate_user([2, 30], rows), other.recalculate_user([2, 30], rows), rtol=tolerance, atol=tolerance
    )


@needs_original
@pytest.mark.parametrize("loss", [False, True])
def test_callbacks_hear_the_same_and_see_the_factors(theirs, loss):
    user_items, heard = interactions(np.random.default_rng(0)), []
    models = als_pair(theirs, factors=3, iterations=3, random_state=0, calculate_training_loss=loss)
    for model in models:
        told = []

        def callback(epoch, seconds, loss, model=model, told=told):
            assert seconds >= 0
            told.append([epoch, loss or 0.0, model.user_factors.sum(), model.item_factors.sum()])

        model.fit_callback = callback
        model.fit(user_items, **QUIET)
        heard.append(told)
    np.testing.assert_allclose(*heard, rtol=1e-3)


@needs_original
def test_loss_and_solvers(theirs):
    rng = np.random.default_rng(1)
    user_items = interactions(rng).astype(np.float32)
    users, items = rng.normal(size=(12, 3)), rng.normal(size=(9, 3))
    mine, other = importlib.import_module("fastrec.compat.implicit.cpu.als"), theirs.cpu.als
    assert mine.calculate_loss(user_items, users, items, 0.3) == pytest.approx(
        other.calculate_loss(user_items, users, items, 0.3), rel=1e-6
    )
    solved = []
    for module in (mine, other):
        users = np.zeros((12, 3))
        module._als.least_squares(user_items, users, items, 0.3)
        solved.append(users)
    np.testing.assert_allclose(*solved, rtol=1e-6)
    equations = [module.user_linear_equation(items, items.T @ items, user_items, 4, 0.3, 3) for module in (mine, other)]
    for ours_, theirs_ in zip(*equations, strict=True):
        np.testing.assert_allclose(ours_, theirs_, rtol=1e-6)
    arguments_ = items, items.T @ items, user_items, 4, 0.3, 3
    np.testing.assert_allclose(mine.user_factor(*arguments_), solved[1][4], rtol=1e-5)


@pytest.mark.parametrize("call", ["calculate_loss", "least_squares"])
@pytest.mark.parametrize(
    ("users", "items", "message"),
    [
        ((3, 2), (40, 2), "Cui has 60 rows but X has 3"),
        ((60, 2), (3, 2), "Cui has 40 columns or rows but Y has 3"),
        ((60, 2), (40, 3), "X has 2 columns but Y has 3"),
        ((60,), (40, 2), "X: expected a matrix"),
        ((60, 2), (40,), "Y: expected a matrix"),
    ],
)
def test_factors_of_another_size_are_refused(call, users, items, message):  # kernels follow them without looking
    user_items = interactions(np.random.default_rng(1), 60, 40)
    with pytest.raises(ValueError, match=message):
        getattr(ours.cpu.als, call)(user_items, np.ones(users), np.ones(items), 0.1)


@pytest.mark.parametrize("wrong", ["X", "Y"])
def test_factors_that_are_solved_are_floats(wrong):
    factors = {"X": np.ones((12, 2)), "Y": np.ones((9, 2))}
    factors[wrong] = factors[wrong].astype(np.int64)
    with pytest.raises(TypeError, match=f"{wrong}: expected an array of float32 or float64, got int64"):
        ours.cpu.als.least_squares(interactions(np.random.default_rng(1)), **factors, regularization=0.1)


@pytest.fixture(scope="module")
def fitted():
    """A model of ours, and what it learned from."""
    user_items = interactions(np.random.default_rng(3), 20, 15)
    model = AlternatingLeastSquares(4, 0.5, iterations=5, random_state=1)
    model.fit(user_items, **QUIET)
    return model, user_items


def same_model(theirs, model):
    """One of theirs with the same factors."""
    other = theirs.cpu.als.AlternatingLeastSquares(model.factors, model.regularization, num_threads=1)
    other.user_factors, other.item_factors = model.user_factors.copy(), model.item_factors.copy()
    return other


@needs_original
@given(st.data())
def test_recommend(theirs, fitted, data):
    model, user_items = fitted
    users = data.draw(st.one_of(st.integers(0, 19), st.lists(st.integers(0, 19), min_size=1, max_size=5)))
    options = {
        "N": data.draw(st.integers(1, 20)),
        "filter_already_liked_items": data.draw(st.booleans()),
        "recalculate_user": data.draw(st.booleans()),
    }
    ids = st.lists(st.integers(0, 14), min_size=1, max_size=12, unique=True)
    limit = data.draw(st.sampled_from(["filter_items", "items", None]))
    if limit:
        options[limit] = data.draw(ids)
    mine, other = (m.recommend(users, user_items[users], **options) for m in (model, same_model(theirs, model)))
    assert_same_ranking(mine, other, 1e-4 if options["recalculate_user"] else 1e-5, filled=limit != "items")
    if limit == "items" and len(np.atleast_2d(mine[0])[0]) == len(options["items"]):
        for row in np.atleast_2d(mine[0]):
            assert set(row) == set(options["items"])


@needs_original
@given(st.data())
def test_similar_items_and_users(theirs, fitted, data):
    model, user_items = fitted
    ids = data.draw(st.one_of(st.integers(0, 14), st.lists(st.integers(0, 14), min_size=1, max_size=4)))
    options, limit = {"N": data.draw(st.integers(1, 18))}, data.draw(st.sampled_from(["filter", "only", None]))
    some = data.draw(st.lists(st.integers(0, 14), min_size=1, max_size=8, unique=True))
    for of in ("items", "users"):
        named = {"filter": {f"filter_{of}": some}, "only": {of: some}}.get(limit, {})
        mine, other = (getattr(m, f"similar_{of}")(ids, **options, **named) for m in (model, same_model(theirs, model)))
        assert_same_ranking(mine, other)
    rows = user_items.T.tocsr()[np.atleast_1d(ids)]
    mine, other = (
        m.similar_items(ids, recalculate_item=True, item_users=rows) for m in (model, same_model(theirs, model))
    )
    assert_same_ranking(mine, other, 1e-3)


@needs_original
def test_partial_fit_and_explain(theirs, fitted):
    model, user_items = fitted
    models = pickle.loads(pickle.dumps(model)), same_model(theirs, model)
    for one in models:
        one.partial_fit_users([3, 22], user_items[[0, 1]])
        one.partial_fit_items(np.array([16, 2]), user_items.T.tocsr()[[4, 5]])
    assert_same_factors(*models, 1e-4)
    explained = [one.explain(5, user_items, 2, N=3) for one in models]
    (total, parts, weights), (their_total, their_parts, their_weights) = explained
    assert total == pytest.approx(their_total, abs=1e-4)
    assert [item for item, _ in parts] == [item for item, _ in their_parts]
    np.testing.assert_allclose([part for _, part in parts], [part for _, part in their_parts], atol=1e-4)
    again = models[0].explain(5, user_items, 2, user_weights=their_weights, N=100)
    assert again[0] == pytest.approx(total, abs=1e-4)
    assert sum(part for _, part in again[1]) == pytest.approx(total, abs=1e-4)
    np.testing.assert_allclose(np.triu(weights[0]), np.triu(their_weights[0]), atol=1e-3)


# ---- stochastic models ----------------------------------------------------------------------------------------------


@needs_original
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bpr_starts_where_theirs_does(theirs, dtype):
    user_items = interactions(np.random.default_rng(2))
    user_items.data[user_items.indices == 4] = 0
    user_items.eliminate_zeros()
    mine, other = (
        cls(3, dtype=np.dtype(dtype), iterations=0, random_state=5)
        for cls in (BayesianPersonalizedRanking, theirs.cpu.bpr.BayesianPersonalizedRanking)
    )
    for model in (mine, other):
        model.fit(user_items, **QUIET)
    assert_same_factors(mine, other, 1e-7)
    assert vars(mine).keys() == vars(other).keys()


def two_blocks(rng, n=40):
    """Users of either half have half of that half's items."""
    half = np.arange(n) < n // 2
    return csr_matrix((rng.random((n, n)) < 0.5) & (half[:, None] == half)).astype(np.float32)


def share_of_own_half(model, user_items):
    ids, _ = model.recommend(np.arange(40), user_items, N=8)
    return np.mean((ids < 20) == (np.arange(40) < 20)[:, None])


@needs_original
def test_bpr_is_as_good(theirs):
    user_items, shares = two_blocks(np.random.default_rng(0)), []
    for cls in (BayesianPersonalizedRanking, theirs.cpu.bpr.BayesianPersonalizedRanking):
        models = [cls(8, learning_rate=0.1, iterations=60, random_state=seed, num_threads=1) for seed in range(30)]
        for model in models:
            model.fit(user_items, **QUIET)
        shares.append(np.mean([share_of_own_half(model, user_items) for model in models]))
    assert shares[0] >= shares[1] - 0.02  # single seeds deviate by .007


def test_bpr_goes_on():
    user_items, told = two_blocks(np.random.default_rng(0)), []
    mine = BayesianPersonalizedRanking(8, learning_rate=0.1, iterations=60, random_state=1, num_threads=1)
    mine.fit(user_items, callback=lambda *said: told.append((*said, mine.item_factors.copy())), **QUIET)
    assert [said[0] for said in told] == list(range(60))
    assert told[0][2] < told[-1][2] <= user_items.nnz
    assert {said[3] for said in told} == {0}
    np.testing.assert_array_equal(told[-1][4], mine.item_factors)
    before = mine.user_factors.copy()
    mine.iterations = 1
    mine.fit(user_items, **QUIET)
    assert 0 < np.abs(mine.user_factors - before).max() < 0.5
    np.testing.assert_array_equal(mine.user_factors[:, -1], 1)


@needs_original
def test_lmf_is_as_good_and_goes_on(theirs):
    user_items, told = two_blocks(np.random.default_rng(0)), []
    options = {"factors": 8, "iterations": 30, "random_state": 1, "num_threads": 1}
    mine, other = (cls(**options) for cls in (LogisticMatrixFactorization, theirs.cpu.lmf.LogisticMatrixFactorization))
    mine.fit(user_items, callback=lambda *said: told.append((*said, mine.item_factors)), **QUIET)
    other.fit(user_items, **QUIET)
    assert share_of_own_half(mine, user_items) >= share_of_own_half(other, user_items) - 0.02
    assert [said[0] for said in told] == list(range(30))
    np.testing.assert_array_equal(told[-1][2], mine.item_factors)
    np.testing.assert_array_equal(mine.user_factors[:, -2], 1)
    np.testing.assert_array_equal(mine.item_factors[:, -1], 1)
    before = mine.user_factors
    mine.iterations = 1
    mine.fit(user_items, **QUIET)
    assert 0 < np.abs(mine.user_factors - before).max() < 2


@pytest.mark.parametrize("seed", range(6))
def test_lmf_gives_numbers(seed):  # implicit issue 376: NaN in half of the fits
    model = LogisticMatrixFactorization(4, learning_rate=2.0, iterations=5, random_state=seed)
    model.fit(two_blocks(np.random.default_rng(seed)), **QUIET)
    assert np.isfinite(model.user_factors).all()


@pytest.mark.parametrize(
    ("cls", "step"),
    [(AlternatingLeastSquares, "fastrec.compat.implicit.cpu.als.solve"),
     (LogisticMatrixFactorization, "fastrec.LogisticMF.partial_fit")],
)  # fmt: skip
def test_an_interrupted_fit_keeps_what_it_has(monkeypatch, cls, step):
    """Those of the epochs before, as `implicit` leaves them, and not the factors that the fit began with."""
    user_items = interactions(np.random.default_rng(0))
    whole = cls(3, iterations=2, random_state=0)
    whole.fit(user_items, **QUIET)
    module, _, name = step.rpartition(".")
    owner = pkgutil.resolve_name(module)
    ran, calls_of_two_epochs = getattr(owner, name), 4 if cls is AlternatingLeastSquares else 2
    calls = itertools.count()

    def interrupted(*arguments, **options):
        if next(calls) == calls_of_two_epochs:
            raise KeyboardInterrupt
        return ran(*arguments, **options)

    monkeypatch.setattr(owner, name, interrupted)
    model = cls(3, iterations=9, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(user_items, **QUIET)
    np.testing.assert_array_equal(model.user_factors, whole.user_factors)
    np.testing.assert_array_equal(model.item_factors, whole.item_factors)


@pytest.mark.parametrize("cls", [BayesianPersonalizedRanking, LogisticMatrixFactorization])
def test_the_same_bits_at_any_number_of_threads(cls):  # implicit issue 710
    user_items, found = two_blocks(np.random.default_rng(4)), []
    for n_threads in (1, 3):
        model = cls(5, iterations=3, random_state=2, num_threads=n_threads)
        model.fit(user_items, **QUIET)
        found.append(model.item_factors)
    np.testing.assert_array_equal(*found)


def test_bpr_takes_no_values_and_makes_no_factors_from_rows():  # implicit issues 197 and 658: as documented
    user_items, found = two_blocks(np.random.default_rng(4)), []
    for rows in (user_items, 5 * user_items):
        model = BayesianPersonalizedRanking(3, iterations=2, random_state=2)
        model.fit(rows, **QUIET)
        found.append(model.item_factors)
    np.testing.assert_array_equal(*found)
    with pytest.raises(NotImplementedError, match="cannot make users' factors"):
        model.recommend(0, user_items[0], recalculate_user=True)
    with pytest.raises(NotImplementedError, match="cannot make items' factors"):
        model.similar_items(0, recalculate_item=True, item_users=user_items[0])


@pytest.mark.parametrize("cls", [AlternatingLeastSquares, BayesianPersonalizedRanking, LogisticMatrixFactorization])
def test_nothing_to_learn_from(cls):
    for rows in (csr_matrix((3, 3)), csr_matrix(([1.0], ([1], [1])), shape=(3, 3))):
        model = cls(4, iterations=2)
        model.fit(rows, **QUIET)
        assert np.isfinite(model.user_factors).all()
        assert model.recommend(0, rows[0], N=2)[0].shape == (2,)


# ---- neighbours -----------------------------------------------------------------------------------------------------


def neighbour_pair(theirs, name, **options):
    return tuple(getattr(module, name)(**options) for module in (ours.nearest_neighbours, theirs.nearest_neighbours))


@needs_original
@given(seeds, st.sampled_from(NEIGHBOURS), st.integers(1, 12))
def test_neighbours(theirs, seed, name, k):
    user_items = interactions(np.random.default_rng(seed))
    mine, other = neighbour_pair(theirs, name, K=k, num_threads=1)
    mine.fit(user_items, **QUIET)
    other.fit(user_items, **QUIET)
    assert vars(mine).keys() == vars(other).keys()
    assert type(mine.similarity) is type(other.similarity) is csr_matrix
    assert mine.similarity.dtype == other.similarity.dtype
    np.testing.assert_allclose(mine.similarity.toarray(), other.similarity.toarray(), rtol=1e-9, atol=1e-12)
    for item, options in ((2, {}), (3, {"filter_items": [1, 3]}), (4, {"items": np.array([0, 4, 5])})):
        assert_same_ranking(*(model.similar_items(item, N=4, **options) for model in (mine, other)), filled=False)
    batches = [model.similar_items([1, 2, 20], N=5) for model in (mine, other)]
    np.testing.assert_array_equal(batches[0][0], batches[1][0])


@needs_original
@given(st.data())
def test_neighbours_recommend(theirs, data):
    user_items = interactions(np.random.default_rng(data.draw(seeds)))
    mine, other = neighbour_pair(theirs, data.draw(st.sampled_from(NEIGHBOURS)), K=5)
    other.fit(user_items, **QUIET)
    mine.similarity = other.similarity
    mine.__setstate__(mine.__getstate__())
    users = data.draw(st.one_of(st.integers(0, 11), st.lists(st.integers(0, 11), min_size=1, max_size=4)))
    options = {"N": data.draw(st.integers(1, 12)), "filter_already_liked_items": data.draw(st.booleans())}
    limit = data.draw(st.sampled_from(["filter_items", "items", None]))
    if limit:
        options[limit] = np.array(data.draw(st.lists(st.integers(0, 8), min_size=1, max_size=6, unique=True)))
    rows = user_items[users]
    found, expected = mine.recommend(users, rows, **options), other.recommend(users, rows, **options)
    assert found[1].dtype == expected[1].dtype
    assert found[0].dtype == expected[0].dtype or limit == "items"  # theirs then follows from what is missing
    lists = zip(*map(rows_of, (*found, *expected)), np.atleast_1d(users), strict=True)
    for ids, scores, their_ids, their_scores, user in lists:
        seen = user_items[int(user)].indices if options["filter_already_liked_items"] else []
        ranked, theirs_ranked = scores > -1e38, (their_scores > -1e38) & ~np.isin(their_ids, seen)
        n = min(options["N"], int(theirs_ranked.sum())) if limit == "filter_items" else int(theirs_ranked.sum())
        np.testing.assert_array_equal(ids[ranked], their_ids[theirs_ranked][:n])
        np.testing.assert_allclose(scores[ranked], their_scores[theirs_ranked][:n])
        if limit == "items" and np.ndim(users) == 0:
            assert set(ids) == set(options["items"])


@given(seeds, st.integers(1, 12), st.booleans())
def test_one_user_gets_what_the_same_of_many_gets(seed, k, filtered):
    rng = np.random.default_rng(seed)
    user_items = interactions(rng, density=0.3)
    model = CosineRecommender(K=4)
    model.fit(user_items, **QUIET)
    rows = user_items[rng.permutation(12)[:5]]
    rows.indices, rows.data = rows.indices[::-1].copy(), rows.data[::-1].copy()
    rows.indptr = rows.nnz - rows.indptr[::-1]
    ids, scores = model.recommend(np.arange(5), rows, N=k, filter_already_liked_items=filtered)
    for user in range(5):
        own_ids, own_scores = model.recommend(user, rows[user], N=k, filter_already_liked_items=filtered)
        np.testing.assert_array_equal(own_ids, ids[user][ids[user] >= 0])
        np.testing.assert_array_equal(own_scores, scores[user][ids[user] >= 0])


def rows_of(array):
    return [array] if array.ndim == 1 else list(array)


@needs_original
@given(seeds, st.sampled_from(["csr", "csc", "coo"]), st.sampled_from(["float32", "float64", "int64"]))
def test_weights(theirs, seed, form, dtype):
    x = interactions(np.random.default_rng(seed), dtype=dtype).asformat(form)
    x.eliminate_zeros()
    for name, options in (
        ("tfidf_weight", {}),
        ("normalize", {}),
        ("bm25_weight", {}),
        ("bm25_weight", {"K1": 2, "B": 0}),
    ):
        mine, other = (
            getattr(module, name)(x, **options) for module in (ours.nearest_neighbours, theirs.nearest_neighbours)
        )
        assert (type(mine), mine.dtype, mine.shape) == (type(other), other.dtype, other.shape)
        np.testing.assert_allclose(mine.toarray(), other.toarray(), rtol=1e-5, atol=1e-7)


@needs_original
@given(seeds, st.integers(1, 12))
def test_all_pairs(theirs, seed, k):
    x = interactions(np.random.default_rng(seed))
    mine, other = (
        module.all_pairs_knn(x, k, **QUIET) for module in (ours.nearest_neighbours, theirs.nearest_neighbours)
    )
    assert (type(mine), mine.dtype, mine.shape) == (type(other), other.dtype, other.shape)
    np.testing.assert_allclose(mine.toarray(), other.toarray())


# ---- evaluation -----------------------------------------------------------------------------------------------------


@needs_original
@given(seeds, st.integers(1, 7), st.booleans())
def test_metrics(theirs, seed, k, by_neighbours):
    rng = np.random.default_rng(seed)
    train, test = evaluation.train_test_split(interactions(rng, 30, 20, 0.3), 0.7, seed)
    assume((np.bincount(train.indices, minlength=20) > 1).all())  # items of one user each tie
    models = [AlternatingLeastSquares(3, iterations=2, random_state=0)] * 2
    if by_neighbours:
        models = neighbour_pair(theirs, "CosineRecommender", K=20)
    for model in models:
        model.fit(train, **QUIET)
    model, their_model = models
    mine = evaluation.ranking_metrics_at_k(model, train, test, k, **QUIET)
    other = original("implicit.evaluation").ranking_metrics_at_k(their_model, train, test, k, **QUIET)
    assert mine.keys() == other.keys()
    for name in mine:
        assert mine[name] == pytest.approx(other[name], abs=1e-9), name
    assert evaluation.AUC_at_k(model, train, test, k, **QUIET) == mine["auc"]


def test_metrics_of_nobody_are_nan(fitted):  # there a ZeroDivisionError
    model, user_items = fitted
    metrics = evaluation.ranking_metrics_at_k(model, user_items, csr_matrix(user_items.shape), 3, **QUIET)
    assert len(metrics) == 4
    assert np.isnan(list(metrics.values())).all()


@needs_original
@given(seeds, st.floats(0.1, 0.9))
def test_train_test_split(theirs, seed, share):
    ratings = interactions(np.random.default_rng(seed))
    ratings.data[::4] *= -1
    for mine, other in zip(
        evaluation.train_test_split(ratings, share, seed),
        original("implicit.evaluation").train_test_split(ratings, share, seed),
        strict=True,
    ):
        assert (type(mine), mine.dtype, mine.shape) == (type(other), other.dtype, other.shape)
        np.testing.assert_array_equal(mine.toarray(), other.toarray())


@given(seeds, st.integers(1, 3), st.sampled_from([0.0, 0.4]))
def test_leave_k_out(seed, k, train_only):  # implicit issue 639 and PR 654: values multiplied, seed ignored
    ratings = interactions(np.random.default_rng(seed))
    train, test = evaluation.leave_k_out_split(ratings, k, train_only, seed)
    again = evaluation.leave_k_out_split(ratings, k, train_only, seed)
    assert (test != again[1]).nnz == 0
    np.testing.assert_array_equal((train + test).toarray(), ratings.toarray())
    assert train.nnz + test.nnz == ratings.nnz
    eligible = np.diff(ratings.indptr) > k + 1
    left_out = np.diff(test.indptr)
    assert set(left_out[~eligible]) <= {0}
    assert set(left_out[eligible]) <= {0, k}
    if train_only == 0:
        assert (left_out[eligible] == k).all()
    else:
        assert (left_out == 0).sum() >= int(12 * train_only)


# ---- files ----------------------------------------------------------------------------------------------------------


@needs_original
@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize(
    "name", ["cpu.als.AlternatingLeastSquares", "cpu.bpr.BayesianPersonalizedRanking",
             "cpu.lmf.LogisticMatrixFactorization",
             "nearest_neighbours.CosineRecommender", "nearest_neighbours.BM25Recommender"],
)  # fmt: skip
def test_files_go_both_ways(tmp_path, name, opened):  # implicit issue 575: a saved model would not load
    user_items = interactions(np.random.default_rng(5))
    module, _, cls = name.rpartition(".")
    classes = [
        getattr(importlib.import_module(f"{top}.{module}"), cls) for top in ("fastrec.compat.implicit", "implicit")
    ]
    for writer, reader in (classes, classes[::-1]):
        model = writer(4)
        if hasattr(model, "random_state"):
            model.random_state = 7
        model.fit(user_items, **QUIET)
        file = io.BytesIO() if opened else str(tmp_path / "model")
        model.save(file)
        if opened:
            file.seek(0)
        loaded = reader.load(file)
        learned = {"user_factors", "item_factors", "similarity", "scorer", "_indexes"}
        assert {n: v for n, v in vars(loaded).items() if n not in learned} == {
            n: v for n, v in vars(model).items() if n not in learned
        }
        np.testing.assert_array_equal(model.recommend(1, user_items[1], 2)[0], loaded.recommend(1, user_items[1], 2)[0])


def test_a_generator_does_not_spoil_the_file(tmp_path):
    model = AlternatingLeastSquares(2, iterations=1, random_state=np.random.default_rng(0))
    model.fit(interactions(np.random.default_rng(0)), **QUIET)
    model.save(str(tmp_path / "model.npz"))
    assert AlternatingLeastSquares.load(str(tmp_path / "model.npz")).random_state is None


@pytest.mark.parametrize(
    "cls", [AlternatingLeastSquares, BayesianPersonalizedRanking, LogisticMatrixFactorization, CosineRecommender]
)
def test_models_pickle(cls):
    user_items = interactions(np.random.default_rng(6))
    model = cls(3)
    assert type(pickle.loads(pickle.dumps(model))) is cls
    model.fit(user_items, **QUIET)
    model.similar_items(1)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.recommend(1, user_items[1])[0], model.recommend(1, user_items[1])[0])


@needs_original
def test_pickles_of_implicit_open_while_it_is_patched(theirs):
    user_items = interactions(np.random.default_rng(6))
    model = theirs.nearest_neighbours.CosineRecommender(4)
    model.fit(user_items, **QUIET)
    written = pickle.dumps(model)
    with fastrec.compat.patched("implicit"):
        opened = pickle.loads(written)
    assert type(opened) is CosineRecommender
    np.testing.assert_array_equal(opened.similar_items(2)[0], model.similar_items(2)[0])


# ---- warnings, errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        AlternatingLeastSquares,
        BayesianPersonalizedRanking,
        LogisticMatrixFactorization,
        ItemItemRecommender,
        CosineRecommender,
        TFIDFRecommender,
        BM25Recommender,
    ],
)
def test_other_formats_are_converted_with_a_warning(make):
    user_items = interactions(np.random.default_rng(7))
    found = []
    for rows in (user_items.tocoo(), csr_array(user_items), user_items):
        model = make(2)
        if hasattr(model, "random_state"):
            model.random_state, model.iterations = 1, 2
        expected = (
            contextlib.nullcontext()
            if rows is user_items
            else pytest.warns(utils.ParameterWarning, match="^Method expects CSR input")
        )
        with expected:
            model.fit(rows, **QUIET)
        found.append(model.similar_items(1, N=2)[1])
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[2])


def test_deprecated_calls(fitted):
    model, user_items = fitted
    with pytest.warns(DeprecationWarning, match="rank_items"):
        ids, _ = model.rank_items(1, user_items[1], [3, 4, 5])
    assert set(ids) == {3, 4, 5}
    with pytest.warns(DeprecationWarning, match="recommend_all"):
        ids = model.recommend_all(user_items, N=3)
    np.testing.assert_array_equal(ids, model.recommend(np.arange(20), user_items, N=3)[0])
    with pytest.warns(DeprecationWarning, match="recommend_all"):
        ids = model.recommend_all(user_items[5:], N=3, users_items_offset=5)
    np.testing.assert_array_equal(ids, model.recommend(np.arange(5, 20), user_items[5:], N=3)[0])


BAD_CALLS = {
    "too many rows": lambda m, x: m.recommend(0, x),  # implicit issue 628
    "too few rows": lambda m, x: m.recommend([0, 1], x[0]),
    "not CSR": lambda m, x: m.recommend(0, x[0].tocsc()),
    "dense": lambda m, x: m.recommend(0, x[0].toarray()),
    "items and filter_items": lambda m, x: m.recommend(0, x[0], items=[1], filter_items=[2]),
    "item beyond the last": lambda m, x: m.recommend(0, x[0], items=[1, 99]),
    "negative item": lambda m, x: m.recommend(0, x[0], items=[1, -1]),
    "filter beyond the last": lambda m, x: m.recommend(0, x[0], filter_items=[99]),
    "user beyond the last": lambda m, x: m.recommend(99, x[0]),
    "similar to nothing": lambda m, x: m.similar_items(99),
    "similar among nothing": lambda m, x: m.similar_items(1, items=[99]),
    "similar users, both": lambda m, x: m.similar_users(1, users=[1], filter_users=[2]),
    "recalculate other rows": lambda m, x: m.recalculate_user(0, x),
    "partial fit of other rows": lambda m, x: m.partial_fit_users([0, 1], x[0]),
    "unknown argument": lambda m, x: m.recommend(0, x[0], n=3),
    "an item that nobody has": lambda m, x: m.recommend(0, csr_matrix(([1.0], ([0], [40])), shape=(1, 41))),
    "one item, not a list": lambda m, x: m.recommend(0, x[0], items=1),
}


@needs_original
@pytest.mark.parametrize("call", BAD_CALLS.values(), ids=BAD_CALLS)
def test_errors_are_of_the_same_type(theirs, fitted, call):
    model, user_items = fitted
    raised = []
    for one in (model, same_model(theirs, model)):
        with pytest.raises((ValueError, IndexError, TypeError)) as error:
            call(one, user_items)
        raised.append(error.type)
    assert raised[0] is raised[1]


@pytest.mark.parametrize("ids", [["a"], {1, 2}, [1.5], 3])
def test_neighbours_by_ids_that_are_none(fitted, ids):
    model = CosineRecommender(3)
    model.fit(fitted[1], **QUIET)
    for name in ("filter_items", "items"):
        with pytest.raises(IndexError, match=f"{name}: expected a list of integer ids, got"):
            model.recommend(0, fitted[1][0], **{name: ids})


def test_neighbours_of_too_many_rows(fitted):  # theirs reads the first
    model = CosineRecommender(3)
    model.fit(fitted[1], **QUIET)
    with pytest.raises(ValueError, match="expected a row for each of the ids, got 20 rows"):
        model.recommend(0, fitted[1])


@needs_original
@pytest.mark.parametrize("call", [
    lambda m, x: m.recommend(0, x[0].tocoo()),
    lambda m, x: m.recommend(0, x[0], items=[1], filter_items=[1]),
    lambda m, x: m.recommend(0, x[0], items=[99]),
    lambda m, x: m.similar_users(0),
    lambda m, x: m.similar_items(0, recalculate_item=True),
    lambda m, x: m.similar_items(0, items=[1], filter_items=[1]),
    lambda m, x: m.fit(x, callback=print),
], ids=range(7))  # fmt: skip
def test_errors_of_neighbours_are_of_the_same_type(theirs, call):
    user_items, raised = interactions(np.random.default_rng(8)), []
    for model in neighbour_pair(theirs, "CosineRecommender"):
        model.fit(user_items, **QUIET)
        with pytest.raises(Exception) as error:  # noqa: PT011
            call(model, user_items)
        raised.append(error.type)
    assert raised[0] is raised[1]


@needs_original
@pytest.mark.parametrize("n_columns", [6, 15, 40])
def test_neighbours_of_rows_with_more_or_fewer_columns(theirs, n_columns):
    row = csr_matrix(([1.0, 2.0], ([0, 0], [2, 5])), shape=(1, n_columns))
    answers = []
    for model in neighbour_pair(theirs, "CosineRecommender"):
        model.fit(interactions(np.random.default_rng(8)), **QUIET)
        answers.append(model.recommend(0, row, N=5, filter_items=[1.0, 7.0]))
    np.testing.assert_array_equal(answers[0][0], answers[1][0])
    np.testing.assert_allclose(answers[0][1], answers[1][1])


@needs_original
@pytest.mark.parametrize("name", ["CosineRecommender", "TFIDFRecommender", "BM25Recommender"])
def test_weights_of_ones_own_are_not_weighted_again(theirs, name):
    """`ItemItemRecommender.fit` of a subclass compares what it gets, as it is."""
    user_items, found = interactions(np.random.default_rng(8)), []
    for model in neighbour_pair(theirs, name):
        base = next(cls for cls in type(model).__mro__ if cls.__name__ == "ItemItemRecommender")
        base.fit(model, user_items, **QUIET)
        found.append(model.similarity.toarray())
    np.testing.assert_allclose(found[0], found[1])
    assert issubclass(ours.nearest_neighbours.TFIDFRecommender, CosineRecommender) is False


ODD_IDS = {
    "similar among one, not a list": lambda m, x: m.similar_items(0, items=1),
    "none": lambda m, x: m.recommend(None, x[0]),
    "similar to none": lambda m, x: m.similar_items(None),
    "text": lambda m, x: m.recommend("a", x[0]),
    "a float": lambda m, x: m.recommend(1.0, x[0]),
    "a set": lambda m, x: m.recommend({1}, x[[1]]),
    "before the first user": lambda m, x: m.recommend(-21, x[0]),
    "before the first item": lambda m, x: m.similar_items(-16),
    "before the first of many": lambda m, x: m.similar_items([1, -16]),
    "partial fit before the first": lambda m, x: m.partial_fit_users([-21], x[0]),
}


@pytest.mark.parametrize("call", ODD_IDS.values(), ids=ODD_IDS)
def test_ids_that_are_none(fitted, call):
    model, user_items = fitted
    with pytest.raises((IndexError, TypeError), match=r"expected an?|out of bounds"):
        call(model, user_items)


@pytest.mark.parametrize("item", [-16, -100, [2, -16]])
def test_neighbours_before_the_first_item(fitted, item):
    model = CosineRecommender(4)
    model.fit(fitted[1], **QUIET)
    with pytest.raises(IndexError, match="itemid: expected ids from -15 on, got"):
        model.similar_items(item)
    np.testing.assert_array_equal(model.similar_items(-1)[0], model.similar_items(14)[0])
    np.testing.assert_array_equal(model.similar_items((-1, 3))[0], model.similar_items([14, 3])[0])


def test_a_tuple_is_a_list_of_ids(fitted):  # not an element of a matrix
    model, user_items = fitted
    for mine, other in (
        (model.recommend((3, 1), user_items[[3, 1]]), model.recommend([3, 1], user_items[[3, 1]])),
        (model.similar_items((3, 1)), model.similar_items([3, 1])),
        (model.similar_users((3, 1)), model.similar_users([3, 1])),
    ):
        np.testing.assert_array_equal(mine[0], other[0])


def test_neighbours_of_nobody_and_among_nothing(fitted):
    user_items = fitted[1]
    model = CosineRecommender(4)
    model.fit(user_items, **QUIET)
    with pytest.raises(TypeError, match="expected an id or a list of ids beside user_items, got None"):
        model.recommend(None, user_items[0])
    for call in (
        lambda: model.recommend(3, user_items[3], items=[]),
        lambda: model.recommend([3], user_items[[3]], items=[]),
        lambda: model.similar_items(3, items=[]),
        lambda: fitted[0].similar_items(3, items=[]),
    ):
        with pytest.raises(ValueError, match="items: expected at least one id, got an empty list"):
            call()


@needs_original
def test_what_is_named_twice_ranks_twice(theirs, fitted):
    model, _ = fitted
    for items in ([1, 1, 3], [4, 2, 4, 4]):
        mine, other = (m.similar_items(3, items=items, N=len(items)) for m in (model, same_model(theirs, model)))
        assert_same_ranking(mine, other)
        batch = model.similar_items([3, 5], items=items, N=len(items))
        np.testing.assert_array_equal(batch[0][0], mine[0])


def test_numbers_of_items(fitted):
    model, user_items = pickle.loads(pickle.dumps(fitted[0])), fitted[1]
    model.item_factors  # which then are in other hands: another way to the same  # noqa: B018
    neighbours = CosineRecommender(4.0)
    neighbours.fit(user_items, **QUIET)
    for one in (model, neighbours):
        np.testing.assert_array_equal(one.recommend(3, user_items[3], 2.0)[0], one.recommend(3, user_items[3], 2)[0])
        for wrong, error in ((0, ValueError), (2.5, TypeError), ("a", TypeError), (np.nan, TypeError)):
            with pytest.raises(error, match=r"^N: expected an integer of at least 1"):
                one.recommend(3, user_items[3], wrong)
    np.testing.assert_array_equal(model.similar_items(3, 2.0)[0], model.similar_items(3, 2)[0])
    metrics = (evaluation.precision_at_k(model, user_items, user_items, K=k, **QUIET) for k in (5.0, 5))
    assert next(metrics) == next(metrics)
    splits = (evaluation.leave_k_out_split(user_items, K=k, random_state=0)[1] for k in (2.0, 2))
    assert (next(splits) != next(splits)).nnz == 0
    for call in (evaluation.precision_at_k, lambda m, x, y, K, **_: evaluation.leave_k_out_split(x, K)):  # noqa: N803
        with pytest.raises(TypeError, match=r"^K: expected an integer of at least 1, got 1.5"):
            call(model, user_items, user_items, K=1.5, **QUIET)
    for n_threads in (2.0, np.float32(2), True, 2000):
        CosineRecommender(4, num_threads=n_threads).fit(user_items, **QUIET)
    with pytest.raises(TypeError, match=r"^num_threads: expected an integer of at least 0, got 2.5"):
        CosineRecommender(4, num_threads=2.5).fit(user_items, **QUIET)
    for wrong, error in ((0, ValueError), (2.5, TypeError), ("a", TypeError)):
        with pytest.raises(error, match=r"^K: expected an integer of at least 1"):
            CosineRecommender(wrong).fit(user_items, **QUIET)


@pytest.mark.parametrize("cls", [ItemItemRecommender, CosineRecommender, TFIDFRecommender, BM25Recommender])
def test_complex_values_are_refused(cls):  # not cut to their real part
    user_items = interactions(np.random.default_rng(8)).astype(np.complex128)
    for call in (
        lambda: cls(3).fit(user_items, **QUIET),
        lambda: ours.nearest_neighbours.all_pairs_knn(user_items, 3, **QUIET),
        *(lambda name=name: getattr(ours.nearest_neighbours, name)(user_items) for name in WEIGHTS),
    ):
        with pytest.raises(TypeError, match="float values, got dtype complex128"):
            call()


def test_counts_and_parameters_of_weights():
    user_items = interactions(np.random.default_rng(8))
    for wrong, message in (({"K1": -1}, "K1: expected a finite"), ({"B": 2}, "B: expected a number from 0 to 1")):
        with pytest.raises(ValueError, match=message):
            ours.nearest_neighbours.bm25_weight(user_items, **wrong)
        with pytest.raises(ValueError, match=message):
            BM25Recommender(3, **wrong).fit(user_items, **QUIET)
    for name in WEIGHTS:
        with pytest.raises(ValueError, match=r"X: expected finite values"):
            getattr(ours.nearest_neighbours, name)(user_items * np.inf)
    for name in ("tfidf_weight", "bm25_weight"):
        with pytest.raises(ValueError, match="X: expected values of at least 0"):
            getattr(ours.nearest_neighbours, name)(-user_items)
    for cls in (TFIDFRecommender, BM25Recommender):
        with pytest.raises(ValueError, match="counts: expected values of at least 0"):
            cls(3).fit(-user_items, **QUIET)


@needs_original
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_equations_are_in_float64(theirs, dtype):
    rows, items = interactions(np.random.default_rng(2)).astype(dtype), np.ones((9, 2), dtype)
    arguments_ = items, items.T @ items, rows, 3, 0.1, 2
    equations = [module.cpu.als.user_linear_equation(*arguments_) for module in (ours, theirs)]
    for mine, other in zip(*equations, strict=True):
        assert mine.dtype == other.dtype == np.float64
        np.testing.assert_allclose(mine, other, rtol=1e-6)


def test_no_matrix_at_all(fitted):
    model, user_items = fitted
    for name, call in (
        ("user_items", lambda: AlternatingLeastSquares(2).fit(None, **QUIET)),
        ("user_items", lambda: CosineRecommender(2).fit(None, **QUIET)),
        ("user_items", lambda: model.recalculate_user(3, None)),
        ("train_user_items", lambda: evaluation.precision_at_k(model, None, user_items, **QUIET)),
        ("ratings", lambda: evaluation.train_test_split(None)),
        ("ratings", lambda: evaluation.leave_k_out_split(None)),
    ):
        with pytest.raises(TypeError, match=f"^{name}: expected a sparse or dense matrix of numbers, got None"):
            call()


@pytest.mark.parametrize("call", [
    lambda m, x: m.fit(x.tocsc(), **QUIET),
    lambda m, x: CosineRecommender(3).fit(x.tocsc(), **QUIET),
    lambda m, x: BM25Recommender(3).fit(x.tocoo(), **QUIET),
    lambda m, x: m.recalculate_user([0], x[[0]].tocsc()),
    lambda m, x: m.partial_fit_users([0], x[[0]].tocsc()),
    lambda m, x: m.explain(0, x.tocsc(), 3),
    lambda m, x: m.rank_items(0, x[0], [1]),
    lambda m, x: m.recommend_all(x),
], ids=range(8))  # fmt: skip
def test_warnings_point_at_the_caller(fitted, call):
    model, user_items = pickle.loads(pickle.dumps(fitted[0])), fitted[1]
    with pytest.warns((utils.ParameterWarning, DeprecationWarning)) as told:
        call(model, user_items)
    assert {warning.filename for warning in told} == {__file__}


def spoiled(rows, how):
    rows = rows.copy()
    array, value = {"column": ("indices", 10**6), "negative column": ("indices", -7), "pointer": ("indptr", 10**6),
                    "negative pointer": ("indptr", -5)}[how]  # fmt: skip
    getattr(rows, array)[3] = value
    return rows


@pytest.mark.parametrize("how", ["column", "negative column", "pointer", "negative pointer"])
@pytest.mark.parametrize("call", [
    lambda m, x: AlternatingLeastSquares(2).fit(x, **QUIET),
    lambda m, x: BayesianPersonalizedRanking(2).fit(x, **QUIET),
    lambda m, x: LogisticMatrixFactorization(2).fit(x, **QUIET),
    lambda m, x: CosineRecommender(2).fit(x, **QUIET),
    lambda m, x: BM25Recommender(2).fit(x, **QUIET),
    lambda m, x: m.recommend(np.arange(20), x),
    lambda m, x: m.recommend(np.arange(20), x, items=[1, 2]),
    lambda m, x: m.recalculate_user(np.arange(20), x),
    lambda m, x: evaluation.precision_at_k(m, x, x, **QUIET),
    lambda m, x: evaluation.train_test_split(x),
    lambda m, x: evaluation.leave_k_out_split(x),
    lambda m, x: ours.cpu.als.calculate_loss(x, m.user_factors.copy(), m.item_factors.copy(), 0.1),
], ids=range(12))  # fmt: skip
def test_matrices_that_point_outside_of_themselves(fitted, call, how):  # SciPy follows them
    model, user_items = pickle.loads(pickle.dumps(fitted[0])), fitted[1]
    with pytest.raises(ValueError, match=r"(indices|indptr): expected"):
        call(model, spoiled(user_items, how))


def test_an_explanation_of_a_row_that_points_outside(fitted):
    model, user_items = fitted
    with pytest.raises(IndexError, match="user_items: some ids are not in the model"):
        model.explain(0, spoiled(user_items, "column"), 3)


# ---- what is wrong in implicit --------------------------------------------------------------------------------------


@pytest.mark.parametrize("users", [2, [2, 3]])
def test_no_padding_looks_like_an_item(fitted, users):  # item 0 with score 0
    model, user_items = fitted
    ids, scores = (np.atleast_2d(part) for part in model.recommend(users, user_items[users], N=18))
    assert ids.shape[1] == 18
    assert (scores[ids < 0] == np.finfo(np.float32).min).all()
    for user, row in zip(np.atleast_1d(users), ids, strict=True):
        seen = user_items[int(user)].indices
        assert set(row[row >= 0]) == set(range(15)) - set(seen)  # no filtered item
        assert (row[15 - len(seen) :] == -1).all()


def test_neighbours_neither_return_what_was_seen_nor_more_than_asked():  # issues 736 and 345
    user_items = interactions(np.random.default_rng(9))
    model = CosineRecommender(K=6)
    model.fit(user_items, **QUIET)
    for user in range(12):
        ids, _ = model.recommend(user, user_items[user], N=3, filter_items=[0, 1])
        assert len(ids) <= 3
        assert not set(ids) & {0, 1, *user_items[user].indices}


def test_padding_of_earlier_results_leaves_out_nothing(fitted):  # theirs count from the end
    model, user_items = fitted
    neighbours = CosineRecommender(K=6)
    neighbours.fit(user_items, **QUIET)
    earlier = np.array([[3, 4, -1], [5, -1, -1]])
    for call in (
        lambda **options: model.recommend(2, user_items[2], **options),
        lambda **options: model.recommend([2, 3], user_items[[2, 3]], **options),
        lambda **options: model.similar_items(2, **options),
        lambda **options: neighbours.recommend(2, user_items[2], **options),
        lambda **options: neighbours.recommend([2, 3], user_items[[2, 3]], **options),
        lambda **options: neighbours.similar_items(2, **options),
    ):
        for left_out, alone in ((earlier.ravel(), [3, 4, 5]), ([-1], None), ([-100], []), (earlier, [3, 4, 5])):
            for got, expected in zip(call(filter_items=left_out), call(filter_items=alone), strict=True):
                np.testing.assert_array_equal(got, expected)
    found, _ = model.similar_users(2, N=20, filter_users=[-1, 4])
    assert set(found) == {-1, *range(20)} - {4}
    with pytest.raises(IndexError, match=r"^filter_users: some ids are not in the model, which has 0 to 19"):
        model.similar_users(2, filter_users=[1000])


def test_duplicates_and_zeros_are_no_documents():
    entries = np.array([1.0, 2.0, 3.0, 0.0]), np.array([0, 0, 1, 2]), np.array([0, 2, 4, 4])
    twice, once = csr_matrix(entries, shape=(3, 4)), csr_matrix(([3.0, 3.0], [0, 1], [0, 1, 2, 2]), shape=(3, 4))
    for name in WEIGHTS:
        weights = [getattr(ours.nearest_neighbours, name)(counts) for counts in (twice, once)]
        np.testing.assert_array_equal(weights[0].data, weights[1].data)
        by_columns = getattr(ours.nearest_neighbours, name)(interactions(np.random.default_rng(0)).tocsc())
        assert (np.diff(by_columns.row) >= 0).all()
    model = ItemItemRecommender(K=5)
    model.fit(twice, **QUIET)
    assert model.similarity.toarray()[:2, :2].tolist() == [[9, 0], [0, 9]]
    model.fit(interactions(np.random.default_rng(1)), **QUIET)
    for first, last in itertools.pairwise(model.similarity.indptr):
        assert (np.diff(model.similarity.data[first:last]) <= 0).all()


def test_scores_are_those_of_rank_items(fitted):  # issue 172
    model, user_items = fitted
    ids, scores = model.recommend(4, user_items[4], N=3)
    again, same = model.recommend(4, user_items[4], items=ids)
    np.testing.assert_array_equal(ids, again)
    np.testing.assert_array_equal(scores, same)


def test_more_factors_than_items():  # issue 377: silent NaN
    user_items = csr_matrix(np.eye(10))
    model = ours.als.AlternatingLeastSquares(factors=15)
    model.fit(user_items, **QUIET)
    ids, scores = model.recommend(0, user_items[0], 10, filter_already_liked_items=False)
    assert ids[0] == 0
    assert np.isfinite(scores).all()


def test_more_factors_than_rank_without_regularisation():
    """The solutions of least norm, which still tell what everybody has."""
    user_items = csr_matrix(np.kron(np.eye(3), np.ones((4, 3))))
    model = AlternatingLeastSquares(factors=15, regularization=0, random_state=0)
    model.fit(user_items, **QUIET)
    scores = model.user_factors @ model.item_factors.T
    np.testing.assert_allclose(scores, user_items.toarray(), atol=0.05)


def test_duplicates_are_summed():  # theirs weigh c1 + c2 - 1
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(20, size=200), rng.integers(15, size=200)
    twice = csr_matrix((20, 15))
    order = np.argsort(rows, kind="stable")
    ends = np.searchsorted(rows[order], np.arange(21)).astype(np.int32)
    twice = csr_matrix((np.ones(200), columns[order].astype(np.int32), ends), shape=(20, 15))
    once = twice.copy()
    once.sum_duplicates()
    assert once.nnz < twice.nnz
    models = [AlternatingLeastSquares(3, random_state=0) for _ in range(2)]
    for model, user_items in zip(models, (twice, once), strict=True):
        model.fit(user_items, **QUIET)
    np.testing.assert_array_equal(models[0].item_factors, models[1].item_factors)


def test_dislikes_are_not_missed():
    """Their loss counts the weight of a dislike as if its target were 1."""
    rng, told = np.random.default_rng(0), []
    user_items = interactions(rng)
    user_items.data[::3] *= -1
    model = AlternatingLeastSquares(3, regularization=0.1, iterations=2, random_state=0, calculate_training_loss=True)
    model.fit(user_items, callback=lambda epoch, seconds, loss: told.append(loss), **QUIET)
    values = user_items.toarray()
    weights, targets = np.where(values != 0, np.abs(values), 1), values > 0
    users, items = (factors.astype(np.float64) for factors in (model.user_factors, model.item_factors))
    missed = (weights * (targets - users @ items.T) ** 2).sum() + 0.1 * ((users**2).sum() + (items**2).sum())
    size = weights.sum() if told[-1] < 1 else 1
    assert told[-1] == pytest.approx(missed / size, rel=1e-3)


@pytest.mark.parametrize("cls", [AlternatingLeastSquares, BayesianPersonalizedRanking, LogisticMatrixFactorization])
def test_a_penalty_below_zero_is_refused(fitted, cls):
    with pytest.raises(ValueError, match="regularization"):
        cls(3, regularization=-0.1).fit(fitted[1], **QUIET)


def test_lmf_refuses_weights_below_zero(fitted):
    with pytest.raises(ValueError, match="user_items"):
        LogisticMatrixFactorization(3).fit(-fitted[1], **QUIET)


def test_indices_of_64_bits(fitted):  # issue 729
    model, user_items = fitted
    wide = user_items.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    np.testing.assert_array_equal(
        model.recommend(np.arange(20), wide)[0], model.recommend(np.arange(20), user_items)[0]
    )


@pytest.mark.parametrize(
    "cls", [AlternatingLeastSquares, BayesianPersonalizedRanking, LogisticMatrixFactorization, *NEIGHBOUR_CLASSES]
)
def test_row_pointers_of_64_bits(cls):  # issue 86: a matrix of more than 2^31 entries, which has these, crashes
    user_items, found = interactions(np.random.default_rng(1)), []
    wide = user_items.copy()
    wide.indptr, wide.indices = wide.indptr.astype(np.int64), wide.indices.astype(np.int64)
    for rows in (user_items, wide):
        model = cls(3)
        if hasattr(model, "random_state"):
            model.random_state = 0
        model.fit(rows, **QUIET)
        found.append(model.similar_items(2)[1])
    np.testing.assert_array_equal(*found)


def test_all_users_need_no_scores_of_all_items(tmp_path):  # issues 688 and 554: a row of all items for each user
    output = processes.run(
        """
        import numpy as np
        from scipy.sparse import csr_matrix
        from fastrec.cli.bench import machine
        from fastrec.compat.implicit.cpu.als import AlternatingLeastSquares

        rng = np.random.default_rng(0)
        model = AlternatingLeastSquares(8, num_threads=4)
        model.user_factors, model.item_factors = (rng.random((n, 8), np.float32) for n in (20_000, 30_000))
        users, nothing = np.arange(20_000), csr_matrix((20_000, 30_000), dtype=np.float32)
        before = machine.peak_from_now_on()
        model.recommend(users, nothing, N=10)
        print(machine.peak() - before)
        """,
        tmp_path,
    )
    assert int(output) < 100 << 20 < 20_000 * 30_000


@pytest.mark.parametrize("n_threads", [1, 64])
def test_blas_has_one_thread_where_it_is_called(monkeypatch, n_threads):  # issues 387 and 689: too many memory regions
    seen, eigh = set(), np.linalg.eigh

    def watched(matrix):
        seen.update(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
        return eigh(matrix)

    monkeypatch.setattr(np.linalg, "eigh", watched)
    with threadpool_limits(2, user_api="blas"):
        AlternatingLeastSquares(20, iterations=1, num_threads=n_threads).fit(two_blocks(np.random.default_rng(0), 200))
    assert seen == {1}


def test_a_fit_with_more_threads_than_cores_ends(tmp_path):  # issue 603: hangs
    output = processes.run(
        """
        from scipy.sparse import random
        from fastrec.compat.implicit.cpu.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(16, iterations=3, num_threads=32)
        model.fit(random(500, 300, 0.05, "csr", random_state=0), show_progress=False)
        print(model.recommend(0, None, filter_already_liked_items=False)[0].shape)
        """,
        tmp_path,
    )
    assert output == "(10,)\n"


def test_sparse_arrays_are_served(fitted):
    model, user_items = fitted
    rows = csr_array(user_items)
    expected = model.recommend(3, user_items[3])[0]
    np.testing.assert_array_equal(model.recommend(3, rows[3])[0], expected)
    np.testing.assert_array_equal(model.recommend([3], rows[[3]])[0], [expected])


@pytest.mark.parametrize("cls", [AlternatingLeastSquares, BayesianPersonalizedRanking])
def test_old_random_states(cls):
    user_items, found = interactions(np.random.default_rng(1)), []
    for _ in range(2):
        model = cls(2, iterations=1, random_state=np.random.RandomState(3))
        model.fit(user_items, **QUIET)
        found.append(model.item_factors)
    np.testing.assert_array_equal(*found)
    assert evaluation.train_test_split(user_items, random_state=np.random.RandomState(3))[0].nnz


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_neighbours_of_any_dtype(dtype):
    counts = interactions(np.random.default_rng(2)).astype(dtype)
    model = ItemItemRecommender(K=3)
    model.fit(counts, **QUIET)
    assert model.similarity.dtype == np.float64


@pytest.mark.parametrize("k", [9, 30, 200])
def test_metrics_stay_below_one(k):  # issues 412, 713, 158: precision 1.9, and AUC below zero
    rng = np.random.default_rng(3)
    train, test = evaluation.leave_k_out_split(interactions(rng, density=0.7), 2, random_state=0)
    for model in (
        AlternatingLeastSquares(3, random_state=0),
        CosineRecommender(K=2),
        BM25Recommender(),
        TFIDFRecommender(),
    ):
        model.fit(train, **QUIET)
        for name, value in evaluation.ranking_metrics_at_k(model, train, test, k, **QUIET).items():
            assert 0 <= value <= 1, name


def test_what_ended_the_process_is_an_error(fitted):
    model, user_items = fitted
    again = pickle.loads(pickle.dumps(model))
    with pytest.raises(ValueError, match="user_items has 5 users but user_factors has 20"):
        again.fit(user_items[:5], **QUIET)
    np.testing.assert_array_equal(again.user_factors, model.user_factors)
    for wrong in ({"num_threads": -1}, {"factors": 0}):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: expected"):
            AlternatingLeastSquares(**{"factors": 2, **wrong}).fit(user_items, **QUIET)
    for k in (0, -1):
        with pytest.raises(ValueError, match="at least 1"):
            ours.nearest_neighbours.all_pairs_knn(user_items, k, **QUIET)
        with pytest.raises(ValueError, match="K: expected an integer of at least 1"):
            evaluation.precision_at_k(model, user_items, user_items, k, **QUIET)
        with pytest.raises(ValueError, match="at least 1"):
            model.recommend(0, user_items[0], N=k)
    neighbours = CosineRecommender(3)
    neighbours.fit(user_items, **QUIET)
    assert not neighbours.recommend(0, csr_matrix((1, 40)))[0].size
    with pytest.raises(IndexError, match="user_items: expected items from 0 to 14, got 39"):
        neighbours.recommend(0, csr_matrix(([1.0], ([0], [39])), shape=(1, 40)))


@pytest.mark.parametrize("cls", [AlternatingLeastSquares, BayesianPersonalizedRanking, CosineRecommender])
def test_a_model_that_is_not_fitted_says_so(cls):
    for call in (lambda m: m.recommend(0, csr_matrix((1, 3))), lambda m: m.similar_items(0)):
        with pytest.raises(fastrec.NotFittedError, match="call fit first"):
            call(cls(3))


def test_values_that_are_no_numbers():
    user_items = interactions(np.random.default_rng(4))
    user_items.data[3] = np.nan
    with pytest.raises(ModelFitError, match="finite"):
        AlternatingLeastSquares(2).fit(user_items, **QUIET)
    BayesianPersonalizedRanking(2, iterations=1).fit(user_items, **QUIET)  # which takes no values
    with pytest.raises(ModelFitError, match="learning_rate"):
        BayesianPersonalizedRanking(2, learning_rate=1e30, iterations=5).fit(user_items, **QUIET)


def test_nothing_is_said_of_blas():  # issue 241
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AlternatingLeastSquares(2).fit(interactions(np.random.default_rng(0)), **QUIET)
        utils.check_blas_config()


@pytest.mark.parametrize("how", ["read", "set", "copied", "copied from"])
def test_factors_may_be_written_to(fitted, how):
    model, user_items = (pickle.loads(pickle.dumps(part)) for part in fitted)
    if how == "set":
        factors = np.array(model.item_factors)
        model.item_factors = factors
    elif how == "copied":
        model, factors = copy.copy(model), model.item_factors
    elif how == "copied from":
        factors = copy.copy(model).item_factors
    before = [model.recommend(3, user_items[3], N=4)[0] for _ in range(3)][-1]
    if how == "read":
        factors = model.item_factors
    factors[:] = np.roll(factors, 1, axis=0)
    after = model.recommend(3, user_items[3], N=4, filter_already_liked_items=False)[0]
    assert after.tolist() != before.tolist()
    np.testing.assert_array_equal(after, np.argsort(-factors @ model.user_factors[3])[:4])


def test_factors_that_nobody_has_are_indexed(fitted):
    model, user_items = pickle.loads(pickle.dumps(fitted[0])), fitted[1]
    found = [model.recommend(np.arange(20), user_items, N=20) for _ in range(3)]  # without an index, then with one
    assert _factors.kept(model).indexes
    for ids, scores in found[1:]:
        np.testing.assert_array_equal(ids, found[0][0])
        np.testing.assert_array_equal(scores, found[0][1])
    again = model.partial_fit_items([2], user_items.T.tocsr()[[5]])
    assert again is None
    assert not np.array_equal(model.recommend(np.arange(20), user_items, N=20)[1], found[0][1])


def test_arguments_are_not_changed(fitted):
    model, user_items = fitted
    before = user_items.copy()
    items = np.array([5, 2, 9])
    unsorted = csr_matrix(([1.0, 2.0], [7, 3], [0, 2]), shape=(1, 15))
    unsorted_among = csr_matrix(([1.0, 2.0], [9, 3], [0, 2]), shape=(1, 15))
    model.recommend(0, unsorted_among, items=items)
    np.testing.assert_array_equal(unsorted_among.data, [1.0, 2.0])  # implicit sets those of items to zero
    model.recommend(0, unsorted, items=items)
    model.recommend([0], unsorted)
    CosineRecommender(2).fit(user_items, **QUIET)
    BayesianPersonalizedRanking(2, iterations=1).fit(user_items, **QUIET)
    evaluation.ranking_metrics_at_k(model, user_items, user_items, 3, **QUIET)
    np.testing.assert_array_equal(items, [5, 2, 9])
    np.testing.assert_array_equal(unsorted.indices, [7, 3])
    np.testing.assert_array_equal(user_items.data, before.data)


# ---- helpers --------------------------------------------------------------------------------------------------------


@needs_original
def test_utils(theirs):
    rng = np.random.default_rng(5)
    factors = rng.normal(size=(6, 3))
    for mine, other in zip(
        utils.augment_inner_product_matrix(factors), theirs.utils.augment_inner_product_matrix(factors), strict=True
    ):
        np.testing.assert_allclose(mine, other)
    rows = coo_matrix(factors).tocsr()
    assert list(utils.nonzeros(rows, 2)) == list(theirs.utils.nonzeros(rows, 2))
    ids, scores = rng.permutation(12).reshape(2, 6).astype(np.int32), -np.sort(-rng.random((2, 6)))
    for query, found, of_found in ((0, ids[0], scores[0]), ([0, 1], ids, scores)):
        results = [
            module._filter_items_from_results(query, found, of_found, [3, 4, 20], 3) for module in (utils, theirs.utils)
        ]
        np.testing.assert_array_equal(results[0][0], results[1][0])
        np.testing.assert_array_equal(results[0][1], results[1][1])

    def call(one, N, user_items):  # noqa: N803
        return np.arange(one, dtype=np.int32), np.ones(one) * user_items.sum()

    results = [module._batch_call(call, [1, 4, 2], N=3, user_items=rows[:3]) for module in (utils, theirs.utils)]
    for mine, other in zip(*results, strict=True):
        assert mine.dtype == other.dtype
        np.testing.assert_array_equal(mine, other)


@needs_original
@given(seeds, st.integers(1, 8), st.booleans(), st.booleans())
def test_topk(theirs, seed, k, with_norms, with_filters):
    rng = np.random.default_rng(seed)
    items, queries = rng.normal(size=(9, 4)), rng.normal(size=(3, 4))
    options = {"item_norms": np.linalg.norm(items, axis=1)} if with_norms else {}
    if with_filters:
        options |= {"filter_items": [1, 2], "filter_query_items": csr_matrix(rng.random((3, 9)) < 0.2)}
    mine, other = (module.topk(items, queries, k, **options) for module in (
        importlib.import_module("fastrec.compat.implicit.cpu.topk"), original("implicit.cpu.topk")))  # fmt: skip
    assert_same_ranking(mine, other)


# ---- programs -------------------------------------------------------------------------------------------------------


@needs_original
@pytest.mark.parametrize("program", ["artists", "evaluation", "save_and_load"])
def test_programs_print_the_same(program):
    printed = []
    for way in (contextlib.nullcontext(), fastrec.compat.patched("implicit")):
        with way, contextlib.redirect_stdout(io.StringIO()) as out:
            runpy.run_path(str(PROGRAMS / f"{program}.py"), run_name="__main__")
        printed.append(out.getvalue())
    assert printed[0] == printed[1]
    assert printed[0].count("\n") >= 8
