"""Stochastic gradient descent: fits of ten epochs.

Measure what is installed, or compare two commits:

    asv run --config benchmarks/asv.conf.json -E existing --bench gradient
    asv continuous --config benchmarks/asv.conf.json --interleave-rounds -s -f 1.1 --bench gradient main HEAD
"""

from pathlib import Path

from . import cases


def setup_cache() -> dict[str, Path]:
    return cases.stored("bpr", "warp")


setup_cache.timeout = 3600


class BPR(cases._Benchmark):
    operation = "bpr"


class WARP(cases._Benchmark):
    operation = "warp"
