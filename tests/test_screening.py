"""The screen of ItemIndex and top_k_inner_product, which starts at sizes that the other tests stay below:
docs/screening.md."""

import platform
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array

import fastrec
from equality import assert_same
from fastrec import reference
from fastrec.item_index import METRICS, ItemIndex
from strategies import seeds, thread_counts
from test_native import CHECKOUT, COMPILER, build, run

LEAST_PACKED = 1024  # from here on items are screened


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


KINDS = {
    "normal": lambda rng, x: x,
    "norms of all sizes": lambda rng, x: x * rng.exponential(size=(len(x), 1)) ** 3,
    "unit norm": lambda rng, x: unit(x),
    "around few directions": lambda rng, x: unit(x[rng.integers(0, min(8, len(x)), len(x))] + 0.3 * x),
    "ties": lambda rng, x: np.round(x),
    "few different": lambda rng, x: x[rng.integers(0, min(20, len(x)), len(x))],
    "all the same": lambda rng, x: np.broadcast_to(x[0], x.shape),
    "scales of rows": lambda rng, x: x * 10.0 ** rng.integers(-12, 12, (len(x), 1)),
    "few are giants": lambda rng, x: x * np.where(rng.random((len(x), 1)) < 0.01, 1e6, 1),
    "scales within rows": lambda rng, x: x * 10.0 ** rng.integers(-12, 12, x.shape),
    "one large factor": lambda rng, x: x * np.where(np.arange(x.shape[1]) == 0, 1e3, 1),
    "zeros": lambda rng, x: x * (rng.random((len(x), 1)) < 0.5),
    "sparse": lambda rng, x: x * (rng.random(x.shape) < 0.1),
    "subnormal": lambda rng, x: x * 1e-42,
    "huge": lambda rng, x: x * 1e37,
    "inf in places": lambda rng, x: np.where(rng.random(x.shape) < 1e-4, np.inf, x),
    "NaN in places": lambda rng, x: np.where(rng.random(x.shape) < 1e-3, np.nan, x),
    "NaN rows": lambda rng, x: np.where(rng.random((len(x), 1)) < 0.1, np.nan, x),
}


@st.composite
def cases(draw):
    """Items and arguments of a search that is screened, unless something is not finite or candidates are few."""
    rng = np.random.default_rng(draw(seeds))
    n_queries = draw(st.sampled_from([1, 2, 3, 4, 9, 32, 45, 60]))
    n_items = draw(st.integers(LEAST_PACKED, LEAST_PACKED + 99)) * draw(st.sampled_from([1, 2, 3]))
    n_factors = draw(st.sampled_from([1, 2, 3, 8, 9, 13, 16, 31, 64, 100]))
    parts = []
    for n in (n_queries, n_items):
        x = KINDS[draw(st.sampled_from(sorted(KINDS)))](rng, rng.standard_normal((n, n_factors)))
        x = x + draw(st.sampled_from([0, 0, 0, 3, 1000])) * rng.standard_normal(n_factors)
        dtype = draw(st.sampled_from(["float32", "float64"]))
        parts.append((x * draw(st.sampled_from([1, -1])) * draw(st.sampled_from([1.0, 1e-3, 1e5]))).astype(dtype))
    if draw(st.booleans()):  # all scores of one sign, mostly
        parts = [np.abs(parts[0]), draw(st.sampled_from([1, -1])) * np.abs(parts[1])]
    patterns = {
        "none": lambda: None,
        "few": lambda: random_array((n_queries, n_items), density=0.02, rng=rng, format="csr"),
        "half": lambda: csr_array(rng.random((n_queries, n_items)) < 0.5),
        "most": lambda: csr_array(rng.random((n_queries, n_items)) < 0.97),
        "all": lambda: csr_array(np.ones((n_queries, n_items))),
        "list": lambda: rng.integers(0, n_items, 300),
        "long list": lambda: rng.permutation(n_items)[: n_items - 20],
    }
    names = st.sampled_from(["none", "none", *patterns])
    options = {"exclude": patterns[draw(names)](), "candidates": patterns[draw(names)]()}
    return parts, draw(st.sampled_from([1, 2, 20, 60, 190])), options


@pytest.mark.parametrize("scale", [1e42, 1e-42])
@pytest.mark.parametrize("n_queries", [1, 9])
def test_nearest_among_norms_that_no_float32_holds(scale, n_queries):
    rng = np.random.default_rng(0)
    queries, items = rng.standard_normal((n_queries, 8)), scale * rng.standard_normal((2050, 8))
    for place in range(0, 128, 5):
        near = items * np.where(np.arange(2050) == place, 0.3, 1)[:, None]
        expected = reference.ItemIndex(near, metric="euclidean").top_k(queries, 1)
        assert_same(fastrec.ItemIndex(near, metric="euclidean").top_k(queries, 1), expected)


# So many directions: as many as pay, or whether they do or not; of more than a sample of items tells, fewer.
centre_counts = st.sampled_from([None, 1, 5, 6, 40, 300])


@settings(max_examples=120)
@given(cases(), st.sampled_from(METRICS), centre_counts, thread_counts)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_index_equals_reference(case, metric, n_centres, n_threads):
    (queries, items), k, options = case
    expected = reference.ItemIndex(items, metric=metric).top_k(queries, k, **options)
    index = ItemIndex.of_checked(items, metric, n_centres=n_centres)
    assert_same(index.top_k(queries, k, **options, n_threads=n_threads), expected)


@settings(max_examples=30)
@given(cases(), thread_counts)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_equals_reference(case, n_threads):
    (queries, items), k, options = case
    expected = reference.top_k_inner_product(queries, items, k, **options)
    assert_same(fastrec.top_k_inner_product(queries, items, k, **options, n_threads=n_threads), expected)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_factors", [1, 8, 4096, 4097])
def test_orders_and_sizes(order, n_factors):
    rng = np.random.default_rng(0)
    queries, items = (np.asarray(rng.standard_normal((n, n_factors)), np.float32, order=order) for n in (17, 2100))
    expected = reference.top_k_inner_product(queries, items, 10)
    assert_same(fastrec.top_k_inner_product(queries, items, 10), expected)
    backwards = fastrec.top_k_inner_product(queries[::-1], items[:, ::1], 10)
    assert_same(backwards, fastrec.TopK(expected.items[::-1], expected.scores[::-1]))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_kind_of_queries_and_of_items(kind, metric):
    rng = np.random.default_rng(2)
    for kinds in ((kind, "normal"), ("normal", kind), (kind, kind)):
        queries, items = (
            KINDS[k](rng, rng.standard_normal((n, 16))).astype(np.float32)
            for k, n in zip(kinds, (40, 2200), strict=True)
        )
        exclude = random_array((40, 2200), density=0.05, rng=rng, format="csr")
        index, expected = fastrec.ItemIndex(items, metric=metric), reference.ItemIndex(items, metric=metric)
        answer = expected.top_k(queries, 20, exclude=exclude)
        assert_same(index.top_k(queries, 20, exclude=exclude), answer)
        for row in range(3):
            one = index.top_k(queries[row : row + 1], 20, exclude=exclude[[row]])
            assert_same(one, fastrec.TopK(answer.items[row : row + 1], answer.scores[row : row + 1]))


@pytest.mark.parametrize("metric", METRICS)
def test_blocks_of_queries_and_single_ones(metric):
    rng = np.random.default_rng(1)
    queries, items = (rng.standard_normal((n, 12)).astype(np.float32) for n in (2000, 3000))
    index = fastrec.ItemIndex(items, metric=metric)
    whole = index.top_k(queries, 5, n_threads=2)
    for first, last in [(0, 1), (1, 3), (3, 8), (8, 71), (71, 900), (1990, 2000)]:
        part = index.top_k(queries[first:last], 5)
        assert_same(part, fastrec.TopK(whole.items[first:last], whole.scores[first:last]))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_many_items_around_few_directions(n_threads):
    rng = np.random.default_rng(5)
    directions = rng.standard_normal((60, 12))
    queries, items = (
        unit(directions[rng.integers(0, 60, n)] + 0.4 * rng.standard_normal((n, 12))) for n in (2100, 8300)
    )
    expected = fastrec.top_k(reference.selection.exact_scores(queries, items), 20)
    assert_same(fastrec.top_k_inner_product(queries, items, 20, n_threads=n_threads), expected)


@pytest.mark.parametrize("k", [600, 2000, 2500])
def test_large_k(k):
    rng = np.random.default_rng(3)
    queries, items = rng.standard_normal((40, 6)), rng.standard_normal((40_000, 6)) * rng.exponential(size=(40_000, 1))
    for n_queries in (1, 40):
        answer = fastrec.ItemIndex(items).top_k(queries[:n_queries], k)
        assert_same(answer, fastrec.top_k(reference.selection.exact_scores(queries[:n_queries], items), k))


@pytest.mark.parametrize("metric", METRICS)
def test_clusters_far_from_the_origin(metric):
    rng = np.random.default_rng(4)
    centres = 1e4 * rng.standard_normal((8, 5))
    queries, items = (
        (centres[rng.integers(0, 8, n)] + rng.standard_normal((n, 5))).astype(np.float32) for n in (50, 3000)
    )
    expected = reference.ItemIndex(items, metric=metric).top_k(queries, 10)
    assert_same(fastrec.ItemIndex(items, metric=metric).top_k(queries, 10), expected)


# ---- a bound that is too small must show -----------------------------------------------------------------------------

SCREEN, KEPT = "rows/screen.hpp", "simd/kept_products.hpp"
SLACK = "return residual * load_each<n_queries>(norm_ + first) +"
STOP = "stop_[q] = norm - 4e-9 * std::abs(norm);"
LEAST = "euclidean() ? least_half(panel) : 0.0};"
LOST = "const Each units = lost *"
LONGEST = "longest_query_part = 255;"
REACH = "return not_negative(norm - inverse *"
ALONG = "larger_of(cosine * packed_.least_along[panel], cosine * packed_.most_along[panel]);"
ACROSS = "sine * packed_.across[panel]"
BASELINE = {"x86_64": ["-march=x86-64-v2"]}
MUTATIONS = {
    "as it is": (SCREEN, SLACK, SLACK),
    "no slack": (SCREEN, SLACK, SLACK.replace("return ", "return 0.0 *")),
    "a fifth of the slack": (SCREEN, SLACK, SLACK.replace("return ", "return 0.2 *")),
    "stops too early": (SCREEN, STOP, STOP.replace("= norm", "= 1.5 * norm")),
    "one too many": (KEPT, "counts[row] >= k ? step : 0;", "counts[row] >= k - 1 ? step : 0;"),
    "sure of too much": (SCREEN, LOST, LOST.replace("lost *", "0.0 * lost *")),
    "no norms": (SCREEN, LEAST, LEAST.replace("least_half", "1.2 * most_half")),
    "along the centre, the least": (SCREEN, ALONG, ALONG.replace("most_along", "least_along")),
    "across it, too little": (SCREEN, ACROSS, ACROSS.replace("sine", "0.8 * sine")),
    "out of reach": (SCREEN, REACH, REACH.replace("norm -", "0.5 * norm -")),
}
if platform.machine() in BASELINE:  # elsewhere sums have 32 bits from the start
    MUTATIONS["sums beyond 16 bits"] = ("rows/pack_items.hpp", LONGEST, LONGEST.replace("255", "2550"))


@pytest.mark.skipif(not (CHECKOUT / "csrc").is_dir(), reason="needs the sources of a checkout")
@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_broken_bound_is_found(mutation, tmp_path):
    shutil.copytree(CHECKOUT / "csrc", tmp_path / "csrc")
    name, before, after = MUTATIONS[mutation]
    kernel = tmp_path / "csrc" / "fastrec" / name
    text = kernel.read_text()
    assert text.count(before) == 1
    kernel.write_text(text.replace(before, after))
    program = tmp_path / "screening"
    flags = ["-O2", *BASELINE.get(platform.machine(), []), "-ffp-contract=off", "-Wno-psabi"]
    source = Path(__file__).parent / "native" / "screening.cpp"
    built = build(source, program, *flags, headers=tmp_path / "csrc")
    assert built.returncode == 0, built.stderr
    done = run(program)
    assert (done.returncode == 0) == (mutation == "as it is"), done.stdout
