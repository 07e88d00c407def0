// Driver of ItemIndex and of top_k_inner_product: items packed for the screen, and queries ranked by it or, where that
// costs more than it saves, by all exact scores.
#pragma once

#include <cmath>
#include <numeric>

#include "fastrec/item_order.hpp"
#include "fastrec/selection_scratch.hpp"

namespace fastrec {

// ---- by all exact scores --------------------------------------------------------------------------------------------

// What workers rank by exact scores with, `block` queries at a time.
template <class Value>
class ExactWorkspace {
 public:
  ExactWorkspace(int n_workers, std::ptrdiff_t block, std::ptrdiff_t n_factors, std::ptrdiff_t capacity)
      : capacity_(capacity),
        queries_(n_workers, block * padded_width(n_factors)),
        tile_(n_workers, tile_items * padded_width(n_factors)),
        scores_(n_workers, tile_items),
        entries_(n_workers, block * capacity),
        selections_(n_workers, block),
        cursors_(n_workers, block) {}

  explicit operator bool() const { return queries_ && tile_ && scores_ && entries_ && selections_ && cursors_; }
  ExactScratch<Value> operator[](int worker) const {
    return {queries_[worker], tile_[worker],       scores_[worker], capacity_,
            entries_[worker], selections_[worker], cursors_[worker]};
  }

 private:
  std::ptrdiff_t capacity_;
  Scratch<double> queries_, tile_;
  Scratch<Value> scores_;
  Scratch<Entry<Value>> entries_;
  Scratch<Selection<Value>> selections_;
  Scratch<std::int64_t> cursors_;
};

template <class Value>
Status rank_exactly(const Kernels& table, Strided<Value> queries, Items<Value> items, Pattern exclude,
                    Pattern candidates, TopKRows<Value> out, int n_threads, Progress progress) {
  // Many queries share a tile of items while it lies in the cache, as long as their selections stay small.
  constexpr std::ptrdiff_t most_queries = 32, selection_bytes = std::ptrdiff_t{1} << 20;
  const ExactKernels<Value>& kernels = table;
  const double row_operations =
      static_cast<double>(items.rows.rows) * static_cast<double>(padded_width(items.rows.columns));
  const std::ptrdiff_t capacity = selection_capacity(out.k, items.rows.rows);
  const std::ptrdiff_t bytes_each = (capacity + 1) * static_cast<std::ptrdiff_t>(sizeof(Entry<Value>));
  const std::ptrdiff_t longest = std::clamp<std::ptrdiff_t>(selection_bytes / bytes_each, 1, most_queries);
  const std::ptrdiff_t block = block_length(queries.rows, n_threads, longest, row_operations, 1e9);
  const ExactWorkspace<Value> workspace(n_threads, block, items.rows.columns, capacity);
  if (!workspace) return Status::out_of_memory;
  return parallel_for_rows(0, queries.rows, block, n_threads, progress,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.rows({first, last}, queries, items, exclude, candidates, workspace[worker], out);
                           });
}

// ---- by screening ---------------------------------------------------------------------------------------------------

// How queries are taken: `block` in all, in tiles that meet a panel at once and groups that keep their products with
// the first panels.
struct ScreenShape {
  std::ptrdiff_t tile, query_group, block, n_groups, first_panels;
};

template <class Value>
ScreenShape screen_shape(Strided<Value> queries, std::ptrdiff_t n_packed, std::ptrdiff_t n_centres,
                         std::ptrdiff_t capacity, std::ptrdiff_t k, int n_threads) noexcept {
  constexpr std::ptrdiff_t few_queries = 4, scratch_bytes = std::ptrdiff_t{24} << 20;
  constexpr std::ptrdiff_t product_bytes = std::ptrdiff_t{1} << 18;
  ScreenShape shape;
  shape.n_groups = groups_for(k);
  shape.first_panels = std::max<std::ptrdiff_t>(80, 12 * (shape.n_groups / panel_items));
  if (queries.rows < few_queries) {
    shape.tile = shape.query_group = shape.block = 1;
    return shape;
  }
  const std::ptrdiff_t tile_bytes = shape.first_panels * tile_queries * panel_items * 2;
  shape.tile = tile_queries;
  shape.query_group = tile_queries * std::clamp<std::ptrdiff_t>(product_bytes / tile_bytes, 1, group_tiles);
  // Many queries share a panel while it lies in the cache; fewer where all of them would take long (Ctrl-C), where
  // there are few for each thread, or where they are large.
  const double row_operations = static_cast<double>(n_packed) * static_cast<double>(queries.columns);
  const std::ptrdiff_t query_bytes =
      padded_width(queries.columns) * 10 + capacity * 12 + shape.first_panels * 4 + n_centres * 8 + 200;
  const std::ptrdiff_t longest = std::min({most_screened_queries, static_cast<std::ptrdiff_t>(2e10 / row_operations),
                                           queries.rows / (4 * n_threads), scratch_bytes / n_threads / query_bytes});
  shape.block = std::max<std::ptrdiff_t>(1, longest / tile_queries) * tile_queries;
  return shape;
}

template <class Value>
class ScreenWorkspace {
 public:
  ScreenWorkspace(int n_workers, const ScreenShape& shape, std::ptrdiff_t n_factors, std::ptrdiff_t n_panels,
                  const Centres& centres, std::ptrdiff_t capacity)
      : shape_(shape),
        n_centres_(centres.n),
        capacity_(capacity),
        width_(padded_width(n_factors)),
        first_items_(std::min(shape.first_panels, n_panels) * panel_items),
        code_width_((width_ + tile_factors - 1) / tile_factors * (tile_factors + step_factors)),
        codes_(n_workers, 2 * (shape.block + 1) * code_width_),
        queries_(n_workers, shape.block * width_, Fill::nothing),
        reals_(n_workers, shape.block * 10, Fill::nothing),
        integers_(n_workers, 7 * shape.block + tile_queries + panels_together * (shape.block + 1), Fill::nothing),
        floats_(n_workers,
                n_centres_ > 0 ? directions_together * (width_ + n_centres_) + 2 * n_centres_ * shape.block : 0),
        entries_(n_workers, shape.block * capacity, Fill::nothing),
        selections_(n_workers, shape.block, Fill::nothing),
        products_(n_workers, shape.query_group * first_items_, Fill::nothing),
        marks_(n_workers, shape.block * first_items_ / panel_items, Fill::nothing),
        maxima_(n_workers, shape.query_group * shape.n_groups, Fill::nothing),
        centres_(n_workers, centres.n),
        panels_(n_workers, shape.first_panels + (n_centres_ > 0 ? n_panels : 0)),
        n_needed_(n_workers, 1),
        exact_(n_workers, 1, n_factors, capacity) {
    for (int worker = 0; panels_ && n_centres_ > 0 && worker < n_workers; ++worker) {
      std::fill_n(panels_[worker] + shape.first_panels, n_panels, -1);
    }
  }

  explicit operator bool() const {
    return codes_ && queries_ && reals_ && integers_ && floats_ && entries_ && selections_ && products_ && marks_ &&
           maxima_ && centres_ && panels_ && n_needed_ && exact_;
  }

  ScreenScratch<Value> operator[](int worker) const {
    ScreenScratch<Value> scratch;
    scratch.codes = codes_[worker];
    scratch.regrouped = scratch.codes + (shape_.block + 1) * code_width_;
    scratch.queries = queries_[worker];
    double* reals = reals_[worker];
    for (double** field : {&scratch.scale, &scratch.inverse, &scratch.norm, &scratch.residual, &scratch.exact_norm,
                           &scratch.threshold, &scratch.least, &scratch.stop, &scratch.shifted, &scratch.moved}) {
      *field = std::exchange(reals, reals + shape_.block);
    }
    std::int32_t* integers = integers_[worker];
    for (std::int32_t** field : {&scratch.start, &scratch.shift, &scratch.regrouped_start, &scratch.place,
                                 &scratch.regrouped_place, &scratch.marked, &scratch.listed}) {
      *field = std::exchange(integers, integers + shape_.block);
    }
    scratch.bars = integers + tile_queries;
    scratch.directions = floats_[worker];
    scratch.cosines = scratch.directions + directions_together * (width_ + n_centres_);
    scratch.entries = entries_[worker];
    scratch.selections = selections_[worker];
    scratch.products = products_[worker];
    scratch.marks = marks_[worker];
    scratch.maxima = maxima_[worker];
    scratch.centres = centres_[worker];
    scratch.first = panels_[worker];
    scratch.place_of_panel = scratch.first + shape_.first_panels;
    scratch.n_needed = n_needed_[worker];
    scratch.block = shape_.block;
    scratch.query_group = shape_.query_group;
    scratch.n_groups = shape_.n_groups;
    scratch.first_panels = first_items_ / panel_items;
    scratch.capacity = capacity_;
    scratch.exact = exact_[worker];
    return scratch;
  }

 private:
  ScreenShape shape_;
  std::ptrdiff_t n_centres_, capacity_, width_, first_items_, code_width_;
  Scratch<std::int8_t> codes_;
  Scratch<Value> queries_;
  Scratch<double> reals_;
  Scratch<std::int32_t> integers_;
  Scratch<float> floats_;
  Scratch<Entry<Value>> entries_;
  Scratch<Selection<Value>> selections_;
  Scratch<std::int16_t> products_;
  Scratch<std::uint32_t> marks_;
  Scratch<std::int16_t> maxima_;
  Scratch<Entry<float>> centres_;
  Scratch<std::int32_t> panels_, n_needed_;
  ExactWorkspace<Value> exact_;
};

template <class Value>
Status rank_by_screen(const Kernels& table, Strided<Value> queries, Items<Value> items, PackedItems packed,
                      Pattern exclude, Pattern candidates, TopKRows<Value> out, int n_threads, Progress progress) {
  const ScreenKernels<Value>& kernels = table;
  const std::ptrdiff_t n_packed = packed.n_panels * panel_items;
  const std::ptrdiff_t capacity = selection_capacity(out.k, n_packed);
  const ScreenShape shape = screen_shape(queries, n_packed, packed.centres.n, capacity, out.k, n_threads);
  const ScreenWorkspace<Value> workspace(n_threads, shape, queries.columns, packed.n_panels, packed.centres, capacity);
  if (!workspace) return Status::out_of_memory;
  const auto kernel = shape.tile == 1 ? kernels.single : kernels.block;
  const auto rank = [&](Rows rows, const std::int64_t* order) {
    return parallel_for_rows(rows.first, rows.last, shape.block, n_threads, progress,
                             [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                               kernel({first, last}, order, queries, items, packed, exclude, candidates,
                                      workspace[worker], out);
                             });
  };
  if (packed.centres.n == 0 || queries.rows <= shape.block) return rank({0, queries.rows}, nullptr);
  QueryOrder<Value> order(queries.rows, packed.centres);
  if (!order) return Status::out_of_memory;
  Status status = Status::done;
  for (std::ptrdiff_t first = 0; first < queries.rows && status == Status::done; first += order.length()) {
    status = order.find(kernels, queries, first, n_threads, progress.poll);
    if (status == Status::done) status = rank({0, std::min(order.length(), queries.rows - first)}, order.rows());
  }
  return status;
}

// ---- the index ------------------------------------------------------------------------------------------------------

// Refers to items that the caller keeps, and owns what their metric and the screen need beside them. Any number of
// threads may rank by it.
template <class Value>
class ItemIndex {
 public:
  Status refer(const Kernels& table, Strided<Value> rows, Metric metric, int n_threads, Poll poll) {
    items_ = {rows, metric, nullptr};
    if (metric != Metric::cosine) return Status::done;
    const Status status = find_norms(table, n_threads, poll);
    items_.norms = norms_[0];
    return status;
  }

  // Packs all items, or those listed, unless there are few of them, an item is not finite, or norms are so large or
  // so small that their squares might not be held.
  Status pack(const Kernels& table, int n_threads, Poll poll, std::ptrdiff_t n_centres = by_data, Pattern listed = {}) {
    const Strided<Value>& rows = items_.rows;
    n_packed_ = n_listed(listed, rows.rows);
    if (n_packed_ < least_packed || rows.columns < 1 || rows.columns > most_screened_factors) return Status::done;
    if (items_.norms == nullptr) {
      const Status status = find_norms(table, n_threads, poll);
      if (status != Status::done) return status;
    }
    const double* norms = items_.norms ? items_.norms : norms_[0];
    if (!norms_allow(norms)) return Status::done;

    const Scratch<std::int32_t> ids(1, n_packed_, Fill::nothing);
    if (!ids) return Status::out_of_memory;
    if (listed.indptr != nullptr) {
      std::copy(listed.ids + listed.indptr[0], listed.ids + listed.indptr[1], ids[0]);
    } else {
      std::iota(ids[0], ids[0] + n_packed_, 0);
    }
    ItemOrder<Value> order;
    const Status ordered = order.find(table, items_, norms, ids[0], n_packed_, n_centres, n_threads, poll);
    if (ordered != Status::done) return ordered;

    packed_.centres = order.centres();
    packed_.n_panels = (order.n_panels() + panels_together - 1) / panels_together * panels_together;
    packed_.n_steps = padded_width(rows.columns) / step_factors;
    packed_.listed = listed.indptr != nullptr;
    const std::ptrdiff_t n_places = packed_.n_panels * panel_items;
    // A tile may reach beyond the last panel, where queries have zeros.
    const std::ptrdiff_t n_codes = n_places * packed_.n_steps * step_factors + panel_items * tile_factors;
    codes_ = Scratch<std::uint8_t>(1, n_codes, Fill::nothing);
    const std::ptrdiff_t n_groups = std::max<std::ptrdiff_t>(packed_.centres.n, 1);
    places_ = Scratch<std::int32_t>(1, n_places + rows.rows + packed_.n_panels + n_groups + 1, Fill::nothing);
    of_panels_ = Scratch<double>(1, 8 * packed_.n_panels);
    if (!codes_ || !places_ || !of_panels_) return Status::out_of_memory;
    packed_.codes = codes_[0];
    packed_.ids = places_[0];
    packed_.position_of = packed_.ids + n_places;
    packed_.centre = packed_.position_of + rows.rows;
    packed_.panels_of_centre = packed_.centre + packed_.n_panels;
    double* of_panels = of_panels_[0];
    for (double** field : {&packed_.scale, &packed_.least_norm, &packed_.norm, &packed_.least_along,
                           &packed_.most_along, &packed_.across, &packed_.code_norm, &packed_.residual}) {
      *field = std::exchange(of_panels, of_panels + packed_.n_panels);
    }
    order.place(packed_);
    directions_ = order.directions();
    std::fill(packed_.position_of, packed_.position_of + rows.rows, -1);
    for (std::ptrdiff_t i = 0; i < n_places; ++i) {
      if (packed_.ids[i] >= 0) packed_.position_of[packed_.ids[i]] = static_cast<std::int32_t>(i);
    }

    const ScreenKernels<Value>& kernels = table;
    const double panel_operations = static_cast<double>(panel_items) * static_cast<double>(rows.columns);
    const Status status = parallel_for_rows(
        0, packed_.n_panels, block_length(packed_.n_panels, n_threads, 64, panel_operations), n_threads, poll,
        [&](int, std::ptrdiff_t first, std::ptrdiff_t last) noexcept { kernels.pack({first, last}, items_, packed_); });
    for (std::ptrdiff_t panel = packed_.n_panels - 1; panel-- > 0;) {
      packed_.norm[panel] = std::max(packed_.norm[panel], packed_.norm[panel + 1]);
    }
    is_packed_ = status == Status::done;
    return status;
  }

  Status top_k(const Kernels& table, Strided<Value> queries, Pattern exclude, Pattern candidates, TopKRows<Value> out,
               int n_threads, Progress progress) const {
    const Strided<Value>& rows = items_.rows;
    n_threads = worthwhile_threads(
        static_cast<double>(queries.rows) * static_cast<double>(rows.rows) * static_cast<double>(rows.columns) / 4,
        n_threads);
    if (is_packed_ && screen_pays(candidates, queries.rows, n_packed_, out.k)) {
      return rank_by_screen(table, queries, items_, packed_, exclude, candidates, out, n_threads, progress);
    }
    const bool one_list = candidates.indptr != nullptr && candidates.step == 0;
    const Pattern listed = one_list ? candidates : Pattern{};
    if (queries.rows >= least_queries && (one_list || !is_packed_) &&
        screen_pays(one_list ? Pattern{} : candidates, queries.rows, n_listed(listed, rows.rows), out.k)) {
      ItemIndex packed;
      packed.items_ = items_;
      const Status status =
          packed.pack(table, n_threads, progress.poll, queries.rows >= many_queries ? by_data : 0, listed);
      if (status != Status::done) return status;
      if (packed.is_packed_) {
        return rank_by_screen(table, queries, items_, packed.packed_, exclude, candidates, out, n_threads, progress);
      }
    }
    return rank_exactly(table, queries, items_, exclude, candidates, out, n_threads, progress);
  }

 private:
  // From here on packing costs less than the exact scores that it saves, and to look for centres than what they leave
  // out.
  static constexpr std::ptrdiff_t least_packed = 1024, least_queries = 32, many_queries = 2048;

  static std::ptrdiff_t n_listed(Pattern listed, std::ptrdiff_t n_items) noexcept {
    return listed.indptr == nullptr ? n_items : listed.indptr[1] - listed.indptr[0];
  }

  // Whether products with n_packed items cost less than the exact scores of the candidates.
  static bool screen_pays(Pattern candidates, std::ptrdiff_t n_queries, std::ptrdiff_t n_packed,
                          std::ptrdiff_t k) noexcept {
    if (n_packed < least_packed || k > n_packed / 16) return false;
    if (candidates.indptr == nullptr) return true;
    const std::ptrdiff_t n_rows = candidates.step == 0 ? 1 : n_queries;
    return candidates.indptr[n_rows] - candidates.indptr[0] > n_packed / 8 * n_rows;
  }

  Status find_norms(const Kernels& table, int n_threads, Poll poll) {
    const ExactKernels<Value>& kernels = table;
    const Strided<Value>& rows = items_.rows;
    norms_ = Scratch<double>(1, rows.rows, Fill::nothing);
    if (!norms_) return Status::out_of_memory;
    return parallel_for_rows(0, rows.rows, block_length(rows.rows, n_threads, 4096, static_cast<double>(rows.columns)),
                             n_threads, poll, [&](int, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                               kernels.norms({first, last}, rows, norms_[0]);
                             });
  }

  bool norms_allow(const double* norms) const noexcept {
    double largest = 0.0;
    for (std::ptrdiff_t i = 0; i < items_.rows.rows; ++i) {
      if (!(norms[i] <= most_screened_norm)) return false;  // also NaN
      if (items_.metric == Metric::cosine && norms[i] > 0.0 && norms[i] < least_screened_norm) return false;
      largest = std::max(largest, norms[i]);
    }
    return largest >= least_screened_norm;
  }

  Items<Value> items_{};
  PackedItems packed_{};
  std::ptrdiff_t n_packed_ = 0;
  bool is_packed_ = false;
  Scratch<double> norms_, of_panels_;
  Scratch<std::uint8_t> codes_;
  Scratch<std::int32_t> places_;
  Scratch<float> directions_;  // of the centres
};

}  // namespace fastrec
