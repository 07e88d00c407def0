// How many bits the rows of two bit matrices have in common.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastrec/kernels.hpp"

#if defined(__AVX512F__)
#include "fastrec/simd/common_bits_x86.hpp"
#endif

namespace fastrec {
namespace {

// counts[i][j] of rows a[i * n_words] and b[j * n_words].
inline void common_bits_by_word(const std::uint64_t* a, const std::uint64_t* b, std::ptrdiff_t n_words,
                                std::uint64_t (&counts)[bits_together][bits_together]) noexcept {
  for (std::ptrdiff_t i = 0; i < bits_together; ++i) {
    for (std::ptrdiff_t j = 0; j < bits_together; ++j) {
      std::uint64_t count = 0;
      for (std::ptrdiff_t w = 0; w < n_words; ++w) {
        count += static_cast<std::uint64_t>(__builtin_popcountll(a[i * n_words + w] & b[j * n_words + w]));
      }
      counts[i][j] = count;
    }
  }
}

inline bool counts_bits_in_vectors() noexcept {
#if defined(__AVX512F__)
  return __builtin_cpu_supports("avx512vpopcntdq");
#else
  return false;
#endif
}

inline void common_bits(const std::uint64_t* a, const std::uint64_t* b, std::ptrdiff_t n_words,
                        std::uint64_t (&counts)[bits_together][bits_together]) noexcept {
#if defined(__AVX512F__)
  if (counts_bits_in_vectors()) return common_bits_by_vector(a, b, n_words, counts);
#endif
  common_bits_by_word(a, b, n_words, counts);
}

}  // namespace
}  // namespace fastrec
