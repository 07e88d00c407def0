// The most popular items as bits, as many of them as pay: what item_similarity asks for before its rows.
#pragma once

#include "fastrec/kernels.hpp"
#include "fastrec/parallel.hpp"
#include "fastrec/scratch.hpp"

namespace fastrec {

constexpr std::ptrdiff_t by_cost = -1;  // how many items

inline std::ptrdiff_t panels_of(std::ptrdiff_t n_ranks) noexcept { return (n_ranks + panel_ranks - 1) / panel_ranks; }

// By item, and how many users each two have in common.
class HeadWorkspace {
 public:
  template <class Value>
  Status fill(const Kernels& table, const Interactions<Value>& x, std::ptrdiff_t n_items, double share, int n_threads,
              Poll poll) {
    const HeadKernels& kernels = table;
    const Csr<Value>& rows = x.user_items;
    if (x.item_users.data != nullptr) return Status::done;
    head_.n_words = (rows.rows + 64 * head_words - 1) / (64 * head_words) * head_words;
    if (n_items == by_cost) {
      const Status status = choose(kernels.cost_of_word(), rows, share, n_threads, poll, n_items);
      if (status != Status::done) return status;
    }
    n_items = std::min({n_items, rows.columns, most_items});
    if (n_items <= 0) return Status::done;
    const std::ptrdiff_t n_padded = (n_items + head_rows - 1) / head_rows * head_rows;
    bits_ = Scratch<std::uint64_t>(1, n_padded * head_.n_words, Fill::nothing);
    counts_ = Scratch<std::int32_t>(1, n_padded * n_padded, Fill::nothing);
    tails_ = Scratch<std::int64_t>(1, rows.rows, Fill::nothing);
    const Scratch<std::uint8_t> scratch(n_threads, kernels.scratch_bytes, Fill::nothing);
    if (!bits_ || !counts_ || !tails_ || !scratch) return Status::out_of_memory;
    counts_.in_large_pages();
    head_ = {n_padded, head_.n_words, bits_[0], counts_[0], tails_[0]};
    // Blocks of users who share their words of bits with nobody else.
    const std::ptrdiff_t n_groups = head_.n_words / head_words;
    const double entries =
        static_cast<double>(rows.indptr[rows.rows]) / static_cast<double>(std::max<std::ptrdiff_t>(n_groups, 1));
    const double group_operations = static_cast<double>(n_padded * head_words) + entries;
    const Status status =
        parallel_for_rows(0, n_groups, block_length(n_groups, n_threads, 16, group_operations), n_threads, poll,
                          [&](int, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                            set_bits(rows, first * head_words, last * head_words);
                          });
    if (status != Status::done) return status;
    return parallel_for(kernels.n_blocks(n_padded), n_threads, poll, [&](int worker, std::ptrdiff_t block) noexcept {
      kernels.counts({block, block + 1}, head_, scratch[worker], counts_[0]);
    });
  }

  const Head& head() const noexcept { return head_; }

 private:
  static constexpr std::ptrdiff_t most_items = 2880;  // whose counts take 32 MiB

  // Clears some words of every item and sets the bits of their users, 64 a word; finds where the other items start.
  template <class Value>
  void set_bits(const Csr<Value>& rows, std::ptrdiff_t first_word, std::ptrdiff_t last_word) noexcept {
    for (std::ptrdiff_t item = 0; item < head_.n_items; ++item) {
      std::fill(bits_[0] + item * head_.n_words + first_word, bits_[0] + item * head_.n_words + last_word, 0);
    }
    for (std::ptrdiff_t user = 64 * first_word; user < std::min(64 * last_word, rows.rows); ++user) {
      std::int64_t at = rows.indptr[user];
      for (; at < rows.indptr[user + 1] && rows.indices[at] < head_.n_items; ++at) {
        bits_[0][rows.indices[at] * head_.n_words + user / 64] |= std::uint64_t{1} << user % 64;
      }
      tails_[0][user] = at;
    }
  }

  // Of taking over a count, for both items, where adding to one costs 1.
  static constexpr double cost_of_pair = 1.0;

  // How many items make bits and the other terms cheapest together, where a share of all rows is asked for. Of a user's
  // first h items the h^2 terms are spared, which are the first h odd numbers: sums that no order of users changes.
  template <class Value>
  Status choose(double cost_of_word, const Csr<Value>& rows, double share, int n_threads, Poll poll,
                std::ptrdiff_t& cheapest) const {
    const std::ptrdiff_t n = std::min(rows.columns, most_items);
    const Scratch<double> spared(n_threads, n);
    if (!spared) return Status::out_of_memory;
    const auto spare = [&](int worker, std::ptrdiff_t user) noexcept {
      const std::int64_t first = rows.indptr[user];
      for (std::int64_t at = first; at < rows.indptr[user + 1] && rows.indices[at] < n; ++at) {
        spared[worker][rows.indices[at]] += static_cast<double>(2 * (at - first) + 1);
      }
    };
    const Status status = for_sparse_rows(rows.indptr, rows.rows, n_threads, poll, spare);
    double gain = 0.0, best = 0.0;
    cheapest = 0;
    for (std::ptrdiff_t h = 1; h <= n; ++h) {
      for (int worker = 0; worker < n_threads; ++worker) gain += share * spared[worker][h - 1];
      const double pairs = static_cast<double>(h) * static_cast<double>(h) / 2;
      const double net = gain - pairs * (static_cast<double>(head_.n_words) * cost_of_word + cost_of_pair);
      if (net > best) {
        best = net;
        cheapest = h;
      }
    }
    return status;
  }

  Head head_{};
  Scratch<std::uint64_t> bits_;
  Scratch<std::int32_t> counts_;
  Scratch<std::int64_t> tails_;
};

// By user.
class PanelWorkspace {
 public:
  // As many panels as `n_items` are in; by cost, those in which it is cheaper to look at a user's bits than at the
  // items that he has there, on average of all that look.
  template <class Value>
  Status fill(const Kernels& table, const Interactions<Value>& x, std::ptrdiff_t n_items, double share, int n_threads,
              Poll poll) {
    const PanelKernels& kernels = table;
    const Csr<Value>& rows = x.user_items;
    std::ptrdiff_t n_panels = panels_of(n_items);
    if (n_items == by_cost) {
      if (!(kernels.cost() < panel_ranks)) return Status::done;
      const Status status = choose(kernels.cost(), rows, share, n_threads, poll, n_panels);
      if (status != Status::done) return status;
    }
    n_panels = std::min(n_panels, panels_of(rows.columns));
    if (n_panels <= 0) return Status::done;
    bits_ = Scratch<std::uint8_t>(1, n_panels * rows.rows * panel_bytes, Fill::nothing);
    tails_ = Scratch<std::int64_t>(1, rows.rows, Fill::nothing);
    if (!bits_ || !tails_) return Status::out_of_memory;
    panels_ = {n_panels, bits_[0], tails_[0]};
    return for_sparse_rows(rows.indptr, rows.rows, n_threads, poll, [&](int, std::ptrdiff_t user) noexcept {
      for (std::ptrdiff_t panel = 0; panel < n_panels; ++panel) {
        std::uint8_t* const at = bits_[0] + (panel * rows.rows + user) * panel_bytes;
        std::fill(at, at + panel_bytes, std::uint8_t{0});
      }
      std::int64_t at = rows.indptr[user];
      for (; at < rows.indptr[user + 1] && rows.indices[at] < n_panels * panel_ranks; ++at) {
        const std::ptrdiff_t panel = rows.indices[at] / panel_ranks, place = rows.indices[at] % panel_ranks;
        bits_[0][(panel * rows.rows + user) * panel_bytes + place / 8] |= static_cast<std::uint8_t>(1 << place % 8);
      }
      tails_[0][user] = at;
    });
  }

  const Panels& panels() const noexcept { return panels_; }

 private:
  static constexpr std::ptrdiff_t panel_bytes = panel_ranks / 8, most_panels = 16;

  // A user is looked at once for each of his items. To make the bits of a panel costs about a term for each user.
  template <class Value>
  Status choose(double cost, const Csr<Value>& rows, double share, int n_threads, Poll poll,
                std::ptrdiff_t& n_panels) const {
    const Scratch<double> gains(n_threads, most_panels);
    if (!gains) return Status::out_of_memory;
    const Status status =
        for_sparse_rows(rows.indptr, rows.rows, n_threads, poll, [&](int worker, std::ptrdiff_t user) noexcept {
          const std::int64_t first = rows.indptr[user], last = rows.indptr[user + 1];
          const double looks = share * static_cast<double>(last - first);
          for (std::ptrdiff_t panel = 0; panel < most_panels; ++panel) gains[worker][panel] -= looks * cost + 1;
          for (std::int64_t at = first; at < last && rows.indices[at] < most_panels * panel_ranks; ++at) {
            gains[worker][rows.indices[at] / panel_ranks] += looks;
          }
        });
    for (n_panels = 0; n_panels < most_panels; ++n_panels) {
      double gain = 0.0;
      for (int worker = 0; worker < n_threads; ++worker) gain += gains[worker][n_panels];
      if (gain <= 0) break;
    }
    return status;
  }

  Panels panels_{};
  Scratch<std::uint8_t> bits_;
  Scratch<std::int64_t> tails_;
};

}  // namespace fastrec
