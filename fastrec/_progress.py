"""Progress of a long job on stderr, for who asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from fastrec._types import Bar

_NOT_SHOWN: AbstractContextManager[None] = nullcontext()


def kernel_bar(n_rows: int, label: str, shown: bool) -> AbstractContextManager[Bar | None]:
    """A bar that a kernel advances while it works; None where it is not shown, so that no kernel need ask Python."""
    return _bar(n_rows, label) if shown else _NOT_SHOWN


@contextmanager
def progress_bar(total: int, label: str, shown: bool) -> Iterator[Callable[..., Any]]:
    """A bar of ``total`` steps on stderr, advanced by each call: by one step, or as many as it is given."""
    with kernel_bar(total, label, shown) as advance:
        yield advance or (lambda n=1: None)


@contextmanager
def _bar(total: int, label: str) -> Iterator[Bar]:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("progress=True needs tqdm; pip install tqdm.") from None
    with tqdm(total=total, desc=label) as bar:
        yield bar.update
