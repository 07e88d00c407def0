"""The API of implicit 0.7.3 on fastrec's kernels: docs/compat.md says what is taken and what equals what."""

from fastrec.compat._ways_in import left_to_original

STAND_INS = {"gpu": "_no_gpu"}  # for modules that are left to implicit, where it is not installed

__version__ = "0.7.3"
__getattr__ = left_to_original(__name__)
