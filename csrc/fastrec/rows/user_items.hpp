// Items of users, by place: their ranks, and the values where each is another.
#pragma once

#include <cstdint>
#include <type_traits>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

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

// Calls use(entries), RanksAndValues, and returns what that does.
template <class Value, class Use>
inline auto with_entries(const Interactions<Value>& x, const Use& use) {
  const auto with_values = [&](auto value) {
    const auto with_columns = [&](auto column) {
      using Entries = RanksAndValues<decltype(column), decltype(value)>;
      return use(Entries{static_cast<const StoredEntry<decltype(column), decltype(value)>*>(x.entries)});
    };
    return x.layout.short_columns ? with_columns(std::uint16_t{}) : with_columns(std::int32_t{});
  };
  if constexpr (std::is_integral_v<Value>) {
    if (x.layout.short_values) return with_values(std::uint16_t{});
  }
  return with_values(Value{});
}

}  // namespace
}  // namespace fastrec
