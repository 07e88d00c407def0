"""Explicit ALS with the same objective, factors, penalty and epochs: NumPy, cmfrec.

NumPy takes the same start too. rusket fits ratings by gradient descent only; implicit and irspack do not.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix, csr_array

from fastrec.cli.bench.agreement import Agreement, Rated, same_error
from fastrec.cli.bench.operations import EXPLICIT_ALS, Inputs
from fastrec.cli.bench.peers.peer import Compared, Peer, Run

_EPOCHS, _PENALTY = (EXPLICIT_ALS[name] for name in ("n_epochs", "regularization"))


def _numpy(inputs: Inputs, n_threads: int) -> Run:
    user_items, init = inputs["user_items"], inputs["init"].astype(np.float64)

    def half_step(rows: csr_array, factors: Any, biases: Any) -> Any:
        fixed = np.column_stack([factors, np.ones(len(factors))])
        solved = np.zeros((rows.shape[0], fixed.shape[1]))
        for row in np.flatnonzero(np.diff(rows.indptr)):
            stored = slice(rows.indptr[row], rows.indptr[row + 1])
            other, target = fixed[rows.indices[stored]], rows.data[stored] - biases[rows.indices[stored]]
            system = other.T @ other + _PENALTY * len(other) * np.eye(other.shape[1])
            solved[row] = np.linalg.solve(system, other.T @ target)
        return solved[:, :-1], solved[:, -1]

    def call() -> Rated:
        mean = float(user_items.data.mean(dtype=np.float64))
        rows = user_items.astype(np.float64)
        rows.data -= mean
        columns, items, of_items = rows.T.tocsr(), init, np.zeros(len(init))
        for _ in range(_EPOCHS):
            users, of_users = half_step(rows, items, of_items)
            items, of_items = half_step(columns, users, of_users)
        return Rated.of(users, items, (of_users, of_items), mean, "items", True)

    return Run(call, lambda fit: fit)


def _cmfrec(use_cg: bool = False, *, nonnegative: bool = False) -> Any:
    def prepare(inputs: Inputs, n_threads: int) -> Run:
        cmfrec = import_module("cmfrec")
        triplets, n_factors = coo_matrix(inputs["user_items"]), inputs["init"].shape[1]
        biases = not nonnegative

        def call() -> Any:
            model = cmfrec.CMF(k=n_factors, lambda_=_PENALTY, scale_lam=True, method="als", use_cg=use_cg,
                               finalize_chol=False, niter=_EPOCHS, user_bias=biases, item_bias=biases, center=biases,
                               nonneg=nonnegative, use_float=True, precompute_for_predictions=False,
                               nthreads=n_threads, random_state=1)  # fmt: skip
            return model.fit(triplets)

        def answer(model: Any) -> Rated:
            of_both = (model.user_bias_, model.item_bias_) if biases else None
            exact = not use_cg and not nonnegative  # its coordinate descent ends after so many steps
            return Rated.of(model.A_, model.B_, of_both, float(model.glob_mean_), "users", exact)

        return Run(call, answer)

    return prepare


def _check(nonnegative: bool) -> Any:
    def check(inputs: Inputs, ours: Rated, theirs: Rated, tolerance: float) -> Agreement:
        return same_error(
            inputs["user_items"], ours, theirs, regularization=_PENALTY, tolerance=tolerance, nonnegative=nonnegative
        )

    return check


def _answer(inputs: Inputs, model: Any) -> Rated:
    biases = (model.user_biases_, model.item_biases_) if model.biases else None
    return Rated.of(model.user_factors_, model.item_factors_, biases, model.mean_, "items", True)


def _peer(name: str, prepare: Any) -> Peer:
    return Peer(name, "cmfrec", prepare, tolerance=1e-3, one_blas_thread=True, exact=name.endswith("Cholesky"))


COMPARED = {
    "explicit_als": Compared(
        _answer,
        _check(nonnegative=False),
        (
            Peer("NumPy", "numpy", _numpy, tolerance=1e-3, most_stored=100_000, note="one thread"),
            _peer("cmfrec, Cholesky", _cmfrec()),
            _peer("cmfrec, CG", _cmfrec(use_cg=True)),
        ),
    ),
    "explicit_als_nonnegative": Compared(
        _answer, _check(nonnegative=True), (_peer("cmfrec, coordinate descent", _cmfrec(nonnegative=True)),)
    ),
}
