"""The only way that a kernel is compiled."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import numba
from numba.core.compiler_lock import global_compiler_lock

Function = TypeVar("Function", bound=Callable[..., Any])

view: Any = numba.carray  # type: ignore[attr-defined]

if hasattr(os, "register_at_fork"):  # a fork waits for who compiles: a child would wait for ever
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def kernel(*, part: bool = False) -> Callable[[Function], Function]:
    """Compile on first use, cached on disk: sequential, without the GIL, IEEE arithmetic, division as in NumPy.

    A ``part`` is always compiled into its caller: a call would count references to arrays, which stalls a processor. It
    has no entry for Python or C and is not cached itself, which a first fit would wait for.
    """
    own: dict[str, Any] = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

    def compiled(function: Function) -> Function:
        dispatcher = numba.njit(nogil=True, error_model="numpy", **(own if part else {}))(function)
        if not part:
            with suppress(RuntimeError):  # no folder can be written to: every process compiles for itself
                dispatcher.enable_caching()
        return cast("Function", dispatcher)

    return compiled


def callback(signature: str) -> Callable[[Function], Any]:
    """Compile at once, for callers in C++ that hold no GIL; TypeError where the types do not fit."""

    def compiled(function: Function) -> Any:
        try:
            return numba.cfunc(signature)(function)
        except numba.core.errors.NumbaError as error:
            raise TypeError(str(error)) from None

    return compiled
