"""What a figure was measured on, the same number of threads for everybody, and how much memory was needed."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import sys
from contextlib import AbstractContextManager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import fastrec
from fastrec import _dispatch, _machine

PACKAGES = ("numpy", "scipy", "numba", "implicit", "rusket", "irspack", "cmfrec", "similaripy",
            "sparse_dot_topn", "faiss-cpu", "scann-core", "lightfm-next", "scikit-learn", "threadpoolctl")  # fmt: skip
_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS")


def facts(n_threads: int) -> dict[str, Any]:
    """Processor, cores, threads, instruction set in use, and versions of what is installed."""
    return {
        "processor": _processor(),
        "usable_cores": _machine.usable_cores(),
        "n_threads": n_threads,
        "instruction_set": _dispatch.instruction_set or "no compiled kernels",
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {"fastrec": fastrec.__version__, **{name: version(name) for name in PACKAGES if _installed(name)}},
    }


def describe(found: dict[str, Any]) -> str:
    """Facts as two lines."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return (
        f"{found['processor']}, {found['usable_cores']} usable cores, {found['n_threads']} threads, "
        f"{found['instruction_set']}, {found['system']}, Python {found['python']}\n{versions}"
    )


def set_thread_variables(n_threads: int) -> None:
    """Set what a runtime reads when it is loaded: to be called before a peer is imported."""
    os.environ.update(thread_variables(n_threads))


def thread_variables(n_threads: int) -> dict[str, str]:
    """The same, for the environment of another process."""
    return dict.fromkeys(_VARIABLES, str(n_threads))


def limited(n_threads: int, *, one_blas_thread: bool = False) -> AbstractContextManager[Any]:
    """Limit OpenMP and BLAS to ``n_threads`` each.

    ``one_blas_thread`` is for libraries that call BLAS from threads of their own and ask for it.
    """
    from threadpoolctl import threadpool_limits

    limits = {"openmp": n_threads, "blas": 1 if one_blas_thread else n_threads}
    return threadpool_limits(limits)  # type: ignore[no-any-return]


def peak_from_now_on() -> int:
    """Forget the peak of this process's memory so far, where the system can, and say what it is now."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """Most bytes of this process that were resident at once."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        lines = []
    kibibytes = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    if kibibytes:
        return kibibytes[0] << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << (0 if sys.platform == "darwin" else 10)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
