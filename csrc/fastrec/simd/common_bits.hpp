// How many bits the rows of two bit matrices have in common, or what these weigh.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastrec/kernels.hpp"

#if defined(__AVX512F__)
#include "fastrec/simd/common_bits_x86.hpp"
#endif

namespace fastrec {
namespace {

inline bool counts_bits_in_vectors() noexcept {
#if defined(__AVX512F__)
  return __builtin_cpu_supports("avx512vpopcntdq");
#else
  return false;
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
      counts[i][j] = 0;
      for (std::ptrdiff_t w = 0; w < n; ++w) counts[i][j] += __builtin_popcountll(a[i * step + w] & b[j * step + w]);
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
