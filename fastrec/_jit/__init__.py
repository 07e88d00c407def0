"""Numba kernels: sequential functions over a block of rows that run without the GIL; nothing here starts a thread."""
