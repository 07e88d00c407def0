// Entries of a sparse matrix, by place: columns, and values where each is another.
#pragma once

#include <cstdint>
#include <type_traits>

#include "fastrec/kernels.hpp"
#include "fastrec/rows/ask_for.hpp"

namespace fastrec {
namespace {

struct Columns {
  std::int32_t column(std::int64_t at) const noexcept { return first[at]; }
  __attribute__((always_inline)) void ask_for(std::int64_t at, std::int64_t n) const noexcept {
    fastrec::ask_for(first + at, n);
  }

  const std::int32_t* first;
};

template <class Value>
struct ColumnsBesideValues {
  explicit ColumnsBesideValues(const Csr<Value>& x) noexcept : first(x.indices), values(x.data) {}
  std::int32_t column(std::int64_t at) const noexcept { return first[at]; }
  Value value(std::int64_t at) const noexcept { return values[at]; }
  __attribute__((always_inline)) void ask_for(std::int64_t at, std::int64_t n) const noexcept {
    fastrec::ask_for(first + at, n);
    fastrec::ask_for(values + at, n);
  }

  const std::int32_t* first;
  const Value* values;
};

template <class Column, class Value>
struct ColumnsWithValues {
  std::int32_t column(std::int64_t at) const noexcept { return first[at].column; }
  Value value(std::int64_t at) const noexcept { return first[at].value; }
  __attribute__((always_inline)) void ask_for(std::int64_t at, std::int64_t n) const noexcept {
    fastrec::ask_for(first + at, n);
  }

  const StoredEntry<Column, Value>* first;
};

// Calls use(items) of entries in a layout, and returns what that does.
template <class Value, class Use>
inline auto with_entries(const void* entries, EntryLayout layout, const Use& use) {
  const auto with_values = [&](auto value) {
    const auto with_columns = [&](auto column) {
      using Stored = StoredEntry<decltype(column), decltype(value)>;
      return use(ColumnsWithValues<decltype(column), decltype(value)>{static_cast<const Stored*>(entries)});
    };
    return layout.short_columns ? with_columns(std::uint16_t{}) : with_columns(std::int32_t{});
  };
  if constexpr (std::is_integral_v<Value>) {
    if (layout.short_values) return with_values(std::uint16_t{});
  }
  return with_values(Value{});
}

}  // namespace
}  // namespace fastrec
