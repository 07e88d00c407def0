"""Threads on the Python side: how many, the pool that drives Numba blocks, and BLAS kept to one in our regions."""

from __future__ import annotations

import functools
import heapq
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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


def run_blocks(
    kernel: Callable[..., None], n_rows: int, n_threads: int, *args: Any, rows_a_block: int = _ROWS_A_BLOCK
) -> None:
    """Call ``kernel(first, last, *args)`` over blocks of rows, on this thread and others that live for this call.

    The blocks do not depend on ``n_threads``. After an exception, Ctrl-C included, no further block is started and
    every thread has ended before it is raised again.
    """
    firsts = iter(range(0, n_rows, rows_a_block))
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set() and (first := next(firsts, None)) is not None:
            kernel(first, min(first + rows_a_block, n_rows), *args)

    n_blocks = -(-n_rows // rows_a_block)
    _together(work, stopped.set, min(n_threads, n_blocks))


def run_in_order(
    task: Callable[[int], Iterable[None]], needs: Callable[[int], Iterable[int]], n_tasks: int, n_threads: int
) -> None:
    """Go through ``task(number)`` for all numbers, each when those that ``needs(number)`` names, all lower, have ended.

    The lowest that may begin is always the next, on this thread or on others that live for this call. The lowest that
    has not ended waits for nobody, so that no number of threads waits for ever. After an exception, Ctrl-C included, no
    further task is begun, others are left where they yield, and every thread has ended before it is raised again.
    """
    n_missing = [0] * n_tasks
    followers: list[list[int]] = [[] for _ in range(n_tasks)]
    for number in range(n_tasks):
        for needed in needs(number):
            n_missing[number] += 1
            followers[needed].append(number)
    due = [number for number in range(n_tasks) if not n_missing[number]]  # a heap, as every sorted list is
    n_begun = 0
    stopped = False
    changed = threading.Condition()

    def is_over() -> bool:
        return stopped or n_begun == n_tasks

    def work() -> None:
        nonlocal n_begun
        while True:
            with changed:
                changed.wait_for(lambda: due or is_over())
                if is_over():
                    return
                number = heapq.heappop(due)
                n_begun += 1
            for _ in task(number):
                if stopped:
                    return
            with changed:
                for follower in followers[number]:
                    n_missing[follower] -= 1
                    if not n_missing[follower]:
                        heapq.heappush(due, follower)
                changed.notify_all()

    def stop() -> None:
        nonlocal stopped
        with changed:
            stopped = True
            changed.notify_all()

    _together(work, stop, min(n_threads, n_tasks))


def _together(work: Callable[[], None], stop: Callable[[], None], n_threads: int) -> None:
    """Run ``work`` on this thread and others that live for this call; ``stop`` is called where one raises.

    Where the system refuses threads, those that there are do it all.
    """

    def stopping() -> None:
        try:
            work()
        except BaseException:
            stop()
            raise

    if n_threads < 2:
        stopping()
        return
    pool = ThreadPoolExecutor(n_threads - 1)
    others = []
    try:
        for _ in range(n_threads - 1):
            try:
                others.append(pool.submit(stopping))
            except RuntimeError:
                break
        stopping()
        pool.shutdown()
    except BaseException:  # also Ctrl-C while the others are waited for
        stop()
        pool.shutdown()
        raise
    for other in others:
        other.result()


class _OneBlasThread:
    """The limit on BLAS, and how many regions want it now."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n_users = 0
        self.limit: Any = None

    def enter(self) -> None:
        with self.lock:
            if self.n_users == 0:
                self.limit = _controller().limit(limits=1, user_api="blas")
            self.n_users += 1

    def leave(self) -> None:
        with self.lock:
            self.n_users -= 1
            if self.n_users == 0:
                self.limit.restore_original_limits()

    def start_anew(self) -> None:
        """In a forked child: the threads that held the lock, or wanted the limit, are not there."""
        self.lock = threading.Lock()
        if self.n_users:
            self.limit.restore_original_limits()
            self.n_users = 0


_blas = _OneBlasThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_blas.start_anew)


@functools.cache
def _controller() -> Any:
    """The BLAS libraries of NumPy and SciPy, looked for once: it takes a millisecond."""
    import scipy.linalg  # noqa: F401  (loads SciPy's own, which could not be found before)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS on one thread, where its sums do not depend on how many there are, until the last user has left."""
    _blas.enter()
    try:
        yield
    finally:
        _blas.leave()
