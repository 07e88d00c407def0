"""The inverse of a large symmetric matrix, in its own memory, by tiles that threads share.

BLAS and LAPACK run on one thread, on blocks whose sizes depend on the matrix only: the same bits at any number of
threads. Between blocks Ctrl-C is heard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastrec import _threads
from fastrec._types import Array

TILE = 256  # rows and columns


def n_steps(size: int) -> int:
    """How often `invert` tells of progress."""
    return 3 * -(-size // TILE)


def scratch_bytes(size: int, dtype: npt.DTypeLike, n_threads: int) -> float:
    """What `invert` needs beside the matrix, at most."""
    return float(np.dtype(dtype).itemsize) * TILE * (size + 3.0 * TILE * n_threads)


def invert(matrix: Array, n_threads: int, advance: Callable[[int], Any] | None = None) -> bool:
    """Put the inverse of a symmetric, positive definite matrix where the matrix is.

    Only the lower triangle of the matrix counts; of the inverse there are the tiles on the diagonal, and what is below.
    Returns whether the matrix is one, to the rounding of its dtype; if not, it is spoilt.
    """
    tiles = [slice(first, min(first + TILE, len(matrix))) for first in range(0, len(matrix), TILE)]
    told = advance or (lambda n: None)
    for tile in tiles:  # of which all takes part: what memory held above the diagonal may be what arithmetic warns of
        matrix[tile, tile] = np.tril(matrix[tile, tile])
    with _threads.one_blas_thread():
        for place in range(len(tiles)):
            if not _factor_column(matrix, tiles, place, n_threads):
                return False
            told(1)
        for place in range(len(tiles)):
            _invert_row(matrix, tiles, place, n_threads)
            told(1)
        for place in range(len(tiles)):
            _multiply_row(matrix, tiles, place, n_threads)
            told(1)
    return True


def mirror(matrix: Array, n_threads: int) -> None:
    """Above the tiles on the diagonal what is below them."""

    def copy(first: int, last: int) -> None:
        matrix[first:last, last:] = matrix[last:, first:last].T

    _threads.run_blocks(copy, len(matrix), n_threads, rows_a_block=TILE)


def _factor_column(matrix: Array, tiles: list[slice], place: int, n_threads: int) -> bool:
    """A column of tiles of the Cholesky factor L, from those on its left; of the tile on the diagonal its inverse."""
    column = tiles[place]
    left = matrix[column, : column.start].T

    def subtract(first: int, last: int) -> None:
        for rows in tiles[place + first : place + last]:
            matrix[rows, column] -= matrix[rows, : column.start] @ left

    if place:
        _for_each(len(tiles) - place, n_threads, subtract)
    inverse = _inverse_of_factor(matrix[column, column])
    if inverse is None:
        return False
    matrix[column, column] = inverse

    def divide(first: int, last: int) -> None:
        for rows in tiles[place + 1 + first : place + 1 + last]:
            matrix[rows, column] = matrix[rows, column] @ inverse.T

    _for_each(len(tiles) - place - 1, n_threads, divide)
    return True


def _inverse_of_factor(tile: Array) -> Array | None:
    """The inverse of the Cholesky factor of one tile; None where there is no factor."""
    from scipy.linalg.lapack import get_lapack_funcs

    functions: Any = get_lapack_funcs(("potrf", "trtri"), (tile,))
    factor, invert_factor = functions
    lower, info = factor(tile, lower=True, clean=True)
    if info or not np.isfinite(lower).all():
        return None
    inverse, info = invert_factor(lower, lower=True)
    return None if info else np.ascontiguousarray(inverse)


def _invert_row(matrix: Array, tiles: list[slice], place: int, n_threads: int) -> None:
    """A row of tiles of the inverse X of L: X_ij = -X_ii (L_ij X_jj + ... ), from the rows of X above it."""
    row = tiles[place]
    factor = -matrix[row, row] @ matrix[row, : row.start]

    def multiply(first: int, last: int) -> None:
        for columns in tiles[first:last]:
            above = slice(columns.start, row.start)
            matrix[row, columns] = factor[:, above] @ matrix[above, columns]

    _for_each(place, n_threads, multiply)


def _multiply_row(matrix: Array, tiles: list[slice], place: int, n_threads: int) -> None:
    """A row of tiles of X'X, whose rows below it are X's still."""
    row = tiles[place]
    below = slice(row.start, len(matrix))
    left = matrix[below, row].T.copy()  # the others' products need what the one on the diagonal replaces

    def multiply(first: int, last: int) -> None:
        for columns in tiles[first:last]:
            matrix[row, columns] = left @ matrix[below, columns]

    _for_each(place + 1, n_threads, multiply)


def _for_each(n: int, n_threads: int, work: Callable[[int, int], None]) -> None:
    _threads.run_blocks(work, n, n_threads, rows_a_block=1)
