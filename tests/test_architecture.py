"""The tree is the architecture: who imports whom, where threads start, what an instruction set's object may export."""

import ast
import graphlib
import inspect
import os
import platform
import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

import fastrec
import fastrec.evaluation

PACKAGE = Path(fastrec.__file__).parent
CHECKOUT = Path(__file__).parents[1]
TESTS = Path(__file__).parent

needs_checkout = pytest.mark.skipif(not (CHECKOUT / "csrc").is_dir(), reason="needs the sources of a checkout")
COMPILER = shutil.which(os.environ.get("CXX") or "g++") or shutil.which("clang++")
needs_compiler = pytest.mark.skipif(
    not (COMPILER and shutil.which("nm")) or platform.system() != "Linux", reason="needs a C++ compiler and nm of Linux"
)


def python_sources():
    """Source of every module of the package, by its dotted name."""
    sources = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("fastrec", *path.relative_to(PACKAGE).with_suffix("").parts)
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return sources


# ---- imports --------------------------------------------------------------------------------------------------------


# Each may import from its own layer and from lower ones. Other modules that stand beside these are API modules.
LAYERS = [
    {"_types"},
    {"_compiled", "_jit"},
    {
        "_check",
        "_threads",
        "_dispatch",
        "_machine",
        "_config",
        "_random",
        "_progress",
        "_transpose",
        "_relabel",
        "_entries",
        "_row_facts",
        "_measures",
        "_near_scores",
        "_least_squares",
        "_blocks",
        "_cholesky",
        "_nonnegative",
        "_nndsvd",
    },
    {"API"},
    {"models", "evaluation", "data"},
    {"fastrec"},  # the public names
    {"cli", "compat", "distributed", "__main__"},
]


def layer_of(module):
    """Number of a module's layer; None for a private module that has none."""
    part = module.split(".")[1] if "." in module else module
    known = [number for number, names in enumerate(LAYERS) if part in names]
    return known[0] if known else None if part.startswith("_") else LAYERS.index({"API"})


def imports(sources):
    """Which modules of ours each module imports, anywhere in it."""
    found = {}
    for module, source in sources.items():
        found[module] = set()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found[module] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module} has a relative import"
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                found[module] |= {name if name in sources else node.module for name in names}
        found[module] = {name for name in found[module] if name.split(".")[0] == "fastrec"}
    return found


def wrong_imports(sources):
    """Imports against the direction that the layers have."""
    wrong = []
    for module, imported in imports(sources).items():
        for other in imported:
            if is_reference(module) or is_reference(other):
                allowed = (
                    (is_reference(module) and (is_reference(other) or other == "fastrec._types"))
                    or module == "fastrec"
                    or module.startswith("fastrec.cli.")
                )
            else:
                assert layer_of(module) is not None, f"{module} has no layer: see LAYERS"
                assert layer_of(other) is not None, f"{other} has no layer: see LAYERS"
                allowed = layer_of(other) <= layer_of(module)
            if not allowed:
                wrong.append(f"{module} imports {other}")
    return wrong


def is_reference(module):
    return module.split(".")[1:2] == ["reference"]


def circles(sources):
    try:
        graphlib.TopologicalSorter(imports(sources)).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_imports_point_one_way():
    assert wrong_imports(python_sources()) == []


def test_imports_have_no_circle():
    assert circles(python_sources()) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("fastrec._types", "from fastrec import _check"),
        ("fastrec._check", "import fastrec.selection"),
        ("fastrec._jit.weighting", "def f():\n    from fastrec._threads import resolve"),
        ("fastrec.selection", "from fastrec.models.als import ImplicitALS"),
        ("fastrec.models.als", "from fastrec import ImplicitALS"),
        ("fastrec.models.als", "from fastrec.cli import main"),
        ("fastrec.selection", "from fastrec import reference"),
        ("fastrec.reference.selection", "from fastrec import _check"),
        ("fastrec.reference.selection", "import fastrec.selection"),
    ],
)
def test_a_wrong_import_is_found(module, source):
    names = ["_check", "_types", "_threads", "selection", "models.als", "cli", "reference", "reference.selection"]
    sources = {f"fastrec.{name}": "" for name in names} | {"fastrec": ""}
    assert wrong_imports(sources) == []
    assert len(wrong_imports(sources | {module: source})) == 1


def test_a_circle_is_found():
    sources = {"fastrec.a": "from fastrec import b", "fastrec.b": "def f():\n    import fastrec.c", "fastrec.c": ""}
    assert circles(sources) == []
    assert circles(sources | {"fastrec.c": "from fastrec.a import f"})


@needs_checkout
def test_bindings_know_nothing_above_them():
    for path in (CHECKOUT / "fastrec/_compiled").glob("*.p[xy][xdi]"):
        for module in re.findall(r"^\s*(?:from|c?import) (fastrec[\w.]*)", path.read_text(), re.MULTILINE):
            assert module.startswith("fastrec._compiled") or (path.suffix == ".pyi" and module == "fastrec._types"), (
                path
            )


# ---- threads --------------------------------------------------------------------------------------------------------


STARTS_THREADS_PY = {
    "Thread",
    "Timer",
    "ThreadPoolExecutor",
    "ProcessPoolExecutor",
    "ThreadPool",
    "start_new_thread",
    "prange",
}
STARTS_THREADS_CPP = re.compile(
    r"std::j?thread\b|std::async|pthread_create|#include <thread>|#pragma omp|omp\.h|\bprange\b|cython\.parallel|tbb::"
)


def names_in(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.name.split(".")[0] for alias in node.names)
            if isinstance(node, ast.ImportFrom):
                yield (node.module or "").split(".")[0]


def test_python_threads_start_in_one_module():
    forbidden = STARTS_THREADS_PY | {"multiprocessing", "joblib"}
    starting = {module for module, source in python_sources().items() if forbidden & set(names_in(source))}
    assert starting == {"fastrec._threads"}


@needs_checkout
def test_native_threads_start_in_one_header():
    sources = [*(CHECKOUT / "csrc").rglob("*.[hc]pp")]
    sources += (CHECKOUT / "fastrec").rglob("*.p[xy][xd]")
    starting = {path.name for path in sources if STARTS_THREADS_CPP.search(without_comments(path.read_text()))}
    assert starting == {"parallel.hpp"}


def without_comments(source):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", source, flags=re.DOTALL)


# ---- Numba ----------------------------------------------------------------------------------------------------------


COMPILE = {"njit", "jit", "vectorize", "guvectorize", "stencil", "cfunc", "generated_jit"}


def test_one_numba_decorator():
    using = {module: sorted(COMPILE & set(names_in(source))) for module, source in python_sources().items()}
    assert {module: names for module, names in using.items() if names} == {"fastrec._jit.decorator": ["cfunc", "njit"]}


def test_numba_is_imported_by_kernels_only():
    importing = {m for m, source in python_sources().items() if {"numba", "llvmlite"} & set(names_in(source))}
    assert importing == {"fastrec._jit.decorator", "fastrec._jit.lanes"}


def test_numba_kernels_are_sequential_and_release_the_gil():
    from fastrec import _dispatch

    for name in _dispatch._JIT:
        options = _dispatch.kernel(name).targetoptions
        assert options["nogil"], name
        assert not options.get("parallel"), name
        assert not options.get("fastmath"), name


def freed_too_early(source):
    """Functions, and arrays of their own that they read by pointers without keeping them."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            given = {argument.arg for argument in function.args.args}
            pointed, kept = set(), set()
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and getattr(call.func, "id", None) in {"pointer", "aligned", "keep"}:
                    names = {node.id for node in ast.walk(call.args[0]) if isinstance(node, ast.Name)}
                    (kept if call.func.id == "keep" else pointed).update(names - given)
            if pointed - kept:
                yield function.name, pointed - kept


def test_kernels_keep_what_they_read_by_pointer():
    found = {module: list(freed_too_early(source)) for module, source in python_sources().items() if "_jit" in module}
    assert not {module: names for module, names in found.items() if names}


def test_an_array_that_is_freed_too_early_is_found():
    source = """
        def kernel(given):
            own, kept = np.empty(3), np.empty(3)
            start, other, more = pointer(given), pointer(own), aligned(kept)
            keep((kept,))
    """
    assert list(freed_too_early(textwrap.dedent(source))) == [("kernel", {"own"})]


# ---- errors ---------------------------------------------------------------------------------------------------------


OF_ARGUMENTS = {"TypeError", "ValueError", "MemoryError", "ArithmeticError"}
# Who else raises them, beside the command line and the drop-ins, which have words of their own.
NOT_OF_ARGUMENTS = {
    "fastrec.models.files": "what a file holds, which loading tells with the file's name",
    "fastrec.models.loading": "the file",
    "fastrec._jit.decorator": "what Numba says of a function, which its caller tells as an error of the argument",
}


def raised(source):
    """Errors of arguments that a module raises itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            what = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if getattr(what, "id", None) in OF_ARGUMENTS:
                yield node.lineno


def test_errors_of_arguments_are_raised_in_one_module():
    ours = {m: source for m, source in python_sources().items() if not re.match(r"fastrec\.(cli|compat)\b", m)}
    raising = {module for module, source in ours.items() if list(raised(source))}
    assert raising == {"fastrec._check", *NOT_OF_ARGUMENTS}


def test_an_error_raised_elsewhere_is_found():
    source = "def f():\n    try:\n        g()\n    except KeyError:\n        raise ValueError('x') from None\n    raise"
    assert list(raised(source)) == [5]
    assert list(raised("raise TypeError\nraise fastrec.NotFittedError('f')")) == [1]


# ---- operations -----------------------------------------------------------------------------------------------------


OPERATIONS = [
    name
    for name in fastrec.__all__
    if re.fullmatch(r"fastrec\.[a-z]\w*", getattr(getattr(fastrec, name), "__module__", ""))
]


def test_operations_are_what_they_are_taken_for():
    assert {"top_k", "item_similarity", "als_half_step", "normalize"} <= set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_has_a_reference(operation):
    assert operation in fastrec.reference.__all__
    assert signature(getattr(fastrec.reference, operation)) == signature(getattr(fastrec, operation))


@pytest.mark.parametrize("operation", fastrec.reference.__all__)
def test_reference_has_an_operation(operation):
    owner = fastrec if operation in fastrec.__all__ else fastrec.evaluation
    assert signature(getattr(owner, operation)) == signature(getattr(fastrec.reference, operation))


def signature(function):
    parameters = inspect.signature(function).parameters.values()
    return [(parameter.name, parameter.kind, parameter.default) for parameter in parameters]


@pytest.mark.parametrize("operation", fastrec.reference.__all__)
def test_operation_is_tested_against_its_reference(operation):
    compared = re.compile(rf"\breference\.{operation}\b|getattr\(reference, operation\)")
    assert any(compared.search(path.read_text()) for path in TESTS.glob("test_*.py"))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_docstring_names_every_argument(operation):
    documentation = inspect.getdoc(getattr(fastrec, operation))
    answers = [] if inspect.isclass(getattr(fastrec, operation)) else ["Returns"]
    for section in ("Parameters", *answers, "Raises"):
        assert f"{section}\n{'-' * len(section)}" in documentation
    for parameter in inspect.signature(getattr(fastrec, operation)).parameters:
        assert re.search(rf"^(\w+, )*{parameter}(, \w+)* : ", documentation, re.MULTILINE), parameter


@pytest.mark.parametrize("name", fastrec.__all__)
def test_public_name_has_a_docstring(name):
    thing = getattr(fastrec, name)
    assert inspect.getdoc(thing)
    if inspect.isclass(thing):
        for attribute, method in inspect.getmembers(thing, inspect.isroutine):
            if not attribute.startswith("_") and (getattr(method, "__module__", None) or "").startswith("fastrec"):
                assert inspect.getdoc(method), f"{name}.{attribute}"


# ---- instruction sets -----------------------------------------------------------------------------------------------


INTRINSICS = {"x86": r"<(\w*intrin|cpuid)\.h>", "arm": r"<(arm_\w+)\.h>"}


@needs_checkout
@pytest.mark.parametrize("machine", INTRINSICS)
def test_headers_of_a_machine_are_included_in_its_files_only(machine):
    including = {
        path.relative_to(CHECKOUT / "csrc/fastrec")
        for path in (CHECKOUT / "csrc").rglob("*.[hc]pp")
        if re.search(rf"#include {INTRINSICS[machine]}", path.read_text())
    }
    assert including
    assert {path for path in including if machine not in path.name} == set()
    assert {path.parts[0] for path in including} <= {"simd", "isa"}


def build_table():
    """The table of instruction sets in setup.py and the flags of all, read without running the rest of it."""
    wanted = {"ISAS", "MACHINE", "SANITIZE", "COMMON", "KERNEL"}
    names = {"os": os, "platform": platform, "Path": Path}
    for node in ast.parse((CHECKOUT / "setup.py").read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if {getattr(target, "id", None) for target in targets} & wanted:
            exec(compile(ast.Module([node], []), "setup.py", "exec"), names)
    assert wanted <= set(names)
    return names


SETS = build_table()["ISAS"] if (CHECKOUT / "csrc").is_dir() else {"x86_64": {"x86-64-v2": []}}
MACHINE = {"AMD64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def compiled(source, to, *flags):
    subprocess.run([COMPILER, *flags, "-c", source, "-o", to], check=True)
    return to


def object_of(isa, folder):
    """What the last build in this checkout linked, unless a source is newer; else it is compiled as setup.py does."""
    name, table = isa.replace("-", "_"), build_table()
    source = CHECKOUT / f"csrc/fastrec/isa/{name}.cpp"
    newest = max(path.stat().st_mtime for path in [source, CHECKOUT / "setup.py", *(CHECKOUT / "csrc").rglob("*.hpp")])
    for built in CHECKOUT.glob(f"build/temp.*/csrc/fastrec/isa/{name}.o"):
        if built.stat().st_mtime > newest:
            return built
    return compiled(source, folder / "set.o", *table["KERNEL"], *table["ISAS"][MACHINE][isa], f"-I{CHECKOUT / 'csrc'}")


def symbols(compiled):
    """Kind and name of every symbol that an object defines."""
    listed = subprocess.run(
        ["nm", "--demangle", "--defined-only", compiled], check=True, capture_output=True, text=True
    )
    return [tuple(line.split(" ", 2)[1:]) for line in listed.stdout.splitlines()]


def leaking(found):
    """Symbols that the linker may merge with another set's, or take from it: weak, unique and common ones."""
    return [name for kind, name in found if kind in "VvWwuC"]


def exported(found):
    return [name for kind, name in found if kind.isupper()]


@needs_checkout
@needs_compiler
@pytest.mark.parametrize("isa", SETS.get(MACHINE, {}))
def test_object_of_a_set_exports_its_table_only(isa, tmp_path, monkeypatch):
    monkeypatch.delenv("FASTREC_SANITIZE", raising=False)
    found = symbols(object_of(isa, tmp_path))
    assert leaking(found) == []
    assert exported(found) == [f"fastrec::kernels_{isa.replace('-', '_')}"]


@needs_compiler
def test_a_leaking_object_is_found(tmp_path):
    source = tmp_path / "leaks.cpp"
    source.write_text(
        "__attribute__((noinline)) inline int leak(int x) { return x + 1; }\nint use(int x) { return leak(x); }\n"
    )
    found = symbols(compiled(source, tmp_path / "leaks.o", "-O1"))
    assert leaking(found) == ["leak(int)"]
    assert "use(int)" in exported(found)


@needs_checkout
def test_the_table_names_what_is_built():
    from fastrec import _dispatch

    assert list(_dispatch.instruction_sets()) == list(SETS[MACHINE])
    files = {path.stem for path in (CHECKOUT / "csrc/fastrec/isa").glob("*.cpp")}
    assert files == {isa.replace("-", "_") for sets in SETS.values() for isa in sets}
    for flags in (flags for sets in SETS.values() for flags in sets.values()):
        assert not {"-march=native", "-ffast-math", "-Ofast"} & {*flags, *build_table()["KERNEL"]}
