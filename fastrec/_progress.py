"""Progress of a long job on stderr, for who asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress_bar(total: int, label: str, shown: bool) -> Iterator[Callable[..., Any]]:
    """A bar of ``total`` steps on stderr, advanced by each call: by one step, or as many as it is given."""
    if not shown:
        yield lambda n=1: None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("progress=True needs tqdm; pip install 'fastrec[demo]'.") from None
    with tqdm(total=total, desc=label) as bar:
        yield bar.update
