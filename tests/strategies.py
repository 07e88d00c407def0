"""What the operations are fed: few distinct values, so that ties abound, in every form in which data may come.

Shapes, values and forms are drawn, and so shrink; which value goes where follows from a drawn seed, so that matrices of
several tiles cost no more to draw than small ones.
"""

import tempfile

import numpy as np
from hypothesis import strategies as st
from scipy.sparse import bsr_array, coo_array, csc_array, csr_array, csr_matrix

FLOATS = ("float32", "float64")
DENSE_DTYPES = (*FLOATS, "float16", "int8", "int16", "int32", "int64", "uint8", "bool")
SPARSE_DTYPES = (*FLOATS, "int8", "int16", "int32", "int64", "uint8", "bool")
INTEGERS = ("int32", "int64")
FORMS = ("C", "F", "strided", "reversed", "transposed", "read-only", "byte-swapped", "memory-mapped", "unaligned")
SPARSE_FORMS = (
    "csr_array", "csr_matrix", "int64", "read-only", "memory-mapped", "excess",
    "coo", "csc", "bsr", "lil", "dok", "dia", "dense",
)  # fmt: skip

seeds = st.integers(0, 2**32 - 1)
k_values = st.integers(1, 80)
thread_counts = st.integers(1, 4)


# ---- dense ----------------------------------------------------------------------------------------------------------


def corner_values(dtype, *, finite=False):
    """The values of a dtype at which selections go wrong."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return [False, True]
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return [0, 1, 2, 100, *({limits.max, limits.max - 1} if dtype.itemsize < 8 else {2**53 + 1}), int(limits.min)]
    limits = np.finfo(dtype)
    values = [0.0, -0.0, 1.0, -1.0, 0.5, 1 / 3, 1 + float(limits.eps), float(limits.max), float(limits.min)]
    values += [float(limits.tiny), float(limits.smallest_subnormal), -float(limits.smallest_subnormal)]
    return values if finite else [*values, np.nan, np.inf, -np.inf]


@st.composite
def filled(draw, shape, dtype, values):
    """An array of a few of the values."""
    pool = draw(st.lists(st.sampled_from(values), min_size=1, max_size=6))
    return np.random.default_rng(draw(seeds)).choice(np.array(pool, dtype), shape)


@st.composite
def score_matrices(draw, dtypes=DENSE_DTYPES, max_rows=9, max_columns=150, forms=FORMS):
    """Dense scores."""
    dtype = draw(st.sampled_from(dtypes))
    shape = (draw(st.integers(0, max_rows)), draw(st.integers(0, max_columns)))
    return in_form(draw(filled(shape, dtype, corner_values(dtype))), draw(st.sampled_from(forms)))


def in_form(array, form):
    """Two-dimensional values as an array that is laid out in another way."""
    if form == "F":
        return np.asfortranarray(array)
    if form == "strided":
        wide = np.zeros((2 * array.shape[0] + 1, 3 * array.shape[1] + 1), array.dtype)
        view = wide[1::2, 1::3]
        view[...] = array
        return view
    if form == "reversed":
        return array[::-1, ::-1].copy()[::-1, ::-1]
    if form == "transposed":
        return array.T.copy().T
    if form == "read-only":
        array = array.copy()
        array.flags.writeable = False
        return array
    if form == "byte-swapped":
        return array.astype(array.dtype.newbyteorder())
    if form == "memory-mapped":
        return mapped(array)
    if form == "unaligned":
        raw = np.zeros(array.nbytes + 1, np.uint8)
        view = raw[1:].view(array.dtype).reshape(array.shape)
        view[...] = array
        return view
    return np.ascontiguousarray(array)


def mapped(array):
    """The values in a file, mapped read-only; a file of no bytes cannot be."""
    if array.size == 0:
        return array
    with tempfile.TemporaryFile() as file:
        file.write(array.tobytes())
        file.flush()
        return np.memmap(file, array.dtype, "r", shape=array.shape)


@st.composite
def factor_matrices(draw, dtypes=FLOATS, max_queries=40, max_items=150, max_factors=20, finite=False, forms=FORMS):
    """Queries and items of one width: duplicate and zero rows, huge and tiny scales, NaN and inf."""
    n_factors = draw(st.integers(0, max_factors))
    sides = []
    for most in (max_queries, max_items):
        dtype = draw(st.sampled_from(dtypes))
        n_distinct = draw(st.integers(1, 12))
        values = [0.0, 1.0, -1.0, 0.5, 1 / 3, 0.1]
        if draw(st.booleans()):
            values += corner_values(dtype, finite=finite)
        rows = draw(filled((n_distinct, n_factors), dtype, values))
        if draw(st.booleans()):
            rows[draw(st.integers(0, n_distinct - 1))] = 0
        if dtype in FLOATS:
            with np.errstate(all="ignore"):
                rows = rows * np.asarray(2.0 ** draw(st.sampled_from([0, 0, 60, -60])), dtype)
        if finite:
            rows = np.nan_to_num(rows)
        chosen = np.random.default_rng(draw(seeds)).integers(0, n_distinct, draw(st.integers(0, most)))
        sides.append(in_form(rows[chosen], draw(st.sampled_from(forms))))
    return tuple(sides)


# ---- sparse ---------------------------------------------------------------------------------------------------------


def stored_values(dtype, *, negative=True):
    """Values of stored entries: zeros too, sums that cancel, products that overflow or, of integers, wrap around."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return [True, False]
    if dtype.kind in "iu":
        return [
            0,
            1,
            1,
            2,
            3,
            np.iinfo(dtype).max,
            *([-1, -2, np.iinfo(dtype).min] if negative and dtype.kind == "i" else []),
        ]
    values = [0.0, 1.0, 1.0, 2.0, 0.5, 0.1, 1 / 3, 5.0, 1e-30, 1e30 if dtype.itemsize == 4 else 1e200]
    return values + ([-1.0, -2.0, -0.1] if negative else [])


@st.composite
def sparse_matrices(
    draw, dtypes=SPARSE_DTYPES, shape=None, max_rows=40, max_columns=40, values=None, forms=SPARSE_FORMS, negative=True
):
    """Sparse matrices: unsorted rows, duplicates, stored zeros, empty rows and columns, no rows or columns at all."""
    n_rows, n_columns = shape or (draw(st.integers(0, max_rows)), draw(st.integers(0, max_columns)))
    dtype = draw(st.sampled_from(dtypes))
    n_entries = draw(st.integers(0, 3 * (n_rows + n_columns))) if n_rows and n_columns else 0
    rng = np.random.default_rng(draw(seeds))
    crowding = draw(st.sampled_from([1.0, 3.0]))  # into the first rows and columns, so that others stay empty
    rows = np.sort((n_rows * rng.random(n_entries) ** crowding).astype(np.int32))
    columns = (n_columns * rng.random(n_entries) ** crowding).astype(np.int32)
    data = draw(filled(n_entries, dtype, values or stored_values(dtype, negative=negative)))
    indptr = np.searchsorted(rows, np.arange(n_rows + 1)).astype(np.int32)
    form = draw(st.sampled_from(forms))
    if form in ("coo", "csc", "bsr", "lil", "dok", "dia", "dense"):  # their conversions sum duplicates in narrow types
        unique = np.unique(rows.astype(np.int64) * n_columns + columns, return_index=True)[1]
        rows, columns, data = rows[unique], columns[unique], data[unique]
        indptr = np.searchsorted(rows, np.arange(n_rows + 1)).astype(np.int32)
    return in_sparse_form(data, columns, indptr, (n_rows, n_columns), form)


def entries_of(matrix):
    """Rows, columns and values of what is stored, without what lies behind the last row."""
    if matrix.format == "csr":
        end = matrix.indptr[-1]
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        return rows, matrix.indices[:end], matrix.data[:end]
    stored = matrix.tocoo()
    return *stored.coords, stored.data


def in_sparse_form(data, indices, indptr, shape, form):
    """The arrays of a CSR matrix as another object that holds the same entries."""
    if form == "int64":
        result = csr_array((data, indices, indptr), shape=shape)
        result.indices, result.indptr = result.indices.astype(np.int64), result.indptr.astype(np.int64)
        return result
    if form in ("read-only", "memory-mapped"):
        result = csr_array((data, indices, indptr), shape=shape)
        result.data, result.indices, result.indptr = (
            mapped(array) if form == "memory-mapped" else array
            for array in (result.data, result.indices, result.indptr)
        )
        for array in (result.data, result.indices, result.indptr):
            array.flags.writeable = False
        return result
    if (
        form == "excess"
    ):  # room behind the last row, as SciPy leaves after removing entries; what lies there is no entry
        result = csr_array((data, indices, indptr), shape=shape)
        result.data = np.concatenate([result.data, np.full(5, 77).astype(data.dtype)])
        result.indices = np.concatenate([result.indices, np.full(5, 10**6, np.int32)])
        return result
    if form == "csr_matrix":
        return csr_matrix((data, indices, indptr), shape=shape)
    rows = np.repeat(np.arange(shape[0], dtype=np.int32), np.diff(indptr))
    coo = coo_array((data, (rows, indices)), shape=shape)
    if form == "coo":
        return coo
    result = csr_array((data, indices, indptr), shape=shape)
    if form == "csc":
        return csc_array(coo)
    if form == "bsr":
        return bsr_array(result, blocksize=(1, 1)) if 0 not in shape else result
    if form in ("lil", "dok", "dia"):
        return result.asformat(form)
    return result.toarray() if form == "dense" else result


# ---- patterns -------------------------------------------------------------------------------------------------------


@st.composite
def patterns(draw, n_rows, n_items):
    """None, one list of ids for all rows, or a sparse matrix whose values mean nothing."""
    kind = draw(st.sampled_from(["none", "list", "array", "csr", "csr", "other"]))
    if kind == "none":
        return None
    if kind in ("list", "array") or n_items == 0:
        ids = draw(st.lists(st.integers(0, n_items - 1), max_size=2 * n_items)) if n_items else []
        dtype = draw(st.sampled_from(["int32", "int64", "uint8"])) if max(ids, default=0) < 256 else "int64"
        return ids if kind == "list" else np.array(ids, dtype)
    odd_values = [0.0, -1.0, np.nan, np.inf, 7.0]
    forms = ("csr_array", "csr_matrix", "int64", "read-only", "excess") if kind == "csr" else ("coo", "csc")
    return draw(sparse_matrices(FLOATS, (n_rows, n_items), values=odd_values, forms=forms))


def ids_of(pattern, n_rows, n_items, *, default):
    """What a pattern means: a set of ids for every row."""
    if pattern is None:
        return [set(default)] * n_rows
    if hasattr(pattern, "tocoo"):
        rows = [set() for _ in range(n_rows)]
        for row, item in zip(*(index.tolist() for index in entries_of(pattern)[:2]), strict=True):
            rows[row].add(item)
        return rows
    return [{int(item) for item in pattern}] * n_rows


# ---- alternating least squares --------------------------------------------------------------------------------------


@st.composite
def half_steps(draw, dtypes=FLOATS, max_rows=12, max_fixed=30, max_factors=20):
    """Arguments of a half-step: weights, targets on the same entries, fixed factors, and options."""
    n_rows, n_fixed = draw(st.integers(0, max_rows)), draw(st.integers(0, max_fixed))
    n_factors = draw(st.integers(1, max_factors))
    weights = draw(
        sparse_matrices(FLOATS, (n_rows, n_fixed), values=[0.0, 0.25, 1.0, 2.0, 40.0], forms=("csr_array", "int64"))
    )
    weights = csr_array(weights)
    weights.sum_duplicates()
    rng = np.random.default_rng(draw(seeds))
    targets = weights.copy()
    targets.data = rng.choice([0.0, 1.0, 1.0, -2.5], weights.nnz).astype(draw(st.sampled_from(FLOATS)))
    fixed = rng.standard_normal((n_fixed, n_factors))
    fixed[rng.random(n_fixed) < draw(st.sampled_from([0.0, 0.3]))] = 0
    fixed = (fixed * draw(st.sampled_from([1.0, 1e-3, 1e3]))).astype(draw(st.sampled_from(dtypes)))
    scale = float(np.square(fixed, dtype=np.float64).mean()) if fixed.size else 1.0
    regularization = scale * draw(st.sampled_from([0.0, 0.01, 1.0, 100.0]))
    if draw(st.booleans()):
        regularization = regularization * rng.choice([0.5, 1.0, 2.0], n_rows)
    options = {"unobserved_weight": draw(st.sampled_from([0.0, 0.25, 1.0])), "regularization": regularization}
    return weights, targets, in_form(fixed, draw(st.sampled_from(FORMS))), options


# ---- what hurts least squares: sides of lower rank than there are factors, full rows ---------------------------------


def _some_ratings():
    rng = np.random.default_rng(0)
    return (rng.random((30, 20)) < 0.3) * rng.integers(1, 5, (30, 20)).astype(np.float64)


def _with_columns(columns, values):
    matrix = _some_ratings()
    matrix[:, columns] = values
    return matrix


BAD_RATINGS = {
    "duplicated columns": _with_columns([4, 5, 6], _some_ratings()[:, [4]]),
    "all columns alike": np.repeat(_some_ratings()[:, :1], 20, axis=1),
    "all equal": np.full((30, 20), 3.0),
    "a user who has everything": np.concatenate([_some_ratings(), np.full((1, 20), 2.0)]),
    "an item that everybody has": _with_columns(3, 1.0),
    "one entry": np.pad([[1.0]], ((3, 26), (4, 15))),
    "fewer rows than factors": np.pad(_some_ratings()[:2], ((0, 28), (0, 0))),
}
