"""Implicit ALS: a fit of a few epochs.

Measure what is installed, or compare two commits:

    asv run --config benchmarks/asv.conf.json -E existing --bench als
    asv continuous --config benchmarks/asv.conf.json --split --factor 1.1 --bench als main HEAD
"""

from pathlib import Path

from . import cases


def setup_cache() -> dict[str, Path]:
    return cases.stored("implicit_als")


setup_cache.timeout = 3600


class ImplicitALS(cases._Benchmark):
    operation = "implicit_als"
