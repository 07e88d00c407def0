"""Weightings of counts, and transposing.

Measure what is installed, or compare two commits:

    asv run --config benchmarks/asv.conf.json -E existing --bench weighting
    asv continuous --config benchmarks/asv.conf.json --interleave-rounds -s -f 1.1 --bench weighting main HEAD
"""

from pathlib import Path

from . import cases


def setup_cache() -> dict[str, Path]:
    return cases.stored("bm25_weight", "tfidf_weight", "normalize", "transpose")


setup_cache.timeout = 3600


class BM25Weight(cases._Benchmark):
    operation = "bm25_weight"


class TfidfWeight(cases._Benchmark):
    operation = "tfidf_weight"


class Normalize(cases._Benchmark):
    operation = "normalize"


class Transpose(cases._Benchmark):
    operation = "transpose"
