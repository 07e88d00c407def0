"""The screen of top_k_inner_product, which starts at sizes that the other tests stay below: docs/screening.md."""

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
from strategies import seeds, thread_counts
from test_native import CHECKOUT, COMPILER, build, run

MOST_CANDIDATES = 2048  # from here on items are screened


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


KINDS = {
    "normal": lambda rng, x: x,
    "norms of all sizes": lambda rng, x: x * rng.exponential(size=(len(x), 1)) ** 3,
    "unit norm": lambda rng, x: unit(x),
    "ties": lambda rng, x: np.round(x),
    "few different": lambda rng, x: x[rng.integers(0, 20, len(x))],
    "all the same": lambda rng, x: np.broadcast_to(x[0], x.shape),
    "scales of rows": lambda rng, x: x * 10.0 ** rng.integers(-12, 12, (len(x), 1)),
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
    """Arguments of a call that is screened, unless something is not finite."""
    rng = np.random.default_rng(draw(seeds))
    n_queries, n_items = draw(st.integers(32, 60)), draw(st.integers(MOST_CANDIDATES, MOST_CANDIDATES + 99))
    n_factors = draw(st.sampled_from([8, 9, 13, 16, 31, 64, 100]))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    parts = []
    for n in (n_queries, n_items):
        x = KINDS[draw(st.sampled_from(sorted(KINDS)))](rng, rng.standard_normal((n, n_factors)))
        parts.append((x * draw(st.sampled_from([1, -1])) * draw(st.sampled_from([1.0, 1e-3, 1e5]))).astype(dtype))
    if draw(st.booleans()):  # all scores of one sign, mostly
        parts = [np.abs(parts[0]), draw(st.sampled_from([1, -1])) * np.abs(parts[1])]
    exclude = {
        "none": None,
        "few": random_array((n_queries, n_items), density=0.02, rng=rng, format="csr"),
        "most": csr_array(rng.random((n_queries, n_items)) < 0.97),
        "all": csr_array(np.ones((n_queries, n_items))),
        "list": rng.integers(0, n_items, 300),
    }[draw(st.sampled_from(["none", "few", "most", "all", "list"]))]
    return parts, draw(st.sampled_from([1, 2, 20, 100, 256])), exclude


@settings(max_examples=60)
@given(cases(), thread_counts)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_equals_reference(case, n_threads):
    (queries, items), k, exclude = case
    expected = reference.top_k_inner_product(queries, items, k, exclude=exclude)
    assert_same(fastrec.top_k_inner_product(queries, items, k, exclude=exclude, n_threads=n_threads), expected)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_factors", [8, 4096])
def test_orders_and_sizes(order, n_factors):
    rng = np.random.default_rng(0)
    queries, items = (np.asarray(rng.standard_normal((n, n_factors)), np.float32, order=order) for n in (33, 2100))
    expected = reference.top_k_inner_product(queries, items, 10)
    assert_same(fastrec.top_k_inner_product(queries, items, 10), expected)
    backwards = fastrec.top_k_inner_product(queries[::-1], items[:, ::1], 10)
    assert_same(backwards, fastrec.TopK(expected.items[::-1], expected.scores[::-1]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_kind_of_queries_and_of_items(kind):
    rng = np.random.default_rng(2)
    for kinds in ((kind, "normal"), ("normal", kind), (kind, kind)):
        queries, items = (
            KINDS[k](rng, rng.standard_normal((n, 16))).astype(np.float32)
            for k, n in zip(kinds, (40, 2200), strict=True)
        )
        exclude = random_array((40, 2200), density=0.05, rng=rng, format="csr")
        expected = reference.top_k_inner_product(queries, items, 20, exclude=exclude)
        assert_same(fastrec.top_k_inner_product(queries, items, 20, exclude=exclude), expected)


def test_many_blocks_of_queries():
    rng = np.random.default_rng(1)
    queries, items = (rng.standard_normal((n, 12)).astype(np.float32) for n in (2000, 3000))
    whole = fastrec.top_k_inner_product(queries, items, 5, n_threads=2)
    for first in range(0, 2000, 31):  # fewer than are screened
        part = slice(first, first + 31)
        one = fastrec.top_k_inner_product(queries[part], items, 5)
        assert_same(one, fastrec.TopK(whole.items[part], whole.scores[part]))


# ---- a bound that is too small must show -----------------------------------------------------------------------------

SLACK = "return packed_.residual[panel] * norm_[q] + packed_.code_norm[panel] * residual_[q];"
STOP = "stop_[q] = threshold / scale_[q] / norm_[q] * (1.0 - 1e-9);"
MUTATIONS = {
    "as it is": (SLACK, SLACK),
    "no slack": (SLACK, "return 0.0 * packed_.residual[panel] * residual_[q];"),
    "a tenth of the slack": (SLACK, SLACK.replace("return ", "return 0.1 * (").replace(";", ");")),
    "stops too early": (STOP, STOP.replace("1.0 - 1e-9", "1.5")),
    "one too many": ("if (count >= out_.k) key = trial;", "if (count >= out_.k - 1) key = trial;"),
}


@pytest.mark.skipif(not (CHECKOUT / "csrc").is_dir(), reason="needs the sources of a checkout")
@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")
@pytest.mark.skipif(
    not {"x86-64-v3", "x86-64-v4"} & {name for name, runs in fastrec._dispatch.instruction_sets().items() if runs},
    reason="needs a processor that screens",
)
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_broken_bound_is_found(mutation, tmp_path):
    shutil.copytree(CHECKOUT / "csrc", tmp_path / "csrc")
    kernel = tmp_path / "csrc" / "fastrec" / "rows" / "screened_inner_product.hpp"
    before, after = MUTATIONS[mutation]
    text = kernel.read_text()
    assert text.count(before) == 1
    kernel.write_text(text.replace(before, after))
    program = tmp_path / "screening"
    flags = ["-O2", "-march=x86-64-v3", "-ffp-contract=off", "-Wno-psabi"]
    source = Path(__file__).parent / "native" / "screening.cpp"
    built = build(source, program, *flags, headers=tmp_path / "csrc")
    assert built.returncode == 0, built.stderr
    done = run(program)
    assert (done.returncode == 0) == (mutation == "as it is"), done.stdout
