// Pairs of queries and items that wait for their exact scores, so that some are computed at once.
#pragma once

#include "fastrec/rows/exact_scores.hpp"

namespace fastrec {
namespace {

// What a panel's items are called where they lie in the order of their places.
struct OwnPlaces {
  std::int32_t of[panel_items] = {};

  constexpr OwnPlaces() noexcept {
    for (int i = 0; i < panel_items; ++i) of[i] = i;
  }
};
constexpr OwnPlaces own_places;

template <class Value>
class PairQueue {
 public:
  // `tile` has room for a panel of items of `width` padded factors.
  PairQueue(const Items<Value>& items, std::ptrdiff_t width, double* tile) noexcept
      : items_(items), width_(width), tile_(tile) {}

  bool is_full() const noexcept { return n_ > enough; }

  // The pair of the query at place q with an item, whose factors are asked for.
  void add(std::ptrdiff_t q, std::int32_t id) noexcept {
    fetch_row(items_.rows, id);
    pairs_[n_++] = {static_cast<std::int32_t>(q), id};
  }

  // From here to end_panel() pairs are of the items of a panel, with n_marked queries: as doubles, where they lie in
  // the nearest cache and enough queries share them.
  void begin_panel(const std::int32_t* ids, std::ptrdiff_t n_marked) noexcept {
    constexpr std::ptrdiff_t most_values = 2048;
    panel_ = ids;
    is_wide_ = n_marked >= panel_items && sizeof(Value) < sizeof(double) && panel_items * width_ <= most_values;
    if (!is_wide_) return;
    for (int i = 0; i < panel_items && ids[i] >= 0; ++i) {
      load_row(items_.rows, ids[i], tile_ + i * width_);
      if (items_.norms != nullptr) wide_norms_[i] = items_.norms[ids[i]];
    }
    wide_ = {{tile_, panel_items, width_, width_, 1}, items_.metric, items_.norms ? wide_norms_ : nullptr};
  }

  // Pairs of the marked queries with the items of the panel that their bits name; `empty` is called whenever the queue
  // is full. Most queries have one or two: no branch waits for how many.
  template <class Empty>
  void add_marked(const std::uint32_t* bits, const std::int32_t* marked, std::ptrdiff_t n_marked,
                  const Empty& empty) noexcept {
    const std::int32_t* items = is_wide_ ? own_places.of : panel_;
    const auto lowest = [items](std::uint32_t left) { return items[__builtin_ctz(left | 1u << (panel_items - 1))]; };
    for (std::ptrdiff_t i = 0; i < n_marked;) {
      ScorePair* const pairs = pairs_;
      std::ptrdiff_t n = n_;
      for (; i < n_marked && n <= enough; ++i) {
        const std::int32_t q = marked[i];
        std::uint32_t left = bits[q];
        const int n_left = __builtin_popcount(left);
        pairs[n] = {q, lowest(left)};
        left &= left - 1;
        pairs[n + 1] = {q, lowest(left)};
        left &= left - 1;
        for (int t = 2; t < n_left; ++t, left &= left - 1) pairs[n + t] = {q, lowest(left)};
        n += n_left;
      }
      n_ = n;
      if (is_full()) empty();
    }
  }

  void end_panel() noexcept { is_wide_ = false; }

  // Empties the queue: calls visit(place of the query, item, score) for every pair.
  template <class Visit>
  void score(const PlacedQueries<Value>& queries, const Visit& visit) noexcept {
    const std::ptrdiff_t n = n_;
    const std::int32_t* const ids = is_wide_ ? panel_ : nullptr;
    if (ids != nullptr) {
      exact_scores<Value>(pairs_, n, queries, wide_, scores_);
    } else {
      exact_scores<Value>(pairs_, n, queries, items_, scores_);
    }
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      const ScorePair pair = pairs_[i];
      visit(pair.place, ids != nullptr ? ids[pair.item] : pair.item, scores_[i]);
    }
    n_ = 0;
  }

 private:
  static constexpr std::ptrdiff_t enough = 96, room = enough + panel_items + pairs_together;

  const Items<Value>& items_;
  std::ptrdiff_t width_, n_ = 0;
  double* tile_;
  const std::int32_t* panel_ = nullptr;
  bool is_wide_ = false;  // then pairs name the panel's items by their places
  Items<double> wide_{};
  double wide_norms_[panel_items];
  ScorePair pairs_[room];
  Value scores_[room];
};

}  // namespace
}  // namespace fastrec
