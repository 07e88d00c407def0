"""What the modules above stand on."""

from fastrec.compat._ways_in import left_to_original
from fastrec.compat.similaripy.cython_code import normalization, s_plus, s_plus_utils, utils

__getattr__ = left_to_original(__name__)

__all__ = ["normalization", "s_plus", "s_plus_utils", "utils"]
