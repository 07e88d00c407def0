"""Bindings of top_k, top_k_inner_product and ItemIndex."""

from fastrec._compiled cimport csrc
from fastrec._compiled.isa cimport kernels
from fastrec._compiled.running cimport finish, pattern, poll, watched
from libc.stdint cimport int32_t, int64_t

ctypedef fused Value:
    float
    double


cdef csrc.Strided[Value] strided(const Value[:, :] matrix) noexcept:
    cdef csrc.Strided[Value] result
    result.data = &matrix[0, 0]
    result.rows, result.columns = matrix.shape[0], matrix.shape[1]
    result.row_step = matrix.strides[0] // <ptrdiff_t>sizeof(Value)
    result.column_step = matrix.strides[1] // <ptrdiff_t>sizeof(Value)
    return result


cdef csrc.TopKRows[Value] top_k_rows(int32_t[:, ::1] items, Value[:, ::1] scores) noexcept:
    cdef csrc.TopKRows[Value] result
    result.items = &items[0, 0]
    result.scores = &scores[0, 0]
    result.k = items.shape[1]
    return result


def top_k_dense(const Value[:, :] scores, int32_t[:, ::1] out_items, Value[:, ::1] out_scores, int n_threads):
    cdef csrc.Strided[Value] rows = strided(scores)
    cdef csrc.TopKRows[Value] out = top_k_rows(out_items, out_scores)
    cdef csrc.Status status
    with nogil:
        status = csrc.top_k_dense(kernels[0], rows, out, n_threads, poll)
    finish(status)


def top_k_csr(const Value[::1] data, const int32_t[::1] indices, const int64_t[::1] indptr, ptrdiff_t n_columns,
              int32_t[:, ::1] out_items, Value[:, ::1] out_scores, int n_threads):
    cdef csrc.Csr[Value] rows
    rows.data, rows.indices, rows.indptr = &data[0], &indices[0], &indptr[0]
    rows.rows, rows.columns = indptr.shape[0] - 1, n_columns
    cdef csrc.TopKRows[Value] out = top_k_rows(out_items, out_scores)
    cdef csrc.Status status
    with nogil:
        status = csrc.top_k_csr(kernels[0], rows, out, n_threads, poll)
    finish(status)


def top_k_inner_product(const Value[:, :] queries, const Value[:, :] items,
                        const int32_t[::1] exclude_ids, const int64_t[::1] exclude_indptr, bint exclude_shared,
                        const int32_t[::1] candidate_ids, const int64_t[::1] candidate_indptr, bint candidates_shared,
                        int32_t[:, ::1] out_items, Value[:, ::1] out_scores, int n_threads, bar):
    cdef csrc.Strided[Value] query_rows = strided(queries)
    cdef csrc.Strided[Value] item_rows = strided(items)
    cdef csrc.Pattern exclude = pattern(exclude_ids, exclude_indptr, exclude_shared)
    cdef csrc.Pattern candidates = pattern(candidate_ids, candidate_indptr, candidates_shared)
    cdef csrc.TopKRows[Value] out = top_k_rows(out_items, out_scores)
    cdef csrc.Progress progress = watched(bar)
    cdef csrc.Status status
    with nogil:
        status = csrc.top_k_inner_product(kernels[0], query_rows, item_rows, exclude, candidates, out, n_threads,
                                          progress)
    finish(status)


cdef class PackedItems:
    """The C++ index of one dtype, and the items that it refers to."""

    cdef object items
    cdef csrc.ItemIndex[float]* of_float
    cdef csrc.ItemIndex[double]* of_double

    def __dealloc__(self):
        del self.of_float
        del self.of_double


def pack_items(const Value[:, :] items, str metric, n_centres, int n_threads):
    cdef csrc.Metric kind = {
        "inner_product": csrc.Metric.inner_product,
        "cosine": csrc.Metric.cosine,
        "euclidean": csrc.Metric.euclidean,
    }[metric]
    cdef csrc.Strided[Value] rows = strided(items)
    cdef ptrdiff_t centres = csrc.by_data if n_centres is None else n_centres
    cdef csrc.ItemIndex[Value]* index = new csrc.ItemIndex[Value]()
    cdef PackedItems packed = PackedItems()
    packed.items = items
    if Value is float:
        packed.of_float = index
    else:
        packed.of_double = index
    cdef csrc.Status status
    with nogil:
        status = index.refer(kernels[0], rows, kind, n_threads, poll)
        if status == csrc.Status.done:
            status = index.pack(kernels[0], n_threads, poll, centres)
    finish(status)
    return packed


def packed_top_k(PackedItems packed, const Value[:, :] queries,
                 const int32_t[::1] exclude_ids, const int64_t[::1] exclude_indptr, bint exclude_shared,
                 const int32_t[::1] candidate_ids, const int64_t[::1] candidate_indptr, bint candidates_shared,
                 int32_t[:, ::1] out_items, Value[:, ::1] out_scores, int n_threads, bar):
    cdef csrc.Strided[Value] query_rows = strided(queries)
    cdef csrc.Pattern exclude = pattern(exclude_ids, exclude_indptr, exclude_shared)
    cdef csrc.Pattern candidates = pattern(candidate_ids, candidate_indptr, candidates_shared)
    cdef csrc.TopKRows[Value] out = top_k_rows(out_items, out_scores)
    cdef csrc.Progress progress = watched(bar)
    cdef csrc.ItemIndex[Value]* index
    if Value is float:
        index = packed.of_float
    else:
        index = packed.of_double
    cdef csrc.Status status
    with nogil:
        status = index.top_k(kernels[0], query_rows, exclude, candidates, out, n_threads, progress)
    finish(status)
