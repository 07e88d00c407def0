// Row-kernel of item_similarity: row i of item_users * user_items, each sum turned into a score by the measure.
//
// Where all values are 1 a sum is a count, in the narrowest integer that holds the number of users of item i. A row is
// either scanned whole or, where few items were touched, by the list of those: of counts, where rows before tell what
// it takes to rank, only of those that get there. Where the measure allows, near scores in float32 tell which pairs are
// worth an exact one.
#pragma once

#include <cmath>

#include "fastrec/rows/measures.hpp"
#include "fastrec/rows/near_scores.hpp"
#include "fastrec/rows/needed_counts.hpp"
#include "fastrec/rows/sparse_rows.hpp"
#include "fastrec/rows/stored_entries.hpp"
#include "fastrec/rows/visit.hpp"
#include "fastrec/rows/weighted_head.hpp"

namespace fastrec {
namespace {

// ---- sums -----------------------------------------------------------------------------------------------------------

// Sums of one row: by rank, or of pairs that were listed.
template <class Sum, bool counted>
struct Sums {
  Sum* sums;
  std::int32_t* counts;

  // Without counts a sum of ones is its own count, and of others, which are positive, only 0 and more matters.
  std::int32_t n_common(std::ptrdiff_t at) const noexcept {
    if constexpr (counted) return counts[at];
    if constexpr (std::is_floating_point_v<Sum>) return sums[at] > 0;
    return static_cast<std::int32_t>(sums[at]);
  }

  void copy(std::ptrdiff_t at, const Sums& to, std::ptrdiff_t there) const noexcept {
    to.sums[there] = sums[at];
    if constexpr (counted) to.counts[there] = counts[at];
  }

  void erase(std::ptrdiff_t at) const noexcept {
    sums[at] = 0;
    if constexpr (counted) counts[at] = 0;
  }

  // In loops apart from those that read: GCC 12 clears first where both stand in one (loop distribution).
  void clear(std::ptrdiff_t n) const noexcept {
    std::fill(sums, sums + n, Sum{0});
    if constexpr (counted) std::fill(counts, counts + n, 0);
  }

  std::ptrdiff_t list_touched(std::ptrdiff_t n_ranks, std::int32_t* list) const noexcept {
    std::ptrdiff_t n = 0;
    for (std::ptrdiff_t rank = 0; rank < n_ranks; ++rank) {
      list[n] = static_cast<std::int32_t>(rank);
      n += n_common(rank) != 0;
    }
    return n;
  }
};

// Copies what list[0] to list[n] have, and leaves zeros where it `takes` that; near terms of each too, if there are
// any. Sums by value, for a byte might be part of any that is pointed to.
template <bool takes, class Row>
void give(Row from, const std::int32_t* list, std::ptrdiff_t n, Row to, NearOthers<const float> others,
          NearOthers<float> listed) noexcept {
  const auto give_all = [=](auto n_others) {
#pragma GCC unroll 4
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      const std::int32_t rank = list[i];
      if constexpr (n_others.value > 0) listed.terms[i] = others.terms[rank];
      if constexpr (n_others.value > 1) listed.factors[i] = others.factors[rank];
      from.copy(rank, to, i);
      if constexpr (takes) from.erase(rank);
    }
  };
  if (others.factors) return give_all(std::integral_constant<int, 2>{});
  others.terms ? give_all(std::integral_constant<int, 1>{}) : give_all(std::integral_constant<int, 0>{});
}

// What a user's items bring: 1, the user's value, or each its own.
enum class Terms { ones, of_users, of_entries };

template <bool list>
constexpr int added_together = list ? 2 : 4;  // terms; of more the registers do not hold what a list needs

// Adds the items [at, end) of one user and returns how many ranks are listed now. Whether a rank is new moves the end
// of the list and not the program: nobody could foretell it. A user has no item twice, so that sums of several items
// are read before any is written.
template <bool list, Terms terms, class Items, class Sum, bool counted>
std::ptrdiff_t add_user(std::int64_t at, std::int64_t end, Sum own, Sum term, Items items,
                        const Sums<Sum, counted>& row, std::int32_t* touched, std::ptrdiff_t n_touched) noexcept {
  Sum* sums = row.sums;  // by name, since a byte might be part of all that is pointed to
  std::int32_t* counts = row.counts;
  const auto add = [&](auto n) {
    std::int32_t added[n];
    bool is_new[n];
    Sum before[n];
    for (int i = 0; i < n; ++i) {
      added[i] = items.column(at + i);
      before[i] = sums[added[i]];
      is_new[i] = counted ? counts[added[i]] == 0 : !(before[i] > 0);  // also of floats one compare
    }
    for (int i = 0; i < n; ++i) {
      if constexpr (terms == Terms::of_entries) term = own * static_cast<Sum>(items.value(at + i));
      sums[added[i]] = static_cast<Sum>(before[i] + term);
      if constexpr (counted) ++counts[added[i]];
    }
    for (int i = 0; list && i < n; ++i) {
      touched[n_touched] = added[i];
      n_touched += is_new[i];
    }
    at += n;
  };
  while (end - at >= added_together<list>) add(std::integral_constant<int, added_together<list>>{});
  while (at < end) add(std::integral_constant<int, 1>{});
  return n_touched;
}

// Items of users: of user u those from starts[u] to ends[u], of entries where there are such.
struct UserRows {
  const std::int64_t *starts, *ends;
  const void* entries;
};

// Adds the row of `item`, terms by ascending user, and returns how many ranks were listed as touched, n_touched
// beforehand, if there is a list.
template <bool list, Terms terms, class Items, class Value, class Sum, bool counted>
std::ptrdiff_t add_item(std::ptrdiff_t item, const Interactions<Value>& x, Items items, const UserRows& rows,
                        const Sums<Sum, counted>& row, std::int32_t* touched = nullptr,
                        std::ptrdiff_t n_touched = 0) noexcept {
  const std::int64_t first = x.item_users.indptr[item], n_users = x.item_users.indptr[item + 1] - first;
  const std::int32_t* users = x.item_users.indices + first;
  constexpr bool skips = terms != Terms::of_users;  // users of a head may have no others
  visit_rows<skips>(users, n_users, rows.starts, rows.ends, items,
                    [&](std::ptrdiff_t i, std::int64_t begin, std::int64_t end) {
                      const Sum own = terms == Terms::ones ? Sum{1} : static_cast<Sum>(item_value(x, item, first + i));
                      const Sum term = terms == Terms::of_users ? own * static_cast<Sum>(x.user_values[users[i]]) : own;
                      n_touched = add_user<list, terms>(begin, end, own, term, items, row, touched, n_touched);
                    });
  return n_touched;
}

// ---- ranking --------------------------------------------------------------------------------------------------------

// What is the same for all rows of a call.
template <class Score>
struct Ranking {
  const Measure& measure;
  const NeighbourOptions& options;
  const std::int32_t* id_of_rank;
  const std::int64_t* n_terms;  // of every item
  const NeighbourScratch<Score>& scratch;
  std::ptrdiff_t k;
  ScoreBlock score;
  Score least;  // score that may rank
};

// Puts the pair with an item of a rank, whose sums are at `at`, to a place of the block.
template <class Row>
inline void put_pair(const Row& row, std::ptrdiff_t at, std::int32_t rank, std::ptrdiff_t place,
                     PairBlock& block) noexcept {
  block.dots[place] = static_cast<double>(row.sums[at]);
  block.n_common[place] = row.n_common(at);
  block.ranks[place] = rank;
}

// Collects pairs, scores them together, and offers what may rank.
template <class Score>
class PairsToScore {
 public:
  PairsToScore(std::ptrdiff_t item, const Ranking<Score>& ranking, Selector<Score>& selector) noexcept
      : item_(item), ranking_(ranking), selector_(selector) {
    block_.n = 0;
  }

  // These are false where the measure failed.
  template <class Row>
  bool add(const Row& row, std::ptrdiff_t at, std::int32_t rank) noexcept {
    put_pair(row, at, rank, block_.n++, block_);
    return block_.n < block_pairs || score();
  }

  bool score() noexcept {
    double scores[block_pairs];
    if (!ranking_.score(block_, item_, ranking_.measure, scores)) return false;
    selector_.offer_likely(scores, block_.n, ranking_.least,
                           [&](std::ptrdiff_t i) { return ranking_.id_of_rank[block_.ranks[i]]; });
    block_.n = 0;
    return true;
  }

 private:
  std::ptrdiff_t item_;
  const Ranking<Score>& ranking_;
  Selector<Score>& selector_;
  PairBlock block_;
};

// Puts n pairs with items of rank_at(0) to rank_at(n), whose sums stand at `first` and after it. Each array by itself
// and by name, since a byte might be part of any: then the loops become loops of vectors.
template <class Row, class RankAt>
inline void put_pairs(const Row& row, std::ptrdiff_t first, std::ptrdiff_t n, PairBlock& block,
                      const RankAt& rank_at) noexcept {
  double* __restrict dots = block.dots;
  double* __restrict n_common = block.n_common;
  std::int32_t* __restrict ranks = block.ranks;
  for (std::ptrdiff_t i = 0; i < n; ++i) dots[i] = static_cast<double>(row.sums[first + i]);
  for (std::ptrdiff_t i = 0; i < n; ++i) n_common[i] = row.n_common(first + i);
  for (std::ptrdiff_t i = 0; i < n; ++i) ranks[i] = rank_at(i);
  block.n = n;
}

// Leaves those of a block's pairs that have so many common users, whose places it had are given.
inline void keep_supported(std::int32_t min_support, PairBlock& block, std::ptrdiff_t* places) noexcept {
  std::ptrdiff_t n = 0;
  for (std::ptrdiff_t i = 0; i < block.n; ++i) {
    block.dots[n] = block.dots[i];
    block.n_common[n] = block.n_common[i];
    block.ranks[n] = block.ranks[i];
    places[n] = i;
    n += block.n_common[i] >= min_support;
  }
  block.n = n;
}

// Every pair with list[0] to list[n], whose sums are given, by its exact score.
template <class Score, class Row>
bool rank_exact_scores(std::ptrdiff_t item, const std::int32_t* list, std::ptrdiff_t n, const Row& row,
                       const Ranking<Score>& ranking, Selector<Score>& selector) noexcept {
  constexpr Score never = std::numeric_limits<Score>::quiet_NaN();
  Score* scores = ranking.scratch.pick.scores;
  for (std::ptrdiff_t first = 0; first < n; first += block_pairs) {
    PairBlock block;
    std::ptrdiff_t places[block_pairs];
    double exact[block_pairs];
    Score* const out = scores + first;
    put_pairs(row, first, std::min(block_pairs, n - first), block, [=](std::ptrdiff_t i) { return list[first + i]; });
    bool all = true;
    for (std::ptrdiff_t i = 0; i < block.n; ++i) all &= block.n_common[i] >= ranking.options.min_support;
    if (!all) {
      std::fill(out, out + block.n, never);
      keep_supported(ranking.options.min_support, block, places);
    }
    if (!ranking.score(block, item, ranking.measure, exact)) return false;
    for (std::ptrdiff_t i = 0; i < block.n; ++i) out[all ? i : places[i]] = static_cast<Score>(exact[i]);
  }
  offer_scores<false>(selector, scores, n, ranking.k, ranking.least, ranking.scratch.pick.groups,
                      [&](std::ptrdiff_t i) { return ranking.id_of_rank[list[i]]; });
  return true;
}

// near_scores[0] to near_scores[n] of pairs whose sums, multiplied by `scale` first, and others are given; NaN where
// too few users have both. Others may lie where the scores go.
template <class Score, class Sum, bool counted>
void score_nearly(std::ptrdiff_t item, std::ptrdiff_t n, const Sums<Sum, counted>& row, float scale,
                  NearOthers<const float> others, const Ranking<Score>& ranking, float* near_scores) noexcept {
  constexpr float never = std::numeric_limits<float>::quiet_NaN();
  const Sum* __restrict sums = row.sums;
  const NearItem own(item, ranking.measure.n_items, ranking.measure.near);
  const float *terms = others.terms, *factors = others.factors;
  const std::int32_t* __restrict counts = row.counts;
  const std::int32_t min_support = ranking.options.min_support;
  constexpr bool is_count = std::is_integral_v<Sum> && !counted;
  const float least_count = static_cast<float>(min_support);
  with_form(ranking.measure.near.form, [=](auto form) {
#pragma GCC ivdep
    for (std::ptrdiff_t i = 0; i < n; ++i) {
      const float sum = static_cast<float>(sums[i]);
      const float factor = has_factors(form.value) ? factors[i] : 0;
      const float score = near_score<form.value>(sum * scale, own, terms[i], factor);
      const bool ranks = is_count ? sum >= least_count : counted ? counts[i] >= min_support : sums[i] > 0;
      near_scores[i] = ranks ? score : never;
    }
  });
}

// What near scores of everything that may rank reach.
template <class Score>
float bar_for(const float* near_scores, std::ptrdiff_t n, const Ranking<Score>& ranking) noexcept {
  const NearMeasure& near = ranking.measure.near;
  const float least = below(static_cast<float>(ranking.least), near);
  return std::max(least, below(reached_by_k(near_scores, n, ranking.k, least, ranking.scratch.near_groups), near));
}

// Every one of the pairs of rank_at(0) to rank_at(n) by its exact score; by a measure of ours, which scores those of
// too few users too.
template <class Score, class Row, class RankAt>
bool rank_all(std::ptrdiff_t item, std::ptrdiff_t n, const Row& row, const Ranking<Score>& ranking,
              Selector<Score>& selector, const RankAt& rank_at) noexcept {
  constexpr double never = std::numeric_limits<double>::quiet_NaN();
  for (std::ptrdiff_t first = 0; first < n; first += block_pairs) {
    PairBlock block;
    put_pairs(row, first, std::min(block_pairs, n - first), block,
              [&](std::ptrdiff_t i) { return rank_at(first + i); });
    double scores[block_pairs];
    if (!ranking.score(block, item, ranking.measure, scores)) return false;
    for (std::ptrdiff_t i = 0; i < block.n; ++i) {
      scores[i] = block.n_common[i] >= ranking.options.min_support ? scores[i] : never;
    }
    selector.offer_likely(scores, block.n, ranking.least,
                          [&](std::ptrdiff_t i) { return ranking.id_of_rank[block.ranks[i]]; });
  }
  return true;
}

// The pairs of rank_at(0) to rank_at(n), whose others are given; near scores tell what is worth an exact one. Of few
// pairs all are.
template <class Score, class Row, class RankAt>
bool rank_by_near_scores(std::ptrdiff_t item, std::ptrdiff_t n, const Row& row, NearOthers<const float> others,
                         const Ranking<Score>& ranking, Selector<Score>& selector, const RankAt& rank_at) noexcept {
  if (n < 2 * ranking.k) return rank_all(item, n, row, ranking, selector, rank_at);
  float* near_scores = ranking.scratch.near_scores;
  score_nearly(item, n, row, 1.0f, others, ranking, near_scores);
  PairsToScore<Score> pairs(item, ranking, selector);
  const auto add = [&](std::ptrdiff_t at) { return pairs.add(row, at, rank_at(at)); };
  const float bar = bar_for(near_scores, n, ranking);
  if (ranking.measure.near.best_others && bar > 0) {
    const float of_rarest = NearScoreInBlock(item, ranking.measure).of_rarest();
    remember(bar / of_rarest, ranking.n_terms[item], *ranking.scratch.history);
  }
  return visit_reaching(near_scores, n, bar, add) && pairs.score();
}

// Ranks that are no neighbours of an item: its own, unless that stays, and those of what is excluded.
struct LeftOut {
  const NeighbourOptions& options;
  std::ptrdiff_t item;
  std::int32_t own_rank;

  template <class Visit>
  void visit(const Visit& leave_out) const noexcept {
    if (!options.keep_diagonal && own_rank >= 0) leave_out(own_rank);
    const Pattern& exclude = options.exclude;
    if (!exclude.indptr) return;
    const std::int64_t last = exclude.indptr[item * exclude.step + 1];
    for (std::int64_t at = exclude.indptr[item * exclude.step]; at < last; ++at) leave_out(exclude.ids[at]);
  }
};

// The pairs of an item, all values being 1, but only those with as many common users as they need for what k pairs of
// rows before reached; false, and nothing offered, where that cannot be told or was too much. By a measure of ours.
template <class Value, class Score>
bool ranked_by_needs(std::ptrdiff_t item, const Interactions<Value>& x, const LeftOut& left_out, std::uint8_t* listed,
                     std::int32_t* list, const Ranking<Score>& ranking, Selector<Score>& selector) noexcept {
  const NearScoreInBlock near_score(item, ranking.measure);
  NeedHistory& history = *ranking.scratch.history;
  const NearMeasure& near = ranking.measure.near;
  const float of_rarest = near_score.of_rarest(), least = below(static_cast<float>(ranking.least), near);
  const float guess = std::max(foretold(history, ranking.n_terms[item]) * of_rarest, least);
  if (!(guess > 0) || std::isinf(guess)) return false;
  // One margin for what has a near score below the guess, another for near scores that are computed in another order.
  const Needs needs(near_score, ranking.measure.n_ranks, below(below(guess, near), near));
  if (needs.are_one()) return false;
  std::uint8_t* counts = ranking.scratch.counts_to_end;
  needs.start(counts);
  std::ptrdiff_t n = 0;
  const std::int64_t* indptr = x.user_items.indptr;
  const std::int64_t first = x.item_users.indptr[item], n_users = x.item_users.indptr[item + 1] - first;
  const Columns ranks{x.user_items.indices};
  visit_rows<true>(x.item_users.indices + first, n_users, indptr, indptr + 1, ranks,
                   [&](std::ptrdiff_t, std::int64_t begin, std::int64_t end) {
                     n = count_to_end(ranks.first + begin, end - begin, counts, list, n);
                   });
  left_out.visit([&](std::int32_t rank) { counts[rank] = needs.start_of(rank); });
  float* near_scores = ranking.scratch.near_scores;
  const NearOthers<float> others{near_scores, ranking.scratch.near_factors};
  const Sums<std::uint8_t, false> row{listed, nullptr};
  give<false>(Sums<std::uint8_t, false>{counts, nullptr}, list, n, row, near_others(near, ranking.measure.n_ranks),
              others);
  needs.add_to(listed, list, n);
  score_nearly<Score>(item, n, row, 1.0f, others, ranking, near_scores);
  std::ptrdiff_t n_reaching = 0;
  for (std::ptrdiff_t i = 0; i < n; ++i) n_reaching += near_scores[i] >= guess;
  const float times = static_cast<float>(n_reaching) / static_cast<float>(ranking.k);  // an eighth reach twice as much
  remember(guess / of_rarest * std::cbrt(times), ranking.n_terms[item], history);
  const bool are_enough = n_reaching >= ranking.k || guess <= least;  // what a threshold leaves need not be k
  if (!are_enough) return false;
  const float bar = std::max(bar_for(near_scores, n, ranking), below(guess, near));
  PairsToScore<Score> pairs(item, ranking, selector);
  const auto add = [&](std::ptrdiff_t at) { return pairs.add(row, at, list[at]); };
  return visit_reaching(near_scores, n, bar, add) && pairs.score();
}

// The pairs of an item of the weighted head, of which the row has the sums beyond the head; of what sums of weights
// leave there, exact ones are added to it.
template <class Value, class Score>
bool rank_by_weights(std::ptrdiff_t item, const Interactions<Value>& x, const LeftOut& left_out,
                     const Sums<double, false>& row, std::int32_t* list, const Ranking<Score>& ranking,
                     Selector<Score>& selector) noexcept {
  const WeightedHead& head = x.weighted;
  const std::ptrdiff_t n_ranks = x.user_items.columns, n_head = std::min(head.n_items, n_ranks);
  float *near_scores = ranking.scratch.near_scores, *beyond = near_scores + n_head;
  const NearOthers<const float> others = near_others(ranking.measure.near, n_ranks);
  const Sums<const float, false> weights{head.near_sums + x.rank_of_id[item] * head.n_items, nullptr};
  const double own = x.item_values ? static_cast<double>(x.item_values[item]) : 1.0;
  const float least_part = 1 - head.error, most_part = 1 + head.error;
  score_nearly(item, n_head, weights, static_cast<float>(own * head.largest_weight) * least_part, others, ranking,
               near_scores);
  const Sums<double, false> tail{row.sums + n_head, nullptr};
  score_nearly(item, n_ranks - n_head, tail, 1.0f, others.from(n_head), ranking, beyond);
  left_out.visit([=](std::int32_t rank) { near_scores[rank] = std::numeric_limits<float>::quiet_NaN(); });
  const float bar = bar_for(near_scores, n_ranks, ranking);
  const float head_bar = bar > 0 ? bar * (least_part / most_part) * (1 - near_error) : bar;
  std::ptrdiff_t n = 0;
  visit_reaching(near_scores, n_head, head_bar, [&](std::ptrdiff_t rank) {
    list[n++] = static_cast<std::int32_t>(rank);
    return true;
  });
  sum_exactly(item, x, list, n, row.sums);
  PairsToScore<Score> pairs(item, ranking, selector);
  const auto add = [&](std::ptrdiff_t rank) { return pairs.add(row, rank, static_cast<std::int32_t>(rank)); };
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    if (!add(list[i])) return false;
  }
  return visit_reaching(beyond, n_ranks - n_head, bar, [&](std::ptrdiff_t at) { return add(n_head + at); }) &&
         pairs.score();
}

// The sums of a row by the measure: those of `whole` rows as they stand, others, or all that are no candidates, by the
// list of what was touched. Only `listed` sums are read where there is a list.
template <class Score, class Row>
bool rank_sums(std::ptrdiff_t item, std::ptrdiff_t n_ranks, bool whole, const Row& row, std::int32_t* touched,
               std::ptrdiff_t n_touched, const Row& listed, const Ranking<Score>& ranking,
               Selector<Score>& selector) noexcept {
  const Pattern& candidates = ranking.options.candidates;
  const NearOthers<const float> others = near_others(ranking.measure.near, ranking.measure.n_ranks);
  if (whole && others.terms && !candidates.indptr) {
    return rank_by_near_scores(item, n_ranks, row, others, ranking, selector,
                               [](std::ptrdiff_t at) { return static_cast<std::int32_t>(at); });
  }
  const std::int32_t* list = touched;
  std::ptrdiff_t n = n_touched;
  const NearOthers<float> listed_others{ranking.scratch.near_scores, ranking.scratch.near_factors};
  if (candidates.indptr) {
    list = candidates.ids + candidates.indptr[item * candidates.step];
    n = candidates.indptr[item * candidates.step + 1] - candidates.indptr[item * candidates.step];
    give<false>(row, list, n, listed, others, listed_others);
    for (std::ptrdiff_t i = 0; i < n_touched; ++i) row.erase(touched[i]);
  } else if (!whole) {
    give<true>(row, list, n, listed, others, listed_others);
  } else {
    n = row.list_touched(n_ranks, touched);
    give<false>(row, list, n, listed, {}, {});
  }
  if (!others.terms) return rank_exact_scores(item, list, n, listed, ranking, selector);
  return rank_by_near_scores(item, n, listed, listed_others, ranking, selector,
                             [list](std::ptrdiff_t at) { return list[at]; });
}

// ---- rows -----------------------------------------------------------------------------------------------------------

// Starts a row with what is known of its first n_head ranks, and returns how many ranks are listed as touched, if there
// is to be a list.
template <class Known, class Sum>
std::ptrdiff_t start_from_head(const Known* __restrict known, std::ptrdiff_t n_head, bool whole,
                               const Sums<Sum, false>& row, std::int32_t* touched) noexcept {
  Sum* __restrict sums = row.sums;  // a byte of which might be part of anything
  for (std::ptrdiff_t rank = 0; rank < n_head; ++rank) sums[rank] = static_cast<Sum>(known[rank]);
  return whole ? 0 : row.list_touched(n_head, touched);
}

// As add_item, by what the terms are and whether there is a list.
template <bool ones, class Value, class Sum, bool counted>
std::ptrdiff_t add_terms(std::ptrdiff_t item, const Interactions<Value>& x, const UserRows& rows, bool whole,
                         const Sums<Sum, counted>& row, std::int32_t* touched, std::ptrdiff_t n_touched) noexcept {
  const auto add = [&](auto terms, auto items) {
    return whole ? add_item<false, terms.value>(item, x, items, rows, row)
                 : add_item<true, terms.value>(item, x, items, rows, row, touched, n_touched);
  };
  const Columns ranks{x.user_items.indices};
  if constexpr (ones) return add(std::integral_constant<Terms, Terms::ones>{}, ranks);
  if (x.user_values) return add(std::integral_constant<Terms, Terms::of_users>{}, ranks);
  return with_entries<Value>(rows.entries, x.layout, [&](auto entries) {
    return add(std::integral_constant<Terms, Terms::of_entries>{}, entries);
  });
}

// A row is scanned whole where it has as many terms as there are ranks, or with near scores a quarter, which go through
// vectors. False where the measure failed.
template <bool ones, class Value, class Score, class Sum, bool counted>
bool rank_item(std::ptrdiff_t item, const Interactions<Value>& x, const Sums<Sum, counted>& row,
               const Sums<Sum, counted>& listed, std::int32_t* touched, const Ranking<Score>& ranking,
               Selector<Score>& selector) noexcept {
  const std::ptrdiff_t n_ranks = x.user_items.columns;
  const std::int32_t own_rank = x.rank_of_id[item];
  const LeftOut left_out{ranking.options, item, own_rank};
  const bool in_head = ones && own_rank >= 0 && own_rank < x.head.n_items;
  const bool is_near = ranking.measure.near.form != NearForm::none;
  const bool whole = (is_near ? 4 : 1) * x.n_terms[item] >= n_ranks;
  if constexpr (ones && std::is_same_v<Sum, std::uint8_t>) {
    if (ranking.measure.near.best_others && !whole && !in_head && needs_pay(x.n_terms[item], n_ranks, ranking.k) &&
        ranked_by_needs(item, x, left_out, listed.sums, touched, ranking, selector)) {
      return true;
    }
  }
  UserRows rows{x.user_items.indptr, x.user_items.indptr + 1, x.entries};
  std::ptrdiff_t n_touched = 0;
  const auto start_from = [&](const auto* known, std::ptrdiff_t n_items, std::ptrdiff_t stride) {
    n_touched = start_from_head(known + own_rank * stride, std::min(n_items, n_ranks), whole, row, touched);
  };
  if constexpr (ones) {
    if (in_head) {
      const Head& head = x.head;
      head.shorts ? start_from(head.shorts, head.n_items, head.n_items)
                  : start_from(head.counts, head.n_items, head.n_items);
      rows.starts = head.tails;
    }
  } else if constexpr (!counted) {
    if (own_rank >= 0 && own_rank < x.summed.n_items) {
      start_from(x.summed.sums, x.summed.n_items, x.summed.stride);
      rows = {x.summed.tails_indptr, x.summed.tails_indptr + 1, x.summed.tails};
    }
  }
  constexpr bool may_weigh = std::is_same_v<Sum, double> && !counted;
  const bool weighs = may_weigh && whole && own_rank >= 0 && own_rank < x.weighted.n_items;
  if (weighs) rows.starts = x.weighted.tails;
  n_touched = add_terms<ones>(item, x, rows, whole, row, touched, n_touched);
  left_out.visit([&](std::int32_t rank) { row.erase(rank); });
  bool scored = false;
  if (!weighs) {
    scored = rank_sums(item, n_ranks, whole, row, touched, n_touched, listed, ranking, selector);
  } else if constexpr (may_weigh) {
    scored = rank_by_weights(item, x, left_out, row, touched, ranking, selector);
  }
  if (whole) row.clear(n_ranks);
  return scored;
}

template <class Value, class Score>
void item_similarity(Rows rows, const std::int32_t* items, const Interactions<Value>& x, const Measure& measure,
                     const NeighbourOptions& options, SumsScratch sums, NeighbourScratch<Score> scratch,
                     std::ptrdiff_t k, SparseRows<Score> out) noexcept {
  using Total = PairSum<Value>;
  const Score least = least_above<Score>(options.threshold, options.has_threshold);
  const Ranking<Score> ranking{measure, options, x.id_of_rank, x.n_terms, scratch, k, scorer_of(measure.formula),
                               least};
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) {
    if (measure.custom && __atomic_load_n(measure.failed, __ATOMIC_RELAXED) >= 0) return;
    const std::int32_t item = items[row];
    Selection<Score> selection = Selector<Score>::empty(scratch.pick.entries);
    Selector<Score> selector(selection, k, k + std::max(k, 2 * block_pairs));
    const auto rank = [&](auto ones, const auto& row_sums, const auto& listed) {
      return rank_item<ones.value>(item, x, row_sums, listed, sums.touched, ranking, selector);
    };
    const auto rank_ones = [&](auto* by_rank) {
      using Row = Sums<std::remove_pointer_t<decltype(by_rank)>, false>;
      return rank(std::true_type{}, Row{by_rank, nullptr}, Row{static_cast<decltype(by_rank)>(sums.listed), nullptr});
    };
    Total *by_rank = static_cast<Total*>(sums.sums), *listed = static_cast<Total*>(sums.listed);
    bool scored;
    if (x.ones) {
      const std::int64_t n_users = x.item_users.indptr[item + 1] - x.item_users.indptr[item];
      if (n_users <= std::numeric_limits<std::uint8_t>::max()) {
        scored = rank_ones(sums.bytes);
      } else if (n_users <= std::numeric_limits<std::uint16_t>::max()) {
        scored = rank_ones(sums.shorts);
      } else {
        scored = rank_ones(sums.counts);
      }
    } else if (options.counted) {
      using Row = Sums<Total, true>;
      scored = rank(std::false_type{}, Row{by_rank, sums.counts}, Row{listed, sums.listed_counts});
    } else {
      using Row = Sums<Total, false>;
      scored = rank(std::false_type{}, Row{by_rank, nullptr}, Row{listed, nullptr});
    }
    if (!scored) return;
    write_sparse_row(selector, scratch.pick.entries, row, out);
  }
}

}  // namespace
}  // namespace fastrec
