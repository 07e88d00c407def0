"""What drop-ins are compared with: the libraries themselves, where they are installed, and when two answers are one.

Two rows are the same where their scores in descending order agree to 1e-5, relative, as do the scores of the columns
that are in both rows; a column that is in one of them only must tie with its last. Zeros are no entries.
"""

import contextlib
import importlib
import importlib.util
import inspect
import io
import pkgutil
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

import fastrec.compat

PROGRAMS = Path(__file__).parent / "programs"
TOLERANCE = 1e-5
NOT_OF_IT = ("typing", "importlib.metadata")  # what a library has imported for itself


def needs(library):
    """Skip where the library itself is not installed."""
    return pytest.mark.skipif(importlib.util.find_spec(library) is None, reason=f"needs {library}")


def raised_by(call):
    """The type of what a call raises, and None where it raises nothing."""
    try:
        call()
    except Exception as error:
        return type(error)
    return None


# ---- answers --------------------------------------------------------------------------------------------------------


def assert_same_rows(ours, theirs, *, magnitude=0.0):
    """Rank for rank; ``magnitude`` is what terms that cancel have without their signs."""
    assert type(ours).__name__ == type(theirs).__name__
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    for row, (mine, other) in enumerate(zip(entries_of_rows(ours), entries_of_rows(theirs), strict=True)):
        where = f"row {row}: {mine} and {other}"
        assert len(mine) == len(other), where
        assert_close(sorted(mine.values()), sorted(other.values()), magnitude, where)
        both = mine.keys() & other.keys()
        assert_close([mine[column] for column in both], [other[column] for column in both], magnitude, where)
        for found in (mine, other):
            alone = [found[column] for column in found.keys() - both]
            assert_close(alone, [min(found.values(), default=0.0)] * len(alone), magnitude, where)


def assert_close(ours, theirs, magnitude, where):
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE * magnitude, err_msg=where)


def entries_of_rows(matrix):
    """Of every row, the values that are not zero by their columns."""
    rows = csr_array(matrix.tocsr())
    found = []
    for row in range(rows.shape[0]):
        stored = slice(rows.indptr[row], rows.indptr[row + 1])
        entries = zip(rows.indices[stored].tolist(), rows.data[stored].tolist(), strict=True)
        found.append({column: value for column, value in entries if value})
    return found


# ---- names and programs ---------------------------------------------------------------------------------------------


def assert_same_names(library, *, without=()):
    """Every public name of every public module is there, functions with the same arguments and defaults."""
    original = importlib.import_module(library)
    modules = [library, *(module.name for module in pkgutil.walk_packages(original.__path__, f"{library}."))]
    for name in modules:
        if name in without or name.rpartition(".")[2].startswith("_"):
            continue
        theirs, ours = importlib.import_module(name), importlib.import_module(f"fastrec.compat.{name}")
        assert ours.__name__ == f"fastrec.compat.{name}", f"{name} is left to {library}"
        assert not lacking(ours, theirs), name
        for public, value in vars(theirs).items():
            if inspect.isfunction(value) and value.__module__.startswith(library) and not public.startswith("_"):
                assert arguments(getattr(ours, public)) == arguments(value), f"{name}.{public}"


def lacking(ours, theirs):
    """Public names of a module that ours has not itself, whatever it finds in the library's."""
    listed = getattr(theirs, "__all__", ())
    public = [name for name in vars(theirs) if not name.startswith("_") or name in listed]
    values = [name for name in public if not inspect.ismodule(vars(theirs)[name])]
    elsewhere = {name for name in values if getattr(vars(theirs)[name], "__module__", None) in NOT_OF_IT}
    return set(values) - elsewhere - vars(ours).keys() - {"annotations", "TYPE_CHECKING"}


def arguments(function):
    return [(parameter.name, parameter.default) for parameter in inspect.signature(function).parameters.values()]


def printed_by(program, library):
    """What a program prints that is run with the library, and with the drop-in for it."""
    printed = []
    for way in (contextlib.nullcontext(), fastrec.compat.patched(library)):
        with way, contextlib.redirect_stdout(io.StringIO()) as out:
            runpy.run_path(str(PROGRAMS / f"{program}.py"), run_name="__main__")
        printed.append(out.getvalue())
    return printed
