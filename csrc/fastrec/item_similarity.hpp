// Driver of item_similarity.
#pragma once

#include <cmath>

#include "fastrec/popular_items.hpp"
#include "fastrec/selection_scratch.hpp"
#include "fastrec/sparse_rows.hpp"
#include "fastrec/summed_head.hpp"

namespace fastrec {

// The dense sums of the workers, each of which needs no more than the widest item asks for.
template <class Value>
class SumsWorkspace {
 public:
  SumsWorkspace(int n_workers, const Interactions<Value>& x, bool counted)
      : ones_(x.ones),
        bytes_(n_workers, ones_ ? x.user_items.columns : 0),
        shorts_(n_workers, ones_ ? x.user_items.columns : 0),
        sums_(n_workers, ones_ ? 0 : x.user_items.columns),
        counts_(n_workers, ones_ || counted ? x.user_items.columns : 0),
        touched_(n_workers, x.user_items.columns + 1, Fill::nothing),
        listed_(n_workers, x.user_items.columns, Fill::nothing),
        listed_counts_(n_workers, counted ? x.user_items.columns : 0, Fill::nothing) {}

  explicit operator bool() const {
    return bytes_ && shorts_ && sums_ && counts_ && touched_ && listed_ && listed_counts_;
  }
  SumsScratch operator[](int worker) const {
    return {bytes_[worker],   shorts_[worker], sums_[worker],         counts_[worker],
            touched_[worker], listed_[worker], listed_counts_[worker]};
  }

 private:
  bool ones_;
  Scratch<std::uint8_t> bytes_;
  Scratch<std::uint16_t> shorts_;
  Scratch<PairSum<Value>> sums_;
  Scratch<std::int32_t> counts_, touched_;
  Scratch<PairSum<Value>> listed_;
  Scratch<std::int32_t> listed_counts_;
};

// Tells a measure whose scores go by rank what scores best in each block of ranks.
inline Status find_best_others(NearMeasure& near, std::ptrdiff_t n_ranks, Scratch<float>& best) {
  const std::ptrdiff_t n_blocks = (n_ranks + ranks_of_block - 1) / ranks_of_block;
  best = Scratch<float>(1, n_blocks * most_near_terms);
  if (!best) return Status::out_of_memory;
  std::fill(near.others_of_rarest, near.others_of_rarest + most_near_terms, 0.0f);
  const bool is_product = near.form == NearForm::product;
  for (int term = 0; term < near.n_terms; ++term) {
    const float* others = near.other + term * n_ranks;
    for (std::ptrdiff_t rank = 1; rank < n_ranks; ++rank) {
      if (is_product ? others[rank] < others[rank - 1] : others[rank] > others[rank - 1]) return Status::done;
    }
    std::ptrdiff_t rarest = n_ranks;  // of those that somebody has
    while (rarest > 0 && (others[rarest - 1] == 0 || std::isinf(others[rarest - 1]))) --rarest;
    if (rarest == 0) return Status::done;
    near.others_of_rarest[term] = others[rarest - 1];
    for (std::ptrdiff_t block = 0; block < n_blocks; ++block) {
      best[0][block * most_near_terms + term] = others[std::min((block + 1) * ranks_of_block, n_ranks) - 1];
    }
  }
  near.best_others = best[0];
  return Status::done;
}

// n ln n of 0 to n_users.
inline Scratch<double> n_ln_n_up_to(std::ptrdiff_t n_users) {
  Scratch<double> table(1, n_users + 1);
  for (std::ptrdiff_t n = 1; table && n <= n_users; ++n) {
    table[0][n] = static_cast<double>(n) * std::log(static_cast<double>(n));
  }
  return table;
}

// Whether near scores are so many times larger where the product is, as errors of the weighted head are taken to be.
constexpr bool is_linear(NearForm form) {
  return form == NearForm::product || form == NearForm::quotient || form == NearForm::lesser;
}

// Ranks the neighbours of items[rows.first] to items[rows.last].
template <class Value, class Score>
Status item_similarity(const Kernels& table, Rows rows, const std::int32_t* items, Interactions<Value> x,
                       Measure measure, const NeighbourOptions& options, std::ptrdiff_t n_head, std::ptrdiff_t k,
                       SparseRows<Score> out, int n_threads, Progress progress) {
  const SimilarityKernels<Value, Score>& kernels = table;
  ProductCost cost;
  for (std::ptrdiff_t row = rows.first; row < rows.last; ++row) cost.add(x.n_terms[items[row]]);
  n_threads = worthwhile_threads(cost.total, n_threads);
  const std::ptrdiff_t n_items = x.user_items.columns;
  NearMeasure& near = measure.near;
  Scratch<double> n_ln_n;
  if (near.form == NearForm::likelihood) {
    if (cost.total < static_cast<double>(x.user_items.rows)) {  // the table would take longer
      near.form = NearForm::none;
    } else if (n_ln_n = n_ln_n_up_to(x.user_items.rows); n_ln_n) {
      near.n_ln_n = n_ln_n[0];
    } else {
      return Status::out_of_memory;
    }
  }
  const bool screened = near.form != NearForm::none;
  const SumsWorkspace<Value> sums(n_threads, x, options.counted);
  const PickWorkspace<Score> pick(n_threads, screened ? 0 : n_items, k);
  const Scratch<float> near_scores(n_threads, screened ? n_items : 0, Fill::nothing);
  const Scratch<float> near_factors(n_threads, screened && near.n_terms > 1 ? n_items : 0, Fill::nothing);
  const GroupsWorkspace<float> near_groups(n_threads, groups_for(k));
  Scratch<float> best_others;
  if (x.ones && screened && near.form != NearForm::likelihood && !options.candidates.indptr) {
    const Status found = find_best_others(near, measure.n_ranks, best_others);
    if (found != Status::done) return found;
  }
  const Scratch<std::uint8_t> counts_to_end(n_threads, near.best_others ? n_items : 0, Fill::nothing);
  const Scratch<NeedHistory> history(n_threads, 1);
  if (!sums || !pick || !near_scores || !near_factors || !near_groups || !counts_to_end || !history) {
    return Status::out_of_memory;
  }
  const double share = static_cast<double>(rows.last - rows.first) / static_cast<double>(x.item_users.rows);
  HeadWorkspace head;
  WeightedHeadWorkspace weighted;
  SummedHeadWorkspace<Value> summed;
  Status status = Status::done;
  if (x.ones) {
    status = head.fill(table, x, n_head, share, n_threads, progress.poll);
  } else if (x.user_weights && is_linear(near.form) && !options.counted && !options.candidates.indptr &&
             n_items >= 2 * k) {
    status = weighted.fill(table, x, n_head, k, share, n_threads, progress.poll);
  } else if (x.entries && !options.counted) {
    status = summed.fill(table, x, n_head, cost.total, share, n_threads, progress.poll);
  }
  if (status != Status::done) return status;
  x.head = head.head();
  x.weighted = weighted.head();
  x.summed = summed.head();
  const std::ptrdiff_t length = block_length(rows.last - rows.first, n_threads, 128, cost.longest_row);
  status = parallel_for_rows(rows.first, rows.last, length, n_threads, progress,
                             [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                               kernels.rows({first, last}, items, x, measure, options, sums[worker],
                                            {pick[worker], near_scores[worker], near_factors[worker],
                                             near_groups[worker], counts_to_end[worker], history[worker]},
                                            k, out);
                             });
  if (status == Status::done) close_gaps(rows, out);
  return status;
}

}  // namespace fastrec
