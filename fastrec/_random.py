"""Random numbers that belong to a place, not to an order: keyed by seed, row and column."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import numpy.typing as npt

from fastrec import _check, _threads
from fastrec._types import Array

_TILE = 1 << 16
_MOST_SEED = 2**64 - 1


def seed_of(random_state: Any) -> int:
    """The seed that an argument ``random_state`` means: None is a fresh one."""
    if random_state is None:
        return secrets.randbits(63)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    return _check.integer(random_state, "random_state", 0, _MOST_SEED, fix="pass an int, a Generator or None")


def keyed(seed: int, purpose: int) -> np.uint64:
    """A key for one purpose of a seed."""
    key: np.uint64 = _mixed(_mixed(np.uint64(seed)) + np.uint64(purpose))
    return key


def normal(seed: int, n_rows: int, n_columns: int, scale: float, dtype: npt.DTypeLike, n_threads: int) -> Array:
    """Normal variates N(0, scale^2), the same for a row however many rows there are (pairs: Box and Muller 1958)."""
    out = np.empty((n_rows, n_columns), dtype)
    n_pairs = (n_columns + 1) // 2
    pairs = np.arange(n_pairs, dtype=np.uint64)
    key = _mixed(np.uint64(seed))

    def fill(first: int, last: int) -> None:
        place = _mixed(_mixed(key ^ np.arange(first, last, dtype=np.uint64))[:, None] + pairs)
        radius = scale * np.sqrt(-2 * np.log(_uniform(place)))
        # Cosine and sine by the tangent of half the angle: NumPy's own take ten times as long.
        tangent = np.tan(np.pi * _uniform(_mixed(~place)))
        squares = tangent * tangent
        radius /= 1 + squares
        out[first:last, :n_pairs] = radius * (1 - squares)
        out[first:last, n_pairs:] = (radius * (2 * tangent))[:, : n_columns - n_pairs]

    _threads.run_blocks(fill, n_rows, n_threads, rows_a_block=max(1, _TILE // n_pairs))
    return out


def _mixed(x: Any) -> Any:
    """A bijection of 64-bit words in which every bit depends on every bit (splitmix64: Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _uniform(x: Any) -> Any:
    """Numbers in (0, 1) from the upper 53 bits."""
    return ((x >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
