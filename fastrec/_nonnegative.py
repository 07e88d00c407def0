"""Non-negative factors by coordinate descent: half an epoch, and the loss."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastrec import _check, _dispatch, _threads
from fastrec._blocks import aligned_rows
from fastrec._least_squares import Basis, Side, gram_matrix, losses_in
from fastrec._types import Array, Csr

_MOST_SWEEPS = 4
_ROWS_TOGETHER = 16  # as in fastrec._jit.nmf
_BLOCKS = 64  # a call takes 20 microseconds


class Problem(NamedTuple):
    """Rows of one side, and how their factors are penalised."""

    rows: Csr
    l1: float
    l2: float
    with_zeros: bool  # cells without an entry are zeros, and not unknown

    def n_sweeps(self, n_factors: int) -> int:
        """How many pay for each time that products are computed: the more, the more those take beside a sweep."""
        n_rows = max(1, self.rows.shape[0])
        return min(_MOST_SWEEPS, 1 + len(self.rows.data) // (n_rows * n_factors)) if self.with_zeros else _MOST_SWEEPS

    def descend(self, fixed: Array, factors: Array, most_sweeps: int, tol: float, n_threads: int) -> None:
        """Sweep over the coordinates of every row, in place; factors as `aligned_rows` holds them.

        A row ends after a sweep of which no step, times its curvature, is more than ``tol`` of the row's largest
        product with the fixed factors. Rows without entries become zero.
        """
        l1, l2, tolerance = (np.float32(number) for number in (self.l1, self.l2, tol))
        operands: tuple[Any, ...]
        if self.with_zeros:
            kernel, operands = "nonnegative_rows", (*self._system(fixed, n_threads), l1)
        else:
            kernel, operands = "nonnegative_entries", (l1, l2)
            longest = int(np.diff(self.rows.indptr).max(initial=0))
            n_bytes = 4.0 * longest * fixed.shape[1] * n_threads
            _check.memory(n_bytes, f"factors of a row with {longest} entries, for each thread", "use fewer n_threads")
        _threads.run_blocks(
            _dispatch.kernel(kernel), len(factors), n_threads, *self.rows[:3], fixed, *operands, most_sweeps, tolerance,
            factors, rows_a_block=_ROWS_TOGETHER * (1 + len(factors) // (_ROWS_TOGETHER * _BLOCKS)),
        )  # fmt: skip

    def _system(self, fixed: Array, n_threads: int) -> tuple[Array, Array]:
        """The quadratic part that all rows share, and what inverts its diagonal where there is one."""
        system = aligned_rows(fixed.shape[1], fixed.shape[1])
        system[:] = gram_matrix(fixed, n_threads, np.float32)
        system.flat[:: len(system) + 1] += np.float32(self.l2)
        diagonal = system.diagonal()
        return system, np.divide(1, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)

    def squared_error(self, factors: Array, fixed: Array, n_threads: int) -> float:
        """Summed in float64 over entries, and over zeros where they count."""
        ones, no_penalty, width = np.ones_like(self.rows.data), np.zeros(len(factors)), fixed.shape[1]
        side = Side(self.rows._replace(data=ones), self.rows.data, no_penalty, float(self.with_zeros))
        basis = Basis(np.zeros(width), np.empty((0, width)), fixed)  # the sum over all columns comes after
        total = losses_in(basis, side, factors, n_threads).sum()
        if self.with_zeros:
            total += np.multiply(*(gram_matrix(one, n_threads, np.float32) for one in (factors, fixed))).sum()
        return float(total)

    def penalty(self, factors: Array) -> float:
        """What the factors add to the loss: a row's sums in their dtype, all in float64."""
        sums, squares = factors.sum(axis=1), np.einsum("ij,ij->i", factors, factors)
        return self.l1 * float(sums.sum(dtype=np.float64)) + self.l2 / 2 * float(squares.sum(dtype=np.float64))
