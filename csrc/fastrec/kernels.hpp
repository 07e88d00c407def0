// The border between the instruction sets and the rest: plain structs, and the table of row-kernels that every
// instruction set fills. A row-kernel answers the rows [first, last), sequentially, in the caller's scratch.
//
// Nothing here defines a function: this header is compiled under the flags of every set, and the linker would merge an
// inline function into whichever copy it meets first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace fastrec {

struct Rows {
  std::ptrdiff_t first, last;
};

template <class Value>
struct Strided {  // a dense matrix in any order; steps count values
  const Value* data;
  std::ptrdiff_t rows, columns, row_step, column_step;
};

template <class Value>
struct Csr {  // sorted unique indices
  const Value* data;
  const std::int32_t* indices;
  const std::int64_t* indptr;
  std::ptrdiff_t rows, columns;
};

struct Pattern {  // sorted unique ids of row r: ids[indptr[r * step]] up to ids[indptr[r * step + 1]]
  const std::int32_t* ids;
  const std::int64_t* indptr;  // nullptr: no pattern
  std::ptrdiff_t step;         // 0: one list for all rows
};

template <class Score>
struct Entry {
  Score score;
  std::int32_t item;
};

template <class Score>
struct Selection {  // the best k seen so far lie among the first `size` entries
  Entry<Score>* entries;
  std::ptrdiff_t size;
  Entry<Score> worst;  // what does not rank before it cannot be among the best
};

template <class Score>
struct TopKRows {  // (n_rows, k) in C order
  std::int32_t* items;
  Score* scores;
  std::ptrdiff_t k;
};

template <class Score>
struct SparseRows {  // row r has room for starts[r + 1] - starts[r] entries and takes the first lengths[r] of them
  std::int32_t* indices;
  Score* data;
  const std::int64_t* starts;
  std::int64_t* lengths;
};

// ---- top_k ----------------------------------------------------------------------------------------------------------

template <class Score>
struct Groups {      // numbers are dealt into them, to find one that k of them reach
  std::ptrdiff_t n;  // 0: there are too few numbers for it
  Score* maxima;
  std::uint32_t* keys;
};

constexpr std::ptrdiff_t gathered_rows = 64;  // of a matrix that is not in C order; fewer miss the TLB for each column

template <class Value>
struct ScanScratch {
  std::ptrdiff_t chunk, capacity;
  Groups<Value> groups;
  Entry<Value>* entries;         // (capacity); for gathered rows (gathered_rows, capacity), and
  Selection<Value>* selections;  // (gathered_rows)
  Value* gathered;               // (gathered_rows, chunk and a cache line)
};

template <class Value>
struct TopKKernels {
  void (*dense)(Rows, Strided<Value>, ScanScratch<Value>, TopKRows<Value>) noexcept;
  void (*csr)(Rows, Csr<Value>, ScanScratch<Value>, TopKRows<Value>) noexcept;
};

// ---- top_k_inner_product, ItemIndex ---------------------------------------------------------------------------------

enum class Metric { inner_product, cosine, euclidean };

template <class Value>
struct Items {
  Strided<Value> rows;
  Metric metric;
  const double* norms;  // of every item, for cosine
};

constexpr std::ptrdiff_t n_lanes = 8;      // of the exact score; factors are zero-padded to a multiple
constexpr std::ptrdiff_t tile_items = 64;  // scored against a block of queries while they lie in the cache

template <class Value>
struct ExactScratch {
  double* queries;  // (block of queries, padded factors)
  double* tile;     // (tile_items, padded factors)
  Value* scores;    // (tile_items)
  std::ptrdiff_t capacity;
  Entry<Value>* entries;         // (block of queries, capacity)
  Selection<Value>* selections;  // (block of queries)
  std::int64_t* cursors;         // (block of queries), into `exclude`
};

template <class Value>
struct ExactKernels {
  void (*norms)(Rows, Strided<Value> items, double* norms) noexcept;
  void (*rows)(Rows, Strided<Value> queries, Items<Value>, Pattern exclude, Pattern candidates, ExactScratch<Value>,
               TopKRows<Value>) noexcept;
};

// ---- the same, screened ---------------------------------------------------------------------------------------------

constexpr std::ptrdiff_t panel_items = 32;     // scored together
constexpr std::ptrdiff_t tile_queries = 8;     // against so many queries,
constexpr std::ptrdiff_t panels_together = 4;  // or so many panels against one query
constexpr std::ptrdiff_t group_tiles = 4;      // at most, meet a panel while it lies in the nearest cache
constexpr std::ptrdiff_t step_factors = 4;     // by integer products of so many factors
constexpr std::ptrdiff_t most_screened_factors = 4096;
constexpr double least_screened_norm = 1e-100;  // outside of these the squares could overflow, or be lost against the
constexpr double most_screened_norm = 1e100;    // terms that cover rounding

struct PackedItems {    // panels of items as 8-bit integers, by descending norm
  std::uint8_t* codes;  // (n_panels, n_steps, panel_items, step_factors): factor / scale, rounded, above zero_code
  std::int32_t* ids;    // (n_panels * panel_items), -1 beyond the last
  std::int32_t* position_of;  // (n_items): place among the ids, -1 where an item is not packed
  double* scale;              // (n_panels)
  double* least_norm;         // (n_panels), of an item that is packed;
  double* norm;               // the largest of the panel or of a later one; what follows in units of the scale:
  double* code_norm;          // largest norm of what codes say,
  double* residual;           // and of what they leave out, with the rounding of an exact score
  std::ptrdiff_t n_panels, n_steps;
  bool listed;  // whether only candidates are packed
};

template <class Value>
struct ScreenScratch {           // a group: the queries that meet the first panels together
  std::int8_t* codes;            // (tiles, n_steps, tile_queries, step_factors)
  std::int8_t* regrouped;        // the same
  Value* queries;                // (block, padded factors)
  double* per_query;             // (8, block)
  std::int32_t* sums;            // (2, block)
  std::int32_t* order;           // (2, block)
  double* moved;                 // (block)
  Entry<Value>* entries;         // (block, capacity)
  Selection<Value>* selections;  // (block)
  std::int32_t* products;        // (first_panels, group, panel_items)
  std::uint32_t* marks;          // (block, first_panels): a bit an item
  float* maxima;                 // (group, n_maxima)
  std::uint32_t* keys;           // (n_maxima)
  std::ptrdiff_t block, group, n_maxima, first_panels, capacity;
  ExactScratch<Value> exact;  // for one query
};

template <class Value>
struct ScreenKernels {
  // Fills panels [rows.first, rows.last), whose ids are given.
  void (*pack)(Rows, Items<Value>, PackedItems) noexcept;
  // Ranks a block of queries, or queries one by one.
  void (*block)(Rows, Strided<Value> queries, Items<Value>, PackedItems, Pattern exclude, Pattern candidates,
                ScreenScratch<Value>, TopKRows<Value>) noexcept;
  void (*single)(Rows, Strided<Value> queries, Items<Value>, PackedItems, Pattern exclude, Pattern candidates,
                 ScreenScratch<Value>, TopKRows<Value>) noexcept;
};

// ---- sparse_top_k_product, item_similarity --------------------------------------------------------------------------

// A float score is compared with its threshold as double, so that 0.1 means 0.1.
template <class Score>
using Threshold = std::conditional_t<std::is_floating_point_v<Score>, double, Score>;

// What values are summed in: floats in double, integers without a sign, so that they wrap around.
template <class Value>
using Sum = std::conditional_t<std::is_floating_point_v<Value>, double,
                               std::make_unsigned_t<std::conditional_t<std::is_floating_point_v<Value>, int, Value>>>;

template <class Total>
struct ProductScratch {  // (n_columns) each and zero between rows, or empty where an operation does not use it
  Total* sums;
  std::int32_t* counts;     // terms in the sum
  std::uint8_t* marks;      // instead of counts: whether there are any
  std::uint16_t* counters;  // instead of all of these: sums where all values are 1
  std::int32_t* touched;    // (n_columns + 1), columns with a term
};

template <class Score>
struct PickScratch {
  Score* scores;  // (n_columns), of what was touched
  Groups<Score> groups;
  Entry<Score>* entries;  // (2 k)
};

template <class Value>
struct SparseProductKernels {
  void (*rows)(Rows, Csr<Value> a, Csr<Value> b, Pattern exclude, Pattern candidates, Threshold<Value>,
               bool has_threshold, ProductScratch<Sum<Value>>, PickScratch<Value>, std::ptrdiff_t k,
               SparseRows<Value>) noexcept;
};

enum class Measure { dot, cosine };

struct MeasureOptions {
  Measure measure;
  double shrinkage;
  double threshold;  // -inf: none
  bool has_threshold;
  std::int64_t min_support;
  bool keep_diagonal;
  bool only_ones;       // all values are 1, and no item has more users than a counter holds
  const double* norms;  // (n_items)
};

template <class Value, class Score>
struct SimilarityKernels {
  void (*rows)(Rows, Csr<Value> item_users, Csr<Value> user_items, MeasureOptions, ProductScratch<double>,
               PickScratch<Score>, std::ptrdiff_t k, SparseRows<Score>) noexcept;
};

// ---- als_half_step --------------------------------------------------------------------------------------------------

template <class Value>
struct HalfStep {
  Csr<Value> weights;
  const Value* targets;  // one for each weight
  const Value* fixed;    // (weights.columns, n_factors), C order
  std::ptrdiff_t n_factors;
  double unobserved_weight;
  const double* gram;            // (n_factors, n_factors): fixed' * fixed
  const double* regularization;  // (weights.rows)
};

struct HalfStepScratch {  // padded: n_factors up to a multiple of n_lanes
  double* system;         // (padded, padded)
  double* right;          // (padded)
  double* gathered;       // (4, padded)
};

template <class Value>
struct HalfStepKernels {
  // Writes solutions (weights.rows, n_factors); singular[r] tells that row r needs a solver for singular systems.
  void (*rows)(Rows, HalfStep<Value>, HalfStepScratch, Value* solutions, std::uint8_t* singular) noexcept;
};

// ---- the table ------------------------------------------------------------------------------------------------------

// A table converts to each of its parts, so a driver finds the part for its types.
struct Kernels : TopKKernels<float>,
                 TopKKernels<double>,
                 ExactKernels<float>,
                 ExactKernels<double>,
                 ScreenKernels<float>,
                 ScreenKernels<double>,
                 SparseProductKernels<float>,
                 SparseProductKernels<double>,
                 SparseProductKernels<std::int32_t>,
                 SparseProductKernels<std::int64_t>,
                 SimilarityKernels<float, float>,
                 SimilarityKernels<float, double>,
                 SimilarityKernels<double, double>,
                 SimilarityKernels<double, float>,
                 HalfStepKernels<float>,
                 HalfStepKernels<double> {};

}  // namespace fastrec
