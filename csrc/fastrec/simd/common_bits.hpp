// How many bits the rows of two bit matrices have in common, or what these weigh.
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

inline bool weighs_bits_in_vectors() noexcept {
#if defined(__AVX512F__)
  return counts_bits_in_vectors() && __builtin_cpu_supports("avx512ifma");
#else
  return false;
#endif
}

// As cost_of_common_bits.
inline double cost_of_common_weights() noexcept { return weighs_bits_in_vectors() ? 1.0 / 12 : 1.1; }

// sums[i][j] of n words of rows a[i * step] and b[j * step]: the weight of a word for each common bit. What all bits
// weigh is below 2^63, and 64 of the largest weight below 2^52.
inline void common_weights(const std::uint64_t* a, const std::uint64_t* b, const std::uint64_t* weights,
                           std::ptrdiff_t step, std::ptrdiff_t n,
                           float (&sums)[bits_together][bits_together]) noexcept {
#if defined(__AVX512F__)
  if (weighs_bits_in_vectors()) return common_weights_by_vector(a, b, weights, step, n, sums);
#endif
  for (std::ptrdiff_t i = 0; i < bits_together; ++i) {
    for (std::ptrdiff_t j = 0; j < bits_together; ++j) {
      std::uint64_t sum = 0;
      for (std::ptrdiff_t w = 0; w < n; ++w) {
        sum += weights[w] * static_cast<std::uint64_t>(__builtin_popcountll(a[i * step + w] & b[j * step + w]));
      }
      sums[i][j] = static_cast<float>(sum);
    }
  }
}

}  // namespace
}  // namespace fastrec
