"""`implicit.lmf`: logistic matrix factorisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastrec.compat._ways_in import left_to_original
from fastrec.compat.implicit.cpu import lmf as cpu


def LogisticMatrixFactorization(  # noqa: N802
    factors: int = 30,
    learning_rate: float = 1.00,
    regularization: float = 0.6,
    dtype: DTypeLike = np.float32,
    iterations: int = 30,
    neg_prop: int = 30,
    use_gpu: bool = False,
    num_threads: int = 0,
    random_state: Any = None,
) -> cpu.LogisticMatrixFactorization:
    """Make a model of `implicit.cpu.lmf`, learned by fastrec; there is none on the GPU.

    The parameters are those of the class there.
    """
    if use_gpu:
        raise NotImplementedError("use_gpu: expected False, for implicit has no logistic factorisation on the GPU")
    return cpu.LogisticMatrixFactorization(
        factors,
        learning_rate,
        regularization,
        dtype=dtype,
        iterations=iterations,
        neg_prop=neg_prop,
        num_threads=num_threads,
        random_state=random_state,
    )


__getattr__ = left_to_original(__name__)
