"""When `fit` ends before its last epoch, and which epoch's model it keeps."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrec import _check
from fastrec.models.base import Estimator

Learned = dict[str, Any]  # attributes by name


@dataclass(frozen=True)
class EarlyStopping:
    """Rule that ends ``fit`` once epochs no longer help; given to it as ``early_stopping``.

    Parameters
    ----------
    score : callable or "loss", default "loss"
        ``score(model)``, a float, higher is better, is asked of a copy of the model as it stands after an epoch; the
        model of the best epoch is kept. "loss" looks at the loss on what is learned from, lower is better; the model of
        the last epoch is kept.
    patience : int, at least 1, default 3
        ``fit`` ends after so many looks in a row without enough improvement.
    min_improvement : float, at least 0, default 1e-4
        Enough is more than this share of the best so far.
    every : int, at least 1, default 1
        Looks after every so many epochs, and after the last.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described. From ``fit``: the score is no number, or NaN.

    Notes
    -----
    The rule itself keeps nothing, so that one serves many fits. The model keeps the values of a callable score in
    ``validation_scores_``, and in ``n_epochs_`` how many epochs it has had: what to ask for when it is fitted again, to
    all the data.

    Examples
    --------
    >>> from functools import partial
    >>> import fastrec
    >>> from fastrec.evaluation import recall_at_k, recall_scorer
    >>> rule = fastrec.EarlyStopping(patience=1, min_improvement=1e-3)  # once an epoch lowers the loss by 0.1% or less
    >>> rule = fastrec.EarlyStopping(partial(recall_scorer(20), user_items=other_users))  # doctest: +SKIP
    >>> rule = fastrec.EarlyStopping(
    ...     lambda model: recall_at_k(model.recommend(users, user_items, 20), later_items)
    ... )  # doctest: +SKIP
    """

    score: Callable[[Any], float] | str = "loss"
    patience: int = 3
    min_improvement: float = 1e-4
    every: int = 1

    def __post_init__(self) -> None:
        if not callable(self.score):
            _check.choice(self.score, "score", ("loss",))
        _check.integer(self.patience, "patience", 1)
        _check.real(self.min_improvement, "min_improvement", 0)
        _check.integer(self.every, "every", 1)


class Watch:
    """One ``fit`` under a rule, or under none.

    A model asks `is_over` after every epoch, and at the end takes over what `outcome` says. What it has learned so far
    it gives as a function, called when that is needed only, of which the arrays are not changed by later epochs.
    """

    def __init__(self, rule: EarlyStopping | None, model: Estimator, n_epochs: int) -> None:
        _check.rule(rule, "early_stopping", EarlyStopping)
        self._rule = rule
        self._model = model
        self._n_epochs = n_epochs
        self._n_run = 0
        self._best: tuple[float, int, Learned] | None = None  # score, epochs, what was learned by then
        self._to_beat = -np.inf
        self._waited = 0
        self._scores: list[float] = []

    @property
    def needs_loss(self) -> bool:
        """Whether the rule looks at the loss."""
        return self._rule is not None and not callable(self._rule.score)

    def is_over(self, loss: float, learned: Callable[[], Learned]) -> bool:
        """Look at one more epoch, and say whether it was the last."""
        self._n_run += 1
        rule, at_end = self._rule, self._n_run == self._n_epochs
        if rule is None or (self._n_run % rule.every and not at_end):
            return at_end
        improved = self._improved(rule.min_improvement, self._value(rule, loss, learned))
        self._waited = 0 if improved else self._waited + 1
        return at_end or self._waited >= rule.patience

    def epochs(
        self,
        step: Callable[[], float],
        learned: Callable[[], Learned],
        callback: Callable[[int, float, float], Any] | None,
        advance: Callable[[], Any],
    ) -> Learned:
        """Take ``step()``, which answers with the loss, until it is over; what the model shall have learned.

        After each, ``callback(epoch, seconds, loss)`` is told, and ``advance()`` called.
        """
        for epoch in range(self._n_epochs):
            started = time.perf_counter()
            loss = step()
            if callback is not None:
                callback(epoch, time.perf_counter() - started, loss)
            advance()
            if self.is_over(loss, learned):
                break
        return self.outcome(learned)

    def outcome(self, learned: Callable[[], Learned]) -> Learned:
        """What the model shall have learned."""
        if self._rule is None:
            return learned()
        if not callable(self._rule.score):
            return {**learned(), "n_epochs_": self._n_run}
        _, n_epochs, best = self._best or (0.0, 0, learned())
        return {**best, "n_epochs_": n_epochs, "validation_scores_": np.array(self._scores)}

    def _value(self, rule: EarlyStopping, loss: float, learned: Callable[[], Learned]) -> float:
        """What the rule looks at, higher is better."""
        if not callable(rule.score):
            return -_check.real(loss, "loss", fix="the model diverged; use a smaller step or more regularization")
        now = learned()
        so_far = copy.copy(self._model)._learn(now)
        score = _check.real(rule.score(so_far), "early_stopping.score", fix="return a float that is not NaN")
        self._scores.append(score)
        if self._best is None or score > self._best[0]:
            self._best = score, self._n_run, now
        return score

    def _improved(self, min_improvement: float, value: float) -> bool:
        """Whether a value is enough above the last that was."""
        margin = min_improvement * abs(self._to_beat) if np.isfinite(self._to_beat) else 0.0
        if not value > self._to_beat + margin:
            return False
        self._to_beat = value
        return True
