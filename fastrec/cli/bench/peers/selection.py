"""Top-K of scores and of inner products: NumPy, implicit, faiss."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from fastrec.cli.bench.agreement import Agreement, Ranked, same_ranking
from fastrec.cli.bench.operations import Inputs
from fastrec.cli.bench.peers.peer import Compared, Peer, Run

_BLOCK = 512  # queries; their scores stay in the cache's reach


def _numpy_top_k(inputs: Inputs, n_threads: int) -> Run:
    return Run(lambda: _partitioned(inputs["scores"], inputs["k"]), lambda result: result)


def _numpy_inner_products(inputs: Inputs, n_threads: int) -> Run:
    queries, items, k, exclude = inputs["queries"], inputs["items"], inputs["k"], inputs.get("exclude")

    def call() -> Ranked:
        parts = []
        for first in range(0, len(queries), _BLOCK):
            scores = queries[first : first + _BLOCK] @ items.T
            if exclude is not None:
                seen = exclude[first : first + _BLOCK]
                scores[np.repeat(np.arange(len(scores)), np.diff(seen.indptr)), seen.indices] = -np.inf
            parts.append(_partitioned(scores, k))
        return Ranked(np.concatenate([part.items for part in parts]), np.concatenate([part.scores for part in parts]))

    return Run(call, _padded)


def _implicit(inputs: Inputs, n_threads: int) -> Run:
    als = import_module("implicit.cpu.als")
    exclude = inputs.get("exclude")
    model = als.AlternatingLeastSquares(factors=inputs["queries"].shape[1], num_threads=n_threads)
    model.user_factors, model.item_factors = inputs["queries"], inputs["items"]
    users = np.arange(len(inputs["queries"]))
    seen = None if exclude is None else csr_matrix(exclude)
    return Run(
        lambda: model.recommend(users, seen, N=inputs["k"], filter_already_liked_items=seen is not None),
        lambda result: _padded(Ranked(*result)),
    )


def _faiss(inputs: Inputs, n_threads: int) -> Run:
    faiss = import_module("faiss")
    faiss.omp_set_num_threads(n_threads)

    def call() -> Any:
        index = faiss.IndexFlatIP(inputs["items"].shape[1])
        index.add(inputs["items"])
        return index.search(inputs["queries"], inputs["k"])

    return Run(call, lambda result: _padded(Ranked(result[1], result[0])))


def _partitioned(scores: Any, k: int) -> Ranked:
    if k < scores.shape[1]:
        items = np.argpartition(scores, -k, axis=1)[:, -k:]
    else:
        items = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    best = np.take_along_axis(scores, items, axis=1)
    order = np.lexsort((items, -best))
    return Ranked(np.take_along_axis(items, order, axis=1), np.take_along_axis(best, order, axis=1))


def _padded(answer: Ranked) -> Ranked:
    """Mark missing items as fastrec does; libraries give them some id beside a score of -inf or -3.4e38."""
    missing = answer.scores <= np.finfo(np.float32).min
    return Ranked(np.where(missing, -1, answer.items), np.where(missing, -np.inf, answer.scores))


def _check(inputs: Inputs, ours: Ranked, theirs: Ranked, tolerance: float) -> Agreement:
    return same_ranking(ours, theirs, tolerance)


def _answer(inputs: Inputs, result: Any) -> Ranked:
    return Ranked(*result)


_IMPLICIT = Peer("implicit", "implicit", _implicit, one_blas_thread=True)

COMPARED = {
    "top_k": Compared(_answer, _check, (Peer("NumPy argpartition", "numpy", _numpy_top_k, note="one thread"),)),
    "top_k_inner_product": Compared(
        _answer,
        _check,
        (Peer("NumPy", "numpy", _numpy_inner_products), _IMPLICIT, Peer("faiss IndexFlatIP", "faiss", _faiss)),
    ),
    "top_k_inner_product_exclude": Compared(
        _answer, _check, (Peer("NumPy", "numpy", _numpy_inner_products), _IMPLICIT)
    ),
}
