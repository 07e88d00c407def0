// Row-kernels that rank by screening: 8-bit products with a proved bound of what they leave out say which items may be
// among the best, and only those get their exact score (docs/screening.md).
//
// For an item y = y' + r and a query x = x' + s, of which codes give x'.y' exactly,
//     |x.y - x'.y'| <= |r| |x| + |y'| |s|.
// Whatever the metric, an item ranks by its value f = x.y - h: the inner product itself; for cosine, where y is the
// item's direction, |x| times the cosine; for the Euclidean distance h = |y|^2 / 2, so that the score is 2 f - |x|^2.
// An item is dropped when the bound keeps its value below one that k other items are known to reach. Of a panel, whose
// items lie around one of some centres, only those queries are multiplied that its cone may reach (cones.hpp); panels
// come by descending norm, so that a query is done at the first whose largest norm cannot reach it.
#pragma once

#include <limits>

#include "fastrec/rows/ask_for.hpp"
#include "fastrec/rows/exact_scores.hpp"
#include "fastrec/rows/pack_items.hpp"
#include "fastrec/rows/pair_queue.hpp"
#include "fastrec/rows/per_query.hpp"
#include "fastrec/simd/block_products.hpp"
#include "fastrec/simd/compare.hpp"
#include "fastrec/simd/kept_products.hpp"

namespace fastrec {
namespace {

constexpr double nothing_known = -std::numeric_limits<double>::infinity();
constexpr double passes_nothing = std::numeric_limits<double>::infinity();
constexpr int no_product_left = 28;  // shifted down by so much, a product reaches nothing

// The number below `score` such that what stays under it is rounded to less than `score`.
template <class Value>
inline double just_below(double score) noexcept {
  if (score == nothing_known) return score;
  return static_cast<double>(std::nextafter(static_cast<Value>(score), -std::numeric_limits<Value>::infinity()));
}

// A block of queries, multiplied by Products, which says how many of them meet how many panels at a time.
template <class Value, class Products>
class Screen {
  static constexpr int together = Products::n_queries, n_panels = Products::n_panels;
  static constexpr int n_queries = std::min<int>(together, n_lanes);  // that share the arithmetic on one number each
  using Each = PerQuery<n_queries>;

 public:
  Screen(Rows rows, const std::int64_t* order, const Strided<Value>& queries, const Items<Value>& items,
         const PackedItems& packed, const Pattern& exclude, const Pattern& candidates,
         const ScreenScratch<Value>& scratch, const TopKRows<Value>& out) noexcept
      : rows_(rows),
        order_(order),
        queries_(queries),
        items_(items),
        packed_(packed),
        exclude_(exclude),
        candidates_(candidates),
        wanted_(packed.listed ? Pattern{} : candidates),
        scratch_(scratch),
        out_(out),
        n_rows_(rows.last - rows.first),
        width_(padded(items.rows.columns)),
        panel_bytes_(packed.n_steps * panel_items * step_factors),
        products_(packed.n_steps),
        enough_arrivals_(std::clamp<std::ptrdiff_t>(out.k / 2, 1, scratch.capacity - out.k)),
        n_first_(n_first_panels(scratch, packed)),
        unit_(packed.scale[0]),
        scale_(scratch.scale),
        inverse_(scratch.inverse),
        norm_(scratch.norm),
        residual_(scratch.residual),
        exact_norm_(scratch.exact_norm),
        threshold_(scratch.threshold),
        least_(scratch.least),
        stop_(scratch.stop),
        shifted_(scratch.shifted),
        cosine_(scratch.cosines),
        sine_(cosine_ + packed.centres.n * scratch.block),
        first_(scratch.first),
        place_(scratch.place),
        codes_(scratch.codes),
        start_(scratch.start),
        shift_(scratch.shift),
        pairs_(items, width_, scratch.exact.tile) {}

  void run() noexcept {
    for (std::ptrdiff_t q = 0; q < scratch_.block; ++q) take(q);
    if (has_centres()) meet_centres();
    choose_first_panels();
    look_at_first_panels();
    mark_left_out();
    for (std::ptrdiff_t q = 0; q < n_rows_; q += scratch_.query_group) {
      const std::ptrdiff_t last = std::min(q + scratch_.query_group, scratch_.block);
      multiply_first_panels(q, last);
      find_thresholds(q, last);
      mark_survivors(q, last);
    }
    score_survivors();
    for (std::ptrdiff_t q = 0; q < n_rows_; ++q) tighten(q);
    if (together > 1 && !has_centres()) regroup();
    other_panels();
    if (has_centres()) forget_first_panels();
    for (std::ptrdiff_t q = 0; q < scratch_.block; ++q) finish(q);
  }

 private:
  bool has_centres() const noexcept { return packed_.centres.n > 0; }
  std::ptrdiff_t row_of(std::ptrdiff_t q) const noexcept {
    return order_ != nullptr ? order_[rows_.first + q] : rows_.first + q;
  }
  bool euclidean() const noexcept { return items_.metric == Metric::euclidean; }

  // ---- queries ------------------------------------------------------------------------------------------------------

  // Norms and residuals of a query are in units of its scale, those of a panel in units of the panel's; least_ in units
  // of the query's and of the first panel's, so that it neither overflows nor vanishes in a float.

  // Codes, norms and exact factors of query q; what lies beyond the last query, or cannot be screened, passes nothing.
  void take(std::ptrdiff_t q) noexcept {
    place_[q] = static_cast<std::int32_t>(q);
    scale_[q] = inverse_[q] = 1.0;
    norm_[q] = residual_[q] = exact_norm_[q] = 0.0;
    threshold_[q] = least_[q] = stop_[q] = passes_nothing;
    start_[q] = 0;
    if (q >= n_rows_) return;
    if (order_ != nullptr && q + 1 < n_rows_) fetch_row(queries_, row_of(q + 1));
    alignas(64) double exact[most_screened_factors];
    load_row(queries_, row_of(q), exact);
    scratch_.selections[q] = Selector<Value>::empty(scratch_.entries + q * scratch_.capacity);
    for (std::ptrdiff_t j = 0; j < width_; ++j) scratch_.queries[q * width_ + j] = static_cast<Value>(exact[j]);
    exact_norm_[q] = norm_of<Value>(exact, 1, width_);
    if (!screenable(exact_norm_[q])) return;
    Sizes sizes;
    sizes.add(exact, width_);
    const double scale = sizes.scale(127, longest_query_part);
    alignas(64) std::int8_t codes[most_screened_factors];
    Whole<n_lanes> sums = {};
    const Coded coded = code_item(exact, width_, scale, [&](std::ptrdiff_t j, Whole<n_lanes> eight) {
      typedef std::int8_t Eight __attribute__((vector_size(n_lanes)));
      const Eight each = __builtin_convertvector(eight, Eight);
      __builtin_memcpy(codes + j, &each, sizeof each);
      sums += eight;
    });
    std::int32_t sum = 0;
    for (int i = 0; i < n_lanes; ++i) sum += sums[i];
    products_.put(codes, codes_, q);
    start_[q] = -surplus_code * sum;
    scale_[q] = scale;
    inverse_[q] = 1.0 / scale / unit_;
    norm_[q] = norm_above(coded.squares) / scale;
    residual_[q] = norm_above(coded.residual_squares) / scale;
    threshold_[q] = least_[q] = stop_[q] = nothing_known;
  }

  // ---- what is known of an item without its exact score -------------------------------------------------------------

  // By how much the product of codes may differ from that of the vectors, in units of both scales.
  Each slack(double residual, double code_norm, std::ptrdiff_t first) const noexcept {
    return residual * load_each<n_queries>(norm_ + first) + code_norm * load_each<n_queries>(residual_ + first);
  }

  // |y|^2 / 2 of any item of the panel is no less, no more; the rounding of the exact score is inside.
  double least_half(std::ptrdiff_t panel) const noexcept {
    const double square = packed_.least_norm[panel] * packed_.least_norm[panel] / 2;
    return square - 4 * rounding_of(width_) * packed_.norm[panel] * packed_.norm[panel];
  }
  double most_half(std::ptrdiff_t panel) const noexcept {
    return packed_.norm[panel] * packed_.norm[panel] * (0.5 + 4 * rounding_of(width_));
  }

  // What of a panel decides which products drop an item.
  struct Bar {
    double units, residual, code_norm, half;  // units: of the first panel's scale in one of this panel's
  };
  Bar bar(std::ptrdiff_t panel) const noexcept {
    return {unit_ / packed_.scale[panel], packed_.residual[panel], packed_.code_norm[panel],
            euclidean() ? least_half(panel) : 0.0};
  }

  // For n_queries queries, the products below which an item is dropped, less what covers the rounding of the bound.
  void least_products(const Bar& bar, std::ptrdiff_t first, std::int32_t* least) const noexcept {
    Each value = load_each<n_queries>(least_ + first);
    if (euclidean()) value += bar.half * load_each<n_queries>(inverse_ + first);
    const Each product = value * bar.units - slack(bar.residual, bar.code_norm, first);
    const Each limit = Each{} + static_cast<double>(most_product);
    store_whole(least, larger_of(smaller_of(product, limit), -limit) - 4.0);
  }

  // Values and scores of a query; each way the result is no more than what the argument warrants.
  double score_of(std::ptrdiff_t q, double value) const noexcept {
    const double norm = norm_[q] * scale_[q];
    if (items_.metric == Metric::cosine) return value / norm - 1e-8 * (std::abs(value) / norm);
    if (euclidean()) return 2 * value - norm * norm * (1.0 + 1e-8) - 1e-8 * std::abs(value);
    return value;
  }
  double value_of(std::ptrdiff_t q, double score) const noexcept {
    const double norm = norm_[q] * scale_[q];
    if (items_.metric == Metric::cosine) return norm * (score - 1e-8 * std::abs(score));
    if (euclidean()) return (score - 1e-9 * std::abs(score) + norm * norm * (1.0 - 1e-8)) / 2;
    return score;
  }

  void raise_threshold(std::ptrdiff_t q, double threshold) noexcept {
    if (!(threshold > threshold_[q])) return;
    threshold_[q] = threshold;
    least_[q] = value_of(q, threshold) / scale_[q] / unit_;
    const double norm = least_[q] * unit_ / norm_[q];
    stop_[q] = norm - 4e-9 * std::abs(norm);
  }

  bool row_leaves_out(std::ptrdiff_t row, std::int32_t id) const noexcept {
    return (exclude_.indptr != nullptr && lists(exclude_, row, id)) ||
           (wanted_.indptr != nullptr && !lists(wanted_, row, id));
  }

  static bool lists(const Pattern& pattern, std::ptrdiff_t row, std::int32_t id) noexcept {
    return std::binary_search(pattern.ids + pattern.indptr[row * pattern.step],
                              pattern.ids + pattern.indptr[row * pattern.step + 1], id);
  }

  // ---- the first panels: find thresholds ----------------------------------------------------------------------------

  // Half of those that the block before needed: what the first panels do not tell, the others do at about their price.
  static std::ptrdiff_t n_first_panels(const ScreenScratch<Value>& scratch, const PackedItems& packed) noexcept {
    constexpr std::ptrdiff_t items_a_group = 2;
    const std::ptrdiff_t most = std::min(scratch.first_panels, packed.n_panels), needed = *scratch.n_needed;
    if (needed == 0) return most;
    const std::ptrdiff_t n = std::max(needed / 2, items_a_group * scratch.n_groups / panel_items);
    return std::min((n + panels_together - 1) / panels_together * panels_together, most);
  }

  // Those of the centres nearest to the queries, or of the norms nearest to theirs for distances, or of the largest.
  void choose_first_panels() noexcept {
    if (has_centres()) return choose_by_centres();
    const std::ptrdiff_t begin = euclidean() ? nearest_panels() : 0;
    for (std::ptrdiff_t panel = 0; panel < n_first_; ++panel) first_[panel] = static_cast<std::int32_t>(begin + panel);
  }

  // The place of a panel among them, or -1.
  std::ptrdiff_t place_of(std::ptrdiff_t panel) const noexcept {
    if (has_centres()) return scratch_.place_of_panel[panel];
    const std::ptrdiff_t place = panel - first_[0];
    return place >= 0 && place < n_first_ ? place : -1;
  }

  void forget_first_panels() noexcept {
    for (std::ptrdiff_t place = 0; place < n_first_; ++place) scratch_.place_of_panel[first_[place]] = -1;
  }

  void choose_by_centres() noexcept {
    Entry<float>* best = scratch_.centres;
    for (std::int32_t c = 0; c < static_cast<std::int32_t>(packed_.centres.n); ++c) {
      Each sums = {};
      for (std::ptrdiff_t q = 0; q < scratch_.block; q += n_queries) {
        sums += load_each<n_queries>(cosine_ + c * scratch_.block + q);
      }
      best[c] = {static_cast<float>(total(sums)), c};
    }
    sort_entries(best, packed_.centres.n);
    std::ptrdiff_t n = 0;
    for (std::ptrdiff_t c = 0; c < packed_.centres.n; ++c) {
      const std::int32_t* panels = packed_.panels_of_centre + best[c].item;
      for (std::int32_t panel = panels[0] / n_panels * n_panels; panel < panels[1] || panel % n_panels > 0; ++panel) {
        if (n == n_first_) return;
        if (place_of(panel) >= 0) continue;
        scratch_.place_of_panel[panel] = static_cast<std::int32_t>(n);
        first_[n++] = panel;
      }
    }
  }

  // Where the panels begin whose norms are nearest to those of the queries.
  std::ptrdiff_t nearest_panels() const noexcept {
    double sum = 0.0, count = 1e-300;
    for (std::ptrdiff_t q = 0; q < n_rows_; ++q) {
      if (threshold_[q] == passes_nothing) continue;
      sum += norm_[q] * scale_[q];
      count += 1.0;
    }
    const double *begin = packed_.norm, *end = begin + packed_.n_panels;
    const std::ptrdiff_t middle = std::partition_point(begin, end, Above{sum / count}) - begin;
    const std::ptrdiff_t first = std::clamp<std::ptrdiff_t>(middle - n_first_ / 2, 0, packed_.n_panels - n_first_);
    return first / n_panels * n_panels;
  }

  struct Above {
    double norm;
    bool operator()(double other) const noexcept { return other > norm; }
  };

  // The scale that values of the first panels are compared in, and by how much products of each query are shifted down
  // to fit 16 bits. Few panels may have a larger scale: their values then count as the largest number at most.
  void look_at_first_panels() noexcept {
    double most_code_norm = 0.0;
    first_scale_ = 0.0;
    first_half_ = euclidean() ? std::numeric_limits<double>::infinity() : 0.0;
    for (std::ptrdiff_t panel = 0; panel < n_first_; ++panel) {
      const double code_norm = packed_.code_norm[first_[panel]];
      most_code_norm = std::max(most_code_norm, code_norm);
      if (euclidean()) first_half_ = std::min(first_half_, most_half(first_[panel]));
      const bool counts = panel >= n_first_ / 16 && code_norm >= 1.0;  // zero items have any scale
      if (counts) first_scale_ = std::max(first_scale_, packed_.scale[first_[panel]]);
    }
    if (first_scale_ == 0.0) first_scale_ = unit_;
    inverse_first_scale_ = 1.0 / first_scale_;
    for (std::ptrdiff_t q = 0; q < scratch_.block; ++q) {
      shift_[q] = threshold_[q] == passes_nothing ? no_product_left : 0;
      while ((norm_[q] + residual_[q]) * most_code_norm > most_kept * whole(shift_[q])) ++shift_[q];
      shifted_[q] = 1.0 / whole(shift_[q]);
    }
  }

  // 2^shift.
  static double whole(int shift) noexcept { return static_cast<double>(std::int64_t{1} << shift); }

  std::int16_t* kept(std::ptrdiff_t panel, std::ptrdiff_t q) const noexcept {
    return scratch_.products + (panel * scratch_.query_group + q) * panel_items;
  }
  std::uint32_t* marks(std::ptrdiff_t panel) const noexcept { return scratch_.marks + panel * scratch_.block; }

  // What is left out of the first panels: excluded items, what is no candidate, and places beyond a panel's last item.
  void mark_left_out() noexcept {
    if (!leaves_out()) return;
    for (std::ptrdiff_t panel = 0; panel < n_first_; ++panel) {
      std::fill_n(marks(panel), scratch_.block, wanted_.indptr == nullptr ? beyond_last(panel) : ~0u);
    }
    for (std::ptrdiff_t q = 0; q < n_rows_; ++q) {
      const auto bits = [this, q](std::ptrdiff_t panel) -> std::uint32_t& { return marks(panel)[q]; };
      const std::ptrdiff_t row = row_of(q);
      for_each_listed(wanted_, row, [bits](std::ptrdiff_t at) { bits(at / panel_items) &= ~(1u << at % panel_items); });
      for_each_listed(exclude_, row, [bits](std::ptrdiff_t at) { bits(at / panel_items) |= 1u << at % panel_items; });
    }
  }
  bool leaves_out() const noexcept { return exclude_.indptr != nullptr || wanted_.indptr != nullptr; }

  // How the values of a panel are compared with those of the other first panels.
  struct Share {
    std::ptrdiff_t place, group;
    double scale;          // in the common one,
    std::int16_t ratio;    // as a number of 15 bits
    int doublings;         // and so many powers of two
    std::uint32_t beyond;  // places after the last item
  };

  Share share_of(std::ptrdiff_t place, std::ptrdiff_t group) const noexcept {
    constexpr double most = 0x7fff;
    constexpr int most_doublings = 15;
    const double scale = packed_.scale[first_[place]] * inverse_first_scale_;
    double ratio = scale;
    int doublings = 0;
    for (; ratio > 1.0 && doublings < most_doublings; ++doublings) ratio /= 2;
    const auto numerator = static_cast<std::int16_t>(std::min(ratio * 0x8000 + 0.5, most));
    return {place, group, scale, numerator, doublings, beyond_last(place)};
  }

  // Products of queries [from, last) with the first panels. Items are dealt into n_groups groups, and of each the
  // largest value that is sure is kept.
  void multiply_first_panels(std::ptrdiff_t from, std::ptrdiff_t last) noexcept {
    const std::ptrdiff_t n_dealt = scratch_.n_groups / panel_items;
    std::fill_n(scratch_.maxima, (last - from) * scratch_.n_groups, left_out);
    for (std::ptrdiff_t panel = 0; panel < n_first_; panel += n_panels) {
      const std::ptrdiff_t deal = panel / n_panels;
      Share shares[n_panels];
      for (int p = 0; p < n_panels; ++p) shares[p] = share_of(panel + p, deal % n_dealt);
      for (std::ptrdiff_t q = from; q < std::min(last, n_rows_); q += together) {
        alignas(64) std::int32_t products[n_panels][together][panel_items];
        products_.multiply(packed_.codes + first_[panel] * panel_bytes_, codes_, q, start_ + q, products[0][0],
                           together * panel_items);
        for (int p = 0; p < n_panels; ++p) {
          for (int t = 0; t < together; t += n_queries) raise_maxima(shares[p], q + t, from, products[p] + t);
        }
      }
    }
  }

  // Two units cover what is rounded: the ratio, its product, and what is lost.
  void raise_maxima(const Share& share, std::ptrdiff_t first, std::ptrdiff_t from,
                    const std::int32_t (*products)[panel_items]) noexcept {
    const std::ptrdiff_t panel = first_[share.place], n_groups = scratch_.n_groups;
    Each lost = slack(packed_.residual[panel], packed_.code_norm[panel], first) * share.scale;
    if (euclidean()) {
      const double more = (most_half(panel) - first_half_) * (unit_ * inverse_first_scale_);
      lost += load_each<n_queries>(inverse_ + first) * more;
    }
    const Each units = lost * load_each<n_queries>(shifted_ + first) * (1.0 / whole(share.doublings)) + 3.0;
    std::int32_t less[n_queries];
    store_whole(less, smaller_of(units, Each{} + too_much_lost));
    std::uint32_t beyond[n_queries];
    std::fill_n(beyond, n_queries, share.beyond);
    keep_sure<n_queries>(products[0], shift_ + first, share.ratio, share.doublings, less,
                         leaves_out() ? marks(share.place) + first : beyond, kept(share.place, first - from),
                         scratch_.maxima + (first - from) * n_groups + share.group * panel_items, n_groups);
  }

  // Places of one of the first panels beyond its last item.
  std::uint32_t beyond_last(std::ptrdiff_t panel) const noexcept {
    const std::int32_t* ids = packed_.ids + first_[panel] * panel_items;
    std::uint32_t bits = 0;
    for (std::ptrdiff_t i = panel_items; i-- > 0 && ids[i] < 0;) bits |= 1u << i;
    return bits;
  }

  template <class Body>
  void for_each_listed(const Pattern& pattern, std::ptrdiff_t row, const Body& body) const noexcept {
    if (pattern.indptr == nullptr) return;
    for (std::int64_t at = pattern.indptr[row * pattern.step]; at < pattern.indptr[row * pattern.step + 1]; ++at) {
      const std::int32_t position = packed_.position_of[pattern.ids[at]];
      if (position < 0) continue;
      const std::ptrdiff_t place = place_of(position / panel_items);
      if (place >= 0) body(place * panel_items + position % panel_items);
    }
  }

  // The k-th largest of what the groups are sure of is reached by k items.
  void find_thresholds(std::ptrdiff_t from, std::ptrdiff_t last) noexcept {
    constexpr int side_by_side = std::min(n_queries, 4);
    for (std::ptrdiff_t first = from; first < std::min(last, n_rows_); first += side_by_side) {
      std::int16_t sure[side_by_side];
      kth_largest<side_by_side>(scratch_.maxima + (first - from) * scratch_.n_groups, scratch_.n_groups, out_.k, sure);
      for (int t = 0; t < side_by_side; ++t) {
        if (sure[t] == left_out) continue;
        const std::ptrdiff_t q = first + t;
        const double value = sure[t] * (first_scale_ * scale_[q] * whole(shift_[q])) - first_half_;
        raise_threshold(q, just_below<Value>(score_of(q, value)));
      }
    }
  }

  // Instead of what was left out the marks then say what survives.
  void mark_survivors(std::ptrdiff_t from, std::ptrdiff_t last) noexcept {
    for (std::ptrdiff_t panel = 0; panel < n_first_; ++panel) {
      const Bar of_panel = bar(first_[panel]);
      for (std::ptrdiff_t first = from; first < std::min(last, n_rows_); first += n_queries) {
        std::int32_t least[n_queries];
        least_products(of_panel, first, least);
        mark_kept<n_queries>(kept(panel, first - from), shift_ + first, least, marks(panel) + first);
      }
    }
  }

  // Panel by panel, so that items are fetched once for all queries of the block, and while those before are scored.
  void score_survivors() noexcept {
    std::int32_t* marked = scratch_.marked;
    for (std::ptrdiff_t panel = 0; panel < n_first_; ++panel) {
      const std::int32_t* ids = packed_.ids + first_[panel] * panel_items;
      const std::uint32_t* bits = marks(panel);
      std::ptrdiff_t n_marked = 0;
      for (std::ptrdiff_t q = 0; q < n_rows_; ++q) {
        marked[n_marked] = static_cast<std::int32_t>(q);
        n_marked += bits[q] != 0;
      }
      if (panel + 1 < n_first_ && n_rows_ > 1) {
        const std::int32_t* next = packed_.ids + first_[panel + 1] * panel_items;
        for (int i = 0; i < panel_items && next[i] >= 0; ++i) fetch_row(items_.rows, next[i]);
      }
      // Among the first panels nothing is marked that must not be ranked.
      pairs_.begin_panel(ids, n_marked);
      pairs_.add_marked(bits, marked, n_marked, [this] { score_pairs(); });
      score_pairs();
      pairs_.end_panel();
    }
  }

  // ---- exact scores -------------------------------------------------------------------------------------------------

  // Queues the items of another panel that bits name, with the query at place q.
  void queue(std::uint32_t bits, const std::int32_t* ids, std::ptrdiff_t q) noexcept {
    ask_for(scratch_.queries + place_[q] * width_, width_);
    for (; bits != 0; bits &= bits - 1) {
      const std::int32_t id = ids[__builtin_ctz(bits)];
      if (id >= 0 && !row_leaves_out(row_of(place_[q]), id)) pairs_.add(q, id);
    }
    if (pairs_.is_full()) score_pairs();
  }

  void score_pairs() noexcept {
    const std::ptrdiff_t k = out_.k, capacity = scratch_.capacity, enough = k + enough_arrivals_;
    Selection<Value>* const selections = scratch_.selections;
    const std::int32_t* const place = place_;
    pairs_.score({scratch_.queries, place, exact_norm_, width_}, [&](std::int32_t q, std::int32_t id, Value score) {
      Selection<Value>& selection = selections[place[q]];
      Selector<Value>(selection, k, capacity).offer(score, id);
      if (selection.size >= enough) tighten(q);
    });
  }

  // The threshold that follows from the best of the exact scores.
  void tighten(std::ptrdiff_t q) noexcept {
    const Entry<Value> worst = Selector<Value>(scratch_.selections[place_[q]], out_.k, scratch_.capacity).tighten();
    if (worst.item != padding<Value>().item) raise_threshold(q, just_below<Value>(static_cast<double>(worst.score)));
  }

  // ---- the other panels: drop by thresholds -------------------------------------------------------------------------

  // Queries that stop at about the same panel come together.
  void regroup() noexcept {
    std::int32_t* order = scratch_.regrouped_place;
    Entry<float> stops[most_screened_queries];
    for (std::ptrdiff_t q = 0; q < scratch_.block; ++q) {
      stops[q] = {static_cast<float>(stop_[q]), static_cast<std::int32_t>(q)};
    }
    sort_entries(stops, scratch_.block);
    for (std::ptrdiff_t q = 0; q < scratch_.block; ++q) order[q] = stops[q].item;
    for (double* field : {scale_, inverse_, norm_, residual_, exact_norm_, threshold_, least_, stop_}) {
      for (std::ptrdiff_t q = 0; q < scratch_.block; ++q) scratch_.moved[q] = field[order[q]];
      std::copy(scratch_.moved, scratch_.moved + scratch_.block, field);
    }
    for (std::ptrdiff_t q = 0; q < scratch_.block; ++q) {
      scratch_.regrouped_start[q] = scratch_.start[order[q]];
      products_.copy(scratch_.codes, order[q], scratch_.regrouped, q);
    }
    place_ = order;
    codes_ = scratch_.regrouped;
    start_ = scratch_.regrouped_start;
  }

  // Cosines of the queries with the centres, and the sines, which are no less than what they stand for.
  void meet_centres() noexcept {
    const Centres& centres = packed_.centres;
    const auto slack = static_cast<float>(2.5 * cosine_error(width_));
    float* met = scratch_.directions + width_ * directions_together;
    for (std::ptrdiff_t first = 0; first < scratch_.block; first += directions_together) {
      const std::ptrdiff_t n = std::min(directions_together, scratch_.block - first);
      for (std::ptrdiff_t t = 0; t < n; ++t) {
        const double norm = threshold_[first + t] == passes_nothing ? 0.0 : exact_norm_[first + t];
        put_direction(scratch_.queries + (first + t) * width_, width_, norm, scratch_.directions, t);
      }
      meet(centres, width_, scratch_.directions, met);
      for (std::ptrdiff_t c = 0; c < centres.n; ++c) {
        const float* of_centre = met + c * directions_together;
        float *cosine = cosine_ + c * scratch_.block + first, *sine = sine_ + c * scratch_.block + first;
        for (std::ptrdiff_t t = 0; t < n; ++t) {
          const float square = 1.0f - of_centre[t] * of_centre[t];
          cosine[t] = of_centre[t];
          sine[t] = std::sqrt((square > 0.0f ? square : 0.0f) + slack);
        }
      }
    }
  }

  // Which of n_queries queries the items of a panel may reach by its norm and its cone.
  std::uint32_t within_reach(std::ptrdiff_t panel, std::ptrdiff_t first) const noexcept {
    const double norm = packed_.norm[panel];
    const Each stop = load_each<n_queries>(stop_ + first);
    if (euclidean()) {
      const Each norms = load_each<n_queries>(norm_ + first), inverse = load_each<n_queries>(inverse_ + first);
      return not_negative(norm - inverse * (unit_ * least_half(panel) * (1.0 - 1e-8)) / norms - stop);
    }
    if (!has_centres()) return not_negative(norm - stop);
    const std::ptrdiff_t at = packed_.centre[panel] * scratch_.block + first;
    const Each cosine = load_each<n_queries>(cosine_ + at), sine = load_each<n_queries>(sine_ + at);
    const Each along = larger_of(cosine * packed_.least_along[panel], cosine * packed_.most_along[panel]);
    const Each reach = along + sine * packed_.across[panel] + norm * (cosine_error(width_) + 1e-6);
    return not_negative(smaller_of(reach, Each{} + norm) - stop);
  }

  void other_panels() noexcept {
    std::int32_t* listed = scratch_.listed;
    const std::ptrdiff_t bars_step = scratch_.block + 1;  // nothing passes the last
    for (int p = 0; p < n_panels; ++p) scratch_.bars[p * bars_step + scratch_.block] = Products::passes_no_product;
    std::ptrdiff_t active = 0,
                   n_needed = 0;  // queries before `active` are done; regrouped, all others that are come among them
    for (std::ptrdiff_t panel = 0; panel < packed_.n_panels; panel += n_panels) {
      while (active < scratch_.block && packed_.norm[panel] < stop_[active]) {
        ++active;
        n_needed += panel;
      }
      if (active >= scratch_.block) break;
      if (place_of(panel) >= 0) continue;
      Bar bars[n_panels];
      for (int p = 0; p < n_panels; ++p) bars[p] = bar(panel + p);
      std::ptrdiff_t n_listed = 0;
      for (std::ptrdiff_t first = active / n_queries * n_queries; first < scratch_.block; first += n_queries) {
        std::uint32_t reached[n_panels], by_any = 0;
        for (int p = 0; p < n_panels; ++p) by_any |= reached[p] = within_reach(panel + p, first);
        if (by_any == 0) continue;
        for (int p = 0; p < n_panels; ++p) {
          std::int32_t least[n_queries];
          least_products(bars[p], first, least);
          std::int32_t* to = scratch_.bars + p * bars_step + first;
          put_whole<n_queries>(to, Products::as_bar(whole_at<n_queries>(least) - whole_at<n_queries>(start_ + first)));
          for (std::uint32_t left = by_any & ~reached[p]; left != 0; left &= left - 1) {
            to[__builtin_ctz(left)] = Products::passes_no_product;
          }
        }
        n_listed += put_places<n_queries>(listed + n_listed, by_any, static_cast<std::int32_t>(first));
      }
      std::fill_n(listed + n_listed, together, static_cast<std::int32_t>(scratch_.block));
      for (std::ptrdiff_t i = 0; i < n_listed; i += together) {
        products_.find(packed_.codes + panel * panel_bytes_, codes_, listed + i, scratch_.bars, bars_step,
                       [&](int p, int t, std::uint32_t bits) {
                         queue(bits, packed_.ids + (panel + p) * panel_items, listed[i + t]);
                       });
      }
      score_pairs();
    }
    if (together > 1 && !has_centres() && !euclidean()) {
      n_needed += (scratch_.block - active) * packed_.n_panels;
      *scratch_.n_needed = static_cast<std::int32_t>(n_needed / n_rows_ + 1);
    }
  }

  void finish(std::ptrdiff_t q) noexcept {
    const std::ptrdiff_t own = place_[q];
    if (own >= n_rows_) return;
    const std::ptrdiff_t row = row_of(own);
    if (threshold_[q] == passes_nothing) {
      rank_exactly({row, row + 1}, queries_, items_, exclude_, candidates_, scratch_.exact, out_);
      return;
    }
    write_top_k(scratch_.selections[own], scratch_.capacity, row, out_);
  }

  const Rows rows_;
  const std::int64_t* order_;  // the query of a row, or nullptr where it is the row
  const Strided<Value>& queries_;
  const Items<Value>& items_;
  const PackedItems& packed_;
  const Pattern& exclude_;
  const Pattern& candidates_;
  const Pattern wanted_;  // candidates that not all packed items are
  const ScreenScratch<Value>& scratch_;
  const TopKRows<Value>& out_;
  const std::ptrdiff_t n_rows_, width_, panel_bytes_;
  const Products products_;
  const std::ptrdiff_t enough_arrivals_, n_first_;
  const double unit_;
  // Of the first panels: which they are, a scale for all, and the least of their most_half.
  std::int32_t* first_;
  double first_scale_ = 1.0, inverse_first_scale_ = 1.0, first_half_ = 0.0;
  // By place, like codes_, start_ and shift_; place_ is the query of a place. shifted_ is 2^-shift_.
  double *scale_, *inverse_, *norm_, *residual_, *exact_norm_, *threshold_, *least_, *stop_, *shifted_;
  float *cosine_, *sine_;  // (n_centres, block)
  std::int32_t* place_;
  std::int8_t* codes_;
  std::int32_t *start_, *shift_;  // start_: of a query's products, which takes off what zero_code adds to them
  PairQueue<Value> pairs_;
};

template <class Value>
void screen_block(Rows rows, const std::int64_t* order, Strided<Value> queries, Items<Value> items, PackedItems packed,
                  Pattern exclude, Pattern candidates, ScreenScratch<Value> scratch, TopKRows<Value> out) noexcept {
  Screen<Value, BlockProducts>(rows, order, queries, items, packed, exclude, candidates, scratch, out).run();
}

template <class Value>
void screen_single(Rows rows, const std::int64_t* order, Strided<Value> queries, Items<Value> items, PackedItems packed,
                   Pattern exclude, Pattern candidates, ScreenScratch<Value> scratch, TopKRows<Value> out) noexcept {
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    Screen<Value, VectorProducts<1, panels_together>>({row, row + 1}, order, queries, items, packed, exclude,
                                                      candidates, scratch, out)
        .run();
  }
}

}  // namespace
}  // namespace fastrec
