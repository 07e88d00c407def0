"""Times of two calls, taken in turn, so that whatever else the machine does meets both."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_SETTLE = 0.05  # seconds; threads of OpenMP and OpenBLAS spin for a while after they have finished


class Job(NamedTuple):
    """A call to time, and what must hold around it, which is not timed."""

    call: Callable[[], Any]
    around: Callable[[], AbstractContextManager[Any]] = nullcontext


class Pairs(NamedTuple):
    """Seconds of two calls, a row a pair."""

    seconds: npt.NDArray[np.float64]

    @property
    def medians(self) -> tuple[float, float]:
        """Median seconds of each call."""
        first, second = np.median(self.seconds, axis=0)
        return float(first), float(second)

    def ratio(self) -> tuple[float, float, float]:
        """How many times longer the second call took: median over the pairs, and the quartiles below and above it."""
        low, middle, high = np.quantile(self.seconds[:, 1] / self.seconds[:, 0], [0.25, 0.5, 0.75])
        return float(middle), float(low), float(high)


def interleaved(first: Job, second: Job, n_pairs: int, *, settle: float = _SETTLE) -> Pairs:
    """Time two calls in the order A B A B ...; both must have run once before, so that nothing warms up here.

    Parameters
    ----------
    first, second : Job
        The calls.
    n_pairs : int, at least 1
        Times each is run.
    settle : float
        Seconds of quiet before each.

    Returns
    -------
    Pairs
        ``seconds`` of shape (n_pairs, 2).
    """
    return Pairs(np.array([[seconds_of(job, settle) for job in (first, second)] for _ in range(n_pairs)]))


def seconds_of(job: Job, settle: float = _SETTLE) -> float:
    """Time one call, after some quiet."""
    with job.around():
        gc.collect()
        time.sleep(settle)
        start = time.perf_counter()
        result = job.call()
        stop = time.perf_counter()
    del result  # freed outside of the time
    return stop - start
