"""fastrec.compat.sparse_dot_topn beside sparse_dot_topn: the same answers, but where those are wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array, coo_matrix, csc_array, csc_matrix, csr_array, csr_matrix

from compat.originals import assert_same_names, assert_same_rows, needs, printed_by, raised_by
from fastrec.compat import sparse_dot_topn as ours
from strategies import seeds

needs_original = needs("sparse_dot_topn")
FORMATS = {"csr": csr_matrix, "csc": csc_matrix, "coo": coo_matrix}
DTYPES = ["float32", "float64", "int32", "int64"]


def original():
    import sparse_dot_topn

    return sparse_dot_topn


def values(rng, shape, dtype):
    """Positive ones, of which sums do not tie by chance where they are real."""
    filled = rng.random(shape) < 0.4
    drawn = rng.random(shape) + 0.1 if np.dtype(dtype).kind == "f" else rng.integers(1, 2**12, shape)
    return (drawn * filled).astype(dtype)


@st.composite
def operands(draw):
    """Two matrices, the second as it is or transposed."""
    rng = np.random.default_rng(draw(seeds))
    n_rows, n_inner, n_columns = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    dtype = draw(st.sampled_from(DTYPES))
    a, b = values(rng, (n_rows, n_inner), dtype), values(rng, (n_inner, n_columns), dtype)
    formats = [draw(st.sampled_from(list(FORMATS))) for _ in range(2)]
    if formats == ["csc", "csc"] and n_rows == n_columns:  # which it takes for transposes
        formats[0] = "csr"
    turned = n_inner not in (n_columns, n_rows) and draw(st.booleans())
    return FORMATS[formats[0]](a), FORMATS[formats[1]](b.T if turned else b)


@needs_original
@given(operands(), st.integers(1, 12), st.data())
def test_answers_as_the_original(matrices, top_n, data):
    kind = matrices[0].dtype.kind
    options = {
        "top_n": top_n,
        "threshold": data.draw(st.sampled_from([None, 0, 0.3141592, 0.9] if kind == "f" else [None, 0, 5e6, 1.4])),
        "sort": data.draw(st.booleans()),
        "density": data.draw(st.sampled_from([None, 0.2])),
        "n_threads": data.draw(st.sampled_from([None, 0, 1, 2])),
        "idx_dtype": data.draw(st.sampled_from([None, np.int32, np.int64])),
    }
    mine, other = (library.sp_matmul_topn(*matrices, **options) for library in (ours, original()))
    assert type(mine) is csr_matrix
    assert mine.indices.dtype == other.indices.dtype
    assert_same_rows(mine, other)
    if kind == "f":  # no ties, so that the order is the same to the last entry
        np.testing.assert_array_equal(mine.indptr, other.indptr)
        np.testing.assert_array_equal(mine.indices, other.indices)


@needs_original
@given(operands(), st.sampled_from([None, 2]))
def test_products_as_the_original(matrices, n_threads):
    mine, other = (library.sp_matmul(*matrices, n_threads=n_threads) for library in (ours, original()))
    assert_same_rows(mine, other)
    assert type(mine) is csr_matrix
    np.testing.assert_array_equal(mine.indices, other.indices[: mine.nnz])


@needs_original
@given(operands(), st.integers(1, 9), st.data())
def test_zipped_as_the_original(matrices, top_n, data):
    a, b = matrices
    if a.shape[1] != b.shape[0]:
        b = b.T
    blocks = [ours.sp_matmul_topn(a.tocsr(), b.tocsr(), top_n + data.draw(st.integers(0, 2)), threshold=0)]
    blocks += [FORMATS[data.draw(st.sampled_from(list(FORMATS)))](blocks[0] * 3)]
    mine, other = (library.zip_sp_matmul_topn(top_n, blocks) for library in (ours, original()))
    assert_same_rows(mine, other)
    np.testing.assert_array_equal(mine.data, other.data)


@needs_original
@given(operands(), st.integers(1, 9), st.booleans())
def test_the_deprecated_function_as_the_original(matrices, top_n, with_best):
    answers = []
    for library in (ours, original()):
        with pytest.warns(DeprecationWarning, match="awesome_cossim_topn"):
            answers.append(library.awesome_cossim_topn(*matrices, top_n, 0.2, True, 2, with_best))
    if with_best and all(matrix.nnz for matrix in matrices):
        assert answers[0][1] == answers[1][1]
        answers = [answer[0] for answer in answers]
        assert_same_rows(*answers)


BAD = {
    "a dense matrix": lambda lib, x: lib.sp_matmul_topn(x.toarray(), x, 2),
    "a dense second matrix": lambda lib, x: lib.sp_matmul_topn(x, x.toarray(), 2),
    "a matrix of blocks": lambda lib, x: lib.sp_matmul_topn(x.tobsr(), x, 2),
    "shapes that do not fit": lambda lib, x: lib.sp_matmul_topn(x, x[:2, :2], 2),
    "shapes that do not fit, whole": lambda lib, x: lib.sp_matmul(x, x[:2, :2]),
    "integers and floats": lambda lib, x: lib.sp_matmul_topn(x.astype(np.int64), x, 2),
    "bytes": lambda lib, x: lib.sp_matmul_topn(x.astype(np.int8), x.astype(np.int8), 2),
    "short indices": lambda lib, x: lib.sp_matmul_topn(x, x, 2, idx_dtype=np.int16),
    "a real top_n": lambda lib, x: lib.sp_matmul_topn(x, x, 2.5),
    "a negative top_n": lambda lib, x: lib.sp_matmul_topn(x, x, -1),
    "a word as threshold": lambda lib, x: lib.sp_matmul_topn(x, x, 2, threshold="high"),
    "a word as density": lambda lib, x: lib.sp_matmul_topn(x, x, 2, density="high"),
    "real n_threads": lambda lib, x: lib.sp_matmul_topn(x, x, 2, n_threads=1.5),
    "blocks of other heights": lambda lib, x: lib.zip_sp_matmul_topn(2, [x, x[:2]]),
    "a dense block": lambda lib, x: lib.zip_sp_matmul_topn(2, [x, x.toarray()]),
    "room": lambda lib, x: lib.awesome_cossim_topn(x, x, 2, test_nnz_max=9),
    "an unknown argument": lambda lib, x: lib.sp_matmul_topn(x, x, k=2),
}


@pytest.mark.parametrize("call", BAD)
def test_bad_input_is_an_error(call):
    assert raised_by(lambda: BAD[call](ours, csr_matrix(np.eye(3)))) in (TypeError, ValueError, DeprecationWarning)


@needs_original
@pytest.mark.parametrize("call", BAD)
def test_errors_are_of_the_type_of_the_original(call):
    x = csr_matrix(np.eye(3))
    assert raised_by(lambda: BAD[call](ours, x)) is raised_by(lambda: BAD[call](original(), x))


@needs_original
def test_names_and_arguments_are_those_of_the_original():
    assert_same_names("sparse_dot_topn")
    assert set(ours.__all__) >= set(original().__all__)
    assert ours._has_openmp_support is True


@needs_original
@pytest.mark.parametrize("program", ["string_matching", "product_in_chunks"])
def test_a_program_prints_the_same(program):
    theirs, mine = printed_by(program, "sparse_dot_topn")
    assert mine == theirs
    assert len(mine.splitlines()) > 3


# ---- against SciPy --------------------------------------------------------------------------------------------------


@st.composite
def unsorted(draw, dtype):
    """Two factors with rows in any order, entries that are there twice, stored zeros.

    Either both are whole or both positive: else SciPy has roundings where terms cancel, and we have nothing.
    """
    pool = [-2, -1, 0, 1, 2, 3] if draw(st.booleans()) else [0.5, 1.1, 2.3]
    return [unsorted_rows(np.random.default_rng(draw(seeds)), shape, dtype, pool) for shape in ((7, 5), (5, 8))]


def unsorted_rows(rng, shape, dtype, pool):
    n = rng.integers(0, 3 * shape[0] + 1)
    indptr = np.sort(rng.integers(0, n + 1, shape[0] - 1))
    return csr_matrix(
        (rng.choice(pool, n).astype(dtype), rng.integers(0, shape[1], n), [0, *indptr, n]), shape=shape, dtype=dtype
    )


@given(st.sampled_from(DTYPES), st.sampled_from([None, 2]), st.data())
def test_all_entries_are_those_of_scipy_in_its_order(dtype, n_threads, data):
    a, b = data.draw(unsorted(dtype))
    expected = a @ b
    for mine in (ours.sp_matmul(a, b, n_threads), ours.sp_matmul_topn(a, b, 8, n_threads=n_threads)):
        np.testing.assert_array_equal(mine.indptr, expected.indptr)
        np.testing.assert_array_equal(mine.indices, expected.indices)
        np.testing.assert_allclose(mine.data, expected.data, rtol=1e-6)


@given(st.sampled_from(DTYPES), st.integers(1, 8), st.sampled_from([None, -3.0, 0.0, 1.0]), st.data())
def test_the_best_are_a_part_of_all_in_their_order(dtype, top_n, threshold, data):
    a, b = data.draw(unsorted(dtype))
    everything, best = ours.sp_matmul_topn(a, b, 8, threshold), ours.sp_matmul_topn(a, b, top_n, threshold)
    ranked = ours.sp_matmul_topn(a, b, top_n, threshold, sort=True)
    for row in range(7):
        there, kept = everything[row], best[row]
        assert kept.indices.tolist() == [column for column in there.indices if column in set(kept.indices)]
        assert sorted(kept.data, reverse=True) == sorted(there.data, reverse=True)[:top_n] == ranked[row].data.tolist()
        assert set(kept.indices) == set(ranked[row].indices)


@pytest.mark.parametrize("threshold", [None, 0.2, 0.7])
def test_the_order_does_not_depend_on_how_a_row_was_found(threshold):
    """Long rows are summed in blocks of columns; with a threshold some terms are skipped."""
    rng = np.random.default_rng(0)
    terms = np.minimum(rng.zipf(1.3, (3_000, 8)) - 1, 499)
    vectors = csr_matrix((np.ones(terms.size), (np.repeat(np.arange(3_000), 8), terms.ravel())), shape=(3_000, 500))
    vectors = csr_matrix(vectors.multiply(1 / np.sqrt(vectors.multiply(vectors).sum(axis=1))))
    everything = vectors[:200] @ vectors.T
    best = ours.sp_matmul_topn(vectors[:200], vectors.T, 5, threshold=threshold)
    assert best.nnz > 500
    for row in range(200):
        place = {column: at for at, column in enumerate(everything[row].indices.tolist())}
        places = [place[column] for column in best[row].indices.tolist()]
        assert places == sorted(places)
        kept = everything[row].data[everything[row].data > (threshold or 0)]
        np.testing.assert_allclose(np.sort(best[row].data), np.sort(kept)[-5:])


@pytest.mark.parametrize("sizes", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0)])
def test_matrices_of_nothing(sizes):
    x, y = csr_matrix(sizes[:2]), csr_matrix(sizes[1:])
    found = [ours.sp_matmul(x, y), ours.sp_matmul_topn(x, y, 2), ours.sp_matmul_topn(x, y, 2, 0.1, True, n_threads=2)]
    assert {(answer.shape, answer.nnz) for answer in found} == {((sizes[0], sizes[2]), 0)}
    assert ours.zip_sp_matmul_topn(2, found).shape == (sizes[0], 3 * sizes[2])


# ---- what is wrong there and right here -----------------------------------------------------------------------------


def test_negative_entries_are_kept():
    x, y = csr_matrix([[1.0, -2.0]]), csr_matrix([[1.0, 0, 0, 2], [0, 2, 1, 1]])
    assert ours.sp_matmul_topn(x, y, 2).toarray().tolist() == [[1, 0, -2, 0]]  # and what is zero is no entry
    blocks = [ours.sp_matmul_topn(x, y[:, columns], 4) for columns in (slice(0, 2), slice(2, 4))]
    assert ours.zip_sp_matmul_topn(2, blocks).toarray().tolist() == [[1, 0, -2, 0]]


def test_sums_that_cancel_shift_no_row():
    x, y = csr_matrix([[1.0, -1], [0, 1]]), csr_matrix([[1.0, 2], [1, 3]])
    assert ours.sp_matmul(x, y).toarray().tolist() == [[0, -1], [1, 3]]


@pytest.mark.parametrize("top_n", [0, -1])
def test_no_entries_asked_for(top_n):
    x = csr_matrix(np.eye(3))
    for call in (ours.sp_matmul_topn, ours.unchecked.sp_matmul_topn):
        with pytest.raises(ValueError, match="top_n"):
            call(x, x, top_n, threshold=None, sort=True, density=None)


@pytest.mark.parametrize("form", [csr_array, csc_array, coo_array])
def test_sparse_arrays(form):
    x = form(np.eye(3))
    assert type(ours.sp_matmul_topn(x, x, 2)) is csr_matrix
    assert ours.sp_matmul(x, x).toarray().tolist() == np.eye(3).tolist()
    assert ours.zip_sp_matmul_topn(1, [x, x]).shape == (3, 6)


@pytest.mark.parametrize(("narrow", "wide"), [("float32", "float64"), ("int32", "int64")])
def test_two_dtypes_of_a_kind_meet_in_the_wider(narrow, wide):
    x = csr_matrix(np.eye(3))
    for pair in ((x.astype(narrow), x.astype(wide)), (x.astype(wide), x.astype(narrow))):
        assert ours.sp_matmul_topn(*pair, 2).dtype == wide
        assert [matrix.dtype for matrix in ours.types.ensure_compatible_dtype(*pair)] == [wide, wide]


def test_a_product_of_zeros():  # sparse_dot_topn issue 49: IndexError
    x, zeros = csr_matrix(np.eye(3)), csr_matrix((3, 3))
    for found in (ours.sp_matmul(x, zeros), ours.sp_matmul_topn(zeros, x, 2), ours.sp_matmul_topn(x, x, 2, 1.0)):
        assert (found.nnz, len(found.indices), len(found.data)) == (0, 0, 0)
    with pytest.warns(DeprecationWarning, match="awesome_cossim_topn"):
        found, best = ours.awesome_cossim_topn(x, zeros, 2, return_best_ntop=True)
    assert (found.nnz, best) == (0, 0)


def test_columns_that_fit_as_they_are():
    x, y = np.array([[1.0, 2.0], [0.0, 3.0]]), np.array([[1.0, 0.0], [5.0, 1.0]])
    assert ours.sp_matmul(csc_matrix(x), csc_matrix(y)).toarray().tolist() == (x @ y).tolist()


def test_blocks_of_a_generator():
    blocks = [csr_matrix(np.eye(3)), csr_matrix(2 * np.eye(3))]
    mine = ours.zip_sp_matmul_topn(2, (block for block in blocks))
    assert (mine != ours.zip_sp_matmul_topn(2, blocks)).nnz == 0


@pytest.mark.parametrize(("top_n", "blocks", "error", "message"), [
    (2, [], ValueError, "C_mats: expected at least one"),
    (2, iter([]), ValueError, "C_mats: expected at least one"),
    (2, csr_matrix(np.eye(3)), TypeError, "`C_mats` must be a list of sparse matrices.*pass"),
    (2, 7, TypeError, "`C_mats` must be a list of sparse matrices, got .*int"),
    (2, [csr_matrix([[np.nan]])], ValueError, r"C_mats\[0\]: expected"),
    (0, [csr_matrix(np.eye(3))], ValueError, "top_n: expected an integer of at least 1, got 0"),
])  # fmt: skip
def test_wrong_blocks_are_named(top_n, blocks, error, message):
    with pytest.raises(error, match=f"^{message}"):
        ours.zip_sp_matmul_topn(top_n, blocks)


def test_arrays_that_do_not_fit_end_no_process():  # sparse_dot_topn issue 13: segfault
    x = csr_matrix(np.eye(3))
    core = ours._core
    arrays = (x.data, x.indptr, x.indices)
    data, indices, indptr = core.sp_matmul_topn_sorted_mt(1, 3, 3, None, 2, *arrays, *arrays)
    assert (data.tolist(), indices.tolist(), indptr.tolist()) == ([1, 1, 1], [0, 1, 2], [0, 1, 2, 3])
    with pytest.raises(ValueError, match="indices"):
        core.sp_matmul(3, 2, *arrays, *arrays)
    with pytest.raises(ValueError, match="incompatible shapes"):
        ours.unchecked.sp_matmul_topn(x, csr_matrix((4, 5)), 2, True, None, 1.0)


@pytest.mark.parametrize("function", [ours.sp_matmul, lambda a, b: ours.sp_matmul_topn(a, b, 2)])
def test_columns_far_outside_are_no_crash(function):
    """SciPy follows them when it converts."""
    wrong, right = csc_matrix(np.ones((3, 3), np.float32)), csr_matrix(np.ones((3, 3), np.float64))
    wrong.indices = np.array([2 * 10**9] + [0] * 8, np.int32)
    for operands in ((wrong, right), (right, wrong)):
        with pytest.raises(ValueError, match=r"[AB]\.indices: expected"):
            function(*operands)
