"""One call of every operation and instance, each large enough for eight threads; also for programs beside the tests.

The digests of their answers are compared between numbers of threads, Python threads, processes and instruction sets.
"""

import functools

import numpy as np
from scipy.sparse import csr_array, vstack

import fastrec


@functools.cache
def ratings(n_users=1000, n_items=800, density=0.08):
    """Whole ratings of 1 to 5 whose items differ in popularity."""
    rng = np.random.default_rng(1)
    popularity = density * n_items * (1 / np.arange(1, n_items + 1)) / (1 / np.arange(1, n_items + 1)).sum()
    seen = rng.random((n_users, n_items)) < np.maximum(popularity, density / 2)
    return csr_array((seen * rng.integers(1, 6, seen.shape)).astype(np.float32))


@functools.cache
def scores(dtype, n_rows=2000, n_items=1000):
    """Scores with ties, NaN and inf."""
    rng = np.random.default_rng(2)
    values = np.round(rng.standard_normal((n_rows, n_items)), 2)
    values[rng.random(values.shape) < 0.01] = np.nan
    values[rng.random(values.shape) < 0.01] = -np.inf
    return values.astype(dtype)


@functools.cache
def factors(dtype, n_factors=19):
    rng = np.random.default_rng(3)
    return tuple((rng.standard_normal((n, n_factors)) / 3).astype(dtype) for n in (400, 2500))


@functools.cache
def pattern(seed, density):
    queries, items = factors("float32")
    rng = np.random.default_rng(seed)
    return csr_array(rng.random((len(queries), len(items))) < density)


@functools.cache
def operands(dtype):
    rng = np.random.default_rng(4)
    values = rng.standard_normal((700, 700)) * (1000 if np.dtype(dtype).kind == "i" else 1)
    a = np.where(rng.random(values.shape) < 0.1, values, 0).astype(dtype)
    return csr_array(a), csr_array(a.T.copy())


@functools.cache
def halves(dtype):
    """All of a product, in two blocks of columns, four times over: work for eight threads."""
    a, b = operands(dtype)
    found = [fastrec.sparse_top_k_product(a, b[:, columns], 350) for columns in (slice(0, 350), slice(350, 700))]
    return [vstack([block] * 4, format="csr") for block in found]


@functools.cache
def half_step():
    weights = ratings()
    targets = weights.copy()
    targets.data = np.ones_like(targets.data)
    return weights, targets


def inner_product(dtype, n_threads, **options):
    return fastrec.top_k_inner_product(*factors(dtype), 20, n_threads=n_threads, **options)


def searched(metric, dtype, n_threads):
    queries, items = factors(dtype)
    return fastrec.ItemIndex(items, metric=metric).top_k(queries, 20, exclude=pattern(1, 0.05), n_threads=n_threads)


def solve(dtype, n_threads, **options):
    return fastrec.als_half_step(*half_step(), factors_of(dtype), n_threads=n_threads, **options)


@functools.cache
def factors_of(dtype):
    return np.random.default_rng(5).standard_normal((800, 20)).astype(dtype)


@functools.cache
def documents():
    """Many short rows, so that there are blocks of them for many threads, which take long enough to be seen."""
    rng = np.random.default_rng(6)
    return csr_array((rng.random((100_000, 80)) < 0.4) * rng.integers(1, 9, (100_000, 80)).astype(np.float32))


@functools.cache
def of_four_blocks():
    """Enough for descent to share them among four threads."""
    return ratings(3000, 1600)


# What has the same bits on every instruction set and at any number of threads.
ON_EVERY_SET = {
    "top_k, float32": lambda n: fastrec.top_k(scores("float32"), 20, n_threads=n),
    "top_k, float64": lambda n: fastrec.top_k(scores("float64"), 20, n_threads=n),
    "top_k, Fortran order": lambda n: fastrec.top_k(np.asfortranarray(scores("float32")), 20, n_threads=n),
    "top_k, long rows": lambda n: fastrec.top_k(scores("float64").reshape(40, -1), 100, n_threads=n),
    "top_k, most of each row": lambda n: fastrec.top_k(scores("float32"), 900, n_threads=n),
    "top_k, sparse": lambda n: fastrec.top_k(dense_rows("float32"), 20, n_threads=n),
    "top_k, sparse, float64": lambda n: fastrec.top_k(dense_rows("float64"), 20, n_threads=n),
    "top_k_inner_product, float32": lambda n: inner_product("float32", n),
    "top_k_inner_product, float64": lambda n: inner_product("float64", n),
    "top_k_inner_product, exclude": lambda n: inner_product("float32", n, exclude=pattern(1, 0.05)),
    "top_k_inner_product, candidates": lambda n: inner_product("float64", n, candidates=pattern(2, 0.5)),
    "top_k_inner_product, one list": lambda n: inner_product("float32", n, candidates=range(0, 2500, 2)),
    **{
        f"ItemIndex, {metric}, {dtype}": lambda n, metric=metric, dtype=dtype: searched(metric, dtype, n)
        for metric in ("inner_product", "cosine", "euclidean")
        for dtype in ("float32", "float64")
    },
    **{
        f"sparse_top_k_product, {dtype}": lambda n, dtype=dtype: fastrec.sparse_top_k_product(
            *operands(dtype), 20, n_threads=n
        )
        for dtype in ("float32", "float64", "int32", "int64")
    },
    **{
        f"merge_top_k_products, {dtype}": lambda n, dtype=dtype: fastrec.merge_top_k_products(
            halves(dtype), 20, n_threads=n
        )
        for dtype in ("float32", "int64")
    },
    "item_similarity, cosine": lambda n: fastrec.item_similarity(ratings(), 20, n_threads=n),
    "item_similarity, p3alpha": lambda n: fastrec.item_similarity(
        ratings(), 20, metric="p3alpha", binary=True, n_threads=n
    ),
    "item_similarity, dot": lambda n: fastrec.item_similarity(
        ratings().astype(np.float64), 20, metric="dot", shrinkage=3.0, min_support=2, threshold=1.0, n_threads=n
    ),
}
# What has the same bits at any number of threads on one machine.
AT_ANY_THREADS = {
    **ON_EVERY_SET,
    "als_half_step, float32": lambda n: solve("float32", n),
    "als_half_step, float64": lambda n: solve("float64", n),
    "als_half_step, singular": lambda n: solve("float64", n, unobserved_weight=0.0, regularization=0.0),
    "als_half_step, nonnegative": lambda n: solve("float32", n, nonnegative=True),
    "BPR": lambda n: fastrec.BPR(19, n_epochs=2, random_state=0, n_threads=n).fit(of_four_blocks()).item_factors_,
    "WARP": lambda n: fastrec.WARP(19, n_epochs=2, random_state=0, n_threads=n).fit(of_four_blocks()).item_factors_,
    "NMF": lambda n: fastrec.NMF(19, n_epochs=2, random_state=0, n_threads=n).fit(ratings()).item_factors_,
    "LogisticMF": lambda n: (
        fastrec.LogisticMF(19, n_epochs=2, random_state=0, n_threads=n).fit(of_four_blocks()).item_factors_
    ),
    "BiasedMF": lambda n: (
        fastrec.BiasedMF(19, n_epochs=2, random_state=0, n_threads=n).fit(of_four_blocks()).item_factors_
    ),
    "bm25_weight": lambda n: fastrec.bm25_weight(documents(), n_threads=n),
    "tfidf_weight": lambda n: fastrec.tfidf_weight(documents(), n_threads=n),
    "normalize": lambda n: fastrec.normalize(documents(), n_threads=n),
}


@functools.cache
def dense_rows(dtype):
    """A sparse matrix that stores every score that is finite."""
    values = scores(dtype)
    stored = np.isfinite(values)
    indptr = np.concatenate([[0], np.cumsum(stored.sum(axis=1))])
    return csr_array((values[stored], np.nonzero(stored)[1].astype(np.int32), indptr), shape=values.shape)
