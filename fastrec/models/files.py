"""One model, one safetensors file: tensors, and a header that says what they are; reading one runs no code of it."""

from __future__ import annotations

import json
import os
import tempfile
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from fastrec._types import is_sparse
from fastrec.models.als import ImplicitALS
from fastrec.models.base import Recommender
from fastrec.models.neighbours import ItemKNN
from fastrec.models.popularity import Popularity

_FORMAT_VERSION = 1
_MODELS: dict[str, type[Recommender]] = {model.__name__: model for model in (ImplicitALS, ItemKNN, Popularity)}
_CSR_PARTS = ("data", "indices", "indptr")


def save(model: Any, path: str | PathLike[str]) -> None:
    """Write a fitted model aside, to the disk, and rename it to ``path``."""
    from safetensors.numpy import save_file

    tensors: dict[str, np.ndarray[Any, Any]] = {}
    header: dict[str, Any] = {
        "format_version": _FORMAT_VERSION,
        "model": type(model).__name__,
        "parameters": {name: _plain(value) for name, value in model.get_params().items()},
        "shapes": {},
        "numbers": {},
    }
    for name in (*model._learned, *model._optional):
        value = getattr(model, name, None)
        if value is None:
            continue
        if is_sparse(value):
            header["shapes"][name] = [int(size) for size in value.shape]
            tensors |= {f"{name}.{part}": np.ascontiguousarray(getattr(value, part)) for part in _CSR_PARTS}
        elif isinstance(value, np.ndarray):
            tensors[name] = np.ascontiguousarray(value)
        else:
            header["numbers"][name] = value
    target = Path(path)
    handle, aside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
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


def load(path: str | PathLike[str]) -> Any:
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : str or path
        A safetensors file.

    Returns
    -------
    ImplicitALS, ItemKNN or Popularity
        Fitted, with the parameters it was saved with; ``random_state`` is None where it was a generator.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        The file is damaged, was not written by fastrec, or was written by a newer fastrec.
    """
    from safetensors import SafetensorError, safe_open

    with open(path, "rb"):  # for the usual error when it cannot be read
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, KeyError) as error:
        raise ValueError(f"{path}: expected a fastrec model, got a damaged or foreign file ({error}).") from None
    if "fastrec" not in metadata:
        raise ValueError(f"{path}: expected a fastrec model, got a safetensors file of something else.")
    try:
        return _model(json.loads(metadata["fastrec"]), tensors)
    except _NewerError as error:
        raise ValueError(f"{path}: {error}; upgrade fastrec.") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: expected a fastrec model, got a damaged one ({error}).") from None


class _NewerError(Exception):
    """The file is of a later fastrec."""


def _model(header: dict[str, Any], tensors: dict[str, Any]) -> Any:
    if header["format_version"] > _FORMAT_VERSION:
        raise _NewerError(f"format {header['format_version']} is newer than this fastrec's {_FORMAT_VERSION}")
    if header["model"] not in _MODELS:
        raise _NewerError(f"this fastrec has no model {header['model']!r}")
    model: Any = _MODELS[header["model"]]().set_params(**header["parameters"])
    for name in (*model._learned, *model._optional):
        if name in header["shapes"]:
            parts = tuple(tensors[f"{name}.{part}"] for part in _CSR_PARTS)
            setattr(model, name, _unsorted_csr(parts, _pair(header["shapes"][name])))
        elif name in header["numbers"]:
            setattr(model, name, header["numbers"][name])
        elif name in tensors:
            setattr(model, name, tensors[name])
    model._check_fitted()
    model._check_learned()
    return model


def _unsorted_csr(parts: tuple[Any, Any, Any], shape: tuple[int, int]) -> csr_array:
    data, indices, indptr = parts
    if len(data) != len(indices) or len(indptr) != shape[0] + 1:
        raise ValueError(f"{len(data)} values, {len(indices)} indices and {len(indptr)} row pointers for shape {shape}")
    return csr_array((data, indices, indptr), shape=shape)


def _pair(shape: list[int]) -> tuple[int, int]:
    n_rows, n_columns = shape
    return n_rows, n_columns


def _plain(value: Any) -> Any:
    """A parameter as JSON holds it."""
    if isinstance(value, np.random.Generator | np.random.RandomState):
        return None
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, type | np.dtype):
        return np.dtype(value).name
    return value


def _give_usual_permissions(path: str) -> None:
    """What open() would have given: a temporary file is private."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)
