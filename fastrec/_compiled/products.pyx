"""Bindings of sparse_top_k_product, merge_top_k_products, item_similarity, transpose, relabel, and facts about rows."""

from fastrec._compiled cimport csrc
from fastrec._compiled.isa cimport kernels
from fastrec._compiled.running cimport Number, csr, finish, pattern, poll, rows_between, watched
from libc.stdint cimport int32_t, int64_t, uint8_t
from libcpp.vector cimport vector

ctypedef fused Stored:
    float
    double
    int32_t

ctypedef fused Score:
    float
    double

ctypedef fused Column:
    int32_t
    int64_t

ctypedef fused Pointer:
    int32_t
    int64_t


cdef csrc.SparseRows[Number] sparse_rows(int32_t[::1] indices, Number[::1] data, const int64_t[::1] starts,
                                         int64_t[::1] indptr) noexcept:
    cdef csrc.SparseRows[Number] result
    result.indices, result.data, result.starts, result.lengths = &indices[0], &data[0], &starts[0], &indptr[1]
    return result


# Without columns of b, which then have no row pointers, nothing is left out before it is summed; to be in another order
# than best first an answer needs them.
def sparse_top_k_product(ptrdiff_t first, ptrdiff_t last,
                         const Number[::1] a_data, const int32_t[::1] a_indices, const int64_t[::1] a_indptr,
                         ptrdiff_t a_columns,
                         const Number[::1] b_data, const int32_t[::1] b_indices, const int64_t[::1] b_indptr,
                         ptrdiff_t b_columns, const int64_t[::1] n_terms,
                         const int32_t[::1] exclude_ids, const int64_t[::1] exclude_indptr, bint exclude_shared,
                         const int32_t[::1] candidate_ids, const int64_t[::1] candidate_indptr, bint candidates_shared,
                         threshold, bint keep_zeros, bint positive, bint best_first,
                         const Number[::1] column_data, const int32_t[::1] column_indices,
                         const int64_t[::1] column_indptr, const double[::1] largest, double largest_norm,
                         ptrdiff_t k, int32_t[::1] out_indices, Number[::1] out_data,
                         const int64_t[::1] starts, int64_t[::1] out_indptr, int n_threads, bar):
    cdef csrc.Csr[Number] a = csr(a_data, a_indices, a_indptr, a_columns)
    cdef csrc.Csr[Number] b = csr(b_data, b_indices, b_indptr, b_columns)
    cdef csrc.ProductOptions[Number] options
    options.exclude = pattern(exclude_ids, exclude_indptr, exclude_shared)
    options.candidates = pattern(candidate_ids, candidate_indptr, candidates_shared)
    options.has_threshold, options.keep_zeros = threshold is not None, keep_zeros
    options.positive, options.best_first = positive, best_first
    cdef csrc.SparseRows[Number] out = sparse_rows(out_indices, out_data, starts, out_indptr)
    cdef csrc.Rows rows = rows_between(first, last)
    cdef csrc.Progress progress = watched(bar)
    cdef csrc.Pruning[Number] pruning
    pruning.columns = csr(column_data, column_indices, column_indptr, b_indptr.shape[0] - 1)
    if not column_indptr.shape[0]:
        pruning.columns.indptr = NULL
    pruning.largest, pruning.largest_norm = &largest[0], largest_norm
    cdef double real_threshold = 0
    cdef int64_t whole_threshold = 0
    if options.has_threshold and (Number is float or Number is double):
        real_threshold = threshold
    elif options.has_threshold:
        whole_threshold = threshold
    cdef csrc.Status status
    with nogil:
        if Number is float or Number is double:
            status = csrc.sparse_top_k_product(kernels[0], rows, a, b, &n_terms[0], options, real_threshold, pruning,
                                               k, out, n_threads, progress)
        else:
            status = csrc.sparse_top_k_product(kernels[0], rows, a, b, &n_terms[0], options, <Number>whole_threshold,
                                               pruning, k, out, n_threads, progress)
    finish(status)


# Blocks: data, indices, indptr and number of columns of each.
def merge_top_k_products(list blocks, Number[::1] out_data, Column[::1] out_columns, const int64_t[::1] out_indptr,
                         uint8_t[::1] unmerged, int n_threads):
    cdef vector[csrc.Csr[Number]] all_blocks
    cdef const Number[::1] data
    cdef const int32_t[::1] indices
    cdef const int64_t[::1] indptr
    cdef ptrdiff_t n_columns
    for data, indices, indptr, n_columns in blocks:
        all_blocks.push_back(csr[Number](data, indices, indptr, n_columns))
    cdef csrc.MergedRows[Number, Column] out
    out.columns, out.data, out.indptr, out.unmerged = &out_columns[0], &out_data[0], &out_indptr[0], &unmerged[0]
    cdef csrc.Status status
    with nogil:
        status = csrc.merge_top_k_products(all_blocks.data(), <ptrdiff_t>all_blocks.size(), out, n_threads, poll)
    finish(status)


cdef csrc.Formula formula_named(str name) except *:
    return {"quotient": csrc.Formula.quotient, "lift": csrc.Formula.lift,
            "pointwise_mutual_information": csrc.Formula.pointwise_mutual_information,
            "overlap": csrc.Formula.overlap, "tversky": csrc.Formula.tversky, "s_plus": csrc.Formula.s_plus,
            "log_likelihood_ratio": csrc.Formula.log_likelihood_ratio, "custom": csrc.Formula.custom}[name]


cdef csrc.NearForm form_named(str name) except *:
    return {"none": csrc.NearForm.none, "product": csrc.NearForm.product, "quotient": csrc.NearForm.quotient,
            "lesser": csrc.NearForm.lesser, "sum": csrc.NearForm.sum,
            "sum_and_product": csrc.NearForm.sum_and_product, "likelihood": csrc.NearForm.likelihood}[name]


# Of what fastrec._near_scores.NearScores has, which must outlive the answer.
cdef csrc.NearMeasure near_measure(str form, const float[:, ::1] own, const float[:, ::1] other, double constant,
                                   double floor) except *:
    cdef csrc.NearMeasure near
    near.form, near.n_terms = form_named(form), own.shape[0]
    near.own = &own[0, 0] if own.shape[1] else NULL
    near.other = &other[0, 0] if other.shape[1] else NULL
    near.constant, near.floor = constant, floor
    near.n_ln_n = NULL
    near.best_others = NULL
    return near


# Values that are all 1 are given as none; item_values and user_values where each item or user has but one value; else
# user_entries, of that layout, which stand for user_ranks too; n_by_id and user_weights as _Pairs has them.
def item_similarity(ptrdiff_t first, ptrdiff_t last, const int32_t[::1] items,
                    const Stored[::1] item_data, const int32_t[::1] item_users, const int64_t[::1] item_indptr,
                    const int32_t[::1] user_ranks, const int64_t[::1] user_indptr,
                    const uint8_t[::1] user_entries, bint short_columns, bint short_values, ptrdiff_t n_by_id,
                    const Stored[::1] item_values, const Stored[::1] user_values,
                    const double[::1] user_weights, const int32_t[::1] rank_of_id, const int32_t[::1] id_of_rank,
                    const int64_t[::1] n_terms,
                    const int32_t[::1] excluded_ranks, const int64_t[::1] excluded_indptr, bint excluded_shared,
                    const int32_t[::1] candidate_ranks, const int64_t[::1] candidate_indptr, bint candidates_shared,
                    str formula, const double[:, ::1] own, const double[:, ::1] other, near, double shrinkage,
                    double bayesian, weights, custom, int64_t[::1] failed, threshold, int32_t min_support,
                    bint keep_diagonal, bint counted, ptrdiff_t n_head, ptrdiff_t k,
                    int32_t[::1] out_indices, Score[::1] out_data, const int64_t[::1] starts, int64_t[::1] out_indptr,
                    int n_threads, bar):
    cdef csrc.Interactions[Stored] interactions
    interactions.item_users = csr(item_data, item_users, item_indptr, user_indptr.shape[0] - 1)
    interactions.user_items = csr(item_data, user_ranks, user_indptr, id_of_rank.shape[0])
    interactions.user_items.data = NULL
    if not item_data.shape[0]:
        interactions.item_users.data = NULL
    interactions.entries = &user_entries[0] if user_entries.shape[0] else NULL
    interactions.ones = not item_data.shape[0] and not item_values.shape[0]
    interactions.layout.short_columns, interactions.layout.short_values = short_columns, short_values
    interactions.n_by_id = n_by_id
    interactions.item_values = &item_values[0] if item_values.shape[0] else NULL
    interactions.user_values = &user_values[0] if user_values.shape[0] else NULL
    interactions.user_weights = &user_weights[0] if user_weights.shape[0] else NULL
    interactions.n_terms = &n_terms[0]
    interactions.rank_of_id, interactions.id_of_rank = &rank_of_id[0], &id_of_rank[0]
    cdef csrc.Measure measure
    measure.formula = formula_named(formula)
    measure.own, measure.other = &own[0, 0], &other[0, 0]
    measure.near = near_measure(near[0], near[1], near[2], near[3], near[4])
    measure.n_items, measure.n_ranks = item_indptr.shape[0] - 1, id_of_rank.shape[0]
    measure.n_users = user_indptr.shape[0] - 1
    measure.shrinkage, measure.bayesian = shrinkage, bayesian
    for place, weight in enumerate(weights):
        measure.weights[place] = weight
    measure.custom = <csrc.CustomFormula><void*><size_t>custom
    measure.failed = &failed[0]
    cdef csrc.NeighbourOptions options
    options.exclude = pattern(excluded_ranks, excluded_indptr, excluded_shared)
    options.candidates = pattern(candidate_ranks, candidate_indptr, candidates_shared)
    options.has_threshold = threshold is not None
    options.threshold = 0.0 if threshold is None else threshold
    options.min_support, options.keep_diagonal, options.counted = min_support, keep_diagonal, counted
    cdef csrc.SparseRows[Score] out = sparse_rows(out_indices, out_data, starts, out_indptr)
    cdef csrc.Rows rows = rows_between(first, last)
    cdef csrc.Progress progress = watched(bar)
    cdef csrc.Status status
    with nogil:
        status = csrc.item_similarity(kernels[0], rows, &items[0], interactions, measure, options, n_head,
                                      k, out, n_threads, progress)
    finish(status)


# Without values the data are none.
def transpose(const Stored[::1] data, const int32_t[::1] indices, const int64_t[::1] indptr, ptrdiff_t n_columns,
              Stored[::1] out_data, int32_t[::1] out_indices, int64_t[::1] out_indptr, bint narrow, int n_threads):
    cdef csrc.Csr[Stored] x = csr(data, indices, indptr, n_columns)
    cdef csrc.TransposedCsr[Stored] out
    out.data, out.indices, out.indptr = &out_data[0], &out_indices[0], &out_indptr[0]
    if not data.shape[0]:
        x.data = NULL
    cdef csrc.Status status
    with nogil:
        status = csrc.transpose(x, out, narrow, n_threads, poll)
    finish(status)


# Without values the data are none.
def relabel(const Stored[::1] data, const int32_t[::1] indices, const int64_t[::1] indptr, const int32_t[::1] labels,
            Stored[::1] out_data, int32_t[::1] out_indices, int n_threads):
    cdef csrc.Csr[Stored] x = csr(data, indices, indptr, labels.shape[0])
    if not data.shape[0]:
        x.data = NULL
    cdef csrc.Status status
    with nogil:
        status = csrc.relabel(kernels[0], x, &labels[0], &out_indices[0], &out_data[0], n_threads, poll)
    finish(status)


def write_entries(const Stored[::1] data, const int32_t[::1] indices, const int64_t[::1] indptr,
                  const int32_t[::1] labels, bint short_columns, bint short_values, uint8_t[::1] out, int n_threads):
    cdef csrc.Csr[Stored] x = csr(data, indices, indptr, labels.shape[0])
    cdef csrc.EntryLayout layout
    layout.short_columns, layout.short_values = short_columns, short_values
    cdef csrc.Status status
    with nogil:
        status = csrc.write_entries(x, &labels[0], layout, &out[0], n_threads, poll)
    finish(status)


def terms_of_rows(const int32_t[::1] indices, const int64_t[::1] indptr, const int64_t[::1] of_inner,
                  int64_t[::1] terms, int n_threads):
    cdef csrc.Status status
    with nogil:
        status = csrc.terms_of_rows(&indices[0], &indptr[0], indptr.shape[0] - 1, &of_inner[0], &terms[0], n_threads,
                                    poll)
    finish(status)


def limited_pointers(const int64_t[::1] lengths, int64_t most, int64_t[::1] indptr):
    return csrc.limited_pointers(&lengths[0], lengths.shape[0], most, &indptr[0])


# Whether all columns are there.
def count_positives(const Stored[::1] data, const Column[::1] indices, int64_t[::1] counts):
    cdef ptrdiff_t n_entries = min(data.shape[0], indices.shape[0])
    cdef bint are_there
    with nogil:
        are_there = csrc.count_positives(&data[0], &indices[0], n_entries, counts.shape[0], &counts[0])
    return are_there


# Whether columns lie where they may, and whether they ascend.
def places_of_rows(const Column[::1] indices, ptrdiff_t n_stored, const Pointer[::1] indptr, ptrdiff_t n_columns,
                   int n_threads):
    cdef csrc.Places places
    cdef csrc.Status status
    with nogil:
        status = csrc.places_of_rows(&indices[0], n_stored, &indptr[0], indptr.shape[0] - 1, n_columns, places,
                                     n_threads, poll)
    finish(status)
    return places.lie_within, places.ascend


# Whether all are finite, and whether none is zero.
def values_of_rows(const Number[::1] data, int n_threads):
    cdef csrc.Values values
    cdef csrc.Status status
    with nogil:
        status = csrc.values_of_rows(&data[0], data.shape[0], values, n_threads, poll)
    finish(status)
    return values.are_finite, values.are_nonzero


def sums_of_rows(const Stored[::1] data, const int64_t[::1] indptr, double[::1] sums, double[::1] squares,
                 uint8_t[::1] whole, int n_threads):
    cdef csrc.Status status
    with nogil:
        status = csrc.sums_of_rows(&data[0], &indptr[0], indptr.shape[0] - 1, &sums[0], &squares[0], &whole[0],
                                   n_threads, poll)
    finish(status)


def constant_rows(const Stored[::1] data, const int64_t[::1] indptr, uint8_t[::1] constant, int n_threads):
    cdef csrc.Status status
    with nogil:
        status = csrc.constant_rows(&data[0], &indptr[0], indptr.shape[0] - 1, &constant[0], n_threads, poll)
    finish(status)
