"""What the modules above stand on."""

from fastrec.compat._ways_in import left_to_original
from fastrec.compat.sparse_dot_topn.lib import _sparse_dot_topn_core

__getattr__ = left_to_original(__name__)

__all__ = ["_sparse_dot_topn_core"]
