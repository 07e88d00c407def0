"""`implicit.als`: alternating least squares, on the GPU where that is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastrec.compat._ways_in import left, left_to_original
from fastrec.compat.implicit.cpu import als as cpu


def AlternatingLeastSquares(  # noqa: N802
    factors: int = 100,
    regularization: float = 0.01,
    alpha: float = 1.0,
    dtype: DTypeLike = np.float32,
    use_native: bool = True,
    use_cg: bool = True,
    use_gpu: bool = False,
    iterations: int = 15,
    calculate_training_loss: bool = False,
    num_threads: int = 0,
    random_state: Any = None,
) -> Any:
    """Make a model of `implicit.cpu.als`, solved by fastrec; with ``use_gpu`` of `implicit.gpu.als`.

    The parameters are those of the classes there.
    """
    if use_gpu:
        return left("implicit.gpu.als").AlternatingLeastSquares(
            factors,
            regularization,
            alpha,
            dtype=dtype,
            iterations=iterations,
            calculate_training_loss=calculate_training_loss,
            random_state=random_state,
        )
    return cpu.AlternatingLeastSquares(
        factors,
        regularization,
        alpha,
        dtype,
        use_native,
        use_cg,
        iterations,
        calculate_training_loss,
        num_threads,
        random_state,
    )


__getattr__ = left_to_original(__name__)
