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

// An entry with its value: where rows are read in an order that no cache could foretell, one stretch of memory instead
// of two, and no more of it than it takes.
template <class Column, class Value>
struct __attribute__((packed)) StoredEntry {
  Column column;
  Value value;
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
  std::int64_t* lengths;  // in row pointers, from the second on; close_gaps makes them what these are
};

// ---- top_k ----------------------------------------------------------------------------------------------------------

template <class Score>
struct Groups {      // numbers are dealt into them, to find one that k of them reach
  std::ptrdiff_t n;  // 0: there are too few numbers for it
  Score* maxima;
  std::int16_t* steps;
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
constexpr std::ptrdiff_t tile_queries = 16;    // against so many queries, or in vectors half of them,
constexpr std::ptrdiff_t panels_together = 4;  // or so many panels against one query
constexpr std::ptrdiff_t group_tiles = 2;      // at most, meet a panel while it lies in the nearest cache
constexpr std::ptrdiff_t step_factors = 4;     // by integer products of so many factors
constexpr std::ptrdiff_t tile_factors = 64;    // multiplied together where there are matrix tiles
constexpr std::ptrdiff_t most_screened_queries = 384;
constexpr std::ptrdiff_t most_screened_factors = 4096;
constexpr double least_screened_norm = 1e-100;  // outside of these the squares could overflow, or be lost against the
constexpr double most_screened_norm = 1e100;    // terms that cover rounding

constexpr std::ptrdiff_t directions_together = 64;  // meet the centres at once

struct Centres {            // of the directions of items
  const float* directions;  // (n, padded factors), of length 1 or 0
  std::ptrdiff_t n;         // 0 where norms tell items apart well enough
};

struct PackedItems {    // panels of items as 8-bit integers, by centre, or by descending norm
  std::uint8_t* codes;  // (n_panels, n_steps, panel_items, step_factors): factor / scale, rounded, above zero_code
  std::int32_t* ids;    // (n_panels * panel_items), -1 beyond the last of a panel
  std::int32_t* position_of;       // (n_items): place among the ids, -1 where an item is not packed
  std::int32_t* centre;            // (n_panels), that its items are near to
  std::int32_t* panels_of_centre;  // (n_centres + 1): where they begin
  double* scale;                   // (n_panels)
  double* least_norm;              // (n_panels), of an item that is packed;
  double* norm;                    // the largest of the panel or of a later one;
  double* least_along;             // (n_panels): the parts of items along their centre,
  double* most_along;              // from the least to the largest,
  double* across;                  // and the largest across it; what follows in units of the scale:
  double* code_norm;               // largest norm of what codes say,
  double* residual;                // and of what they leave out, with the rounding of an exact score
  Centres centres;
  std::ptrdiff_t n_panels, n_steps;
  bool listed;  // whether only candidates are packed
};

template <class Value>
struct ScreenScratch {     // a query group: those that meet the first panels together
  std::int8_t* codes;      // (block + 1, tile-padded factors), as the products want them; 0 where padded
  std::int8_t* regrouped;  // the same
  Value* queries;          // (block, padded factors)
  double *scale, *inverse, *norm, *residual, *exact_norm, *threshold, *least, *stop, *shifted;  // (block) each
  std::int32_t *start, *shift, *regrouped_start;                                                // (block) each
  std::int32_t *place, *regrouped_place, *marked;                                               // (block) each
  std::int32_t* listed;          // (block + tile_queries)
  std::int32_t* bars;            // (panels_together, block + 1)
  double* moved;                 // (block)
  float* directions;             // (padded factors + n_centres, directions_together) and
  float* cosines;                // (2, n_centres, block), where there are centres
  Entry<float>* centres;         // (n_centres)
  Entry<Value>* entries;         // (block, capacity)
  Selection<Value>* selections;  // (block)
  std::int16_t* products;        // (first_panels, query_group, panel_items)
  std::uint32_t* marks;          // (first_panels, block): a bit an item
  std::int16_t* maxima;          // (query_group, n_groups), of groups that items are dealt into
  std::int32_t* first;           // (first_panels)
  std::int32_t* place_of_panel;  // (n_panels), where there are centres: among the first panels of a block, else -1
  std::int32_t* n_needed;  // panels that norms left to a query of the worker's block before, in the mean; 0 at first
  std::ptrdiff_t block, query_group, n_groups, first_panels, capacity;
  ExactScratch<Value> exact;  // for one query
};

template <class Value>
using Screening = void (*)(Rows, const std::int64_t* order, Strided<Value> queries, Items<Value>, PackedItems,
                           Pattern exclude, Pattern candidates, ScreenScratch<Value>, TopKRows<Value>) noexcept;

template <class Value>
struct ScreenKernels {
  // Of items ids[rows.first] to ids[rows.last]: the centre nearest to its direction, and the cosine between them.
  // directions: as in ScreenScratch.
  void (*assign)(Rows, Items<Value>, const std::int32_t* ids, Centres, float* directions, std::int32_t* nearest,
                 float* cosines) noexcept;
  // Fills panels [rows.first, rows.last), whose ids and centres are given.
  void (*pack)(Rows, Items<Value>, PackedItems) noexcept;
  Screening<Value> block, single;  // rank queries order[rows.first] to order[rows.last], or those of the rows
                                   // themselves without an order: a block of them, or one by one
};

// ---- sparse_top_k_product -------------------------------------------------------------------------------------------

// A float score is compared with its threshold as double, so that 0.1 means 0.1.
template <class Score>
using Threshold = std::conditional_t<std::is_floating_point_v<Score>, double, Score>;

// What values are summed in: floats in double, integers without a sign, so that they wrap around.
template <class Value>
using Sum = std::conditional_t<std::is_floating_point_v<Value>, double,
                               std::make_unsigned_t<std::conditional_t<std::is_floating_point_v<Value>, int, Value>>>;

template <class Value>
struct ProductOptions {
  Pattern exclude, candidates;
  Threshold<Value> threshold;  // entries are strictly greater
  bool has_threshold;
  bool keep_zeros;  // whether a sum that is zero is an entry
  bool positive;    // whether every term is, and every sum as an entry; of floats only
  bool best_first;  // else the column first met last, as in SciPy's products; pruning has columns then
};

// What bounds the entries of A * B that a threshold leaves out before they are summed.
template <class Value>
struct Pruning {
  Csr<Value> columns;     // of B, as rows; no indptr: nothing is left out beforehand, and all is best first
  const double* largest;  // (B.rows), magnitude in each row of B
  double largest_norm;    // of a column of B
};

struct RowTerm {  // of a row of A
  std::int32_t inner;
  double value, cost;
};

template <class Value>
struct Met {  // an entry, and the first inner index that has a term of it
  std::int32_t inner;
  Entry<Value> entry;
};

struct PruningHistory {              // of the rows that a worker answered; zeros at first
  double reached;                    // the k-th best entry, as a share of what an entry could be at most
  std::int32_t n_misses, n_waiting;  // rows one after the other that gain nothing by it, and rows until the next try
};

template <class Value>
struct PruningScratch {
  RowTerm* terms;       // (longest row of A), and
  std::int32_t* inner;  // their inner indices
  Value* row;           // (A.columns), zero between rows,
  Value* sums;          // (n_columns), -inf between rows
  Met<Value>* met;      // (k)
  PruningHistory* history;
};

template <class Total>
struct ProductScratch {  // (n_columns) each and zero between rows
  Total* sums;
  std::uint8_t* marks;    // whether there is a term in the sum
  std::int32_t* touched;  // (n_columns + 1), columns with a term
  std::int64_t* cursors;  // (longest row of A)
};

constexpr std::ptrdiff_t block_pairs = 64;  // of an item, scored together in loops that compilers turn into vectors

template <class Score>
struct PickScratch {
  Score* scores;  // (n_columns), of what was touched
  Groups<Score> groups;
  Entry<Score>* entries;  // (2 k), and no less than k and 2 block_pairs
};

template <class Value>
struct SparseProductKernels {
  // n_terms: multiply-adds of every row of A * B. entries: of B; or nullptr.
  void (*rows)(Rows, Csr<Value> a, Csr<Value> b, const StoredEntry<std::uint16_t, Value>* entries,
               const std::int64_t* n_terms, const ProductOptions<Value>&, Pruning<Value>, ProductScratch<Sum<Value>>,
               PruningScratch<Value>, PickScratch<Value>, std::ptrdiff_t k, SparseRows<Value>) noexcept;
};

// ---- item_similarity ------------------------------------------------------------------------------------------------

// The most popular items, whose common users are counted as common bits where that is cheaper than one by one.
constexpr std::ptrdiff_t head_rows = 32;     // a head has a multiple of so many items,
constexpr std::ptrdiff_t head_words = 8;     // of so many words,
constexpr std::ptrdiff_t head_block = 16;    // so many of which meet all later ones together
constexpr std::ptrdiff_t bits_together = 4;  // items whose bits are counted together

struct Head {
  std::ptrdiff_t n_items;       // ranks below it, a multiple of head_rows; 0: no head
  std::ptrdiff_t n_words;       // a multiple of head_words
  const std::uint64_t* bits;    // (n_items, n_words), a bit a user
  const std::uint16_t* shorts;  // (n_items, n_items), common users where no more than these hold,
  const std::int32_t* counts;   // or any number of them; the other is nullptr
  const std::int64_t* tails;    // (n_users), where a user's other items start
};

struct HeadKernels {
  double (*cost_of_word)() noexcept;
  std::ptrdiff_t (*n_blocks)(std::ptrdiff_t n_items) noexcept;
  void (*shorts)(Rows blocks, Head, std::uint8_t* scratch, std::uint16_t* counts) noexcept;
  void (*counts)(Rows blocks, Head, std::uint8_t* scratch, std::int32_t* counts) noexcept;
  std::ptrdiff_t scratch_bytes;
};

// Words next to each other weigh alike: their users differ little in weight.
struct WordsAlike {
  std::ptrdiff_t n_words;  // a divisor of head_words
  double most_ratio;       // of the largest weight to the least
};

// The same where a user adds his own weight to all sums that he is part of, times what only their item decides. A user
// weighs nearly weights[word] * unit * largest_weight, so that numbers of bits tell nearly what all of a word add.
struct WeightedHead {
  std::ptrdiff_t n_items, n_words;  // as in Head
  const std::uint64_t* bits;        // (n_items, n_words), users in the order of their weights
  const std::uint64_t* weights;     // (n_words)
  float unit;
  double largest_weight;
  const float* near_sums;        // (n_items, n_items): of common users' weights * unit,
  float error;                   // each off by at most so much of itself
  const std::uint32_t* by_user;  // (n_users, user_words), a bit an item
  std::ptrdiff_t user_words;     // a multiple of table_words
  const std::int64_t* tails;     // as in Head
};

constexpr std::ptrdiff_t table_words = 32;  // in which items are looked up together, at most

struct WeightedHeadKernels {
  WordsAlike (*words_alike)() noexcept;
  double (*cost_of_word)() noexcept;                // of a pair, where adding a term by itself costs 1,
  double (*cost_of_sums)(double n_items) noexcept;  // and of exact sums with so many, for each user of the other item
  std::ptrdiff_t (*n_blocks)(std::ptrdiff_t n_items) noexcept;
  void (*near_sums)(Rows blocks, WeightedHead, float* sums) noexcept;
};

// Whether columns and values have 16 bits, or 32 and what they are.
struct EntryLayout {
  bool short_columns, short_values;
};

// What a value of an item is multiplied and summed in.
template <class Value>
using PairSum = std::conditional_t<std::is_floating_point_v<Value>, double, std::int32_t>;

constexpr std::ptrdiff_t added_at_once = 4;  // entries of a user's row, which is padded to a multiple of them
constexpr int length_bits = 12;              // of a place in a row, which is below
constexpr std::ptrdiff_t most_summed = (1 << length_bits) - 1;
constexpr std::ptrdiff_t stretch_entries = 1 << 20;  // of users whose rows stay near; fewer than 20 bits of fours

// The same where values differ within a user's row: sums of each two items, added up once for both. Ranks of these
// items ascend by their ids, as do a user's entries, so that an item meets what stands before it.
template <class Value>
struct SummedHead {
  std::ptrdiff_t n_items;            // ranks below it; 0: no head
  std::ptrdiff_t stride;             // of the sums; more than n_items, which is the column of what rows are padded with
  const PairSum<Value>* sums;        // (n_items, stride)
  void* entries;                     // of users with items of the head, laid out as all their entries,
  const std::int64_t* indptr;        // (n_users + 1), rows padded with zeros; and
  void* tails;                       // with the others,
  const std::int64_t* tails_indptr;  // likewise, not padded
};

// Where the entries of each item of the head are in a stretch of users.
struct StretchPlaces {
  std::int32_t* starts;  // (n_items + 2)
  std::uint32_t* list;   // by item: its row's start from the stretch's on, in fours, and its place in the row
};

template <class Value>
struct Interactions;

template <class Value>
struct SummedHeadKernels {
  // lengths[user] is how many items below n_items a user has.
  void (*count)(Rows users, const Interactions<Value>&, std::ptrdiff_t n_items, std::int64_t* lengths) noexcept;
  void (*split)(Rows users, const Interactions<Value>&, const SummedHead<Value>&) noexcept;
  void (*list)(Rows users, EntryLayout, const SummedHead<Value>&, StretchPlaces) noexcept;
  // Adds what a stretch of users from first_user on brings to sums of items with those before them and themselves.
  void (*add)(Rows items, std::ptrdiff_t first_user, EntryLayout, const SummedHead<Value>&, StretchPlaces,
              PairSum<Value>* sums) noexcept;
  // Sums of items with those after them.
  void (*mirror)(Rows items, const SummedHead<Value>&, PairSum<Value>* sums) noexcept;
};

// The interactions from both sides. Items have their ids in item_users and their ranks in user_items: by number of
// users, most first, so that what is often added to lies together. What has no rank is nobody's neighbour.
template <class Value>
struct Interactions {
  Csr<Value> item_users, user_items;
  bool ones;                    // whether all values are 1, and none are there; else
  const void* entries;          // of user_items, with their values, where these are not as below; or nullptr
  EntryLayout layout;           // of those
  const Value* item_values;     // (n_items), where all of an item's values are the same; or nullptr
  const Value* user_values;     // (n_users), likewise
  std::ptrdiff_t n_by_id;       // ranks below it ascend by id, and both sides have the same values; of entries, else 0
  const double* user_weights;   // (n_users), where a user adds to sums as WeightedHead says; or nullptr
  const std::int64_t* n_terms;  // (n_items): multiply-adds of its row of item_users * user_items
  const std::int32_t* rank_of_id;  // (n_items), -1 without a rank
  const std::int32_t* id_of_rank;  // (n_ranks)
  Head head;
  WeightedHead weighted;
  SummedHead<Value> summed;
};

enum class Formula {
  quotient,
  lift,
  pointwise_mutual_information,
  overlap,
  tversky,
  s_plus,
  log_likelihood_ratio,
  custom
};

// A measure compiled elsewhere: scores[p] for `n` pairs of item `item` with items of rank ranks[p], and n returned, or
// the place of a pair that it failed on. `own` and `other` are Measure's.
using CustomFormula = std::int64_t (*)(std::int64_t n, const double* dots, const double* n_common, std::int64_t item,
                                       const std::int32_t* ranks, const double* own, const double* other,
                                       std::int64_t n_items, std::int64_t n_ranks, double n_users, double* scores);

// What scores are close to where float32 suffices, with x and y near terms of either item, u and v their second ones,
// and c the constant. The last in float64 but for v, with t(n) = n ln n.
enum class NearForm {
  none,
  product,          // dot (x y)
  quotient,         // dot / (x y + c)
  lesser,           // dot / (min(x, y) + c)
  sum,              // dot / (x + y + c dot)
  sum_and_product,  // dot / (x + y + c dot + u v)
  likelihood        // 2 (t(dot) + t(x - dot) + t(y - dot) + t(c - x - y + dot) - t(x) - t(c - x) + v)
};

constexpr bool has_factors(NearForm form) { return form == NearForm::sum_and_product || form == NearForm::likelihood; }

constexpr int most_near_terms = 2;

struct NearMeasure {
  NearForm form;
  int n_terms;         // of either item: 2 if the form has factors, else 1
  const float* own;    // (n_terms, n_items),
  const float* other;  // (n_terms, n_ranks)
  float constant;
  float floor;               // what float32 may lose of a score
  const double* n_ln_n;      // (constant + 1), of likelihood; the driver has it
  const float* best_others;  // (n_blocks, most_near_terms), of each block of ranks what scores best; nullptr where
                             // scores do not go by rank;
  float others_of_rarest[most_near_terms];  // and of the rarest item that somebody has
};

struct Measure {
  Formula formula;
  const double* own;    // (n_terms, n_items): what the formula takes from the first item of a pair,
  const double* other;  // (n_terms, n_ranks): and from the second
  NearMeasure near;
  std::ptrdiff_t n_items, n_ranks;
  double n_users;
  double shrinkage;      // added to the denominator
  double bayesian;       // multiplies by |dot| / (|dot| + bayesian), where it is not 0
  double weights[6];     // of tversky: alpha, beta; of s_plus: l1, t1, t2, l2, l3, power
  CustomFormula custom;  // for Formula::custom,
  std::int64_t* failed;  // item * n_ranks + rank of a pair that it failed on; -1: none
};

struct NeighbourOptions {
  Pattern exclude, candidates;  // ranks, for each item
  double threshold;             // scores are strictly greater
  bool has_threshold;
  std::int32_t min_support;
  bool keep_diagonal;
  bool counted;  // whether terms must be counted beside the sums: not where values are positive and nothing asks
};

struct SumsScratch {      // (n_ranks) each, zero between rows; or empty where an item never needs it
  std::uint8_t* bytes;    // counts of items with few users,
  std::uint16_t* shorts;  // and of others
  void* sums;             // of the type that the values are summed in
  std::int32_t* counts;   // of the terms in the sums
  std::int32_t* touched;  // (n_ranks + 1), ranks with a term
  void* listed;           // the sums of those that are ranked, of the same type,
  std::int32_t* listed_counts;
};

constexpr std::ptrdiff_t ranks_of_block = 64;

struct NeedHistory {  // of the rows that a worker answered, by the number of their terms; zeros at first
  float means[128], deviations[128];
};

template <class Score>
struct NeighbourScratch {
  PickScratch<Score> pick;
  float* near_scores;   // (n_ranks), instead of pick.scores;
  float* near_factors;  // (n_ranks), where near scores have two terms of an item
  Groups<float> near_groups;
  std::uint8_t* counts_to_end;  // (n_ranks), where measure.near.best_others says something
  NeedHistory* history;
};

template <class Value, class Score>
struct SimilarityKernels {
  void (*rows)(Rows, const std::int32_t* items, const Interactions<Value>&, const Measure&, const NeighbourOptions&,
               SumsScratch, NeighbourScratch<Score>, std::ptrdiff_t k, SparseRows<Score>) noexcept;
};

// ---- relabel --------------------------------------------------------------------------------------------------------

constexpr std::ptrdiff_t fewest_keys = 32;  // sorted together

template <class Value>
struct RelabelKernels {
  // keys: (twice the longest row and fewest_keys); bits: (columns / 64), rounded up.
  void (*relabel)(Rows, Csr<Value>, const std::int32_t* labels, double* keys, std::uint64_t* bits,
                  std::int32_t* indices, Value* data) noexcept;
};

// ---- dense products -------------------------------------------------------------------------------------------------

template <class Value>
struct DenseKernels {
  void (*multiply)(Rows, const Value* from, std::ptrdiff_t depth, const Value* matrix, std::ptrdiff_t width,
                   Value* out) noexcept;
  void (*add_gram)(Rows, const Value* from, std::ptrdiff_t width, Rows columns, double* out) noexcept;
};

constexpr std::ptrdiff_t rows_in_double = 48;  // at a time

struct DenseInDoubleKernels {
  // wide: (rows_in_double, depth + width).
  void (*multiply_in_double)(Rows, const float* from, std::ptrdiff_t depth, const double* matrix, std::ptrdiff_t width,
                             double* wide, float* out) noexcept;
};

// ---- elastic nets ---------------------------------------------------------------------------------------------------

// Products of all pairs of items, an item's in a row: in full, or only those that it has, in any order.
template <class Value>
struct ItemProducts {
  const std::int64_t* full;  // (items): the number of its row among the full ones, or -1
  const Value* rows;         // of the full ones, C order
  const Value* data;
  const std::int32_t* indices;
  const std::int64_t* indptr;
  std::ptrdiff_t n_items;
};

struct ElasticNet {
  const double* squares;  // (items): each one's product with itself
  double l1, l2;
  bool positive;  // no weight is negative
  double tol;     // by how much of an item's largest product a condition of optimality may be missed
  std::int64_t n_epochs;
};

constexpr std::ptrdiff_t most_together = 512;  // coordinates that descend together: their products are 2 MiB

struct ElasticNetScratch {
  double *slopes, *weights, *gains;   // (items)
  std::int32_t* places;               // (items): where it is among the members, or -1
  std::int32_t* members;              // (most_together): whose coordinates descend now
  double *slopes_of_members, *found;  // (most_together): what is known of each, and its weight
  double* products;                   // (most_together, most_together), of the members
};

template <class Value>
struct ElasticNetKernels {
  // Weights for the items of Rows, a row each; says for how many n_epochs ended it.
  std::int64_t (*solve)(Rows, ItemProducts<Value>, ElasticNet, ElasticNetScratch, Value* out) noexcept;
};

// ---- als_half_step --------------------------------------------------------------------------------------------------

template <class Value>
struct HalfStep {
  Csr<Value> weights;
  const Value* targets;  // one for each weight
  const Value* fixed;    // (weights.columns, n_factors), C order
  std::ptrdiff_t n_factors;
  double unobserved_weight;
  const double* gram;            // (n_factors, n_factors): fixed' * fixed; its diagonal only, where it is diagonal
  const double* regularization;  // (weights.rows)
};

constexpr double least_steps = 3.5;  // of conjugate gradients, until a residual is 1e-5 of what it was
constexpr int outer_products_together = 32;

constexpr std::ptrdiff_t longest_dual = 48;  // entries of a row whose system may be of their size

// Of systems of the size of rows' entries, one in each of a register's lanes.
template <class Value>
struct DualScratch {
  static constexpr std::ptrdiff_t most_lanes = 64 / sizeof(Value);

  std::ptrdiff_t longest;  // entries of a row, up to longest_dual
  Value* inverse_pivots;   // (longest_dual, most_lanes)
  Value* triangles;        // (longest_dual * (longest_dual + 1) / 2, most_lanes)
  Value* batches;          // of each size that is a multiple of 4: size * (size + 8) / 2 values a lane
  Value* scaled;           // (longest_dual, n_factors)
};

template <class Value>
struct HalfStepScratch {
  Value *diagonal, *inverse, *root, *residual, *direction, *image;  // (n_factors)
  Value* matrix;  // (n_factors, n_factors), or nullptr where none will pay
  Value* scaled;  // (outer_products_together, n_factors)
  DualScratch<Value> dual;
};

// Sums over the entries of one row, by many threads.
template <class Value>
struct SharedSums {
  void* by;
  bool (*add)(void* by, const Value* x, Value* out);   // as add_sums below; false when it was stopped
  bool (*sum)(void* by, Value* matrix, Value* right);  // as sum_matrix below, likewise
};

template <class Value>
struct HalfStepAnswer {
  Value* solutions;          // (weights.rows, n_factors)
  std::uint8_t* unsolved;    // (weights.rows): which it could not solve
  double* losses = nullptr;  // (weights.rows): what is left of every row's objective, where somebody asks
};

struct DirectScratch {  // padded: n_factors up to a multiple of n_lanes
  double* system;       // (padded, padded)
  double* right;        // (padded)
  double* gathered;     // (4, padded)
};

struct NonnegativeScratch {
  DirectScratch equations;
  double* factor;                      // (padded, padded)
  double *reduced, *diagonal, *point;  // (padded)
  std::int32_t* free;                  // (padded), unknowns that are not held at zero
  std::uint8_t *held, *faulty;         // (padded)
};

template <class Value>
struct HalfStepKernels {
  // Of a fixed side whose Gram matrix is diagonal; n_factors is a multiple of 16, as of all dense factors. With shared
  // sums, of one row.
  void (*solve)(Rows, HalfStep<Value>, Value tol, int most_steps, HalfStepScratch<Value>, const SharedSums<Value>*,
                HalfStepAnswer<Value>) noexcept;
  double entries_of_a_step;  // of conjugate gradients: so many cost as much in a system of their size
  // How many steps a row may take to 1e-5, or infinity where a system of its entries' size would not be solved to tol.
  double (*usual_steps)(HalfStep<Value>, std::ptrdiff_t row, Value tol, HalfStepScratch<Value>) noexcept;
  // Adds, for the entries from first to last, the image of x under what they add to a row's system; without x the right
  // side.
  void (*add_sums)(HalfStep<Value>, std::int64_t first, std::int64_t last, const Value* x, Value* out) noexcept;
  // The matrix of what they add; and adds the right side, unless it is nullptr.
  void (*sum_matrix)(HalfStep<Value>, std::int64_t first, std::int64_t last, Value* scaled, Value* matrix,
                     Value* right) noexcept;
  // Solutions of any fixed side.
  void (*direct)(Rows, HalfStep<Value>, DirectScratch, Value* solutions, std::uint8_t* unsolved) noexcept;
  // The same where the first n_bounded factors of a solution may not be negative.
  void (*nonnegative)(Rows, HalfStep<Value>, std::ptrdiff_t n_bounded, NonnegativeScratch, Value* solutions,
                      std::uint8_t* unsolved) noexcept;
  // Of a fixed side whose Gram matrix is diagonal: what is left of every row's objective.
  void (*losses)(Rows, HalfStep<Value>, const Value* solutions, double* losses) noexcept;
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
                 HeadKernels,
                 WeightedHeadKernels,
                 SummedHeadKernels<float>,
                 SummedHeadKernels<double>,
                 SummedHeadKernels<std::int32_t>,
                 SimilarityKernels<float, float>,
                 SimilarityKernels<float, double>,
                 SimilarityKernels<double, double>,
                 SimilarityKernels<double, float>,
                 SimilarityKernels<std::int32_t, float>,
                 SimilarityKernels<std::int32_t, double>,
                 RelabelKernels<float>,
                 RelabelKernels<double>,
                 RelabelKernels<std::int32_t>,
                 DenseKernels<float>,
                 DenseKernels<double>,
                 DenseInDoubleKernels,
                 ElasticNetKernels<float>,
                 ElasticNetKernels<double>,
                 HalfStepKernels<float>,
                 HalfStepKernels<double> {};

// All that an instruction set with matrix tiles does in another way than the one below it.
struct TileKernels {
  Screening<float> screen_float;
  Screening<double> screen_double;
  HeadKernels head;
};

}  // namespace fastrec
