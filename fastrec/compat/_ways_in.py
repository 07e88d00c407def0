"""How a drop-in gets into the place of the library whose modules and names it has."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, TypeVar

from fastrec import _check

Function = TypeVar("Function", bound=Callable[..., Any])

_PACKAGE = "fastrec.compat"
_log = logging.getLogger(_PACKAGE)
_verbose = os.environ.get("FASTREC_COMPAT_VERBOSE", "0") not in ("", "0")
if _verbose:
    _log.setLevel(logging.INFO)
    _log.addHandler(logging.StreamHandler())

_replaced: dict[str, dict[str, ModuleType]] = {}  # by library that is patched: its modules that were there before


# ---- the ways in ----------------------------------------------------------------------------------------------------


def patch(name: str) -> None:
    """Let imports of a library find fastrec's drop-in for it, in this process and from here on.

    Parameters
    ----------
    name : str
        A library that `fastrec.compat` has a package of.

    Raises
    ------
    TypeError, ValueError
        There is no drop-in of that name.

    Notes
    -----
    Names that were bound before, by ``from library import name`` say, stay what they are: patch first, then import.
    Patching twice is patching once.
    """
    _check.choice(name, "name", drop_ins())
    if name in _replaced:
        return
    drop_in = importlib.import_module(f"{_PACKAGE}.{name}")
    _replaced[name] = _take_out(name)
    sys.modules[name] = drop_in


def unpatch(name: str | None = None) -> None:
    """Let imports find the library itself again; None: every library.

    Modules of the library that were imported before `patch` are in place again. Names that were bound meanwhile, and
    models that were made, stay fastrec's.
    """
    if name is not None:
        _check.choice(name, "name", drop_ins())
    for library in list(_replaced) if name is None else [name]:
        if library in _replaced:
            _forget_originals(library)
            _take_out(library)
            sys.modules.update(_replaced.pop(library))


@contextmanager
def patched(name: str) -> Iterator[None]:
    """`patch` for the length of a ``with`` block; a library that was patched before stays so."""
    outermost = name not in _replaced
    patch(name)
    try:
        yield
    finally:
        if outermost:
            unpatch(name)


def drop_ins() -> list[str]:
    """Libraries that there is a drop-in of."""
    here = importlib.import_module(_PACKAGE).__path__
    return sorted(module.name for module in pkgutil.iter_modules(here) if module.ispkg)


def _take_out(library: str) -> dict[str, ModuleType]:
    """Remove a library from the modules that are imported; those it had."""
    names = [name for name in sys.modules if name == library or name.startswith(f"{library}.")]
    return {name: sys.modules.pop(name) for name in names}


def _forget_originals(library: str) -> None:
    """Take what an import of a module that the drop-in lacks has left on it."""
    drop_in = f"{_PACKAGE}.{library}"
    for name, module in list(sys.modules.items()):
        if name.startswith((f"{library}.", f"{drop_in}.")) and not module.__name__.startswith(f"{drop_in}."):
            parent, _, attribute = name.rpartition(".")
            vars(sys.modules[parent]).pop(attribute, None)
            if name.startswith(drop_in):
                del sys.modules[name]


# ---- what is imported under which name ------------------------------------------------------------------------------


class _Finder(MetaPathFinder):
    """Modules of a patched library, and those of a library itself that its drop-in lacks."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.startswith(f"{_PACKAGE}."):
            name = fullname.removeprefix(f"{_PACKAGE}.")
            if "." not in name or _is_taken(name):
                return None
            return _alias(fullname, name) if _is_left(name) else _stand_in(fullname, name)
        if fullname.partition(".")[0] not in _replaced:
            return None
        if _is_taken(fullname):
            return _alias(fullname, f"{_PACKAGE}.{fullname}")
        return _spec_of_original(fullname) if _is_left(fullname) else _stand_in(fullname, fullname)


class _AliasLoader(Loader):
    """Puts a module that has another name in the place of the one that is imported."""

    def __init__(self, name: str) -> None:
        self.name = name

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(self.name)


def _alias(name: str, of: str) -> ModuleSpec:
    return ModuleSpec(name, _AliasLoader(of))


def _stand_in(name: str, original: str) -> ModuleSpec:
    """What a drop-in has in the place of a module that is left to a library that is not installed, if anything."""
    library, _, rest = original.partition(".")
    stand_ins: dict[str, str] = vars(sys.modules[f"{_PACKAGE}.{library}"]).get("STAND_INS", {})
    if rest not in stand_ins:
        raise ModuleNotFoundError(_not_installed(original), name=name)
    return _alias(name, f"{_PACKAGE}.{library}.{stand_ins[rest]}")


def _is_taken(name: str) -> bool:
    """Whether a drop-in has a module for this one of its library."""
    return _find(_PACKAGE, name, list(sys.modules[_PACKAGE].__path__)) is not None


def _is_left(name: str) -> bool:
    """Whether a library itself, which then is installed, is to have a module."""
    library = name.partition(".")[0]
    if _spec_of_original(name) is not None:
        _log.info("%s: left to %s", name, library)
    return has_original(library)


def _spec_of_original(name: str) -> ModuleSpec | None:
    """Where a library itself has a module, whatever is imported under its name."""
    return _find("", name, None)


def _find(package: str, name: str, path: list[str] | None) -> ModuleSpec | None:
    """Where a module is, found without importing anything; a folder of no package is none."""
    spec = None
    for part in name.split("."):
        package = f"{package}.{part}" if package else part
        spec = PathFinder.find_spec(package, path)
        if spec is None or spec.origin is None:
            return None
        path = list(spec.submodule_search_locations or [])
    return spec


def _not_installed(name: str) -> str:
    library = name.partition(".")[0]
    return f"{name} is left to {library} itself, which is not installed; pip install {library}."


sys.meta_path.insert(0, _Finder())


# ---- for the modules of drop-ins ------------------------------------------------------------------------------------


def left_to_original(module: str) -> Callable[[str], Any]:
    """A ``__getattr__`` for a module of a drop-in: its submodules, and what only the library itself has."""
    original = module.removeprefix(f"{_PACKAGE}.")

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        try:
            return importlib.import_module(f"{module}.{name}")
        except ModuleNotFoundError as error:
            if error.name not in (f"{module}.{name}", f"{original}.{name}"):
                raise
        library = original.partition(".")[0]
        if not has_original(library):
            raise AttributeError(_not_installed(f"{original}.{name}"))
        value = getattr(original_module(original), name)
        _log.info("%s.%s: left to %s", original, name, library)
        return value

    return __getattr__


def has_original(library: str) -> bool:
    """Whether a library itself is installed."""
    return _spec_of_original(library) is not None


def left(name: str) -> Any:
    """A module that a drop-in lacks, as its library is imported just now."""
    return importlib.import_module(f"{_PACKAGE}.{name}")


def original_module(name: str) -> ModuleType:
    """A module of a library itself, among modules of its own, also while the library is patched."""
    library = name.partition(".")[0]
    if library not in _replaced:
        return importlib.import_module(name)
    ours = _take_out(library)
    sys.modules.update(_replaced.pop(library))
    try:
        return importlib.import_module(name)
    finally:
        _replaced[library] = _take_out(library)
        sys.modules.update(ours)


def level_of_caller() -> int:
    """For a warning of the function that asks: the first line that led here from outside of the drop-ins."""
    level, frame = 1, sys._getframe(1)
    while frame.f_globals.get("__name__", "").startswith(f"{_PACKAGE}.") and frame.f_back is not None:
        level, frame = level + 1, frame.f_back
    return level


def taken(function: Function) -> Function:
    """Log every call of a function that fastrec has taken over, where ``FASTREC_COMPAT_VERBOSE=1`` asks for it."""
    if not _verbose:
        return function
    name = f"{function.__module__}.{function.__qualname__}".removeprefix(f"{_PACKAGE}.")

    @functools.wraps(function)
    def logged(*args: Any, **kwargs: Any) -> Any:
        _log.info("%s: taken by fastrec", name)
        return function(*args, **kwargs)

    return logged  # type: ignore[return-value]
