// How many common users a pair needs to rank, guessed before they are counted: counts start at 256 less that, so that a
// byte overflows with the last of them, and only such pairs are listed. Of ranks by popularity whole blocks need alike.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

constexpr int most_needed = 8;

// What the ranks of a row need: at least 1, and one more for each stretch of first ranks that they lie in.
class Needs {
 public:
  // The least with which a pair's near score may reach `least`; one of more than most_needed is as good as that.
  template <class NearScore>
  Needs(const NearScore& near_score, std::ptrdiff_t n_ranks, float least) noexcept
      : n_ranks_(static_cast<std::int32_t>(n_ranks)) {
    std::ptrdiff_t n_short = (n_ranks + ranks_of_block - 1) / ranks_of_block;
    for (int count = 1; count < most_needed; ++count) {
      std::ptrdiff_t first = 0;
      while (first < n_short) {
        const std::ptrdiff_t middle = (first + n_short) / 2;
        if (near_score(count, middle) >= least) {
          n_short = middle;
        } else {
          first = middle + 1;
        }
      }
      ends_[count - 1] = static_cast<std::int32_t>(std::min(n_short * ranks_of_block, n_ranks));
    }
  }

  bool are_one() const noexcept { return ends_[0] == 0; }

  // The most popular ranks last, which are added to most and so stay in the nearest cache.
  void start(std::uint8_t* counts) const noexcept {
    std::int32_t end = n_ranks_;
    for (int need = 1; need <= most_needed; ++need) {
      const std::int32_t begin = need < most_needed ? ends_[need - 1] : 0;
      std::memset(counts + begin, 256 - need, static_cast<std::size_t>(end - begin));
      end = begin;
    }
  }

  std::uint8_t start_of(std::int32_t rank) const noexcept { return static_cast<std::uint8_t>(256 - need(rank, ends_)); }

  // Makes numbers of users of counts.
  void add_to(std::uint8_t* __restrict counts, const std::int32_t* __restrict ranks, std::ptrdiff_t n) const noexcept {
    std::int32_t ends[most_needed - 1];
    std::copy(ends_, ends_ + most_needed - 1, ends);
    for (std::ptrdiff_t i = 0; i < n; ++i) counts[i] = static_cast<std::uint8_t>(counts[i] + need(ranks[i], ends));
  }

 private:
  static std::int32_t need(std::int32_t rank, const std::int32_t (&ends)[most_needed - 1]) noexcept {
    std::int32_t users = 1;
    for (std::int32_t end : ends) users += rank < end;
    return users;
  }

  std::int32_t n_ranks_, ends_[most_needed - 1];  // ranks for which so many common users are too few: 1, 2, ...
};

// Whether a row has so many terms that fewer pairs save more than all bytes cost, which a near cache may hold.
inline bool needs_pay(std::int64_t n_terms, std::ptrdiff_t n_ranks, std::ptrdiff_t k) noexcept {
  constexpr std::ptrdiff_t near_cache = 1 << 18;
  return n_terms >= std::max(4 * k, n_ranks / (n_ranks <= near_cache ? 64 : 16));
}

// Adds one to the count of each of n_ranks ranks and lists those that pass the end of a byte, n_listed beforehand; how
// many are listed then. One at a time, whose carry moves the end of the list.
inline std::ptrdiff_t count_to_end(const std::int32_t* ranks, std::int64_t n_ranks, std::uint8_t* counts,
                                   std::int32_t* list, std::ptrdiff_t n_listed) noexcept {
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < n_ranks; ++i) {
    const std::int32_t rank = ranks[i];
    std::uint8_t count;
    const bool passes = __builtin_add_overflow(counts[rank], std::uint8_t{1}, &count);
    counts[rank] = count;
    list[n_listed] = rank;
    n_listed += passes;
  }
  return n_listed;
}

// Rows whose numbers of terms lie in one half of a power of two are alike.
inline std::size_t place_in(const NeedHistory& history, std::int64_t n_terms) noexcept {
  const float terms = static_cast<float>(n_terms);
  std::uint32_t bits;
  std::memcpy(&bits, &terms, sizeof bits);
  return bits >> 22 & (std::size(history.means) - 1);
}

// What k pairs of a row with so many terms will reach, in common users with the rarest item; 0 where nothing is known.
inline float foretold(const NeedHistory& history, std::int64_t n_terms) noexcept {
  const std::size_t place = place_in(history, n_terms);
  return std::max(history.means[place] - 2 * history.deviations[place], 0.0f);
}

// A row that is far off changes little, by either mean.
inline void remember(float reached, std::int64_t n_terms, NeedHistory& history) noexcept {
  constexpr float share = 1.0f / 16;
  const std::size_t place = place_in(history, n_terms);
  float &mean = history.means[place], &deviation = history.deviations[place];
  if (mean == 0) {
    mean = reached;
    deviation = reached / 8;
  } else {
    const float most = mean / 4, more = std::min(std::max(reached - mean, -most), most);
    deviation += share * (std::fabs(more) - deviation);
    mean += share * more;
  }
}

}  // namespace
}  // namespace fastrec
