// What workers pick the k best of many with.
#pragma once

#include "fastrec/kernels.hpp"
#include "fastrec/scratch.hpp"

namespace fastrec {

// The k best are picked out of 2k, so that a pick is paid by k arrivals; fewer when fewer can come.
inline std::ptrdiff_t selection_capacity(std::ptrdiff_t k, std::ptrdiff_t n_candidates) noexcept {
  return k > n_candidates / 2 ? n_candidates : 2 * k;
}

// How many numbers are dealt into groups so that the k best of them seldom meet in one.
inline std::ptrdiff_t groups_for(std::ptrdiff_t k) noexcept { return (6 * k + 31) / 32 * 32; }

template <class Score>
class GroupsWorkspace {
 public:
  GroupsWorkspace(int n_workers, std::ptrdiff_t n_groups)
      : n_groups_(n_groups), maxima_(n_workers, n_groups, Fill::nothing), steps_(n_workers, n_groups, Fill::nothing) {}

  explicit operator bool() const { return maxima_ && steps_; }
  Groups<Score> operator[](int worker) const { return {n_groups_, maxima_[worker], steps_[worker]}; }

 private:
  std::ptrdiff_t n_groups_;
  Scratch<Score> maxima_;
  Scratch<std::int16_t> steps_;
};

// What the workers pick the k best of a sparse row with.
template <class Score>
class PickWorkspace {
 public:
  PickWorkspace(int n_workers, std::ptrdiff_t n_columns, std::ptrdiff_t k)
      : scores_(n_workers, n_columns, Fill::nothing),
        groups_(n_workers, groups_for(k)),
        entries_(n_workers, k + std::max(k, 2 * block_pairs), Fill::nothing) {}

  explicit operator bool() const { return scores_ && groups_ && entries_; }
  PickScratch<Score> operator[](int worker) const { return {scores_[worker], groups_[worker], entries_[worker]}; }

 private:
  Scratch<Score> scores_;
  GroupsWorkspace<Score> groups_;
  Scratch<Entry<Score>> entries_;
};

}  // namespace fastrec
