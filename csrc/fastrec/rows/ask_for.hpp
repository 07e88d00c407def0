// Asking for what lies far away to be fetched, before it is needed.
#pragma once

#include <cstddef>

namespace fastrec {
namespace {

// For n values. GCC 12 takes a function that only asks for memory for one that does nothing, and leaves out a call of
// it.
template <class Value>
__attribute__((always_inline)) inline void ask_for(const Value* values, std::ptrdiff_t n) noexcept {
  constexpr std::ptrdiff_t line = 64;
  const std::ptrdiff_t lines = (n * static_cast<std::ptrdiff_t>(sizeof(Value)) + line - 1) / line;
  for (std::ptrdiff_t i = 0; i < lines; ++i) __builtin_prefetch(reinterpret_cast<const char*>(values) + i * line);
}

}  // namespace
}  // namespace fastrec
