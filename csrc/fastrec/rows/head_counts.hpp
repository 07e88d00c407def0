// Row-kernel of item_similarity's head: the most popular items by their users as bits, each pair counted once.
#pragma once

#include <algorithm>

#include "fastrec/kernels.hpp"
#include "fastrec/simd/common_bits.hpp"

namespace fastrec {
namespace {

inline std::ptrdiff_t n_head_blocks(std::ptrdiff_t n_items) noexcept { return n_items / bits_together; }

// Tiles of rows [rows.first, rows.last) against themselves and all later ones; counts are mirrored.
inline void head_counts(Rows rows, Head head, std::uint8_t*, std::int32_t* counts) noexcept {
  for (std::ptrdiff_t i = rows.first * bits_together; i < rows.last * bits_together; i += bits_together) {
    for (std::ptrdiff_t j = i; j < head.n_items; j += bits_together) {
      std::uint64_t tile[bits_together][bits_together];
      common_bits(head.bits + i * head.n_words, head.bits + j * head.n_words, head.n_words, tile);
      for (std::ptrdiff_t r = 0; r < bits_together; ++r) {
        for (std::ptrdiff_t c = 0; c < bits_together; ++c) {
          const std::int32_t count = static_cast<std::int32_t>(tile[r][c]);
          counts[(i + r) * head.n_items + j + c] = counts[(j + c) * head.n_items + i + r] = count;
        }
      }
    }
  }
}

}  // namespace
}  // namespace fastrec
