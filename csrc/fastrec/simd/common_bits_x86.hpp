// The same for processors that count the bits of a vector, which not all with AVX-512 do.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

__attribute__((target("avx512vpopcntdq"), noinline)) void common_bits_by_vector(
    const std::uint64_t* a, const std::uint64_t* b, std::ptrdiff_t n_words,
    std::uint64_t (&counts)[bits_together][bits_together]) noexcept {
  __m512i sums[bits_together][bits_together] = {};
  for (std::ptrdiff_t w = 0; w < n_words; w += head_words) {
    __m512i right[bits_together];
#pragma GCC unroll 4
    for (int j = 0; j < bits_together; ++j) right[j] = _mm512_loadu_si512(b + j * n_words + w);
#pragma GCC unroll 4
    for (int i = 0; i < bits_together; ++i) {
      const __m512i left = _mm512_loadu_si512(a + i * n_words + w);
#pragma GCC unroll 4
      for (int j = 0; j < bits_together; ++j) {
        sums[i][j] = _mm512_add_epi64(sums[i][j], _mm512_popcnt_epi64(_mm512_and_si512(left, right[j])));
      }
    }
  }
  for (int i = 0; i < bits_together; ++i) {
    for (int j = 0; j < bits_together; ++j)
      counts[i][j] = static_cast<std::uint64_t>(_mm512_reduce_add_epi64(sums[i][j]));
  }
}

}  // namespace
}  // namespace fastrec
