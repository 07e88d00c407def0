"""`implicit.cpu.bpr`: Bayesian personalised ranking."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

import fastrec
from fastrec import _check
from fastrec._types import Array
from fastrec.compat._numbers import threads_of
from fastrec.compat._ways_in import left, left_to_original, taken
from fastrec.compat.implicit.cpu._factors import own, own_of_size, take
from fastrec.compat.implicit.cpu.matrix_factorization_base import MatrixFactorizationBase
from fastrec.compat.implicit.recommender_base import Callback, ModelFitError
from fastrec.compat.implicit.utils import check_csr, check_random_state, stored_parameters, tqdm
from fastrec.compat.implicit.utils import log as log


class BayesianPersonalizedRanking(MatrixFactorizationBase):
    """Bayesian personalised ranking, by `fastrec.BPR`, with negatives drawn by popularity, as implicit does.

    Parameters
    ----------
    factors : int, at least 1
        Beside them, items have a bias: one more column, which is 1 for users.
    learning_rate, regularization : float, at least 0
    dtype : float32 or float64
        Of the factors; they are learned in float32.
    iterations : int
        Passes over the interactions.
    num_threads : int
        0: every core that the process may use. Changes speed only.
    verify_negative_samples : bool
        Kept as an attribute: items that the user has are never taken for negatives.
    random_state : int, Generator, RandomState or None
        Of the factors to start from, the same as implicit's, and of everything drawn.

    Attributes
    ----------
    user_factors, item_factors : ndarray, shape (n, factors + 1)
        Set by `fit`; another fit goes on from them.
    """

    def __init__(
        self,
        factors: int = 100,
        learning_rate: float = 0.01,
        regularization: float = 0.01,
        dtype: DTypeLike = np.float32,
        iterations: int = 100,
        num_threads: int = 0,
        verify_negative_samples: bool = True,
        random_state: Any = None,
    ) -> None:
        super().__init__(num_threads=num_threads)
        self.factors = factors
        self.learning_rate = learning_rate
        self.iterations = iterations
        self.regularization = regularization
        self.dtype: Any = np.dtype(dtype)
        self.verify_negative_samples = verify_negative_samples
        self.random_state = random_state

    @taken
    def fit(self, user_items: Any, show_progress: bool = True, callback: Callback | None = None) -> None:
        """Learn factors: see `RecommenderBase.fit`. Values do not matter, but zeros are no interactions.

        ``callback(epoch, seconds, correct, skipped)`` sees the factors of that epoch; ``correct`` is the sum over its
        samples of the probability that they are ranked rightly, ``skipped`` is 0.
        """
        rs, n_factors = check_random_state(self.random_state), _check.integer(self.factors, "factors", 1)
        for name in ("learning_rate", "regularization"):
            _check.real(getattr(self, name), name, 0)
        user_items = check_csr(user_items)
        _check.places(user_items, "user_items")
        rows = _check.csr(user_items.astype(np.bool_), "user_items")
        learner = fastrec.BPR(
            n_factors,
            learning_rate=self.learning_rate,
            regularization=self.regularization,
            negative_sampling="popularity",
            item_bias=True,
            n_threads=threads_of(self.num_threads),
        )
        learner.item_counts_ = np.bincount(rows.indices, minlength=rows.shape[1]).astype(np.int64)
        self._start(np.diff(rows.indptr), learner.item_counts_, rs)
        learner.seed_, learner.n_epochs_ = int(rs.integers(2**63)), 0
        self._hand_over(learner)
        self._learn(learner, rows.to_scipy(), show_progress, callback)
        self._check_fit_errors()

    def _learn(self, learner: fastrec.BPR, user_items: Any, show_progress: bool, callback: Callback | None) -> None:
        """Run the epochs: all at once, or one by one where somebody looks at the factors between them."""
        last: dict[str, float] = {}
        with tqdm(total=self.iterations, disable=not show_progress) as progress:

            def told(epoch: int, seconds: float, loss: float) -> None:
                last.update(seconds=seconds, correct=(1 - loss) * user_items.nnz)
                progress.update(1)
                progress.set_postfix({"train_auc": f"{1 - loss:.2%}"})

            each = 1 if callback else self.iterations
            for epoch in range(0, self.iterations, max(each, 1)):
                try:
                    learner.partial_fit(user_items, n_epochs=each, callback=told)
                except ValueError as error:
                    raise ModelFitError(str(error)) from None
                self._take(learner)
                if callback:
                    callback(epoch, last["seconds"], round(last["correct"]), 0)

    def _start(self, n_items_of: Array, n_users_of: Array, rs: np.random.Generator) -> None:
        """Draw the factors that there are none of; the others must be of these users and items."""
        width = self.factors + 1
        for name, lengths in (("item_factors", n_users_of), ("user_factors", n_items_of)):
            if own(self, name) is None:
                drawn = (rs.random((len(lengths), width), dtype=self.dtype) - 0.5) / self.factors
                drawn[lengths == 0] = 0
                if name == "user_factors":
                    drawn[:, -1] = 1
                take(self, name, drawn)
            own_of_size(self, name, len(lengths), width, "factors + 1")

    def _hand_over(self, learner: fastrec.BPR) -> None:
        """Let the learner go on from the factors that there are."""
        learner.user_factors_ = np.ascontiguousarray(self._users[:, :-1], np.float32)
        learner.item_factors_ = np.ascontiguousarray(self._items[:, :-1], np.float32)
        learner.item_biases_ = np.ascontiguousarray(self._items[:, -1], np.float32)

    def _take(self, learner: fastrec.BPR) -> None:
        ones = np.ones(len(learner.user_factors_), self.dtype)
        users = np.column_stack([learner.user_factors_, ones])
        items = np.column_stack([learner.item_factors_, learner.item_biases_])
        take(self, "user_factors", users.astype(self.dtype, copy=False))
        take(self, "item_factors", items.astype(self.dtype, copy=False))
        self._user_norms = self._item_norms = None

    def to_gpu(self) -> Any:
        """The same model of implicit's own `implicit.gpu`."""
        return self._on_gpu(
            left("implicit.gpu.bpr").BayesianPersonalizedRanking(
                factors=self.factors,
                learning_rate=self.learning_rate,
                regularization=self.regularization,
                iterations=self.iterations,
                verify_negative_samples=self.verify_negative_samples,
                random_state=self.random_state,
            )
        )

    def save(self, fileobj_or_path: Any) -> None:
        """Write the model in NumPy's npz format, which implicit reads too."""
        names = (
            "user_factors", "item_factors", "regularization", "factors", "learning_rate", "verify_negative_samples",
            "num_threads", "iterations", "dtype", "random_state",
        )  # fmt: skip
        np.savez(fileobj_or_path, **stored_parameters(self, names))


__getattr__ = left_to_original(__name__)
