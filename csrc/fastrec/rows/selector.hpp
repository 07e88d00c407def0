// The k best of a stream of entries under the total order, in memory for a few more than k and in linear time whatever
// the order of arrival.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

// Score descending, then lower item. A NaN ranks before nothing, so it is never accepted.
template <class Score>
inline bool ranks_before(const Entry<Score>& a, const Entry<Score>& b) noexcept {
  return a.score != b.score ? a.score > b.score : a.item < b.item;
}

// A type and not a function, for it makes what std instantiates with it local to this unit (docs/architecture.md).
struct RanksBefore {
  template <class Score>
  bool operator()(const Entry<Score>& a, const Entry<Score>& b) const noexcept {
    return ranks_before(a, b);
  }
};

// What every real entry ranks before, -inf included.
template <class Score>
inline Entry<Score> padding() noexcept {
  using Limits = std::numeric_limits<Score>;
  return {Limits::has_infinity ? -Limits::infinity() : Limits::lowest(), std::numeric_limits<std::int32_t>::max()};
}

// A view of a Selection for one k. `capacity` is above k, or no less than the number of entries that will come.
template <class Score>
class Selector {
 public:
  Selector(Selection<Score>& state, std::ptrdiff_t k, std::ptrdiff_t capacity) noexcept
      : state_(state), k_(k), capacity_(capacity) {}

  static Selection<Score> empty(Entry<Score>* entries) noexcept { return {entries, 0, padding<Score>()}; }

  void offer(Score score, std::int32_t item) noexcept {
    const Entry<Score> entry{score, item};
    if (!ranks_before(entry, state_.worst)) return;
    if (state_.size == capacity_) {
      keep_best();
      if (!ranks_before(entry, state_.worst)) return;
    }
    state_.entries[state_.size++] = entry;
  }

  // Offers scores[0] to scores[n] of the items that item_at(i) names. Few of a long row rank before the worst kept, so
  // a block is first compared as a whole, which compilers turn into vector compares.
  template <class ItemAt>
  void offer_all(const Score* scores, std::ptrdiff_t n, const ItemAt& item_at) noexcept {
    constexpr std::ptrdiff_t block = 64;
    for (std::ptrdiff_t first = 0; first < n; first += block) {
      const std::ptrdiff_t last = std::min(first + block, n);
      bool any = false;
      for (std::ptrdiff_t i = first; i < last; ++i) any |= scores[i] >= state_.worst.score;
      if (!any) continue;
      for (std::ptrdiff_t i = first; i < last; ++i) offer(scores[i], item_at(i));
    }
  }

  // Keeps the best only, and tells what an entry must rank before from now on.
  Entry<Score> tighten() noexcept {
    if (state_.size > k_) {
      keep_best();
    } else if (state_.size == k_) {
      state_.worst = *std::max_element(state_.entries, state_.entries + k_, RanksBefore{});
    }
    return state_.worst;
  }

  // Sorts the best, best first, and returns how many there are.
  std::ptrdiff_t finish() noexcept {
    if (state_.size > k_) keep_best();
    std::sort(state_.entries, state_.entries + state_.size, RanksBefore{});
    return state_.size;
  }

 private:
  void keep_best() noexcept {
    std::nth_element(state_.entries, state_.entries + k_ - 1, state_.entries + state_.size, RanksBefore{});
    state_.size = k_;
    state_.worst = state_.entries[k_ - 1];
  }

  Selection<Score>& state_;
  std::ptrdiff_t k_, capacity_;
};

template <class Score>
void write_top_k(Selection<Score>& selection, std::ptrdiff_t capacity, std::ptrdiff_t row,
                 TopKRows<Score> out) noexcept {
  const std::ptrdiff_t n = Selector<Score>(selection, out.k, capacity).finish();
  std::int32_t* items = out.items + row * out.k;
  Score* scores = out.scores + row * out.k;
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    items[i] = selection.entries[i].item;
    scores[i] = selection.entries[i].score;
  }
  std::fill(items + n, items + out.k, -1);
  std::fill(scores + n, scores + out.k, padding<Score>().score);
}

}  // namespace
}  // namespace fastrec
