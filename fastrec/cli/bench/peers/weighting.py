"""Weights of counts: implicit, similaripy, and NumPy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from scipy.sparse import csr_array, csr_matrix

from fastrec.cli.bench.agreement import Agreement, same_entries
from fastrec.cli.bench.operations import Inputs
from fastrec.cli.bench.peers.peer import Compared, Peer, Run


def _numpy_bm25(inputs: Inputs, n_threads: int) -> Run:
    x, k1, b = inputs["x"], 1.2, 0.75

    def call() -> Any:
        lengths = x.sum(axis=1, dtype=np.float64)
        saturation = np.repeat(k1 * (1 - b + b * lengths / lengths.mean()), np.diff(x.indptr))
        return _with_values(x, x.data * (k1 + 1) / (saturation + x.data) * _rarity(x)[x.indices])

    return Run(call, lambda result: result)


def _numpy_tfidf(inputs: Inputs, n_threads: int) -> Run:
    x = inputs["x"]
    return Run(lambda: _with_values(x, np.sqrt(x.data) * _rarity(x)[x.indices]), lambda result: result)


def _numpy_normalize(inputs: Inputs, n_threads: int) -> Run:
    x = inputs["x"]

    def call() -> Any:
        rows = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
        return _with_values(x, x.data / np.sqrt(np.bincount(rows, np.square(x.data, dtype=np.float64)))[rows])

    return Run(call, lambda result: result)


def _implicit(function: str, **options: float) -> Any:
    def prepare(inputs: Inputs, n_threads: int) -> Run:
        weight = getattr(import_module("implicit.nearest_neighbours"), function)
        x = csr_matrix(inputs["x"])
        return Run(lambda: weight(x, **options), lambda result: result)

    return prepare


def _similaripy_normalize(inputs: Inputs, n_threads: int) -> Run:
    normalize = import_module("similaripy.normalization").normalize
    return Run(lambda: normalize(inputs["x"], norm="l2", axis=1, inplace=False), lambda result: result)


def _rarity(x: Any) -> Any:
    return np.log(x.shape[0]) - np.log1p(np.bincount(x.indices, minlength=x.shape[1]))


def _with_values(x: Any, values: Any) -> csr_array:
    return csr_array((values.astype(x.dtype), x.indices, x.indptr), shape=x.shape)


def _check(inputs: Inputs, ours: Any, theirs: Any, tolerance: float) -> Agreement:
    return same_entries(ours, theirs, tolerance)


def _answer(inputs: Inputs, result: Any) -> Any:
    return result


def _compared(*peers: Peer) -> Compared:
    return Compared(_answer, _check, peers)


COMPARED = {
    "bm25_weight": _compared(
        Peer("NumPy", "numpy", _numpy_bm25, note="one thread"),
        Peer("implicit", "implicit", _implicit("bm25_weight", K1=1.2, B=0.75), note="one thread"),
    ),
    "tfidf_weight": _compared(
        Peer("NumPy", "numpy", _numpy_tfidf, note="one thread"),
        Peer("implicit", "implicit", _implicit("tfidf_weight"), note="one thread"),
    ),
    "normalize": _compared(
        Peer("NumPy", "numpy", _numpy_normalize, note="one thread"),
        Peer("implicit", "implicit", _implicit("normalize"), note="one thread"),
        Peer("similaripy", "similaripy", _similaripy_normalize, note="one thread"),
    ),
}
