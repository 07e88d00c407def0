"""Non-negative matrix factorisation with the same objective: scikit-learn."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from fastrec.cli.bench.agreement import Agreement, Factors, squared_error
from fastrec.cli.bench.operations import NMF_EPOCHS, Inputs
from fastrec.cli.bench.peers.peer import Compared, Peer, Run


def _scikit_learn(inputs: Inputs, n_threads: int) -> Run:
    nmf, user_items = import_module("sklearn.decomposition").NMF, csr_matrix(inputs["user_items"])
    n_epochs = NMF_EPOCHS["scikit-learn"]

    def call() -> Factors:
        model = nmf(inputs["n_factors"], solver="cd", max_iter=n_epochs, tol=0, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that it has not converged
            users = model.fit_transform(user_items)
        return Factors(users, model.components_.T)

    return Run(call, lambda fit: fit)


def _check(inputs: Inputs, ours: Factors, theirs: Factors, tolerance: float) -> Agreement:
    """As low a loss, or lower, but for what separates the minima of different starts; no factor is negative."""
    first, second = (squared_error(inputs["user_items"], fit) for fit in (ours, theirs))
    valid = min(ours.users.min(), ours.items.min()) >= 0
    return Agreement(bool(valid and first <= second * (1 + tolerance)), f"loss {100 * (first / second - 1):+.3f} %")


def _answer(inputs: Inputs, model: Any) -> Factors:
    return Factors(np.asarray(model.user_factors_), np.asarray(model.item_factors_))


_NOTE = f"{NMF_EPOCHS['scikit-learn']} epochs, ours {NMF_EPOCHS['fastrec']}"
COMPARED = {
    "nmf": Compared(_answer, _check, (Peer("scikit-learn", "sklearn", _scikit_learn, tolerance=2e-3, note=_NOTE),))
}
