"""The API of similaripy 0.7.0 on fastrec's kernels: docs/compat.md says what is taken and what equals what."""

from fastrec.compat._ways_in import left_to_original
from fastrec.compat.similaripy import cython_code, normalization, similarity
from fastrec.compat.similaripy.normalization import bm25, bm25plus, normalize, tfidf
from fastrec.compat.similaripy.similarity import (
    asymmetric_cosine,
    cosine,
    dice,
    dot_product,
    jaccard,
    p3alpha,
    rp3beta,
    s_plus,
    tversky,
)

__version__ = "0.7.0"
__getattr__ = left_to_original(__name__)

__all__ = [
    "__version__",
    "asymmetric_cosine",
    "bm25",
    "bm25plus",
    "cosine",
    "cython_code",
    "dice",
    "dot_product",
    "jaccard",
    "normalization",
    "normalize",
    "p3alpha",
    "rp3beta",
    "s_plus",
    "similarity",
    "tfidf",
    "tversky",
]
