// Asking for what lies far away to be fetched, before it is needed.
#pragma once

#include <cstddef>

namespace fastrec {
namespace {

template <class Value>
inline void ask_for(const Value* values, std::ptrdiff_t n) noexcept {
  constexpr std::ptrdiff_t of_a_line = 64 / sizeof(Value);
  for (std::ptrdiff_t i = 0; i < n; i += of_a_line) __builtin_prefetch(values + i);
}

}  // namespace
}  // namespace fastrec
