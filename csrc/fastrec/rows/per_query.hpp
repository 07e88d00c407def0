// Some queries together: a number for each, and which of them an answer holds for, a bit each.
#pragma once

#include <type_traits>

#include "fastrec/simd/compare.hpp"
#include "fastrec/simd/lanes.hpp"
#include "fastrec/simd/whole.hpp"

namespace fastrec {
namespace {

// One number for each of so many queries.
template <int n>
using PerQuery = std::conditional_t<n == 1, double, Lanes>;

template <int n>
inline PerQuery<n> load_each(const double* from) noexcept {
  if constexpr (n == 1) {
    return *from;
  } else {
    return load(from);
  }
}
template <int n>
inline PerQuery<n> load_each(const float* from) noexcept {
  if constexpr (n == 1) {
    return static_cast<double>(*from);
  } else {
    return widened(from);
  }
}

// The places of the bits of every number of eight.
struct PlacesOfBits {
  typedef std::int8_t Eight __attribute__((vector_size(8)));
  alignas(64) std::int8_t of[256][8] = {};

  constexpr PlacesOfBits() noexcept {
    for (int bits = 0; bits < 256; ++bits) {
      for (int bit = 0, n = 0; bit < 8; ++bit) {
        if (bits >> bit & 1) of[bits][n++] = static_cast<std::int8_t>(bit);
      }
    }
  }
};
constexpr PlacesOfBits places_of_bits;

inline double total(double number) noexcept { return number; }
inline double total(Lanes numbers) noexcept { return sum_of(numbers); }

// Which of them are not negative, one a bit; NaN is.
inline std::uint32_t not_negative(double number) noexcept { return number >= 0.0; }
inline std::uint32_t not_negative(Lanes numbers) noexcept {
  double eight[n_lanes];
  store(eight, numbers);
  std::uint32_t bits = 0;
#pragma GCC unroll 8
  for (int i = 0; i < n_lanes; i += lanes_of<double>) bits |= lanes_reaching(eight + i, 0.0) << i;
  return bits;
}

// Writes the places of bits, the lowest at `first`, and says how many there are; there is room for n.
template <int n>
inline std::ptrdiff_t put_places(std::int32_t* to, std::uint32_t bits, std::int32_t first) noexcept {
  if constexpr (n == 8) {
    PlacesOfBits::Eight places;
    __builtin_memcpy(&places, places_of_bits.of[bits], sizeof places);
    put_whole<n>(to, __builtin_convertvector(places, Whole<n>) + first);
  } else {
    *to = first;
  }
  return __builtin_popcount(bits);
}

}  // namespace
}  // namespace fastrec
