"""Users and items that come after the fit: fold-in, partial_fit, and what each item of a row adds to a score."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import fastrec
from equality import assert_rejects
from fastrec import reference

N_USERS, N_ITEMS, N_FACTORS = 20, 14, 5
SOLVE = {"rtol": 1e-5, "atol": 1e-7}  # float64 solved to a residual of 1e-10
EXACTLY = {"tol": 1e-10, "dtype": "float64"}

seeds = st.integers(0, 2**16)
options = st.fixed_dictionaries(
    {
        "alpha": st.sampled_from([0.0, 1.0, 7.5]),
        "regularization": st.sampled_from([0.01, 0.5]),
        "unobserved_weight": st.sampled_from([0.2, 1.0]),
        "regularization_exponent": st.sampled_from([0.0, 0.5]),
        "popularity_exponent": st.sampled_from([0.0, 0.0, 0.5]),
    }
)


def ratings(seed, n_users=N_USERS, n_items=N_ITEMS):
    """Some negative, and rows and columns that are empty."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-2, 5, (n_users, n_items)) * (rng.random((n_users, n_items)) < 0.3)
    return sp.csr_array(values.astype(np.float32))


def fitted(rows, *, n_epochs=2, **more):
    return fastrec.ImplicitALS(N_FACTORS, n_epochs=n_epochs, random_state=0, **{**EXACTLY, **more}).fit(rows)


def by_definition(model, rows, fixed, *, of="users"):
    """Rows solved against fixed factors, with the reference, which is told the weight of every cell."""
    values = rows.toarray().astype(np.float64)
    exponent = model.popularity_exponent
    popularity = model.popularity_ if of == "users" else np.diff(rows.indptr)[:, None]
    unobserved = model.unobserved_weight * np.ones(values.shape)
    if exponent > 0:
        unobserved *= np.maximum(popularity, 0.0) ** exponent / (model.popularity_**exponent).mean()
    weights = np.where(values != 0, 1 + model.alpha * np.abs(values), unobserved)
    everywhere = np.arange(values.size) % values.shape[1], np.arange(len(values) + 1) * values.shape[1]
    stored = [sp.csr_array((x.ravel(), *everywhere), shape=values.shape) for x in (weights, 1.0 * (values > 0))]
    weight = np.diff(rows.indptr) + unobserved.sum(axis=1)
    solved = reference.als_half_step(
        *stored,
        fixed,
        unobserved_weight=0.0,
        regularization=model.regularization * weight**model.regularization_exponent,
    )
    return solved * (np.diff(rows.indptr) > 0)[:, None]


# ---- fold-in --------------------------------------------------------------------------------------------------------


@given(seeds, options)
def test_folding_in_columns_returns_the_factors_of_their_items(seed, options):
    rows = ratings(seed)
    model = fitted(rows, **options)
    np.testing.assert_allclose(model.fold_in_items(rows.T), model.item_factors_, **SOLVE)


@given(seeds, options, st.integers(0, 5))
def test_fold_in_equals_definition(seed, options, n_new):
    model = fitted(ratings(seed), **options)
    new = ratings(seed + 1, n_users=n_new)
    np.testing.assert_allclose(model.fold_in_users(new), by_definition(model, new, model.item_factors_), **SOLVE)
    new = ratings(seed + 2, n_users=n_new, n_items=N_USERS)
    np.testing.assert_allclose(
        model.fold_in_items(new), by_definition(model, new, model.user_factors_, of="items"), **SOLVE
    )


def test_weights_are_those_of_fit():
    rows = ratings(0)
    weights = rows.copy()
    weights.data = np.random.default_rng(0).integers(0, 4, rows.nnz).astype(np.float64)
    model = fastrec.ImplicitALS(N_FACTORS, n_epochs=2, random_state=0, **EXACTLY).fit(rows, weights=weights)
    by_item = [x.T.tocsr() for x in (rows, weights)]
    np.testing.assert_allclose(model.fold_in_items(by_item[0], weights=by_item[1]), model.item_factors_, **SOLVE)
    assert np.abs(model.fold_in_items(by_item[0]) - model.item_factors_).max() > 1e-3


def test_recommend_ranks_new_users_by_it():
    model, new = fitted(ratings(0), dtype="float32", tol=1e-6), ratings(1, n_users=3)
    scores = model.fold_in_users(new).astype(np.float64) @ model.item_factors_.T
    top = model.recommend(None, new, N_ITEMS, exclude_seen=False)
    np.testing.assert_allclose(top.scores, np.take_along_axis(scores, top.items, axis=1), rtol=1e-5)


def test_dtype_and_threads():
    model, new = fitted(ratings(0), dtype="float32", tol=1e-5), ratings(1, n_users=300)
    one = model.fold_in_users(new, n_threads=1)
    assert one.dtype == np.float32
    assert one.shape == (300, N_FACTORS)
    for n_threads in (2, 3, 8):
        np.testing.assert_array_equal(model.fold_in_users(new, n_threads=n_threads), one)


def test_transform_in_a_pipeline():
    rows = ratings(0)
    pipeline = make_pipeline(clone(fitted(rows)), FunctionTransformer(np.negative)).fit(rows)
    np.testing.assert_array_equal(pipeline.transform(rows), -fitted(rows).fold_in_users(rows))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda model: model.fold_in_users(ratings(0, n_items=N_ITEMS + 1)), ValueError, "user_items: expected 14 col"),
        (lambda model: model.fold_in_items(ratings(0)), ValueError, "item_users: expected 20 columns"),
        (lambda model: model.fold_in_users(ratings(0), weights=ratings(1)), ValueError, "weights"),
        (lambda model: model.fold_in_users(ratings(0), n_threads=0), ValueError, "n_threads"),
        (lambda model: model.fold_in_users(ratings(0) * np.float32(np.inf)), ValueError, "user_items"),
        (lambda model: clone(model).fold_in_users(ratings(0)), fastrec.NotFittedError, "call fit"),
        (lambda model: clone(model).fold_in_items(ratings(0).T), fastrec.NotFittedError, "call fit"),
        (lambda model: clone(model).transform(ratings(0)), fastrec.NotFittedError, "call fit"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_bad_fold_in(call, error, words):
    with pytest.raises(error, match=words):
        call(fitted(ratings(0)))


# ---- partial_fit ----------------------------------------------------------------------------------------------------


@given(seeds, options, st.lists(st.integers(0, 26), unique=True, max_size=6))
def test_partial_fit_solves_rows_and_leaves_others(seed, options, ids):
    model = fitted(ratings(seed), **options)
    new = ratings(seed + 1, n_users=len(ids))
    expected = np.zeros((max([N_USERS - 1, *ids]) + 1, N_FACTORS))
    expected[:N_USERS] = model.user_factors_
    expected[ids] = model.fold_in_users(new)
    items = model.item_factors_
    assert model.partial_fit(new, users=ids) is model
    np.testing.assert_array_equal(model.user_factors_, expected)
    assert model.item_factors_ is items


@given(seeds, st.lists(st.integers(0, 19), unique=True, max_size=6))
def test_partial_fit_of_items_solves_rows_and_leaves_others(seed, ids):
    model = fitted(ratings(seed))
    new = ratings(seed + 1, n_users=len(ids), n_items=N_USERS)
    expected = np.zeros((max([N_ITEMS - 1, *ids]) + 1, N_FACTORS))
    expected[:N_ITEMS] = model.item_factors_
    expected[ids] = model.fold_in_items(new)
    users = model.user_factors_
    assert model.partial_fit_items(new, items=ids) is model
    np.testing.assert_array_equal(model.item_factors_, expected)
    assert model.user_factors_ is users
    assert model.recommend(0, ratings(seed, n_items=len(expected))[[0]], 3).items.shape == (1, 3)


@given(seeds, options, st.integers(0, 3), st.integers(0, 3))
def test_further_epochs_are_those_of_one_fit(seed, options, n_first, n_more):
    rows = ratings(seed)
    whole = fitted(rows, n_epochs=n_first + n_more, **options)
    model = fitted(rows, n_epochs=n_first, **options).partial_fit(rows, n_epochs=n_more)
    np.testing.assert_allclose(model.item_factors_, whole.item_factors_, **SOLVE)
    np.testing.assert_allclose(model.user_factors_, whole.user_factors_, **SOLVE)


def test_partial_fit_before_fit_runs_the_first_epochs():
    rows = ratings(0)
    model = clone(fitted(rows))
    for _ in range(3):
        model.partial_fit(rows)
    np.testing.assert_allclose(model.item_factors_, fitted(rows, n_epochs=3).item_factors_, **SOLVE)


def test_further_epochs_over_more_users_and_items():
    """New ones start at zero, so that the first epoch solves the users without them, and then all items."""
    rows = ratings(0, N_USERS + 2, N_ITEMS + 3)
    model = fitted(rows[:N_USERS, :N_ITEMS])
    start = np.concatenate([model.item_factors_, np.zeros((3, N_FACTORS))])
    model.partial_fit(rows)
    np.testing.assert_allclose(model.user_factors_, by_definition(model, rows, start), **SOLVE)
    by_item = sp.csr_array(rows.T)
    np.testing.assert_allclose(
        model.item_factors_, by_definition(model, by_item, model.user_factors_, of="items"), **SOLVE
    )


@pytest.mark.parametrize(
    ("model", "before", "after"),
    [
        *itertools.product([fastrec.ImplicitALS, fastrec.ExplicitALS, fastrec.NMF], [[], [2, 3]], [[5]]),
        *itertools.product([fastrec.ImplicitALS, fastrec.ExplicitALS], [[], [0]], [[3]]),
    ],
)
def test_an_item_and_a_user_that_meet_nobody_else_are_learned(model, before, after):
    """Items without factors until now, of a user whose items all are such: of zeros nothing would ever come."""

    def rows(of_last):
        dense = np.zeros((4, 6 if 5 in of_last else 4), np.float32)
        dense[:2, :2], dense[2, 0] = 1, 1
        dense[3, of_last] = 1
        return csr_array(dense)

    options = {"random_state": 0} | ({"biases": False} if model is fastrec.ExplicitALS else {})
    fitted = model(3, n_epochs=5, **options).fit(rows(before)).partial_fit(rows(after), n_epochs=200)
    scores = fitted.user_factors_ @ fitted.item_factors_.T
    np.testing.assert_allclose(scores[3, after], scores[0, 0], atol=0.15)


def test_no_further_epochs_keep_the_factors():
    model = fitted(ratings(0))
    users, items = model.user_factors_, model.item_factors_
    model.partial_fit(ratings(0, N_USERS + 1, N_ITEMS + 1), n_epochs=0)
    np.testing.assert_array_equal(model.user_factors_, np.concatenate([users, np.zeros((1, N_FACTORS))]))
    np.testing.assert_array_equal(model.item_factors_, np.concatenate([items, np.zeros((1, N_FACTORS))]))


def test_partial_fit_keeps_the_form_of_the_factors():
    model = fitted(ratings(0)).set_params(n_factors=9, dtype="float32")
    model.partial_fit(ratings(0)).partial_fit(ratings(1)[:1], users=[30])
    assert model.item_factors_.shape == (N_ITEMS, N_FACTORS)
    assert model.user_factors_.shape == (31, N_FACTORS)
    assert model.user_factors_.dtype == model.item_factors_.dtype == np.float64


def test_what_told_of_the_fit_before_is_gone():
    model = fastrec.ImplicitALS(2, n_epochs=2)
    for change in (
        lambda: model.partial_fit(ratings(0)),
        lambda: model.partial_fit(ratings(0)[:1], users=[0]),
        lambda: model.partial_fit_items(ratings(0).T[:1], items=[0]),
    ):
        model.fit(ratings(0), compute_loss=True)
        change()
        assert not hasattr(model, "loss_")


def test_partial_fit_may_be_repeated_with_its_rows():
    """What was solved once is solved to the same again: nothing but the rows and the items' factors matter."""
    model = fitted(ratings(0))
    once = model.partial_fit(ratings(1), users=np.arange(N_USERS)).user_factors_
    np.testing.assert_array_equal(model.partial_fit(ratings(1), users=np.arange(N_USERS)).user_factors_, once)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model: model.partial_fit(ratings(0)[:2], users=[1]), "user_items: expected shape"),
        (lambda model: model.partial_fit(ratings(0)[:2, :9], users=[1, 2]), "user_items: expected shape"),
        (lambda model: model.partial_fit(ratings(0, 2, 15), users=[1, 2]), "user_items: expected shape"),
        (lambda model: model.partial_fit(ratings(0)[:2], users=[1, 1]), "users: expected each id once"),
        (lambda model: model.partial_fit(ratings(0)[:2], users=[1, -1]), "users"),
        (lambda model: model.partial_fit(ratings(0)[:1], users=[1], n_epochs=-1), "n_epochs"),
        (lambda model: model.partial_fit(ratings(0)[:2]), "user_items: expected at least the 20 users and 14 items"),
        (lambda model: model.partial_fit(ratings(0)[:, :2]), "user_items: expected at least the 20 users and 14 items"),
        (lambda model: model.partial_fit_items(ratings(0).T[:2], items=[1]), "item_users: expected shape"),
        (lambda model: model.partial_fit_items(ratings(0).T, items=[0, 0]), "items: expected each id once"),
    ],
)
def test_bad_partial_fit(call, words):
    model = fitted(ratings(0))
    before = dict(model.__dict__)
    with pytest.raises(ValueError, match=words):
        call(model)
    assert all(model.__dict__[name] is value for name, value in before.items())


def test_partial_fit_of_some_before_fit():
    with pytest.raises(fastrec.NotFittedError):
        fastrec.ImplicitALS().partial_fit(ratings(0)[:1], users=[0])
    with pytest.raises(fastrec.NotFittedError):
        fastrec.ImplicitALS().partial_fit_items(ratings(0).T[:1], items=[0])


def test_partial_fit_of_an_id_beyond_the_memory(memory_of):
    model = fitted(ratings(0))
    memory_of(1 << 20)
    with pytest.raises(MemoryError, match="factors of"):
        model.partial_fit(ratings(0)[:1], users=[10**7])


# ---- explain --------------------------------------------------------------------------------------------------------


def explains_the_score(explain):
    @given(seeds, options)
    def law(seed, options):
        rows = ratings(seed)
        model = fitted(rows, **options)
        for user in range(3):
            scores = model.recommend(user, rows[[user]], N_ITEMS, exclude_seen=False, recalculate=True)
            for item, score in zip(scores.items[0, :3], scores.scores[0], strict=False):
                why = explain(model, user, int(item), rows[[user]])
                np.testing.assert_allclose([why.score, why.contributions.sum()], score, rtol=1e-7, atol=1e-9)

    return law


def contributes_what_leaving_it_out_of_the_right_side_takes(explain):
    """With the weights kept, an item's target is all that its contribution comes from."""

    @given(seeds, options)
    def law(seed, options):
        rows = ratings(seed)[[0]]
        model = fitted(ratings(seed), **options)
        why = explain(model, None, 3, rows)
        for item, contribution in zip(why.items, why.contributions, strict=True):
            without = rows.copy()
            without.data[without.indices == item] = -np.abs(without.data[without.indices == item])
            score = by_definition(model, rows, model.item_factors_)[0] @ model.item_factors_[3]
            score_without = by_definition(model, without, model.item_factors_)[0] @ model.item_factors_[3]
            np.testing.assert_allclose(contribution, score - score_without, rtol=1e-6, atol=1e-9)

    return law


EXPLAIN_LAWS = [explains_the_score, contributes_what_leaving_it_out_of_the_right_side_takes]


@pytest.mark.parametrize("law", EXPLAIN_LAWS)
def test_explain(law):
    law(fastrec.ImplicitALS.explain)()


@pytest.mark.parametrize("law", EXPLAIN_LAWS)
def test_laws_of_explain_can_fail(law):
    def without_the_entries_weights(model, user, item, row):
        factors = model.item_factors_
        system = model.unobserved_weight * factors.T @ factors + model.regularization * np.eye(N_FACTORS)
        weight = (1 + model.alpha * np.abs(row.data)) * (row.data > 0)
        contributions = weight * (factors[row.indices] @ np.linalg.solve(system, factors[item]))
        return fastrec.Explanation(row.indices, contributions, contributions.sum())

    assert_rejects(law, without_the_entries_weights)


def test_explanation_is_in_order():
    row = sp.csr_array(np.array([[3, 0, 0, 3, -1, 2, -1, 0, 0, 0, 0, 0, 0, 1]]))
    model = fitted(ratings(0))
    model.item_factors_ = model.item_factors_.copy()
    model.item_factors_[3] = model.item_factors_[0]  # contributes as much
    why = model.explain(1, 2, row)
    assert why.items.dtype == np.int32
    assert why.contributions.dtype == np.float64
    assert sorted(why.items) == [0, 3, 4, 5, 6, 13]
    order = np.lexsort((why.items, -why.contributions))
    np.testing.assert_array_equal(order, np.arange(6))
    contributions = dict(zip(why.items.tolist(), why.contributions.tolist(), strict=True))
    assert contributions[0] == contributions[3]
    assert contributions[4] == contributions[6] == 0
    assert not np.signbit(why.contributions[why.contributions == 0]).any()


def test_explain_with_weights():
    rows = ratings(0)[[2]]
    weights = rows.copy()
    weights.data = np.arange(rows.nnz, dtype=np.float64)  # one of zero
    model = fitted(ratings(0))
    why = model.explain(2, 5, rows, weights=weights)
    score = model.fold_in_users(rows, weights=weights)[0] @ model.item_factors_[5]
    np.testing.assert_allclose(why.score, score, rtol=1e-6)
    assert (why.contributions[why.items == rows.indices[0]] == 0).all()


def test_explain_without_history():
    why = fitted(ratings(0)).explain(None, 5, sp.csr_array((1, N_ITEMS)))
    assert why.score == 0.0
    assert why.items.shape == why.contributions.shape == (0,)


def test_explain_without_regularisation_is_of_the_least_norm():
    rows = ratings(0)
    model = fitted(rows)
    model.set_params(regularization=0.0, unobserved_weight=0.0)
    model.item_factors_ = np.repeat(model.item_factors_[:, :1], N_FACTORS, axis=1)
    why = model.explain(0, 3, rows[[0]])
    score = by_definition(model, rows[[0]], model.item_factors_)[0] @ model.item_factors_[3]
    np.testing.assert_allclose(why.score, score, rtol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((0, N_ITEMS, ratings(0)[[0]]), ValueError, "item"),
        ((0, -1, ratings(0)[[0]]), ValueError, "item"),
        ((0, 1.0, ratings(0)[[0]]), TypeError, "item"),
        ((-1, 1, ratings(0)[[0]]), ValueError, "user"),
        (("0", 1, ratings(0)[[0]]), TypeError, "user"),
        ((0, 1, ratings(0)), ValueError, r"user_items: expected shape \(1, 14\)"),
        ((0, 1, ratings(0)[[0], :9]), ValueError, r"user_items: expected shape \(1, 14\)"),
    ],
)
def test_bad_explain(arguments, error, words):
    with pytest.raises(error, match=words):
        fitted(ratings(0)).explain(*arguments)
    with pytest.raises(fastrec.NotFittedError):
        fastrec.ImplicitALS().explain(0, 1, ratings(0)[[0]])
