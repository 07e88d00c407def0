"""What `implicit.gpu` says of itself where nothing can be left to it."""

from __future__ import annotations

from fastrec.compat._ways_in import left_to_original

HAS_CUDA = False
HAS_RMM = False

__path__: list[str] = []  # so that its modules are looked for, and what is missing is said

__getattr__ = left_to_original("fastrec.compat.implicit.gpu")
