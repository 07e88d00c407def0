"""What models fitted by gradient descent share: their epochs, and factors as the kernels have them."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastrec import _check
from fastrec._blocks import aligned_rows, padded, uniform_start
from fastrec._progress import progress_bar
from fastrec._types import Array, Csr
from fastrec.models.fold_in import with_rows
from fastrec.models.stopping import Learned, Watch

START_OF_SQUARES = 1.0  # so that Adagrad begins with the steps of plain descent
FOLD_IN_PASSES = 30
FOR_USERS, FOR_ITEMS, FOR_EPOCHS = range(3)  # what random numbers are for
NOTHING = np.empty(0, np.float32)
SAMPLINGS = ("uniform", "popularity")

Callback = Callable[[int, float, float], Any]


class Side(NamedTuple):
    """What training changes of users, or of items: factors, biases, with Adagrad sums of their squared gradients.

    Sums of squares of factors are beside these; what a model has not is of length 0.
    """

    factors: Array
    biases: Array
    bias_squares: Array
    n_factors: int
    adaptive: bool
    biased: bool

    @classmethod
    def zeros(cls, n_rows: int, n_factors: int, *, adaptive: bool, biased: bool) -> Side:
        """Before the first step."""
        factors = aligned_rows(n_rows, n_factors, 1 + adaptive)
        factors[:, padded(n_factors) :] = START_OF_SQUARES
        biases = np.zeros(n_rows * biased, np.float32)
        squares = np.full(len(biases) * adaptive, START_OF_SQUARES, np.float32)
        return cls(factors, biases, squares, n_factors, adaptive, biased)

    def start(self, lengths: npt.NDArray[np.int64], key: np.uint64, deviation: float, n_threads: int) -> None:
        """Draw the factors of rows, keyed by row; those of length 0 stay zero."""
        uniform_start(self.factors, np.arange(len(lengths)), self.n_factors, key, deviation, n_threads)
        self.factors[lengths == 0, : self.n_factors] = 0

    def go_on(self, known: Learned, name: str) -> None:
        """Take over what is known of the first rows, by names of attributes."""
        for part, values in self._parts(name).items():
            if part in known:
                values[: len(known[part])] = known[part]

    def learned(self, name: str) -> Learned:
        """As attributes of "user" or "item"."""
        return {part: np.ascontiguousarray(values) for part, values in self._parts(name).items()}

    def put_into(self, known: Learned, name: str, ids: npt.NDArray[np.int64]) -> Learned:
        """Attributes in which these rows replace, or append, those with ids."""
        kept = {part: values for part, values in known.items() if self.adaptive or not part.endswith("squares_")}
        return kept | {
            part: with_rows(kept[part], ids, rows, new=before_any_step(part))
            for part, rows in self.learned(name).items()
            if part in kept
        }

    def _parts(self, name: str) -> Learned:
        """Views of what there is."""
        width = padded(self.n_factors)
        parts = {f"{name}_factors_": self.factors[:, : self.n_factors]}
        if self.biased:
            parts[f"{name}_biases_"] = self.biases
        if self.adaptive:
            parts[f"{name}_squares_"] = self.factors[:, width : width + self.n_factors]
        if self.adaptive and self.biased:
            parts[f"{name}_bias_squares_"] = self.bias_squares
        return parts


def before_any_step(attribute: str) -> float:
    """What an attribute holds of a row that nothing was learned of."""
    return START_OF_SQUARES if attribute.endswith("squares_") else 0.0


def run_epochs(
    epochs: range,
    step: Callable[[int], float],
    learned: Callable[[], Learned],
    watch: Watch,
    callback: Callback | None,
    name: str,
    progress: bool,
) -> Learned:
    """Take ``step(epoch)``, which answers with the loss, for as many epochs as the watch lets pass; what was learned.

    ``learned`` says all that a model has after an epoch but for ``n_epochs_``, and may give views of what later steps
    change. NaN or inf, in a loss or at the end, names its epoch.
    """
    _check.callback(callback)
    epoch, n_epochs = epochs.start, epochs.start

    def so_far() -> Learned:
        return {**learned(), "n_epochs_": n_epochs}

    with progress_bar(len(epochs), name, progress) as advance:
        for epoch in epochs:
            started = time.perf_counter()
            loss = step(epoch)
            _check.converging(loss, f"epoch {epoch} (from 0)")
            n_epochs = epoch + 1
            if callback is not None:
                callback(epoch, time.perf_counter() - started, loss)
            advance()
            if watch.is_over(loss, lambda: copy.deepcopy(so_far())):
                break
    now = so_far()
    steps = [values for values in now.values() if getattr(values, "dtype", None) == np.float32]
    check_converging(f"epoch {epoch} (from 0)", *steps)
    return watch.outcome(lambda: now)


def check_converging(by: str, *learned: Array) -> None:
    """Refuse NaN and inf in what was learned."""
    with np.errstate(over="ignore", invalid="ignore"):
        _check.converging(float(sum(values.sum() for values in learned)), by)


def interactions(user_items: Any) -> Csr:
    """What users have, checked."""
    rows = _check.csr(user_items, "user_items")
    _check.not_negative(rows.data, "user_items", "interactions")
    return rows


def weighs_by_value(sample_weight: Any) -> bool:
    """Whether an interaction counts as often as its value says; else once."""
    return sample_weight is not None and bool(_check.choice(sample_weight, "sample_weight", ("value",), or_none=True))


def weights_of(rows: Csr, weighted: bool) -> Array:
    """What each interaction counts, or nothing where all count the same."""
    return _check.squarable(rows.data, "user_items").astype(np.float32) if weighted else NOTHING


def check_memory(n_users: int, rows: Csr, n_factors: int, adaptive: bool, bytes_an_entry: float) -> None:
    """Refuse what does not fit: factors with their squares, and what the kernels have of each entry."""
    n_rows, n_items = rows.shape
    a_row = 4 * padded(n_factors) * (1 + adaptive)
    n_bytes = (float(n_users) + n_rows + n_items) * a_row + bytes_an_entry * len(rows.indices)
    _check.memory(n_bytes, f"factors of {n_users} users and {n_items} items", "use fewer factors")
