"""Linear models with the same objective and penalty: NumPy, SciPy, irspack."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from scipy.sparse import csr_array, csr_matrix

from fastrec.cli.bench.agreement import Agreement, elastic_net, same_matrix
from fastrec.cli.bench.operations import EASE_PENALTY, SLIM, Inputs, slim_penalties
from fastrec.cli.bench.peers.peer import Compared, Peer, Run


def _numpy_ease(inputs: Inputs, n_threads: int) -> Run:
    user_items = inputs["user_items"].astype(np.float64)

    def call() -> Any:
        matrix = (user_items.T @ user_items).toarray()
        matrix.flat[:: len(matrix) + 1] += EASE_PENALTY
        weights = np.linalg.inv(matrix)
        weights /= -np.diagonal(weights).copy()
        np.fill_diagonal(weights, 0)
        return weights

    return Run(call, lambda weights: weights)


def _irspack_ease(inputs: Inputs, n_threads: int) -> Run:
    model = import_module("irspack.recommenders").DenseSLIMRecommender
    user_items = csr_matrix(inputs["user_items"])
    return Run(lambda: model(user_items, reg=EASE_PENALTY).learn(), lambda fit: np.asarray(fit.W))


def _irspack_slim(inputs: Inputs, n_threads: int) -> Run:
    model = import_module("irspack.recommenders").SLIMRecommender
    user_items = csr_matrix(inputs["user_items"])
    return Run(lambda: model(user_items, **SLIM, n_threads=n_threads).learn(), lambda fit: csr_array(csr_matrix(fit.W)))


def _scipy_svd(inputs: Inputs, n_threads: int) -> Run:
    svds = import_module("scipy.sparse.linalg").svds
    user_items, n_factors = inputs["user_items"].astype(np.float64), inputs["n_factors"]
    return Run(lambda: svds(user_items, n_factors), lambda found: np.sort(found[1])[::-1])


def _check_objective(inputs: Inputs, ours: Any, theirs: Any, tolerance: float) -> Agreement:
    user_items, penalties = inputs["user_items"], slim_penalties(inputs["user_items"].shape[0])
    first, second = (elastic_net(user_items, weights, *penalties) for weights in (ours, theirs))
    change = second / first - 1
    return Agreement(abs(change) <= tolerance, f"objective {100 * change:+.5f} %, {ours.nnz} and {theirs.nnz} weights")


def _check_entries(inputs: Inputs, ours: Any, theirs: Any, tolerance: float) -> Agreement:
    return same_matrix(ours, theirs, tolerance)


def _weights(inputs: Inputs, model: Any) -> Any:
    return model.similarity_


COMPARED = {
    "ease": Compared(
        _weights,
        _check_entries,
        (
            Peer("NumPy", "numpy", _numpy_ease, tolerance=1e-4, most_stored=2_000_000, note="float64"),
            Peer("irspack", "irspack", _irspack_ease, tolerance=1e-4),
        ),
    ),
    "pure_svd": Compared(
        lambda inputs, model: model.singular_values_,
        _check_entries,
        (Peer("SciPy svds", "scipy", _scipy_svd, note="both by ARPACK, one thread"),),
    ),
    "slim": Compared(_weights, _check_objective, (Peer("irspack", "irspack", _irspack_slim, tolerance=1e-4),)),
}
