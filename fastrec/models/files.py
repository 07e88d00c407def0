"""One model, one safetensors file: tensors, and a header that says what they are; reading one runs no code of it."""

from __future__ import annotations

import json
import os
import tempfile
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from fastrec import _check
from fastrec._types import is_sparse

_FORMAT_VERSION = 1
_CSR_PARTS = ("data", "indices", "indptr")


class Content(NamedTuple):
    """What a file says: the model's class, its constructor arguments, and what it learned."""

    model: str
    parameters: dict[str, Any]
    learned: dict[str, Any]  # arrays, sparse matrices and numbers


class NewerError(ValueError):
    """The file is of a later fastrec."""


def write(content: Content, path: str | PathLike[str]) -> None:
    """Write a model aside, to the disk, and rename it to ``path``."""
    from safetensors.numpy import save_file

    tensors: dict[str, np.ndarray[Any, Any]] = {}
    shapes, numbers = {}, {}
    for name, value in content.learned.items():
        if is_sparse(value):
            shapes[name] = [int(size) for size in value.shape]
            tensors |= {f"{name}.{part}": np.ascontiguousarray(getattr(value, part)) for part in _CSR_PARTS}
        elif isinstance(value, np.ndarray):
            tensors[name] = np.ascontiguousarray(value)
        else:
            numbers[name] = float(value) if isinstance(value, float | np.floating) else int(value)
    header = {
        "format_version": _FORMAT_VERSION,
        "model": content.model,
        "parameters": {name: _check.storable(_plain(value), name) for name, value in content.parameters.items()},
        "shapes": shapes,
        "numbers": numbers,
    }
    target = Path(os.path.realpath(path))  # a link stays one
    if target.is_dir():
        raise IsADirectoryError(f"{path}: expected the name of a file, got a folder.")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path}: expected a folder that is there, got {target.parent}.")
    handle, aside = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    os.close(handle)
    try:
        save_file(tensors, aside, metadata={"fastrec": json.dumps(header)})
        with open(aside, "rb+") as file:
            os.fsync(file.fileno())
        _give_usual_permissions(aside)
        os.replace(aside, target)
    except BaseException:
        os.unlink(aside)
        raise


def read(path: str | PathLike[str]) -> Content:
    """Read what `write` wrote; ValueError for anything else."""
    from safetensors import SafetensorError, safe_open

    with open(path, "rb"):  # for the usual error when it cannot be read
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, KeyError) as error:
        raise ValueError(f"got a damaged or foreign file ({error})") from None
    if "fastrec" not in metadata:
        raise ValueError("got a safetensors file of something else")
    header = json.loads(metadata["fastrec"])
    if type(header["format_version"]) is not int or header["format_version"] < 1:
        raise ValueError(f"got format {header['format_version']!r}")
    if header["format_version"] > _FORMAT_VERSION:
        raise NewerError(f"format {header['format_version']} is newer than this fastrec's {_FORMAT_VERSION}")
    learned = dict(header["numbers"])
    for name, shape in header["shapes"].items():
        learned[name] = _csr(tuple(tensors.pop(f"{name}.{part}") for part in _CSR_PARTS), shape)
    parameters = {
        name: tuple(value) if isinstance(value, list) else value for name, value in header["parameters"].items()
    }
    return Content(header["model"], parameters, learned | tensors)


def _csr(parts: tuple[Any, ...], shape: list[int]) -> csr_array:
    """The arrays as a matrix, in the order in which they were."""
    data, indices, indptr = parts
    n_rows, n_columns = shape
    if len(data) != len(indices) or len(indptr) != n_rows + 1:
        raise ValueError(f"{len(data)} values, {len(indices)} indices and {len(indptr)} row pointers for shape {shape}")
    return csr_array((data, indices, indptr), shape=(n_rows, n_columns))


def _plain(value: Any) -> Any:
    """A parameter as JSON holds it."""
    if isinstance(value, np.random.Generator | np.random.RandomState):
        return None
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, type | np.dtype):
        return np.dtype(value).name
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _give_usual_permissions(path: str) -> None:
    """What open() would have given: a temporary file is private."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)
