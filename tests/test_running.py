"""How the operations run: any number of threads, several callers, forks, Ctrl-C, and the GIL released."""

import contextlib
import itertools
import os
import shutil
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import fastrec
import processes
from equality import digest
from fastrec import _blocks, _dispatch, _threads
from workloads import AT_ANY_THREADS, factors, operands, ratings

needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="this system does not list threads")


@pytest.mark.parametrize("case", AT_ANY_THREADS)
def test_same_bits_at_any_number_of_threads(case):
    expected = digest(AT_ANY_THREADS[case](1))
    for n_threads in (2, 3, 8, None):
        assert digest(AT_ANY_THREADS[case](n_threads)) == expected, n_threads


@needs_proc
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not tie threads to processors")
def test_threads_stay_where_their_caller_may_run():
    """They are sent to another processor than its own: not where there is none, and not for good."""
    case = next(iter(AT_ANY_THREADS.values()))
    allowed, known, seen = os.sched_getaffinity(0), set(os.listdir("/proc/self/task")), set()
    only, stop = {min(allowed)}, threading.Event()

    def watch():
        while not stop.is_set():
            for task in set(os.listdir("/proc/self/task")) - known - {str(watcher.native_id)}:
                with contextlib.suppress(ProcessLookupError):
                    seen.add(frozenset(os.sched_getaffinity(int(task))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        os.sched_setaffinity(0, only)
        deadline = time.monotonic() + 60
        while not seen and time.monotonic() < deadline:
            got = digest(case(8))
    finally:
        os.sched_setaffinity(0, allowed)
        stop.set()
        watcher.join()
    assert seen == {frozenset(only)}
    assert got == digest(case(1))


@needs_proc
@pytest.mark.parametrize("case", AT_ANY_THREADS)
def test_threads_really_run(case):
    """Without which the test above would prove nothing: calls are repeated until one is seen with its threads."""
    call, stop = AT_ANY_THREADS[case], threading.Event()
    call(1)

    def repeat():
        while not stop.is_set():
            call(8)

    def n_threads():
        return len(os.listdir("/proc/self/task"))

    enough = 2  # beside the caller, who works too: on two busy cores the first ends before the eighth has begun
    caller = threading.Thread(target=repeat)
    before = n_threads()
    for _ in range(100):  # those of the test before may be leaving yet
        time.sleep(0.002)
        before = min(before, n_threads())
    caller.start()
    most, end = 0, time.monotonic() + 60
    while most < before + 1 + enough and time.monotonic() < end:
        most = max(most, n_threads())
    stop.set()
    caller.join()
    assert most >= before + 1 + enough


def test_four_callers_at_once():
    expected = {case: digest(call(1)) for case, call in AT_ANY_THREADS.items()}
    cases, barrier, wrong = list(AT_ANY_THREADS), threading.Barrier(4), []

    def caller(number):
        barrier.wait()
        for case in cases[5 * number :] + cases[: 5 * number]:
            try:
                if digest(AT_ANY_THREADS[case](2)) != expected[case]:
                    wrong.append(case)
            except Exception as error:
                wrong.append((case, error))

    callers = [threading.Thread(target=caller, args=[number]) for number in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert not wrong


def test_blas_has_its_threads_back_afterwards():
    from threadpoolctl import threadpool_info, threadpool_limits

    def n_threads():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    with threadpool_limits(2, user_api="blas"):
        before = n_threads()
        assert set(before) == {2}
        with _threads.one_blas_thread():
            with _threads.one_blas_thread():
                assert set(n_threads()) == {1}
            assert set(n_threads()) == {1}
        assert n_threads() == before
        with pytest.raises(KeyboardInterrupt), _threads.one_blas_thread():
            raise KeyboardInterrupt
        assert n_threads() == before


# ---- the pool that drives Numba blocks ------------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [1, 3])
def test_pool_visits_every_row_once(n_threads):
    for n_rows in (0, 1, 4096, 4097, 20_000):
        visited = np.zeros(n_rows)

        def kernel(first, last, out):
            out[first:last] += 1

        _threads.run_blocks(kernel, n_rows, n_threads, visited)
        assert (visited == 1).all()


@pytest.mark.parametrize("n_threads", [1, 3])
def test_pool_raises_what_a_block_raises_and_ends(n_threads):
    def kernel(first, last):
        if first:
            raise ZeroDivisionError(f"rows {first} to {last}")

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        _threads.run_blocks(kernel, 100_000, n_threads)
    assert threading.active_count() == before


# ---- fork -----------------------------------------------------------------------------------------------------------


FORK = """
    import threading
    from equality import digest
    from processes import check_in_forked_child
    from workloads import AT_ANY_THREADS

    def fork_and_check(cases):
        check_in_forked_child(lambda: [case for case in cases if digest(AT_ANY_THREADS[case](2)) != expected[case]])

    expected = {case: digest(call(2)) for case, call in AT_ANY_THREADS.items()}
"""


@processes.needs_fork
def test_forked_child_after_every_kernel(tmp_path):
    processes.run(FORK + "    fork_and_check(AT_ANY_THREADS)\n", tmp_path, PYTHONWARNINGS="ignore::DeprecationWarning")


@processes.needs_fork
@pytest.mark.parametrize(
    "busy",
    [
        "fastrec.als_half_step([[1.0]], [[1.0]], [[1.0]], n_threads=2)",
        "AT_ANY_THREADS['normalize'](2)",
        "AT_ANY_THREADS['item_similarity, cosine'](2)",
    ],
    ids=["BLAS", "the pool", "C++"],
)
def test_forked_child_while_another_thread_calls(busy, tmp_path):
    """Whatever lock that thread holds at the moment of the fork, nobody in the child will ever release it."""
    program = f"""
    import fastrec
    def repeat():
        while True:
            {busy}
    threading.Thread(target=repeat, daemon=True).start()
    for _ in range(10):
        fork_and_check(["als_half_step, singular", "normalize", "item_similarity, cosine"])
    """
    processes.run(FORK + program, tmp_path, PYTHONWARNINGS="ignore::DeprecationWarning")


# ---- progress -------------------------------------------------------------------------------------------------------


def knn(model):
    return lambda **options: model.fit(ratings(), **options).similarity_


SHOWN = {
    "item_similarity": ("neighbours", 800, lambda **o: fastrec.item_similarity(ratings(), 5, **o)),
    "item_similarity, targets": (
        "neighbours", 3, lambda **o: fastrec.item_similarity(ratings(), 5, target_items=[7, 1, 2], **o),
    ),
    "user_similarity": ("neighbours", 1000, lambda **o: fastrec.user_similarity(ratings(), 5, **o)),
    "sparse_top_k_product": ("rows", 700, lambda **o: fastrec.sparse_top_k_product(*operands("int64"), 5, **o)),
    "top_k_inner_product": ("queries", 400, lambda **o: fastrec.top_k_inner_product(*factors("float32"), 5, **o)),
    "ItemIndex": ("queries", 400, lambda **o: fastrec.ItemIndex(factors("float64")[1]).top_k(
        factors("float64")[0], 5, **o)),
    "ItemKNN": ("neighbours", 800, knn(fastrec.ItemKNN(5, weighting="tfidf"))),
    "UserKNN": ("neighbours", 1000, knn(fastrec.UserKNN(5))),
    "EASE": ("EASE (4.7 MiB)", 12, knn(fastrec.EASE())),
    "SLIM": ("SLIM", 800, knn(fastrec.SLIM(50.0))),
    "P3alpha": ("neighbours", 800, knn(fastrec.P3alpha(5))),
    "RP3beta": ("neighbours", 800, knn(fastrec.RP3beta(5))),
}  # fmt: skip


@pytest.mark.parametrize("operation", SHOWN)
def test_progress_changes_nothing_but_stderr(operation, capfd):
    label, n_rows, call = SHOWN[operation]
    expected = digest(call())
    assert capfd.readouterr().err == ""
    assert digest(call(progress=True)) == expected
    assert f"{label}: 100%" in (shown := capfd.readouterr().err)
    assert f"{n_rows}/{n_rows}" in shown


@pytest.mark.parametrize("n_threads", [1, 3])
def test_progress_is_told_while_the_kernel_works(n_threads, monkeypatch):
    """Of each chunk of the answer at the latest when it ends; all chunks have one bar."""
    steps = []
    kernel = _dispatch.kernel("item_similarity", np.int32, np.float32)
    told = lambda *arguments: kernel(*arguments[:-1], steps.append)  # noqa: E731
    monkeypatch.setattr(
        _dispatch, "kernel", lambda *o, known=_dispatch.kernel: told if "similar" in o[0] else known(*o)
    )
    monkeypatch.setitem(fastrec._types.room_for_rows.__kwdefaults__, "most_bytes", 1 << 16)
    fastrec.item_similarity(ratings(), 100, n_threads=n_threads, progress=True)
    assert sum(steps) == 800
    assert len(steps) >= 800 * 100 * 8 // (1 << 16)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, BrokenPipeError])
def test_what_a_bar_raises_ends_the_call(error, monkeypatch):
    def broken(self, n=1):
        raise error("the bar")

    monkeypatch.setattr("tqdm.auto.tqdm.update", broken)
    for _, _, call in SHOWN.values():
        with pytest.raises(error, match="the bar"):
            call(progress=True)
    assert fastrec.item_similarity(ratings(), 5).nnz


def test_progress_needs_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match="pip install tqdm"):
        fastrec.item_similarity(ratings(), 5, progress=True)


# ---- Ctrl-C ---------------------------------------------------------------------------------------------------------


# Each would take minutes; broadcast rows and row pointers that go back to 0 make much work of little memory.
LONG = {
    "top_k_dense": "fastrec.top_k(np.broadcast_to(np.arange(10_000.0) % 97, (10**7, 10_000)), 2, n_threads=2)",
    "top_k_csr": """_dispatch.kernel("top_k_csr", np.float64)(
        np.arange(10_000.0) % 97, np.arange(10_000, dtype=np.int32), np.tile([0, 10_000], 10**7), 10_000,
        *TopK.empty(2 * 10**7 - 1, 2, np.float64), 2)""",
    "top_k_inner_product": """fastrec.top_k_inner_product(
        np.broadcast_to(np.float32(1), (10**7, 64)), np.ones((20_000, 64), np.float32), 2, n_threads=2)""",
    "packed_top_k": """fastrec.ItemIndex(rng.random((20_000, 64), np.float32), metric="euclidean").top_k(
        np.broadcast_to(np.float32(1), (10**7, 64)), 2, n_threads=2)""",
    "sparse_top_k_product": "fastrec.sparse_top_k_product(full(20_000, 1000), full(1000, 20_000), 2, n_threads=2)",
    "item_similarity": "fastrec.item_similarity(full(1000, 20_000), 2, n_threads=2)",
    "half_step": """_dispatch.kernel("half_step", np.float32)(
        np.ones(1000, np.float32), np.arange(1000, dtype=np.int32), np.tile([0, 1000], 10**7),
        np.ones(1000, np.float32), rng.random((1000, 16), np.float32), 1.0, np.ones(2 * 10**7 - 1), np.ones(16), 1e-5,
        48, 48, np.empty((2 * 10**7 - 1, 16), np.float32), np.empty(2 * 10**7 - 1, np.uint8), None, 2)""",
    "half_step of shared rows": """_dispatch.kernel("half_step", np.float32)(
        np.ones(600_000, np.float32), np.arange(600_000, dtype=np.int32), np.tile([0, 600_000], 10**4),
        np.ones(600_000, np.float32), rng.random((600_000, 16), np.float32), 1.0, np.ones(2 * 10**4 - 1), np.ones(16),
        1e-5, 48, 48, np.empty((2 * 10**4 - 1, 16), np.float32), np.empty(2 * 10**4 - 1, np.uint8), None, 2)""",
    "direct_solve": """fastrec.als_half_step(
        full(10_000, 1000), full(10_000, 1000), rng.random((1000, 128)), tol=0, n_threads=2)""",
    "nonnegative_solve": """fastrec.als_half_step(
        full(10_000, 1000), full(10_000, 1000), rng.random((1000, 128)), nonnegative=True, n_threads=2)""",
    "popular items, chosen": "with crowded(-1): fastrec.item_similarity(full(3, 10_000), 2, n_threads=2)",
    "popular items, their bits": "with crowded(4): fastrec.item_similarity(full(3, 10_000), 2, n_threads=2)",
    "transpose": """_dispatch.kernel("transpose", np.float32)(
        np.empty(0, np.float32), np.zeros(2 * 10**9, np.int32),  # which take no memory, as nobody writes to them;
        # stopped in the first pass, which only counts: the second would need room for them
        np.arange(20_001) * 100_000, 10, np.empty(0, np.float32), np.empty(1, np.int32), np.empty(11, np.int64), True,
        2)""",
    "eigenvectors": """fastrec.als_half_step(
        full(10_000, 5), full(10_000, 5), rng.random((5, 250)), regularization=0, unobserved_weight=0, tol=0,
        n_threads=2)""",
    "blocks": """fastrec.BPR(8, n_epochs=10**7, n_threads=2).fit(csr_array(rng.random((3000, 3000)) < 0.1))""",
    "blocks, one thread": "fastrec.BPR(8, n_epochs=10**7, n_threads=1).fit(csr_array(np.eye(3000)))",
    "NMF": "fastrec.NMF(8, n_epochs=10**7, n_threads=2).fit(csr_array(rng.random((3000, 300)) < 0.1))",
    "rows": "fastrec.LogisticMF(8, n_epochs=10**7, n_threads=2).fit(csr_array(np.eye(3000)))",
    "EASE": "fastrec.EASE(n_threads=2).fit(csr_array((1, 20_000), dtype=np.float32))",
    "SLIM": """fastrec.SLIM(0, 0.001, positive=False, tol=0, n_threads=2).fit(
        rng.standard_normal((300, 4000), np.float32))""",
    "the pool": """_threads.run_blocks(
        _dispatch.kernel("normalize"), 10**7, 2, np.ones(10_000), np.tile([0, 10_000], 10**7), 2, np.ones(10_000))""",
    "the pool, one thread": """_threads.run_blocks(
        _dispatch.kernel("normalize"), 10**7, 1, np.ones(10_000), np.tile([0, 10_000], 10**7), 2, np.ones(10_000))""",
}


@pytest.mark.parametrize("driver", LONG)
def test_ctrl_c(driver, tmp_path):
    """Stops a call that would take minutes, soon after the signal, and leaves the library usable.

    The signal comes from another thread of the program once a kernel runs, so the GIL must have been released too.
    """
    output = processes.run(
        f"""
        import contextlib, os, signal, threading, time
        from unittest import mock
        import numpy as np
        from scipy.sparse import csr_array
        import fastrec
        from equality import digest
        from fastrec import TopK, _dispatch, _threads
        from workloads import AT_ANY_THREADS

        rng = np.random.default_rng(0)
        def full(n_rows, n_columns):
            indices = np.tile(np.arange(n_columns, dtype=np.int32), n_rows)
            indptr = np.arange(n_rows + 1) * n_columns
            return csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(n_rows, n_columns))

        @contextlib.contextmanager
        def crowded(n_head):  # every other user has the most popular item again and again
            kernel, ranks, indptr = _dispatch.kernel, np.zeros(10_000, np.int32), np.tile([0, 10_000], 10**7)
            def of_many_users(*operation):
                found = kernel(*operation)
                if operation[0] != "item_similarity":
                    return found
                return lambda *args: found(*args[:6], ranks, indptr, *args[8:])
            with (mock.patch.object(_dispatch, "kernel", of_many_users),
                  mock.patch.object(fastrec.similarity, "_HEAD_ITEMS", n_head)):
                yield

        cases = ["top_k, float32", "item_similarity, cosine", "als_half_step, singular", "normalize"]
        expected = [digest(AT_ANY_THREADS[case](2)) for case in cases]  # compiles what Numba compiles
        inside, times = threading.Event(), {{}}

        def observed(call):
            def observed_call(*args):
                inside.set()
                return call(*args)
            return observed_call
        if {driver!r} == "eigenvectors":
            np.linalg.eigh = observed(np.linalg.eigh)
        else:
            _dispatch.kernel = lambda *operation, kernel=_dispatch.kernel: observed(kernel(*operation))

        def press():
            inside.wait()
            time.sleep({0.05 if driver == "transpose" else 0.5})  # its first pass may be over in .3 s
            times["pressed"] = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=press).start()
        try:
            {LONG[driver]}
            times["ended"] = time.monotonic()
            threading.Event().wait(60)  # for a signal that comes too late
        except KeyboardInterrupt:
            times["stopped"] = time.monotonic()
        assert "ended" not in times, "the call ended before the signal came"
        soon = time.monotonic() + 5  # the signal may come while a thread is being started
        while threading.active_count() > 1 and time.monotonic() < soon:
            time.sleep(0.01)
        assert threading.active_count() == 1, threading.enumerate()
        assert [digest(AT_ANY_THREADS[case](2)) for case in cases] == expected
        print(times["stopped"] - times["pressed"])
        """,
        tmp_path,
    )
    print(output)
    assert float(output) < 5  # a second is promised; this is what a slow machine under load may take


def test_gil_is_released(tmp_path):
    """While a thread is in a kernel, the main thread runs: it alone lets the call be stopped by ending the process."""
    output = processes.run(
        """
        import os, threading, time
        import numpy as np
        import fastrec
        from fastrec import _dispatch

        inside = threading.Event()
        def observed(*operation, kernel=_dispatch.kernel):
            inside.set()
            return kernel(*operation)
        _dispatch.kernel = observed
        rows = np.broadcast_to(np.arange(10_000.0) % 97, (10**7, 10_000))
        caller = threading.Thread(target=fastrec.top_k, args=[rows, 2], kwargs={"n_threads": 2}, daemon=True)
        caller.start()
        inside.wait()
        time.sleep(0.2)
        print(sum(range(10**6)), caller.is_alive(), flush=True)
        os._exit(0)
        """,
        tmp_path,
    )
    assert output.split() == ["499999500000", "True"]


def test_a_program_that_hangs_is_a_failure(tmp_path):
    with pytest.raises(AssertionError, match="hangs"):
        processes.finish(processes.start("import time; time.sleep(600)", tmp_path), timeout=1)
    with pytest.raises(AssertionError, match="exit status 3"):
        processes.run("raise SystemExit(3)", tmp_path)
    assert processes.run("import sys; print(sys.version_info[0])", tmp_path).strip() == str(sys.version_info[0])


def test_programs_use_the_package_that_is_tested(tmp_path):
    assert processes.run("import fastrec; print(fastrec.__file__)", tmp_path).strip() == fastrec.__file__


def test_a_kernel_is_compiled_where_no_cache_can_be_written(monkeypatch):
    from numba.core import caching

    from fastrec._jit.decorator import kernel

    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])

    def twice(x):
        return 2 * x

    assert kernel()(twice)(3) == 6


def test_a_package_that_cannot_be_written_to_has_its_cache_elsewhere(tmp_path):
    """A file stands where its folder would be made: not even root may."""
    package = tmp_path / "read-only" / "fastrec"
    shutil.copytree(Path(fastrec.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "_jit" / "__pycache__").touch()
    counts = [
        processes.run(
            """
            import fastrec
            from fastrec._jit.weighting import bm25

            assert bm25(2.0, 1.0, 1.0, 1.0, 0.0) == 4 / 3
            print(fastrec.__file__, bm25.stats.cache_hits.total(), bm25.stats.cache_misses.total())
            """,
            tmp_path,
            PYTHONPATH=str(package.parent),
            HOME=str(tmp_path),
            XDG_CACHE_HOME=None,
            NUMBA_CACHE_DIR=None,
        ).split()
        for _ in range(2)
    ]
    assert counts == [[str(package / "__init__.py"), "0", "1"], [str(package / "__init__.py"), "1", "0"]]


@pytest.mark.parametrize("n_given", [0, 2])
def test_a_system_that_gives_fewer_threads(monkeypatch, n_given):
    """Those that there are do it all."""
    start, n_started = threading.Thread.start, itertools.count()

    def start_few(thread):
        if next(n_started) >= n_given:
            raise RuntimeError("can't start new thread")
        start(thread)

    def fitted(n_threads):
        model = fastrec.BPR(8, n_epochs=2, random_state=0, n_threads=n_threads).fit(ratings())
        return digest(model.user_factors_, model.item_factors_)

    monkeypatch.setattr(_blocks, "blocks_for", lambda *_: 8)
    expected = fitted(1)
    monkeypatch.setattr(threading.Thread, "start", start_few)
    assert fitted(8) == expected
    assert next(n_started) > n_given


@processes.needs_fork
def test_a_fork_waits_for_who_compiles(tmp_path):
    """Whose lock a child would find held for ever."""
    processes.run(
        """
        import faulthandler, os, threading, time
        import numpy as np
        import fastrec
        from numba.core.compiler_lock import global_compiler_lock

        fastrec.bm25_weight(np.eye(3))
        held = threading.Event()

        def compile_for_a_while():
            with global_compiler_lock:
                held.set()
                time.sleep(0.5)

        threading.Thread(target=compile_for_a_while).start()
        held.wait()
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(60, exit=True)
            with global_compiler_lock:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        """,
        tmp_path,
    )
