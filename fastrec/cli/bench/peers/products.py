"""Sparse products and item similarity: SciPy, sparse_dot_topn, similaripy, implicit, rusket, irspack."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import numpy as np
from scipy.sparse import csr_array, csr_matrix, diags_array, hstack, vstack

import fastrec
from fastrec.cli.bench.agreement import Agreement, Ranked, best_of_rows, same_entries, same_ranking
from fastrec.cli.bench.operations import Inputs
from fastrec.cli.bench.peers import rankings
from fastrec.cli.bench.peers.peer import Compared, Peer, Run

_BLOCK = 1024  # rows of a product that are formed at a time
_FLOAT32_SUMS = 1e-3  # a sum of as many terms as an item has users
_LONG_FLOAT32_SUMS = 4e-3  # of half a million that are not whole


# ---- products -------------------------------------------------------------------------------------------------------


def _scipy_product(inputs: Inputs, n_threads: int) -> Run:
    a, b, k = inputs["a"], inputs["b"], inputs["k"]
    return Run(lambda: _best_of_product(a, b, k), _ranked(k))


def _scipy_transpose(inputs: Inputs, n_threads: int) -> Run:
    x = inputs["x"]
    return Run(lambda: x.T.tocsr(), lambda result: result)


def _sparse_dot_topn_product(inputs: Inputs, n_threads: int) -> Run:
    matmul = import_module("sparse_dot_topn").sp_matmul_topn
    a, b, k = csr_matrix(inputs["a"]), csr_matrix(inputs["b"]), inputs["k"]
    options = {"top_n": k, "sort": True, "threshold": inputs.get("threshold"), "n_threads": n_threads}
    return Run(lambda: matmul(a, b, **options), _ranked(k))


def _similaripy_product(inputs: Inputs, n_threads: int) -> Run:
    product = import_module("similaripy").dot_product
    a, b, k = inputs["a"], inputs["b"], inputs["k"]
    options = {"k": k, "verbose": False, "format_output": "csr", "num_threads": n_threads}
    return Run(lambda: product(a, b, threshold=inputs.get("threshold") or 0, **options), _ranked(k))


def _sparse_dot_topn_zip(inputs: Inputs, n_threads: int) -> Run:
    merge = import_module("sparse_dot_topn").zip_sp_matmul_topn
    blocks, k = [csr_matrix(block) for block in inputs["blocks"]], inputs["k"]
    return Run(lambda: merge(k, blocks), _ranked(k))


def _stacked(inputs: Inputs, n_threads: int) -> Run:
    blocks, k = inputs["blocks"], inputs["k"]
    return Run(lambda: best_of_rows(hstack(blocks, format="csr"), k), lambda ranked: ranked)


# ---- cosine of items: everybody starts from users x items -----------------------------------------------------------


def _scipy_cosine(inputs: Inputs, n_threads: int) -> Run:
    k = inputs["k"]

    def call() -> Any:
        columns = _unit_columns(inputs["user_items"])
        return _best_of_product(columns.T.tocsr(), columns, k)

    return Run(call, _ranked(k))


def _sparse_dot_topn_cosine(inputs: Inputs, n_threads: int) -> Run:
    matmul = import_module("sparse_dot_topn").sp_matmul_topn
    k = inputs["k"]

    def call() -> Any:
        columns = csr_matrix(_unit_columns(inputs["user_items"]))
        return matmul(columns.T.tocsr(), columns, top_n=k, sort=True, n_threads=n_threads)

    return Run(call, _ranked(k))


def _similaripy_cosine(inputs: Inputs, n_threads: int) -> Run:
    cosine = import_module("similaripy").cosine
    k = inputs["k"]
    options = {"k": k, "verbose": False, "format_output": "csr", "num_threads": n_threads}
    return Run(lambda: cosine(inputs["user_items"].T.tocsr(), **options), _ranked(k))


def _implicit_cosine(inputs: Inputs, n_threads: int) -> Run:
    recommender = import_module("implicit.nearest_neighbours").CosineRecommender
    k, user_items = inputs["k"], csr_matrix(inputs["user_items"])
    warnings.filterwarnings("ignore", message="Method expects CSR input")  # it passes COO to itself

    def call() -> Any:
        model = recommender(K=k, num_threads=n_threads)
        model.fit(user_items, show_progress=False)
        return model.similarity

    return Run(call, _ranked(k))


def _rusket_cosine(inputs: Inputs, n_threads: int) -> Run:
    item_knn = import_module("rusket").ItemKNN
    k, user_items = inputs["k"], inputs["user_items"]

    def call() -> Any:
        return item_knn(method="count", k=k).fit(csr_matrix(_unit_columns(user_items)))

    def answer(model: Any) -> Ranked:
        rows = csr_array((model.w_data, model.w_indices, model.w_indptr), shape=(user_items.shape[1],) * 2)
        return best_of_rows(_with_diagonal(rows, user_items), k)

    return Run(call, answer)


def _irspack_cosine(inputs: Inputs, n_threads: int) -> Run:
    recommender = import_module("irspack").CosineKNNRecommender
    k, user_items = inputs["k"], csr_matrix(inputs["user_items"])

    def call() -> Any:
        model = recommender(user_items, shrinkage=0.0, normalize=True, top_k=k, n_threads=n_threads)
        return model.learn().W

    return Run(call, lambda similarity: best_of_rows(_with_diagonal(similarity.tocsr(), user_items), k))


def _of_users(peer: Peer) -> Peer:
    """The same between the rows, which are given to it as columns."""

    def prepare(inputs: Inputs, n_threads: int) -> Run:
        return peer.prepare({**inputs, "user_items": inputs["user_items"].T.tocsr()}, n_threads)

    return peer._replace(prepare=prepare)


# ---- a measure of one's own -----------------------------------------------------------------------------------------


def _built_in_jaccard(inputs: Inputs, n_threads: int) -> Run:
    options = {**inputs, "metric": "jaccard", "binary": True, "n_threads": n_threads}
    return Run(lambda: fastrec.item_similarity(**options), _ranked(inputs["k"]))


def _similaripy_jaccard(inputs: Inputs, n_threads: int) -> Run:
    jaccard = import_module("similaripy").jaccard
    k = inputs["k"]
    options = {"k": k, "binary": True, "verbose": False, "format_output": "csr", "num_threads": n_threads}
    return Run(lambda: jaccard(inputs["user_items"].T.tocsr(), **options), _ranked(k))


# ---- random walks ---------------------------------------------------------------------------------------------------


def _similaripy_walk(inputs: Inputs, n_threads: int) -> Run:
    walk = getattr(import_module("similaripy"), inputs["metric"])
    k = inputs["k"]
    options = {"k": k, "verbose": False, "format_output": "csr", "num_threads": n_threads}
    return Run(lambda: walk(inputs["user_items"].T.tocsr(), **options), _ranked(k))


# ---- recommendations by neighbours ----------------------------------------------------------------------------------


def _implicit_recommend(inputs: Inputs, n_threads: int) -> Run:
    model, user_items, k = _implicit_neighbours(inputs, n_threads)
    users = np.arange(user_items.shape[0])
    return Run(lambda: model.recommend(users, user_items, N=k), _without_seen)


def _implicit_recommend_one_user(inputs: Inputs, n_threads: int) -> Run:
    model, user_items, k = _implicit_neighbours(inputs, n_threads)
    asked = [(user, user_items[user]) for user in inputs["users"]]

    def answer(results: Any) -> Ranked:
        return rankings.joined(_without_seen(_of_length(k, *result)) for result in results)

    return Run(lambda: [model.recommend(user, row, N=k) for user, row in asked], answer)


def _implicit_neighbours(inputs: Inputs, n_threads: int) -> tuple[Any, Any, int]:
    """Its model with our similarity, the interactions and k."""
    model = import_module("implicit.nearest_neighbours").CosineRecommender(K=1, num_threads=n_threads)
    user_items = csr_matrix(inputs["user_items"])
    warnings.filterwarnings("ignore", message="Method expects CSR input")
    model.fit(user_items, show_progress=False)
    similarity = csr_matrix(inputs["model"].similarity_.astype(np.float64))
    model.similarity = similarity
    model.scorer = import_module("implicit._nearest_neighbours").NearestNeighboursScorer(similarity)
    return model, user_items, inputs["k"]


def _of_length(k: int, items: Any, scores: Any) -> tuple[Any, Any]:
    """One ranking as a row, filled up to k."""
    missing = (0, k - len(items))
    return np.pad(items, missing, constant_values=-1)[None], np.pad(scores, missing)[None]


def _without_seen(result: Any) -> Ranked:
    items, scores = result
    missing = (items < 0) | (scores <= 0)  # it fills up with seen items, at score 0
    return Ranked(np.where(missing, -1, items), np.where(missing, -np.inf, scores))


def _best_of_product(a: Any, b: Any, k: int) -> Any:
    blocks = []
    for first in range(0, a.shape[0], _BLOCK):
        product = (a[first : first + _BLOCK] @ b).tocsr()
        kept = [
            start + np.argpartition(product.data[start:stop], -k)[-k:] if stop - start > k else np.arange(start, stop)
            for start, stop in zip(product.indptr[:-1], product.indptr[1:], strict=True)
        ]
        at, indptr = np.concatenate(kept), np.concatenate([[0], np.cumsum([len(row) for row in kept])])
        blocks.append(csr_array((product.data[at], product.indices[at], indptr), shape=product.shape))
    return vstack(blocks, format="csr")


def _with_diagonal(rows: Any, user_items: Any) -> Any:
    """Add what the library has left out, so that it can be compared: an item that has users is like itself."""
    return rows + diags_array((np.bincount(user_items.indices, minlength=rows.shape[0]) > 0).astype(rows.dtype))


def _unit_columns(user_items: csr_array) -> csr_array:
    squares = np.bincount(user_items.indices, np.square(user_items.data, dtype=np.float64), user_items.shape[1])
    lengths = np.sqrt(squares)[user_items.indices]
    values = (user_items.data / lengths).astype(user_items.dtype)
    return csr_array((values, user_items.indices, user_items.indptr), shape=user_items.shape)


def _ranked(k: int) -> Any:
    return lambda result: best_of_rows(result, k)


def _answer(inputs: Inputs, result: Any) -> Ranked:
    return best_of_rows(result, inputs["k"])


def _check(inputs: Inputs, ours: Ranked, theirs: Ranked, tolerance: float) -> Agreement:
    return same_ranking(ours, theirs, tolerance)


_PRODUCTS = (
    Peer("sparse_dot_topn", "sparse_dot_topn", _sparse_dot_topn_product, _FLOAT32_SUMS, note="sums in float32"),
    Peer("similaripy", "similaripy", _similaripy_product, _FLOAT32_SUMS, note="sums in float32"),
)
_STRINGS = Compared(_answer, _check, _PRODUCTS)
_WALKS = Compared(
    _answer, _check, (Peer("similaripy", "similaripy", _similaripy_walk, _FLOAT32_SUMS, note="sums in float32"),)
)
_COSINES = (
    Peer("SciPy product", "scipy", _scipy_cosine, _FLOAT32_SUMS, note="one thread; sums in float32"),
    Peer("similaripy", "similaripy", _similaripy_cosine, _FLOAT32_SUMS, note="sums in float32"),
    Peer("implicit", "implicit", _implicit_cosine),
    Peer(
        "rusket",
        "rusket",
        _rusket_cosine,
        _FLOAT32_SUMS,
        note="count of unit columns (its cosine divides by users' norms); no diagonal; sums in float32",
    ),
    Peer(
        "sparse_dot_topn",
        "sparse_dot_topn",
        _sparse_dot_topn_cosine,
        _FLOAT32_SUMS,
        note="product of unit columns; sums in float32",
    ),
    Peer("irspack", "irspack", _irspack_cosine, note="no diagonal"),
)
_LONG_COSINES = tuple(
    peer._replace(tolerance=_LONG_FLOAT32_SUMS) if peer.tolerance == _FLOAT32_SUMS else peer for peer in _COSINES
)
COMPARED = {
    "transpose": Compared(
        lambda inputs, result: result,
        lambda inputs, ours, theirs, tolerance: same_entries(ours, theirs, tolerance),
        (Peer("SciPy", "scipy", _scipy_transpose, 0.0, note="one thread"),),
    ),
    "sparse_top_k_product_strings": _STRINGS,
    "sparse_top_k_product_strings_05": _STRINGS,
    "sparse_top_k_product_strings_08": _STRINGS,
    "p3alpha": _WALKS,
    "rp3beta": _WALKS,
    "item_knn_recommend": Compared(
        rankings.answer, rankings.check, (Peer("implicit", "implicit", _implicit_recommend, _FLOAT32_SUMS),)
    ),
    "item_knn_recommend_one_user": Compared(
        lambda inputs, results: rankings.joined(results),
        rankings.check,
        (Peer("implicit", "implicit", _implicit_recommend_one_user, _FLOAT32_SUMS),),
    ),
    "sparse_top_k_product": Compared(
        _answer,
        _check,
        (
            Peer("SciPy product", "scipy", _scipy_product, _FLOAT32_SUMS, note="one thread; sums in float32"),
            *_PRODUCTS,
        ),
    ),
    "merge_top_k_products": Compared(
        _answer,
        _check,
        (
            Peer("SciPy hstack", "scipy", _stacked, note="one thread; numpy.lexsort"),
            Peer("sparse_dot_topn", "sparse_dot_topn", _sparse_dot_topn_zip, note="one thread"),
        ),
    ),
    "item_similarity": Compared(_answer, _check, _COSINES),
    "item_similarity_tfidf": Compared(_answer, _check, _LONG_COSINES),
    "item_similarity_own_measure": Compared(
        _answer,
        _check,
        (
            Peer("fastrec's own jaccard", "fastrec", _built_in_jaccard),
            Peer("similaripy", "similaripy", _similaripy_jaccard, _FLOAT32_SUMS, note="sums in float32"),
        ),
    ),
    "user_similarity": Compared(_answer, _check, tuple(map(_of_users, _COSINES))),
}
