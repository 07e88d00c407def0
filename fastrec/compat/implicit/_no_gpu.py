"""What `implicit.gpu` says of itself where nothing can be left to it."""

HAS_CUDA = False
HAS_RMM = False

__path__: list[str] = []  # so that its modules are looked for, and what is missing is said
