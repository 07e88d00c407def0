// Row-kernels of item_similarity's summed head: sums of any values of two popular items, each pair added up once. Users
// come in stretches whose rows stay near, and an item meets in each row what stands before it.
#pragma once

#include <algorithm>

#include "fastrec/rows/stored_entries.hpp"

namespace fastrec {
namespace {

template <class Value>
void count_in_head(Rows users, const Interactions<Value>& x, std::ptrdiff_t n_items, std::int64_t* lengths) noexcept {
  const std::int64_t* indptr = x.user_items.indptr;
  with_entries<Value>(x.entries, x.layout, [=](auto entries) {
    for (std::ptrdiff_t user = users.first; user < users.last; ++user) {
      std::int64_t n = 0;
      for (std::int64_t at = indptr[user]; at < indptr[user + 1]; ++at) n += entries.column(at) < n_items;
      lengths[user] = n;
    }
  });
}

// Writes the entries of the head and the others.
template <class Value>
void split_rows(Rows users, const Interactions<Value>& x, const SummedHead<Value>& head) noexcept {
  const std::int64_t* indptr = x.user_items.indptr;
  with_entries<Value>(x.entries, x.layout, [=](auto entries) {
    using Stored = std::remove_const_t<std::remove_pointer_t<decltype(entries.first)>>;
    for (std::ptrdiff_t user = users.first; user < users.last; ++user) {
      Stored* in_head = static_cast<Stored*>(head.entries) + head.indptr[user];
      Stored* tail = static_cast<Stored*>(head.tails) + head.tails_indptr[user];
      for (std::int64_t at = indptr[user]; at < indptr[user + 1]; ++at) {
        (entries.column(at) < head.n_items ? *in_head++ : *tail++) = entries.first[at];
      }
      Stored nothing{};
      nothing.column = static_cast<decltype(nothing.column)>(head.n_items);
      std::fill(in_head, static_cast<Stored*>(head.entries) + head.indptr[user + 1], nothing);
    }
  });
}

// By counting. Those that rows are padded with come last.
template <class Value>
void list_places(Rows users, EntryLayout layout, const SummedHead<Value>& head, StretchPlaces places) noexcept {
  with_entries<Value>(head.entries, layout, [=](auto entries) {
    const std::int64_t *indptr = head.indptr, first = indptr[users.first], last = indptr[users.last];
    std::int32_t* next = places.starts + 1;
    std::fill(places.starts, places.starts + head.n_items + 2, 0);
    for (std::int64_t at = first; at < last; ++at) ++next[entries.column(at)];
    std::int32_t n = 0;
    for (std::ptrdiff_t item = 0; item <= head.n_items; ++item) {
      const std::int32_t start = n;
      n += next[item];
      next[item] = start;
    }
    for (std::ptrdiff_t user = users.first; user < users.last; ++user) {
      const std::uint32_t row = static_cast<std::uint32_t>((indptr[user] - first) / added_at_once) << length_bits;
      for (std::int64_t at = indptr[user]; at < indptr[user + 1]; ++at) {
        places.list[next[entries.column(at)]++] = row | static_cast<std::uint32_t>(at - indptr[user]);
      }
    }
  });
}

template <class Value>
void add_stretch(Rows items, std::ptrdiff_t first_user, EntryLayout layout, const SummedHead<Value>& head,
                 StretchPlaces places, PairSum<Value>* all_sums) noexcept {
  using Sum = PairSum<Value>;
  constexpr std::int32_t ahead = 12;
  constexpr std::int64_t asked_for = 32;  // entries
  with_entries<Value>(head.entries, layout, [=](auto entries) {
    entries.first += head.indptr[first_user];
    const auto start_of = [](std::uint32_t place) {
      return static_cast<std::int64_t>(place >> length_bits) * added_at_once;
    };
    for (std::ptrdiff_t item = items.first; item < items.last; ++item) {
      Sum* sums = all_sums + item * head.stride;
      const std::int32_t last = places.starts[item + 1];
      for (std::int32_t at = places.starts[item]; at < last; ++at) {
        entries.ask_for(start_of(places.list[std::min(at + ahead, last - 1)]), asked_for);
        const std::int64_t start = start_of(places.list[at]);
        const std::int64_t own_place = start + (places.list[at] & most_summed);
        const Sum own = static_cast<Sum>(entries.value(own_place));
        // In fours, of which the last adds what nobody reads: to items after this one, or to none.
        for (std::int64_t first = start; first <= own_place; first += added_at_once) {
          Sum before[added_at_once];
          for (int i = 0; i < added_at_once; ++i) before[i] = sums[entries.column(first + i)];
          for (int i = 0; i < added_at_once; ++i) {
            sums[entries.column(first + i)] = before[i] + own * static_cast<Sum>(entries.value(first + i));
          }
        }
      }
    }
  });
}

template <class Value>
void mirror_sums(Rows items, const SummedHead<Value>& head, PairSum<Value>* sums) noexcept {
  constexpr std::ptrdiff_t tile = 32;
  for (std::ptrdiff_t others = items.first; others < head.n_items; others += tile) {
    for (std::ptrdiff_t item = items.first; item < items.last; ++item) {
      for (std::ptrdiff_t other = std::max(others, item + 1); other < std::min(others + tile, head.n_items); ++other) {
        sums[item * head.stride + other] = sums[other * head.stride + item];
      }
    }
  }
}

}  // namespace
}  // namespace fastrec
