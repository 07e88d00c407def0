"""Stochastic gradient descent: fits of ten epochs, LogisticMF's of twenty.

Measure what is installed, or compare two commits:

    asv run --config benchmarks/asv.conf.json -E existing --bench gradient
    asv continuous --config benchmarks/asv.conf.json --interleave-rounds -s -f 1.1 --bench gradient main HEAD
"""

from pathlib import Path

from . import cases


def setup_cache() -> dict[str, Path]:
    return cases.stored("bpr", "warp", "logistic_mf", "biased_mf")


setup_cache.timeout = 3600


class BPR(cases._Benchmark):
    operation = "bpr"


class WARP(cases._Benchmark):
    operation = "warp"


class LogisticMF(cases._Benchmark):
    operation = "logistic_mf"


class BiasedMF(cases._Benchmark):
    operation = "biased_mf"
