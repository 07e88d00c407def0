"""Cython bindings of the C++ kernels: release the GIL, pass pointers; no arithmetic, no checks."""
