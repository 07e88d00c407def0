"""`implicit.bpr`: Bayesian personalised ranking, on the GPU where that is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastrec.compat._ways_in import left, left_to_original
from fastrec.compat.implicit.cpu import bpr as cpu


def BayesianPersonalizedRanking(  # noqa: N802
    factors: int = 100,
    learning_rate: float = 0.01,
    regularization: float = 0.01,
    dtype: DTypeLike = np.float32,
    iterations: int = 100,
    use_gpu: bool = False,
    num_threads: int = 0,
    verify_negative_samples: bool = True,
    random_state: Any = None,
) -> Any:
    """Make a model of `implicit.cpu.bpr`, learned by fastrec; with ``use_gpu`` of `implicit.gpu.bpr`.

    The parameters are those of the classes there.
    """
    if use_gpu:
        return left("implicit.gpu.bpr").BayesianPersonalizedRanking(
            factors,
            learning_rate,
            regularization,
            iterations=iterations,
            verify_negative_samples=verify_negative_samples,
            random_state=random_state,
        )
    return cpu.BayesianPersonalizedRanking(
        factors,
        learning_rate,
        regularization,
        dtype=dtype,
        num_threads=num_threads,
        iterations=iterations,
        verify_negative_samples=verify_negative_samples,
        random_state=random_state,
    )


__getattr__ = left_to_original(__name__)
