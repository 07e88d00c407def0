// Similarity measures: each is one formula over what is known of a pair of items.
#pragma once

#include <cmath>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

struct Pair {
  double dot;
  double sum_of_squares_i, sum_of_squares_j;
};

// Two square roots and not the root of the product, which could overflow.
inline double cosine(const Pair& pair, double shrinkage) noexcept {
  return pair.dot / (std::sqrt(pair.sum_of_squares_i) * std::sqrt(pair.sum_of_squares_j) + shrinkage);
}

inline double dot(const Pair& pair, double shrinkage) noexcept { return pair.dot / (1.0 + shrinkage); }

inline double similarity(Measure measure, const Pair& pair, double shrinkage) noexcept {
  switch (measure) {
    case Measure::dot: return dot(pair, shrinkage);
    case Measure::cosine: return cosine(pair, shrinkage);
  }
  return 0.0;
}

}  // namespace
}  // namespace fastrec
