"""ItemKNN against its definition: a product of reference similarities."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

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
