"""Implicit ALS with the same objective, factors, penalty and epochs: NumPy, implicit, irspack, cmfrec, rusket.

NumPy, implicit and irspack take the same start too.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from scipy.sparse import csr_array, csr_matrix

from fastrec.cli.bench.agreement import Agreement, Factors, exact_row, same_objective
from fastrec.cli.bench.operations import ALS, Inputs
from fastrec.cli.bench.peers.peer import Compared, Peer, Run

_ALPHA, _PENALTY = ALS["alpha"], ALS["regularization"]


def _numpy(inputs: Inputs, n_threads: int) -> Run:
    user_items = inputs["user_items"]

    def half_step(rows: csr_array, fixed: Any) -> Any:
        gram = fixed.T @ fixed + _PENALTY * np.eye(fixed.shape[1])
        return np.stack([exact_row(rows, row, fixed, gram, _ALPHA) for row in range(rows.shape[0])])

    def call() -> Factors:
        item_users = user_items.T.tocsr()
        items = inputs["init"].astype(np.float64)
        for _ in range(inputs["n_epochs"]):
            users = half_step(user_items, items)
            items = half_step(item_users, users)
        return Factors(users, items)

    return Run(call, lambda fit: fit)


def _implicit(use_cg: bool) -> Any:
    def prepare(inputs: Inputs, n_threads: int) -> Run:
        als = import_module("implicit.cpu.als").AlternatingLeastSquares
        n_factors = inputs["init"].shape[1]
        # The value of a cell is its whole weight there.
        weights = csr_matrix(inputs["user_items"])
        weights.data = 1 + np.float32(_ALPHA) * weights.data

        def call() -> Any:
            model = als(factors=n_factors, regularization=_PENALTY, alpha=1.0, use_cg=use_cg,
                        iterations=inputs["n_epochs"], num_threads=n_threads, random_state=0)  # fmt: skip
            model.item_factors = inputs["init"].copy()
            model.user_factors = np.zeros((weights.shape[0], n_factors), np.float32)
            model.fit(weights, show_progress=False)
            return model

        return Run(call, lambda model: Factors(model.user_factors, model.item_factors, exact=not use_cg))

    return prepare


def _irspack(solver: str) -> Any:
    def prepare(inputs: Inputs, n_threads: int) -> Run:
        ials = import_module("irspack.recommenders.ials")
        n_factors = inputs["init"].shape[1]
        weights = csr_matrix(inputs["user_items"]) * np.float32(_ALPHA)
        original, solver_type = ials.str_to_loss_type("ORIGINAL"), ials.str_to_solver_type(solver)

        def call() -> Any:
            trainer = ials.IALSTrainer(weights, n_factors, alpha0=1.0, reg=_PENALTY, nu=0.0, init_std=0.1,
                                       solver_type=solver_type, max_cg_steps=3, ialspp_subspace_dimension=64,
                                       loss_type=original, random_seed=0, n_threads=n_threads,
                                       prediction_time_max_cg_steps=5, prediction_time_ialspp_iteration=7)  # fmt: skip
            core = trainer.core_trainer
            core.item, core.user = inputs["init"], np.zeros((weights.shape[0], n_factors), np.float32)
            for _ in range(inputs["n_epochs"]):
                trainer.run_epoch()
            return core

        return Run(call, lambda core: Factors(core.user, core.item, exact=solver == "CHOLESKY"))

    return prepare


def _cmfrec(use_cg: bool) -> Any:
    def prepare(inputs: Inputs, n_threads: int) -> Run:
        cmfrec = import_module("cmfrec")
        triplets, n_factors = inputs["user_items"].tocoo(), inputs["init"].shape[1]

        def call() -> Any:
            model = cmfrec.CMF_implicit(k=n_factors, lambda_=_PENALTY, alpha=_ALPHA, use_cg=use_cg,
                                        niter=inputs["n_epochs"], use_float=True, precompute_for_predictions=False,
                                        nthreads=n_threads, random_state=1)  # fmt: skip
            return model.fit(triplets)

        return Run(call, lambda model: Factors(model.A_, model.B_, "users", not use_cg, False))

    return prepare


def _rusket(**options: Any) -> Any:
    def prepare(inputs: Inputs, n_threads: int) -> Run:
        als = import_module("rusket").ALS
        weights, n_factors = csr_matrix(inputs["user_items"]), inputs["init"].shape[1]
        exact = "use_cholesky" in options

        def call() -> Any:
            model = als(
                factors=n_factors, regularization=_PENALTY, alpha=_ALPHA, iterations=inputs["n_epochs"], **options
            )
            return model.fit(weights)

        return Run(call, lambda model: Factors(model.user_factors, model.item_factors, "items", exact, False))

    return prepare


def _check(inputs: Inputs, ours: Factors, theirs: Factors, tolerance: float) -> Agreement:
    return same_objective(
        inputs["user_items"], ours, theirs, alpha=_ALPHA, regularization=_PENALTY, tolerance=tolerance
    )


def _answer(inputs: Inputs, model: Any) -> Factors:
    return Factors(model.user_factors_, model.item_factors_)


def _peer(name: str, module: str, prepare: Any) -> Peer:
    return Peer(name, module, prepare, tolerance=1e-2, one_blas_thread=True, exact=name.endswith("Cholesky"))


COMPARED = {
    "implicit_als": Compared(
        _answer,
        _check,
        (
            Peer("NumPy", "numpy", _numpy, tolerance=1e-2, most_stored=100_000, note="one thread"),
            _peer("implicit, Cholesky", "implicit", _implicit(use_cg=False)),
            _peer("implicit, CG", "implicit", _implicit(use_cg=True)),
            _peer("irspack, Cholesky", "irspack", _irspack("CHOLESKY")),
            _peer("irspack, CG", "irspack", _irspack("CG")),
            _peer("cmfrec, Cholesky", "cmfrec", _cmfrec(use_cg=False)),
            _peer("cmfrec, CG", "cmfrec", _cmfrec(use_cg=True)),
            _peer("rusket, Cholesky", "rusket", _rusket(use_cholesky=True)),
            _peer("rusket, CG", "rusket", _rusket()),
            _peer("rusket, eALS", "rusket", _rusket(use_eals=True)),
        ),
    ),
}
