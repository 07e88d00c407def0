"""`implicit.cpu.lmf`: logistic matrix factorisation, which is left to implicit."""

from fastrec.compat._ways_in import left_to_original

__getattr__ = left_to_original(__name__)
