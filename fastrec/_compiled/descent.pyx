"""Bindings of what gradient descent in blocks goes through, and of SLIM, by coordinate descent."""

from fastrec._compiled cimport csrc
from fastrec._compiled.isa cimport kernels
from fastrec._compiled.running cimport csr, finish, poll, rows_between
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

ctypedef fused Value:
    float
    double


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
    cdef csrc.Cells cells
    cells.block_of, cells.n_parts, cells.n_items = &block_of[0, 0], block_of.shape[0], block_of.shape[1]
    cells.n_blocks, cells.n_layers = n_blocks, n_layers
    cdef csrc.SortedPairs out
    out.pairs, out.values, out.starts = &pairs[0], &pair_values[0], &starts[0]
    with nogil:
        csrc.sort_into_cells(rows_between(first, last), &indices[0], &indptr[0],
                             &values[0] if values.shape[0] else NULL, key, epoch, cells, out)


def order_stretches(int64_t[::1] order, ptrdiff_t n_stretches, uint64_t key, int64_t epoch, int64_t cell):
    cdef uint64_t place
    with nogil:
        place = csrc.order_stretches(&order[0], n_stretches, order.shape[0] - n_stretches, key, epoch, cell)
    return place


most_together = csrc.most_together


def count_partners(const Value[::1] user_data, const int32_t[::1] users, const int64_t[::1] user_indptr,
                   const Value[::1] item_data, const int32_t[::1] items, const int64_t[::1] item_indptr,
                   int64_t[::1] counts, int n_threads):
    cdef csrc.Csr[Value] item_users = csr(user_data, users, user_indptr, item_indptr.shape[0] - 1)
    cdef csrc.Csr[Value] user_items = csr(item_data, items, item_indptr, counts.shape[0])
    cdef csrc.Status status
    with nogil:
        status = csrc.count_partners(item_users, user_items, &counts[0], n_threads, poll)
    finish(status)


def item_products(const Value[::1] user_data, const int32_t[::1] users, const int64_t[::1] user_indptr,
                  const Value[::1] item_data, const int32_t[::1] items, const int64_t[::1] item_indptr,
                  const int64_t[::1] full, Value[:, ::1] rows, Value[::1] data, int32_t[::1] indices,
                  const int64_t[::1] indptr, int n_threads):
    cdef csrc.Csr[Value] item_users = csr(user_data, users, user_indptr, item_indptr.shape[0] - 1)
    cdef csrc.Csr[Value] user_items = csr(item_data, items, item_indptr, full.shape[0])
    cdef csrc.Status status
    with nogil:
        status = csrc.item_products(item_users, user_items, &full[0], &rows[0, 0], &indptr[0], &indices[0], &data[0],
                                    n_threads, poll)
    finish(status)


def elastic_nets(ptrdiff_t first, ptrdiff_t last, const int64_t[::1] full, const Value[:, ::1] rows,
                 const Value[::1] data, const int32_t[::1] indices, const int64_t[::1] indptr, const double[::1] squares,
                 double l1, double l2, bint positive, double tol, int64_t n_epochs, Value[:, ::1] out):
    cdef csrc.ItemProducts[Value] products
    products.full, products.rows, products.data = &full[0], &rows[0, 0], &data[0]
    products.indices, products.indptr, products.n_items = &indices[0], &indptr[0], full.shape[0]
    cdef csrc.ElasticNet net
    net.squares, net.l1, net.l2, net.positive, net.tol, net.n_epochs = &squares[0], l1, l2, positive, tol, n_epochs
    cdef csrc.Status status
    cdef int64_t n_unsolved = 0
    with nogil:
        status = csrc.elastic_nets(kernels[0], rows_between(first, last), products, net, &out[0, 0], n_unsolved)
    finish(status)
    return n_unsolved
