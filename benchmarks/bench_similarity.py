"""Similarity of items and of users, random walks, a measure of one's own, and what is recommended by neighbours.

Measure what is installed, or compare two commits:

    asv run --config benchmarks/asv.conf.json -E existing --bench similarity
    asv continuous --config benchmarks/asv.conf.json --interleave-rounds -s -f 1.1 --bench similarity main HEAD
"""

from pathlib import Path

from . import cases


def setup_cache() -> dict[str, Path]:
    return cases.stored(
        "item_similarity",
        "item_similarity_tfidf",
        "item_similarity_own_measure",
        "user_similarity",
        "p3alpha",
        "rp3beta",
        "item_knn_recommend",
        "item_knn_recommend_one_user",
    )


setup_cache.timeout = 3600


class ItemSimilarity(cases._Benchmark):
    operation = "item_similarity"


class ItemSimilarityTfidf(cases._Benchmark):
    operation = "item_similarity_tfidf"


class ItemSimilarityOwnMeasure(cases._Benchmark):
    operation = "item_similarity_own_measure"


class UserSimilarity(cases._Benchmark):
    operation = "user_similarity"


class P3alpha(cases._Benchmark):
    operation = "p3alpha"


class RP3beta(cases._Benchmark):
    operation = "rp3beta"


class ItemKNNRecommend(cases._Benchmark):
    operation = "item_knn_recommend"


class ItemKNNRecommendOneUser(cases._Benchmark):
    operation = "item_knn_recommend_one_user"
