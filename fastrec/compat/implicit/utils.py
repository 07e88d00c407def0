"""`implicit.utils`: checks and small helpers."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

try:
    from tqdm.auto import tqdm as tqdm
except ImportError:
    raise ImportError("fastrec.compat.implicit needs tqdm; pip install tqdm.") from None

from fastrec import _check
from fastrec._types import Array, is_sparse
from fastrec.compat._ways_in import left_to_original, level_of_caller

NPZ = ".npz"
log = logging.getLogger("implicit")
NO_SCORE = -float(np.finfo(np.float32).max)  # beside id -1


class ParameterWarning(Warning):
    """An argument was converted."""


def check_csr(user_items: Any) -> csr_matrix:
    """Convert what is no csr_matrix, with a warning that says how long it took."""
    if isinstance(user_items, csr_matrix):
        return user_items
    _check.places(user_items, "user_items")
    given, started = type(user_items).__name__, time.perf_counter()
    converted = csr_matrix(user_items)
    warnings.warn(
        f"Method expects CSR input, got a {given}; converting it took {time.perf_counter() - started:.6f} seconds.",
        ParameterWarning,
        stacklevel=level_of_caller(),
    )
    return converted


def check_random_state(random_state: Any) -> np.random.Generator:
    """Make a Generator of a seed, another Generator, an old RandomState, or of nothing."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31))
    return np.random.default_rng(random_state)


def check_blas_config() -> None:
    """Do nothing: fastrec limits BLAS to one thread where it calls it, whatever is configured."""


def nonzeros(m: Any, row: int) -> Iterator[tuple[Any, Any]]:
    """Column and value of every stored entry of a row."""
    entries = slice(m.indptr[row], m.indptr[row + 1])
    yield from zip(m.indices[entries], m.data[entries], strict=True)


def augment_inner_product_matrix(factors: Array) -> tuple[Any, Array]:
    """Append a column that gives all rows the same norm, so that a search by angle ranks by inner product.

    Bachrach et al., "Speeding up the Xbox recommender system using a Euclidean transformation for inner-product
    spaces", 2014. Returns that norm, and the matrix.
    """
    norms = np.linalg.norm(factors, axis=1)
    largest = norms.max()
    return largest, np.column_stack([factors, np.sqrt(largest**2 - norms**2)])


def file_of(file: Any, suffix: str) -> Any:
    """A path with the suffix that NumPy appends when it writes, or an open file."""
    return f"{file}{suffix}" if isinstance(file, str) and not file.endswith(suffix) else file


def stored_parameters(model: Any, names: Iterable[str]) -> dict[str, Any]:
    """What a file says of a model: no None, and no random generator, for which npz would need pickle."""
    values = {name: vars(model).get(name) for name in names}
    if not isinstance(values["random_state"], int | np.integer):
        del values["random_state"]
    if "dtype" in values:
        values["dtype"] = np.dtype(values["dtype"]).name
    return {name: value for name, value in values.items() if value is not None}


def is_scalar(ids: Any) -> bool:
    """Whether one user or item was named, and not a list."""
    return isinstance(ids, int | np.integer) or np.ndim(ids) == 0


def check_ids(ids: Any, name: str) -> Any:
    """One id or a list of them, as NumPy counts: from the end where they are negative."""
    if isinstance(ids, tuple):
        ids = list(ids)
    array = np.asarray(ids)
    if array.ndim > 1 or (array.size and array.dtype.kind not in "iu"):
        wrong = TypeError if ids is None else IndexError
        raise wrong(f"{name}: expected an integer id or a list of them, got {ids!r}")
    return ids


def whole_ids(ids: Any, name: str) -> Array:
    """A list of ids, which may be floats without a fraction."""
    array = np.asarray(ids)
    whole = array if array.dtype.kind in "iu" else array.astype(np.int64) if array.dtype.kind == "f" else None
    if array.ndim == 0 or whole is None or (whole != array).any():
        raise IndexError(f"{name}: expected a list of integer ids, got {ids!r}")
    return whole.ravel()


def not_empty(ids: Any, name: str = "items") -> Array:
    """A list of items, or of users, that is not empty."""
    chosen = np.array(ids)
    if chosen.ndim == 0:
        raise TypeError(f"{name}: expected a list of ids, got {ids!r}")
    if chosen.size == 0:
        raise ValueError(f"{name}: expected at least one id, got an empty list")
    return chosen


def rows_of_each(matrix: Any, ids: Any, what: str) -> Any:
    """The rows of those who were named, in CSR form; a row of one dimension is one user's."""
    if ids is None:
        raise TypeError(f"expected an id or a list of ids beside {what}, got None")
    if is_sparse(matrix) and matrix.ndim == 1:
        matrix = matrix.reshape(1, -1).tocsr()
    if not is_sparse(matrix) or matrix.format != "csr":
        got = getattr(matrix, "format", None) or type(matrix).__name__
        raise ValueError(f"{what}: expected a sparse matrix in CSR form, got {got}; call .tocsr()")
    if matrix.shape[0] != (1 if is_scalar(ids) else len(ids)):
        raise ValueError(f"{what}: expected a row for each of the ids, got {matrix.shape[0]} rows; pass {what}[ids]")
    return matrix


def _batch_call(
    func: Callable[..., tuple[Array, Array]],
    ids: Any,
    *args: Any,
    N: int = 10,  # noqa: N803
    id_dtype: Any = np.int32,
    score_dtype: Any = np.float32,
    **kwargs: Any,
) -> tuple[Array, Array]:
    """Call a function of one id for each of many; what it gives too few of ends in id -1."""
    out_ids = np.full((len(ids), N), -1, id_dtype)
    out_scores = np.full((len(ids), N), NO_SCORE, score_dtype)
    of_each = next((name for name in ("user_items", "item_users") if kwargs.get(name) is not None), None)
    rows = kwargs.pop(of_each) if of_each else None
    for place, one in enumerate(ids):
        own = {of_each: rows[place]} if of_each and rows is not None else {}
        found, scores = func(one, *args, N=N, **own, **kwargs)
        out_ids[place, : len(found)] = found[:N]
        out_scores[place, : len(found)] = scores[:N]
    return out_ids, out_scores


def _filter_items_from_results(
    queryid: Any,
    ids: Array,
    scores: Array,
    filter_items: Any,
    N: int,  # noqa: N803
) -> tuple[Array, Array]:
    """Drop some ids of longer lists of results, and keep the best ``N`` of the rest."""
    kept = ~np.isin(ids, filter_items)
    if is_scalar(queryid):
        return ids[kept][:N], scores[kept][:N]
    first = np.argsort(~kept, axis=1, kind="stable")[:, :N]
    left_ids, left_scores = np.take_along_axis(ids, first, 1), np.take_along_axis(scores, first, 1)
    gone = ~np.take_along_axis(kept, first, 1)
    left_ids[gone], left_scores[gone] = -1, NO_SCORE
    return left_ids, left_scores


__getattr__ = left_to_original(__name__)
