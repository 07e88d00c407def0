"""Seconds and memory as the data grow, and as the threads do: each measured in a process of its own."""

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastrec.cli.bench import data, machine
from fastrec.cli.bench.compare import check_known, job_of_fastrec, job_of_peer
from fastrec.cli.bench.operations import DEFAULT_SIZES, OPERATIONS, Sizes
from fastrec.cli.bench.pairs import Job, seconds_of
from fastrec.cli.bench.peers import COMPARED
from fastrec.cli.bench.peers.peer import Peer

OPERATIONS_THAT_GROW = ("item_similarity", "sparse_top_k_product", "top_k_inner_product", "implicit_als")
FASTREC = "fastrec"
_SHORT = 1.0  # seconds: a call that takes less is repeated
_MOST_CALLS = 5
_MOST_PREPARING = 600.0  # seconds beside the limit


class Measurement(NamedTuple):
    """One library on one set of data.

    Attributes
    ----------
    operation, library : str
        Their names.
    n_interactions : int
        Stored ones.
    n_threads : int
        That it was given.
    seconds : float, optional
        Of a call, the median where one is short; None where there is none.
    peak_bytes : int, optional
        Most memory during the calls beyond what there was before: the result is in it, the inputs are not.
    note : str
        Why there are none.
    """

    operation: str
    library: str
    n_interactions: int
    n_threads: int
    seconds: float | None = None
    peak_bytes: int | None = None
    note: str = ""


# ---- what is measured -----------------------------------------------------------------------------------------------


def grow(
    millions: Iterable[float],
    *,
    operations: Collection[str] = (),
    peers: Collection[str] = (),
    sizes: Sizes = DEFAULT_SIZES,
    n_threads: int,
    limit: float,
) -> Iterator[Measurement]:
    """Measure fastrec and its peers on synthetic sets of more and more interactions.

    Parameters
    ----------
    millions : iterable of float
        Interactions that are drawn for each set.
    operations, peers, sizes
        As in `fastrec.cli.bench.compare.compare`; operations by default `OPERATIONS_THAT_GROW`.
    n_threads : int
        For everybody.
    limit : float
        Seconds that a call may take, 0 for any number. Who takes more, or more memory than there is, is not asked for
        more data.

    Yields
    ------
    Measurement
        As soon as it is known.
    """
    check_known(operations, peers)
    ascending = _ascending(millions)
    for operation in operations or OPERATIONS_THAT_GROW:
        gave_up: dict[str, str] = {}
        for million in ascending:
            with _Inputs(operation, million, sizes) as inputs:
                for library in _libraries(operation, peers):
                    measured = inputs.measure(library, n_threads, limit, gave_up.get(library, ""))
                    if measured.seconds is None:
                        gave_up.setdefault(library, f"not tried: {measured.note} at {million:g} million")
                    yield measured


def scale(
    millions: Iterable[float],
    *,
    operations: Collection[str] = (),
    sizes: Sizes = DEFAULT_SIZES,
    n_threads: int,
    limit: float,
) -> Iterator[Measurement]:
    """Measure fastrec at 1, 2, 4, ... and ``n_threads`` threads; parameters as in `grow`."""
    check_known(operations, ())
    ascending = _ascending(millions)
    for operation in operations or OPERATIONS_THAT_GROW:
        for million in ascending:
            with _Inputs(operation, million, sizes) as inputs:
                for n in numbers_of_threads(n_threads):
                    yield inputs.measure(FASTREC, n, limit)


def numbers_of_threads(most: int) -> list[int]:
    """Powers of two below ``most``, and ``most``."""
    return [1 << i for i in range(most.bit_length()) if 1 << i < most] + [most]


def shape(million: float) -> data.Shape:
    """50 interactions a user, and items that grow more slowly than users: the medium set, and nearly the large one."""
    return data.Shape(max(8, round(20_000 * million)), max(8, round(10_000 * million ** (2 / 3))), round(1e6 * million))


def exponents(measurements: Iterable[Measurement]) -> dict[tuple[str, str], float]:
    """For each operation and library with two sizes, the power of the interactions that its seconds grow by.

    It is the slope of a least-squares line through the logarithms.
    """
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for one in measurements:
        if one.seconds is not None:
            logs = math.log(one.n_interactions), math.log(one.seconds)
            points.setdefault((one.operation, one.library), []).append(logs)
    return {name: _slope(np.array(logs)) for name, logs in points.items() if len({x for x, _ in logs}) > 1}


def _slope(points: npt.NDArray[np.float64]) -> float:
    return float(np.polyfit(points[:, 0], points[:, 1], 1)[0])


def as_json(measurements: Collection[Measurement], n_threads: int) -> str:
    """All that was measured, with the exponents, and the machine with the most threads that were asked for."""
    fitted = [{"operation": o, "library": of, "exponent": e} for (o, of), e in exponents(measurements).items()]
    measured = [one._asdict() for one in measurements]
    return json.dumps({"machine": machine.facts(n_threads), "measurements": measured, "exponents": fitted}, indent=2)


LEAST_MILLIONS = 0.001  # of which a set can be drawn


def _ascending(millions: Iterable[float]) -> list[float]:
    found = sorted(millions)
    if not found or not (found[0] >= LEAST_MILLIONS and found[-1] < math.inf):
        raise ValueError(f"sizes: expected millions of interactions, each {LEAST_MILLIONS} or more, got {found}.")
    return found


def _libraries(operation: str, peers: Collection[str]) -> list[str]:
    found = [peer for peer in COMPARED[operation].peers if peer.installed and (not peers or peer.module in peers)]
    return [FASTREC, *(peer.name for peer in found)]


def _peer(operation: str, library: str) -> Peer:
    return next(peer for peer in COMPARED[operation].peers if peer.name == library)


# ---- processes ------------------------------------------------------------------------------------------------------


class _Inputs:
    """The inputs of an operation in a file, made by one process and read by the others."""

    n_interactions: int

    def __init__(self, operation: str, million: float, sizes: Sizes) -> None:
        self._operation, self._million, self._sizes = operation, million, sizes

    def __enter__(self) -> _Inputs:
        self._folder = tempfile.TemporaryDirectory(prefix="fastrec-growth-")
        self._file = str(Path(self._folder.name) / "inputs.pickle")
        task = {"make": self._operation, "million": self._million, "sizes": list(self._sizes), "file": self._file}
        made, self._why_none = _in_process(task, None)
        self.n_interactions = made["n_interactions"] if made else shape(self._million).n_events
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def measure(self, library: str, n_threads: int, limit: float, why_not: str = "") -> Measurement:
        """Run one library, unless there is a reason not to."""
        measured = Measurement(self._operation, library, self.n_interactions, n_threads)
        if self._why_none:
            why_not = f"inputs: {self._why_none}"
        if library != FASTREC and self.n_interactions > _peer(self._operation, library).most_stored:
            why_not = f"skipped above {_peer(self._operation, library).most_stored:,} interactions"
        if why_not:
            return measured._replace(note=why_not)
        task = {"measure": self._operation, "library": library, "n_threads": n_threads, "limit": limit,
                "file": self._file}  # fmt: skip
        found, note = _in_process(task, n_threads)
        return measured._replace(note=note) if found is None else measured._replace(**found)


def _in_process(task: dict[str, Any], n_threads: int | None) -> tuple[dict[str, Any] | None, str]:
    """What a task found, or why it found nothing."""
    environment = {**os.environ, **({} if n_threads is None else machine.thread_variables(n_threads))}
    command = [sys.executable, "-P", "-m", __name__, json.dumps(task)]  # -P: a checkout here is no package
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return outcome(done.returncode, done.stdout, done.stderr, task.get("limit", _MOST_PREPARING))


def outcome(status: int, output: str, errors: str, limit: float) -> tuple[dict[str, Any] | None, str]:
    """What a process said at its end, or what its end says."""
    if status == 0:
        found: dict[str, Any] = json.loads(output.splitlines()[-1])
        return found, ""
    if status == -signal.SIGALRM:
        return None, f"longer than {limit:g} s"
    last = errors.strip().splitlines()[-1:] or [f"exit status {status}"]
    if status == -signal.SIGKILL or "MemoryError" in last[0] or "bad_alloc" in last[0]:
        return None, "out of memory"
    return None, last[0]


def _run(task: dict[str, Any]) -> dict[str, Any]:
    """In the process: a task to what it found."""
    if "make" in task:
        return _make(task["make"], task["million"], Sizes(*task["sizes"]), task["file"])
    return _measure(task["measure"], task["library"], task["n_threads"], task["limit"], task["file"])


def _make(operation: str, million: float, sizes: Sizes, file: str) -> dict[str, Any]:
    user_items = data.zipf(*shape(million))
    Path(file).write_bytes(pickle.dumps(OPERATIONS[operation].inputs(user_items, sizes), protocol=5))
    return {"n_interactions": int(user_items.nnz)}


def _measure(operation: str, library: str, n_threads: int, limit: float, file: str) -> dict[str, Any]:
    _be_the_first_to_be_killed()
    _alarm(_MOST_PREPARING + limit)
    job = _job(operation, library, pickle.loads(Path(file).read_bytes()), n_threads)
    gc.collect()
    before = machine.peak_from_now_on()
    _alarm(limit)
    seconds = [seconds_of(job)]
    _alarm(0)
    peak = machine.peak() - before
    while sum(seconds) < _SHORT and len(seconds) < _MOST_CALLS:
        seconds.append(seconds_of(job))
    return {"seconds": float(np.median(seconds[1:] or seconds)), "peak_bytes": peak}


def _job(operation: str, library: str, inputs: Any, n_threads: int) -> Job:
    if library == FASTREC:
        return job_of_fastrec(operation, inputs, n_threads)
    return job_of_peer(_peer(operation, library), inputs, n_threads)[0]


def _alarm(seconds: float) -> None:
    """End this process after so many seconds, whatever it is in; 0: do not."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _be_the_first_to_be_killed() -> None:
    """Where memory runs out, rather than somebody else's process."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    print("\n" + json.dumps(_run(json.loads(sys.argv[1]))))
