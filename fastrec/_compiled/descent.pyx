"""Bindings of what gradient descent in blocks goes through."""

from fastrec._compiled cimport csrc
from fastrec._compiled.running cimport finish, poll
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t


def uniform_rows(float[:, ::1] out, const int64_t[::1] ids, ptrdiff_t n_columns, uint64_t key, double deviation,
                 int n_threads):
    cdef csrc.Status status
    with nogil:
        status = csrc.uniform_rows(&out[0, 0], out.shape[0], out.shape[1], &ids[0], n_columns, key, deviation, n_threads,
                                   poll)
    finish(status)


def fill_filters(const int32_t[::1] indices, const int64_t[::1] indptr, uint64_t[::1] filters, int n_threads):
    cdef csrc.Status status
    with nogil:
        status = csrc.fill_filters(&indices[0], &indptr[0], indptr.shape[0] - 1, &filters[0], n_threads, poll)
    finish(status)


def partition_items(const int64_t[::1] times_drawn, uint64_t key, int64_t epoch, int64_t part, uint8_t[::1] block_of,
                    int32_t[::1] pool, int64_t[::1] pool_starts):
    cdef csrc.Status status
    with nogil:
        status = csrc.partition_items(&times_drawn[0], times_drawn.shape[0], key, epoch, part, &block_of[0], &pool[0],
                                      &pool_starts[0], pool_starts.shape[0] - 1)
    finish(status)


def sort_into_cells(ptrdiff_t first, ptrdiff_t last, const int32_t[::1] indices, const int64_t[::1] indptr,
                    const float[::1] values, uint64_t key, int64_t epoch, const uint8_t[:, ::1] block_of,
                    ptrdiff_t n_blocks, ptrdiff_t n_layers, uint64_t[::1] pairs, float[::1] pair_values,
                    int64_t[::1] starts):
    cdef csrc.Rows users
    users.first, users.last = first, last
    cdef csrc.Cells cells
    cells.block_of, cells.n_parts, cells.n_items = &block_of[0, 0], block_of.shape[0], block_of.shape[1]
    cells.n_blocks, cells.n_layers = n_blocks, n_layers
    cdef csrc.SortedPairs out
    out.pairs, out.values, out.starts = &pairs[0], &pair_values[0], &starts[0]
    with nogil:
        csrc.sort_into_cells(users, &indices[0], &indptr[0], &values[0] if values.shape[0] else NULL, key, epoch, cells,
                             out)


def order_stretches(int64_t[::1] order, ptrdiff_t n_stretches, uint64_t key, int64_t epoch, int64_t cell):
    cdef uint64_t place
    with nogil:
        place = csrc.order_stretches(&order[0], n_stretches, order.shape[0] - n_stretches, key, epoch, cell)
    return place
