// Driver of the order of packed items: which of them share a panel. Items of like direction do, so that one bound
// leaves out all of them (cones.hpp), and among these items of like norm.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

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

// The centres of the directions, found among a sample, and which items come together.
template <class Value>
class ItemOrder {
 public:
  // Of the items that ids list, which are all finite. norms: of every item.
  Status find(const Kernels& table, const Items<Value>& items, const double* norms, const std::int32_t* ids,
              std::ptrdiff_t n, int n_threads, Poll poll) {
    centers_.n = norms_alike(items.metric, norms, ids, n) ? n_centers(n) : 0;
    const std::ptrdiff_t width = padded_width(items.rows.columns);
    directions_ = Scratch<float>(1, centers_.n * width);
    ids_ = Scratch<std::int32_t>(1, n, Fill::nothing);
    const Scratch<std::int32_t> nearest(1, n), places(1, n, Fill::nothing);
    const Scratch<double> keys(1, n, Fill::nothing);
    const Scratch<float> scratch(n_threads, directions_together * (width + centers_.n));
    if (!directions_ || !ids_ || !nearest || !places || !keys || !scratch) return Status::out_of_memory;
    centers_.directions = directions_[0];

    const ScreenKernels<Value>& kernels = table;
    const auto assign = [&](const std::int32_t* some, std::ptrdiff_t n_some) {
      const double operations = static_cast<double>(width) * static_cast<double>(centers_.n);
      const std::ptrdiff_t blocks_together = 8;
      return parallel_for_rows(0, n_some, directions_together * blocks_together,
                               worthwhile_threads(operations * static_cast<double>(n_some) / 16, n_threads), poll,
                               [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                                 kernels.assign({first, last}, items, some, centers_, scratch[worker], nearest[0],
                                                keys[0]);
                               });
    };
    if (centers_.n > 0) {
      const Status status = find_centers(items, norms, ids, n, width, nearest[0], places[0], assign);
      if (status != Status::done) return status;
      const Status assigned = assign(ids, n);
      if (assigned != Status::done) return assigned;
    } else {
      for (std::ptrdiff_t i = 0; i < n; ++i) keys[0][i] = items.metric == Metric::cosine ? 1.0 : norms[ids[i]];
    }
    std::iota(places[0], places[0] + n, 0);
    if (!sort_by_keys(keys[0], places[0], n)) return Status::out_of_memory;
    make_panels(items.metric == Metric::cosine ? nullptr : norms, ids, n, nearest[0], places[0]);
    return Status::done;
  }

  const Centers& centers() const noexcept { return centers_; }
  std::ptrdiff_t n_panels() const noexcept { return static_cast<std::ptrdiff_t>(panels_.size()); }

  // Writes ids and centres of the panels, by descending norm.
  void place(const PackedItems& packed) const noexcept {
    std::fill(packed.ids, packed.ids + packed.n_panels * panel_items, -1);
    std::fill(packed.center, packed.center + packed.n_panels, 0);
    for (std::size_t p = 0; p < panels_.size(); ++p) {
      std::copy_n(ids_[0] + panels_[p].first, panels_[p].n, packed.ids + static_cast<std::ptrdiff_t>(p) * panel_items);
      packed.center[p] = panels_[p].center;
    }
  }

 private:
  struct Panel {
    double norm;        // the largest
    std::int32_t rank;  // among the panels of the centre
    std::int32_t center;
    std::ptrdiff_t first, n;

    bool operator<(const Panel& other) const noexcept {
      if (norm != other.norm) return norm > other.norm;
      return rank != other.rank ? rank < other.rank : center < other.center;
    }
  };

  static constexpr std::ptrdiff_t items_a_center = 320, most_centers = 120, sample_a_center = 16;
  static constexpr int n_rounds = 4;

  // Whether norms tell items so little apart that directions must.
  static bool norms_alike(Metric metric, const double* norms, const std::int32_t* ids, std::ptrdiff_t n) {
    if (metric != Metric::inner_product) return metric == Metric::cosine;
    std::vector<double> some(static_cast<std::size_t>(std::min<std::ptrdiff_t>(n, 1024)));
    const auto n_some = static_cast<std::ptrdiff_t>(some.size());
    for (std::ptrdiff_t i = 0; i < n_some; ++i) some[static_cast<std::size_t>(i)] = norms[ids[i * n / n_some]];
    std::sort(some.begin(), some.end());
    return some[some.size() / 4] >= some.back() / 2;
  }

  // As many as tiles of dense products take well, unless they are few.
  static std::ptrdiff_t n_centers(std::ptrdiff_t n) noexcept {
    const std::ptrdiff_t wanted = std::min(n / items_a_center, most_centers);
    return wanted / 6 * 6;
  }

  // Means of directions (spherical k-means, Dhillon & Modha 2001) of an evenly spaced sample.
  template <class Assign>
  Status find_centers(const Items<Value>& items, const double* norms, const std::int32_t* ids, std::ptrdiff_t n,
                      std::ptrdiff_t width, std::int32_t* nearest, std::int32_t* sample, const Assign& assign) {
    const std::ptrdiff_t n_sample = std::min(n, centers_.n * sample_a_center);
    for (std::ptrdiff_t i = 0; i < n_sample; ++i) sample[i] = ids[i * n / n_sample];
    for (std::ptrdiff_t i = 0; i < n_sample; ++i) {
      nearest[i] = static_cast<std::int32_t>(i % sample_a_center == 0 ? i / sample_a_center : -1);
    }
    std::vector<double> sums;
    for (int round = 0;; ++round) {
      sums.assign(static_cast<std::size_t>(centers_.n * width), 0.0);
      for (std::ptrdiff_t i = 0; i < n_sample; ++i) {
        const double norm = norms[sample[i]];
        if (nearest[i] < 0 || nearest[i] >= centers_.n || !(norm > 0.0)) continue;
        const Value* item = items.rows.data + sample[i] * items.rows.row_step;
        double* sum = sums.data() + nearest[i] * width;
        for (std::ptrdiff_t j = 0; j < items.rows.columns; ++j) {
          sum[j] += static_cast<double>(item[j * items.rows.column_step]) / norm;
        }
      }
      for (std::ptrdiff_t c = 0; c < centers_.n; ++c) {
        const double* sum = sums.data() + c * width;
        double square = 0.0;
        for (std::ptrdiff_t j = 0; j < width; ++j) square += sum[j] * sum[j];
        if (!(square > 0.0)) continue;  // nobody is near: what it was
        for (std::ptrdiff_t j = 0; j < width; ++j) {
          directions_[0][c * width + j] = static_cast<float>(sum[j] / std::sqrt(square));
        }
      }
      if (round == n_rounds) return Status::done;
      const Status status = assign(sample, n_sample);
      if (status != Status::done) return status;
    }
  }

  void make_panels(const double* norms, const std::int32_t* ids, std::ptrdiff_t n, const std::int32_t* nearest,
                   const std::int32_t* places) {
    std::vector<std::ptrdiff_t> ends(static_cast<std::size_t>(std::max<std::ptrdiff_t>(centers_.n, 1)) + 1, 0);
    for (std::ptrdiff_t i = 0; i < n; ++i) ++ends[static_cast<std::size_t>(nearest[i]) + 1];
    std::partial_sum(ends.begin(), ends.end(), ends.begin());
    const std::vector<std::ptrdiff_t> starts = ends;
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      ids_[0][ends[static_cast<std::size_t>(nearest[places[i]])]++] = ids[places[i]];
    }
    panels_.clear();
    for (std::int32_t c = 0; c + 1 < static_cast<std::int32_t>(starts.size()); ++c) {
      const std::ptrdiff_t start = starts[static_cast<std::size_t>(c)], end = starts[static_cast<std::size_t>(c) + 1];
      for (std::ptrdiff_t first = start; first < end; first += panel_items) {
        const std::ptrdiff_t n_items = std::min(panel_items, end - first);
        double norm = norms == nullptr ? 1.0 : 0.0;
        for (std::ptrdiff_t i = 0; norms != nullptr && i < n_items; ++i) {
          norm = std::max(norm, norms[ids_[0][first + i]]);
        }
        panels_.push_back({norm, static_cast<std::int32_t>((first - start) / panel_items), c, first, n_items});
      }
    }
    std::sort(panels_.begin(), panels_.end());
  }

  Centers centers_{};
  Scratch<float> directions_;
  Scratch<std::int32_t> ids_;
  std::vector<Panel> panels_;
};

}  // namespace fastrec
