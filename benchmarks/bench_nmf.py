"""Non-negative matrix factorisation: a fit.

Measure what is installed, or compare two commits:

    asv run --config benchmarks/asv.conf.json -E existing --bench nmf
    asv continuous --config benchmarks/asv.conf.json --interleave-rounds -s -f 1.1 --bench nmf main HEAD
"""

from pathlib import Path

from . import cases


def setup_cache() -> dict[str, Path]:
    return cases.stored("nmf")


setup_cache.timeout = 3600


class NMF(cases._Benchmark):
    operation = "nmf"
