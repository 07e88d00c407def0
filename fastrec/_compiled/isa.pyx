"""The instruction sets of this build; which one runs is chosen once, before any kernel is called."""

from fastrec._compiled.csrc cimport Kernels, instruction_set, n_instruction_sets

cdef extern from *:
    """
    #if defined(__clang__)
    static const char* const fastrec_compiler = "clang " __clang_version__;
    #else
    static const char* const fastrec_compiler = "gcc " __VERSION__;
    #endif
    """
    const char* fastrec_compiler

cdef const Kernels* kernels = NULL

compiler = fastrec_compiler.decode()


def built():
    """Name of every instruction set in this build, least first, with whether it can run here."""
    return {instruction_set(i).name.decode(): bool(instruction_set(i).supported) for i in range(n_instruction_sets)}


def use(str name):
    """Lets every kernel run on the instruction set of this name, which must be supported."""
    global kernels
    for i in range(n_instruction_sets):
        if instruction_set(i).name.decode() == name:
            kernels = instruction_set(i).kernels
