"""Exact, multicore kernels for recommender systems: top-K selection, item-item similarity, matrix factorisation."""

from fastrec import evaluation, reference
from fastrec._config import show_config
from fastrec._types import Explanation, TopK
from fastrec.factorization import als_half_step, implicit_loss
from fastrec.item_index import ItemIndex
from fastrec.models.als import ImplicitALS
from fastrec.models.base import NotFittedError
from fastrec.models.biased_mf import BiasedMF
from fastrec.models.explicit_als import ExplicitALS
from fastrec.models.linear import EASE, SLIM
from fastrec.models.loading import load
from fastrec.models.logistic_mf import LogisticMF
from fastrec.models.neighbours import ItemKNN, P3alpha, RP3beta, UserKNN
from fastrec.models.nmf import NMF
from fastrec.models.pairwise import BPR, WARP
from fastrec.models.popularity import Popularity
from fastrec.models.stopping import EarlyStopping
from fastrec.models.svd import PureSVD
from fastrec.selection import merge_top_k_products, sparse_top_k_product, top_k, top_k_inner_product
from fastrec.similarity import item_similarity, user_similarity
from fastrec.weighting import bm25_weight, normalize, tfidf_weight

__version__ = "0.1.0"

__all__ = [
    "BPR",
    "EASE",
    "NMF",
    "SLIM",
    "WARP",
    "BiasedMF",
    "EarlyStopping",
    "Explanation",
    "ExplicitALS",
    "ImplicitALS",
    "ItemIndex",
    "ItemKNN",
    "LogisticMF",
    "NotFittedError",
    "P3alpha",
    "Popularity",
    "PureSVD",
    "RP3beta",
    "TopK",
    "UserKNN",
    "als_half_step",
    "bm25_weight",
    "evaluation",
    "implicit_loss",
    "item_similarity",
    "load",
    "merge_top_k_products",
    "normalize",
    "reference",
    "show_config",
    "sparse_top_k_product",
    "tfidf_weight",
    "top_k",
    "top_k_inner_product",
    "user_similarity",
]
