"""Linear models: a fit.

Measure what is installed, or compare two commits:

    asv run --config benchmarks/asv.conf.json -E existing --bench linear
    asv continuous --config benchmarks/asv.conf.json --interleave-rounds -s -f 1.1 --bench linear main HEAD
"""

from pathlib import Path

from . import cases


def setup_cache() -> dict[str, Path]:
    return cases.stored("ease", "slim", "pure_svd")


setup_cache.timeout = 3600


class EASE(cases._Benchmark):
    operation = "ease"


class SLIM(cases._Benchmark):
    operation = "slim"


class PureSVD(cases._Benchmark):
    operation = "pure_svd"
