"""Growth and thread scaling, on sets so small that they show nothing but that it works."""

import json
import os
import signal
import subprocess
import sys

import pytest

from fastrec.cli.bench import growth
from fastrec.cli.bench.growth import Measurement
from fastrec.cli.bench.operations import OPERATIONS
from fastrec.cli.bench.peers import COMPARED

TINY = (0.01, 0.002)  # million
OPTIONS = {"operations": ["item_similarity"], "n_threads": 1}


def test_every_size_is_measured():
    found = list(growth.grow(TINY, peers=["scipy"], limit=60, **OPTIONS))
    assert [one[:2] for one in found] == 2 * [("item_similarity", "fastrec"), ("item_similarity", "SciPy product")]
    assert found[0].n_interactions < found[2].n_interactions <= 10_000
    for one in found:
        assert one.seconds > 0, one
        assert 0 <= one.peak_bytes < 100 << 20, one
        assert one.note == ""
    assert growth.exponents(found).keys() == {one[:2] for one in found}


def test_who_takes_too_long_is_not_asked_for_more():
    found = list(growth.grow(TINY, peers=["scipy"], limit=1e-5, **OPTIONS))
    assert [one.note for one in found] == 2 * ["longer than 1e-05 s"] + 2 * [
        "not tried: longer than 1e-05 s at 0.002 million"
    ]
    assert {(one.seconds, one.peak_bytes) for one in found} == {(None, None)}


def test_inputs_that_cannot_be_made(monkeypatch):
    monkeypatch.setattr(growth, "_in_process", lambda task, n: (None, "out of memory"))
    found = list(growth.grow([0.002], peers=["scipy"], limit=1, **OPTIONS))
    assert [one.note for one in found] == 2 * ["inputs: out of memory"]
    assert found[0].n_interactions == 2000


def test_large_data_are_kept_from_who_would_take_minutes(monkeypatch):
    peer = COMPARED["item_similarity"].peers[0]._replace(most_stored=100)
    monkeypatch.setitem(COMPARED, "item_similarity", COMPARED["item_similarity"]._replace(peers=(peer,)))
    ours, theirs = growth.grow(TINY[1:], limit=60, **OPTIONS)
    assert ours.seconds is not None
    assert theirs.note == "skipped above 100 interactions"


def test_threads():
    assert [growth.numbers_of_threads(n) for n in (1, 2, 3, 8, 12)] == [
        [1], [1, 2], [1, 2, 3], [1, 2, 4, 8], [1, 2, 4, 8, 12]
    ]  # fmt: skip
    found = list(growth.scale(TINY[1:], operations=["top_k_inner_product"], n_threads=2, limit=60))
    assert [one.n_threads for one in found] == [1, 2]
    assert all(one.seconds > 0 for one in found), found


@pytest.mark.parametrize(
    ("status", "errors", "said"),
    [
        (-signal.SIGALRM, "", "longer than 7 s"),
        (-signal.SIGKILL, "", "out of memory"),
        (1, "Traceback\nMemoryError: 30 GiB\n", "out of memory"),
        (1, "numpy._core._exceptions._ArrayMemoryError: Unable to allocate\n", "out of memory"),
        (-signal.SIGABRT, "terminate called\n  what():  std::bad_alloc\n", "out of memory"),
        (1, "Traceback\nKeyError: 'x'\n", "KeyError: 'x'"),
        (-signal.SIGSEGV, "", "exit status -11"),
    ],
)
def test_how_a_process_ends(status, errors, said):
    assert growth.outcome(status, "", errors, 7.0) == (None, said)


def test_what_a_process_found_is_its_last_line():
    assert growth.outcome(0, 'Welcome!\n\n{"seconds": 1.5}\n', "a warning", 7.0) == ({"seconds": 1.5}, "")


def test_exponents():
    def measured(n, seconds, library="fastrec"):
        return Measurement("item_similarity", library, n, 1, seconds)

    found = [measured(n, 3e-9 * n**1.5) for n in (1000, 10_000, 50_000)]
    found += [measured(1000, 1.0, "one size"), measured(1000, 1.0, "slow"), measured(2000, None, "slow")]
    fitted = growth.exponents(found)
    assert fitted.keys() == {("item_similarity", "fastrec")}
    assert fitted["item_similarity", "fastrec"] == pytest.approx(1.5)
    assert json.loads(growth.as_json(found, 1))["exponents"][0]["exponent"] == pytest.approx(1.5)


def test_operations_that_grow_are_operations():
    assert set(growth.OPERATIONS_THAT_GROW) <= OPERATIONS.keys()


@pytest.mark.parametrize("millions", [[], [0.0], [-1.0], [float("nan")], [float("inf")]])
def test_bad_sizes(millions):
    with pytest.raises(ValueError, match="sizes: expected millions of interactions"):
        list(growth.grow(millions, limit=1, **OPTIONS))


def test_unknown_names():
    with pytest.raises(ValueError, match="operation: expected one of"):
        list(growth.grow(TINY, operations=["topk"], n_threads=1, limit=1))
    with pytest.raises(ValueError, match="peers: expected one of"):
        list(growth.grow(TINY, peers=["spark"], n_threads=1, limit=1))


@pytest.mark.parametrize(("mode", "sizes"), [("--growth", "0.002,0.004"), ("--thread-scaling", "0.002")])
def test_command(mode, sizes, tmp_path):
    pytest.importorskip("typer")
    peers = ["--peers", "scipy"] if mode == "--growth" else []
    command = [sys.executable, "-m", "fastrec", "bench", mode, "--sizes", sizes, "--operation", "item_similarity",
               "--threads", "2", "--json", "growth.json", *peers]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    assert "item_similarity" in done.stdout
    written = json.loads((tmp_path / "growth.json").read_text())
    assert written["machine"]["n_threads"] == 2
    measured = written["measurements"]
    found = {(one["library"], one["n_threads"]) for one in measured}
    assert found == ({("fastrec", 2), ("SciPy product", 2)} if mode == "--growth" else {("fastrec", 1), ("fastrec", 2)})
    assert len({one["n_interactions"] for one in measured}) == len(sizes.split(","))
    assert ("exponent" in done.stdout) == (mode == "--growth")
