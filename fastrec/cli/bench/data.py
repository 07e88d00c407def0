"""What is measured on: seeded synthetic interactions of named shapes, real sets in a folder, a file of the user's."""

from __future__ import annotations

import csv
import os
import zipfile
import zlib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, load_npz

Array = npt.NDArray[Any]


# What the first column of a table may be called, or the second.
_NAMES = {
    "user", "users", "userid", "uid", "customer", "customerid", "member", "item", "items", "itemid", "iid", "product",
    "productid", "movie", "movieid", "track", "artist",
}  # fmt: skip


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


def load(name: str) -> csr_array:
    """Make a synthetic set by the name of its shape, load a real one by the name of its file, or read a file.

    Parameters
    ----------
    name : str
        A key of ``SHAPES``; ``gowalla`` for ``gowalla.npz`` in the folder that FASTREC_DATA names; or a path that ends
        in ``.npz``, of `scipy.sparse.save_npz` or as in that folder, or in ``.csv`` or ``.tsv``, with lines of user,
        item and perhaps a value.

    Returns
    -------
    csr_array of float32, shape (n_users, n_items)
        Values above 0: measures of counts have no meaning below, and some peers drop them.

    Raises
    ------
    ValueError
        There is no such set or file, or it holds no interactions; the message lists the sets there are.
    """
    if name in SHAPES:
        return zipf(*SHAPES[name])
    path = Path(name)
    if path.suffix.lower() in (".npz", ".csv", ".tsv"):
        if not path.is_file():
            raise ValueError(f"data: expected a file, got {name!r}, which is none; check the path.")
        return _above_zero(_archive(path) if path.suffix.lower() == ".npz" else _table(path), name)
    files = files_by_name()
    if name not in files:
        fix = "choose one of these, or pass a file that ends in .npz, .csv or .tsv"
        fix = fix if files else f"{fix}, or set FASTREC_DATA to a folder of NAME.npz files"
        raise ValueError(f"data: expected one of {', '.join([*SHAPES, *files])}, got {name!r}; {fix}.")
    return _above_zero(_archive(files[name]), name)


def files_by_name() -> dict[str, Path]:
    """The real sets in the folder that FASTREC_DATA names."""
    folder = os.environ.get("FASTREC_DATA")
    return {file.stem: file for file in sorted(Path(folder).glob("*.npz"))} if folder else {}


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


def _archive(file: Path) -> csr_array:
    """A matrix that SciPy saved, or the training part of a set with named fields."""
    try:
        with np.load(file, allow_pickle=False) as fields:
            if "format" in fields:
                return _checked(load_npz(file))
            kept = fields["split"] == 0 if "split" in fields else slice(None)
            user, item, value = (fields[field][kept] for field in ("user", "item", "value"))
            return _summed(value, user, item, (int(fields["n_users"]), int(fields["n_items"])))
    except (KeyError, OSError, EOFError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        fix = "save a matrix with scipy.sparse.save_npz"
        raise ValueError(f"data: expected users x items in {file}, got {error}; {fix}.") from None


def _table(file: Path) -> csr_array:
    """Lines of user, item and perhaps a value; ids may be any text, and a line of names may come first."""
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    rows, columns, values = array("q"), array("q"), array("d")
    with file.open(newline="", encoding="utf-8-sig") as lines:
        for number, fields in _numbered(lines, file):
            if not fields or (number == 1 and _are_names(fields)):
                continue
            value = _value(fields)
            if len(fields) < 2 or value is None or not (fields[0].strip() and fields[1].strip()):
                got = f"{','.join(fields)!r} in line {number}"
                raise ValueError(f"data: expected lines of user,item[,value] in {file}, got {got}; correct it.")
            rows.append(users.setdefault(fields[0], len(users)))
            columns.append(items.setdefault(fields[1], len(items)))
            values.append(value)
    return _summed(np.array(values), np.array(rows), np.array(columns), (len(users), len(items)))


def _numbered(lines: Iterable[str], file: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        yield from enumerate(csv.reader(lines, delimiter="\t" if file.suffix.lower() == ".tsv" else ","), start=1)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"data: expected lines of text in UTF-8 in {file}, got {error}; save it as such.") from None


def _are_names(fields: list[str]) -> bool:
    """Of three columns, those whose value is no number; of two, those that are called so in some language."""
    names = [field.strip().lower().replace("_", "").replace(" ", "") for field in fields]
    return bool(_NAMES.intersection(names)) or _value(fields) is None


def _checked(matrix: Any) -> csr_array:
    """A matrix from a file, with every index where it may be."""
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"values of {matrix.dtype}")
    found = csr_array(matrix)
    found.check_format(full_check=True)
    return found


def _value(fields: list[str]) -> float | None:
    """The value of a line, 1 where it has none; None where it is no number."""
    try:
        return float(fields[2]) if len(fields) > 2 else 1.0
    except ValueError:
        return None


def _above_zero(matrix: csr_array, name: str) -> csr_array:
    """In float32, duplicates summed."""
    matrix = matrix.astype(np.float32)
    matrix.sum_duplicates()
    if not np.isfinite(matrix.data).all():
        raise ValueError(f"data: expected finite values in {name}, got NaN or inf; remove them.")
    matrix.data[matrix.data < 0] = 0
    matrix.eliminate_zeros()
    if matrix.nnz == 0:
        raise ValueError(f"data: expected interactions with values above 0 in {name}, got none; check the file.")
    return matrix


def _summed(values: Array, rows: Array, columns: Array, shape: tuple[int, int]) -> csr_array:
    matrix = csr_array((values, (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    return matrix
