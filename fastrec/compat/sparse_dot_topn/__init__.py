"""The API of sparse_dot_topn 1.2.0 on fastrec's kernels: docs/compat.md says what is taken and what equals what."""

from fastrec.compat._ways_in import left_to_original
from fastrec.compat.sparse_dot_topn import api, types, unchecked
from fastrec.compat.sparse_dot_topn.api import awesome_cossim_topn, sp_matmul, sp_matmul_topn, zip_sp_matmul_topn
from fastrec.compat.sparse_dot_topn.lib import _sparse_dot_topn_core as _core
from fastrec.compat.sparse_dot_topn.lib._sparse_dot_topn_core import _has_openmp_support

__version__ = "1.2.0"
__getattr__ = left_to_original(__name__)

__all__ = [
    "__version__",
    "_core",
    "_has_openmp_support",
    "api",
    "awesome_cossim_topn",
    "sp_matmul",
    "sp_matmul_topn",
    "types",
    "unchecked",
    "zip_sp_matmul_topn",
]
