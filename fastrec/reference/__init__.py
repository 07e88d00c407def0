"""The definition of every operation in plain NumPy and SciPy: short, slow and obviously right.

Same signatures as the operations; ``n_threads`` and ``progress`` are accepted and ignored. Tests and ``fastrec demo``
compare with these. What models learn, where no operation does, is defined in `fastrec.reference.linear`.
"""

from fastrec.reference.evaluation import ndcg_at_k, recall_at_k, rmse, split_by_time
from fastrec.reference.factorization import als_half_step, implicit_loss
from fastrec.reference.selection import (
    ItemIndex,
    merge_top_k_products,
    sparse_top_k_product,
    top_k,
    top_k_inner_product,
)
from fastrec.reference.similarity import item_similarity, user_similarity
from fastrec.reference.weighting import bm25_weight, normalize, tfidf_weight

__all__ = [
    "ItemIndex",
    "als_half_step",
    "bm25_weight",
    "implicit_loss",
    "item_similarity",
    "merge_top_k_products",
    "ndcg_at_k",
    "normalize",
    "recall_at_k",
    "rmse",
    "sparse_top_k_product",
    "split_by_time",
    "tfidf_weight",
    "top_k",
    "top_k_inner_product",
    "user_similarity",
]
