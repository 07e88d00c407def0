"""Three ways into a drop-in: what is imported under which name, and what is left to the library itself."""

import importlib
import importlib.util
import inspect
import multiprocessing
import os
import subprocess
import sys

import pytest

import fastrec.compat.implicit
from fastrec.compat import _ways_in

LIBRARIES = ["implicit", "similaripy", "sparse_dot_topn"]
needs_implicit = pytest.mark.skipif(importlib.util.find_spec("implicit") is None, reason="needs implicit")


@pytest.fixture(autouse=True)
def unpatched():
    yield
    fastrec.compat.unpatch()


@pytest.fixture
def not_installed(monkeypatch):
    """No library is found that drop-ins could leave something to."""
    monkeypatch.setattr(_ways_in, "_spec_of_original", lambda name: None)
    for library in LIBRARIES:
        drop_in = importlib.import_module(f"fastrec.compat.{library}")
        for name, value in list(vars(drop_in).items()):
            if inspect.ismodule(value) and not value.__name__.startswith("fastrec."):
                monkeypatch.delitem(vars(drop_in), name)
    for name in [name for name in sys.modules if name.startswith("fastrec.compat.implicit.gpu")]:
        monkeypatch.delitem(sys.modules, name)


def test_patched_imports_find_the_drop_in():
    import fastrec.compat.implicit.cpu.als as ours

    fastrec.compat.patch("implicit")
    import implicit
    import implicit.cpu.als
    from implicit.als import AlternatingLeastSquares
    from implicit.evaluation import train_test_split

    assert implicit is fastrec.compat.implicit
    assert implicit.cpu.als is ours
    assert AlternatingLeastSquares.__module__ == "fastrec.compat.implicit.als"
    assert train_test_split.__module__ == "fastrec.compat.implicit.evaluation"


def test_patching_twice_is_patching_once():
    fastrec.compat.patch("implicit")
    fastrec.compat.patch("implicit")
    assert is_patched()
    fastrec.compat.unpatch("implicit")
    assert not is_patched()
    fastrec.compat.unpatch("implicit")
    fastrec.compat.unpatch()


def is_patched():
    """Whether implicit's name is the drop-in's; it may be the library's own, or nobody's."""
    names = [name for name in sys.modules if name.partition(".")[0] == "implicit"]
    return any(sys.modules[name].__name__.startswith("fastrec.") for name in names)


def test_a_block_ends_what_it_began():
    with fastrec.compat.patched("implicit"):
        with fastrec.compat.patched("implicit"):
            pass
        assert is_patched()
    assert not is_patched()
    fastrec.compat.patch("implicit")
    with pytest.raises(ZeroDivisionError), fastrec.compat.patched("implicit"):
        1 / 0  # noqa: B018
    assert is_patched()


@pytest.mark.parametrize("call", [fastrec.compat.patch, fastrec.compat.unpatch])
def test_unknown_libraries_are_refused(call):
    with pytest.raises(ValueError, match=r"expected one of .*'implicit'.*, got 'numpy'"):
        call("numpy")
    with pytest.raises(TypeError, match="name"):
        call(3)


@needs_implicit
def test_unpatched_imports_find_the_library_that_was_imported_before():
    import implicit

    from_before = implicit.als.AlternatingLeastSquares
    with fastrec.compat.patched("implicit"):
        import implicit.als

        assert implicit.als.AlternatingLeastSquares is not from_before
    import implicit

    assert implicit.als.AlternatingLeastSquares is from_before
    assert from_before.__module__ == "implicit.als"


@needs_implicit
def test_what_is_left_to_the_library_works_with_the_drop_in():
    with fastrec.compat.patched("implicit"):
        import implicit.approximate_als
        from implicit.approximate_als import implicit as seen_there

        assert implicit.approximate_als.__file__.endswith("/implicit/approximate_als.py")
        assert "fastrec" not in implicit.approximate_als.__file__
        assert seen_there.als is fastrec.compat.implicit.als
        assert isinstance(implicit.gpu.HAS_CUDA, bool)
        assert implicit.utils.scipy.__name__ == "scipy"  # a name that only the library's module has
    assert "approximate_als" not in vars(fastrec.compat.implicit)
    assert fastrec.compat.implicit.approximate_als.__name__ == "implicit.approximate_als"


@needs_implicit
def test_what_nobody_has_is_an_error():
    with pytest.raises(AttributeError, match="nonsense"):
        fastrec.compat.implicit.nonsense  # noqa: B018
    with fastrec.compat.patched("implicit"), pytest.raises(ModuleNotFoundError, match=r"implicit\.nonsense"):
        import implicit.nonsense  # noqa: F401


def test_loops_that_are_left_need_the_library(not_installed):
    for name in ("cpu.bpr.bpr_update", "cpu.lmf.lmf_update", "cpu.bpr.RNGVector", "cpu.lmf.RNGVector"):
        module, _, loop = name.rpartition(".")
        with pytest.raises(AttributeError, match=f"{name} is left to implicit itself, which is not installed"):
            getattr(importlib.import_module(f"fastrec.compat.implicit.{module}"), loop)


def test_what_is_left_needs_the_library(not_installed):
    with fastrec.compat.patched("implicit"):
        import implicit
        from implicit.gpu import HAS_CUDA

        assert HAS_CUDA is False
        with pytest.raises(ModuleNotFoundError, match=r"implicit\.datasets is left to implicit itself.*pip install"):
            import implicit.datasets.movielens
        with pytest.raises(AttributeError, match="approximate_als is left to implicit itself"):
            implicit.approximate_als  # noqa: B018
        with pytest.raises(ModuleNotFoundError, match=r"implicit\.gpu\.als is left to implicit itself"):
            implicit.als.AlternatingLeastSquares(use_gpu=True)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_name_that_nobody_has_needs_the_library(not_installed, library):
    drop_in = importlib.import_module(f"fastrec.compat.{library}")
    for name in (f"fastrec.compat.{library}", library):
        with fastrec.compat.patched(library):
            assert not hasattr(importlib.import_module(name), "nonsense")
            with pytest.raises(ModuleNotFoundError, match=rf"{library}\.nonsense is left to {library} itself"):
                importlib.import_module(f"{name}.nonsense")
    with pytest.raises(AttributeError, match=rf"{library}\.nonsense is left to {library} itself.*pip install"):
        drop_in.nonsense  # noqa: B018
    with pytest.raises(ImportError, match="nonsense"):
        exec(f"from fastrec.compat.{library} import nonsense")


def run(cwd, *arguments, **environment):
    """In a folder that has no fastrec of its own, as a checkout has."""
    command = [sys.executable, "-m", "fastrec.compat", *arguments]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def test_a_script_is_run_untouched(tmp_path):
    (tmp_path / "beside.py").write_text("NAME = 'beside'\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, numpy, scipy.sparse, beside\nfrom implicit.nearest_neighbours import CosineRecommender\n"
        "CosineRecommender(2).fit(scipy.sparse.csr_matrix(numpy.eye(3)), show_progress=False)\n"
        "print(__name__, sys.argv[1:], beside.NAME, CosineRecommender.__module__)\nsys.exit(3)\n"
    )
    done = run(tmp_path, "implicit", str(script), "--flag", "value", FASTREC_COMPAT_VERBOSE="1")
    assert done.returncode == 3, done.stderr
    assert done.stdout == "__main__ ['--flag', 'value'] beside fastrec.compat.implicit.nearest_neighbours\n"
    assert "implicit.nearest_neighbours.CosineRecommender.fit: taken by fastrec" in done.stderr


def test_a_script_keeps_its_own_future_and_its_own_path(tmp_path):
    """Nothing of what the runner imports from the future, and no place of a path that it did not put there."""
    script, elsewhere = tmp_path / "script.py", tmp_path / "elsewhere"
    script.write_text("import sys, onpath\ndef f(x: int): ...\nprint(f.__annotations__, onpath.NAME)\n")
    elsewhere.mkdir()
    (elsewhere / "onpath.py").write_text("NAME = 'found'\n")
    for safe in ("", "1"):
        done = run(tmp_path, "implicit", str(script), PYTHONPATH=str(elsewhere), PYTHONSAFEPATH=safe)
        assert done.stdout == "{'x': <class 'int'>} found\n", done.stderr


WORKERS = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from implicit.nearest_neighbours import CosineRecommender

def of_what(_):
    return CosineRecommender.__module__

def in_a_pool_of_its_own(way):
    with multiprocessing.get_context(way).Pool(1) as pool:
        return pool.map(of_what, range(2))

if __name__ == "__main__":
    print(*in_a_pool_of_its_own(sys.argv[1]))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(sys.argv[1])) as pool:
        print(*pool.submit(in_a_pool_of_its_own, sys.argv[1]).result())
"""


@pytest.mark.parametrize("way", ["spawn", "forkserver", "fork"])
def test_workers_are_patched_too(tmp_path, way):  # and their workers
    if way not in multiprocessing.get_all_start_methods():
        way = "spawn"
    (tmp_path / "script.py").write_text(WORKERS)
    done = run(tmp_path, "implicit", "script.py", way)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == 4 * ["fastrec.compat.implicit.nearest_neighbours"]


FROM_ELSEWHERE = """
import multiprocessing, os
from concurrent.futures import ProcessPoolExecutor  # which gives up where a worker does not start
from implicit.nearest_neighbours import CosineRecommender

def of_what():
    return CosineRecommender.__module__

if __name__ == "__main__":
    os.chdir("elsewhere")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        print(pool.submit(of_what).result())
"""


def test_workers_find_the_script_from_another_folder(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "script.py").write_text(FROM_ELSEWHERE)
    done = run(tmp_path, "implicit", "script.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "fastrec.compat.implicit.nearest_neighbours\n"


def test_workers_of_a_program_that_patches_at_its_top(tmp_path):
    (tmp_path / "script.py").write_text(f"import fastrec.compat\nfastrec.compat.patch('implicit')\n{WORKERS}")
    command = [sys.executable, "script.py", "spawn"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == 4 * ["fastrec.compat.implicit.nearest_neighbours"]


TOLD = """
import numpy, scipy.sparse
import implicit.cpu.als, implicit.cpu.topk, similaripy.cython_code.normalization as normalization
x = scipy.sparse.csr_matrix(numpy.eye(3))
factors = numpy.ones((3, 2))
implicit.cpu.topk.topk(factors, factors, 1)
implicit.cpu.als.calculate_loss(x, factors, factors, 0.1)
for name in ("l1", "l2", "max", "tfidf", "bm25plus"):
    getattr(normalization, f"inplace_normalize_csr_{name}")(x.shape, x.data, x.indices, x.indptr)
"""


def test_every_call_that_is_taken_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(TOLD)
    done = run(tmp_path, "implicit,similaripy", str(script), FASTREC_COMPAT_VERBOSE="1")
    assert done.returncode == 0, done.stderr
    names = {line.partition(": taken by fastrec")[0] for line in done.stderr.splitlines()}
    assert {"implicit.cpu.topk.topk", "implicit.cpu._als.calculate_loss"} < names
    of_rows = {f"similaripy.cython_code.normalization.inplace_normalize_csr_{name}" for name in
               ("l1", "l2", "max", "tfidf", "bm25plus")}  # fmt: skip
    assert of_rows < names


@needs_implicit
def test_names_that_are_left_are_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from implicit.cpu.bpr import bpr_update\n")
    done = run(tmp_path, "implicit", str(script), FASTREC_COMPAT_VERBOSE="1")
    assert "implicit.cpu.bpr.bpr_update: left to implicit" in done.stderr.splitlines()


def test_a_wrong_command_says_how(tmp_path):
    done = run(tmp_path, "numpy", str(tmp_path / "script.py"))
    assert done.returncode == 1
    assert "usage: python -m fastrec.compat" in done.stderr
    assert "'implicit'" in done.stderr


def test_help_and_a_missing_script(tmp_path):
    for flag in ("-h", "--help"):
        done = run(tmp_path, flag)
        assert (done.returncode, done.stderr) == (0, "")
        assert "LIBRARY is one of implicit, similaripy, sparse_dot_topn" in done.stdout
    done = run(tmp_path, "implicit", "missing.py")
    assert done.returncode == 1
    assert done.stderr.startswith("missing.py: expected a script, got an error: No such file")
    assert "Traceback" not in done.stderr
