"""The named cases, an operation on a named shape of data: asv and pytest-benchmark both run these.

    asv run --config benchmarks/asv.conf.json -E existing                         # what is installed; needs ".[bench]"
    FASTREC_BENCH_SHAPES=small asv run --config benchmarks/asv.conf.json -E existing --quick    # does it all still run?
    asv continuous --config benchmarks/asv.conf.json --interleave-rounds -s -f 1.1 main HEAD      # two commits
    pytest -n 0 --benchmark-enable --benchmark-only tests/test_benchmarks.py

FASTREC_BENCH_SHAPES: names of fastrec.cli.bench.data.SHAPES with commas between; "medium,large" when it is not set.
"""

import os
import pickle
from pathlib import Path
from typing import Any, NamedTuple

from fastrec.cli.bench import data
from fastrec.cli.bench.operations import DEFAULT_SIZES, OPERATIONS, Inputs

SHAPES = os.environ.get("FASTREC_BENCH_SHAPES", "medium,large").split(",")
THREADS = {"one": 1, "all": None}


class Case(NamedTuple):
    operation: str
    shape: str

    def setup(self) -> Inputs:
        return OPERATIONS[self.operation].inputs(data.load(self.shape), DEFAULT_SIZES)

    def prepare(self, inputs: Inputs) -> Inputs:
        return OPERATIONS[self.operation].prepare(inputs)

    def call(self, prepared: Inputs, n_threads: int | None) -> Any:
        return OPERATIONS[self.operation].call(**prepared, n_threads=n_threads)


CASES = {f"{operation}-{shape}": Case(operation, shape) for shape in data.SHAPES for operation in OPERATIONS}


def stored(*operations: str) -> dict[str, Path]:
    """Inputs in files of the current folder, one a case: what they take to make must not count as peak memory."""
    files = {}
    for name in (f"{operation}-{shape}" for operation in operations for shape in SHAPES):
        files[name] = Path(f"{name}.pickle").resolve()
        files[name].write_bytes(pickle.dumps(CASES[name].setup(), protocol=5))
    return files


class _Benchmark:
    """Time and peak memory of one operation. asv passes what setup_cache returned before the parameters."""

    operation: str
    params = (SHAPES, list(THREADS))
    param_names = ("shape", "threads")
    timeout = 1200

    def setup(self, files: dict[str, Path], shape: str, threads: str) -> None:
        name = f"{self.operation}-{shape}"
        self.case, self.n_threads = CASES[name], THREADS[threads]
        self.inputs = self.case.prepare(pickle.loads(files[name].read_bytes()))

    def time_call(self, *_: Any) -> None:
        self.case.call(self.inputs, self.n_threads)

    def peakmem_call(self, *_: Any) -> None:
        self.case.call(self.inputs, self.n_threads)

    def peakmem_reference(self, *_: Any) -> None:
        """What the inputs and the imports take."""
