"""The cases of benchmarks/ under pytest-benchmark, and the checks that the comparison with other libraries rests on.

Timed:    pytest -n 0 --benchmark-enable --benchmark-only tests/test_benchmarks.py
          ... -k "item_similarity and medium"
          ... --benchmark-autosave, then --benchmark-compare: against an earlier run; no test asserts a time
Without those options (and under xdist, where pytest-benchmark cannot time) each case of the small shape is called
once: it must run, and three threads must give what one and all of them give.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array, issparse

from fastrec.cli.bench import agreement, compare, data, operations, pairs
from fastrec.cli.bench.agreement import Factors, Ranked
from fastrec.cli.bench.peers import COMPARED
from fastrec.cli.bench.peers.peer import Compared, Peer, Run

CASES_FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "cases.py"


# ---- the cases ------------------------------------------------------------------------------------------------------


def load_cases():
    spec = importlib.util.spec_from_file_location("fastrec_benchmark_cases", CASES_FILE)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


cases = load_cases() if CASES_FILE.exists() else None


@pytest.mark.skipif(cases is None, reason="needs a checkout")
def test_asv_can_import_the_folder():
    """As it does: every module as one of a package, scripts too."""
    program = """
import importlib, pkgutil, sys
sys.path.append(sys.argv[1])
import benchmarks
for module in pkgutil.iter_modules(benchmarks.__path__, "benchmarks."):
    importlib.import_module(module.name)
"""
    subprocess.run([sys.executable, "-P", "-c", program, CASES_FILE.parents[1]], check=True)


def pytest_generate_tests(metafunc):
    if "case" not in metafunc.fixturenames:
        return
    named = cases.CASES if cases else {}
    timed = metafunc.config.getoption("benchmark_only")
    chosen = {name: case for name, case in named.items() if timed or case.shape == "small"}
    metafunc.parametrize("case", chosen.values(), ids=chosen.keys(), scope="module")
    metafunc.parametrize("threads", cases.THREADS if cases else [])


@pytest.fixture(scope="module")
def inputs(case):
    return case.prepare(case.setup())


def test_case(benchmark, case, inputs, threads):
    answer = benchmark(case.call, inputs, cases.THREADS[threads])
    if case.shape == "small":
        for array, other in zip(arrays(answer), arrays(case.call(inputs, 3)), strict=True):
            np.testing.assert_array_equal(array, other)


def arrays(answer):
    if issparse(answer):
        return answer.indptr, answer.indices, answer.data
    if isinstance(answer, list):
        return [array for part in answer for array in part]
    if hasattr(answer, "similarity_"):
        return arrays(csr_array(answer.similarity_))
    return answer if isinstance(answer, tuple) else (answer.user_factors_, answer.item_factors_)


# The same kernels on other data.
VARIANTS = {
    "top_k_ascending", "top_k_ties", "top_k_nan_but_one", "top_k_in_memory", "item_index_one_query_exclude",
    "item_index_one_query_1m", "item_index_one_query_1m_exclude", "sparse_top_k_product_strings",
    "sparse_top_k_product_strings_08",
}  # fmt: skip


@pytest.mark.skipif(cases is None, reason="needs the benchmarks of a checkout")
def test_asv_knows_every_operation():
    sources = "".join(path.read_text() for path in CASES_FILE.parent.glob("bench_*.py"))
    timed = set(re.findall(r'^    operation = "(\w+)"$', sources, re.MULTILINE))
    assert timed == operations.OPERATIONS.keys() - VARIANTS
    assert all(sources.count(f'"{name}"') == 2 for name in timed), "inputs are stored, or a class is missing"


# ---- the data -------------------------------------------------------------------------------------------------------


def test_synthetic_data_repeat_and_follow_zipf():
    first, second = data.zipf(2_000, 1_000, 100_000, seed=3), data.zipf(2_000, 1_000, 100_000, seed=3)
    assert (first != second).nnz == 0
    assert first.sum() == 100_000
    popularity = np.sort(first.sum(axis=0))[::-1]
    assert popularity[9] / popularity[99] == pytest.approx(10**0.9, rel=0.25)


def test_unknown_data_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTREC_DATA", str(tmp_path))
    np.savez(tmp_path / "tiny.npz", user=[0, 0, 1], item=[1, 1, 0], value=[1.0, 2.0, -1.0], split=[0, 0, 0], n_users=2,
             n_items=2)  # fmt: skip
    np.testing.assert_array_equal(data.load("tiny").toarray(), [[0, 3], [0, 0]])
    with pytest.raises(ValueError, match="small, medium, large, tiny, got 'huge'"):
        data.load("huge")


@pytest.mark.skipif(cases is None, reason="needs the benchmarks of a checkout")
@pytest.mark.parametrize("script", ["compat.py", "compat_products.py", "quality.py", "time_to_quality.py"])
def test_scripts_without_data_say_so(script, tmp_path):
    command, environment = [sys.executable, CASES_FILE.parent / script], {**os.environ, "FASTREC_DATA": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"data: expected .*gowalla.* FASTREC_DATA.*\n", done.stderr), done.stderr


# ---- the checks, which must be able to fail -------------------------------------------------------------------------

OURS = Ranked(np.array([[4, 2, 7], [1, 0, -1]]), np.array([[3.0, 2.0, 2.0], [0.5, -1.0, -np.inf]]))


@pytest.mark.parametrize(
    ("items", "scores", "agrees"),
    [
        pytest.param(OURS.items, OURS.scores, True, id="equal"),
        pytest.param([[4, 7, 2], [1, 0, -1]], OURS.scores, True, id="tie swapped"),
        pytest.param([[4, 2, 9], [1, 0, -1]], OURS.scores, True, id="tie with what is left out"),
        pytest.param([[9, 2, 7], [1, 0, -1]], OURS.scores, False, id="another item"),
        pytest.param([[2, 4, 7], [1, 0, -1]], OURS.scores, False, id="swapped without a tie"),
        pytest.param([[4, 2, 2], [1, 0, -1]], OURS.scores, False, id="an item twice"),
        pytest.param([[4, 2, 7], [1, 0, 3]], [[3, 2, 2], [0.5, -1, -2]], False, id="longer"),
        pytest.param(OURS.items, [[3, 2, 2], [0.5, -1.1, -np.inf]], False, id="another score"),
        pytest.param(OURS.items, [[3, 2, 2], [0.5, np.nan, -np.inf]], False, id="NaN"),
        pytest.param(OURS.items[:1], OURS.scores[:1], False, id="a row missing"),
    ],
)
def test_rankings(items, scores, agrees):
    assert agreement.same_ranking(OURS, Ranked(np.array(items), np.array(scores)), 1e-6).agrees is agrees


def test_approximate_rankings():
    found = OURS._replace(items=np.array([[7, 9, 4], [0, 1, 2]]))
    assert agreement.recall(OURS, found) == pytest.approx(4 / 5)
    assert agreement.most_items(OURS, found, 0.25).agrees
    assert not agreement.most_items(OURS, found, 0.15).agrees
    assert agreement.recall(OURS, OURS._replace(items=OURS.items[::-1])) == 0


def test_sparse_rows_are_ranked():
    matrix = csr_array(([1.0, 3.0, 3.0, -1.0], ([0, 0, 0, 2], [5, 4, 1, 0])), shape=(3, 6))
    best = agreement.best_of_rows(matrix, 2)
    np.testing.assert_array_equal(best.items, [[1, 4], [-1, -1], [0, -1]])
    np.testing.assert_array_equal(best.scores, [[3, 3], [-np.inf, -np.inf], [-1, -np.inf]])


def test_entries():
    matrix = csr_array(np.array([[1.0, 0.0], [2.0, 3.0]]))
    assert agreement.same_entries(matrix, matrix.tocoo(), 1e-6).agrees
    assert not agreement.same_entries(matrix, matrix * 1.001, 1e-6).agrees
    assert not agreement.same_entries(matrix, matrix.T, 1e-6).agrees


def test_matrices():
    matrix = np.array([[1.0, 0.0], [2.0, -4.0]])
    assert agreement.same_matrix(matrix, matrix + 1e-5, 1e-5).agrees
    assert not agreement.same_matrix(matrix, matrix + 5e-5, 1e-5).agrees
    assert not agreement.same_matrix(matrix, matrix[:1], 1e-5).agrees
    assert not agreement.same_matrix(matrix, matrix * np.nan, 1e-5).agrees


def test_elastic_nets():
    rows, weights = csr_array(np.array([[1.0, 2.0], [0.0, 3.0]])), csr_array(np.array([[0.0, -0.5], [1.0, 0.0]]))
    errors = rows.toarray() - rows.toarray() @ weights.toarray()
    expected = (errors**2).sum() / 2 + 4.0 / 2 * (0.25 + 1) + 3.0 * 1.5
    assert agreement.elastic_net(rows, weights, 3.0, 4.0) == pytest.approx(expected)


def test_squared_errors():
    rows = csr_array(np.array([[1.0, 2.0, 0.0], [0.0, 3.0, 1.0]]))
    fit = Factors(np.array([[1.0, 0.5], [0.0, 2.0]]), np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 0.5]]))
    assert agreement.squared_error(rows, fit) == pytest.approx(((rows.toarray() - fit.users @ fit.items.T) ** 2).sum())


def test_factors_without_sign():
    inputs = operations.OPERATIONS["nmf"].inputs(data.load("small"), operations.Sizes(n_factors=6))
    ours = COMPARED["nmf"].answer(inputs, operations.OPERATIONS["nmf"].call(**inputs, n_threads=1))
    check = COMPARED["nmf"].check
    assert check(inputs, ours, ours, 0.0).agrees
    assert not check(inputs, ours._replace(users=0 * ours.users), ours, 0.0).agrees
    assert not check(inputs, ours._replace(users=-ours.users, items=-ours.items), ours, 0.0).agrees


def test_objectives():
    user_items = data.load("small")
    numpy_fit, options = COMPARED["implicit_als"].peers[0], {"alpha": 10.0, "regularization": 0.1, "tolerance": 1e-2}
    inputs = operations.OPERATIONS["implicit_als"].inputs(user_items, operations.DEFAULT_SIZES)
    fit = numpy_fit.prepare(inputs, 1).call()
    seen, dense = user_items.toarray() > 0, fit.users @ fit.items.T
    loss = ((1 + 10.0 * user_items.toarray()) * (seen - dense) ** 2).sum() + 0.1 * sum(
        (side**2).sum() for side in fit[:2]
    )
    assert agreement.objective(user_items, fit, 10.0, 0.1) == pytest.approx(loss)

    assert agreement.same_objective(user_items, fit, fit, **options).agrees
    assert not agreement.same_objective(user_items, fit, fit._replace(items=1.02 * fit.items), **options).agrees
    assert not agreement.same_objective(user_items, fit, fit._replace(last="users"), **options).agrees
    poor = Factors(0 * fit.users, fit.items, exact=False)
    assert not agreement.same_objective(user_items, fit, poor, **options).agrees


@pytest.mark.parametrize("operation", ["explicit_als", "explicit_als_nonnegative"])
def test_errors_of_ratings(operation):
    ratings, measured = data.load("small"), operations.OPERATIONS[operation]
    inputs = measured.inputs(ratings, operations.Sizes(n_factors=6))
    model = measured.call(**inputs, n_threads=1)
    ours = COMPARED[operation].answer(inputs, model)
    seen = ratings.tocoo()
    missed = model.predict(seen.row, seen.col).astype(np.float64) - seen.data
    assert agreement.rating_error(ratings, ours) == pytest.approx(np.sqrt((missed**2).mean()), rel=1e-6)

    check = COMPARED[operation].check
    assert check(inputs, ours, ours, 1e-3).agrees
    larger = ours.items * np.where(np.arange(ours.items.shape[1]) < ours.n_factors, 1.02, 1)
    assert not check(inputs, ours, ours._replace(items=larger), 1e-3).agrees
    assert not check(inputs, ours, ours._replace(last="users"), 1e-3).agrees
    assert not check(inputs, ours, ours._replace(users=0 * ours.users, exact=False), 1e-3).agrees
    if operation == "explicit_als":
        numpy_fit = COMPARED[operation].peers[0].prepare(inputs, 1).call()
        assert check(inputs, ours, numpy_fit, 1e-3).agrees
        assert agreement.rating_error(ratings, numpy_fit) == pytest.approx(agreement.rating_error(ratings, ours), 1e-5)


# ---- the comparison -------------------------------------------------------------------------------------------------


def test_pairs_take_turns():
    order = []
    timed = pairs.interleaved(pairs.Job(lambda: order.append("a")), pairs.Job(lambda: order.append("b")), 3, settle=0)
    assert order == ["a", "b"] * 3
    assert timed.seconds.shape == (3, 2)


def test_ratio_is_of_pairs():
    timed = pairs.Pairs(np.array([[1.0, 2.0], [10.0, 30.0], [1.0, 4.0]]))
    assert timed.medians == (1.0, 4.0)
    assert timed.ratio() == (3.0, 2.5, 3.5)


def test_wrong_and_broken_peers_are_reported(monkeypatch):
    numpy_peer = COMPARED["top_k"].peers[0]

    def answering(change):
        def prepare(inputs, n_threads):
            right = numpy_peer.prepare(inputs, n_threads)
            return Run(lambda: change(right.call()), right.answer)

        return prepare

    broken = {
        "right": answering(lambda answer: answer),
        "wrong": answering(lambda answer: answer._replace(scores=answer.scores + 1)),
        "broken": answering(lambda answer: answer.nothing),
    }
    peers = [Peer(name, "numpy", prepare) for name, prepare in broken.items()]
    peers += [Peer("missing", "no_such_module", None), Peer("slow", "numpy", None, most_stored=1)]
    peers += [Peer("other", "numpy", broken["wrong"], check=lambda *_: agreement.Agreement(True, "may differ"))]
    monkeypatch.setitem(compare.COMPARED, "top_k", Compared(*COMPARED["top_k"][:2], tuple(peers)))
    found = {
        outcome.peer: outcome
        for outcome in compare.compare(data.load("small"), operations=["top_k"], n_threads=1, n_pairs=1)
    }
    assert [found[name].agreement.agrees for name in broken] == [True, False, False]
    assert [found[name].pairs is not None for name in broken] == [True, False, False]
    assert found["other"].pairs is not None
    assert "AttributeError" in found["broken"].agreement.text
    assert found["missing"].note == "not installed"
    assert "skipped" in found["slow"].note


def test_peers_are_of_known_operations():
    assert COMPARED.keys() == operations.OPERATIONS.keys()


@pytest.mark.parametrize(
    "operation", ["top_k_inner_product", "item_index_one_query_1m", "implicit_als", "explicit_als"]
)
def test_sizes_are_kept(operation):
    inputs = operations.OPERATIONS[operation].inputs(data.load("small"), operations.Sizes(n_factors=7, k=3))
    assert inputs["init" if "als" in operation else "items"].shape[1] == 7
    assert inputs.get("k", 3) == 3


def test_many_items_are_near_those_drawn():
    user_items = data.load("small")
    few, many = (
        operations.OPERATIONS[f"item_index_one_query{name}"].inputs(user_items, operations.DEFAULT_SIZES)
        for name in ("", "_1m_exclude")
    )
    assert len(many["items"]) == 25 * user_items.shape[1]
    assert many["items"].dtype == np.float32
    assert many["exclude"].shape == (len(many["queries"]), len(many["items"]))
    apart = np.linalg.norm(many["items"][:100, None] - few["items"], axis=2).min(axis=1)
    np.testing.assert_allclose(apart, 0.1 * np.linalg.norm(many["items"][:100], axis=1), rtol=0.5)


def test_embeddings_have_length_one():
    inputs = operations.OPERATIONS["top_k_inner_product_embeddings"].inputs(
        data.load("small"), operations.DEFAULT_SIZES
    )
    for rows in (inputs["queries"], inputs["items"]):
        lengths = np.linalg.norm(rows, axis=1)
        np.testing.assert_allclose(lengths[lengths > 0], 1, rtol=1e-6)
    assert (lengths > 0).any()


def test_unknown_names_are_errors():
    with pytest.raises(ValueError, match=r"operation: expected one of top_k, .* got 'topk'"):
        compare.compare(data.load("small"), operations=["topk"], n_threads=1, n_pairs=1)
    with pytest.raises(ValueError, match=r"peers: expected one of .*rusket.* got 'spark'"):
        compare.compare(data.load("small"), peers=["spark"], n_threads=1, n_pairs=1)
