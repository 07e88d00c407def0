# The drivers of csrc/fastrec and the structs that they take.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libcpp cimport bool

cdef extern from "Python.h" nogil:
    int PyErr_CheckSignals() noexcept

cdef extern from "fastrec/kernels.hpp" namespace "fastrec" nogil:
    cppclass Kernels:
        pass

    cppclass Rows:
        ptrdiff_t first, last

    cppclass Strided[Value]:
        const Value* data
        ptrdiff_t rows, columns, row_step, column_step

    cppclass Csr[Value]:
        const Value* data
        const int32_t* indices
        const int64_t* indptr
        ptrdiff_t rows, columns

    cppclass Pattern:
        const int32_t* ids
        const int64_t* indptr
        ptrdiff_t step

    enum class Metric:
        inner_product
        cosine
        euclidean

    cppclass TopKRows[Score]:
        int32_t* items
        Score* scores
        ptrdiff_t k

    cppclass SparseRows[Score]:
        int32_t* indices
        Score* data
        const int64_t* starts
        int64_t* lengths

    cppclass ProductOptions[Value]:
        Pattern exclude, candidates
        bint has_threshold, keep_zeros, positive, best_first

    cppclass Pruning[Value]:
        Csr[Value] columns
        const double* largest
        double largest_norm

    cppclass EntryLayout:
        bint short_columns, short_values

    cppclass Interactions[Value]:
        Csr[Value] item_users, user_items
        bint ones
        const void* entries
        EntryLayout layout
        ptrdiff_t n_by_id
        const Value* item_values
        const Value* user_values
        const double* user_weights
        const int64_t* n_terms
        const int32_t* rank_of_id
        const int32_t* id_of_rank

    enum class Formula:
        quotient
        lift
        pointwise_mutual_information
        overlap
        tversky
        s_plus
        log_likelihood_ratio
        custom

    ctypedef int64_t (*CustomFormula)(int64_t, const double*, const double*, int64_t, const int32_t*, const double*,
                                      const double*, int64_t, int64_t, double, double*) noexcept

    enum class NearForm:
        none
        product
        quotient
        lesser
        sum
        sum_and_product
        likelihood

    cppclass NearMeasure:
        NearForm form
        int n_terms
        const float* own
        const float* other
        float constant, floor
        const double* n_ln_n
        const float* best_others

    cppclass Measure:
        Formula formula
        const double* own
        const double* other
        NearMeasure near
        ptrdiff_t n_items, n_ranks
        double n_users, shrinkage, bayesian
        double weights[6]
        CustomFormula custom
        int64_t* failed

    cppclass NeighbourOptions:
        Pattern exclude
        Pattern candidates
        double threshold
        bint has_threshold
        int32_t min_support
        bint keep_diagonal
        bint counted

    cppclass HalfStep[Value]:
        Csr[Value] weights
        const Value* targets
        const Value* fixed
        ptrdiff_t n_factors
        double unobserved_weight
        const double* gram
        const double* regularization

    cppclass HalfStepAnswer[Value]:
        Value* solutions
        uint8_t* unsolved
        double* losses

cdef extern from "fastrec/parallel.hpp" namespace "fastrec" nogil:
    enum class Status:
        done
        interrupted
        out_of_memory

    ctypedef bool (*Poll)() noexcept

    cppclass Progress:
        Poll poll
        bool (*advance)(void* bar, ptrdiff_t n_rows) noexcept
        void* bar

cdef extern from "fastrec/top_k.hpp" namespace "fastrec" nogil:
    Status top_k_dense[Value](const Kernels&, Strided[Value], TopKRows[Value], int n_threads, Poll) noexcept
    Status top_k_csr[Value](const Kernels&, Csr[Value], TopKRows[Value], int n_threads, Poll) noexcept

cdef extern from "fastrec/top_k_inner_product.hpp" namespace "fastrec" nogil:
    Status top_k_inner_product[Value](const Kernels&, Strided[Value] queries, Strided[Value] items, Pattern exclude,
                                      Pattern candidates, TopKRows[Value], int n_threads, Progress) noexcept

cdef extern from "fastrec/item_index.hpp" namespace "fastrec" nogil:
    ptrdiff_t by_data
    cppclass ItemIndex[Value]:
        Status refer(const Kernels&, Strided[Value] items, Metric, int n_threads, Poll) noexcept
        Status pack(const Kernels&, int n_threads, Poll, ptrdiff_t n_centres) noexcept
        Status top_k(const Kernels&, Strided[Value] queries, Pattern exclude, Pattern candidates, TopKRows[Value],
                     int n_threads, Progress) noexcept

cdef extern from "fastrec/sparse_top_k_product.hpp" namespace "fastrec" nogil:
    # A template in C++; spelled out because Cython cannot say that the threshold's type follows from the value's.
    Status sparse_top_k_product(
        const Kernels&, Rows, Csr[float] a, Csr[float] b, const int64_t* n_terms, ProductOptions[float], double threshold,
        Pruning[float], ptrdiff_t k, SparseRows[float], int n_threads, Progress) noexcept
    Status sparse_top_k_product(
        const Kernels&, Rows, Csr[double] a, Csr[double] b, const int64_t* n_terms, ProductOptions[double], double threshold,
        Pruning[double], ptrdiff_t k, SparseRows[double], int n_threads, Progress) noexcept
    Status sparse_top_k_product(
        const Kernels&, Rows, Csr[int32_t] a, Csr[int32_t] b, const int64_t* n_terms, ProductOptions[int32_t], int32_t threshold,
        Pruning[int32_t], ptrdiff_t k, SparseRows[int32_t], int n_threads, Progress) noexcept
    Status sparse_top_k_product(
        const Kernels&, Rows, Csr[int64_t] a, Csr[int64_t] b, const int64_t* n_terms, ProductOptions[int64_t], int64_t threshold,
        Pruning[int64_t], ptrdiff_t k, SparseRows[int64_t], int n_threads, Progress) noexcept

cdef extern from "fastrec/merge_top_k_products.hpp" namespace "fastrec" nogil:
    cppclass MergedRows[Value, Column]:
        Column* columns
        Value* data
        const int64_t* indptr
        uint8_t* unmerged

    Status merge_top_k_products[Value, Column](const Csr[Value]* blocks, ptrdiff_t n_blocks,
                                               const MergedRows[Value, Column]&, int n_threads, Poll) noexcept

cdef extern from "fastrec/item_similarity.hpp" namespace "fastrec" nogil:
    Status item_similarity[Value, Score](const Kernels&, Rows, const int32_t* items, Interactions[Value],
                                         const Measure&, const NeighbourOptions&,
                                         ptrdiff_t n_head, ptrdiff_t k, SparseRows[Score], int n_threads,
                                         Progress) noexcept

cdef extern from "fastrec/row_facts.hpp" namespace "fastrec" nogil:
    cppclass Places:
        bool lie_within, ascend

    cppclass Values:
        bool are_finite, are_nonzero

    Status places_of_rows[Index, Pointer](const Index* indices, int64_t n_stored, const Pointer* indptr,
                                          ptrdiff_t n_rows, int64_t n_columns, Places&, int n_threads, Poll) noexcept
    Status values_of_rows[Value](const Value* data, ptrdiff_t n, Values&, int n_threads, Poll) noexcept
    Status terms_of_rows(const int32_t* indices, const int64_t* indptr, ptrdiff_t n_rows, const int64_t* of_inner,
                         int64_t* terms, int n_threads, Poll) noexcept
    int64_t limited_pointers(const int64_t* lengths, ptrdiff_t n_rows, int64_t most, int64_t* indptr) noexcept
    bint count_positives[Value, Index](const Value* data, const Index* indices, int64_t n_entries, int64_t n_columns,
                                       int64_t* counts) noexcept
    Status sums_of_rows[Value](const Value* data, const int64_t* indptr, ptrdiff_t n_rows, double* sums,
                               double* squares, uint8_t* whole, int n_threads, Poll) noexcept
    Status constant_rows[Value](const Value* data, const int64_t* indptr, ptrdiff_t n_rows, uint8_t* constant,
                                int n_threads, Poll) noexcept

cdef extern from "fastrec/transpose.hpp" namespace "fastrec" nogil:
    cppclass TransposedCsr[Value]:
        Value* data
        int32_t* indices
        int64_t* indptr

    Status transpose[Value](const Csr[Value]&, TransposedCsr[Value], bint narrow, int n_threads, Poll) noexcept

cdef extern from "fastrec/relabel.hpp" namespace "fastrec" nogil:
    Status relabel[Value](const Kernels&, Csr[Value], const int32_t* labels, int32_t* indices, Value* data,
                          int n_threads, Poll) noexcept

cdef extern from "fastrec/write_entries.hpp" namespace "fastrec" nogil:
    Status write_entries[Value](const Csr[Value]&, const int32_t* labels, EntryLayout, void* out, int n_threads,
                                Poll) noexcept

cdef extern from "fastrec/dense.hpp" namespace "fastrec" nogil:
    Status multiply[Value](const Kernels&, ptrdiff_t n_rows, const Value* rows, ptrdiff_t depth, const Value* matrix,
                       ptrdiff_t width, Value* out, int n_threads, Poll) noexcept
    Status multiply_in_double(const Kernels&, ptrdiff_t n_rows, const float* rows, ptrdiff_t depth,
                              const double* matrix, ptrdiff_t width, float* out, int n_threads, Poll) noexcept
    Status gram[Value](const Kernels&, ptrdiff_t n_rows, const Value* rows, ptrdiff_t width, double* out, int n_threads,
                       Poll) noexcept

cdef extern from "fastrec/als_half_step.hpp" namespace "fastrec" nogil:
    Status half_step[Value](const Kernels&, HalfStep[Value], Value tol, int most_steps, ptrdiff_t longest,
                            HalfStepAnswer[Value], int n_threads, Poll) noexcept
    Status row_losses[Value](const Kernels&, HalfStep[Value], const Value* solutions, double* losses, int n_threads,
                             Poll) noexcept
    Status direct_solve[Value](const Kernels&, HalfStep[Value], Value* solutions, uint8_t* unsolved, int n_threads,
                               Poll) noexcept
    Status nonnegative_solve[Value](const Kernels&, HalfStep[Value], ptrdiff_t n_bounded, Value* solutions,
                                    uint8_t* unsolved, int n_threads, Poll) noexcept

cdef extern from "fastrec/descent_blocks.hpp" namespace "fastrec" nogil:
    cppclass Cells:
        const uint8_t* block_of
        ptrdiff_t n_parts, n_items, n_blocks, n_layers

    cppclass SortedPairs:
        uint64_t* pairs
        float* values
        int64_t* starts

    Status uniform_rows(float* out, ptrdiff_t n_rows, ptrdiff_t stride, const int64_t* ids, ptrdiff_t n_columns,
                        uint64_t key, double deviation, int n_threads, Poll) noexcept
    Status fill_filters(const int32_t* indices, const int64_t* indptr, ptrdiff_t n_users, uint64_t* filters, int n_threads,
                        Poll) noexcept
    Status partition_items(const int64_t* times_drawn, ptrdiff_t n_items, uint64_t key, int64_t epoch, int64_t part,
                           uint8_t* block_of, int32_t* pool, int64_t* pool_starts, ptrdiff_t n_blocks) noexcept
    void sort_into_cells(Rows users, const int32_t* indices, const int64_t* indptr, const float* values, uint64_t key,
                         int64_t epoch, const Cells&, SortedPairs) noexcept
    uint64_t order_stretches(int64_t* order, ptrdiff_t n_stretches, ptrdiff_t n_empty, uint64_t key, int64_t epoch,
                             int64_t cell) noexcept

cdef extern from "fastrec/slim.hpp" namespace "fastrec" nogil:
    const ptrdiff_t most_together

    cppclass ItemProducts[Value]:
        const int64_t* full
        const Value* rows
        const Value* data
        const int32_t* indices
        const int64_t* indptr
        ptrdiff_t n_items

    cppclass ElasticNet:
        const double* squares
        double l1, l2, tol
        bint positive
        int64_t n_epochs

    Status count_partners[Value](const Csr[Value]& item_users, const Csr[Value]& user_items, int64_t* counts, int n_threads,
                                 Poll) noexcept
    Status item_products[Value](const Csr[Value]& item_users, const Csr[Value]& user_items, const int64_t* full, Value* rows,
                                const int64_t* indptr, int32_t* indices, Value* data, int n_threads, Poll) noexcept
    Status elastic_nets[Value](const Kernels&, Rows items, const ItemProducts[Value]&, const ElasticNet&, Value* out,
                               int64_t& n_unsolved) noexcept

cdef extern from "fastrec/isa/list.hpp" namespace "fastrec":
    cppclass InstructionSet:
        const char* name
        const Kernels* kernels
        bint supported

    const int n_instruction_sets
    InstructionSet instruction_set(int index)
