// How many bits the rows of two bit matrices have in common.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastrec/kernels.hpp"

#if defined(__AVX2__)
#include "fastrec/simd/common_bits_x86.hpp"
#endif

namespace fastrec {
namespace {

inline std::uint64_t common_bits_of(const std::uint64_t* a, const std::uint64_t* b, std::ptrdiff_t n_words) noexcept {
#if defined(__AVX2__)
  return common_bits_by_nibble(a, b, n_words);
#else
  std::uint64_t count = 0;
  for (std::ptrdiff_t w = 0; w < n_words; ++w) count += static_cast<std::uint64_t>(__builtin_popcountll(a[w] & b[w]));
  return count;
#endif
}

inline bool counts_bits_in_vectors() noexcept {
#if defined(__AVX512F__)
  return __builtin_cpu_supports("avx512vpopcntdq");
#else
  return false;
#endif
}

// Of a word of a pair of rows, where adding to one of many counts costs 1.
inline double cost_of_common_bits() noexcept {
#if defined(__AVX2__)
  return counts_bits_in_vectors() ? 1.0 / 16 : 1.0 / 3;
#else
  return 3.0 / 4;
#endif
}

// counts[i][j] of n words of rows a[i * step] and b[j * step].
inline void common_bits(const std::uint64_t* a, const std::uint64_t* b, std::ptrdiff_t step, std::ptrdiff_t n,
                        std::int32_t (&counts)[bits_together][bits_together]) noexcept {
#if defined(__AVX512F__)
  if (counts_bits_in_vectors()) return common_bits_by_vector(a, b, step, n, counts);
#endif
  for (std::ptrdiff_t i = 0; i < bits_together; ++i) {
    for (std::ptrdiff_t j = 0; j < bits_together; ++j) {
      counts[i][j] = static_cast<std::int32_t>(common_bits_of(a + i * step, b + j * step, n));
    }
  }
}

}  // namespace
}  // namespace fastrec
