"""fastrec.compat.similaripy beside similaripy: the same answers, but where those are wrong."""

import inspect

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.sparse import coo_array, csc_array, csr_array, csr_matrix

import fastrec
from compat.originals import assert_close, assert_same_names, assert_same_rows, needs, printed_by, raised_by
from fastrec.compat import similaripy as ours
from fastrec.compat.similaripy.cython_code import normalization
from strategies import seeds

needs_original = needs("similaripy")
FORMATS = {"csr_array": csr_array, "csr_matrix": csr_matrix, "csc_array": csc_array, "coo_array": coo_array}
OWN = {
    "dot_product": {},
    "cosine": {},
    "asymmetric_cosine": {"alpha": [0.0, 0.2, 1.0]},
    "jaccard": {},
    "dice": {},
    "tversky": {"alpha": [0.0, 0.8, 2.0], "beta": [0.4]},
    "p3alpha": {"alpha": [0.8, 1.5]},
    "rp3beta": {"alpha": [0.8], "beta": [0.0, 0.4]},
    "s_plus": {
        "l1": [0.0, 0.5], "l2": [0.0, 0.7], "l3": [0.0, 1.0], "t1": [1.0, 0.3], "t2": [0.0, 2.0], "c1": [0.2],
        "c2": [0.8], "alpha": [1.0, 0.5], "pop1": ["sum"], "pop2": ["sum", "array"], "beta1": [0.5], "beta2": [1.5],
    },
}  # fmt: skip
MEASURES = list(OWN)


def original():
    import similaripy

    return similaripy


def positive(rng, shape, share=0.4):
    """Values of which sums neither cancel nor tie by chance; no row is empty."""
    values = rng.choice([0.25, 1.0, 1.3, 2.0, 3.7], shape) * (rng.random(shape) < share)
    values[np.arange(shape[0]), rng.integers(0, shape[1], shape[0])] = 1.5
    return values


@st.composite
def calls(draw):
    """A function, its positional and its keyword arguments, all of which similaripy answers rightly."""
    measure = draw(st.sampled_from(MEASURES))
    rng = np.random.default_rng(draw(seeds))
    n_rows, n_inner, n_columns = (draw(st.integers(2, 9)) for _ in range(3))
    dtype, form = draw(st.sampled_from(["float32", "float64", "int64"])), FORMATS[draw(st.sampled_from(list(FORMATS)))]
    matrices = [form(positive(rng, (n_rows, n_inner)).astype(dtype))]
    if draw(st.booleans()):
        matrices.append(form(positive(rng, (n_inner, n_columns)).astype(dtype)))
    else:
        n_columns = n_rows
    options = {"k": draw(st.integers(1, 10)), "verbose": False}
    for name, values in OWN[measure].items():
        if draw(st.booleans()):
            value = draw(st.sampled_from(values))
            options[name] = rng.random(n_columns) + 0.5 if value == "array" else value
    if draw(st.booleans()):
        options["shrink"] = draw(st.sampled_from([0.5, 10.0]))
        options["shrink_type"] = draw(st.sampled_from(["stabilized", "bayesian", "additive"]))
    if draw(st.booleans()):
        options["threshold"] = draw(st.sampled_from([0.1234567, 0.4567891, -1.0]))
    options["binary"] = measure not in ("p3alpha", "rp3beta") and draw(st.booleans())
    options["format_output"] = draw(st.sampled_from(["coo", "csr"]))
    options["num_threads"] = draw(st.integers(0, 2))
    options["block_size"] = draw(st.sampled_from([0, None, 2]))
    if draw(st.booleans()):
        options["target_rows"] = rng.permutation(n_rows)[: draw(st.integers(1, n_rows))].tolist()
    for name in ("target_cols", "filter_cols"):
        options[name] = draw(selectors(rng, (n_rows, n_columns)))
    assume(not wrong_there(measure, options))
    return measure, matrices, options


@st.composite
def selectors(draw, rng, shape):
    kind = draw(st.sampled_from(["none", "list", "array", "matrix", "empty"]))
    if kind == "matrix":
        mask = rng.random(shape) < 0.6
        mask[0, 0] = True  # an empty one beside a list is an error there
        return csr_array(mask.astype(np.float32))
    ids = rng.integers(-1, shape[1] + 1, draw(st.integers(1, 2 * shape[1])))
    return {"none": None, "list": ids.tolist(), "array": ids, "empty": []}[kind]


def wrong_there(measure, options):
    """What the tests at the end are about."""
    bayesian = options.get("shrink_type") == "bayesian"
    if options["binary"] and any(
        isinstance(options[name], list | np.ndarray) for name in ("target_cols", "filter_cols")
    ):
        return True
    nothing_below = all(options.get(name, 0.5 if name != "l3" else 0.0) == 0 for name in ("l1", "l2", "l3"))
    if measure == "s_plus":
        return (options.get("alpha", 1.0) != 1.0 and (bayesian or nothing_below)) or (bayesian and nothing_below)
    return bayesian and measure in ("dot_product", "p3alpha")


@needs_original
@given(calls())
def test_answers_as_the_original(call):
    measure, matrices, options = call
    mine = getattr(ours, measure)(*matrices, **options)
    assert_same_rows(mine, getattr(original(), measure)(*(matrix.copy() for matrix in matrices), **options))
    assert mine.data.all()


@needs_original
@given(seeds, st.sampled_from(["dot_product", "cosine", "asymmetric_cosine", "s_plus"]), st.integers(1, 9))
def test_signed_values_as_the_original(seed, measure, k):
    """With a threshold that lets them pass: 0 is the least that is kept by default."""
    x = csr_array(np.random.default_rng(seed).standard_normal((8, 6)))
    for threshold in (-1e9, 0.0):
        answers = [getattr(it, measure)(x, k=k, threshold=threshold, verbose=False) for it in (ours, original())]
        assert_same_rows(*answers, magnitude=10.0)


WEIGHTINGS = {
    "normalize": {"norm": ["l1", "l2", "max"]},
    "tfidf": {
        "tf_mode": ["binary", "raw", "sqrt", "freq", "log"],
        "idf_mode": ["unary", "base", "smooth", "prob", "bm25"],
        "logbase": [2.0, 10.0],
    },
}
WEIGHTINGS["bm25"] = {**WEIGHTINGS["tfidf"], "k1": [0.5, 2.0], "b": [0.0, 1.0]}
WEIGHTINGS["bm25plus"] = {**WEIGHTINGS["bm25"], "delta": [0.0, 0.7]}


@needs_original
@given(st.sampled_from(list(WEIGHTINGS)), seeds, st.data())
def test_weights_as_the_original(function, seed, data):
    rng = np.random.default_rng(seed)
    dense = positive(rng, (data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))))
    x = FORMATS[data.draw(st.sampled_from(list(FORMATS)))](
        dense.astype(data.draw(st.sampled_from(["float32", "float64", "int64"])))
    )
    options = {"axis": data.draw(st.sampled_from([0, 1])), "inplace": data.draw(st.booleans())}
    for name, values in WEIGHTINGS[function].items():
        if data.draw(st.booleans()):
            options[name] = data.draw(st.sampled_from(values))
    given_both = x.copy(), x.copy()
    mine, other = (
        getattr(it, function)(one, **options) for it, one in zip((ours, original()), given_both, strict=True)
    )
    assert (type(mine), mine.dtype, mine.shape) == (type(other), other.dtype, other.shape)
    np.testing.assert_array_equal(mine.indices, other.indices)
    assert_close(mine.data, other.data, 1.0, str(options))
    assert_close(given_both[0].data, given_both[1].data, 1.0, "in place")


@given(st.sampled_from(list(WEIGHTINGS)), seeds, st.sampled_from([1, 3, 10]), st.data())
def test_weights_by_blocks_of_rows(function, seed, together, data):
    rng = np.random.default_rng(seed)
    x = csr_array((rng.random((7, 6)) * (rng.random((7, 6)) < 0.4)).astype(np.float32))
    options = {name: data.draw(st.sampled_from(values)) for name, values in WEIGHTINGS[function].items()}
    whole = getattr(ours, function)(x, **options)
    with pytest.MonkeyPatch.context() as changes:
        changes.setattr(normalization, "_ENTRIES_AT_ONCE", together)
        np.testing.assert_array_equal(getattr(ours, function)(x, **options).data, whole.data)


BAD = {
    "a dense matrix": lambda lib, x: lib.cosine(x.toarray()),
    "other inner sizes": lambda lib, x: lib.cosine(x, x[:2]),
    "k of 0": lambda lib, x: lib.cosine(x, k=0),
    "no such shrink_type": lambda lib, x: lib.cosine(x, shrink_type="none"),
    "a word as shrink": lambda lib, x: lib.cosine(x, shrink="much"),
    "no threshold": lambda lib, x: lib.cosine(x, threshold=None),
    "too many target_rows": lambda lib, x: lib.cosine(x, target_rows=[0, 1, 2, 0]),
    "a number as target_rows": lambda lib, x: lib.cosine(x, target_rows=1),
    "a tuple as filter_cols": lambda lib, x: lib.cosine(x, filter_cols=(1,)),
    "filter_cols of another shape": lambda lib, x: lib.cosine(x, filter_cols=x[:2]),
    "target_cols of another shape": lambda lib, x: lib.cosine(x, target_cols=x[:2]),
    "no such format": lambda lib, x: lib.cosine(x, format_output="csc"),
    "a word as block_size": lambda lib, x: lib.cosine(x, block_size="big"),
    "too few popularities": lambda lib, x: lib.s_plus(x, pop1=[1.0, 2.0]),
    "no such popularity": lambda lib, x: lib.s_plus(x, pop2="mean"),
    "popularity None": lambda lib, x: lib.s_plus(x, pop1=None),
    "no such norm": lambda lib, x: lib.normalize(x, norm="l3"),
    "no such axis": lambda lib, x: lib.normalize(x, axis=2),
    "normalize a dense matrix": lambda lib, x: lib.normalize(x.toarray()),
    "no such tf_mode": lambda lib, x: lib.tfidf(x, tf_mode="raws"),
    "no such idf_mode": lambda lib, x: lib.bm25(x, idf_mode="raws"),
    "an unknown argument": lambda lib, x: lib.cosine(x, shrinkage=2),
}


@pytest.mark.parametrize("call", BAD)
def test_bad_input_is_an_error(call):
    x = csr_array(np.eye(3))
    assert raised_by(lambda: BAD[call](ours, x)) in (TypeError, ValueError)


@needs_original
@pytest.mark.parametrize("call", BAD)
def test_errors_are_of_the_type_of_the_original(call):
    x = csr_array(np.eye(3))
    assert raised_by(lambda: BAD[call](ours, x)) is raised_by(lambda: BAD[call](original(), x))


@needs_original
def test_names_and_arguments_are_those_of_the_original():
    assert_same_names("similaripy")


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("place", [("indices", 10**6), ("indices", -7), ("indptr", 10**6), ("indptr", -5)])
def test_matrices_that_point_outside_of_themselves(axis, place):  # SciPy follows them
    x = csr_matrix(np.ones((5, 4), np.float32))
    getattr(x, place[0])[3] = place[1]
    for name in ("normalize", "tfidf", "bm25", "bm25plus"):
        with pytest.raises(ValueError, match=f"X.{place[0]}: expected"):
            getattr(ours, name)(x, axis=axis)


def test_signatures_show_in_python():
    assert list(inspect.signature(ours.tversky).parameters)[:6] == [
        "matrix1",
        "matrix2",
        "alpha",
        "beta",
        "k",
        "shrink",
    ]
    assert "block_size" in inspect.getdoc(ours.cosine)


@needs_original
def test_a_program_prints_the_same():
    theirs, mine = printed_by("recommender", "similaripy")
    assert mine == theirs
    assert "rp3beta" in mine


# ---- on fastrec's own operations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("metric", ["cosine", "jaccard"])
def test_a_matrix_with_itself_is_item_similarity(form, metric):
    x = FORMATS[form](positive(np.random.default_rng(0), (12, 9)).astype(np.float32))
    expected = fastrec.item_similarity(x.T, 5, metric=metric, keep_diagonal=True)
    mine = getattr(ours, metric)(x, k=5, verbose=False, format_output="csr")
    np.testing.assert_array_equal(mine.toarray(), expected.toarray())


@given(seeds, st.sampled_from([name for name in MEASURES if name != "dot_product"]), st.sampled_from([1.0, 0.25, 0.3]))
def test_a_matrix_with_its_transpose_is_one_with_itself(seed, measure, value):
    """Counts, small integers and real numbers go three ways through the kernel."""
    x = csr_array((positive(np.random.default_rng(seed), (9, 7)) > 0) * value)
    one, two = (getattr(ours, measure)(*both, k=4, verbose=False).toarray() for both in ([x], [x, x.T.tocsr()]))
    np.testing.assert_array_equal(one, two)


@given(
    seeds, st.sampled_from(["cosine", "jaccard", "s_plus", "asymmetric_cosine"]), st.sampled_from(["int64", "float32"])
)
def test_two_matrices_are_parts_of_one(seed, measure, dtype):
    """What rows have with columns of another matrix is what they have with rows below them."""
    rng = np.random.default_rng(seed)
    x, y, seen = (positive(rng, shape).astype(dtype) for shape in ((9, 6), (11, 6), (9, 11)))
    apart = getattr(ours, measure)(csr_array(x), csr_array(y).T, k=4, filter_cols=csr_array(seen), verbose=False)
    among = np.hstack([np.ones((9, 9)), seen])
    below = csr_array(np.vstack([among, np.ones((11, 20))]))
    stacked = csr_array(np.vstack([x, y]))
    together = getattr(ours, measure)(stacked, k=4, filter_cols=below, target_rows=list(range(9)), verbose=False)
    np.testing.assert_array_equal(apart.toarray(), together.toarray()[:9, 9:])


@pytest.mark.parametrize("n_columns", [3, 5])
def test_popularities_of_each_side_alone(n_columns):
    """Only these in the denominator, of which one is zero: 1 x 2, 1 x 0 and 4 x 2."""
    a, b = csr_array(np.eye(3, 4)), csr_array(np.ones((4, n_columns)))
    own, other = np.array([1.0, 1.0, 4.0]), np.array([2.0, 0.0, *[2.0] * (n_columns - 2)])
    found = ours.s_plus(a, b, l1=0, l2=0, l3=1, pop1=own, pop2=other, beta1=1, beta2=1, k=5, verbose=False)
    expected = np.where(other > 0, 1 / (own[:, None] * np.where(other > 0, other, 1)), 0)
    np.testing.assert_allclose(found.toarray(), expected)


@given(seeds, st.integers(1, 4))
def test_threads_and_targets_change_no_bit(seed, n_threads):
    rng = np.random.default_rng(seed)
    x, y, seen = (csr_array(positive(rng, shape)) for shape in ((9, 6), (6, 11), (9, 11)))
    whole = ours.jaccard(x, y, k=3, verbose=False, filter_cols=seen, num_threads=1).toarray()
    rows = [7, 2]
    some = ours.jaccard(x, y, k=3, verbose=False, filter_cols=seen, target_rows=rows, num_threads=n_threads).toarray()
    np.testing.assert_array_equal(some[rows], whole[rows])
    assert not np.delete(some, rows, axis=0).any()
    assert not whole[seen.toarray() > 0].any()


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
def test_every_format_is_taken(form):
    x = csr_array(positive(np.random.default_rng(0), (6, 4)))
    mask = (x @ x.T).asformat(form)
    expected = [ours.cosine(x, k=2, verbose=False), ours.jaccard(x, verbose=False, filter_cols=x @ x.T), ours.tfidf(x)]
    y = x.asformat(form)
    answers = [ours.cosine(y, k=2, verbose=False), ours.jaccard(y, verbose=False, filter_cols=mask), ours.tfidf(y)]
    for mine, other in zip(answers, expected, strict=True):
        np.testing.assert_array_equal(mine.toarray(), other.toarray())


@pytest.mark.parametrize("sizes", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0)])
@pytest.mark.parametrize("measure", MEASURES)
def test_matrices_of_nothing(measure, sizes):
    x, y = csr_array(sizes[:2]), csr_array(sizes[1:])
    for matrices, n_columns in (([x], sizes[0]), ([x, y], sizes[2])):
        found = getattr(ours, measure)(*matrices, filter_cols=[0], target_rows=[], verbose=False)
        assert (found.shape, found.nnz) == ((sizes[0], n_columns), 0)
    for weighting in WEIGHTINGS:
        assert getattr(ours, weighting)(x, axis=0).shape == x.shape


# ---- what is wrong there and right here -----------------------------------------------------------------------------


def test_an_empty_last_row():
    x = csr_array([[1.0, 2.0], [1.0, 0.0], [0.0, 0.0]])
    assert ours.cosine(x, verbose=False).toarray()[2].tolist() == [0, 0, 0]
    assert ours.cosine(csr_array((4, 2)), verbose=False).nnz == 0


def test_negative_similarities_are_there_for_who_asks():
    x = csr_array([[1.0, 0.0], [-1.0, 1.0]])
    assert ours.dot_product(x, threshold=-np.inf, verbose=False).toarray().tolist() == [[1, -1], [-1, 2]]


def test_what_is_given_stays_as_it_is():
    x = csr_array((np.array([1.0, 0.0, 2.0, 0.0]), [1, 0, 0, 1], [0, 2, 4]), shape=(2, 2))
    mask = x.copy()
    for array in (x.data, x.indices, x.indptr, mask.data, mask.indices, mask.indptr):
        array.flags.writeable = False
    ours.cosine(x, verbose=False, filter_cols=mask)
    assert (x.nnz, x.data.tolist(), mask.indices.tolist()) == (4, [1, 0, 2, 0], [1, 0, 0, 1])


def test_no_entry_stands_for_none():
    found = ours.dot_product(csr_array(np.eye(3)), k=3, verbose=False)
    assert (found.nnz, found.coords[0].tolist()) == (3, [0, 1, 2])


def test_triplets_are_as_if_scipy_had_made_them():
    x = csr_array(positive(np.random.default_rng(0), (12, 9)).astype(np.float32))
    found = ours.cosine(x, k=5, verbose=False)
    made = coo_array((found.data, found.coords), shape=found.shape)
    assert vars(found).keys() == vars(made).keys()
    for name, value in vars(made).items():
        np.testing.assert_array_equal(vars(found)[name], value, strict=True)
    np.testing.assert_array_equal(found.tocsr().toarray(), ours.cosine(x, k=5, verbose=False).toarray())
    assert ours.cosine(x[:0], verbose=False).shape == (0, 0)


@pytest.mark.parametrize("rows", [[3], [-1], [0.5], [True]])
def test_rows_that_there_are_not(rows):
    with pytest.raises((TypeError, ValueError), match="target_rows"):
        ours.cosine(csr_array(np.eye(3)), target_rows=rows, verbose=False)


def test_a_row_that_is_named_twice_is_one_row():
    x = csr_array(np.eye(3))
    assert ours.cosine(x, target_rows=[1, 1], verbose=False).toarray().tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_walks_over_ones():
    x = csr_array([[5.0, 2.0], [0.0, 3.0]])
    ones = csr_array([[1.0, 1.0], [0.0, 1.0]])
    for walk in (ours.p3alpha, ours.rp3beta):
        answers = [walk(x, binary=True, verbose=False), walk(ones, verbose=False)]
        np.testing.assert_array_equal(*(answer.toarray() for answer in answers))
    assert ours.p3alpha(x, binary=True, verbose=False).toarray().tolist() == [[0.75, 0.25], [0.5, 0.5]]


def test_ones_for_the_columns_of_a_list():
    x = csr_array([[5.0, 2.0], [0.0, 3.0]])
    assert ours.dot_product(x, binary=True, target_cols=[0], verbose=False).toarray().tolist() == [[2, 0], [1, 0]]


def test_bayesian_shrinkage_of_what_has_no_denominator():
    x = csr_array([[2.0]])
    assert ours.dot_product(x, shrink=4, shrink_type="bayesian", verbose=False).toarray() == [[2.0]]
    assert ours.s_plus(x, l1=0, l2=0, alpha=0.5, verbose=False).toarray() == [[2.0]]


def test_a_number_of_threads_that_there_is_not():
    with pytest.raises(ValueError, match=r"^num_threads: expected an integer of at least 0, got -1; 0 uses every core"):
        ours.cosine(csr_array(np.eye(3)), num_threads=-1, verbose=False)


def test_duplicates_are_summed():
    twice = csr_array(([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 0], [0, 2, 3, 4]), shape=(3, 4))
    np.testing.assert_array_equal(ours.cosine(twice, verbose=False).toarray(), [[1, 0, 1], [0, 1, 0], [1, 0, 1]])


def test_nan_is_an_error():
    with pytest.raises(ValueError, match="matrix1: expected finite values"):
        ours.cosine(csr_array([[np.nan, 1.0]]), verbose=False)
