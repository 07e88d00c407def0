// Looks through many scores for the few that can be among the best.
#pragma once

#include "fastrec/rows/selector.hpp"
#include "fastrec/rows/threshold.hpp"

namespace fastrec {
namespace {

// Calls visit(i) for each of n scores that reach the bar, until it says no.
template <class Score, class Visit>
bool visit_reaching(const Score* scores, std::ptrdiff_t n, Score bar, const Visit& visit) noexcept {
  std::ptrdiff_t first = 0;
  for (; first + compared_together <= n; first += compared_together) {
    for (std::uint64_t bits = reaching(scores + first, bar); bits != 0; bits &= bits - 1) {
      if (!visit(first + __builtin_ctzll(bits))) return false;
    }
  }
  for (; first < n; ++first) {
    if (scores[first] >= bar && !visit(first)) return false;
  }
  return true;
}

// Calls visit(i) for each of n scores that reach one bar and not another.
template <class Score, class Visit>
void visit_between(const Score* scores, std::ptrdiff_t n, Score least, Score below, const Visit& visit) noexcept {
  std::ptrdiff_t first = 0;
  for (; first + compared_together <= n; first += compared_together) {
    std::uint64_t bits = reaching(scores + first, least) & ~reaching(scores + first, below);
    for (; bits != 0; bits &= bits - 1) visit(first + __builtin_ctzll(bits));
  }
  for (; first < n; ++first) {
    if (scores[first] >= least && !(scores[first] >= below)) visit(first);
  }
}

// Offers scores[0] to scores[n] that reach `least`, of the items that item_at(i) names. `ascending`: an item comes
// after all that were offered before. NaN never ranks, and nothing does where `least` is NaN.
template <bool ascending, class Score, class ItemAt>
void offer_scores(Selector<Score>& selector, const Score* scores, std::ptrdiff_t n, std::ptrdiff_t k, Score least,
                  const Groups<Score>& groups, const ItemAt& item_at) noexcept {
  const Score known = std::max(least, selector.tighten().score);
  const Score reached = reached_by_k(scores, n, k, known, groups);
  selector.template offer_all<ascending>(scores, n, std::max(known, reached), item_at);
}

}  // namespace
}  // namespace fastrec
