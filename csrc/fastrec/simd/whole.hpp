// A few whole numbers as one value: compilers take loops over so few apart, number by number.
#pragma once

#include <cstdint>

namespace fastrec {
namespace {

template <int n>
struct WholeNumbers {
  typedef std::int32_t Vector __attribute__((vector_size(n * sizeof(std::int32_t))));
};
template <int n>
using Whole = typename WholeNumbers<n>::Vector;

template <int n>
inline Whole<n> whole_at(const std::int32_t* from) noexcept {
  Whole<n> numbers;
  __builtin_memcpy(&numbers, from, sizeof numbers);
  return numbers;
}

template <int n>
inline void put_whole(std::int32_t* to, Whole<n> numbers) noexcept {
  __builtin_memcpy(to, &numbers, sizeof numbers);
}

}  // namespace
}  // namespace fastrec
