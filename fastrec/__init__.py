"""Exact, multicore kernels for recommender systems: top-K selection, item-item similarity, matrix factorisation."""

from fastrec import reference
from fastrec._config import show_config
from fastrec._types import TopK
from fastrec.selection import sparse_top_k_product, top_k, top_k_inner_product

__version__ = "0.1.0"

__all__ = [
    "TopK",
    "reference",
    "show_config",
    "sparse_top_k_product",
    "top_k",
    "top_k_inner_product",
]
