"""Top-K of sparse products, with a threshold too, and of blocks of columns.

Measure what is installed, or compare two commits:

    asv run --config benchmarks/asv.conf.json -E existing --bench products
    asv continuous --config benchmarks/asv.conf.json --interleave-rounds -s -f 1.1 --bench products main HEAD
"""

from pathlib import Path

from . import cases


def setup_cache() -> dict[str, Path]:
    return cases.stored(
        "sparse_top_k_product",
        "sparse_top_k_product_strings_05",
        "merge_top_k_products",
    )


setup_cache.timeout = 3600


class SparseTopKProduct(cases._Benchmark):
    operation = "sparse_top_k_product"


class SparseTopKProductStrings05(cases._Benchmark):
    operation = "sparse_top_k_product_strings_05"


class MergeTopKProducts(cases._Benchmark):
    operation = "merge_top_k_products"
