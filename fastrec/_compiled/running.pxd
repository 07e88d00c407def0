# What every binding does around a driver: describes operands to it, asks for Ctrl-C during it, and turns its status into
# an exception after it.

from cpython.ref cimport Py_XDECREF, PyObject
from fastrec._compiled.csrc cimport Csr, Pattern, PyErr_CheckSignals, Progress, Rows, Status
from libc.stdint cimport int32_t, int64_t
from libcpp cimport bool

ctypedef fused Number:
    float
    double
    int32_t
    int64_t

cdef extern from "Python.h":
    PyObject* PyObject_CallFunction(PyObject*, const char* form, ...) noexcept


# A KeyboardInterrupt stays set in this thread until finish() lets it out.
cdef inline bool poll() noexcept with gil:
    return PyErr_CheckSignals() != 0


# What the bar raises stays set in this thread, too.
cdef inline bool advance(void* bar, ptrdiff_t n_rows) noexcept with gil:
    cdef PyObject* returned = PyObject_CallFunction(<PyObject*>bar, "n", n_rows)
    Py_XDECREF(returned)
    return returned == NULL


# Polls, and tells a function, if there is one, how many more rows are done; the caller must keep it.
cdef inline Progress watched(bar) noexcept:
    cdef Progress result
    result.poll = poll
    if bar is not None:
        result.advance, result.bar = advance, <void*>bar
    return result


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


cdef inline Csr[Number] csr(const Number[::1] data, const int32_t[::1] indices, const int64_t[::1] indptr,
                            ptrdiff_t n_columns) noexcept:
    cdef Csr[Number] result
    result.data, result.indices, result.indptr = &data[0], &indices[0], &indptr[0]
    result.rows, result.columns = indptr.shape[0] - 1, n_columns
    return result


cdef inline Rows rows_between(ptrdiff_t first, ptrdiff_t last) noexcept nogil:
    cdef Rows result
    result.first, result.last = first, last
    return result
