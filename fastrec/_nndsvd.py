"""A start for non-negative factors: the singular vectors of the interactions, of which one sign is kept."""

from __future__ import annotations

import numpy as np

from fastrec import _dispatch, _random, _threads
from fastrec._blocks import aligned_rows, uniform_start
from fastrec._least_squares import gram_matrix, turned
from fastrec._transpose import transposed
from fastrec._types import Array, Csr

_MORE_DIRECTIONS = 10  # than are asked for, so that the last of those are found too
_ITERATIONS = 2
_NOTHING = 1e-5  # of the largest eigenvalue of a Gram matrix of float32 rows
_ROWS_A_BLOCK = 512


def nndsvd(x: Csr, n_factors: int, seed: int, n_threads: int) -> tuple[Array, Array]:
    """Factors of rows and of columns; zero beyond the rank.

    Boutsidis and Gallopoulos, "SVD based initialization: a head start for nonnegative matrix factorization", 2008: of
    each pair of singular vectors the positive parts, or the negative ones where their product is longer.
    """
    values, *sides = _decompose(x, n_factors, seed, n_threads)
    positive, negative = ([np.maximum(sign * side, 0) for side in sides] for sign in (1, -1))
    lengths = [[np.linalg.norm(part, axis=0) for part in parts] for parts in (positive, negative)]
    products = [first * second for first, second in lengths]
    kept = products[0] >= products[1]
    size = np.sqrt(values * np.maximum(*products))
    factors = []
    for side in (0, 1):
        length = np.where(kept, lengths[0][side], lengths[1][side])
        scale = np.divide(size, length, out=np.zeros_like(size), where=length > 0)
        factors.append((np.where(kept, positive[side], negative[side]) * scale).astype(np.float32))
    return factors[0], factors[1]


def _decompose(x: Csr, n_factors: int, seed: int, n_threads: int) -> tuple[Array, Array, Array]:
    """Singular values, and vectors of rows and of columns as columns, nearly: by a randomised projection.

    Halko, Martinsson and Tropp, "Finding structure with randomness", 2011, algorithm 5.1 after power iterations.
    """
    scale = np.float32(x.data.max(initial=0) or 1)  # squares must neither overflow nor vanish
    rows = x._replace(data=x.data / scale)
    columns = transposed(rows, n_threads)
    width = n_factors + _MORE_DIRECTIONS
    right = aligned_rows(x.shape[1], width)
    uniform_start(right, np.arange(len(right)), width, _random.keyed(seed, 0), 1.0, n_threads)
    for _ in range(_ITERATIONS):
        left = _orthonormal(_product(rows, right, n_threads), n_threads)
        right = _orthonormal(_product(columns, left, n_threads), n_threads)
    left = _orthonormal(_product(rows, right, n_threads), n_threads)
    image = _product(columns, left, n_threads)
    squares, vectors = _eigenvectors(image, n_threads)
    chosen = slice(-1, -n_factors - 1, -1)  # the largest first
    values = np.sqrt(squares[chosen])
    within = np.divide(1, values, out=np.zeros_like(values), where=values > 0)
    of_rows = turned(left, vectors[:, chosen].astype(np.float32), n_threads)
    of_columns = turned(image, (vectors[:, chosen] * within).astype(np.float32), n_threads)
    return values * scale, of_rows, of_columns


def _product(rows: Csr, dense: Array, n_threads: int) -> Array:
    out = aligned_rows(rows.shape[0], dense.shape[1])
    kernel = _dispatch.kernel("products_of_rows")
    _threads.run_blocks(kernel, len(out), n_threads, *rows[:3], dense, out, rows_a_block=_ROWS_A_BLOCK)
    return out


def _orthonormal(rows: Array, n_threads: int) -> Array:
    """As many orthonormal columns as span the columns of ``rows``, and zeros."""
    squares, vectors = _eigenvectors(rows, n_threads)
    scale = np.divide(1, np.sqrt(squares), out=np.zeros_like(squares), where=squares > 0)
    out = aligned_rows(*rows.shape)
    out[:] = turned(rows, (vectors * scale).astype(np.float32), n_threads)
    return out


def _eigenvectors(rows: Array, n_threads: int) -> tuple[Array, Array]:
    """Of their Gram matrix: eigenvalues, ascending, and zero where rounding is all of them; and vectors."""
    with _threads.one_blas_thread():
        squares, vectors = np.linalg.eigh(gram_matrix(rows, n_threads, np.float32))
    return np.where(squares > _NOTHING * squares[-1], squares, 0), vectors
