"""Top-K of inner products, of all queries and of one at a time: NumPy, implicit, faiss, ScaNN."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from fastrec.cli.bench.agreement import Agreement, Ranked, most_items, recall
from fastrec.cli.bench.operations import Inputs, seen_by_each
from fastrec.cli.bench.peers import rankings
from fastrec.cli.bench.peers.peer import Compared, Peer, Run

# ---- all queries: everybody starts from items, and builds what it needs ---------------------------------------------


def _numpy(inputs: Inputs, n_threads: int) -> Run:
    queries, items, k, exclude = inputs["queries"], inputs["items"], inputs["k"], inputs.get("exclude")

    def ranked(rows: slice) -> Ranked:
        scores = queries[rows] @ items.T
        if exclude is not None:
            seen = exclude[rows]
            scores[np.repeat(np.arange(len(scores)), np.diff(seen.indptr)), seen.indices] = -np.inf
        return rankings.partitioned(scores, k)

    return Run(lambda: rankings.in_blocks(len(queries), ranked), rankings.padded)


def _implicit(inputs: Inputs, n_threads: int) -> Run:
    model, users = _implicit_model(inputs, n_threads), np.arange(len(inputs["queries"]))
    seen = csr_matrix(inputs["exclude"]) if "exclude" in inputs else None
    return Run(
        lambda: model.recommend(users, seen, N=inputs["k"], filter_already_liked_items=seen is not None),
        lambda result: rankings.padded(Ranked(*result)),
    )


def _faiss(inputs: Inputs, n_threads: int) -> Run:
    return Run(
        lambda: _faiss_index(inputs, n_threads).search(inputs["queries"], inputs["k"]),
        lambda result: rankings.padded(Ranked(result[1], result[0])),
    )


def _scann(inputs: Inputs, n_threads: int) -> Run:
    return Run(lambda: _scann_exact(inputs, n_threads).search_batched_parallel(inputs["queries"]), _scann_ranked)


# ---- approximate: only the search is timed --------------------------------------------------------------------------


def _scann_tree(inputs: Inputs, n_threads: int) -> Run:
    """Search as few leaves, and reorder as few candidates, as reach a recall of .96 on some of the queries.

    AVQ makes a tree of inner products half as expensive to search; an anisotropic threshold does not pay here, since
    there is none that suits all norms.
    """
    queries, k = inputs["queries"], inputs["k"]
    n_items = len(inputs["items"])
    n_leaves = round(math.sqrt(n_items))
    tree = _scann_builder(inputs, n_threads).tree(n_leaves, n_leaves, training_sample_size=n_items, avq=2.5)
    searcher = _with_threads(tree.score_ah(2).reorder(10 * k).build(), n_threads)

    def search(queries: Any, candidates: int, leaves: int) -> Any:
        return searcher.search_batched_parallel(queries, pre_reorder_num_neighbors=candidates, leaves_to_search=leaves)

    some = queries[:: math.ceil(len(queries) / 1000)]
    exact = _scann_ranked(_scann_exact(inputs, n_threads).search_batched_parallel(some))
    settings = itertools.product((5 * k, 10 * k), range(1, n_leaves + 1))
    enough = (setting for setting in settings if recall(exact, _scann_ranked(search(some, *setting))) >= 0.96)
    chosen = next(enough, (10 * k, n_leaves))
    return Run(lambda: search(queries, *chosen), _scann_ranked)


def _check_recall(inputs: Inputs, ours: Ranked, theirs: Ranked, missing: float) -> Agreement:
    return most_items(ours, theirs, missing)


# ---- one query at a time: everybody's index is built before ---------------------------------------------------------


def _numpy_one_query(inputs: Inputs, n_threads: int) -> Run:
    items, k = inputs["items"], inputs["k"]

    def best(query: Any, seen: Any) -> Ranked:
        scores = items @ query
        if seen is not None:
            scores[seen] = -np.inf
        return rankings.partitioned(scores[None], k)

    return _for_each(best, inputs["queries"], seen_by_each(inputs))


def _implicit_one_query(inputs: Inputs, n_threads: int) -> Run:
    model, users, k = _implicit_model(inputs, n_threads), range(len(inputs["queries"])), inputs["k"]
    if "exclude" not in inputs:
        return _for_each(lambda user: model.recommend(user, None, k, filter_already_liked_items=False), users)
    seen = csr_matrix(inputs["exclude"])
    return _for_each(lambda user, row: model.recommend(user, row, k), users, [seen[user] for user in users])


def _faiss_one_query(inputs: Inputs, n_threads: int) -> Run:
    index, k = _faiss_index(inputs, n_threads), inputs["k"]
    return _for_each(lambda query: index.search(query[None], k)[::-1], inputs["queries"])


def _scann_one_query(inputs: Inputs, n_threads: int) -> Run:
    return _for_each(_scann_exact(inputs, n_threads).search, inputs["queries"])


def _for_each(ask: Callable[..., Any], *arguments: Any) -> Run:
    def answer(results: Any) -> Ranked:
        return rankings.padded(rankings.joined(map(np.atleast_2d, result) for result in results))

    return Run(lambda: [ask(*of_one) for of_one in zip(*arguments, strict=True)], answer)


# ---- the libraries --------------------------------------------------------------------------------------------------


def _implicit_model(inputs: Inputs, n_threads: int) -> Any:
    als = import_module("implicit.cpu.als").AlternatingLeastSquares
    model = als(factors=inputs["items"].shape[1], num_threads=n_threads)
    model.user_factors, model.item_factors = inputs["queries"], inputs["items"]
    return model


def _faiss_index(inputs: Inputs, n_threads: int) -> Any:
    faiss = import_module("faiss")
    faiss.omp_set_num_threads(n_threads)
    index = faiss.IndexFlatIP(inputs["items"].shape[1])
    index.add(inputs["items"])
    return index


def _scann_exact(inputs: Inputs, n_threads: int) -> Any:
    return _with_threads(_scann_builder(inputs, n_threads).score_brute_force().build(), n_threads)


def _scann_builder(inputs: Inputs, n_threads: int) -> Any:
    builder = import_module("scann").scann_ops_pybind.builder
    return builder(inputs["items"], inputs["k"], "dot_product").set_n_training_threads(n_threads)


def _with_threads(searcher: Any, n_threads: int) -> Any:
    searcher.set_num_threads(n_threads)
    return searcher


def _scann_ranked(result: Any) -> Ranked:
    items, scores = result  # uint32; what is missing is item 0 with NaN
    missing = np.isnan(scores)
    return Ranked(np.where(missing, -1, items.astype(np.int64)), np.where(missing, -np.inf, scores))


def _answer_one_query(inputs: Inputs, result: Any) -> Ranked:
    return rankings.joined(result)


_NUMPY, _NUMPY_ONE_QUERY = Peer("NumPy", "numpy", _numpy), Peer("NumPy", "numpy", _numpy_one_query)
_IMPLICIT = Peer("implicit", "implicit", _implicit, one_blas_thread=True)
_FAISS = Peer("faiss IndexFlatIP", "faiss", _faiss)
_SCANN = Peer("ScaNN brute force", "scann", _scann)
_SCANN_TREE = Peer(
    "ScaNN tree + AH",
    "scann",
    _scann_tree,
    tolerance=0.05,
    exact=False,
    check=_check_recall,
    note="approximate; search alone, its index is built before",
)
_IMPLICIT_ONE_QUERY = Peer("implicit", "implicit", _implicit_one_query, one_blas_thread=True)

_INDEXED = Compared(rankings.answer, rankings.check, (_NUMPY, _FAISS, _SCANN))
_ONE_QUERY = Compared(
    _answer_one_query,
    rankings.check,
    (
        _NUMPY_ONE_QUERY,
        _IMPLICIT_ONE_QUERY,
        Peer("faiss IndexFlatIP", "faiss", _faiss_one_query),
        Peer("ScaNN brute force", "scann", _scann_one_query),
    ),
)
_ONE_QUERY_EXCLUDE = Compared(_answer_one_query, rankings.check, (_NUMPY_ONE_QUERY, _IMPLICIT_ONE_QUERY))

COMPARED = {
    "top_k_inner_product": Compared(rankings.answer, rankings.check, (_NUMPY, _IMPLICIT, _FAISS, _SCANN, _SCANN_TREE)),
    "top_k_inner_product_exclude": Compared(rankings.answer, rankings.check, (_NUMPY, _IMPLICIT)),
    "top_k_inner_product_embeddings": _INDEXED,
    "item_index_build": _INDEXED,
    "item_index_one_query": _ONE_QUERY,
    "item_index_one_query_exclude": _ONE_QUERY_EXCLUDE,
    "item_index_one_query_1m": _ONE_QUERY,
    "item_index_one_query_1m_exclude": _ONE_QUERY_EXCLUDE,
}
