"""Bindings of sparse_top_k_product and item_similarity."""

from fastrec._compiled cimport csrc
from fastrec._compiled.isa cimport kernels
from fastrec._compiled.running cimport finish, pattern, poll
from libc.stdint cimport int32_t, int64_t

ctypedef fused Number:
    float
    double
    int32_t
    int64_t

ctypedef fused Value:
    float
    double

ctypedef fused Score:
    float
    double


cdef csrc.Csr[Number] csr(const Number[::1] data, const int32_t[::1] indices, const int64_t[::1] indptr,
                          ptrdiff_t n_columns) noexcept:
    cdef csrc.Csr[Number] result
    result.data, result.indices, result.indptr = &data[0], &indices[0], &indptr[0]
    result.rows, result.columns = indptr.shape[0] - 1, n_columns
    return result


cdef csrc.SparseRows[Number] sparse_rows(int32_t[::1] indices, Number[::1] data, const int64_t[::1] starts,
                                         int64_t[::1] lengths) noexcept:
    cdef csrc.SparseRows[Number] result
    result.indices, result.data, result.starts, result.lengths = &indices[0], &data[0], &starts[0], &lengths[0]
    return result


cdef csrc.Rows rows_between(ptrdiff_t first, ptrdiff_t last) noexcept:
    cdef csrc.Rows result
    result.first, result.last = first, last
    return result


def sparse_top_k_product(ptrdiff_t first, ptrdiff_t last,
                         const Number[::1] a_data, const int32_t[::1] a_indices, const int64_t[::1] a_indptr,
                         ptrdiff_t a_columns,
                         const Number[::1] b_data, const int32_t[::1] b_indices, const int64_t[::1] b_indptr,
                         ptrdiff_t b_columns,
                         const int32_t[::1] exclude_ids, const int64_t[::1] exclude_indptr, bint exclude_shared,
                         const int32_t[::1] candidate_ids, const int64_t[::1] candidate_indptr, bint candidates_shared,
                         threshold, ptrdiff_t k, int32_t[::1] out_indices, Number[::1] out_data,
                         const int64_t[::1] starts, int64_t[::1] lengths, int n_threads):
    cdef csrc.Csr[Number] a = csr(a_data, a_indices, a_indptr, a_columns)
    cdef csrc.Csr[Number] b = csr(b_data, b_indices, b_indptr, b_columns)
    cdef csrc.Pattern exclude = pattern(exclude_ids, exclude_indptr, exclude_shared)
    cdef csrc.Pattern candidates = pattern(candidate_ids, candidate_indptr, candidates_shared)
    cdef csrc.SparseRows[Number] out = sparse_rows(out_indices, out_data, starts, lengths)
    cdef csrc.Rows rows = rows_between(first, last)
    cdef bint has_threshold = threshold is not None
    cdef double real_threshold = 0
    cdef int64_t whole_threshold = 0
    if has_threshold and (Number is float or Number is double):
        real_threshold = threshold
    elif has_threshold:
        whole_threshold = threshold
    cdef csrc.Status status
    with nogil:
        if Number is float or Number is double:
            status = csrc.sparse_top_k_product(kernels[0], rows, a, b, exclude, candidates, real_threshold,
                                               has_threshold, k, out, n_threads, poll)
        else:
            status = csrc.sparse_top_k_product(kernels[0], rows, a, b, exclude, candidates, <Number>whole_threshold,
                                               has_threshold, k, out, n_threads, poll)
    finish(status)


def item_similarity(ptrdiff_t first, ptrdiff_t last,
                    const Value[::1] transposed_data, const int32_t[::1] transposed_indices,
                    const int64_t[::1] transposed_indptr,
                    const Value[::1] data, const int32_t[::1] indices, const int64_t[::1] indptr,
                    str measure, double shrinkage, threshold, int64_t min_support, bint keep_diagonal,
                    bint only_ones, const double[::1] norms, ptrdiff_t k,
                    int32_t[::1] out_indices, Score[::1] out_data, const int64_t[::1] starts, int64_t[::1] lengths,
                    int n_threads):
    cdef csrc.Csr[Value] item_users = csr(transposed_data, transposed_indices, transposed_indptr, indptr.shape[0] - 1)
    cdef csrc.Csr[Value] user_items = csr(data, indices, indptr, transposed_indptr.shape[0] - 1)
    cdef csrc.SparseRows[Score] out = sparse_rows(out_indices, out_data, starts, lengths)
    cdef csrc.Rows rows = rows_between(first, last)
    cdef csrc.MeasureOptions options
    options.measure = {"dot": csrc.Measure.dot, "cosine": csrc.Measure.cosine}[measure]
    options.shrinkage = shrinkage
    options.has_threshold = threshold is not None
    options.threshold = 0.0 if threshold is None else threshold
    options.min_support = min_support
    options.keep_diagonal = keep_diagonal
    options.only_ones = only_ones
    options.norms = &norms[0]
    cdef csrc.Status status
    with nogil:
        status = csrc.item_similarity(kernels[0], rows, item_users, user_items, options, k, out,
                                                    n_threads, poll)
    finish(status)
