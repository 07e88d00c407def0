# What every binding does around a driver: asks for Ctrl-C during it, and turns its status into an exception after it.

from fastrec._compiled.csrc cimport Pattern, PyErr_CheckSignals, Status
from libc.stdint cimport int32_t, int64_t
from libcpp cimport bool


# A KeyboardInterrupt stays set in this thread until finish() lets it out.
cdef inline bool poll() noexcept with gil:
    return PyErr_CheckSignals() != 0


cdef inline int finish(Status status) except -1:
    if status == Status.interrupted:
        return -1
    if status == Status.out_of_memory:
        raise MemoryError("not enough memory for the working arrays of each thread; fewer n_threads or a smaller k need less.")
    return 0


# A pattern of nothing when there are no row pointers. One list for all rows has two of them, and then step 0.
cdef inline Pattern pattern(const int32_t[::1] ids, const int64_t[::1] indptr, bint shared) noexcept:
    cdef Pattern result
    result.ids = &ids[0]
    result.indptr = &indptr[0] if indptr.shape[0] else NULL
    result.step = 0 if shared else 1
    return result
