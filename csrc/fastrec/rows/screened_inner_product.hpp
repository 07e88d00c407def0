// Row-kernel of top_k_inner_product by screening: 8-bit products with a proved bound of what they leave out say which
// items may be among the best, and only those get their exact score.
//
// For an item u = u' + r and a query v = v' + s, of which codes give u'.v' exactly,
//     |u.v - u'.v'| <= |r| |v| + |u'| |s|,
// and an item is dropped when u'.v' plus this, plus what the rounding of the exact score itself may add, stays below a
// number that k other items are known to exceed. Items lie in panels by descending norm, so that a query is done at the
// first panel whose largest norm times its own cannot reach that number (Cauchy-Schwarz).
#pragma once

#include <limits>

#include "fastrec/rows/pack_items.hpp"
#include "fastrec/rows/top_k_inner_product.hpp"

namespace fastrec {
namespace {

constexpr double nothing_known = -std::numeric_limits<double>::infinity();
constexpr std::int32_t most_product = 1 << 30;        // above any sum of products of codes
constexpr std::int32_t left_out = -2 * most_product;  // in the place of a product: below whatever passes

// The number below `score` such that what stays under it is rounded to less than `score`.
template <class Value>
inline double just_below(double score) noexcept {
  if (score == nothing_known) return score;
  return static_cast<double>(std::nextafter(static_cast<Value>(score), -std::numeric_limits<Value>::infinity()));
}

// One block of queries: everything that is known of them, by their place in tiles.
template <class Value>
class Screen {
 public:
  Screen(Rows rows, const Strided<Value>& queries, const Strided<Value>& items, const PackedItems& packed,
         const std::int32_t* position_of, const Pattern& exclude, const ScreenScratch<Value>& scratch,
         const TopKRows<Value>& out) noexcept
      : rows_(rows),
        queries_(queries),
        items_(items),
        packed_(packed),
        position_of_(position_of),
        exclude_(exclude),
        scratch_(scratch),
        out_(out),
        n_queries_(rows.last - rows.first),
        width_(padded(items.columns)),
        panel_bytes_(packed.n_steps * panel_items * step_factors),
        tile_bytes_(packed.n_steps * tile_queries * step_factors),
        unit_(packed.scale[0]),
        scale_(scratch.per_query),
        norm_(scale_ + scratch.block),
        residual_(norm_ + scratch.block),
        threshold_(residual_ + scratch.block),
        least_(threshold_ + scratch.block),
        stop_(least_ + scratch.block),
        place_(scratch.order),
        codes_(scratch.codes),
        sums_(scratch.sums) {}

  void run() noexcept {
    for (std::ptrdiff_t q = 0; q < scratch_.block; ++q) take(q);
    const std::ptrdiff_t n_first = std::min(scratch_.first_panels, packed_.n_panels);
    mark_excluded(n_first);
    first_panels(n_first);
    for (std::ptrdiff_t q = 0; q < n_queries_; ++q) rescore(q);
    regroup();
    last_panels(n_first);
    for (std::ptrdiff_t q = 0; q < n_queries_; ++q) finish(q);
  }

 private:
  // Codes, norms and the exact factors of query q; what lies beyond the last query, or cannot be screened, passes
  // nothing.
  void take(std::ptrdiff_t q) noexcept {
    place_[q] = static_cast<std::int32_t>(q);
    scratch_.n_survivors[q] = 0;
    double* exact = scratch_.queries + q * width_;
    double squares = 0.0, largest = 0.0;
    if (q < n_queries_) {
      load_row(queries_, rows_.first + q, width_, exact);
      for (std::ptrdiff_t j = 0; j < width_; ++j) {
        squares += exact[j] * exact[j];
        largest = std::max(largest, std::abs(exact[j]));
      }
      scratch_.selections[q] = Selector<Value>::empty(scratch_.entries + q * scratch_.capacity);
    }
    const bool screened = screenable(std::sqrt(squares));
    const double scale = screened ? largest / 127 : 1.0, inverse_scale = 1.0 / scale;
    double residual_squares = 0.0;
    std::int32_t sum = 0;
    for (std::ptrdiff_t step = 0; step < packed_.n_steps; ++step) {
      std::int8_t codes[step_factors] = {};
      for (std::ptrdiff_t t = 0; screened && t < step_factors; ++t) {
        const double x = exact[step * step_factors + t];
        const int code = code_of(x, inverse_scale);
        residual_squares += (x - scale * code) * (x - scale * code);
        sum += code;
        codes[t] = static_cast<std::int8_t>(code);
      }
      __builtin_memcpy(step_codes(scratch_.codes, q, step), codes, sizeof codes);
    }
    sums_[q] = sum;
    scale_[q] = scale;
    norm_[q] = norm_above(squares) / scale;
    residual_[q] = norm_above(residual_squares) / scale;
    threshold_[q] = stop_[q] = least_[q] = nothing_known;
    if (!screened) threshold_[q] = least_[q] = std::numeric_limits<double>::infinity();
  }

  // The codes of step_factors factors of the query at place q.
  std::int8_t* step_codes(std::int8_t* codes, std::ptrdiff_t q, std::ptrdiff_t step) const noexcept {
    return codes + q / tile_queries * tile_bytes_ + (step * tile_queries + q % tile_queries) * step_factors;
  }

  // Norms and residuals of a query are in units of its scale, those of a panel in units of the panel's. Bounds and
  // least_ are in units of the query's and of the first panel's, so that they neither overflow nor vanish in a float.

  // By how much the product of codes may fall short of the exact score, in units of both scales.
  double slack(std::ptrdiff_t panel, std::ptrdiff_t q) const noexcept {
    return packed_.residual[panel] * norm_[q] + packed_.code_norm[panel] * residual_[q];
  }

  // For the queries of a tile, the products below which an item is dropped. Two less than the bound says, and a part in
  // 10^9, cover the rounding of the bound itself.
  void least_products(std::ptrdiff_t panel, std::ptrdiff_t first, std::int32_t* least) const noexcept {
    const double inverse_scale = unit_ / packed_.scale[panel];
    for (std::ptrdiff_t t = 0; t < tile_queries; ++t) {
      const double product = least_[first + t] * inverse_scale - slack(panel, first + t);
      const double lowered = product - 2.0 - 1e-9 * std::min(std::abs(product), 1e18);  // infinite stays infinite
      least[t] = static_cast<std::int32_t>(std::min<double>(std::max<double>(lowered, -most_product), most_product));
    }
  }

  bool row_excludes(std::ptrdiff_t row, std::int32_t id) const noexcept {
    if (exclude_.indptr == nullptr) return false;
    const std::int32_t* end = exclude_.ids + exclude_.indptr[row * exclude_.step + 1];
    return std::binary_search(exclude_.ids + exclude_.indptr[row * exclude_.step], end, id);
  }

  void mark_excluded(std::ptrdiff_t n_first) noexcept {
    if (exclude_.indptr == nullptr) return;
    std::fill(scratch_.excluded, scratch_.excluded + n_queries_ * scratch_.first_panels, 0u);
    for (std::ptrdiff_t q = 0; q < n_queries_; ++q) {
      const std::ptrdiff_t row = rows_.first + q;
      for (std::int64_t at = exclude_.indptr[row * exclude_.step]; at < exclude_.indptr[row * exclude_.step + 1];
           ++at) {
        const std::int32_t position = position_of_[exclude_.ids[at]];
        if (position < n_first * panel_items) {
          scratch_.excluded[q * scratch_.first_panels + position / panel_items] |= 1u << position % panel_items;
        }
      }
    }
  }

  // ---- the first panels: find thresholds ----------------------------------------------------------------------------

  // The items of the first panels are dealt into n_maxima hands; the k-th largest of the hands' best lower bounds is
  // exceeded by k items. Thresholds are taken at growing distances, and until the first nothing is let pass.
  void first_panels(std::ptrdiff_t n_first) noexcept {
    std::fill(scratch_.maxima, scratch_.maxima + n_queries_ * scratch_.n_maxima,
              -std::numeric_limits<float>::infinity());
    const std::ptrdiff_t hands = scratch_.n_maxima / panel_items;
    std::ptrdiff_t refresh = std::min(2 * hands, n_first);
    for (std::ptrdiff_t panel = 0; panel < refresh; ++panel) first_panel(panel, panel % hands, false);
    refresh_thresholds();
    for (std::ptrdiff_t panel = 0; panel < refresh; ++panel) pass_panel(panel);
    for (std::ptrdiff_t panel = refresh; panel < n_first; ++panel) {
      if (panel == 3 * refresh) {
        refresh_thresholds();
        refresh = panel;
      }
      first_panel(panel, panel % hands, true);
    }
    refresh_thresholds();
  }

  void first_panel(std::ptrdiff_t panel, std::ptrdiff_t hand, bool passing) noexcept {
    alignas(64) std::int32_t products[tile_queries][panel_items];
    // What the conversions to float lose is far below the factor on the norm.
    const double ratio = packed_.scale[panel] / unit_;
    const double by_norm = packed_.residual[panel] * ratio + 1e-5 * packed_.norm[panel] / unit_;
    const double by_residual = packed_.code_norm[panel] * ratio;
    for (std::ptrdiff_t first = 0; first < n_queries_; first += tile_queries) {
      if (packed_.norm[panel] < stop_of_tile(first)) continue;
      multiply(panel, first, products);
      std::int32_t least[tile_queries];
      if (passing) least_products(panel, first, least);
      for (std::ptrdiff_t q = first; q < std::min(first + tile_queries, n_queries_); ++q) {
        const std::int32_t* product = products[q - first];
        raise_maxima(scratch_.maxima + q * scratch_.n_maxima + hand * panel_items, product, static_cast<float>(ratio),
                     static_cast<float>(by_norm * norm_[q] + by_residual * residual_[q]));
        if (passing) pass(panel, q, product, least[q - first]);
      }
    }
  }

  // Vectors spelled out, since compilers see a branch in the choice of what was left out.
  static void raise_maxima(float* maxima, const std::int32_t* product, float scale, float lost) noexcept {
    typedef float Floats __attribute__((vector_size(64)));
    typedef std::int32_t Integers __attribute__((vector_size(64)));
    constexpr int n = static_cast<int>(sizeof(Floats) / sizeof(float));
    const Floats nothing = Floats{} - std::numeric_limits<float>::infinity();
    for (int i = 0; i < panel_items; i += n) {
      Integers products;
      Floats known;
      __builtin_memcpy(&products, product + i, sizeof products);
      __builtin_memcpy(&known, maxima + i, sizeof known);
      const Floats bound = __builtin_convertvector(products, Floats) * scale - lost;
      const Floats candidate = products == left_out ? nothing : bound;
      known = candidate > known ? candidate : known;
      __builtin_memcpy(maxima + i, &known, sizeof known);
    }
  }

  void pass_panel(std::ptrdiff_t panel) noexcept {
    alignas(64) std::int32_t products[tile_queries][panel_items];
    for (std::ptrdiff_t first = 0; first < n_queries_; first += tile_queries) {
      multiply(panel, first, products);
      std::int32_t least[tile_queries];
      least_products(panel, first, least);
      for (std::ptrdiff_t q = first; q < std::min(first + tile_queries, n_queries_); ++q) {
        pass(panel, q, products[q - first], least[q - first]);
      }
    }
  }

  // Products of one of the first panels with the tile of queries from `first` on.
  void multiply(std::ptrdiff_t panel, std::ptrdiff_t first, std::int32_t (*products)[panel_items]) const noexcept {
    std::int32_t start[tile_queries];
    for (int t = 0; t < tile_queries; ++t) start[t] = -zero_code * sums_[first + t];
    dot_tile<true>(packed_.codes + panel * panel_bytes_, codes_ + first / tile_queries * tile_bytes_, packed_.n_steps,
                   start, products);
    for (std::ptrdiff_t q = first; q < std::min(first + tile_queries, n_queries_); ++q) {
      leave_out(panel, q, products[q - first]);
    }
  }

  // Excluded items of the first panels, and places beyond the last item.
  void leave_out(std::ptrdiff_t panel, std::ptrdiff_t q, std::int32_t* product) const noexcept {
    if (panel == packed_.n_panels - 1) {
      for (int i = 0; i < panel_items; ++i) {
        if (packed_.ids[panel * panel_items + i] < 0) product[i] = left_out;
      }
    }
    if (exclude_.indptr == nullptr) return;
    for (std::uint32_t left = scratch_.excluded[q * scratch_.first_panels + panel]; left != 0; left &= left - 1) {
      product[__builtin_ctz(left)] = left_out;
    }
  }

  void pass(std::ptrdiff_t panel, std::ptrdiff_t q, const std::int32_t* product, std::int32_t least) noexcept {
    for (std::uint32_t left = at_least(product, least); left != 0; left &= left - 1) {
      const int i = __builtin_ctz(left);
      survive(q, panel * panel_items + i, product[i]);
    }
  }

  void refresh_thresholds() noexcept {
    for (std::ptrdiff_t q = 0; q < n_queries_; ++q) {
      const float bound = kth_largest(scratch_.maxima + q * scratch_.n_maxima);
      raise(q, just_below<Value>(static_cast<double>(bound) * unit_ * scale_[q]));
    }
  }

  // The k-th largest maximum, or a little less: bisection over the upper bits of keys that are ordered like floats.
  float kth_largest(const float* maxima) noexcept {
    const std::ptrdiff_t n = scratch_.n_maxima;
    std::uint32_t* __restrict keys = scratch_.keys;
    for (std::ptrdiff_t i = 0; i < n; ++i) keys[i] = ordered(maxima[i]);
    std::uint32_t key = 0;
    for (int bit = 31; bit > 9; --bit) {
      const std::uint32_t trial = key | 1u << bit;
      std::int32_t count = 0;
      for (std::ptrdiff_t i = 0; i < n; ++i) count += keys[i] >= trial;
      if (count >= out_.k) key = trial;
    }
    const std::uint32_t bits = key >> 31 ? key ^ 0x80000000u : ~key;
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return key > ordered(-std::numeric_limits<float>::infinity()) ? value : -std::numeric_limits<float>::infinity();
  }

  static std::uint32_t ordered(float value) noexcept {
    std::uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits ^ (bits >> 31 ? 0xffffffffu : 0x80000000u);
  }

  void raise(std::ptrdiff_t q, double threshold) noexcept {
    if (!(threshold > threshold_[q])) return;
    threshold_[q] = threshold;
    least_[q] = threshold / scale_[q] / unit_;
    stop_[q] = threshold / scale_[q] / norm_[q] * (1.0 - 1e-9);
  }

  double stop_of_tile(std::ptrdiff_t first) const noexcept {
    double stop = std::numeric_limits<double>::infinity();
    for (std::ptrdiff_t q = first; q < first + tile_queries; ++q) {
      if (threshold_[q] < std::numeric_limits<double>::infinity()) stop = std::min(stop, stop_[q]);
    }
    return stop;
  }

  // ---- survivors ----------------------------------------------------------------------------------------------------

  void survive(std::ptrdiff_t q, std::ptrdiff_t position, std::int32_t product) noexcept {
    const std::ptrdiff_t own = place_[q], panel = position / panel_items;
    if (scratch_.n_survivors[own] == scratch_.most_survivors) rescore(q);
    const double bound = (static_cast<double>(product) + slack(panel, q)) * (packed_.scale[panel] / unit_);
    scratch_.survivors[own * scratch_.most_survivors + scratch_.n_survivors[own]++] = {
        static_cast<std::int32_t>(position), float_above(bound)};
  }

  // At least the value: beyond the rounding, and for what a float cannot hold.
  static float float_above(double value) noexcept { return static_cast<float>(value + 1e-6 * std::abs(value) + 1e-30); }

  // Exact scores of the survivors of the query at place q, and the threshold that follows from them.
  void rescore(std::ptrdiff_t q) noexcept {
    const std::ptrdiff_t own = place_[q];
    Survivor* survivors = scratch_.survivors + own * scratch_.most_survivors;
    Survivor* last = remaining(q, survivors, survivors + scratch_.n_survivors[own]);
    scratch_.n_survivors[own] = 0;
    if (last - survivors > 2 * out_.k) {  // the likeliest first: they may spare the others
      Survivor* likely = survivors + out_.k;
      std::nth_element(survivors, likely, last, ByBound{});
      score(q, survivors, likely);
      survivors = likely;
      last = remaining(q, survivors, last);
    }
    score(q, survivors, last);
  }

  struct ByBound {
    bool operator()(const Survivor& a, const Survivor& b) const noexcept { return a.bound > b.bound; }
  };

  // Drops the survivors that the threshold has overtaken, and fetches the factors of the others.
  Survivor* remaining(std::ptrdiff_t q, Survivor* first, Survivor* last) const noexcept {
    Survivor* kept = first;
    for (Survivor* at = first; at != last; ++at) {
      if (at->bound < least_[q]) continue;
      const Value* item = items_.data + packed_.ids[at->position] * items_.row_step;
      for (std::ptrdiff_t j = 0; j < items_.columns; j += 64 / static_cast<std::ptrdiff_t>(sizeof(Value))) {
        __builtin_prefetch(item + j * items_.column_step);
      }
      *kept++ = *at;
    }
    return kept;
  }

  void score(std::ptrdiff_t q, const Survivor* first, const Survivor* last) noexcept {
    const std::ptrdiff_t own = place_[q], row = rows_.first + own;
    const double* query = scratch_.queries + own * width_;
    Selector<Value> selector(scratch_.selections[own], out_.k, scratch_.capacity);
    for (const Survivor* at = first; at != last; ++at) {
      const std::int32_t id = packed_.ids[at->position];
      if (at->position >= scratch_.first_panels * panel_items && row_excludes(row, id)) continue;
      selector.offer(static_cast<Value>(exact_score(query, id)), id);
    }
    const Entry<Value> worst = selector.tighten();
    if (worst.item != padding<Value>().item) raise(q, just_below<Value>(static_cast<double>(worst.score)));
  }

  double exact_score(const double* query, std::int32_t id) const noexcept {
    const Value* item = items_.data + id * items_.row_step;
    Lanes sums = {};
    std::ptrdiff_t j = 0;
    if (items_.column_step == 1) {
      for (; j + n_lanes <= items_.columns; j += n_lanes) {
        typedef Value Narrow __attribute__((vector_size(n_lanes * sizeof(Value))));
        Narrow narrow;
        __builtin_memcpy(&narrow, item + j, sizeof narrow);
        sums = add_product<Value>(load(query + j), __builtin_convertvector(narrow, Lanes), sums);
      }
    }
    for (; j < width_; j += n_lanes) {
      double tail[n_lanes] = {};
      for (std::ptrdiff_t t = j; t < std::min(j + n_lanes, items_.columns); ++t) {
        tail[t - j] = static_cast<double>(item[t * items_.column_step]);
      }
      sums = add_product<Value>(load(query + j), load(tail), sums);
    }
    return sum_of(sums);
  }

  // ---- the other panels: drop by thresholds -------------------------------------------------------------------------

  // Queries that stop at about the same panel come into one tile.
  void regroup() noexcept {
    std::int32_t* order = scratch_.order + scratch_.block;
    for (std::ptrdiff_t q = 0; q < scratch_.block; ++q) order[q] = static_cast<std::int32_t>(q);
    std::sort(order, order + n_queries_, ByStop{stop_});
    double* moved = scratch_.exact.queries;  // (block) at least: see the driver
    for (double* field : {scale_, norm_, residual_, threshold_, least_, stop_}) {
      for (std::ptrdiff_t q = 0; q < scratch_.block; ++q) moved[q] = field[order[q]];
      std::copy(moved, moved + scratch_.block, field);
    }
    for (std::ptrdiff_t q = 0; q < scratch_.block; ++q) {
      scratch_.sums[scratch_.block + q] = scratch_.sums[order[q]];
      for (std::ptrdiff_t step = 0; step < packed_.n_steps; ++step) {
        __builtin_memcpy(step_codes(scratch_.regrouped, q, step), step_codes(scratch_.codes, order[q], step),
                         step_factors);
      }
    }
    place_ = order;
    codes_ = scratch_.regrouped;
    sums_ = scratch_.sums + scratch_.block;
  }

  struct ByStop {
    const double* stop;
    bool operator()(std::int32_t a, std::int32_t b) const noexcept {
      return stop[a] != stop[b] ? stop[a] > stop[b] : a < b;
    }
  };

  void last_panels(std::ptrdiff_t n_first) noexcept {
    alignas(64) std::int32_t products[tile_queries][panel_items];
    const std::int32_t enough = static_cast<std::int32_t>(std::max<std::ptrdiff_t>(32, out_.k / 2));
    std::ptrdiff_t active = 0;  // tiles before it are done: they are sorted by where they stop
    for (std::ptrdiff_t panel = n_first; panel < packed_.n_panels; ++panel) {
      while (active < n_queries_ && packed_.norm[panel] < stop_of_tile(active)) active += tile_queries;
      if (active >= n_queries_) return;
      for (std::ptrdiff_t first = active; first < n_queries_; first += tile_queries) {
        std::int32_t start[tile_queries], least[tile_queries];
        least_products(panel, first, least);
        for (int t = 0; t < tile_queries; ++t) start[t] = -zero_code * sums_[first + t] - least[t];
        if (!dot_tile<false>(packed_.codes + panel * panel_bytes_, codes_ + first / tile_queries * tile_bytes_,
                             packed_.n_steps, start, products)) {
          continue;
        }
        for (std::ptrdiff_t q = first; q < std::min(first + tile_queries, n_queries_); ++q) {
          const std::int32_t* product = products[q - first];
          for (std::uint32_t left = at_least(product, 0); left != 0; left &= left - 1) {
            const int i = __builtin_ctz(left);
            const std::ptrdiff_t position = panel * panel_items + i;
            if (packed_.ids[position] >= 0) survive(q, position, product[i] + least[q - first]);
          }
          if (scratch_.n_survivors[place_[q]] >= enough) rescore(q);
        }
      }
    }
  }

  void finish(std::ptrdiff_t q) noexcept {
    const std::ptrdiff_t own = place_[q], row = rows_.first + own;
    if (threshold_[q] == std::numeric_limits<double>::infinity()) {
      rank_block({row, row + 1}, queries_, items_, nullptr, items_.rows, exclude_, scratch_.exact, out_);
      return;
    }
    rescore(q);
    write_top_k(scratch_.selections[own], scratch_.capacity, row, out_);
  }

  const Rows rows_;
  const Strided<Value>& queries_;
  const Strided<Value>& items_;
  const PackedItems& packed_;
  const std::int32_t* position_of_;
  const Pattern& exclude_;
  const ScreenScratch<Value>& scratch_;
  const TopKRows<Value>& out_;
  const std::ptrdiff_t n_queries_, width_, panel_bytes_, tile_bytes_;
  const double unit_;
  double *scale_, *norm_, *residual_, *threshold_, *least_, *stop_;  // by place, like codes_ and sums_
  std::int32_t* place_;                                              // query of a place
  std::int8_t* codes_;
  std::int32_t* sums_;
};

template <class Value>
void screened_inner_product(Rows rows, Strided<Value> queries, Strided<Value> items, PackedItems packed,
                            const std::int32_t* position_of, Pattern exclude, ScreenScratch<Value> scratch,
                            TopKRows<Value> out) noexcept {
  Screen<Value>(rows, queries, items, packed, position_of, exclude, scratch, out).run();
}

}  // namespace
}  // namespace fastrec
