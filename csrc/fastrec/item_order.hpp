// Driver of the order of packed items: which of them share a panel. Items of like direction do, so that one bound
// leaves out all of them (cones.hpp), and among these items of like norm.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"

namespace fastrec {

// Places sorted by descending keys, none of them negative, to one part in two million, in linear time: three passes
// over 11 bits each of the upper half of the keys.
inline bool sort_by_keys(const double* keys, std::int32_t* places, std::ptrdiff_t n) {
  constexpr int bits = 11, n_passes = 3;
  constexpr std::size_t n_buckets = std::size_t{1} << bits;
  const Scratch<std::int32_t> other(1, n), starts(1, n_buckets + 1);
  if (!other || !starts) return false;
  const auto bucket = [keys](std::int32_t place, int pass) {
    std::uint64_t key;
    std::memcpy(&key, keys + place, sizeof key);
    return (~static_cast<std::uint32_t>(key >> 31) >> pass * bits) & (n_buckets - 1);
  };
  std::int32_t *from = places, *to = other[0];
  for (int pass = 0; pass < n_passes; ++pass) {
    std::fill(starts[0], starts[0] + n_buckets + 1, 0);
    for (std::ptrdiff_t i = 0; i < n; ++i) ++starts[0][bucket(from[i], pass) + 1];
    for (std::size_t b = 0; b < n_buckets; ++b) starts[0][b + 1] += starts[0][b];
    for (std::ptrdiff_t i = 0; i < n; ++i) to[starts[0][bucket(from[i], pass)]++] = from[i];
    std::swap(from, to);
  }
  std::copy(from, from + n, places);
  return true;
}

// The centres nearest to some rows, and the cosines between them.
template <class Value>
Status nearest_centers(const ScreenKernels<Value>& kernels, const Items<Value>& items, const std::int32_t* ids,
                       std::ptrdiff_t n, const Centers& centers, int n_threads, Poll poll, std::int32_t* nearest,
                       float* cosines) {
  constexpr std::ptrdiff_t length = 8 * directions_together;
  const std::ptrdiff_t width = padded_width(items.rows.columns);
  n_threads = worthwhile_threads(static_cast<double>(n) * static_cast<double>(width * centers.n) / 16, n_threads);
  const Scratch<float> directions(n_threads, directions_together * (width + centers.n));
  if (!directions) return Status::out_of_memory;
  return parallel_for_rows(0, n, length, n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             kernels.assign({first, last}, items, ids, centers, directions[worker], nearest, cosines);
                           });
}

// The order of packed items: by centre, and around it by how far they reach; or by descending norm.
template <class Value>
class ItemOrder {
 public:
  // Of the items that ids list, which are all finite; norms: of every item. Centres are looked for only where `many`
  // queries will come, norms are alike and directions are not.
  Status find(const Kernels& table, const Items<Value>& items, const double* norms, const std::int32_t* ids,
              std::ptrdiff_t n, bool many, int n_threads, Poll poll) {
    const std::ptrdiff_t width = padded_width(items.rows.columns);
    centers_.n = many && norms_alike(items.metric, norms, ids, n) ? n_centers(n) : 0;
    directions_ = Scratch<float>(1, centers_.n * width);
    ids_ = Scratch<std::int32_t>(1, n, Fill::nothing);
    ends_ = Scratch<std::int64_t>(1, centers_.n + 2);
    const Scratch<std::int32_t> nearest(1, n), places(1, n, Fill::nothing);
    const Scratch<float> cosines(1, n, Fill::nothing);
    const Scratch<double> keys(1, n, Fill::nothing), sums(1, centers_.n * width, Fill::nothing);
    if (!directions_ || !ids_ || !ends_ || !nearest || !places || !cosines || !keys || !sums) {
      return Status::out_of_memory;
    }
    centers_.directions = directions_[0];

    const auto assign = [&](const std::int32_t* some, std::ptrdiff_t n_some) {
      const ScreenKernels<Value>& kernels = table;
      return nearest_centers(kernels, items, some, n_some, centers_, n_threads, poll, nearest[0], cosines[0]);
    };
    if (centers_.n > 0) {
      const std::ptrdiff_t n_sample = choose_sample(ids, n, places[0], nearest[0]);
      for (int round = 0; round < n_rounds; ++round) {
        find_means(items, norms, places[0], n_sample, nearest[0], sums[0]);
        const Status status = assign(places[0], n_sample);
        if (status != Status::done) return status;
      }
      if (std::accumulate(cosines[0], cosines[0] + n_sample, 0.0f) < least_cosine * static_cast<float>(n_sample)) {
        centers_.n = 0;
        std::fill_n(nearest[0], n_sample, 0);
      }
    }
    if (centers_.n > 0) {
      const Status status = assign(ids, n);
      if (status != Status::done) return status;
    }
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      const double norm = items.metric == Metric::cosine ? 1.0 : norms[ids[i]];
      keys[0][i] = centers_.n > 0 ? norm * reach_of(static_cast<double>(cosines[0][i])) : norm;
    }
    std::iota(places[0], places[0] + n, 0);
    if (!sort_by_keys(keys[0], places[0], n)) return Status::out_of_memory;

    std::int64_t* ends = ends_[0];
    for (std::ptrdiff_t i = 0; i < n; ++i) ++ends[nearest[0][i] + 1];
    std::partial_sum(ends, ends + n_groups() + 1, ends);
    for (std::ptrdiff_t i = 0; i < n; ++i) ids_[0][ends[nearest[0][places[0][i]]]++] = ids[places[0][i]];
    return Status::done;
  }

  const Centers& centers() const noexcept { return centers_; }
  std::ptrdiff_t n_panels() const noexcept {
    std::ptrdiff_t n = 0;
    for (std::ptrdiff_t group = 0; group < n_groups(); ++group) n += n_panels(group);
    return n;
  }

  // Writes the ids and centres of panels, and where those of a centre begin.
  void place(const PackedItems& packed) const noexcept {
    std::fill(packed.ids, packed.ids + packed.n_panels * panel_items, -1);
    std::fill(packed.center, packed.center + packed.n_panels, 0);
    std::ptrdiff_t panel = 0;
    for (std::ptrdiff_t group = 0; group < n_groups(); ++group) {
      packed.panels_of_center[group] = static_cast<std::int32_t>(panel);
      std::copy(ids_[0] + start(group), ids_[0] + ends_[0][group], packed.ids + panel * panel_items);
      std::fill_n(packed.center + panel, n_panels(group), static_cast<std::int32_t>(group));
      panel += n_panels(group);
    }
    packed.panels_of_center[n_groups()] = static_cast<std::int32_t>(panel);
  }

 private:
  static constexpr std::ptrdiff_t least_items = 8192, items_a_center = 320, most_centers = 120, sample_a_center = 16;
  static constexpr int n_rounds = 5;
  static constexpr float least_cosine = 0.65f;  // in the mean: cones that are wider leave hardly a query out

  // Of items: those of each centre, or all.
  std::ptrdiff_t n_groups() const noexcept { return std::max<std::ptrdiff_t>(centers_.n, 1); }

  // Whether norms tell items so little apart that directions must.
  static bool norms_alike(Metric metric, const double* norms, const std::int32_t* ids, std::ptrdiff_t n) {
    constexpr std::ptrdiff_t most_looked_at = 1024;
    if (metric != Metric::inner_product) return metric == Metric::cosine;
    double some[most_looked_at];
    const std::ptrdiff_t n_some = std::min(n, most_looked_at);
    for (std::ptrdiff_t i = 0; i < n_some; ++i) some[i] = norms[ids[i * n / n_some]];
    std::sort(some, some + n_some);
    return some[n_some / 4] >= 0.75 * some[n_some - 1];
  }

  // As many as tiles of dense products take well.
  static std::ptrdiff_t n_centers(std::ptrdiff_t n) noexcept {
    return n < least_items ? 0 : std::min(n / items_a_center, most_centers) / 6 * 6;
  }

  // How far an item reaches towards a query at some such angle to its centre, as most are to most centres, in its norm.
  static double reach_of(double cosine) noexcept {
    constexpr double along = 0.35, across = 0.94;
    return std::max(along * cosine + across * std::sqrt(std::max(1.0 - cosine * cosine, 0.0)), 0.0);
  }

  // An evenly spaced sample, some of which are the first centres.
  std::ptrdiff_t choose_sample(const std::int32_t* ids, std::ptrdiff_t n, std::int32_t* sample,
                               std::int32_t* nearest) const noexcept {
    const std::ptrdiff_t n_sample = centers_.n * sample_a_center;
    for (std::ptrdiff_t i = 0; i < n_sample; ++i) {
      sample[i] = ids[i * n / n_sample];
      nearest[i] = i % sample_a_center == 0 ? static_cast<std::int32_t>(i / sample_a_center) : -1;
    }
    return n_sample;
  }

  // Centres become the means of the directions near to them (spherical k-means: Dhillon & Modha 2001).
  void find_means(const Items<Value>& items, const double* norms, const std::int32_t* sample, std::ptrdiff_t n_sample,
                  const std::int32_t* nearest, double* sums) const noexcept {
    const std::ptrdiff_t width = padded_width(items.rows.columns);
    std::fill(sums, sums + centers_.n * width, 0.0);
    for (std::ptrdiff_t i = 0; i < n_sample; ++i) {
      const double norm = norms[sample[i]];
      if (nearest[i] < 0 || norm < least_screened_norm) continue;
      const Value* item = items.rows.data + sample[i] * items.rows.row_step;
      double* sum = sums + nearest[i] * width;
      for (std::ptrdiff_t j = 0; j < items.rows.columns; ++j) {
        sum[j] += static_cast<double>(item[j * items.rows.column_step]) / norm;
      }
    }
    for (std::ptrdiff_t c = 0; c < centers_.n; ++c) {
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

  Centers centers_{};
  Scratch<float> directions_;
  Scratch<std::int32_t> ids_;
  Scratch<std::int64_t> ends_;  // of the groups
};

}  // namespace fastrec
