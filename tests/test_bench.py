"""The command ``fastrec bench``: what it reads, compares, says, writes and draws."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array, save_npz

pytest.importorskip("typer")

import fastrec
from fastrec import cli
from fastrec.cli.bench import chart, compare, data, records
from fastrec.cli.bench.agreement import Agreement
from fastrec.cli.bench.compare import Outcome
from fastrec.cli.bench.operations import OPERATIONS
from fastrec.cli.bench.pairs import Pairs
from fastrec.cli.bench.peers import COMPARED
from fastrec.cli.bench.peers.peer import Compared, Peer, Run
from fastrec.cli.bench.records import Record

PEERS = Path(__file__).resolve().parents[1] / "benchmarks" / "peers"
QUICK = ("--threads", "1", "--pairs", "1", "--operation", "top_k,normalize", "--peers", "numpy")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """The command looks for data where a variable says, and sets others for the libraries of its process."""
    monkeypatch.delenv("FASTREC_DATA", raising=False)
    monkeypatch.setattr("fastrec.cli.bench.machine.set_thread_variables", lambda n_threads: None)


# ---- data -----------------------------------------------------------------------------------------------------------

MATRIX = [[0, 2, 1], [3, 0, 0]]


def write(folder, name, text):
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "ann,pen,2\nann,ink,1\nbob,cup,3\n"),
        ("a.csv", "user,item,value\nann,pen,2\nann,ink,1\nbob,cup,3\n"),
        ("a.csv", "who,what,stars\nann,pen,1\nann,ink,1\nbob,cup,3\nann,pen,1\n"),
        ("a.csv", '\ufeffuser_id,item_id,value\n"ann","pen",2\n\nann,ink,1\nbob,cup,3\nbob,ink,-1\n'),
        ("a.tsv", "1\t10\t2\n1\t11\t1\n2\t12\t3"),
        ("a.csv", "User,Item\n1,10\n1,10\n1,11\n2,12\n2,12\n2,12\n"),
    ],
)
def test_tables(name, text, tmp_path):
    found = data.load(write(tmp_path, name, text)).toarray()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, found.any(axis=0)], [[2, 1, 0], [0, 0, 3]])


def test_ids_without_values_are_no_names(tmp_path):
    assert data.load(write(tmp_path, "a.csv", "u1,i1\nu1,i2\n")).nnz == 2


def test_archives(tmp_path):
    matrix = coo_array(np.array(MATRIX))
    save_npz(tmp_path / "of_scipy.npz", matrix)
    save_npz(tmp_path / "columns.npz", matrix.tocsc().astype(np.float64))
    np.savez(tmp_path / "fields.npz", user=matrix.row, item=matrix.col, value=matrix.data, n_users=2, n_items=3)
    for file in sorted(tmp_path.iterdir()):
        found = data.load(str(file))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.toarray(), MATRIX)


def test_a_set_by_its_name(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTREC_DATA", str(tmp_path))
    np.savez(tmp_path / "tiny.npz", user=[0, 0, 1], item=[1, 1, 0], value=[1.0, 2.0, -1.0], split=[0, 0, 0], n_users=2,
             n_items=2)  # fmt: skip
    np.testing.assert_array_equal(data.load("tiny").toarray(), [[0, 3], [0, 0]])
    with pytest.raises(ValueError, match="small, medium, large, tiny, got 'huge'"):
        data.load("huge")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("none.csv", None, "which is none"),
        ("none.npz", None, "which is none"),
        ("a.csv", "1,2,3\n4\n", r"user,item\[,value\] in .*, got '4' in line 2"),
        ("a.csv", "1,2,3\n4,5,x\n", "got '4,5,x' in line 2"),
        ("a.csv", "1,2,nan\n", "got NaN or inf"),
        ("a.csv", "1,2,0\n", "got none; check the file"),
        ("a.csv", "", "got none; check the file"),
        ("a.npz", "no archive", "expected users x items in"),
        ("a.npz", "", "expected users x items in"),
        ("a.csv", "a,,1\n", "got 'a,,1' in line 1"),
        ("a.csv", ",b\n", "got ',b' in line 1"),
        ("a.csv", f"{'u' * 200_000},i\n", "expected lines of text in UTF-8"),
        ("none", None, "expected one of small, medium, large, got .*FASTREC_DATA"),
    ],
)
def test_bad_data(name, text, said, tmp_path):
    if text is not None:
        write(tmp_path, name, text)
    with pytest.raises(ValueError, match=f"data: .*{said}"):
        data.load(str(tmp_path / name) if "." in name else name)


@pytest.mark.parametrize("header", ["user,item", "Customer ID,Product ID", "uid,iid", "artist,listens to"])
def test_two_columns_may_have_names(header, tmp_path):
    assert data.load(write(tmp_path, "a.CSV", f"{header}\n1,2\n")).shape == (1, 1)


def test_archives_that_are_damaged(tmp_path):
    good, damaged = tmp_path / "good.npz", tmp_path / "damaged.npz"
    matrix = csr_array(np.random.default_rng(0).random((60, 40)).round(1))
    save_npz(good, matrix)
    content = good.read_bytes()
    wrong = matrix.copy()
    wrong.indices[5] = 40
    save_npz(damaged, wrong)
    files = [damaged.read_bytes(), content[:-30]]
    files += [content[:at] + bytes(40) + content[at + 40 :] for at in range(30, len(content) - 60, 400)]
    np.save(tmp_path / "array.npy", np.arange(6))
    files.append((tmp_path / "array.npy").read_bytes())
    (tmp_path / "latin.csv").write_bytes("é,b\n".encode("latin-1"))
    with pytest.raises(ValueError, match="data: expected lines of text in UTF-8"):
        data.load(str(tmp_path / "latin.csv"))
    for found in files:
        damaged.write_bytes(found)
        try:
            loaded = data.load(str(damaged))
        except ValueError as error:
            assert str(error).startswith(f"data: expected users x items in {damaged}")  # noqa: PT017
        else:
            assert loaded.shape == (60, 40)  # what was damaged is not read


@pytest.mark.parametrize("option", ["--json", "--chart"])
def test_files_that_cannot_be_written_are_refused_first(option, tmp_path, capsys):
    for path in (tmp_path / "nowhere" / "a.svg", tmp_path):
        path = path / "a.svg" if option == "--chart" and path == tmp_path else path
        if path == tmp_path / "a.svg":
            path.mkdir()
        assert cli.run(["bench", option, str(path), *QUICK]) == 2
        assert f"{option[2:]}: expected a file" in capsys.readouterr().err


@pytest.mark.parametrize("sizes", ["abc", "", "1,,2", "0.0000001", "-1", "nan"])
def test_sizes_are_numbers(sizes, capsys):
    assert cli.run(["bench", "--growth", "--sizes", sizes]) == 2
    assert "sizes: expected millions of interactions" in capsys.readouterr().err


def test_records_of_another_form_are_refused(tmp_path, capsys):
    file = tmp_path / "a.json"
    assert cli.run(["bench", "--data", "small", "--json", str(file), *QUICK]) == 0
    good = json.loads(file.read_text())
    outcome = good["outcomes"][0]
    for change in (
        {"machine": "x"},
        {"machine": {key: value for key, value in good["machine"].items() if key != "versions"}},
        {"data": {"n_users": 1}},
        {"sizes": {}},
        {"outcomes": [{**outcome, "pairs": "abc"}]},
        {"outcomes": [{**outcome, "pairs": []}]},
        {"outcomes": [{**outcome, "operation": "gone"}]},
    ):
        file.write_text(json.dumps({**good, **change}))
        capsys.readouterr()
        assert cli.run(["bench", "--draw", str(file)]) == 2
        assert f"draw: expected what 'fastrec bench --json' wrote in {file}" in " ".join(
            capsys.readouterr().err.split()
        )


# ---- the command ----------------------------------------------------------------------------------------------------


def test_comparison(tmp_path, capsys):
    table = write(tmp_path, "mine.csv", "".join(f"{n % 31},{n % 17}\n" for n in range(400)))
    assert cli.run(["bench", "--data", table, "--json", str(tmp_path / "a.json"), *QUICK]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for part in ("top_k", "NumPy argpartition", "same items", "mine.csv: 31 users x 17 items", "1 threads", "numpy 2"):
        assert part in printed
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["data"] == {"name": "mine.csv", "n_users": 31, "n_items": 17, "n_interactions": 400}
    assert [outcome["operation"] for outcome in found["outcomes"]] == ["top_k", "normalize"]
    assert np.shape(found["outcomes"][0]["pairs"]) == (1, 2)
    assert {"processor", "instruction_set", "n_threads", "versions"} <= found["machine"].keys()

    assert cli.run(["bench", "--draw", str(tmp_path / "a.json")]) == 0
    assert capsys.readouterr().out.split() == printed.split()


def test_a_wrong_answer_is_said_and_not_timed(monkeypatch, capsys):
    def prepare(inputs, n_threads):
        return Run(lambda: None, lambda _: COMPARED["top_k"].answer(inputs, fastrec.top_k(-inputs["scores"], 20)))

    compared = Compared(*COMPARED["top_k"][:2], (Peer("wrong", "numpy", prepare),))
    monkeypatch.setitem(compare.COMPARED, "top_k", compared)
    assert cli.run(["bench", "--smoke", "--operation", "top_k"]) == 1
    assert "MISMATCH in top_k with wrong" in capsys.readouterr().out


def test_an_operation_that_fails_is_said_and_the_others_go_on(monkeypatch, capsys):
    def fail(**inputs):
        raise ValueError("learning_rate: too large")

    monkeypatch.setitem(compare.OPERATIONS, "top_k", OPERATIONS["top_k"]._replace(call=fail))
    assert cli.run(["bench", "--smoke", *QUICK]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "fastrec: ValueError: learning_rate: too large" in printed
    assert "MISMATCH in normalize" not in printed


def test_what_does_not_suit_the_data_runs_when_asked_for(monkeypatch):
    monkeypatch.setitem(compare.OPERATIONS, "top_k", OPERATIONS["top_k"]._replace(why_not=lambda _: "skipped: no"))
    monkeypatch.setattr(compare, "COMPARED", {"top_k": COMPARED["top_k"]})
    options = {"n_threads": 1, "n_pairs": 1}
    (skipped,) = compare.compare(data.load("small"), **options)
    assert (skipped.note, skipped.pairs) == ("skipped: no", None)
    (asked,) = compare.compare(data.load("small"), operations=["top_k"], **options)
    assert asked.pairs is not None


def test_operations_say_what_does_not_suit_them():
    binary, wide = coo_array(np.eye(3)).tocsr(), csr_array((1, 30_000))
    assert "same" in OPERATIONS["explicit_als"].why_not(binary)
    assert "items" in OPERATIONS["ease"].why_not(wide)
    few = {name for name, operation in OPERATIONS.items() if operation.why_not(data.load("small"))}
    assert few == {"bpr", "warp", "logistic_mf", "nmf"}


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--operation", "topk"], "operation: expected one of"),
        (["--peers", "numpy,spark"], "got 'spark'"),
        (["--data", "none.csv"], "data: expected a file"),
        (["--draw", "none.json"], "draw: expected what 'fastrec bench --json' wrote in none.json"),
        (["--chart", "a.pdf"], "ends in .svg or .png, got 'a.pdf'"),
        (["--threads", "0"], "--threads"),
        (["--growth", "--sizes", "0"], "sizes: expected millions of interactions"),
        (["--growth", "--sizes", "x"], "'x'"),
        (["--growth", "--chart", "a.svg"], "chart: expected a comparison with peers"),
        (["--growth", "--data", "nope.csv", "--pairs", "3"], "data: expected it without --growth, which draws its own"),
        (["--growth", "--pairs", "3"], "pairs: expected it without --growth"),
        (["--growth", "--smoke"], "smoke: expected it without --growth"),
        (["--growth", "--thread-scaling"], "growth: expected it without --thread-scaling"),
        (["--thread-scaling", "--data", "small"], "data: expected it without --thread-scaling"),
        (
            ["--thread-scaling", "--peers", "scipy"],
            "peers: expected it without --thread-scaling, which measures fastrec",
        ),
        (
            ["--smoke", "--data", "medium"],
            "data: expected it without --smoke, which measures on small, got both; leave",
        ),
        (["--draw", "a.json", "--json", "b.json"], "json: expected something to measure, got --draw"),
    ],
)
def test_wrong_command_line(arguments, part, capsys):
    assert cli.run(["bench", *arguments]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert part in errors


def test_no_peer_does_it(capsys):
    assert cli.run(["bench", "--smoke", "--operation", "warp", "--peers", "numpy"]) == 2
    assert "operation and peers: expected a peer that does" in capsys.readouterr().err


def test_without_matplotlib(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.run(["bench", "--chart", "a.svg", *QUICK]) == 1
    assert capsys.readouterr().err == 'fastrec: this command needs matplotlib: pip install ".[bench]" in the checkout\n'


@pytest.mark.skipif(not PEERS.exists(), reason="needs the benchmarks of a checkout")
def test_from_a_checkout(tmp_path):
    done = subprocess.run([sys.executable, PEERS, "--smoke", *QUICK], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "small: 600 users x 400 items" in done.stdout


# ---- the chart ------------------------------------------------------------------------------------------------------

MACHINE = {
    "processor": "A processor", "usable_cores": 2, "n_threads": 2, "instruction_set": "x86-64-v3", "system": "Linux",
    "python": "3.13.1", "versions": {"fastrec": "0.1.0", "implicit": "0.7.3"},
}  # fmt: skip


def outcome(operation, peer, library, ratios, *, exact=True):
    pairs = None if ratios is None else Pairs(np.array([[1.0, ratio] for ratio in ratios]))
    return Outcome(operation, peer, library, exact, Agreement(ratios is not None, "text"), pairs, "a note")


def record(*outcomes, name="gowalla", **machine):
    return Record(
        {**MACHINE, **machine},
        {"name": name, "n_users": 10, "n_items": 5, "n_interactions": 20},
        {"n_factors": 64, "k": 20, "n_pairs": 3},
        list(outcomes),
    )


COMPARISON = record(
    outcome("implicit_als", "implicit, Cholesky", "implicit", [20.0, 22.0, 25.0]),
    outcome("implicit_als", "implicit, CG", "implicit", [5.0, 6.0, 5.5], exact=False),
    outcome("normalize", "similaripy", "similaripy", [0.3, 0.31, 0.29]),
    outcome("top_k", "fastrec, random order", "fastrec", [1.0, 1.0, 1.1]),
    outcome("item_similarity", "rusket", "rusket", None),
)


def test_records_come_back(tmp_path):
    records.write(COMPARISON, tmp_path / "a.json")
    found = records.read(tmp_path / "a.json")
    assert found._replace(outcomes=()) == COMPARISON._replace(outcomes=())
    for mine, other in zip(found.outcomes, COMPARISON.outcomes, strict=True):
        assert mine._replace(pairs=None) == other._replace(pairs=None)
        assert (mine.pairs is None) == (other.pairs is None)
        assert mine.pairs is None or (mine.pairs.seconds == other.pairs.seconds).all()


def test_a_row_an_operation_that_was_timed_against_another_library():
    rows = chart.rows_of([COMPARISON])
    assert list(rows) == ["normalize", "implicit_als"]
    assert [one.peer for one in rows["implicit_als"]] == ["implicit, Cholesky", "implicit, CG"]


def test_later_records_replace_earlier_ones_of_the_same_data():
    again = record(outcome("normalize", "similaripy", "similaripy", [0.5]), outcome("bpr", "rusket", "rusket", [2.0]))
    rows = chart.rows_of([COMPARISON, again])
    assert list(rows) == ["normalize", "implicit_als", "bpr"]
    assert rows["normalize"][0].pairs.ratio()[0] == 0.5
    rows = chart.rows_of([COMPARISON, again._replace(data={**again.data, "name": "ml_1m"})])
    assert list(rows) == ["normalize (gowalla)", "normalize (ml_1m)", "implicit_als (gowalla)", "bpr (ml_1m)"]


@pytest.mark.parametrize("different", [{"n_threads": 4}, {"processor": "Another"}, {"instruction_set": "x86-64-v4"}])
def test_runs_of_different_machines_are_not_mixed(different):
    with pytest.raises(ValueError, match=f"draw: expected runs on one machine, got {next(iter(different))} "):
        records.common_machine([COMPARISON, record(**different)])
    with pytest.raises(ValueError, match=r"got implicit 0\.7\.3 and 0\.8"):
        records.common_machine([COMPARISON, record(versions={"implicit": "0.8"})])
    more = records.common_machine([COMPARISON, record(versions={"rusket": "0.1"})])
    assert more["versions"] == {"fastrec": "0.1.0", "implicit": "0.7.3", "rusket": "0.1"}


def test_chart(tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("a.svg", "b.svg", "a.png"):
        chart.draw([COMPARISON], tmp_path / name)
    drawn = (tmp_path / "a.svg").read_text()
    assert drawn == (tmp_path / "b.svg").read_text()
    for part in ("implicit_als", "normalize", ">implicit<", ">similaripy<", ">not exact<", "A processor", "x86-64-v3",
                 "gowalla: 10 users", "2 threads"):  # fmt: skip
        assert part in drawn
    assert "top_k" not in drawn
    assert "rusket" not in drawn
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="at least one other library"):
        chart.draw([record()], tmp_path / "c.svg")
