"""NMF against its definition, the exact non-negative solve and scikit-learn, and the laws of its loss."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn import decomposition
from sklearn.base import clone

import fastrec
from equality import assert_rejects, assert_same, digest
from fastrec._nndsvd import nndsvd
from fastrec._nonnegative import Problem
from fastrec._types import Csr
from fastrec.reference import nmf as definitions

N_USERS, N_ITEMS = 37, 21  # neither a multiple of the rows that descend together
UNSEEN = ["zeros", "unobserved"]


def interactions(seed=0, shape=(N_USERS, N_ITEMS), density=0.3):
    """Fractions, and a row and a column without any."""
    rng = np.random.default_rng(seed)
    values = np.ceil(5 * rng.random(shape)) / rng.choice([1, 4])
    values[rng.random(shape) > density] = 0
    values[rng.integers(shape[0])] = 0
    values[:, rng.integers(shape[1])] = 0
    return sp.csr_array(values.astype(np.float32))


def start(seed, n_factors, shape=(N_USERS, N_ITEMS)):
    """Of both sides, with coordinates at their bound."""
    rng = np.random.default_rng(seed)
    return tuple(np.maximum(rng.standard_normal((size, n_factors)), 0).astype(np.float32) for size in shape)


def learned(model):
    return model.user_factors_, model.item_factors_


by_settings = given(
    seed=st.integers(0, 2**16),
    n_factors=st.sampled_from([1, 3, 16, 21]),
    unseen=st.sampled_from(UNSEEN),
    l1=st.sampled_from([(0.0, 0.0), (0.5, 2.0)]),
    l2=st.sampled_from([(0.5, 0.5), (0.25, 3.0)]),
)


# ---- the descent ----------------------------------------------------------------------------------------------------


@by_settings
def test_equals_reference(seed, n_factors, unseen, l1, l2):
    rows, init = interactions(seed), start(seed, n_factors)
    options = {"unseen": unseen, "l1_regularization": l1, "l2_regularization": l2}
    model = fastrec.NMF(n_factors, **options, n_epochs=2).fit(rows, init=init, compute_loss=True)
    users, items = init
    n_sweeps = [
        Problem(Csr.of_canonical(x), 0, 0, unseen == "zeros").n_sweeps(n_factors) for x in (rows, rows.T.tocsr())
    ]
    assert 1 <= min(n_sweeps) <= max(n_sweeps) <= 4
    for epoch in range(2):
        step = {"unseen": unseen, "n_sweeps": n_sweeps[0]}
        users = definitions.nmf_half_step(rows, users, items, **step, l1=l1[0], l2=l2[0])
        step = {"unseen": unseen, "n_sweeps": n_sweeps[1]}
        items = definitions.nmf_half_step(rows.T, items, users, **step, l1=l1[1], l2=l2[1])
        np.testing.assert_allclose(model.loss_[epoch], definitions.nmf_loss(rows, users, items, **options), rtol=1e-4)
    for got, expected in zip(learned(model), (users, items), strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-3 * max(1, np.abs(expected).max()))
    np.testing.assert_allclose(model.loss_[-1], definitions.nmf_loss(rows, *learned(model), **options), rtol=1e-5)


def law_of_the_loss(fit):
    @by_settings
    def law(seed, n_factors, unseen, l1, l2):
        rows, options = interactions(seed), {"unseen": unseen, "l1_regularization": l1, "l2_regularization": l2}
        before = np.inf
        for users, items in fit(rows, n_factors, options):
            assert min(users.min(), items.min()) >= 0
            loss = definitions.nmf_loss(rows, users, items, **options)
            assert loss <= before * (1 + 1e-6)
            before = loss

    return law


def epochs(rows, n_factors, options):
    model = fastrec.NMF(n_factors, **options, n_epochs=0, random_state=0).fit(rows)
    for _ in range(5):
        yield learned(model)
        model.partial_fit(rows)


test_the_loss_never_rises = law_of_the_loss(epochs)


@pytest.mark.parametrize("broken", [lambda x: 1.3 * x, lambda x: x - 0.01])
def test_the_law_of_the_loss_can_fail(broken):
    def fit(rows, n_factors, options):
        for epoch, (users, items) in enumerate(epochs(rows, n_factors, options)):
            yield broken(users) if epoch == 4 else users, items

    assert_rejects(law_of_the_loss, fit)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.6])
def test_ends_where_scikit_learn_does(l1_ratio):
    """With its penalties, which it multiplies by the size of the other side."""
    rows = interactions(1, (60, 40))
    alpha = 0.002
    theirs = decomposition.NMF(
        4, solver="cd", alpha_W=alpha, l1_ratio=l1_ratio, max_iter=2000, tol=1e-7, random_state=0
    )
    users = theirs.fit_transform(rows)
    sizes = alpha * rows.shape[1], alpha * rows.shape[0]
    options = {
        "l1_regularization": tuple(l1_ratio * size for size in sizes),
        "l2_regularization": tuple((1 - l1_ratio) * size for size in sizes),
    }
    ours = fastrec.NMF(4, **options, n_epochs=1000).fit(rows, init=(users, theirs.components_.T), compute_loss=True)
    expected = definitions.nmf_loss(rows, users, theirs.components_.T, **options)
    np.testing.assert_allclose(ours.loss_, expected, rtol=1e-4)  # it is there already
    ours = fastrec.NMF(4, **options, n_epochs=1000, random_state=0).fit(rows, compute_loss=True)
    np.testing.assert_allclose(ours.loss_[-1], expected, rtol=0.01)


@pytest.mark.parametrize("unseen", UNSEEN)
def test_finds_the_parts_that_there_are(unseen):
    users, items = start(3, 3, (80, 30))
    model = fastrec.NMF(3, unseen=unseen, n_epochs=2000, random_state=0).fit(users @ items.T, compute_loss=True)
    assert model.loss_[-1] < 1e-4 * ((users @ items.T) ** 2).sum()


@pytest.mark.parametrize("unseen", UNSEEN)
@pytest.mark.parametrize("n_threads", [2, 3, 8])
def test_same_bits_at_any_number_of_threads(unseen, n_threads):
    rows = interactions(2, (700, 300))
    models = (fastrec.NMF(19, unseen=unseen, n_epochs=3, random_state=0, n_threads=n) for n in (1, n_threads))
    first, other = (digest(*learned(model.fit(rows)), model.transform(rows)) for model in models)
    assert first == other


# ---- the start ------------------------------------------------------------------------------------------------------


def test_nndsvd_is_that_of_the_singular_vectors():
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((size, 12)))[0] for size in (50, 30))
    values = 2.0 ** np.arange(8, -4, -1)
    x = (left * values) @ right.T
    x[:, 0] += 20 + np.abs(x.min())  # the decomposition takes any values
    left, values, right = np.linalg.svd(x, full_matrices=False)
    found = nndsvd(Csr.of_canonical(sp.csr_array(x.astype(np.float32))), 6, 0, 1)
    for factor in range(6):
        best = max(
            ((np.maximum(sign * left[:, factor], 0), np.maximum(sign * right[factor], 0)) for sign in (1, -1)),
            key=lambda parts: np.linalg.norm(parts[0]) * np.linalg.norm(parts[1]),
        )
        lengths = [np.linalg.norm(part) for part in best]
        size = np.sqrt(values[factor] * lengths[0] * lengths[1])
        for got, part, length in zip(found, best, lengths, strict=True):
            np.testing.assert_allclose(got[:, factor], size * part / length, rtol=0, atol=2e-3 * size)


@pytest.mark.parametrize("start", ["nndsvd", "random"])
def test_every_factor_starts_somewhere(start):
    """Also those beyond the rank."""
    rows = sp.csr_array(np.outer(np.arange(1.0, 31), np.arange(1.0, 13)))
    model = fastrec.NMF(20, start=start, n_epochs=0, random_state=0).fit(rows)
    assert model.item_factors_.any(axis=0).all()
    assert (model.item_factors_ >= 0).all()


def test_a_start_is_kept():
    rows, init = interactions(), start(0, 5)
    model = fastrec.NMF(5, n_epochs=0)
    for got, given_ in zip(learned(model.fit(rows, init=init)), init, strict=True):
        assert_same(got, given_)
    assert not model.fit(rows, init=init[1]).user_factors_.any()


def test_epochs_add_up():
    rows = interactions()
    first = fastrec.NMF(5, n_epochs=2, random_state=0).fit(rows).partial_fit(rows, n_epochs=3)
    assert digest(*learned(first)) == digest(*learned(fastrec.NMF(5, n_epochs=5, random_state=0).fit(rows)))
    fresh = fastrec.NMF(5, random_state=0).partial_fit(rows, n_epochs=5)
    assert digest(*learned(fresh)) == digest(*learned(first))


# ---- new users ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unseen", UNSEEN)
@given(seed=st.integers(0, 2**16))
def test_folding_in_is_the_exact_solve(unseen, seed):
    rows = interactions(seed)
    model = fastrec.NMF(5, unseen=unseen, l2_regularization=0.5, n_epochs=3, random_state=0).fit(rows)
    ones = rows.copy()
    ones.data = np.ones_like(ones.data)
    expected = fastrec.als_half_step(
        ones,
        rows,
        model.item_factors_,
        nonnegative=True,
        regularization=0.5,
        unobserved_weight=float(unseen == "zeros"),
    )
    np.testing.assert_allclose(model.transform(rows), expected, rtol=0, atol=2e-4 * max(1, expected.max()))


@pytest.mark.parametrize("unseen", UNSEEN)
def test_a_row_alone_has_the_factors_that_it_has_among_others(unseen):
    rows = interactions()
    model = fastrec.NMF(5, unseen=unseen, n_epochs=3, random_state=0).fit(rows)
    together = model.fold_in_users(rows)
    for row in (0, 7, 36):
        assert_same(model.fold_in_users(rows[[row]]), together[[row]])
    assert not together[np.diff(rows.indptr) == 0].any()


def test_new_users_are_taken_in():
    rows = interactions()
    model = fastrec.NMF(5, n_epochs=3, random_state=0).fit(rows)
    folded = model.transform(rows[[4, 9]])
    model.partial_fit(rows[[4, 9]], users=[40, 2])
    assert model.user_factors_.shape == (41, 5)
    assert_same(model.user_factors_[[40, 2]], folded)
    grown = sp.csr_array(np.pad(rows.toarray(), ((0, 4), (0, 3)), constant_values=1))
    assert [len(side) for side in learned(model.partial_fit(grown))] == [41, 24]
    assert model.item_factors_[-1].any()


def test_a_stored_zero_is_a_rating_where_the_unseen_is_unknown():
    rows = interactions()
    stored = rows.copy()
    stored.data[:3] = 0
    for unseen, same in (("zeros", True), ("unobserved", False)):
        model = fastrec.NMF(3, unseen=unseen, n_epochs=2, random_state=0)
        dropped = stored.copy()
        dropped.eliminate_zeros()
        first, other = (digest(*learned(clone(model).fit(x))) for x in (stored, dropped))
        assert (first == other) is same


def test_predicts_what_is_ranked():
    rows = interactions()
    model = fastrec.NMF(5, n_epochs=3, random_state=0).fit(rows)
    top = model.recommend(np.arange(N_USERS), rows, 1)
    assert_same(model.predict(np.arange(N_USERS), top.items[:, 0]), top.scores[:, 0])
    with pytest.raises(ValueError, match="items"):
        model.predict([0], [N_ITEMS])


# ---- what can go wrong ----------------------------------------------------------------------------------------------


def test_ends_early():
    rows = interactions()
    rule = fastrec.EarlyStopping(patience=1, min_improvement=0.05)
    model = fastrec.NMF(5, n_epochs=50, random_state=0).fit(rows, early_stopping=rule)
    assert model.n_epochs_ == len(model.loss_) < 50
    seen = []
    fastrec.NMF(5, n_epochs=3, random_state=0).fit(rows, callback=lambda *told: seen.append(told), progress=True)
    assert [epoch for epoch, _, _ in seen] == [0, 1, 2]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda model: model.fit(-interactions()), ValueError, r"user_items: expected values of at least 0 \(NMF\)"),
        (lambda model: model.fit(interactions() * 1e30), ValueError, "user_items: expected values of up to"),
        (lambda model: model.transform(-interactions()), ValueError, "user_items"),
        (lambda model: model.transform(interactions()[:, :3]), ValueError, "user_items: expected 21 columns"),
        (lambda model: model.partial_fit(interactions()[:3]), ValueError, "user_items"),
        (lambda model: model.fit(interactions(), init=-start(0, 5)[1]), ValueError, "init: expected values of at lea"),
        (lambda model: model.fit(interactions(), init=start(0, 4)), ValueError, r"init\[0\]: expected user factors"),
        (lambda model: model.fit(interactions(), init=start(0, 5)[0]), ValueError, "init: expected item factors"),
        (lambda model: model.fit(interactions(), init=start(0, 5) * 2), ValueError, "init: expected item factors, or"),
    ],
)
def test_refuses_and_stays_as_it_was(call, error, words):
    model = fastrec.NMF(5, n_epochs=2, random_state=0).fit(interactions())
    before = digest(*learned(model))
    with pytest.raises(error, match=words):
        call(model)
    assert digest(*learned(model)) == before


def test_a_copy_of_the_longest_row_must_fit(memory_of):
    model = fastrec.NMF(64, unseen="unobserved", start="random", n_threads=8, n_epochs=1)
    memory_of(2**20)
    with pytest.raises(MemoryError, match=r"factors of a row with 1000 entries, for each thread needs .* fewer n_thr"):
        model.fit(np.ones((1, 1000), np.float32))


@pytest.mark.parametrize("unseen", ["zeros", "unobserved"])
def test_new_users_of_new_items_are_learned(unseen):
    known = interactions()
    n_users, n_items = known.shape
    block = np.ones((5, 4), np.float32)
    grown = sp.csr_array(sp.block_diag([known, block], format="csr"))
    model = fastrec.NMF(4, unseen=unseen, random_state=0).fit(known)
    model.partial_fit(grown, n_epochs=30)
    users, items = np.divmod(np.arange(20), 4)
    np.testing.assert_allclose(model.predict(n_users + users, n_items + items), 1, atol=0.2)
