"""ALS of interactions and of ratings: a fit of a few epochs.

Measure what is installed, or compare two commits:

    asv run --config benchmarks/asv.conf.json -E existing --bench als
    asv continuous --config benchmarks/asv.conf.json --interleave-rounds -s -f 1.1 --bench als main HEAD
"""

from pathlib import Path

from . import cases


def setup_cache() -> dict[str, Path]:
    return cases.stored("implicit_als", "explicit_als", "explicit_als_nonnegative")


setup_cache.timeout = 3600


class ImplicitALS(cases._Benchmark):
    operation = "implicit_als"


class ExplicitALS(cases._Benchmark):
    operation = "explicit_als"


class NonnegativeALS(cases._Benchmark):
    operation = "explicit_als_nonnegative"
