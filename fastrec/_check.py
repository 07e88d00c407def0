"""Every error about an argument is raised here: the argument, what was expected, what was given, how to fix it."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from fastrec import _machine
from fastrec._relabel import relabelled
from fastrec._row_facts import places_of_rows, values_of_rows
from fastrec._types import MOST_OF_32_BITS, Array, Csr, Ids, Pattern, is_sparse

_MOST_ITEMS = np.iinfo(np.int32).max
_MOST_SQUARED = 1e18
_MOST_WHOLE = 1 << 24  # up to which float32 holds all integers
_NOT_WORTH_ASKING = 1 << 25  # the system is asked in up to half a millisecond


# ---- numbers and names ----------------------------------------------------------------------------------------------


def integer(value: Any, name: str, least: int, most: float = math.inf, *, fix: str = "") -> int:
    """An integer in [least, most]; bool and float are no integers."""
    is_integer = type(value) is int or (isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_))
    if is_integer and least <= (number := int(value)) <= most:
        return number
    expected = f"an integer of at least {least}" if most == math.inf else f"an integer from {least} to {most}"
    if not is_integer:
        raise TypeError(_message(name, expected, f"{value!r} ({type(value).__name__})", fix or "pass an int"))
    raise ValueError(_message(name, expected, repr(number), fix))


def real(value: Any, name: str, least: float = -math.inf, most: float = math.inf, *, fix: str = "") -> float:
    """A number in [least, most]: not NaN and, where it has a bound, not infinite."""
    expected = "a number"
    if least > -math.inf or most < math.inf:
        expected = (
            f"a finite number of at least {least:g}" if most == math.inf else f"a number from {least:g} to {most:g}"
        )
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(_message(name, expected, f"{value!r} ({type(value).__name__})", fix or "pass a float"))
    bounded = least > -math.inf or most < math.inf
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf  # type: ignore[operator]
    if math.isnan(number) or not least <= number <= most or (bounded and math.isinf(number)):
        raise ValueError(_message(name, expected, repr(number), fix))
    return number


def between(value: Any, name: str, low: float, high: float) -> float:
    """A number in (low, high)."""
    number = real(value, name, low, high)
    if not low < number < high:
        raise ValueError(_message(name, f"a number between {low:g} and {high:g}", repr(number)))
    return number


def single(value: Any, name: str) -> np.float32:
    """A number of at least 0 that float32 holds."""
    return np.float32(real(value, name, 0, float(np.finfo(np.float32).max)))


def of_sides(value: Any, name: str) -> tuple[float, float]:
    """Numbers of at least 0 for users and for items, or one for both."""
    given = tuple(value) if isinstance(value, list) else value
    of_users, of_items = pair(given, name, "one number, or (users, items)") or (value, value)
    return real(of_users, name, 0), real(of_items, name, 0)


def pair(value: Any, name: str, expected: str) -> tuple[Any, Any] | None:
    """A tuple of two; None where it is no tuple."""
    if not isinstance(value, tuple):
        return None
    if len(value) != 2:
        raise ValueError(_message(name, expected, f"{len(value)} of them"))
    return value[0], value[1]


def flag(value: Any, name: str) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(_message(name, "True or False", f"{value!r} ({type(value).__name__})"))
    return bool(value)


def choice(value: Any, name: str, options: Collection[str], *, or_none: bool = False) -> str:
    """One of a few names."""
    expected = ("None, or " if or_none else "") + "one of " + ", ".join(repr(option) for option in options)
    if not isinstance(value, str):
        raise TypeError(_message(name, expected, f"{value!r} ({type(value).__name__})"))
    if value not in options:
        raise ValueError(_message(name, expected, repr(value)))
    return str(value)


def learned(values: Any, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """An array that a file gave for a learned attribute."""
    if not isinstance(values, np.ndarray) or values.shape != shape or values.dtype != dtype:
        got = f"shape {values.shape} of {values.dtype}" if isinstance(values, np.ndarray) else repr(values)
        raise ValueError(_message(name, f"an array of shape {shape} of {dtype}", got))


def storable(value: Any, name: str) -> Any:
    """A parameter that a file can hold."""
    if value is not None and not isinstance(value, bool | int | float | str | list | tuple):
        expected = "None, a number, a string or a pair, which a file can hold"
        raise TypeError(_message(name, expected, repr(value), "pickle the model instead"))
    return value


def callback(value: Any) -> None:
    """What is told of every epoch."""
    if value is not None and not callable(value):
        raise TypeError(
            _message("callback", "a function of (epoch, seconds, loss)", f"{value!r} ({type(value).__name__})")
        )


def rule(value: Any, name: str, kind: type) -> None:
    """None, or an instance of a class of ours."""
    if value is not None and not isinstance(value, kind):
        expected = f"fastrec.{kind.__name__}"
        raise TypeError(_message(name, f"a {expected}", f"{value!r} ({type(value).__name__})", f"pass {expected}(...)"))


def compiled_function(value: Any, name: str) -> None:
    """A function that numba.njit compiled."""
    if not hasattr(value, "py_func"):
        fix = "decorate it with @numba.njit"
        raise TypeError(_message(name, "a name, or a function compiled by numba.njit", repr(value), fix))


def float_dtype(value: Any, name: str) -> np.dtype[Any]:
    """float32 or float64."""
    try:
        dtype: np.dtype[Any] = np.dtype("none given" if value is None else value)  # for NumPy None is float64
    except TypeError:
        raise TypeError(_message(name, "float32 or float64", repr(value))) from None
    if dtype not in (np.float32, np.float64) or not dtype.isnative:
        raise ValueError(_message(name, "float32 or float64", str(dtype)))
    return dtype


# ---- arrays ---------------------------------------------------------------------------------------------------------


def array_of(values: Any, name: str) -> Array:
    """Anything that NumPy makes an array of, and that has an order."""
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(_message(name, "an array without a mask", "a masked array", "fill it: x.filled(...)"))
    if isinstance(values, set | frozenset | dict):
        raise TypeError(_message(name, "an array", f"a {type(values).__name__}", "pass a list"))
    if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
        return np.asarray(np.from_dlpack(values))
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise TypeError(_message(name, "an array of numbers", f"{type(values).__name__} ({error})")) from None


def dense(values: Any, name: str, *, what: str = "rows") -> Array:
    """A dense matrix of float32 or float64 in any order; NaN and inf pass."""
    if is_sparse(values):
        raise TypeError(_message(name, "a dense matrix", f"a sparse {type(values).__name__}", "call .toarray()"))
    array = array_of(values, name)
    dtype = _value_dtype(array.dtype, name)
    if array.ndim != 2:
        fix = "pass x[None, :] for one row" if array.ndim == 1 else ""
        raise ValueError(_message(name, f"a matrix of shape (n_{what}, n_columns)", f"shape {array.shape}", fix))
    array = array.astype(dtype, copy=False)
    odd = not array.flags.c_contiguous and any(stride % array.itemsize for stride in array.strides)
    if odd or not array.flags.aligned:
        array = array.copy()
    if array.shape[1] > _MOST_ITEMS:
        raise ValueError(_message(name, f"at most {_MOST_ITEMS} columns", str(array.shape[1])))
    return array


def finite(array: Array, name: str) -> Array:
    """No NaN, no inf."""
    if not np.isfinite(array).all():
        raise ValueError(
            _message(name, "finite values", "NaN or inf", "set them to numbers, or scale what is too large")
        )
    return array


def vector(values: Any, name: str, n: int | None = None) -> Array:
    """A list of finite numbers, of which there may have to be ``n``."""
    array = array_of(values, name)
    expected = "one dimension" if n is None else f"{n} numbers"
    if array.ndim != 1 or (n is not None and len(array) != n):
        raise ValueError(_message(name, expected, f"shape {array.shape}"))
    if array.size == 0:
        return np.empty(0, np.float32)
    return finite(array.astype(_value_dtype(array.dtype, name), copy=False), name)


def start(
    values: Any, name: str, shape: tuple[int, int], *, of: str = "item", dtype: npt.DTypeLike = np.float32
) -> Array:
    """Factors to start from, which a dtype can hold."""
    factors = holdable(finite(dense(values, name, what=f"{of}s"), name), name, dtype)
    if factors.shape != shape:
        raise ValueError(_message(name, f"{of} factors of shape {shape}", str(factors.shape)))
    return factors


def holdable(array: Array, name: str, dtype: npt.DTypeLike) -> Array:
    """Values that a dtype can hold."""
    if np.can_cast(array.dtype, dtype):
        return array
    return _up_to(float(np.finfo(dtype).max), array, name)


def squarable(array: Array, name: str) -> Array:
    """Values whose squares float32 holds."""
    return _up_to(_MOST_SQUARED, array, name)


def with_columns(matrix: Array, name: str) -> Array:
    """At least one column."""
    if not matrix.shape[1]:
        raise ValueError(_message(name, "at least 1 column", f"shape {matrix.shape}"))
    return matrix


def dimensions(values: Any, name: str, n: int, expected: str) -> Array:
    """An array of so many dimensions."""
    array = array_of(values, name)
    if array.ndim != n:
        raise ValueError(_message(name, expected, f"shape {array.shape}"))
    return array


def times(values: Any, name: str) -> Array:
    """A number or a datetime64 for each."""
    array = dimensions(values, name, 1, "one time an interaction")
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "iufM":
        raise TypeError(_message(name, "numbers or datetime64", f"dtype {array.dtype}", "convert to seconds"))
    if array.dtype.kind in "fM" and np.isnan(array).any():
        raise ValueError(_message(name, "a time for every interaction", "NaN or NaT", "drop those interactions"))
    return array


def row_values(values: Any, name: str, n_rows: int) -> Array:
    """A number of at least 0 for every row, or one for all."""
    if isinstance(values, numbers.Real):
        return np.full(n_rows, real(values, name, 0))
    array = array_of(values, name)
    array = array.astype(_value_dtype(array.dtype, name)).astype(np.float64)
    if array.shape != (n_rows,):
        raise ValueError(_message(name, f"one number or {n_rows} of them", f"shape {array.shape}"))
    not_negative(finite(array, name), name, "one a row")
    return array


def csr(
    matrix: Any,
    name: str,
    *,
    keep_zeros: bool = False,
    integers: bool = False,
    single: bool = False,
    overflowed: bool = False,
    as_stored: bool = False,
    n_threads: int = 1,
) -> Csr:
    """A sparse matrix, or a dense one converted, as CSR of finite float32 or float64 values, canonical by default.

    ``integers`` lets int32 and int64 stay what they are, ``single`` makes them float32 where that holds them all, so
    that what follows is float32 as `score_dtype` promises. ``overflowed`` also takes inf, ``as_stored`` any order of a
    row's columns, twice the same included. The argument itself is never changed; threads look at it, and sort what is
    not sorted.
    """
    if is_sparse(matrix):
        if matrix.ndim != 2:
            raise ValueError(_message(name, "a sparse matrix of two dimensions", f"shape {matrix.shape}"))
        given, dtype = matrix.dtype, _value_dtype(matrix.dtype, name, integers=integers)
        source = matrix if matrix.format == "csr" else _converted(matrix, name, dtype)
        data, indices, indptr = np.asarray(source.data), np.asarray(source.indices), np.asarray(source.indptr)
    else:
        if matrix is None:
            raise TypeError(_message(name, "a sparse or dense matrix of numbers", "None"))
        array = array_of(matrix, name)
        given, dtype = array.dtype, _value_dtype(array.dtype, name, integers=integers)
        if array.ndim != 2:
            raise ValueError(_message(name, "a matrix of two dimensions", f"shape {array.shape}"))
        source = csr_array(array.astype(dtype, copy=False))
        data, indices, indptr = source.data, source.indices, source.indptr
    n_rows, n_columns = int(source.shape[0]), int(source.shape[1])

    ascending = _places(data, indices, indptr, n_rows, n_columns, name, n_threads)
    n_stored = int(indptr[-1])
    values = np.ascontiguousarray(data[:n_stored], dtype)
    ids, ends = np.ascontiguousarray(indices[:n_stored], np.int32), np.ascontiguousarray(indptr, np.int64)
    rows = Csr(values, ids, ends, (n_rows, n_columns))
    finite, nonzero = values_of_rows(values, n_threads)
    if not finite and (not overflowed or np.isnan(values).any()):
        got = "NaN" if overflowed else "NaN or inf"
        raise ValueError(_message(name, "finite values", got, "drop those entries or set them to numbers"))
    if not as_stored and not ascending:
        rows = _in_order(rows, name, overflowed=overflowed, n_threads=n_threads)
        nonzero = bool(rows.data.all())  # what was summed may have become zero, or what was zero something else
    if single and given.kind in "iu" and _fit_float32(rows.data):
        rows = rows._replace(data=rows.data.astype(np.float32, copy=False))
    return rows if keep_zeros or nonzero else rows.where(rows.data != 0)


def places(matrix: Any, name: str) -> None:
    """A matrix whose entries lie within it, if it is sparse: SciPy follows what is stored without looking."""
    if matrix is None:
        raise TypeError(_message(name, "a sparse or dense matrix of numbers", "None"))
    if not is_sparse(matrix) or matrix.ndim != 2:
        return
    n_rows, n_columns = matrix.shape
    if matrix.format in ("csr", "csc"):
        sizes = (n_rows, n_columns) if matrix.format == "csr" else (n_columns, n_rows)
        _places(matrix.data, np.asarray(matrix.indices), np.asarray(matrix.indptr), *sizes, name)
    elif matrix.format == "bsr":
        height, width = matrix.blocksize
        _places(matrix.data[:, 0, 0], matrix.indices, matrix.indptr, n_rows // height, n_columns // width, name)
    elif matrix.format == "coo":
        for ids, size, what in zip(matrix.coords, matrix.shape, ("rows", "columns"), strict=True):
            if len(ids) and (ids.min() < 0 or ids.max() >= size):
                got = str(ids.min() if ids.min() < 0 else ids.max())
                raise ValueError(_message(name, f"{what} from 0 to {size - 1}", got))


def in_order(rows: Csr, name: str, *, overflowed: bool, n_threads: int) -> Csr:
    """Rows that were checked as they are stored, with their columns ascending and duplicates summed."""
    ascending = places_of_rows(rows.indices, rows.indptr, len(rows.indices), rows.shape[1], n_threads)[1]
    return rows if ascending else _in_order(rows, name, overflowed=overflowed, n_threads=n_threads)


def _in_order(rows: Csr, name: str, *, overflowed: bool, n_threads: int) -> Csr:
    rows = Csr.of_canonical(_sorted_copy(rows, n_threads))
    finite = np.isfinite if not overflowed else _not_nan
    if rows.data.dtype.kind == "f" and not finite(rows.data).all():
        got = f"values that {rows.data.dtype} cannot hold"
        raise ValueError(_message(name, "finite values", got, "pass float64, or scale"))
    return rows


def _sorted_copy(rows: Csr, n_threads: int) -> csr_array:
    """The columns of every row ascending, duplicates summed, in a copy."""
    if rows.data.dtype.kind == "f" and rows.shape[1] <= len(rows.indices):  # several times as fast as SciPy
        by_column = relabelled(rows, np.arange(rows.shape[1], dtype=np.int32), n_threads)
        if places_of_rows(by_column.indices, by_column.indptr, len(by_column.indices), rows.shape[1], n_threads)[1]:
            return by_column.to_scipy()
    canonical = rows.to_scipy().copy()
    canonical.sum_duplicates()
    return canonical


def column_blocks(matrices: Any, name: str) -> list[Csr]:
    """At least one sparse matrix, all with the same number of rows, as they are stored."""
    if is_sparse(matrices) or isinstance(matrices, str | dict) or not isinstance(matrices, Iterable):
        got = f"{matrices!r}" if isinstance(matrices, str) else type(matrices).__name__
        raise TypeError(_message(name, "a list of sparse matrices", got, f"pass [{name}] for one"))
    checked = [
        csr(matrix, f"{name}[{place}]", keep_zeros=True, integers=True, overflowed=True, as_stored=True)
        for place, matrix in enumerate(matrices)
    ]
    if not checked:
        raise ValueError(_message(name, "at least one sparse matrix", "an empty list"))
    for place, block in enumerate(checked):
        same_size(checked[0].shape[0], f"{name}[0]", block.shape[0], f"{name}[{place}]", "rows")
    return checked


def score_dtype(matrix: Any) -> np.dtype[Any]:
    """The dtype of similarities and recommendations: float64 for float64 input, else float32."""
    dtype = matrix.dtype if is_sparse(matrix) else array_of(matrix, "matrix").dtype
    return np.dtype(np.float64 if dtype.kind == "f" and dtype.itemsize == 8 else np.float32)


def pattern(ids: Any, name: str, n_rows: int, n_items: int) -> Pattern | None:
    """Which items a row has: None, one id list for all rows, or a sparse matrix with a row a row (values ignored)."""
    if ids is None:
        return None
    if not is_sparse(ids):
        listed, ascending = _ids_in_order(ids, name, n_items, "items")
        return Pattern.one_list(listed if ascending else np.unique(listed))
    if ids.shape != (n_rows, n_items):
        expected = f"a sparse matrix of shape ({n_rows}, {n_items})"
        raise ValueError(_message(name, expected, f"shape {ids.shape}", "give each row its own, or one list of ids"))
    source = ids if ids.format == "csr" else _converted(ids, name, None)
    indices, indptr = np.asarray(source.indices), np.asarray(source.indptr)
    ascending = _places(source.data, indices, indptr, n_rows, n_items, name)
    indices = indices[: indptr[-1]]
    if not ascending:
        ones = csr_array((np.ones(len(indices), np.int8), indices, indptr), shape=(n_rows, n_items), copy=True)
        ones.sum_duplicates()
        indices, indptr = ones.indices, ones.indptr
    return Pattern(np.ascontiguousarray(indices, np.int32), np.ascontiguousarray(indptr, np.int64), False)


def item_ids(values: Any, name: str, n_items: int, *, unit: str = "items") -> Ids:
    """A list of ids below ``n_items``."""
    return _ids_in_order(values, name, n_items, unit)[0].astype(np.int32)


def ids_at_least_zero(values: Any, name: str, end: int = _MOST_ITEMS, *, unit: str = "items") -> npt.NDArray[np.int64]:
    """One id or a list of them, in [0, end)."""
    return _ids_in_order(values, name, end, unit)[0].astype(np.int64)


def unique_ids(values: Any, name: str) -> npt.NDArray[np.int64]:
    """Ids of at least 0, each once."""
    ids, ascending = _ids_in_order(values, name, _MOST_ITEMS, name)
    if not ascending and len(np.unique(ids)) < len(ids):
        raise ValueError(_message(name, "each id once", "one that is repeated"))
    return ids.astype(np.int64)


# ---- arguments together ---------------------------------------------------------------------------------------------


def same_inner(n_columns: int, first: str, n_rows: int, second: str) -> None:
    """Two matrices that are multiplied."""
    if n_columns != n_rows:
        raise ValueError(f"{first} has {n_columns} columns but {second} has {n_rows} rows; both need the same number.")


def same_size(first: int, first_name: str, second: int, second_name: str, of: str) -> None:
    """Two sizes that must be one."""
    if first != second:
        raise ValueError(f"{first_name} has {first} {of} but {second_name} has {second}; both need the same number.")


def row_of_each(shape: tuple[int, int], n_rows: int, of: str, n_columns: int, *, name: str = "user_items") -> None:
    """A row for each of those that were named, over the columns that are known."""
    if shape != (n_rows, n_columns):
        fix = f"pass {name}[{of}]" if shape[1] == n_columns else "its columns are those that the model knows"
        raise ValueError(f"{name}: expected shape ({n_rows}, {n_columns}), a row for each of {of}, got {shape}; {fix}.")


def columns(shape: tuple[int, int], n_columns: int, of: str, name: str) -> None:
    """As many columns as a model knows."""
    if shape[1] != n_columns:
        raise ValueError(_message(name, f"{n_columns} columns, the {of} of this model", f"shape {shape}"))


def at_least_as_many(shape: tuple[int, int], known: tuple[int, int], name: str) -> None:
    """All the rows and columns that a model knows, and perhaps more."""
    if shape[0] < known[0] or shape[1] < known[1]:
        expected = f"at least the {known[0]} users and {known[1]} items of this model"
        raise ValueError(_message(name, expected, f"shape {shape}", "pass users=... for the rows of some"))


def positive_definite(found: bool, penalty: float, name: str, dtype: np.dtype[Any]) -> None:
    """Refuse a penalty under which a matrix is not positive definite, as far as a dtype can tell."""
    if not found:
        expected = f"a penalty that makes user_items' user_items + {name} I positive definite in {dtype}"
        fix = "raise it" + ("" if dtype == np.float64 else ", or use dtype=float64")
        raise ValueError(_message(name, expected, repr(penalty), fix))


def solved(unsolved: Array, name: str) -> None:
    """No row is marked as one for which no solution was found."""
    if unsolved.any():
        expected, got = "rows with solutions that float64 can hold", f"row {unsolved.argmax()}, which has none"
        raise ValueError(_message(name, expected, got, "scale the values"))


def not_negative(data: Array, name: str, why: str) -> None:
    """Counts."""
    if data.size and data.min() < 0:
        fix = "drop or shift negative values"
        raise ValueError(_message(name, f"values of at least 0 ({why})", repr(float(data.min())), fix))


def converging(value: float, by: str) -> None:
    """What gradient descent answered, or learned, is a number still."""
    if not math.isfinite(value):
        expected, got = "a step that keeps the factors finite", f"one with which they were NaN or inf by {by}"
        raise ValueError(_message("learning_rate", expected, got, "use a smaller one, or scale the values"))


def memory(n_bytes: float, what: str, fix: str) -> None:
    """Refuse what is larger than the memory there is, before it is tried."""
    if n_bytes < _NOT_WORTH_ASKING:
        return
    available = _machine.available_memory()
    if n_bytes > available:
        raise MemoryError(
            f"{what} needs {min(n_bytes, 2**100) / 2**30:.1f} GiB but {available / 2**30:.1f} GiB are available; {fix}."
        )


def answer(n_rows: int, k: int, dtype: npt.DTypeLike) -> None:
    """Refuse an answer of top-K form that does not fit."""
    n_bytes = max(n_rows, 1) * k * (4 + np.dtype(dtype).itemsize)
    memory(n_bytes, f"an answer of {n_rows} rows by k={k}", "use a smaller k, or fewer rows at a time")


def index_memory(n_items: int, n_factors: int, dtype: npt.DTypeLike) -> None:
    """Refuse an index that does not fit: a copy of the items, their codes, and what is known of each."""
    n_bytes = n_items * (n_factors * (np.dtype(dtype).itemsize + 1) + 20)
    memory(n_bytes, f"an index of {n_items} items with {n_factors} factors", "use fewer factors, or float32")


def product_memory(n_columns: int, n_threads: int) -> None:
    """Refuse a sparse product whose working arrays do not fit."""
    n_bytes = n_columns * (36 * n_threads + 8)
    memory(n_bytes, f"working arrays for {n_columns} columns and {n_threads} threads", "use fewer n_threads or columns")


def entries_memory(n_entries: int, dtype: npt.DTypeLike) -> None:
    """Refuse a sparse answer that does not fit."""
    of_indices = 4 if n_entries <= MOST_OF_32_BITS else 12  # which SciPy copies to be as wide as row pointers
    n_bytes = n_entries * (of_indices + np.dtype(dtype).itemsize)
    memory(n_bytes, f"an answer of up to {n_entries} entries", "use a smaller k, or fewer rows at a time")


def pairs_memory(n_rows: int, n_ids: int) -> None:
    """Refuse a list for all rows, to be merged with what each row has, where that does not fit."""
    what = f"a list of {n_ids} ids for each of {n_rows} rows"
    memory(17.0 * n_rows * n_ids, what, "use a shorter list, or fewer rows at a time")


def rows_memory(n_rows: int) -> None:
    """Refuse so many rows, most of them empty, that their pointers do not fit."""
    memory(40.0 * n_rows, f"a matrix of {n_rows} rows", "use smaller ids")


def same_pattern(first: Csr, first_name: str, second: Csr, second_name: str) -> None:
    """Two sparse matrices that must store the same entries."""
    if first.shape != second.shape:
        raise ValueError(
            f"{second_name} has shape {second.shape} but {first_name} has {first.shape}; both need the same entries."
        )
    if not (np.array_equal(first.indptr, second.indptr) and np.array_equal(first.indices, second.indices)):
        raise ValueError(f"{second_name} does not store the same entries as {first_name}; both need the same pattern.")


def all_ranked(n_ranked: int, n_asked: int, model: str) -> None:
    """A model that scores every item it is asked for."""
    if n_ranked != n_asked:
        expected = "a model of ratings, which scores all items"
        raise ValueError(_message("estimator", expected, f"{model}, which ranked {n_ranked} of {n_asked}"))


def no_rows_needed(why: str) -> None:
    """Rows of users were left out, and there is no reason why they must not be."""
    if why:
        raise ValueError(_message("user_items", "a sparse matrix with a row for each of users", "None", why))


def no_shrinkage(shrinkage: float) -> None:
    """A metric of the caller's own has all that it wants in itself."""
    if shrinkage:
        raise ValueError(_message("shrinkage", "0 with a metric of your own", f"{shrinkage:g}", "shrink inside of it"))


def metric_not_compiled(name: str, arguments: Sequence[str], error: Exception) -> NoReturn:
    """A metric of the caller's own has other types than it needs."""
    expected = f"a function of ({', '.join(arguments)}), all float64, that returns a number"
    raise TypeError(_message("metric", expected, f"{name}, which does not compile as one: {error}")) from None


def metric_failed(what: str, cause: Exception | None = None) -> NoReturn:
    """A metric of the caller's own did so on a pair."""
    raise ValueError(f"metric: {what}.") from cause


def keywords(given: Collection[str], known: Collection[str], owner: str) -> None:
    """Keyword arguments that belong to the choice that was made."""
    for name in given:
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none of its own"
            raise TypeError(f"{owner} has no parameter {name!r}; {takes}.")


def parameter_names(given: Collection[str], known: Sequence[str], owner: str) -> None:
    """Names that an estimator has."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"{owner} has no parameter {unknown[0]!r}; it has {', '.join(known)}.")


def attributes(there: dict[str, bool], expected: dict[str, bool]) -> None:
    """Learned attributes that come together."""
    for name, has in expected.items():
        if there[name] != has:
            raise ValueError(_message(name, "it beside what goes with it" if has else "none", "none" if has else "one"))


# ---- parts ----------------------------------------------------------------------------------------------------------


def _up_to(most: float, array: Array, name: str) -> Array:
    largest = float(np.abs(array).max(initial=0))
    if largest > most:
        raise ValueError(_message(name, f"values of up to {most:g}", f"{largest:g}", "scale them"))
    return array


def _fit_float32(whole: Array) -> bool:
    return bool(whole.min(initial=0) >= -_MOST_WHOLE and whole.max(initial=0) <= _MOST_WHOLE)


def _not_nan(values: Array) -> npt.NDArray[np.bool_]:
    return ~np.isnan(values)


def _message(name: str, expected: str, got: str, fix: str = "") -> str:
    return f"{name}: expected {expected}, got {got}" + (f"; {fix}." if fix else ".")


def _value_dtype(dtype: np.dtype[Any], name: str, *, integers: bool = False) -> np.dtype[Any]:
    """The dtype that values are computed from."""
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        fix = "convert to float32 or float64"
        raise TypeError(_message(name, "bool, integer or float values of up to 64 bits", f"dtype {dtype}", fix))
    if dtype.kind == "f":
        return np.dtype(np.float64 if dtype.itemsize == 8 else np.float32)
    if dtype.kind == "b" or (dtype.kind == "i" and dtype.itemsize <= 2):
        return np.dtype(np.float32)
    if integers and dtype.kind == "i":
        return np.dtype(np.int32 if dtype.itemsize == 4 else np.int64)
    return np.dtype(np.float64)


def _converted(matrix: Any, name: str, dtype: np.dtype[Any] | None) -> Any:
    """A sparse matrix of another format as CSR; its duplicates are summed on the way, so in the dtype to come.

    Without a dtype its pattern only.
    """
    if matrix.format not in ("csc", "bsr"):
        matrix = matrix.tocoo()
    places(matrix, name)
    if dtype is not None:
        return matrix.astype(dtype).tocsr()
    ones = matrix.copy()
    ones.data = np.ones(matrix.data.shape, np.int8)
    return ones.tocsr()


def _ids_in_order(values: Any, name: str, end: int, unit: str) -> tuple[Array, bool]:
    """One id or a list of them, in [0, end), and whether each is above the one before it."""
    if type(values) is int and 0 <= values < end:  # the most usual, which need not wait for NumPy
        return np.array([values]), True
    array = array_of(values, name)
    if array.ndim == 0:
        array = array[None]
    expected = f"ids of {unit} from 0 to {end - 1}"
    if array.ndim != 1:
        raise ValueError(_message(name, f"one list of {expected}", f"shape {array.shape}"))
    if array.size == 0:
        return np.empty(0, np.int64), True
    if array.dtype.kind not in "iu":
        raise TypeError(_message(name, expected, f"dtype {array.dtype}", "pass integers"))
    ascending = array.size == 1 or bool((array[1:] > array[:-1]).all())
    low, high = (int(array[0]), int(array[-1])) if ascending else (int(array.min()), int(array.max()))
    if low < 0 or high >= end:
        raise ValueError(_message(name, expected, str(low if low < 0 else high)))
    return array, ascending


def _places(
    data: Array, indices: Array, indptr: Array, n_rows: int, n_columns: int, name: str, n_threads: int = 1
) -> bool:
    """Refuse CSR arrays that a kernel would follow outside of them; whether a row's columns ascend, each once."""
    if n_columns > _MOST_ITEMS:
        raise ValueError(_message(name, f"at most {_MOST_ITEMS} columns", str(n_columns)))
    if indptr.ndim != 1 or len(indptr) != n_rows + 1:
        raise ValueError(_message(f"{name}.indptr", f"{n_rows + 1} row pointers", f"shape {indptr.shape}"))
    if indices.dtype.kind not in "iu" or indptr.dtype.kind not in "iu":
        got = f"{indices.dtype} and {indptr.dtype}"
        raise TypeError(_message(f"{name}.indices and {name}.indptr", "integers", got))
    if data.ndim != 1 or indices.ndim != 1:
        got = f"shapes {data.shape} and {indices.shape}"
        raise ValueError(_message(f"{name}.data and {name}.indices", "one dimension", got))
    n_stored = min(len(indices), len(data))
    lie_within, ascend = places_of_rows(indices, indptr, n_stored, n_columns, n_threads)
    if lie_within:
        return ascend
    if indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        raise ValueError(_message(f"{name}.indptr", "row pointers that start at 0 and never decrease", "others"))
    if indptr[-1] > n_stored:
        raise ValueError(_message(f"{name}.indptr", f"row pointers up to {n_stored} stored entries", str(indptr[-1])))
    used = indices[: indptr[-1]]
    wrong = used.min() if used.min() < 0 else used.max()
    raise ValueError(_message(f"{name}.indices", f"columns from 0 to {n_columns - 1}", str(wrong)))
