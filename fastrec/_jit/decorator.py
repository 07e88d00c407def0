"""The only way that a kernel is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel() -> Callable[[Function], Function]:
    """Compile on first use, cached on disk: sequential, without the GIL, IEEE arithmetic, division as in NumPy."""
    return cast("Callable[[Function], Function]", numba.njit(nogil=True, cache=True, error_model="numpy"))
