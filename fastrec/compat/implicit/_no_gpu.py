"""What `implicit.gpu` says of itself where nothing can be left to it."""

HAS_CUDA = False
HAS_RMM = False
