// Driver of the order of packed items, and of queries: which of them share a panel, or a block. Items of like direction
// do, so that one bound leaves out all of them (cones.hpp), or items of like norm.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"
#include "fastrec/sort_by_keys.hpp"

namespace fastrec {

// The centres nearest to some rows, and the cosines between them.
template <class Value>
Status nearest_centres(const ScreenKernels<Value>& kernels, const Items<Value>& items, const std::int32_t* ids,
                       std::ptrdiff_t n, const Centres& centres, int n_threads, Poll poll, std::int32_t* nearest,
                       float* cosines) {
  constexpr std::ptrdiff_t length = 8 * directions_together;
  const std::ptrdiff_t width = padded_width(items.rows.columns);
  n_threads = worthwhile_threads(static_cast<double>(n) * static_cast<double>(width * centres.n) / 16, n_threads);
  const Scratch<float> directions(n_threads, directions_together * (width + centres.n));
  if (!directions) return Status::out_of_memory;
  return parallel_for_rows(0, n, length, n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.assign({first, last}, items, ids, centres, directions[worker], nearest, cosines);
                           });
}

// Queries that are near to the same centre come together: their best items share panels.
template <class Value>
class QueryOrder {
 public:
  QueryOrder(std::ptrdiff_t n_rows, const Centres& centres)
      : centres_(centres),
        length_(std::min(n_rows, most_together)),
        places_(1, length_, Fill::nothing),
        nearest_(1, length_, Fill::nothing),
        cosines_(1, length_, Fill::nothing),
        ends_(1, centres.n + 1),
        rows_(1, length_, Fill::nothing) {}
  explicit operator bool() const { return places_ && nearest_ && cosines_ && ends_ && rows_; }

  // So many rows are ordered at once.
  std::ptrdiff_t length() const noexcept { return length_; }

  // The order of rows from `first` on.
  Status find(const ScreenKernels<Value>& kernels, Strided<Value> queries, std::ptrdiff_t first, int n_threads,
              Poll poll) {
    const std::ptrdiff_t n = std::min(length_, queries.rows - first);
    std::iota(places_[0], places_[0] + n, 0);
    queries.data += first * queries.row_step;
    const Status status = nearest_centres(kernels, {queries, Metric::inner_product, nullptr}, places_[0], n, centres_,
                                          n_threads, poll, nearest_[0], cosines_[0]);
    if (status != Status::done) return status;
    std::int64_t* ends = ends_[0];
    std::fill_n(ends, centres_.n + 1, 0);
    for (std::ptrdiff_t i = 0; i < n; ++i) ++ends[nearest_[0][i] + 1];
    std::partial_sum(ends, ends + centres_.n + 1, ends);
    for (std::ptrdiff_t i = 0; i < n; ++i) rows_[0][ends[nearest_[0][i]]++] = first + i;
    return Status::done;
  }

  const std::int64_t* rows() const noexcept { return rows_[0]; }

 private:
  static constexpr std::ptrdiff_t most_together = std::ptrdiff_t{1} << 16;

  Centres centres_;
  std::ptrdiff_t length_;
  Scratch<std::int32_t> places_, nearest_;
  Scratch<float> cosines_;
  Scratch<std::int64_t> ends_, rows_;
};

constexpr std::ptrdiff_t by_data = -1;  // as many centres as pay

// The order of packed items: by centre, and around it by how far they reach; or by descending norm.
template <class Value>
class ItemOrder {
 public:
  // Of the items that ids list, which are all finite; norms: of every item. n_centres: as many, or by_data, where they
  // pay: where norms tell items little apart, and directions do.
  Status find(const Kernels& table, const Items<Value>& items, const double* norms, const std::int32_t* ids,
              std::ptrdiff_t n, std::ptrdiff_t n_centres, int n_threads, Poll poll) {
    const auto norm_of = [&](std::ptrdiff_t i) { return items.metric == Metric::cosine ? 1.0 : norms[ids[i]]; };
    const bool chosen = n_centres == by_data;
    if (chosen) n_centres = n >= least_items && norms_alike(n, norm_of) ? most_centres_of(n) : 0;
    centres_.n = items.metric == Metric::euclidean ? 0 : std::min(n_centres, n / sample_a_centre);
    ids_ = Scratch<std::int32_t>(1, n, Fill::nothing);
    ends_ = Scratch<std::int64_t>(1, centres_.n + 2);
    if (!ids_ || !ends_) return Status::out_of_memory;
    if (centres_.n > 0) {
      const Status status = find_by_centres(table, items, norms, ids, n, norm_of, !chosen, n_threads, poll);
      if (status != Status::done || centres_.n > 0) return status;
    }
    ends_[0][0] = n;
    return sort_by_keys(ids, n, norm_of, ids_[0]) ? Status::done : Status::out_of_memory;
  }

  const Centres& centres() const noexcept { return centres_; }
  Scratch<float> directions() noexcept { return std::move(directions_); }  // which the centres lie in
  std::ptrdiff_t n_panels() const noexcept {
    std::ptrdiff_t n = 0;
    for (std::ptrdiff_t group = 0; group < n_groups(); ++group) n += n_panels(group);
    return n;
  }

  // Writes the ids and centres of panels, and where those of a centre begin.
  void place(const PackedItems& packed) const noexcept {
    std::fill(packed.ids, packed.ids + packed.n_panels * panel_items, -1);
    std::fill(packed.centre, packed.centre + packed.n_panels, 0);
    std::ptrdiff_t panel = 0;
    for (std::ptrdiff_t group = 0; group < n_groups(); ++group) {
      packed.panels_of_centre[group] = static_cast<std::int32_t>(panel);
      std::copy(ids_[0] + start(group), ids_[0] + ends_[0][group], packed.ids + panel * panel_items);
      std::fill_n(packed.centre + panel, n_panels(group), static_cast<std::int32_t>(group));
      panel += n_panels(group);
    }
    packed.panels_of_centre[n_groups()] = static_cast<std::int32_t>(packed.n_panels);  // with what pads them
  }

 private:
  static constexpr std::ptrdiff_t least_items = 8192, items_a_centre = 320, most_centres = 120, sample_a_centre = 16;
  static constexpr int n_rounds = 5;
  static constexpr float least_cosine = 0.65f;  // in the mean: cones that are wider leave hardly a query out

  // Of items: those of each centre, or all.
  std::ptrdiff_t n_groups() const noexcept { return std::max<std::ptrdiff_t>(centres_.n, 1); }

  // Whether norms tell items so little apart that directions must.
  template <class NormOf>
  static bool norms_alike(std::ptrdiff_t n, const NormOf& norm_of) {
    constexpr std::ptrdiff_t most_looked_at = 1024;
    double some[most_looked_at];
    const std::ptrdiff_t n_some = std::min(n, most_looked_at);
    for (std::ptrdiff_t i = 0; i < n_some; ++i) some[i] = norm_of(i * n / n_some);
    std::sort(some, some + n_some);
    return some[n_some / 4] >= 0.75 * some[n_some - 1];
  }

  // A number that tiles of dense products take well.
  static std::ptrdiff_t most_centres_of(std::ptrdiff_t n) noexcept {
    return std::min(n / items_a_centre, most_centres) / 6 * 6;
  }

  // How far an item reaches towards a query, in its norm: with cosine and sine of an angle between query and centre
  // that is usual. Only orders the items of a centre.
  static double reach_of(double cosine) noexcept {
    constexpr double along = 0.35, across = 0.94;
    return std::max(along * cosine + across * std::sqrt(std::max(1.0 - cosine * cosine, 0.0)), 0.0);
  }

  // Leaves no centre where directions are too little alike, unless they are asked for.
  template <class NormOf>
  Status find_by_centres(const Kernels& table, const Items<Value>& items, const double* norms, const std::int32_t* ids,
                         std::ptrdiff_t n, const NormOf& norm_of, bool asked_for, int n_threads, Poll poll) {
    const std::ptrdiff_t width = padded_width(items.rows.columns);
    directions_ = Scratch<float>(1, centres_.n * width);
    const Scratch<std::int32_t> nearest(1, n, Fill::nothing), sample(1, n, Fill::nothing);
    const Scratch<float> cosines(1, n, Fill::nothing);
    const Scratch<double> sums(1, centres_.n * width, Fill::nothing);
    if (!directions_ || !nearest || !sample || !cosines || !sums) return Status::out_of_memory;
    centres_.directions = directions_[0];
    const auto assign = [&](const std::int32_t* some, std::ptrdiff_t n_some) {
      const ScreenKernels<Value>& kernels = table;
      return nearest_centres(kernels, items, some, n_some, centres_, n_threads, poll, nearest[0], cosines[0]);
    };

    const std::ptrdiff_t n_sample = choose_sample(ids, n, sample[0], nearest[0]);
    for (int round = 0; round < n_rounds; ++round) {
      find_means(items, norms, sample[0], n_sample, nearest[0], sums[0]);
      const Status status = assign(sample[0], n_sample);
      if (status != Status::done) return status;
    }
    const float alike = std::accumulate(cosines[0], cosines[0] + n_sample, 0.0f) / static_cast<float>(n_sample);
    if (!asked_for && alike < least_cosine) {
      centres_.n = 0;
      return Status::done;
    }
    const Status status = assign(ids, n);
    if (status != Status::done) return status;

    std::iota(sample[0], sample[0] + n, 0);
    const auto reach = [&](std::ptrdiff_t i) { return norm_of(i) * reach_of(static_cast<double>(cosines[0][i])); };
    if (!sort_by_keys(sample[0], n, reach, sample[0])) return Status::out_of_memory;
    std::int64_t* ends = ends_[0];
    for (std::ptrdiff_t i = 0; i < n; ++i) ++ends[nearest[0][i] + 1];
    std::partial_sum(ends, ends + centres_.n + 1, ends);
    for (std::ptrdiff_t i = 0; i < n; ++i) ids_[0][ends[nearest[0][sample[0][i]]]++] = ids[sample[0][i]];
    return Status::done;
  }

  // An evenly spaced sample, some of which are the first centres.
  std::ptrdiff_t choose_sample(const std::int32_t* ids, std::ptrdiff_t n, std::int32_t* sample,
                               std::int32_t* nearest) const noexcept {
    const std::ptrdiff_t n_sample = centres_.n * sample_a_centre;
    for (std::ptrdiff_t i = 0; i < n_sample; ++i) {
      sample[i] = ids[i * n / n_sample];
      nearest[i] = i % sample_a_centre == 0 ? static_cast<std::int32_t>(i / sample_a_centre) : -1;
    }
    return n_sample;
  }

  // Centres become the means of the directions near to them (spherical k-means: Dhillon & Modha 2001).
  void find_means(const Items<Value>& items, const double* norms, const std::int32_t* sample, std::ptrdiff_t n_sample,
                  const std::int32_t* nearest, double* sums) const noexcept {
    const std::ptrdiff_t width = padded_width(items.rows.columns);
    std::fill(sums, sums + centres_.n * width, 0.0);
    for (std::ptrdiff_t i = 0; i < n_sample; ++i) {
      const double norm = norms[sample[i]];
      if (nearest[i] < 0 || norm < least_screened_norm) continue;
      const Value* item = items.rows.data + sample[i] * items.rows.row_step;
      double* sum = sums + nearest[i] * width;
      for (std::ptrdiff_t j = 0; j < items.rows.columns; ++j) {
        sum[j] += static_cast<double>(item[j * items.rows.column_step]) / norm;
      }
    }
    for (std::ptrdiff_t c = 0; c < centres_.n; ++c) {
      const double* sum = sums + c * width;
      const double length = std::sqrt(std::inner_product(sum, sum + width, sum, 0.0));
      if (length < 1e-6) continue;  // of nobody, or of opposites: as it was
      for (std::ptrdiff_t j = 0; j < width; ++j) directions_[0][c * width + j] = static_cast<float>(sum[j] / length);
    }
  }

  std::int64_t start(std::ptrdiff_t group) const noexcept { return group == 0 ? 0 : ends_[0][group - 1]; }
  std::ptrdiff_t n_panels(std::ptrdiff_t group) const noexcept {
    return (ends_[0][group] - start(group) + panel_items - 1) / panel_items;
  }

  Centres centres_{};
  Scratch<float> directions_;
  Scratch<std::int32_t> ids_;
  Scratch<std::int64_t> ends_;  // of the groups
};

}  // namespace fastrec
