"""Every argument that is not as described gets one clear error, and nothing else happens."""

import inspect
import re

import numba
import numpy as np
import pytest
from scipy.sparse import coo_array, csc_array, csr_array, issparse

import fastrec
import processes
from equality import assert_same, digest
from fastrec import TopK

SHAPE = (4, 5)
TYPE, VALUE, MEMORY = TypeError, ValueError, MemoryError


def good():
    """A sparse matrix of SHAPE; its arrays may be changed."""
    return csr_array(np.array([[1.0, 0, 2, 0, 3], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [4, 0, 0, 1, 1]], np.float32))


def ones(*shape):
    return np.ones(shape, np.float32)


# Every operation, by each of its arguments; the others are as they should be.
SPARSE = {
    ("top_k", "scores"): lambda x, **o: fastrec.top_k(x, **{"k": 2, **o}),
    ("sparse_top_k_product", "a"): lambda x, **o: fastrec.sparse_top_k_product(x, good().T, **{"k": 2, **o}),
    ("sparse_top_k_product", "b"): lambda x, **o: fastrec.sparse_top_k_product(good().T, x, **{"k": 2, **o}),
    ("merge_top_k_products", "blocks"): lambda x, **o: fastrec.merge_top_k_products([good(), x], **{"k": 2, **o}),
    ("item_similarity", "user_items"): lambda x, **o: fastrec.item_similarity(x, **{"k": 2, **o}),
    ("user_similarity", "user_items"): lambda x, **o: fastrec.user_similarity(x, **{"k": 2, **o}),
    ("bm25_weight", "x"): lambda x, **o: fastrec.bm25_weight(x, **o),
    ("tfidf_weight", "x"): lambda x, **o: fastrec.tfidf_weight(x, **o),
    ("normalize", "x"): lambda x, **o: fastrec.normalize(x, **o),
    ("als_half_step", "weights"): lambda x, **o: fastrec.als_half_step(x, good(), ones(5, 3), **o),
    ("als_half_step", "targets"): lambda x, **o: fastrec.als_half_step(good(), x, ones(5, 3), **o),
    ("EASE.fit", "user_items"): lambda x, **o: fastrec.EASE(**o).fit(x).similarity_,
    ("SLIM.fit", "user_items"): lambda x, **o: fastrec.SLIM(**o).fit(x).similarity_,
    ("NMF.fit", "user_items"): lambda x, **o: (
        fastrec.NMF(**{"n_epochs": 1, "random_state": 0, **o}).fit(x).item_factors_
    ),
    ("PureSVD.fit", "user_items"): lambda x, **o: fastrec.PureSVD(**o).fit(x).item_factors_,
    ("implicit_loss", "weights"): lambda x, **o: fastrec.implicit_loss(x, good(), ones(4, 3), ones(5, 3), **o),
    ("implicit_loss", "targets"): lambda x, **o: fastrec.implicit_loss(good(), x, ones(4, 3), ones(5, 3), **o),
}
DENSE = {
    ("top_k", "scores"): lambda x, **o: fastrec.top_k(x, **{"k": 2, **o}),
    ("top_k_inner_product", "queries"): lambda x, **o: fastrec.top_k_inner_product(x, ones(5, 3), **{"k": 2, **o}),
    ("top_k_inner_product", "items"): lambda x, **o: fastrec.top_k_inner_product(ones(4, 3), x, **{"k": 2, **o}),
    ("ItemIndex", "items"): lambda x, **o: fastrec.ItemIndex(x, **o),
    ("ItemIndex.top_k", "queries"): lambda x, **o: fastrec.ItemIndex(ones(5, 3)).top_k(x, **{"k": 2, **o}),
    ("als_half_step", "fixed"): lambda x, **o: fastrec.als_half_step(good(), good(), x, **o),
    ("implicit_loss", "user_factors"): lambda x, **o: fastrec.implicit_loss(good(), good(), x, ones(5, 3), **o),
    ("implicit_loss", "item_factors"): lambda x, **o: fastrec.implicit_loss(good(), good(), ones(4, 3), x, **o),
}
CALLS = {
    "top_k": lambda **o: fastrec.top_k(ones(4, 5), **{"k": 2, **o}),
    "top_k (sparse)": lambda **o: fastrec.top_k(good(), **{"k": 2, **o}),
    "top_k_inner_product": lambda **o: fastrec.top_k_inner_product(ones(4, 3), ones(5, 3), **{"k": 2, **o}),
    "ItemIndex": lambda **o: fastrec.ItemIndex(ones(5, 3), **o),
    "ItemIndex.top_k": lambda **o: fastrec.ItemIndex(ones(5, 3)).top_k(ones(4, 3), **{"k": 2, **o}),
    "sparse_top_k_product": lambda **o: fastrec.sparse_top_k_product(good(), good().T, **{"k": 2, **o}),
    "merge_top_k_products": lambda **o: fastrec.merge_top_k_products([good(), good()], **{"k": 2, **o}),
    "item_similarity": lambda **o: fastrec.item_similarity(good(), **{"k": 2, **o}),
    "user_similarity": lambda **o: fastrec.user_similarity(good(), **{"k": 2, **o}),
    "bm25_weight": lambda **o: fastrec.bm25_weight(good(), **o),
    "tfidf_weight": lambda **o: fastrec.tfidf_weight(good(), **o),
    "normalize": lambda **o: fastrec.normalize(good(), **o),
    "als_half_step": lambda **o: fastrec.als_half_step(good(), good(), ones(5, 3), **o),
    "EASE.fit": lambda **o: fastrec.EASE(**o).fit(good()).similarity_,
    "SLIM.fit": lambda **o: fastrec.SLIM(**o).fit(good()).similarity_,
    "NMF.fit": lambda **o: fastrec.NMF(**{"n_epochs": 1, "random_state": 0, **o}).fit(good()).item_factors_,
    "PureSVD.fit": lambda **o: fastrec.PureSVD(**o).fit(good()).item_factors_,
    "implicit_loss": lambda **o: fastrec.implicit_loss(good(), good(), ones(4, 3), ones(5, 3), **o),
}
HAVE_K = [
    "top_k",
    "top_k (sparse)",
    "top_k_inner_product",
    "ItemIndex.top_k",
    "sparse_top_k_product",
    "merge_top_k_products",
    "item_similarity",
    "user_similarity",
]
HAVE_THREADS = [name for name in CALLS if name not in ("implicit_loss", "ItemIndex")]


@pytest.mark.parametrize(("operation", "argument"), [key for key in SPARSE if key != ("top_k", "scores")])
def test_no_matrix_at_all(operation, argument):
    with pytest.raises(TypeError, match="expected a sparse or dense matrix of numbers, got None"):
        SPARSE[operation, argument](None)


def assert_refused(exception, argument, call, *values, **options):
    """The call raises exactly this kind of error, whose message says what is wrong, and its arguments are untouched."""
    before = [arrays_of(value) for value in values]
    with pytest.raises((TypeError, ValueError, MemoryError, ArithmeticError, LookupError)) as caught:
        call(*values, **options)
    message = str(caught.value)
    assert caught.type is exception, f"{caught.type.__name__}: {message}"
    assert_clear(message, argument)
    assert [arrays_of(value) for value in values] == before


def assert_clear(message, argument):
    """Names the argument, what was expected and what was given."""
    assert re.search(rf"\b{argument}\b", message), message
    says_both = ("expected" in message and "got" in message) or re.search(r" has .* but .* has .*; both need", message)
    assert says_both or re.search("does not store the same entries", message), message
    assert message.endswith("."), message
    assert "\n" not in message, message


def arrays_of(value):
    if issparse(value):
        names = ("data", "indices", "indptr", "coords")
        return [digest(part) for name in names if hasattr(value, name) for part in np.atleast_1d(getattr(value, name))]
    return digest(value) if isinstance(value, np.ndarray) and value.dtype != object else repr(value)


def by_argument(operations):
    return pytest.mark.parametrize(
        ("argument", "call"), [pytest.param(name[1], call, id=".".join(name)) for name, call in operations.items()]
    )


# ---- what the good calls are ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", CALLS)
def test_good_calls_are_good(operation):
    CALLS[operation]()


@pytest.mark.parametrize("call", [*SPARSE.values()])
def test_good_sparse_arguments_are_good(call):
    call(good())


# ---- sparse operands ------------------------------------------------------------------------------------------------


def with_parts(**parts):
    """A good matrix, then some of its arrays replaced, as code that bypasses SciPy's constructor does."""
    matrix = good()
    for name, values in parts.items():
        setattr(matrix, name, values)
    return matrix


def changed(part, at, value, dtype=None):
    """A good matrix with one number of one array changed."""
    array = getattr(good(), part).astype(dtype or getattr(good(), part).dtype)
    array[at] = value
    return with_parts(**{part: array})


BAD_SPARSE = {
    "an array of one dimension": (VALUE, lambda: np.ones(5)),
    "an array of three dimensions": (VALUE, lambda: np.ones((2, 2, 2))),
    "a sparse array of one dimension": (VALUE, lambda: coo_array(np.ones(5))),
    "None": (TYPE, lambda: None),
    "a str": (TYPE, lambda: "matrix"),
    "rows of unequal length": (TYPE, lambda: [[1.0], [1.0, 2.0]]),
    "objects": (TYPE, lambda: np.full(SHAPE, None)),
    "strings": (TYPE, lambda: np.full(SHAPE, "1")),
    "dates": (TYPE, lambda: np.zeros(SHAPE, "datetime64[s]")),
    "complex": (TYPE, lambda: good().astype(np.complex64)),
    "complex, another format": (TYPE, lambda: good().astype(np.complex128).tocoo()),
    "complex, dense": (TYPE, lambda: np.ones(SHAPE, np.complex128)),
    "longdouble": (TYPE, lambda: good().astype(np.longdouble)),
    "longdouble, another format": (TYPE, lambda: good().astype(np.longdouble).tocsc()),
    "longdouble, dense": (TYPE, lambda: np.ones(SHAPE, np.longdouble)),
    "masked": (TYPE, lambda: np.ma.masked_array(np.ones(SHAPE), np.eye(*SHAPE))),
    "NaN": (VALUE, lambda: changed("data", 1, np.nan)),
    "inf": (VALUE, lambda: changed("data", 1, np.inf)),
    "-inf": (VALUE, lambda: changed("data", 1, -np.inf)),
    "NaN, another format": (VALUE, lambda: changed("data", 1, np.nan).tocsc()),
    "NaN, dense": (VALUE, lambda: np.full(SHAPE, np.nan)),
    "duplicates that sum to inf": (
        VALUE,
        lambda: csr_array((np.float32([3e38, 3e38]), [1, 1], [0, 2, 2, 2, 2]), SHAPE),
    ),
    "an index equal to the number of columns": (VALUE, lambda: changed("indices", 1, SHAPE[1])),
    "a negative index": (VALUE, lambda: changed("indices", 1, -1)),
    "an index that int32 would wrap": (VALUE, lambda: changed("indices", 1, 2**32, np.int64)),
    "float indices": (TYPE, lambda: with_parts(indices=good().indices.astype(np.float64))),
    "float row pointers": (TYPE, lambda: with_parts(indptr=good().indptr.astype(np.float64))),
    "decreasing row pointers": (VALUE, lambda: changed("indptr", 1, 6)),
    "decreasing unsigned row pointers": (VALUE, lambda: changed("indptr", 1, 6, np.uint32)),
    "row pointers past the stored entries": (VALUE, lambda: changed("indptr", -1, 8)),
    "row pointers far past the stored entries": (VALUE, lambda: changed("indptr", -1, 2**40, np.int64)),
    "row pointers that do not start at 0": (VALUE, lambda: changed("indptr", 0, 1)),
    "negative row pointers": (VALUE, lambda: changed("indptr", 0, -1)),
    "too few row pointers": (VALUE, lambda: with_parts(indptr=good().indptr[:-1])),
    "too many row pointers": (VALUE, lambda: with_parts(indptr=np.append(good().indptr, 7))),
    "fewer values than indices": (VALUE, lambda: with_parts(data=good().data[:-1])),
    "fewer indices than values": (VALUE, lambda: with_parts(indices=good().indices[:-1])),
    "values of two dimensions": (VALUE, lambda: with_parts(data=good().data[:, None])),
}
INFINITE = ["inf", "-inf", "duplicates that sum to inf"]  # which a product may have overflowed to


@by_argument({name: call for name, call in SPARSE.items() if name[0] != "top_k"})
@pytest.mark.parametrize("kind", BAD_SPARSE)
def test_bad_sparse_operand(argument, call, kind):
    exception, make = BAD_SPARSE[kind]
    if argument == "blocks" and kind in INFINITE:
        call(make())
        return
    assert_refused(exception, argument, call, make())


@pytest.mark.parametrize("kind", [kind for kind, (_, make) in BAD_SPARSE.items() if issparse(make())])
def test_bad_sparse_scores(kind):
    exception, make = BAD_SPARSE[kind]
    assert_refused(exception, "scores", SPARSE["top_k", "scores"], make())


# SciPy's own conversions trust these arrays, so what is not checked first may write anywhere: a process of their own.
BAD_FORMATS = {
    "coo": "x = coo_array(good); x.coords = (x.coords[0].copy(), x.coords[1].copy()); x.coords[0][0] = 10**8",
    "coo, negative": "x = coo_array(good); x.coords = (x.coords[0].copy(), x.coords[1].copy()); x.coords[1][0] = -5",
    "csc": "x = csc_array(good); x.indices[0] = 10**8",
    "csc, negative": "x = csc_array(good); x.indices[0] = -10**8",
    "csc, decreasing": "x = csc_array(good); x.indptr[1] = 10**8",
    "csc, past the end": "x = csc_array(good); x.indptr[-1] = 10**8",
    "bsr": "x = bsr_array(good, blocksize=(1, 1)); x.indices[0] = 10**8",
}


@pytest.mark.parametrize("kind", BAD_FORMATS)
def test_bad_indices_of_another_format(kind, tmp_path):
    output = processes.run(
        f"""
        import fastrec
        from scipy.sparse import bsr_array, coo_array, csc_array
        good = [[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]
        {BAD_FORMATS[kind]}
        for call in (
            lambda: fastrec.normalize(x),
            lambda: fastrec.item_similarity(x, 2),
            lambda: fastrec.top_k_inner_product([[1.0], [1.0]], [[1.0], [1.0], [1.0]], 2, exclude=x),
        ):
            try:
                call()
            except ValueError as error:
                print(error)
        """,
        tmp_path,
    )
    messages = output.splitlines()
    assert len(messages) == 3
    for message, argument in zip(messages, ["x", "user_items", "exclude"], strict=True):
        assert_clear(message, argument)


def test_more_columns_than_an_item_number_holds():
    wide = csr_array((np.ones(1), np.array([2**31], np.int64), np.array([0, 1], np.int64)), shape=(1, 2**32))
    assert_refused(VALUE, "scores", lambda x: fastrec.top_k(x, 1), wide)
    assert_refused(VALUE, "x", fastrec.normalize, wide)


@pytest.mark.parametrize("form", ["coo", "csr", "csc"])
@pytest.mark.parametrize(("dtype", "total"), [("int8", 200.0), ("bool", 2.0), ("float32", 200.0)])
def test_duplicates_sum_alike_in_every_format(form, dtype, total):
    """100 + 100 is 200, whichever narrow type and format they come in; not an error, but once a wrong answer."""
    values = np.full(2, 100).astype(dtype)
    matrix = {
        "coo": lambda: coo_array((values, ([0, 0], [1, 1])), shape=(1, 2)),
        "csr": lambda: csr_array((values, [1, 1], [0, 2]), shape=(1, 2)),
        "csc": lambda: csc_array((values, [0, 0], [0, 0, 2]), shape=(1, 2)),
    }[form]()
    assert fastrec.normalize(matrix).nnz == 1
    answer = fastrec.sparse_top_k_product(matrix, np.eye(2, dtype=np.float32), 1)
    assert_same(answer, csr_array(np.array([[0.0, total]], np.float32)))


@pytest.mark.parametrize("operation", ["sparse_top_k_product", "normalize", "item_similarity"])
@pytest.mark.parametrize("dtype", [np.float16, np.dtype(np.float64).newbyteorder(), np.dtype(np.int32).newbyteorder()])
def test_dense_dtypes_that_scipy_does_not_know(operation, dtype):
    """They become float32 or native before SciPy sees them."""
    matrix = np.array([[1, 0, 2], [0, 3, 4], [5, 0, 0]])
    argument = next(name for name in SPARSE if name[0] == operation)
    call = {"sparse_top_k_product": lambda x: fastrec.sparse_top_k_product(x, x, 3)}.get(operation, SPARSE[argument])
    same = np.float32 if dtype == np.float16 else np.dtype(dtype).newbyteorder("=")
    assert_same(call(matrix.astype(dtype)), call(matrix.astype(same)))


# ---- dense operands -------------------------------------------------------------------------------------------------


BAD_DENSE = {
    "one dimension": (VALUE, lambda: np.ones(3)),
    "three dimensions": (VALUE, lambda: np.ones((2, 2, 2))),
    "a number": (VALUE, lambda: 3.0),
    "None": (TYPE, lambda: None),
    "a str": (TYPE, lambda: "matrix"),
    "rows of unequal length": (TYPE, lambda: [[1.0], [1.0, 2.0]]),
    "objects": (TYPE, lambda: np.full((5, 3), None)),
    "strings": (TYPE, lambda: np.full((5, 3), "1")),
    "bytes": (TYPE, lambda: np.full((5, 3), b"1")),
    "dates": (TYPE, lambda: np.zeros((5, 3), "datetime64[s]")),
    "complex": (TYPE, lambda: np.ones((5, 3), np.complex64)),
    "longdouble": (TYPE, lambda: np.ones((5, 3), np.longdouble)),
    "records": (TYPE, lambda: np.zeros((5, 3), [("a", np.float32)])),
    "masked": (TYPE, lambda: np.ma.masked_array(np.ones((5, 3)), np.eye(5, 3))),
}


@by_argument(DENSE)
@pytest.mark.parametrize("kind", BAD_DENSE)
def test_bad_dense_operand(argument, call, kind):
    exception, make = BAD_DENSE[kind]
    assert_refused(exception, argument, call, make())


@by_argument({name: call for name, call in DENSE.items() if name[0] != "top_k"})
def test_sparse_where_dense_is_meant(argument, call):
    assert_refused(TYPE, argument, call, csr_array(np.ones((5, 3))))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_fixed_factors_must_be_finite(value):
    fixed = ones(5, 3)
    fixed[1, 1] = value
    assert_refused(VALUE, "fixed", DENSE["als_half_step", "fixed"], fixed)


# ---- shapes that do not match ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (["queries", "items"], lambda: fastrec.top_k_inner_product(ones(4, 3), ones(5, 2), 1)),
        (["queries", "items"], lambda: fastrec.ItemIndex(ones(5, 2)).top_k(ones(4, 3), 1)),
        (["a", "b"], lambda: fastrec.sparse_top_k_product(good(), good(), 1)),
        (["weights", "targets"], lambda: fastrec.als_half_step(good(), good()[:3], ones(5, 3))),
        (["weights", "targets"], lambda: fastrec.als_half_step(good(), changed("indices", 0, 1), ones(5, 3))),
        (["weights", "fixed"], lambda: fastrec.als_half_step(good(), good(), ones(4, 3))),
        (["fixed"], lambda: fastrec.als_half_step(good(), good(), ones(5, 0))),
        (["regularization"], lambda: fastrec.als_half_step(good(), good(), ones(5, 3), regularization=np.ones(3))),
        (["regularization"], lambda: fastrec.als_half_step(good(), good(), ones(5, 3), regularization=ones(4, 1))),
        (["weights", "targets"], lambda: fastrec.implicit_loss(good(), good()[:3], ones(4, 3), ones(5, 3))),
        (["user_factors", "item_factors"], lambda: fastrec.implicit_loss(good(), good(), ones(4, 3), ones(5, 2))),
        (["weights", "user_factors"], lambda: fastrec.implicit_loss(good(), good(), ones(3, 3), ones(5, 3))),
        (["weights", "item_factors"], lambda: fastrec.implicit_loss(good(), good(), ones(4, 3), ones(4, 3))),
    ],
)
def test_mismatched_shapes(arguments, call):
    for argument in arguments:
        assert_refused(VALUE, argument, call)


# ---- integers, numbers, names ---------------------------------------------------------------------------------------


NO_INTEGERS = [(TYPE, value) for value in (True, np.True_, 1.5, 2.0, np.float64(2), "2", [2], np.array([2]), 2j)]


@pytest.mark.parametrize("operation", HAVE_K)
@pytest.mark.parametrize(("exception", "k"), [*NO_INTEGERS, (TYPE, None), (VALUE, 0), (VALUE, -1), (VALUE, -(2**70))])
def test_k(operation, exception, k):
    assert_refused(exception, "k", CALLS[operation], k=k)


@pytest.mark.parametrize("operation", HAVE_THREADS)
@pytest.mark.parametrize(("exception", "n"), [*NO_INTEGERS, (VALUE, 0), (VALUE, -1), (VALUE, 1025), (VALUE, 2**70)])
def test_n_threads(operation, exception, n):
    assert_refused(exception, "n_threads", CALLS[operation], n_threads=n)


@pytest.mark.parametrize("operation", HAVE_THREADS)
@pytest.mark.parametrize("n_threads", [None, 1, 1024, np.int64(2), np.uint8(2)])
def test_n_threads_that_are_right(operation, n_threads):
    assert_same(CALLS[operation](n_threads=n_threads), CALLS[operation](n_threads=1))


@pytest.mark.parametrize("operation", HAVE_K)
@pytest.mark.parametrize("k", [np.int64(2), np.uint8(2), np.int8(2)])
def test_k_of_numpy(operation, k):
    assert_same(CALLS[operation](k=k), CALLS[operation](k=2))


NO_NUMBERS = [(TYPE, value) for value in ("1", None, True, np.True_, 1j, [1.0], {})]
NO_ROW_NUMBERS = [
    (TYPE, "1"),
    (TYPE, None),
    (TYPE, True),
    (TYPE, ["1"] * 4),
    (TYPE, [None] * 4),
    (TYPE, np.ones(4, np.complex128)),
    (TYPE, np.full(4, 1.0, object)),
    (TYPE, np.ma.masked_array(np.ones(4), [1, 0, 0, 0])),
    (VALUE, -1.0),
    (VALUE, np.nan),
    (VALUE, np.inf),
    (VALUE, [1.0, 1.0, -1.0, 1.0]),
    (VALUE, [1.0, 1.0, np.nan, 1.0]),
    (VALUE, [1.0, 1.0, np.inf, 1.0]),
    (VALUE, []),
]
NO_IDS = [
    (TYPE, "1"),
    (TYPE, [0.5]),
    (TYPE, [True]),
    (TYPE, [None]),
    (VALUE, [-1]),
    (VALUE, [10**6]),
    (VALUE, [[0]]),
]
NO_FLAGS = [(TYPE, 1), (TYPE, "yes"), (TYPE, None), (TYPE, 0.0)]
NO_FLOATS = [(TYPE, "double trouble"), (VALUE, "int32"), (VALUE, np.float16), (VALUE, ">f4")]
OPTIONS = {
    ("item_similarity", "shrinkage"): [*NO_NUMBERS, (VALUE, -0.1), (VALUE, np.nan), (VALUE, -np.inf)],
    ("item_similarity", "shrinkage_type"): [(TYPE, None), (TYPE, 1), (VALUE, "laplace"), (VALUE, "")],
    ("item_similarity", "target_items"): NO_IDS,
    ("item_similarity", "candidates"): NO_IDS,
    ("item_similarity", "threshold"): [*NO_NUMBERS[:1], *NO_NUMBERS[2:], (VALUE, np.nan)],
    ("item_similarity", "min_support"): [*NO_INTEGERS, (TYPE, None), (VALUE, 0), (VALUE, -1)],
    ("item_similarity", "binary"): NO_FLAGS,
    ("item_similarity", "keep_diagonal"): NO_FLAGS,
    ("item_similarity", "progress"): NO_FLAGS,
    ("item_similarity", "metric"): [
        (VALUE, "euclid"),
        (VALUE, ""),
        (VALUE, "Cosine"),
        (TYPE, None),
        (TYPE, 3),
        (TYPE, ["dot"]),
    ],
    ("ItemIndex", "metric"): [(VALUE, "dot"), (VALUE, ""), (VALUE, "Cosine"), (TYPE, None), (TYPE, 3)],
    ("ItemIndex.top_k", "progress"): NO_FLAGS,
    ("top_k_inner_product", "progress"): NO_FLAGS,
    ("sparse_top_k_product", "progress"): NO_FLAGS,
    ("sparse_top_k_product", "threshold"): [*NO_NUMBERS[:1], *NO_NUMBERS[2:], (VALUE, np.nan)],
    ("bm25_weight", "k1"): [*NO_NUMBERS, (VALUE, -0.1), (VALUE, np.nan), (VALUE, np.inf)],
    ("bm25_weight", "b"): [*NO_NUMBERS, (VALUE, -0.1), (VALUE, 1.1), (VALUE, np.nan)],
    ("normalize", "norm"): [(VALUE, "l3"), (VALUE, "L2"), (TYPE, None), (TYPE, 2)],
    ("normalize", "axis"): [(VALUE, 2), (VALUE, -1), (TYPE, "1"), (TYPE, None), (TYPE, True), (TYPE, 1.0), (TYPE, [1])],
    ("als_half_step", "unobserved_weight"): [*NO_NUMBERS, (VALUE, -0.1), (VALUE, np.nan), (VALUE, np.inf)],
    ("als_half_step", "regularization"): NO_ROW_NUMBERS,
    ("als_half_step", "nonnegative"): NO_FLAGS,
    ("als_half_step", "tol"): [*NO_NUMBERS, (VALUE, -1e-9), (VALUE, np.nan), (VALUE, np.inf)],
    ("EASE.fit", "regularization"): [*NO_NUMBERS, (VALUE, -0.1), (VALUE, np.nan), (VALUE, np.inf)],
    ("EASE.fit", "dtype"): NO_FLOATS,
    ("SLIM.fit", "l1_regularization"): [*NO_NUMBERS, (VALUE, -0.1), (VALUE, np.nan), (VALUE, np.inf)],
    ("SLIM.fit", "l2_regularization"): [*NO_NUMBERS, (VALUE, -0.1), (VALUE, np.nan), (VALUE, np.inf)],
    ("SLIM.fit", "k"): [*NO_INTEGERS, (VALUE, 0), (VALUE, -1)],
    ("SLIM.fit", "positive"): NO_FLAGS,
    ("SLIM.fit", "tol"): [*NO_NUMBERS, (VALUE, -0.1), (VALUE, np.nan), (VALUE, np.inf)],
    ("SLIM.fit", "n_epochs"): [*NO_INTEGERS, (TYPE, None), (VALUE, 0), (VALUE, 2**31)],
    ("NMF.fit", "n_factors"): [*NO_INTEGERS, (TYPE, None), (VALUE, 0), (VALUE, -1), (VALUE, 2**40)],
    ("NMF.fit", "unseen"): [(TYPE, None), (TYPE, 0), (VALUE, "missing"), (VALUE, "")],
    ("NMF.fit", "start"): [(TYPE, None), (TYPE, 0), (VALUE, "svd"), (VALUE, "")],
    ("NMF.fit", "l1_regularization"): [
        (TYPE, "1"),
        (TYPE, None),
        (TYPE, True),
        (TYPE, (1.0, None)),
        (VALUE, -0.1),
        (VALUE, np.nan),
        (VALUE, np.inf),
        (VALUE, (1.0, -1.0)),
        (VALUE, (1.0,)),
        (VALUE, (1.0,) * 3),
    ],
    ("NMF.fit", "l2_regularization"): [*NO_NUMBERS[:5], (VALUE, -0.1), (VALUE, np.nan), (VALUE, (np.inf, 1.0))],
    ("NMF.fit", "n_epochs"): [*NO_INTEGERS, (TYPE, None), (VALUE, -1)],
    ("NMF.fit", "random_state"): [(TYPE, "1"), (TYPE, 1.0), (TYPE, True), (VALUE, -1), (VALUE, 2**64)],
    ("PureSVD.fit", "n_factors"): [*NO_INTEGERS, (TYPE, None), (VALUE, 0), (VALUE, -1), (VALUE, 2**40)],
    ("PureSVD.fit", "random_state"): [(TYPE, "1"), (TYPE, 1.0), (TYPE, True), (VALUE, -1), (VALUE, 2**64)],
    ("PureSVD.fit", "dtype"): NO_FLOATS,
    ("implicit_loss", "unobserved_weight"): [*NO_NUMBERS, (VALUE, -0.1), (VALUE, np.nan)],
    ("implicit_loss", "user_regularization"): NO_ROW_NUMBERS,
    ("implicit_loss", "item_regularization"): [*NO_ROW_NUMBERS[:3], (VALUE, -1.0), (VALUE, np.nan), (VALUE, [1.0])],
}
OPTIONS |= {
    ("user_similarity", option.replace("_items", "_users")): cases
    for (operation, option), cases in OPTIONS.items()
    if operation == "item_similarity"
}


@pytest.mark.filterwarnings("error::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize(
    ("operation", "option", "exception", "value"),
    [(*name, *case) for name, cases in OPTIONS.items() for case in cases],
)
def test_option(operation, option, exception, value):
    assert_refused(exception, option, CALLS[operation], **{option: value})


def test_every_option_is_tested():
    tested = {(operation, "n_threads") for operation in HAVE_THREADS}
    tested |= {(operation, "k") for operation in HAVE_K} | set(OPTIONS) | set(SPARSE) | set(DENSE)
    tested |= {("top_k_inner_product", "exclude"), ("top_k_inner_product", "candidates")}
    arguments = {
        (operation, argument)
        for operation in set(fastrec.reference.__all__) & set(fastrec.__all__)
        for argument, parameter in inspect.signature(getattr(fastrec, operation)).parameters.items()
        if parameter.kind != parameter.VAR_KEYWORD  # of a metric: test_item_similarity.py
    }
    assert arguments <= tested


@pytest.mark.parametrize("operation", CALLS)
def test_unknown_option(operation):
    with pytest.raises(TypeError, match="shrinkag"):
        CALLS[operation](shrinkag=1.0)


@pytest.mark.parametrize("operation", ["bm25_weight", "tfidf_weight"])
@pytest.mark.parametrize("value", [-1.0, -1e-30])
def test_negative_counts(operation, value):
    assert_refused(VALUE, "x", SPARSE[operation, "x"], changed("data", 1, value))


def test_negative_weights():
    assert_refused(VALUE, "weights", SPARSE["als_half_step", "weights"], changed("data", 1, -1.0))
    assert_refused(VALUE, "weights", SPARSE["implicit_loss", "weights"], changed("data", 1, -1.0))


# ---- patterns -------------------------------------------------------------------------------------------------------


BAD_PATTERNS = {
    "too few rows": (VALUE, lambda: good()[:3]),
    "too few columns": (VALUE, lambda: good()[:, :4]),
    "transposed": (VALUE, lambda: good().T),
    "a row for all": (VALUE, lambda: good()[:1]),
    "a list of two dimensions": (VALUE, lambda: [[1, 2], [3, 4]]),
    "a dense matrix": (VALUE, lambda: np.zeros(SHAPE, np.int64)),
    "an id equal to the number of items": (VALUE, lambda: [0, 5]),
    "a negative id": (VALUE, lambda: [0, -1]),
    "an id that int32 would wrap": (VALUE, lambda: [2**32]),
    "an id that int64 would wrap": (VALUE, lambda: np.array([2**63], np.uint64)),
    "float ids": (TYPE, lambda: [1.0, 2.0]),
    "a mask": (TYPE, lambda: [True, False, True, False, False]),
    "strings": (TYPE, lambda: ["1"]),
    "a str": (TYPE, lambda: "all"),
    "objects": (TYPE, lambda: np.array([1, None])),
    "masked": (TYPE, lambda: np.ma.masked_array([1, 2], [0, 1])),
    "an index out of range": (VALUE, lambda: changed("indices", 1, 5)),
    "a negative index": (VALUE, lambda: changed("indices", 1, -1)),
    "float indices": (TYPE, lambda: with_parts(indices=good().indices.astype(np.float32))),
    "decreasing row pointers": (VALUE, lambda: changed("indptr", 1, 6)),
    "decreasing unsigned row pointers": (VALUE, lambda: changed("indptr", 1, 6, np.uint64)),
    "row pointers past the stored entries": (VALUE, lambda: changed("indptr", -1, 8)),
    "too few row pointers": (VALUE, lambda: with_parts(indptr=good().indptr[:-1])),
}


@pytest.mark.parametrize("operation", ["top_k_inner_product", "ItemIndex.top_k"])
@pytest.mark.parametrize("argument", ["exclude", "candidates"])
@pytest.mark.parametrize("kind", BAD_PATTERNS)
def test_bad_pattern(operation, argument, kind):
    exception, make = BAD_PATTERNS[kind]
    call = CALLS[operation]
    assert_refused(exception, argument, lambda ids: call(**{argument: ids}), make())


@pytest.mark.parametrize("argument", ["exclude", "candidates"])
@pytest.mark.parametrize("dtype", [np.complex64, np.longdouble, bool])
@pytest.mark.parametrize("form", ["csr", "coo", "csc"])
def test_values_of_a_pattern_mean_nothing(argument, dtype, form):
    call = CALLS["top_k_inner_product"]
    assert_same(call(**{argument: good().astype(dtype).asformat(form)}), call(**{argument: good()}))


# ---- memory ---------------------------------------------------------------------------------------------------------


def dense_as_sparse(*shape):
    return csr_array(np.ones(shape, np.float32))


TOO_LARGE = {
    "top_k, answer": lambda: fastrec.top_k(ones(4, 5), 10**6),
    "top_k (sparse), answer": lambda: fastrec.top_k(good(), 10**6),
    "ItemIndex": lambda: fastrec.ItemIndex(ones(10**6, 8)),
    "ItemIndex.top_k, answer": lambda: fastrec.ItemIndex(ones(5, 3)).top_k(ones(4, 3), 10**6),
    "top_k_inner_product, answer": lambda: fastrec.top_k_inner_product(ones(4, 3), ones(5, 3), 10**6),
    "sparse_top_k_product, answer": lambda: fastrec.sparse_top_k_product(
        dense_as_sparse(900, 2), dense_as_sparse(2, 900), 900
    ),
    "sparse_top_k_product, scratch": lambda: fastrec.sparse_top_k_product([[1.0]], csr_array((1, 10**7)), 1),
    "item_similarity, answer": lambda: fastrec.item_similarity(dense_as_sparse(2, 900), 900),
    "item_similarity, scratch": lambda: fastrec.item_similarity(csr_array((1, 10**7)), 1),
    "als_half_step, answer": lambda: fastrec.als_half_step(csr_array((10**6, 1)), csr_array((10**6, 1)), ones(1, 8)),
    "EASE.fit": lambda: fastrec.EASE().fit(csr_array((1, 1000))),
    "NMF.fit": lambda: fastrec.NMF(start="random").fit(csr_array((10**5, 2))),
    "PureSVD.fit": lambda: fastrec.PureSVD().fit(csr_array((10**5, 2))),
    "als_half_step, scratch": lambda: fastrec.als_half_step([[1.0]], [[1.0]], ones(1, 3000)),
    "als_half_step, nonnegative": lambda: fastrec.als_half_step([[1.0]], [[1.0]], ones(1, 3000), nonnegative=True),
}


@pytest.mark.parametrize("kind", TOO_LARGE)
def test_more_memory_than_there_is(memory_of, kind):
    memory_of(10**6)
    with pytest.raises(MemoryError, match=r"needs .* GiB but .* GiB are available; .*\."):
        TOO_LARGE[kind]()


@pytest.mark.parametrize("operation", ["top_k", "top_k (sparse)", "top_k_inner_product"])
@pytest.mark.parametrize("k", [2**45, 2**70, 10**400], ids=["2^45", "2^70", "10^400"])
def test_an_answer_that_no_machine_can_hold(operation, k):
    with pytest.raises(MemoryError, match=r"needs .* GiB"):
        CALLS[operation](k=k)


@pytest.mark.parametrize("operation", ["sparse_top_k_product", "item_similarity"])
@pytest.mark.parametrize("k", [2**45, 2**70, 10**400], ids=["2^45", "2^70", "10^400"])
def test_k_far_above_what_a_row_can_have(operation, k):
    assert_same(CALLS[operation](k=k), CALLS[operation](k=100))


# ---- allowed: nothing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
@pytest.mark.parametrize("make", [np.zeros, csr_array])
def test_empty_scores(shape, make):
    padding = TopK(np.full((shape[0], 2), -1, np.int32), np.full((shape[0], 2), -np.inf))
    assert_same(fastrec.top_k(make(shape), 2), padding)


@pytest.mark.parametrize("n_factors", [0, 3])
@pytest.mark.parametrize(("n_queries", "n_items"), [(0, 0), (0, 4), (4, 0)])
def test_empty_factors(n_queries, n_items, n_factors):
    padding = TopK(np.full((n_queries, 2), -1, np.int32), np.full((n_queries, 2), -np.inf, np.float32))
    factors = ones(n_queries, n_factors), ones(n_items, n_factors)
    assert_same(fastrec.top_k_inner_product(*factors, 2), padding)
    nothing = csr_array((n_queries, n_items))
    assert_same(fastrec.top_k_inner_product(*factors, 2, exclude=nothing, candidates=nothing), padding)
    assert_same(fastrec.top_k_inner_product(*factors, 2, exclude=[], candidates=[]), padding)


def test_no_factors_score_zero():
    answer = fastrec.top_k_inner_product(ones(2, 0), ones(3, 0), 2)
    assert_same(answer, TopK(np.array([[0, 1]] * 2, np.int32), np.zeros((2, 2), np.float32)))


@pytest.mark.parametrize("sizes", [(0, 0, 0), (0, 2, 3), (2, 0, 3), (2, 3, 0), (2, 2, 2)])
def test_empty_products(sizes):
    n_rows, n_inner, n_columns = sizes
    answer = fastrec.sparse_top_k_product(csr_array((n_rows, n_inner)), csr_array((n_inner, n_columns)), 2)
    assert_same(answer, csr_array((n_rows, n_columns)))


# ---- messages that said something else ------------------------------------------------------------------------------


def explicit(dtype="float32"):
    return fastrec.ExplicitALS(3, n_epochs=1, random_state=0, dtype=dtype)


def half_step(weight, target):
    return fastrec.als_half_step(csr_array([[weight, 1.0]]), csr_array([[target, 1.0]]), ones(2, 3))


SAID = {
    "init of three parts": (
        VALUE,
        "init: expected item factors, or .item factors, item biases., got 3 of them.",
        lambda: explicit().fit(good(), init=(ones(5, 3), ones(5), ones(5, 3))),
    ),
    "item factors of a pair": (
        VALUE,
        r"init\[0\]: expected item factors of shape \(5, 3\)",
        lambda: explicit().fit(good(), init=(ones(5, 2), ones(5))),
    ),
    "item biases that float32 cannot hold": (
        VALUE,
        r"init\[1\]: expected values of up to 3.4\d+e\+38, got 1e\+300",
        lambda: explicit().fit(good(), init=(ones(5, 3), np.full(5, 1e300))),
    ),
    "factors of a pair": (
        VALUE,
        r"init\[1\]: expected item factors of shape \(5, 3\)",
        lambda: fastrec.NMF(3).fit(good(), init=(ones(4, 3), ones(5, 2))),
    ),
    "negative users": (
        VALUE,
        r"init\[0\]: expected values of at least 0",
        lambda: fastrec.NMF(3).fit(good(), init=(-ones(4, 3), ones(5, 3))),
    ),
    "a nonnegative solution that no number holds": (
        VALUE,
        "weights, targets and fixed: expected rows with solutions that float64 can hold, got row 0, which has none",
        lambda: fastrec.als_half_step(good(), good(), np.full((5, 3), 1e300), nonnegative=True),
    ),
    "weights that float32 cannot hold": (
        VALUE,
        r"weights: expected values of up to 3.4\d+e\+38, got 1e\+39",
        lambda: half_step(1e39, 1.0),
    ),
    "targets that float32 cannot hold": (
        VALUE,
        r"targets: expected values of up to 3.4\d+e\+38, got 1e\+39",
        lambda: half_step(1.0, 1e39),
    ),
    "weights of a model that float32 cannot hold": (
        VALUE,
        r"weights: expected values of up to 3.4\d+e\+38, got 1e\+39",
        lambda: fastrec.ImplicitALS(3).fit(np.ones((1, 1)), weights=np.full((1, 1), 1e39)),
    ),
    "ratings of items that are too large": (
        VALUE,
        "item_users: expected values of up to 1e",
        lambda: explicit().fit(good()).fold_in_items(csr_array(np.full((1, 4), 1e19))),
    ),
    "ratings of new items that are too large": (
        VALUE,
        "item_users: expected values of up to 1e",
        lambda: explicit().fit(good()).partial_fit_items(csr_array(np.full((1, 4), 1e19)), items=[5]),
    ),
    "interactions of items that are too large": (
        VALUE,
        "1 . alpha . .item_users.: expected finite values",
        lambda: fastrec.ImplicitALS(3).fit(good()).fold_in_items(csr_array(np.full((1, 4), 1e39))),
    ),
    "weighting that is no name": (
        TYPE,
        "weighting: expected None, or one of 'bm25', 'tfidf', got 1",
        lambda: fastrec.ItemKNN(weighting=1).fit(good()),
    ),
    "no dtype": (
        TYPE,
        "dtype: expected float32 or float64, got None",
        lambda: explicit(dtype=None).fit(good()),
    ),
    "counts whose sum is infinite": (
        VALUE,
        r"sum of counts times \(k1 \+ 1\): expected finite values",
        lambda: fastrec.bm25_weight(csr_array([[1.7e308, 1.7e308], [1, 0]])),
    ),
    "a loss that is infinite less another": (
        VALUE,
        "loss of user_factors and item_factors: expected finite values",
        lambda: fastrec.implicit_loss([[1.0]], [[1.0]], [[2.0]], [[2.0]], unobserved_weight=1e308),
    ),
    "similarities that are infinite": (
        VALUE,
        "similarities of user_items: expected finite values",
        lambda: fastrec.ItemKNN(metric="dot").fit(csr_array(np.full((2, 2), 1e30, np.float32))),
    ),
    "shrinkage of a metric of one's own": (
        VALUE,
        "shrinkage: expected 0 with a metric of your own, got 2; shrink inside of it.",
        lambda: fastrec.item_similarity(good(), 2, metric=numba.njit(lambda *_: 1.0), shrinkage=2),
    ),
    "columns beside rows": (
        VALUE,
        "weights has 5 columns but fixed has 4 rows; both need the same number.",
        lambda: fastrec.als_half_step(good(), good(), ones(4, 3)),
    ),
    "columns of cells beside items": (
        VALUE,
        "weights has 5 columns but item_factors has 4 rows; both need the same number.",
        lambda: fastrec.implicit_loss(good(), good(), ones(4, 3), ones(4, 3)),
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", SAID)
def test_a_message_says_what_is_wrong(kind):
    exception, said, call = SAID[kind]
    with pytest.raises(exception, match=said) as caught:
        call()
    assert caught.type is exception


# ---- the checks of this file can fail -------------------------------------------------------------------------------


def test_refusals_are_recognised():
    assert_refused(VALUE, "k", CALLS["top_k"], k=0)
    for exception, argument, k in [(TYPE, "k", 0), (VALUE, "scores", 0), (VALUE, "k", 2.0)]:
        with pytest.raises(AssertionError):
            assert_refused(exception, argument, CALLS["top_k"], k=k)
    with pytest.raises(pytest.fail.Exception):
        assert_refused(VALUE, "k", CALLS["top_k"], k=1)
    for unclear in ["", "bad k.", "k: expected an integer.", "k: expected 1, got 2", "x: expected 1, got 2."]:
        with pytest.raises(AssertionError):
            assert_clear(unclear, "k")


def test_a_changed_argument_is_recognised():
    def careless(matrix):
        matrix.data[0] = 7
        raise ValueError("x: expected 1, got 2.")

    with pytest.raises(AssertionError):
        assert_refused(VALUE, "x", careless, good())
