// The k best of a stream of entries under the total order, in memory for a few more than k and in linear time whatever
// the order of arrival.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "fastrec/kernels.hpp"
#include "fastrec/rows/threshold.hpp"
#include "fastrec/simd/compare.hpp"
#include "fastrec/simd/sort.hpp"
#include "fastrec/simd/whole.hpp"

namespace fastrec {
namespace {

// Score descending, then lower item. A NaN ranks before nothing, so it is never accepted.
template <class Score>
inline bool ranks_before(const Entry<Score>& a, const Entry<Score>& b) noexcept {
  return a.score != b.score ? a.score > b.score : a.item < b.item;
}

// The same without a branch, where nobody could foretell it.
template <class Score>
inline bool ranks_before_unbranched(const Entry<Score>& a, const Entry<Score>& b) noexcept {
  return (a.score > b.score) | ((a.score == b.score) & (a.item < b.item));
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
constexpr Entry<Score> padding() noexcept {
  using Limits = std::numeric_limits<Score>;
  return {Limits::has_infinity ? -Limits::infinity() : Limits::lowest(), std::numeric_limits<std::int32_t>::max()};
}

// ---- sorting --------------------------------------------------------------------------------------------------------

// An entry whose score has 32 bits as one number that is larger the better it ranks. No score is -0.0 (see offer).
template <class Score>
inline double key_of(Entry<Score> entry) noexcept {
  std::int32_t score;
  __builtin_memcpy(&score, &entry.score, sizeof score);
  if (std::is_floating_point_v<Score>) score ^= (score >> 31) & 0x7fffffff;
  return key_of(static_cast<std::int64_t>(score) * (std::int64_t{1} << 31) + (0x7fffffff - entry.item));
}

template <class Score>
inline Entry<Score> entry_of(double key) noexcept {
  const std::int64_t number = number_of(key);
  std::int32_t score = static_cast<std::int32_t>(number >> 31);
  if (std::is_floating_point_v<Score>) score ^= (score >> 31) & 0x7fffffff;
  Entry<Score> entry;
  __builtin_memcpy(&entry.score, &score, sizeof score);
  entry.item = 0x7fffffff - static_cast<std::int32_t>(number & 0x7fffffff);
  return entry;
}

template <class Score>
constexpr bool sorts_as_keys = sizeof(Score) == sizeof(std::uint32_t);

// A score of 64 bits as a number that is larger the better it is.
template <class Score>
inline std::int64_t ordered_bits(Score score) noexcept {
  std::int64_t bits;
  __builtin_memcpy(&bits, &score, sizeof bits);
  return std::is_floating_point_v<Score> ? bits ^ ((bits >> 63) & std::numeric_limits<std::int64_t>::max()) : bits;
}

// Sorts up to most_network_keys entries that have no room in a key: by the lower bits of the score and the item, then,
// as they stand, by its higher bits.
template <class Score>
void sort_wide_entries(Entry<Score>* entries, std::ptrdiff_t n) noexcept {
  constexpr int place_bits = 11, item_bits = 31, low_bits = 13;  // of keys, which have 62
  constexpr std::int64_t places = std::int64_t{1} << place_bits, lows = std::int64_t{1} << low_bits;
  static_assert(most_network_keys <= places);
  alignas(64) double keys[most_network_keys];
  Entry<Score> by_low[most_network_keys];
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    const std::int64_t low = ordered_bits(entries[i].score) & (lows - 1);
    keys[i] = key_of((((low << item_bits) + (0x7fffffff - entries[i].item)) << place_bits) + i);
  }
  sort_keys(keys, n);
  for (std::ptrdiff_t i = 0; i < n; ++i) by_low[i] = entries[number_of(keys[i]) & (places - 1)];
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    keys[i] = key_of((ordered_bits(by_low[i].score) >> low_bits) * places + (places - 1 - i));
  }
  sort_keys(keys, n);
  for (std::ptrdiff_t i = 0; i < n; ++i) entries[i] = by_low[places - 1 - (number_of(keys[i]) & (places - 1))];
}

constexpr int compared_lanes = lanes_of<float>;
constexpr std::ptrdiff_t few_entries = 2 * compared_lanes;

// A vector of scores of 32 bits.
template <class Score>
inline auto scores_at(const Score* from) noexcept {
  typedef Score Scores __attribute__((vector_size(compared_lanes * sizeof(Score))));
  Scores scores;
  __builtin_memcpy(&scores, from, sizeof scores);
  return scores;
}

// Puts up to few_entries different entries, of which no score is NaN, where the number of better ones says. Lower items
// are counted only where a score occurs twice, so that two entries would have one place.
template <class Score>
inline void sort_few_entries(Entry<Score>* entries, std::ptrdiff_t n) noexcept {
  alignas(64) Score scores[few_entries];
  alignas(64) std::int32_t items[few_entries], places[few_entries];
  Entry<Score> sorted[few_entries];
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    scores[i] = entries[i].score;
    items[i] = entries[i].item;
  }
  std::fill(scores + n, scores + few_entries, Score{});
  std::fill(items + n, items + few_entries, 0);
  const auto first = scores_at(scores), second = scores_at(scores + compared_lanes);
  Whole<compared_lanes> of_first = {}, of_second = {};
  for (std::ptrdiff_t j = 0; j < n; ++j) {
    of_first = scores[j] > first ? of_first + 1 : of_first;
    of_second = scores[j] > second ? of_second + 1 : of_second;
  }
  put_whole<compared_lanes>(places, of_first);
  put_whole<compared_lanes>(places + compared_lanes, of_second);
  std::uint64_t taken = 0;
  for (std::ptrdiff_t i = 0; i < n; ++i) taken |= std::uint64_t{1} << places[i];
  if (taken != ~std::uint64_t{0} >> (64 - n)) {
    const auto first_items = whole_at<compared_lanes>(items);
    const auto second_items = whole_at<compared_lanes>(items + compared_lanes);
    for (std::ptrdiff_t j = 0; j < n; ++j) {
      of_first -= (scores[j] == first) & (items[j] < first_items);
      of_second -= (scores[j] == second) & (items[j] < second_items);
    }
    put_whole<compared_lanes>(places, of_first);
    put_whole<compared_lanes>(places + compared_lanes, of_second);
  }
  for (std::ptrdiff_t i = 0; i < n; ++i) sorted[places[i]] = entries[i];
  std::copy(sorted, sorted + n, entries);
}

// Sorts up to most_network_keys different entries: more than a few go through a network, which takes a third of the
// time of std::sort. Not inlined, for the room that it takes.
template <class Score>
__attribute__((noinline)) void sort_some_entries(Entry<Score>* entries, std::ptrdiff_t n) noexcept {
  if constexpr (!sorts_as_keys<Score>) {
    sort_wide_entries(entries, n);
  } else {
    if (n < 2) return;
    if (n <= few_entries) return sort_few_entries(entries, n);
    alignas(64) double keys[most_network_keys];
    for (std::ptrdiff_t i = 0; i < n; ++i) keys[i] = key_of(entries[i]);
    sort_keys(keys, n);
    for (std::ptrdiff_t i = 0; i < n; ++i) entries[i] = entry_of<Score>(keys[i]);
  }
}

// Moves what ranks before the middle of a sample to the front, without a branch that depends on an entry, and returns
// how many those are.
template <class Score>
std::ptrdiff_t split_entries(Entry<Score>* entries, std::ptrdiff_t n) noexcept {
  constexpr std::ptrdiff_t n_sampled = 65;
  Entry<Score> sample[n_sampled];
  for (std::ptrdiff_t i = 0; i < n_sampled; ++i) sample[i] = entries[i * (n / n_sampled)];
  std::nth_element(sample, sample + n_sampled / 2, sample + n_sampled, RanksBefore{});
  const Entry<Score> middle = sample[n_sampled / 2];
  std::ptrdiff_t n_before = 0;
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    const Entry<Score> entry = entries[i];
    entries[i] = entries[n_before];
    entries[n_before] = entry;
    n_before += ranks_before_unbranched(entry, middle);
  }
  return n_before;
}

// Sorts different entries, best first: by halves until a network takes them.
template <class Score>
void sort_entries(Entry<Score>* entries, std::ptrdiff_t n) noexcept {
  while (n > most_network_keys) {
    const std::ptrdiff_t n_before = split_entries(entries, n);
    if (std::min(n_before, n - n_before) < n / 16) return std::sort(entries, entries + n, RanksBefore{});
    sort_entries(entries + n_before, n - n_before);
    n = n_before;
  }
  sort_some_entries(entries, n);
}

// ---- selection ------------------------------------------------------------------------------------------------------

// A view of a Selection for one k. `capacity` is above k, or no less than the number of entries that will come.
template <class Score>
class Selector {
 public:
  Selector(Selection<Score>& state, std::ptrdiff_t k, std::ptrdiff_t capacity) noexcept
      : state_(state), k_(k), capacity_(capacity) {}

  static Selection<Score> empty(Entry<Score>* entries) noexcept { return {entries, 0, padding<Score>()}; }

  // All that was offered.
  void forget() noexcept { state_ = empty(state_.entries); }

  void offer(Score score, std::int32_t item) noexcept {
    const Entry<Score> entry{score + Score{0}, item};  // -0.0 becomes 0.0, with which it ties
    if (!ranks_before(entry, state_.worst)) return;
    if (state_.size == capacity_) {
      keep_best();
      if (!ranks_before(entry, state_.worst)) return;
    }
    state_.entries[state_.size++] = entry;
  }

  // Offers scores[0] to scores[n] that reach `least`, of the items that item_at(i) names, all of which may well rank:
  // no branch depends on one. Beyond k there is room for 2 n, of which keep_best leaves no more than a quarter.
  template <class Scores, class ItemAt>
  void offer_likely(const Scores* scores, std::ptrdiff_t n, Score least, const ItemAt& item_at) noexcept {
    if (state_.size + n > capacity_) keep_best();
    const Entry<Score> worst = state_.worst;
    Entry<Score>* end = state_.entries + state_.size;
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      const Entry<Score> entry{static_cast<Score>(scores[i]) + Score{0}, item_at(i)};  // as in offer
      *end = entry;
      end += (entry.score >= least) & ranks_before_unbranched(entry, worst);
    }
    state_.size = end - state_.entries;
  }

  // Offers scores[0] to scores[n] that reach `least`, of the items that item_at(i) names; few of many do, which
  // compares of vectors find. `ascending`: an item comes after all lower ones, so that an equal score no longer ranks.
  // NaN never ranks, and nothing does where `least` is NaN.
  template <bool ascending, class ItemAt>
  void offer_all(const Score* scores, std::ptrdiff_t n, Score least, const ItemAt& item_at) noexcept {
    Score known = state_.worst.score;
    Score bar = std::max(least, least_that_ranks<ascending>());
    std::ptrdiff_t first = 0;
    for (; first + compared_together <= n; first += compared_together) {
      std::uint64_t bits = reaching(scores + first, bar);
      for (; bits != 0; bits &= bits - 1) {
        const std::ptrdiff_t i = first + __builtin_ctzll(bits);
        offer(scores[i], item_at(i));
      }
      if (state_.worst.score != known) {
        known = state_.worst.score;
        bar = std::max(bar, least_that_ranks<ascending>());
      }
    }
    for (; first < n; ++first) {
      if (scores[first] >= bar) offer(scores[first], item_at(first));
    }
  }

  // Keeps the best, and few others, and tells what an entry must rank before from now on. Of thousands, not for the
  // sake of few others.
  Entry<Score> tighten() noexcept {
    const bool known = state_.worst.item != padding<Score>().item;
    if (known && k_ > most_told_apart && state_.size <= k_ + k_ / 4) return state_.worst;
    if (state_.size > k_) {
      keep_best();
    } else if (state_.size == k_) {
      state_.worst = *std::max_element(state_.entries, state_.entries + k_, RanksBefore{});
    }
    return state_.worst;
  }

  // Sorts the best, best first, and returns how many there are.
  std::ptrdiff_t finish() noexcept {
    Entry<Score>* const entries = state_.entries;
    const std::ptrdiff_t n_sorted = std::is_sorted_until(entries, entries + state_.size, RanksBefore{}) - entries;
    if (n_sorted + few_new >= state_.size) {
      for (std::ptrdiff_t i = n_sorted; i < state_.size; ++i) insert(i);
    } else {
      if (state_.size > k_ && network_size(k_) < network_size(state_.size)) keep_best();
      sort_entries(entries, state_.size);
    }
    return state_.size = std::min(state_.size, k_);
  }

 private:
  static constexpr std::ptrdiff_t few = 64, most_told_apart = 2048;  // few are sorted sooner than they are told apart
  static constexpr std::ptrdiff_t few_new = 4;  // after sorted ones are inserted sooner than sorted
  static constexpr std::int32_t any_item = padding<Score>().item - 1;  // of worst: all of its score may rank

  // Brings entry i among those before it, which are sorted.
  void insert(std::ptrdiff_t i) noexcept {
    const Entry<Score> entry = state_.entries[i];
    for (; i > 0 && ranks_before(entry, state_.entries[i - 1]); --i) state_.entries[i] = state_.entries[i - 1];
    state_.entries[i] = entry;
  }

  // As far as it is known without further work.
  template <bool ascending>
  Score least_that_ranks() const noexcept {
    constexpr Score infinity = std::numeric_limits<Score>::infinity();
    const bool strictly = ascending && state_.worst.item != padding<Score>().item;
    return strictly ? std::nextafter(state_.worst.score, infinity) : state_.worst.score;
  }

  // Leaves the k best, or a few more where they are too near to each other.
  void keep_best() noexcept {
    const bool sorts = state_.size <= (sorts_as_keys<Score> ? 8 * few : few);
    const bool tied = state_.worst.item < any_item;  // so that no score tells the best apart
    if constexpr (std::is_floating_point_v<Score>) {
      if (state_.size > few && !(sorts && tied) && keep_by_steps()) return;
    }
    if (sorts) {
      sort_entries(state_.entries, state_.size);
    } else {
      std::nth_element(state_.entries, state_.entries + k_ - 1, state_.entries + state_.size, RanksBefore{});
    }
    state_.worst = state_.entries[k_ - 1];
    if (sorts && state_.entries[k_].score != state_.worst.score) state_.worst.item = any_item;
    state_.size = k_;
  }

  // By a number that a little more than k scores reach; of many entries a sample tells it. Says no where ties would
  // leave too many, or too many tie with what ranks no more.
  bool keep_by_steps() noexcept {
    Entry<Score>* const entries = state_.entries;
    const std::ptrdiff_t n = state_.size, stride = (n + most_told_apart - 1) / most_told_apart, n_told = n / stride;
    const std::ptrdiff_t more = stride > 1 ? 3 * most_told_apart / 64 : 0;  // than three deviations of their number
    const std::ptrdiff_t n_reaching = std::min(n_told, k_ / stride + more);
    Score scores[most_told_apart];
    std::int16_t steps[most_told_apart];
    for (std::ptrdiff_t i = 0; i < n_told; ++i) scores[i] = entries[i * stride].score;
    const Score least = nearly_kth_largest(scores, n_told, n_reaching, state_.worst.score, steps);
    const Score* const together = stride > 1 ? nullptr : scores;  // they lie closer than those of entries
    const auto is_kept = [=](std::ptrdiff_t i) { return (together ? together[i] : entries[i].score) >= least; };
    std::int32_t n_kept = 0;
    for (std::ptrdiff_t i = 0; i < n; ++i) n_kept += is_kept(i);
    if (n_kept < k_ || n_kept > k_ + (n - k_) / 4) return false;
    std::ptrdiff_t kept = 0;
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      entries[kept] = entries[i];
      kept += is_kept(i);
    }
    Score lowest = entries[0].score;
    for (std::ptrdiff_t i = 1; i < kept; ++i) lowest = entries[i].score < lowest ? entries[i].score : lowest;
    state_.size = kept;
    state_.worst = {lowest, any_item};
    return true;
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
