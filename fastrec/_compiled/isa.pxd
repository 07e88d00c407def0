# The table of the instruction set in use, for the other bindings.

from fastrec._compiled.csrc cimport Kernels

cdef const Kernels* kernels
