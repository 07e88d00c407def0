// Random words that belong to a place, not to an order: number n of a place is mixed(place + n).
// Their definition in plain Python: fastrec/reference/gradient.py. Numba kernels have it too: fastrec/_jit/blocks.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace fastrec {

// A bijection of 64-bit words in which every bit depends on every bit (splitmix64: Steele et al. 2014).
inline std::uint64_t mixed(std::uint64_t x) noexcept {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// Where the words of a place in an epoch begin.
inline std::uint64_t stream(std::uint64_t key, std::int64_t epoch, std::int64_t place) noexcept {
  return mixed(mixed(mixed(key) ^ static_cast<std::uint64_t>(epoch)) ^ static_cast<std::uint64_t>(place));
}

// A number in [0, n) by the lower half of a word.
inline std::int64_t below(std::uint64_t word, std::int64_t n) noexcept {
  return static_cast<std::int64_t>(((word & 0xFFFFFFFF) * static_cast<std::uint64_t>(n)) >> 32);
}

// Puts n numbers into random order (Fisher and Yates).
inline void shuffle(std::int64_t* numbers, std::ptrdiff_t n, std::uint64_t place) noexcept {
  for (std::ptrdiff_t at = 0; at < n - 1; ++at) {
    std::swap(numbers[at], numbers[at + below(mixed(place + static_cast<std::uint64_t>(at)), n - at)]);
  }
}

}  // namespace fastrec
