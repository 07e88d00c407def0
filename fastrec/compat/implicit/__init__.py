"""The API of implicit 0.7.3 on fastrec's kernels: docs/compat.md says what is taken and what equals what."""

from fastrec.compat._ways_in import has_original, left_to_original
from fastrec.compat.implicit import als, bpr, lmf, nearest_neighbours

STAND_INS = {"gpu": "_no_gpu"}  # for modules that are left to implicit, where it is not installed

__version__ = "0.7.3"

__all__ = ["__version__", "als", "bpr", "lmf", "nearest_neighbours"]
if has_original("implicit"):
    __all__ += ["approximate_als"]

__getattr__ = left_to_original(__name__)
