// Offers many scores of which few can be among the best.
#pragma once

#include "fastrec/rows/selector.hpp"
#include "fastrec/rows/threshold.hpp"

namespace fastrec {
namespace {

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
