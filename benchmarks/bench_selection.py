"""Top-K of scores and of inner products.

Measure what is installed, or compare two commits:

    asv run --config benchmarks/asv.conf.json -E existing --bench selection
    asv continuous --config benchmarks/asv.conf.json --interleave-rounds -s -f 1.1 --bench selection main HEAD
"""

from pathlib import Path

from . import cases


def setup_cache() -> dict[str, Path]:
    return cases.stored(
        "top_k",
        "top_k_inner_product",
        "top_k_inner_product_exclude",
        "top_k_inner_product_embeddings",
        "item_index_build",
        "item_index_one_query",
    )


setup_cache.timeout = 3600


class TopK(cases._Benchmark):
    operation = "top_k"


class TopKInnerProduct(cases._Benchmark):
    operation = "top_k_inner_product"


class TopKInnerProductExclude(cases._Benchmark):
    operation = "top_k_inner_product_exclude"


class TopKInnerProductEmbeddings(cases._Benchmark):
    operation = "top_k_inner_product_embeddings"


class ItemIndexBuild(cases._Benchmark):
    operation = "item_index_build"


class ItemIndexOneQuery(cases._Benchmark):
    operation = "item_index_one_query"
