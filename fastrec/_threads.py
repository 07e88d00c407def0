"""Threads on the Python side: how many, the pool that drives Numba blocks, and BLAS kept to one in our regions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from fastrec import _check, _machine

_MOST_THREADS = 1024
_ROWS_A_BLOCK = 4096


def resolve(n_threads: int | None) -> int:
    """Number of threads that an argument ``n_threads`` means: None is every core that the process may use."""
    if n_threads is None:
        return min(_machine.usable_cores(), _MOST_THREADS)
    return _check.integer(n_threads, "n_threads", 1, _MOST_THREADS, fix="None uses every core there is")


def run_blocks(kernel: Callable[..., None], n_rows: int, n_threads: int, *args: Any) -> None:
    """Call ``kernel(first, last, *args)`` over blocks of rows, on up to ``n_threads`` threads that live for this call.

    The blocks do not depend on ``n_threads``. After an exception, Ctrl-C included, no further block is started and
    every thread has ended before it is raised again.
    """
    blocks = [(first, min(first + _ROWS_A_BLOCK, n_rows)) for first in range(0, n_rows, _ROWS_A_BLOCK)]
    if n_threads == 1 or len(blocks) <= 1:
        for first, last in blocks:
            kernel(first, last, *args)
        return
    with ThreadPoolExecutor(min(n_threads, len(blocks))) as pool:
        futures = [pool.submit(kernel, first, last, *args) for first, last in blocks]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            pool.shutdown(cancel_futures=True)
        for future in futures:
            future.result()


_blas_lock = threading.Lock()
_blas_users = 0
_blas_limit: Any = None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS on one thread, where its sums do not depend on how many there are, until the last user has left."""
    global _blas_users, _blas_limit
    from threadpoolctl import threadpool_limits

    with _blas_lock:
        if _blas_users == 0:
            _blas_limit = threadpool_limits(1, user_api="blas")
        _blas_users += 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users -= 1
            if _blas_users == 0:
                _blas_limit.restore_original_limits()
