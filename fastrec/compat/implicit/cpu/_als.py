"""`implicit.cpu._als`: one side of the factors solved against the other, and the loss."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from scipy.sparse import csr_matrix

from fastrec import _check
from fastrec._least_squares import Fixed, Side, gram_matrix, losses_of_entries, solve
from fastrec._transpose import transposed
from fastrec._types import Array, Csr
from fastrec.compat._numbers import threads_of
from fastrec.compat._ways_in import left_to_original, taken

_FEW_ROWS = 64  # which are solved directly sooner than a basis for all factors is found
_DIRECTLY = 0.0


class Confidence(NamedTuple):
    """Weight of every stored entry, and whether it is a like; other pairs have weight 1 and are none."""

    weights: Csr
    likes: Array

    @classmethod
    def of(cls, user_items: Any, alpha: float = 1.0, name: str = "user_items") -> Self:
        """Stored values in float32, as implicit has them, times alpha; stored zeros weigh nothing."""
        rows = _check.csr(user_items, name, keep_zeros=True)
        values = rows.data.astype(np.float32)
        if alpha != 1.0:
            values = _check.finite(np.float32(alpha) * values, f"alpha * {name}")
        return cls(rows._replace(data=np.abs(values)), (values > 0).astype(np.float32))

    def transposed(self, n_threads: int) -> Self:
        """The same by columns: weights and likes travel together, a dislike as the sign of its weight."""
        signed = self.weights._replace(data=np.copysign(self.weights.data, self.likes - 0.5))
        columns = transposed(signed, n_threads)
        likes = (~np.signbit(columns.data)).astype(np.float32)
        return self._replace(weights=columns._replace(data=np.abs(columns.data)), likes=likes)

    def side(self, regularization: float) -> Side:
        """The rows to solve."""
        return Side(self.weights, self.likes, np.full(self.weights.shape[0], float(regularization)), 1.0)


def tolerance(dtype: Any) -> float:
    """Residual of a solve that implicit's own, by Cholesky in this dtype, is not below."""
    return 1e-5 if dtype == np.float32 else 1e-10


def solved(confidence: Confidence, fixed: Array, regularization: float, num_threads: int, gram: Any = None) -> Array:
    """Solve every row exactly: few of them directly, with the factors' Gram matrix where that is known."""
    threads = threads_of(num_threads)
    _check.same_size(confidence.weights.shape[1], "user_items", len(fixed), "fixed factors", "columns or rows")
    if confidence.weights.shape[0] <= _FEW_ROWS:
        tol, known = _DIRECTLY, None if gram is None else gram.astype(np.float64)
    else:
        tol, known = tolerance(fixed.dtype), None
    return solve(confidence.side(regularization), Fixed(fixed, threads, known), tol, threads).upright(threads)


@taken
def least_squares(Cui: Any, X: Array, Y: Array, regularization: float, num_threads: int = 0) -> None:  # noqa: N803
    """Solve every row of ``X``, in place, against ``Y``: exactly."""
    _solve_in_place(Confidence.of(Cui, name="Cui"), X, Y, regularization, num_threads)


@taken
def least_squares_cg(
    Cui: Any,  # noqa: N803
    X: Array,  # noqa: N803
    Y: Array,  # noqa: N803
    regularization: float,
    num_threads: int = 0,
    cg_steps: int = 3,
) -> None:
    """`least_squares`: the solution that steps of conjugate gradients tend to, however few are asked for."""
    least_squares(Cui, X, Y, regularization, num_threads)


def _least_squares(
    YtY: Array,  # noqa: N803
    indptr: Array,
    indices: Array,
    data: Array,
    X: Array,  # noqa: N803
    Y: Array,  # noqa: N803
    regularization: float,
    num_threads: int = 0,
) -> None:
    """`least_squares` of the arrays of a matrix, with the Gram matrix of ``Y``."""
    rows = csr_matrix((data, indices, indptr), shape=(len(X), len(Y)))
    _solve_in_place(Confidence.of(rows, name="Cui"), X, Y, regularization, num_threads, YtY)


def _solve_in_place(
    confidence: Confidence, users: Array, items: Array, regularization: float, num_threads: int, gram: Any = None
) -> None:
    for factors, name in ((users, "X"), (items, "Y")):
        dtype = getattr(factors, "dtype", None)
        if dtype not in (np.float32, np.float64):
            raise TypeError(f"{name}: expected an array of float32 or float64, got {dtype or type(factors).__name__}.")
    fixed = _check.dense(items, "Y", what="items")
    _check_sizes(confidence, _check.dense(users, "X", what="users"), fixed)
    users[:] = solved(confidence, fixed, regularization, num_threads, gram)


def _check_sizes(confidence: Confidence, users: Array, items: Array) -> None:
    """A row of factors for each row, and for each column: kernels follow both without looking."""
    _check.same_size(confidence.weights.shape[0], "Cui", len(users), "X", "rows")
    _check.same_size(confidence.weights.shape[1], "Cui", len(items), "Y", "columns or rows")
    _check.same_size(users.shape[1], "X", items.shape[1], "Y", "columns")


@taken
def calculate_loss(Cui: Any, X: Array, Y: Array, regularization: float, num_threads: int = 0) -> float:  # noqa: N803
    """Weighted squared error over all pairs of users and items, regularised, over the sum of all weights."""
    confidence = Confidence.of(Cui, name="Cui")
    users, items = _check.dense(X, "X", what="users"), _check.dense(Y, "Y", what="items")
    _check_sizes(confidence, users, items)
    return loss_of(confidence, users, items, regularization, num_threads)


def loss_of(confidence: Confidence, users: Array, items: Array, regularization: float, num_threads: int) -> float:
    """`calculate_loss` of what is known of the entries, in float64."""
    threads = threads_of(num_threads)
    total = losses_of_entries(confidence.side(0.0), items, users, threads).sum()
    total += np.multiply(*(gram_matrix(factors, threads, np.float64) for factors in (users, items))).sum()
    squares = sum(np.square(factors, dtype=np.float64).sum() for factors in (users, items))
    (n_users, n_items), n_stored = confidence.weights.shape, len(confidence.likes)
    weight = confidence.weights.data.sum(dtype=np.float64) + float(n_users) * n_items - n_stored
    return float((total + regularization * squares) / weight)


__getattr__ = left_to_original(__name__)
