// Similarity measures: each is one formula over what is known of a pair of items.
#pragma once

#include <cmath>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

// own and other are what Measure has of the two items; `most_terms` only for formulas that take more than one.
constexpr int most_terms = 3;

struct Pair {
  double dot;
  double own[most_terms], other[most_terms];
};

template <Formula formula>
constexpr int n_terms = formula == Formula::s_plus ? 3 : 1;

// k ln(k / expected), with its limit at 0.
inline double surprise(double k, double expected) noexcept { return k > 0 ? k * std::log(k / expected) : 0.0; }

template <Formula formula>
inline double score_of(const Pair& pair, const Measure& m) noexcept {
  const double dot = pair.dot, x = pair.own[0], y = pair.other[0];
  if constexpr (formula == Formula::quotient) return dot / (x * y + m.shrinkage);
  if constexpr (formula == Formula::lift) return dot * m.n_users / (x * y + m.shrinkage);
  if constexpr (formula == Formula::pointwise_mutual_information) {
    return std::log(dot * m.n_users / (x * y + m.shrinkage));
  }
  if constexpr (formula == Formula::overlap) return dot / ((y < x ? y : x) + m.shrinkage);
  if constexpr (formula == Formula::tversky) {
    return dot / (m.weights[0] * (x - dot) + m.weights[1] * (y - dot) + dot + m.shrinkage);
  }
  if constexpr (formula == Formula::s_plus) {
    const double* w = m.weights;
    const double set = w[0] * (w[1] * (x - dot) + w[2] * (y - dot) + dot);
    const double denominator = set + w[3] * (pair.own[1] * pair.other[1]) + w[4] * (pair.own[2] * pair.other[2]);
    return (w[5] == 1.0 ? dot : std::pow(dot, w[5])) / (denominator + m.shrinkage);
  }
  if constexpr (formula == Formula::log_likelihood_ratio) {  // x and y: how many users have each
    const double n = m.n_users, without_x = n - x, without_y = n - y;
    const double alike = surprise(dot, x * y / n) + surprise(n - x - y + dot, without_x * without_y / n);
    return 2.0 * (alike + (surprise(x - dot, x * without_y / n) + surprise(y - dot, without_x * y / n)));
  }
}

// Up to block_pairs pairs of one item.
struct PairBlock {
  std::ptrdiff_t n;
  double dots[block_pairs], n_common[block_pairs];
  std::int32_t ranks[block_pairs];
};

// Scores of the pairs of item `item`; false where a custom formula failed.
template <Formula formula>
bool score_block(const PairBlock& block, std::ptrdiff_t item, const Measure& m, double* __restrict scores) noexcept {
  if constexpr (formula == Formula::custom) {
    const std::int64_t done = m.custom(block.n, block.dots, block.n_common, item, block.ranks, m.own, m.other,
                                       m.n_items, m.n_ranks, m.n_users, scores);
    if (done == block.n) return true;
    __atomic_store_n(m.failed, item * m.n_ranks + block.ranks[done], __ATOMIC_RELAXED);
    return false;
  } else {
    constexpr int terms = n_terms<formula>;
    double own[terms], other[terms][block_pairs];
    for (int t = 0; t < terms; ++t) {
      const double* __restrict at = m.other + t * m.n_ranks;
      own[t] = m.own[t * m.n_items + item];
      for (std::ptrdiff_t i = 0; i < block.n; ++i) other[t][i] = at[block.ranks[i]];
    }
    for (std::ptrdiff_t i = 0; i < block.n; ++i) {
      Pair pair{block.dots[i], {}, {}};
      for (int t = 0; t < terms; ++t) {
        pair.own[t] = own[t];
        pair.other[t] = other[t][i];
      }
      scores[i] = score_of<formula>(pair, m);
    }
    for (std::ptrdiff_t i = 0; i < block.n && m.bayesian > 0; ++i) {
      scores[i] *= std::abs(block.dots[i]) / (std::abs(block.dots[i]) + m.bayesian);
    }
    return true;
  }
}

using ScoreBlock = bool (*)(const PairBlock&, std::ptrdiff_t item, const Measure&, double* scores) noexcept;

inline ScoreBlock scorer_of(Formula formula) noexcept {
  switch (formula) {
    case Formula::quotient: return score_block<Formula::quotient>;
    case Formula::lift: return score_block<Formula::lift>;
    case Formula::pointwise_mutual_information: return score_block<Formula::pointwise_mutual_information>;
    case Formula::overlap: return score_block<Formula::overlap>;
    case Formula::tversky: return score_block<Formula::tversky>;
    case Formula::s_plus: return score_block<Formula::s_plus>;
    case Formula::log_likelihood_ratio: return score_block<Formula::log_likelihood_ratio>;
    case Formula::custom: break;
  }
  return score_block<Formula::custom>;
}

}  // namespace
}  // namespace fastrec
