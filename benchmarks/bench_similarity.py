"""Item-item similarity.

Measure what is installed, or compare two commits:

    asv run --config benchmarks/asv.conf.json -E existing --bench similarity
    asv continuous --config benchmarks/asv.conf.json --split --factor 1.1 --bench similarity main HEAD
"""

from pathlib import Path

from . import cases


def setup_cache() -> dict[str, Path]:
    return cases.stored("item_similarity")


setup_cache.timeout = 3600


class ItemSimilarity(cases._Benchmark):
    operation = "item_similarity"
