"""All measures are one formula with weights, which fastrec's similarity kernel evaluates."""

from __future__ import annotations

import importlib.util
import operator
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array

from fastrec import _check
from fastrec._measures import METRICS, Measure, Metric, Parameters, Statistics, TermsOf
from fastrec._transpose import transposed
from fastrec._types import Array, Csr, Ids, Pattern, is_sparse
from fastrec.compat._numbers import threads_of, whole
from fastrec.selection import best_of_product
from fastrec.similarity import Options, most_similar, without_ones

SHRINK_TYPES = ("stabilized", "bayesian", "additive")
_HAS_TQDM = importlib.util.find_spec("tqdm") is not None
_NO_TRIPLETS: Any = coo_array((1, 1), dtype=np.float32)


class Side(NamedTuple):
    """What the measure takes from the items on one side: a power of their norm, and one of their popularity."""

    c: float
    popularity: Any
    p: float

    def cosine_part(self, items: Statistics, additive: float) -> Array:
        part: Array = (items.sumsq + additive) ** self.c
        return part

    def popularity_part(self, given: Statistics) -> Array:
        return _values_of(self.popularity, given) ** self.p


class Weights(NamedTuple):
    """Of x.y^power / (l1 (t1 (X - x.y) + t2 (Y - x.y) + x.y) + l2 X^c1 Y^c2 + l3 pop1^p1 pop2^p2).

    X and Y are the sums of squares. With ``walk`` x and y are probabilities of steps to that power.
    """

    l1: float = 0.0
    l2: float = 0.0
    l3: float = 0.0
    t1: float = 1.0
    t2: float = 1.0
    c1: float = 0.5
    c2: float = 0.5
    pop1: Any = "none"
    pop2: Any = "none"
    power: float = 1.0
    p1: float = 0.0
    p2: float = 0.0
    walk: float | None = None

    def checked(self, n_rows: int, n_columns: int) -> Weights:
        """With popularities of these lengths."""
        return self._replace(pop1=popularity(self.pop1, "pop1", n_rows), pop2=popularity(self.pop2, "pop2", n_columns))

    @property
    def sides(self) -> tuple[Side, Side]:
        """Of the rows of matrix1, and of the columns of matrix2."""
        return Side(self.c1, self.pop1, self.p1), Side(self.c2, self.pop2, self.p2)

    @property
    def is_product(self) -> bool:
        """Whether the denominator is 1."""
        return self.l1 == self.l2 == self.l3 == 0


def similarities(
    *,
    weights: Weights,
    shrink: Mapping[str, float],
    matrix1: Any,
    matrix2: Any,
    k: int,
    threshold: float,
    binary: bool,
    target_rows: Any,
    target_cols: Any,
    filter_cols: Any,
    verbose: bool,
    format_output: str,
    num_threads: int,
    block_size: int | None,
) -> coo_array | csr_array:
    """Best ``k`` similarities of every row of ``matrix1`` with the columns of ``matrix2``, of its own rows without."""
    shape = n_rows, n_columns = check_matrices(matrix1, matrix2, format_output)
    if block_size is not None:
        operator.index(block_size)
    weights = weights.checked(n_rows, n_columns)
    shrink = {kind: _check.real(value, "shrink") for kind, value in shrink.items()}
    n_threads = threads_of(num_threads)
    options = Options(
        k=whole(k, "k"),
        measure=_measure(weights, **shrink),
        threshold=_just_below(_check.real(threshold, "threshold")),
        binary=bool(binary),
        min_support=1,
        keep_diagonal=True,
        n_threads=n_threads,
        progress=bool(verbose) and _HAS_TQDM,
    )
    targets = None if target_rows is None else target_rows_of(target_rows, n_rows)
    candidates, exclude = _columns(target_cols, filter_cols, shape)
    first, by_user = _sides(matrix1, "matrix1", options, alone=matrix2 is None)
    plain = weights.is_product and weights.power == 1 and weights.walk is None and not any(shrink.values())
    if plain and matrix2 is not None:
        found = _product(
            first, _check.csr(matrix2, "matrix2", n_threads=n_threads), options, targets, candidates, exclude
        )
    else:
        second = None
        if matrix2 is not None:
            second, by_user = _sides(matrix2.T, "matrix2", options)
        found = most_similar(
            first,
            second,
            np.dtype(np.float32),
            options,
            targets,
            by_user=by_user,
            candidates=candidates,
            exclude=exclude,
        )
    if (threshold < 0 and not found.data.all()) or not np.isfinite(found.data).all():
        found = found.where(np.isfinite(found.data) & (found.data != 0))  # over a denominator of zero is no similarity
    return _as_triplets(found) if format_output == "coo" else found.to_scipy()


# ---- the formula ----------------------------------------------------------------------------------------------------


def _measure(weights: Weights, stabilized: float = 0.0, bayesian: float = 0.0, additive: float = 0.0) -> Measure:
    """The kernel's formula that has these weights."""
    if stabilized and bayesian:
        raise ValueError("shrink: expected a stabilized or a bayesian one, got both.")
    w = weights
    if w.is_product and not stabilized:
        w = w._replace(l3=1.0, pop1="none", pop2="none")
    if w.l1 == w.power == 1 and w.l2 == w.l3 == 0:
        metric = METRICS["tversky"]._replace(weights=lambda p: (w.t1, w.t2))
    elif w.power == 1 and w.l1 == 0 and (w.l2 == 0) != (w.l3 == 0):
        own, other = w.sides
        alike = w.l2 == 1 and own.c == other.c
        metric = Metric(
            "quotient",
            _one_part(w, own, w.l2 or w.l3, additive, stabilized),
            None if alike else _one_part(w, other, 1.0, additive, stabilized),
        )
    else:
        numbers = (w.l1, w.t1, w.t2, w.l2, w.l3, w.power)
        own, other = w.sides
        metric = Metric("s_plus", _all_parts(own, additive), _all_parts(other, additive), weights=lambda p: numbers)
    if w.walk is not None:
        metric = metric._replace(values=_walk, factors=_walk, value_of_ones=METRICS["p3alpha"].value_of_ones)
    shrinkage, kind = (bayesian, "bayesian") if bayesian else (stabilized, "stabilized")
    return Measure(metric, {"alpha": w.walk}, shrinkage, kind)


def _one_part(w: Weights, side: Side, factor: float, additive: float, stabilized: float) -> TermsOf:
    def terms(items: Statistics, given: Statistics, p: Parameters) -> Sequence[Array]:
        part = factor * (side.cosine_part(items, additive) if w.l2 else side.popularity_part(given))
        if not stabilized:  # over a denominator of zero nothing is similar
            part = np.where((part == 0) & (given.n_users > 0), np.inf, part)
        return [part]

    return terms


def _all_parts(side: Side, additive: float) -> TermsOf:
    def terms(items: Statistics, given: Statistics, p: Parameters) -> Sequence[Array]:
        return [items.sumsq, side.cosine_part(items, additive), side.popularity_part(given)]

    return terms


def popularity(chosen: Any, name: str, n: int) -> Any:
    """A name, or a number for each."""
    if isinstance(chosen, str) and chosen in ("none", "sum"):
        return chosen
    if isinstance(chosen, str) or len(chosen) != n:
        raise ValueError(
            f"weight_depop_matrix{name[-1]} must be array of length {n} or one of ('none', 'sum'), got {chosen!r}"
        )
    return _check.vector(chosen, name).astype(np.float64)


def _values_of(chosen: Any, given: Statistics) -> Array:
    if isinstance(chosen, str):
        return given.total if chosen == "sum" else np.ones_like(given.total)
    numbers: Array = chosen
    return numbers


def _walk(x: Csr, *statistics_and_parameters: Any) -> Array:
    """Powers of the steps' probabilities, or of shares of magnitudes, from each row."""
    alpha = statistics_and_parameters[-1]["alpha"]
    values = x.data.astype(np.float64) if len(x.data) else np.ones(len(x.indices))
    if not float(alpha).is_integer():
        _check.not_negative(values, "matrix1 and matrix2", f"steps to the power {alpha:g}")
    row = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    shares: Array = (values / np.bincount(row, np.abs(values), x.shape[0])[row]) ** alpha
    return shares


# ---- the arguments --------------------------------------------------------------------------------------------------


def check_matrices(matrix1: Any, matrix2: Any, format_output: str) -> tuple[int, int]:
    """The shape of the answer, which has a row for every row of the first matrix and a column for what it meets."""
    for matrix, name in ((matrix1, "matrix1"), (matrix2, "matrix2")):
        if not is_sparse(matrix) and not (matrix is None and name == "matrix2"):
            raise TypeError(f"{name} must be a sparse matrix")
    n_rows, n_inner = matrix1.shape
    if matrix2 is not None and matrix2.shape[0] != n_inner:
        raise ValueError(
            f"Incompatible matrix shapes: matrix1.shape[1]={n_inner} must equal matrix2.shape[0]={matrix2.shape[0]}"
        )
    if format_output not in ("coo", "csr"):
        raise ValueError(f"format_output must be 'coo' or 'csr', got {format_output!r}")
    return n_rows, n_rows if matrix2 is None else matrix2.shape[1]


def _just_below(threshold: float) -> float:
    """What the same float32 numbers are greater than; zeros are no similarities."""
    least = float(np.float32(threshold))
    return 0.0 if least == 0 else float(np.nextafter(least, -np.inf))


def _sides(matrix: Any, name: str, options: Options, *, alone: bool = False) -> tuple[Csr, Csr | None]:
    """A sparse matrix by its rows, and by its columns if it is stored by them; then a kernel transposes it.

    ``alone``: the measure takes no other.
    """
    is_by_rows = matrix.format != "csc"
    stored = _check.csr(matrix if is_by_rows else matrix.T, name, n_threads=options.n_threads)
    if alone:
        stored = without_ones(options, stored)
    return (stored, None) if is_by_rows else (transposed(stored, options.n_threads), stored)


def _ids(values: Any, name: str) -> Any:
    """Whole numbers that came as floats too."""
    array = np.asarray(values)
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.rint(array)).all():
        return array.astype(np.int64)
    return array


def target_rows_of(target_rows: Any, n_rows: int) -> Ids:
    """Rows that are wanted, each once."""
    if len(target_rows) > n_rows:
        raise ValueError(f"target_rows length ({len(target_rows)}) cannot exceed matrix1.shape[0] ({n_rows})")
    return np.unique(_check.item_ids(_ids(target_rows, "target_rows"), "target_rows", n_rows, unit="rows"))


def _columns(target_cols: Any, filter_cols: Any, shape: tuple[int, int]) -> tuple[Pattern | None, Pattern | None]:
    """Columns that may be answered, and columns that may not."""
    wanted, unwanted = selector(target_cols, "target_cols", shape), selector(filter_cols, "filter_cols", shape)
    if unwanted is not None and unwanted.shared and (wanted is None or wanted.shared):
        ids = np.arange(shape[1], dtype=np.int32) if wanted is None else wanted.ids
        return Pattern.one_list(np.setdiff1d(ids, unwanted.ids)), None
    return wanted, unwanted


def selector(columns: Any, name: str, shape: tuple[int, int]) -> Pattern | None:
    """Columns for all rows or for each; None where nothing is selected."""
    if columns is None:
        return None
    if is_sparse(columns):
        if columns.nnz == 0:
            return None
        if columns.shape != shape:
            raise ValueError(f"{name} shape {columns.shape} does not match expected shape {shape}")
        places = _check.csr(columns, name)
        return Pattern(places.indices, places.indptr, False)
    if not isinstance(columns, list | np.ndarray):
        raise TypeError(f"{name} must be a sparse matrix, list, numpy array, or None")
    if len(columns) == 0:
        return None
    ids = _ids(columns, name)
    inside = ids[(ids >= 0) & (ids < shape[1])] if ids.dtype.kind in "iu" else ids
    return Pattern.one_list(np.unique(_check.item_ids(inside, name, shape[1], unit="columns")))


# ---- the answer -----------------------------------------------------------------------------------------------------


def _product(
    a: Csr, b: Csr, options: Options, targets: Ids | None, candidates: Pattern | None, exclude: Pattern | None
) -> Csr:
    """Best inner products: no measure needs the columns of ``b``."""
    a, b = (_ones(side) if options.binary else side for side in (a, b))
    rows = a if targets is None else a.rows(targets)[0]
    if targets is not None:
        candidates, exclude = (_rows_of_pattern(pattern, targets) for pattern in (candidates, exclude))
    found = best_of_product(
        rows._replace(data=rows.data.astype(np.float32, copy=False)),
        b._replace(data=b.data.astype(np.float32, copy=False)),
        options.k,
        threshold=options.threshold,
        exclude=exclude,
        candidates=candidates,
        n_threads=options.n_threads,
        progress=options.progress,
    )
    return found if targets is None else found.among_empty_rows(targets, a.shape[0])


def _ones(side: Csr) -> Csr:
    return side._replace(data=np.ones(len(side.indices), np.float32))


def _rows_of_pattern(pattern: Pattern | None, rows: Ids) -> Pattern | None:
    if pattern is None or pattern.shared:
        return pattern
    n_columns = int(pattern.ids.max(initial=0)) + 1
    whole = Csr(np.empty(len(pattern.ids), np.int8), pattern.ids, pattern.indptr, (len(pattern.indptr) - 1, n_columns))
    some = whole.rows(rows)[0]
    return Pattern(some.indices, some.indptr, False)


def _as_triplets(found: Csr) -> coo_array:
    out = copy(_NO_TRIPLETS)
    out.resize(found.shape)  # SciPy's constructor looks at all indices, which takes longer than all else of small calls
    rows = np.repeat(np.arange(found.shape[0], dtype=np.int32), np.diff(found.indptr))
    out.data, out.coords, out.has_canonical_format = found.data, (rows, found.indices), False
    triplets: coo_array = out
    return triplets
