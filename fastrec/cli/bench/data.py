"""What is measured on: seeded synthetic interactions of named shapes, and real sets in a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

Array = npt.NDArray[Any]


class Shape(NamedTuple):
    """Size of a synthetic set."""

    n_users: int
    n_items: int
    n_events: int


SHAPES = {
    "small": Shape(600, 400, 12_000),
    "medium": Shape(20_000, 10_000, 1_000_000),
    "large": Shape(100_000, 30_000, 5_000_000),
}


def load(name: str, fallback: Path | None = None) -> csr_array:
    """Make a synthetic set by the name of its shape, or load a real one by the name of its file.

    Parameters
    ----------
    name : str
        A key of ``SHAPES``, or ``gowalla`` for ``gowalla.npz``.
    fallback : Path, optional
        Folder of real sets where the environment variable FASTREC_DATA names none.

    Returns
    -------
    csr_array of float32, shape (n_users, n_items)
        Values above 0.

    Raises
    ------
    ValueError
        There is no such set; the message lists those there are.
    """
    if name in SHAPES:
        return zipf(*SHAPES[name])
    files = _files(fallback)
    if name not in files:
        fix = "set FASTREC_DATA to a folder of NAME.npz files" if not files else "choose one of these"
        raise ValueError(f"data: expected one of {', '.join([*SHAPES, *files])}, got {name!r}; {fix}.")
    return _training_part(files[name])


def zipf(n_users: int, n_items: int, n_events: int, *, exponent: float = 0.9, seed: int = 0) -> csr_array:
    """Draw counts whose items follow Zipf's law of popularity and whose users are log-normal in activity.

    Parameters
    ----------
    n_users, n_items : int
        Shape.
    n_events : int
        Users meet items this many times; the stored entries are fewer, since an item met twice counts 2.
    exponent : float
        The item of rank r is drawn in proportion to r ** -exponent; ids are in random order.
    seed : int
        Equal seeds give equal sets.

    Returns
    -------
    csr_array of float32, shape (n_users, n_items)
    """
    random = np.random.default_rng(seed)
    activity = random.lognormal(sigma=1.0, size=n_users)
    popularity = random.permutation(np.arange(1, n_items + 1) ** -exponent)
    users = random.choice(n_users, n_events, p=activity / activity.sum())
    items = random.choice(n_items, n_events, p=popularity / popularity.sum())
    return _summed(np.ones(n_events, np.float32), users, items, (n_users, n_items))


def _training_part(file: Path) -> csr_array:
    """Training interactions above 0: measures of counts have no meaning below, and some peers drop them."""
    with np.load(file, allow_pickle=False) as fields:
        kept = (fields["split"] == 0) & (fields["value"] > 0)
        user, item, value = (fields[field][kept] for field in ("user", "item", "value"))
        return _summed(value.astype(np.float32), user, item, (int(fields["n_users"]), int(fields["n_items"])))


def _summed(values: Array, rows: Array, columns: Array, shape: tuple[int, int]) -> csr_array:
    matrix = csr_array((values, (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    return matrix


def _files(fallback: Path | None) -> dict[str, Path]:
    named = os.environ.get("FASTREC_DATA")
    folder = Path(named) if named else fallback
    return {file.stem: file for file in sorted(folder.glob("*.npz"))} if folder else {}
