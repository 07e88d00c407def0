// Items of users, by place: their ranks, and the values where each is another.
#pragma once

#include <cstdint>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

// What a user's items bring: 1, the user's value, or each its own.
enum class Terms { ones, of_users, of_entries, of_short_entries, of_whole_entries };

constexpr bool have_values(Terms terms) noexcept { return terms != Terms::ones && terms != Terms::of_users; }

struct Ranks {
  static constexpr std::int64_t bytes = sizeof(std::int32_t);

  std::int32_t rank(std::int64_t at) const noexcept { return first[at]; }

  const std::int32_t* first;
};

template <class Column, class Value>
struct RanksAndValues {
  static constexpr std::int64_t bytes = sizeof(StoredEntry<Column, Value>);

  std::int32_t rank(std::int64_t at) const noexcept { return first[at].column; }
  Value value(std::int64_t at) const noexcept { return first[at].value; }

  const StoredEntry<Column, Value>* first;
};

struct NumbersOfBoth {
  static constexpr std::int64_t bytes = sizeof(std::int32_t);

  std::int32_t rank(std::int64_t at) const noexcept { return first[at] >> value_bits; }
  std::int32_t value(std::int64_t at) const noexcept { return first[at] & ((1 << value_bits) - 1); }

  const std::int32_t* first;
  int value_bits;
};

template <Terms terms, class Value>
inline auto user_items(const Interactions<Value>& x) noexcept {
  if constexpr (terms == Terms::of_whole_entries) {
    return NumbersOfBoth{static_cast<const std::int32_t*>(x.entries), x.layout.value_bits};
  } else if constexpr (terms == Terms::of_short_entries) {
    using Entries = RanksAndValues<std::uint16_t, Value>;
    return Entries{static_cast<const StoredEntry<std::uint16_t, Value>*>(x.entries)};
  } else if constexpr (terms == Terms::of_entries) {
    using Entries = RanksAndValues<std::int32_t, Value>;
    return Entries{static_cast<const StoredEntry<std::int32_t, Value>*>(x.entries)};
  } else {
    return Ranks{x.user_items.indices};
  }
}

}  // namespace
}  // namespace fastrec
