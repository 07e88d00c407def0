// Scores in float32, which tell what pairs are worth an exact one: a few steps without cancellation on terms that are
// far from the limits of float32. Each is off by less than `near_error` of itself, the rounding of the exact score to
// its own type included (at most 14 roundings of 2^-24: fastrec/_near_scores.py), and where float32 loses digits by at
// most the measure's floor.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

constexpr float near_error = 1e-6f;

// Near terms of other items; `factors` are the second ones, where the form has them.
template <class Float>
struct NearOthers {
  Float *terms, *factors;

  operator NearOthers<const float>() const noexcept { return {terms, factors}; }
  NearOthers from(std::ptrdiff_t rank) const noexcept { return {terms + rank, factors ? factors + rank : nullptr}; }
};

inline NearOthers<const float> near_others(const NearMeasure& near, std::ptrdiff_t n_ranks) noexcept {
  return {near.other, near.n_terms > 1 ? near.other + n_ranks : nullptr};
}

// What is the same for all pairs of an item.
struct NearItem {
  float term, factor, constant;
  const double* n_ln_n;
  double of_term;  // of likelihood: what does not depend on the other item

  NearItem(std::ptrdiff_t item, std::ptrdiff_t n_items, const NearMeasure& near) noexcept
      : term(near.own[item]),
        factor(near.n_terms > 1 ? near.own[n_items + item] : 0),
        constant(near.constant),
        n_ln_n(near.n_ln_n),
        of_term(n_ln_n ? n_ln_n[whole(term)] + n_ln_n[whole(constant - term)] : 0) {}

  static std::int32_t whole(float number) noexcept { return static_cast<std::int32_t>(number); }
};

// The log-likelihood ratio by a table, of counts as floats, which are whole. Without common users, which is no pair,
// the last could be below 0.
inline float near_likelihood(float dot, const NearItem& own, float other, float factor) noexcept {
  const auto t = [&](float number) { return own.n_ln_n[NearItem::whole(number)]; };
  const double cells =
      (t(dot) + t(own.term - dot)) + (t(other - dot) + t(std::max(own.constant - own.term - other + dot, 0.0f)));
  return static_cast<float>(2 * ((cells - own.of_term) + static_cast<double>(factor)));
}

template <NearForm form>
inline float near_score(float dot, const NearItem& own, float other, float factor) noexcept {
  if constexpr (form == NearForm::product) return dot * (own.term * other);
  if constexpr (form == NearForm::quotient) return dot / (own.term * other + own.constant);
  if constexpr (form == NearForm::lesser) return dot / ((other < own.term ? other : own.term) + own.constant);
  if constexpr (form == NearForm::likelihood) return near_likelihood(dot, own, other, factor);
  const float sum = (own.term + other) + own.constant * dot;
  if constexpr (form == NearForm::sum_and_product) return dot / (sum + own.factor * factor);
  return dot / sum;
}

// Calls act with the form as a constant.
template <class Act>
auto with_form(NearForm form, const Act& act) noexcept {
  switch (form) {
    case NearForm::quotient: return act(std::integral_constant<NearForm, NearForm::quotient>{});
    case NearForm::lesser: return act(std::integral_constant<NearForm, NearForm::lesser>{});
    case NearForm::sum: return act(std::integral_constant<NearForm, NearForm::sum>{});
    case NearForm::sum_and_product: return act(std::integral_constant<NearForm, NearForm::sum_and_product>{});
    case NearForm::likelihood: return act(std::integral_constant<NearForm, NearForm::likelihood>{});
    default: return act(std::integral_constant<NearForm, NearForm::product>{});
  }
}

// What near scores of all reach whose exact ones may reach this near score's.
inline float below(float score, const NearMeasure& near) noexcept {
  return score - (2 * near_error * std::fabs(score) + near.floor);
}

// Near scores of an item's pairs of ones by the best other of a block of ranks.
class NearScoreInBlock {
 public:
  NearScoreInBlock(std::ptrdiff_t item, const Measure& measure) noexcept
      : near_(measure.near), own_(item, measure.n_items, measure.near) {}

  float operator()(int n_common, std::ptrdiff_t block) const noexcept {
    const float* best = near_.best_others + block * most_near_terms;
    return with(static_cast<float>(n_common), best);
  }
  // Of one common user with the rarest item that somebody has.
  float of_rarest() const noexcept { return with(1.0f, near_.others_of_rarest); }

 private:
  float with(float dot, const float* others) const noexcept {
    return with_form(near_.form, [&](auto form) { return near_score<form.value>(dot, own_, others[0], others[1]); });
  }

  const NearMeasure& near_;
  NearItem own_;
};

}  // namespace
}  // namespace fastrec
