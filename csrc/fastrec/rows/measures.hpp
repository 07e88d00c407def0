// Similarity measures: each is one formula over what is known of a pair of items.
#pragma once

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

struct Common {  // what a pair has in common
  double sum;
  std::int32_t support;
};

struct Pair {
  double dot;
  double norm_i, norm_j;
};

inline double cosine(const Pair& pair, double shrinkage) noexcept {
  return pair.dot / (pair.norm_i * pair.norm_j + shrinkage);
}

inline double dot(const Pair& pair, double shrinkage) noexcept { return pair.dot / (1.0 + shrinkage); }

template <Measure measure>
inline double similarity(const Pair& pair, double shrinkage) noexcept {
  if constexpr (measure == Measure::dot) return dot(pair, shrinkage);
  if constexpr (measure == Measure::cosine) return cosine(pair, shrinkage);
}

}  // namespace
}  // namespace fastrec
