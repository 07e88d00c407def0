"""Numbers as the libraries take them: whole ones may come as floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrec import _check, _threads

_MOST_THREADS = 1024


def whole(value: Any, name: str, least: int = 1, *, fix: str = "") -> int:
    """An integer of at least ``least``, which may have come as a float or a bool."""
    if isinstance(value, bool | np.bool_) or (isinstance(value, float | np.floating) and float(value).is_integer()):
        value = int(value)
    return _check.integer(value, name, least, fix=fix)


def threads_of(given: Any, name: str = "num_threads") -> int:
    """A number of threads, of which 0 and None stand for all cores."""
    n = 0 if given is None else whole(given, name, 0, fix="0 uses every core there is")
    return _threads.resolve(min(n, _MOST_THREADS) or None)
