"""BPR, WARP and BiasedMF with the same factors, rate, penalty and epochs: implicit, rusket, LightFM.

LogisticMF has the same factors, penalty and epochs; rate and negatives are each library's defaults. Samples, starts
and orders are everybody's own, so that what is compared is how well held-out interactions are ranked; of ratings, the
error.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from fastrec.cli.bench.agreement import Agreement, Factors, Rated, as_close, as_good
from fastrec.cli.bench.operations import BIASED_MF, BPR_PENALTY, LOGISTIC_EPOCHS, PAIRWISE, Inputs
from fastrec.cli.bench.peers.peer import Compared, Peer, Run

_EPOCHS, _RATE = PAIRWISE["n_epochs"], PAIRWISE["learning_rate"]
_WITHIN = 0.02  # seeds differ by half a percent


def _implicit(inputs: Inputs, n_threads: int) -> Run:
    bpr = import_module("implicit.cpu.bpr").BayesianPersonalizedRanking
    user_items, n_factors = csr_matrix(inputs["user_items"]), inputs["n_factors"]

    def call() -> Any:
        model = bpr(factors=n_factors, learning_rate=_RATE, regularization=BPR_PENALTY, iterations=_EPOCHS,
                    num_threads=n_threads, random_state=0)  # fmt: skip
        model.fit(user_items, show_progress=False)
        return model

    return Run(call, lambda model: Factors(model.user_factors, model.item_factors))


def rusket_bpr(n_epochs: int = _EPOCHS, seed: int = 0) -> Any:
    """How its BPR is prepared."""

    def prepare(inputs: Inputs, n_threads: int) -> Run:
        bpr = import_module("rusket").BPR
        user_items, n_factors = csr_matrix(inputs["user_items"]), inputs["n_factors"]

        def call() -> Any:
            model = bpr(factors=n_factors, learning_rate=_RATE, regularization=BPR_PENALTY, iterations=n_epochs,
                        seed=seed)  # fmt: skip
            return model.fit(user_items)

        return Run(call, lambda model: Factors(np.asarray(model.user_factors), np.asarray(model.item_factors)))

    return prepare


def lightfm_warp(n_epochs: int = _EPOCHS, seed: int = 0) -> Any:
    """How its WARP is prepared."""

    def prepare(inputs: Inputs, n_threads: int) -> Run:
        lightfm = import_module("lightfm").LightFM
        x, n_factors = inputs["user_items"].tocoo(), inputs["n_factors"]
        row, column = (ids.astype(np.int32) for ids in x.coords)  # it takes no wider ones
        interactions = coo_matrix((x.data, (row, column)), x.shape)

        def call() -> Any:
            model = lightfm(no_components=n_factors, loss="warp", learning_rate=_RATE, random_state=seed)
            return model.fit(interactions, epochs=n_epochs, num_threads=n_threads)

        def answer(model: Any) -> Factors:
            ones = np.ones((len(model.user_embeddings), 1), np.float32)
            items = np.column_stack([model.item_embeddings, model.item_biases])
            return Factors(np.column_stack([model.user_embeddings, ones]), items)

        return Run(call, answer)

    return prepare


def _implicit_lmf(inputs: Inputs, n_threads: int) -> Run:
    lmf = import_module("implicit.cpu.lmf").LogisticMatrixFactorization
    user_items, n_factors = csr_matrix(inputs["user_items"]), inputs["n_factors"]

    def call() -> Any:
        model = lmf(factors=n_factors, iterations=LOGISTIC_EPOCHS, num_threads=n_threads, random_state=0)
        model.fit(user_items, show_progress=False)
        return model

    return Run(call, lambda model: Factors(model.user_factors, model.item_factors))


def _rusket_svd(inputs: Inputs, n_threads: int) -> Run:
    svd = import_module("rusket").SVD
    ratings, n_factors = csr_matrix(inputs["user_items"]), inputs["n_factors"]
    options = {"iterations" if name == "n_epochs" else name: value for name, value in BIASED_MF.items()}

    def call() -> Any:
        return svd(factors=n_factors, **options, seed=0).fit(ratings)

    def answer(model: Any) -> Rated:
        users, items = np.asarray(model.user_factors), np.asarray(model.item_factors)
        biases = np.asarray(model.user_biases), np.asarray(model.item_biases)
        return Rated.of(users, items, biases, float(model.global_mean), "items", False)

    return Run(call, answer)


def _answer(inputs: Inputs, model: Any) -> Factors:
    users = np.arange(len(model.user_factors_))
    return Factors(model._queries(users), model._ranked_items())


def _check(inputs: Inputs, ours: Factors, theirs: Factors, tolerance: float) -> Agreement:
    return as_good(inputs["user_items"], inputs["held_out"], ours, theirs, tolerance)


def _peer(name: str, module: str, prepare: Any, note: str = "") -> Peer:
    return Peer(name, module, prepare, _WITHIN, exact=False, note=note)


def _rated(inputs: Inputs, model: Any) -> Rated:
    biases = model.user_biases_, model.item_biases_
    return Rated.of(model.user_factors_, model.item_factors_, biases, model.mean_, "items", False)


def _check_error(inputs: Inputs, ours: Rated, theirs: Rated, tolerance: float) -> Agreement:
    return as_close(inputs["user_items"], ours, theirs, tolerance)


COMPARED = {
    "bpr": Compared(
        _answer,
        _check,
        (
            _peer("implicit", "implicit", _implicit, "negatives by popularity, item biases"),
            _peer("rusket", "rusket", rusket_bpr()),
        ),
    ),
    "warp": Compared(_answer, _check, (_peer("LightFM", "lightfm", lightfm_warp()),)),
    "logistic_mf": Compared(
        _answer,
        _check,
        (_peer("implicit", "implicit", _implicit_lmf, "rate and negatives: defaults"),),
    ),
    "biased_mf": Compared(_rated, _check_error, (_peer("rusket", "rusket", _rusket_svd),)),
}
