"""`implicit.cpu.lmf`: logistic matrix factorisation."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

import fastrec
from fastrec import _check
from fastrec.compat._numbers import threads_of
from fastrec.compat._ways_in import left_to_original, taken
from fastrec.compat.implicit.cpu._factors import own, own_of_size, take
from fastrec.compat.implicit.cpu.matrix_factorization_base import MatrixFactorizationBase
from fastrec.compat.implicit.recommender_base import Callback, ModelFitError
from fastrec.compat.implicit.utils import check_csr, check_random_state, stored_parameters, tqdm
from fastrec.compat.implicit.utils import log as log

# implicit draws at most factors + 2 negatives a row, whatever neg_prop says, and does not look whether the row has
# them: one for each interaction, shorter steps and a stronger penalty are as good over a range of its parameters.
_RATE, _PENALTY, _LEAST_PENALTY = 0.15, 3.0, 2.0
_ONES_OF_USERS, _ONES_OF_ITEMS = -2, -1  # columns of ones, beside which the other side has its biases


class LogisticMatrixFactorization(MatrixFactorizationBase):
    """Logistic matrix factorisation, learned by `fastrec.LogisticMF` with Adagrad.

    Parameters
    ----------
    factors : int, at least 1
        Beside them, users and items have a bias each: two more columns, of which one is 1.
    learning_rate, regularization : float, at least 0
        More of either is more here too, but in other units: docs/compat.md.
    dtype : float32 or float64
        Of the factors; they are learned in float32.
    iterations : int
        Each takes a step of every user, then of every item.
    neg_prop : int, at least 0
        0: no negatives are drawn; else one for each interaction.
    num_threads : int
        0: every core that the process may use. Changes speed only.
    random_state : int, Generator, RandomState or None
        Of the factors to start from, and of everything drawn.

    Attributes
    ----------
    user_factors, item_factors : ndarray, shape (n, factors + 2)
        Set by `fit`; another fit goes on from them.
    """

    def __init__(
        self,
        factors: int = 30,
        learning_rate: float = 1.00,
        regularization: float = 0.6,
        dtype: DTypeLike = np.float32,
        iterations: int = 30,
        neg_prop: int = 30,
        num_threads: int = 0,
        random_state: Any = None,
    ) -> None:
        super().__init__(num_threads=num_threads)
        self.factors = factors
        self.learning_rate = learning_rate
        self.iterations = iterations
        self.regularization = regularization
        self.dtype: Any = np.dtype(dtype)
        self.neg_prop = neg_prop
        self.random_state = random_state

    @taken
    def fit(self, user_items: Any, show_progress: bool = True, callback: Callback | None = None) -> None:
        """Learn factors: see `RecommenderBase.fit`. Values, at least 0, weigh the interactions.

        ``callback(epoch, seconds)`` sees the factors of that epoch.
        """
        rs, n_factors = check_random_state(self.random_state), _check.integer(self.factors, "factors", 1)
        for name in ("learning_rate", "regularization"):
            _check.real(getattr(self, name), name, 0)
        user_items = check_csr(user_items)
        self._check_numbers(user_items)
        rows = _check.csr(user_items, "user_items")
        _check.not_negative(rows.data, "user_items", "interactions")
        learner = fastrec.LogisticMF(
            n_factors,
            learning_rate=_RATE * self.learning_rate,
            regularization=_LEAST_PENALTY + _PENALTY * math.sqrt(self.regularization),
            n_epochs=0,
            n_negatives=min(_check.integer(self.neg_prop, "neg_prop", 0), 1),
            sample_weight="value",
            random_state=int(rs.integers(2**63)),
            n_threads=threads_of(self.num_threads),
        ).fit(rows.to_scipy())
        self._start(learner)
        with tqdm(total=self.iterations, disable=not show_progress) as progress:
            for epoch in range(self.iterations):
                started = time.time()
                try:
                    learner.partial_fit(rows.to_scipy())
                except KeyboardInterrupt:
                    self._take(learner)
                    raise
                except ValueError as error:
                    raise ModelFitError(str(error)) from None
                progress.update(1)
                if callback or epoch == self.iterations - 1:
                    self._take(learner)
                if callback:
                    callback(epoch, time.time() - started)
        self._check_fit_errors()

    def _start(self, learner: fastrec.LogisticMF) -> None:
        """Take the learner's factors where there are none; or let it go on from those that there are."""
        if own(self, "user_factors") is None or own(self, "item_factors") is None:
            self._take(learner)
            return
        for side, own_bias in (("user", _ONES_OF_ITEMS), ("item", _ONES_OF_USERS)):
            name = f"{side}_factors"
            n_rows = len(getattr(learner, f"{name}_"))
            factors = own_of_size(self, name, n_rows, self.factors + 2, "factors + 2")
            setattr(learner, f"{name}_", np.ascontiguousarray(factors[:, :-2], np.float32))
            setattr(learner, f"{side}_biases_", np.ascontiguousarray(factors[:, own_bias], np.float32))

    def _take(self, learner: fastrec.LogisticMF) -> None:
        users, items = learner.user_factors_, learner.item_factors_
        ones = [np.ones(len(factors), np.float32) for factors in (users, items)]
        user_factors = np.column_stack([users, ones[0], learner.user_biases_])
        item_factors = np.column_stack([items, learner.item_biases_, ones[1]])
        take(self, "user_factors", user_factors)
        take(self, "item_factors", item_factors)
        self._user_norms = self._item_norms = None

    def save(self, fileobj_or_path: Any) -> None:
        """Write the model in NumPy's npz format, which implicit reads too."""
        names = (
            "user_factors", "item_factors", "regularization", "factors", "learning_rate", "neg_prop", "num_threads",
            "iterations", "dtype", "random_state",
        )  # fmt: skip
        np.savez(fileobj_or_path, **stored_parameters(self, names))


__getattr__ = left_to_original(__name__)
