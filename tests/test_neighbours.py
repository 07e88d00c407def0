"""The neighbourhood models against their definition: a product with reference similarities."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

import fastrec
from fastrec import reference


def ratings(seed, dtype=np.float32):
    rng = np.random.default_rng(seed)
    matrix = sp.random_array((20, 15), density=0.3, rng=rng, format="csr")
    matrix.data = rng.integers(1, 4, matrix.nnz)
    return matrix.astype(dtype)


@given(st.integers(0, 2**16), st.sampled_from([np.float32, np.float64]), st.integers(1, 20), st.floats(0, 9))
def test_equals_reference(seed, dtype, k, shrinkage):
    rows = ratings(seed, dtype)
    model = fastrec.ItemKNN(k, shrinkage=shrinkage).fit(rows)
    similarity = reference.item_similarity(rows, k, shrinkage=shrinkage)
    np.testing.assert_array_equal(model.similarity_.toarray(), similarity.toarray())

    best = reference.sparse_top_k_product(rows, similarity, 15)
    top = model.recommend(np.arange(20), rows, 15, exclude_seen=False)
    for row in range(20):
        columns = best.indices[best.indptr[row] : best.indptr[row + 1]]
        np.testing.assert_array_equal(top.items[row, : len(columns)], columns)
        np.testing.assert_array_equal(
            top.scores[row, : len(columns)], best.data[best.indptr[row] : best.indptr[row + 1]]
        )
        assert (top.items[row, len(columns) :] == -1).all()


def assert_ranks_product(top, a, b):
    """The best of each row of a product, with padding."""
    best = reference.sparse_top_k_product(a, b, top.items.shape[1])
    expected = fastrec.TopK.of_rows(best, top.items.shape[1])
    np.testing.assert_array_equal(top.items, expected.items)
    np.testing.assert_array_equal(top.scores, expected.scores)


@given(st.integers(0, 2**16), st.integers(1, 20), st.floats(0, 9))
def test_users_neighbours(seed, k, shrinkage):
    rows = ratings(seed)
    model = fastrec.UserKNN(k, shrinkage=shrinkage).fit(rows)
    similarity = reference.user_similarity(rows, k, shrinkage=shrinkage)
    np.testing.assert_array_equal(model.similarity_.toarray(), similarity.toarray())
    assert_ranks_product(model.recommend(np.arange(20), rows, 15, exclude_seen=False), similarity, rows)
    assert_ranks_product(model.similar_users(np.arange(20), 20), sp.eye_array(20, dtype=np.float32), similarity)


@given(st.integers(0, 2**16), st.integers(1, 20))
def test_new_users_neighbours(seed, k):
    """Are those that they would have had, among the users of fit."""
    rows, new = ratings(seed), ratings(seed + 1)[:5]
    model = fastrec.UserKNN(k).fit(rows)
    everybody = sp.vstack([rows, new], format="csr")
    targets = np.arange(20, 25)
    similarity = reference.user_similarity(everybody, k, target_users=targets, candidates=np.arange(20))
    top = model.recommend(None, new, 15, exclude_seen=False)
    assert_ranks_product(top, similarity[targets][:, :20], rows)
    mixed = model.recommend([3, 20], sp.vstack([rows[[3]], new[[0]]], format="csr"), 15, exclude_seen=False)
    np.testing.assert_array_equal(mixed.items[1], top.items[0])
    again = model.recommend([0], rows[[0]], 15, exclude_seen=False, recalculate=True)
    assert_ranks_product(again, similarity_to(everybody, rows[[0]], k), rows)


def similarity_to(everybody, row, k):
    stacked = sp.vstack([everybody[:20], row], format="csr")
    found = reference.user_similarity(stacked, k, target_users=[20], candidates=np.arange(20))
    return found[[20]][:, :20]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (fastrec.P3alpha(7), {"metric": "p3alpha"}),
        (fastrec.P3alpha(7, alpha=0.6), {"metric": "p3alpha", "alpha": 0.6}),
        (fastrec.RP3beta(7, alpha=1.2, beta=0.3), {"metric": "rp3beta", "alpha": 1.2, "beta": 0.3}),
    ],
)
def test_random_walks(model, options):
    rows = ratings(3)
    similarity = fastrec.item_similarity(rows, 7, **options)
    np.testing.assert_array_equal(model.fit(rows).similarity_.toarray(), similarity.toarray())
    assert_ranks_product(model.recommend(np.arange(20), rows, 15, exclude_seen=False), rows, similarity)


PARTLY = {
    "ItemKNN": fastrec.ItemKNN(4),
    "ItemKNN, bm25": fastrec.ItemKNN(4, weighting="bm25"),
    "ItemKNN, lift": fastrec.ItemKNN(4, metric="lift"),
    "ItemKNN, pearson": fastrec.ItemKNN(4, metric="pearson"),
    "ItemKNN, adjusted cosine": fastrec.ItemKNN(4, metric="adjusted_cosine"),
    "UserKNN": fastrec.UserKNN(4),
    "UserKNN, tfidf": fastrec.UserKNN(4, weighting="tfidf"),
    "UserKNN, lift": fastrec.UserKNN(4, metric="lift"),
    "UserKNN, adjusted cosine": fastrec.UserKNN(4, metric="adjusted_cosine"),
    "UserKNN, p3alpha": fastrec.UserKNN(4, metric="p3alpha"),
    "P3alpha": fastrec.P3alpha(4),
    "RP3beta": fastrec.RP3beta(4, beta=0.7),
}


@given(st.integers(0, 2**16), st.sampled_from(sorted(PARTLY)), st.lists(st.integers(0, 26), unique=True, max_size=6))
def test_partial_fit_equals_a_fresh_fit(seed, name, users):
    """Of all rows as they are now; on data so sparse that many rows keep what they have."""
    rng = np.random.default_rng(seed)
    rows = sp.csr_array((rng.random((20, 15)) < 0.08) * rng.integers(1, 4, (20, 15)).astype(np.float32))
    new = sp.csr_array((rng.random((len(users), 15)) < 0.15) * rng.integers(1, 4, (len(users), 15)).astype(np.float32))
    everybody = np.zeros((max([19, *users]) + 1, 15), np.float32)
    everybody[:20] = rows.toarray()
    everybody[users] = new.toarray()
    fresh = clone(PARTLY[name]).fit(sp.csr_array(everybody))
    partly = clone(PARTLY[name]).fit(rows).partial_fit(new, users=users)
    np.testing.assert_array_equal(partly.user_items_.toarray(), everybody)
    np.testing.assert_array_equal(partly.similarity_.indptr, fresh.similarity_.indptr)
    np.testing.assert_array_equal(partly.similarity_.indices, fresh.similarity_.indices)
    np.testing.assert_array_equal(partly.similarity_.data, fresh.similarity_.data)
    assert partly.similarity_.shape == fresh.similarity_.shape


def test_partial_fit_leaves_far_rows_alone(monkeypatch):
    rows = sp.csr_array(np.kron(np.eye(3), np.ones((2, 2))).astype(np.float32))
    model = fastrec.ItemKNN(4).fit(rows)
    asked = []
    similar = model._similar
    monkeypatch.setattr(model, "_similar", lambda x, targets: asked.append(targets.tolist()) or similar(x, targets))
    model.partial_fit(np.array([[0, 0, 3, 4, 0, 0]]), users=[2])
    assert asked == [[2, 3]]


def test_partial_fit_before_fit():
    rows = ratings(1)
    fresh = fastrec.ItemKNN(4).fit(rows).similarity_
    np.testing.assert_array_equal(fastrec.ItemKNN(4).partial_fit(rows).similarity_.toarray(), fresh.toarray())
    with pytest.raises(fastrec.NotFittedError):
        fastrec.ItemKNN(4).partial_fit(rows[:2], users=[0, 1])


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (ratings(0)[:2], {"users": [1]}, "user_items: expected shape"),
        (ratings(0)[:2, :14], {"users": [1, 2]}, "user_items: expected shape"),
        (ratings(0)[:2], {"users": [1, 1]}, "users: expected each id once"),
        (ratings(0)[:2], {"users": [1, -1]}, "users"),
        (ratings(0)[:1], {"users": [1], "n_epochs": -1}, "n_epochs"),
        (ratings(0)[:2], {}, "user_items: expected at least"),
    ],
)
def test_bad_partial_fit(rows, options, said):
    model = fastrec.ItemKNN(4).fit(ratings(0))
    before = model.similarity_, model.user_items_
    with pytest.raises(ValueError, match=said):
        model.partial_fit(rows, **options)
    assert (model.similarity_, model.user_items_) == before


@pytest.mark.parametrize("weighting", ["bm25", "tfidf"])
def test_weighting_takes_items_as_documents(weighting):
    rows = ratings(0)
    weigh = {"bm25": fastrec.bm25_weight, "tfidf": fastrec.tfidf_weight}[weighting]
    expected = fastrec.item_similarity(weigh(rows.T).T, 6)
    got = fastrec.ItemKNN(6, weighting=weighting).fit(rows).similarity_
    np.testing.assert_array_equal(got.toarray(), expected.toarray())


def test_similar_items_are_the_rows_of_the_similarity():
    model = fastrec.ItemKNN(6).fit(ratings(1))
    top = model.similar_items(np.arange(15), 6)
    expected = fastrec.top_k(model.similarity_, 6)
    np.testing.assert_array_equal(top.items, expected.items)
    np.testing.assert_array_equal(top.scores, expected.scores)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"k": 0}, ValueError),
        ({"k": 1.5}, TypeError),
        ({"metric": "euclid"}, ValueError),
        ({"shrinkage": -1.0}, ValueError),
        ({"shrinkage": np.nan}, ValueError),
        ({"weighting": "idf"}, ValueError),
        ({"n_threads": 0}, ValueError),
    ],
)
def test_bad_parameters(options, error):
    with pytest.raises(error, match=next(iter(options))):
        fastrec.ItemKNN(**options).fit(ratings(0))


def test_negative_counts_cannot_be_weighted():
    rows = ratings(0)
    rows.data[0] = -1
    with pytest.raises(ValueError, match="counts"):
        fastrec.ItemKNN(weighting="bm25").fit(rows)


@pytest.mark.parametrize("name", sorted(PARTLY))
def test_partial_fit_of_another_dtype_or_with_other_parameters_is_a_fresh_fit(name):
    rng = np.random.default_rng(5)
    rows = sp.csr_array(((rng.random((20, 15)) < 0.1) * rng.random((20, 15))).astype(np.float32))
    new = sp.csr_array(rng.random((1, 15)) * (rng.random((1, 15)) < 0.2))
    model = clone(PARTLY[name]).fit(rows).partial_fit(new, users=[3])
    fresh = clone(PARTLY[name]).fit(model.user_items_)
    assert model.similarity_.dtype == fresh.similarity_.dtype == np.float64
    np.testing.assert_array_equal(model.similarity_.toarray(), fresh.similarity_.toarray())
    narrow = new.astype(np.float32)
    model = clone(PARTLY[name]).fit(rows).set_params(k=2).partial_fit(narrow, users=[3])
    fresh = clone(PARTLY[name]).set_params(k=2).fit(model.user_items_)
    np.testing.assert_array_equal(model.similarity_.toarray(), fresh.similarity_.toarray())


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint32", "bool", "float16"])
@pytest.mark.parametrize("name", sorted(PARTLY))
def test_whole_numbers_are_answered_in_float32(name, dtype):
    rows = ratings(2).toarray()
    model, given = clone(PARTLY[name]).fit(ratings(2)), rows.astype(dtype)
    if dtype == "bool":
        model = clone(PARTLY[name]).fit(given.astype(np.float32))
    other = clone(PARTLY[name]).fit(given)
    assert other.similarity_.dtype == np.float32
    np.testing.assert_array_equal(other.similarity_.toarray(), model.similarity_.toarray())
    one, two = model.recommend(None, given.astype(np.float32), 4), other.recommend(None, given, 4)
    assert one.scores.dtype == two.scores.dtype == np.float32
    np.testing.assert_array_equal(one.scores, two.scores)
    beyond = fastrec.ItemKNN(3).fit(np.array([[2**24 + 1, 1]]))
    assert beyond.user_items_.toarray()[0, 0] == 2**24 + 1


def test_partial_fit_of_a_loaded_model_is_a_fresh_fit(tmp_path):
    """Its file was written with other parameters than it was fitted with."""
    rows = np.kron(np.eye(2), np.ones((4, 4), np.float32))
    model = fastrec.ItemKNN(k=3).fit(rows).set_params(k=1)
    model.save(tmp_path / "model.safetensors")
    loaded = fastrec.load(tmp_path / "model.safetensors").partial_fit(rows[:1], users=[0])
    fresh = fastrec.ItemKNN(k=1).fit(rows).similarity_
    assert (loaded.similarity_ != fresh).nnz == 0


def test_partial_fit_refuses_ids_that_need_more_memory_than_there_is(monkeypatch):
    monkeypatch.setattr("fastrec._machine.available_memory", lambda: 1 << 30)
    model = fastrec.ItemKNN(3).fit(ratings(0))
    with pytest.raises(MemoryError, match=r"a matrix of 1000000001 rows needs .* use smaller ids"):
        model.partial_fit(ratings(1)[:1], users=[10**9])


def test_whole_numbers_are_summed_before_they_are_float32():
    one = sp.csr_array((np.array([2**24, 1, 1, 5]), [0, 0, 0, 1], [0, 4]), shape=(1, 2))
    assert fastrec.ItemKNN(3).fit(one).user_items_.toarray().tolist() == [[2**24 + 2, 5]]


def test_user_knn_ranks_by_the_number_that_it_returns():
    """A float64 row makes float64 scores, which float32 would round to a tie."""
    model = fastrec.UserKNN(2).fit(np.array([[1, 0, 1, 0], [0, 1, 0, 1]], np.float32))
    top = model.recommend(None, sp.csr_array([[1, 1 + 1e-9, 0, 0]]), 2)
    assert top.items.tolist() == [[3, 2]]
    assert top.scores.dtype == np.float64
    assert top.scores[0, 0] > top.scores[0, 1]
    assert model.recommend(None, np.array([[1, 1, 0, 0]], np.float32), 2).scores.dtype == np.float32
