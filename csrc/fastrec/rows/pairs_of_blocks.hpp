// Pairs of blocks of a head's items, row by row from the diagonal on: what kernels share whose blocks meet each other.
#pragma once

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

constexpr std::ptrdiff_t block_items = 256;

struct PairOfBlocks {
  std::ptrdiff_t row, column;
};

inline std::ptrdiff_t n_blocks_of(std::ptrdiff_t n_items) noexcept { return (n_items + block_items - 1) / block_items; }

inline std::ptrdiff_t n_pairs_of_blocks(std::ptrdiff_t n_items) noexcept {
  const std::ptrdiff_t n = n_blocks_of(n_items);
  return n * (n + 1) / 2;
}

inline PairOfBlocks pair_of_blocks(std::ptrdiff_t pair, std::ptrdiff_t n_items) noexcept {
  const std::ptrdiff_t n = n_blocks_of(n_items);
  std::ptrdiff_t row = 0;
  for (; pair >= n - row; ++row) pair -= n - row;
  return {row, row + pair};
}

}  // namespace
}  // namespace fastrec
