// Row-kernel of SLIM: the elastic net of each item on all others, by coordinate descent on their products
// (Friedman, Hastie and Tibshirani 2010, section 2.2), a few coordinates at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "fastrec/kernels.hpp"

namespace fastrec {
namespace {

constexpr std::ptrdiff_t first_together = 32;

// Adds a multiple of an item's products.
template <class Value>
inline void add_products(const ItemProducts<Value>& products, std::ptrdiff_t item, double scale,
                         double* sums) noexcept {
  if (products.full[item] >= 0) {
    const Value* const row = products.rows + products.full[item] * products.n_items;
    for (std::ptrdiff_t other = 0; other < products.n_items; ++other) {
      sums[other] += scale * static_cast<double>(row[other]);
    }
    return;
  }
  for (std::int64_t at = products.indptr[item]; at < products.indptr[item + 1]; ++at) {
    sums[products.indices[at]] += scale * static_cast<double>(products.data[at]);
  }
}

// Copies an item's products with n others, each of which is at its place.
template <class Value>
inline void copy_products(const ItemProducts<Value>& products, std::ptrdiff_t item, const std::int32_t* others,
                          std::ptrdiff_t n, const std::int32_t* places, double* out) noexcept {
  if (products.full[item] >= 0) {
    const Value* const row = products.rows + products.full[item] * products.n_items;
    for (std::ptrdiff_t place = 0; place < n; ++place) out[place] = static_cast<double>(row[others[place]]);
    return;
  }
  std::fill(out, out + n, 0.0);
  for (std::int64_t at = products.indptr[item]; at < products.indptr[item + 1]; ++at) {
    const std::int32_t place = places[products.indices[at]];
    if (place >= 0) out[place] = static_cast<double>(products.data[at]);
  }
}

// How far a coordinate is from its condition of optimality; `slope` is that of the squared error, downhill.
inline double missed(double slope, double weight, const ElasticNet& net) noexcept {
  if (weight != 0.0) return std::abs(slope - net.l2 * weight - (weight > 0.0 ? net.l1 : -net.l1));
  return (net.positive ? slope : std::abs(slope)) - net.l1;
}

// Where one coordinate's objective is least, the others held: soft thresholding.
inline double best_weight(double slope, double curvature, const ElasticNet& net) noexcept {
  if (slope > net.l1) return (slope - net.l1) / curvature;
  if (slope < -net.l1 && !net.positive) return (slope + net.l1) / curvature;
  return 0.0;
}

// Sweeps over n coordinates until no step of a sweep mattered; says how many sweeps it took.
inline std::int64_t descend(const double* products, double* slopes, double* weights, std::ptrdiff_t n,
                            const ElasticNet& net, double limit, std::int64_t most_sweeps) noexcept {
  for (std::int64_t sweep = 1; sweep <= most_sweeps; ++sweep) {
    double worst = 0.0;
    for (std::ptrdiff_t at = 0; at < n; ++at) {
      const double* const row = products + at * most_together;
      const double curvature = row[at] + net.l2;
      const double step = best_weight(slopes[at] + row[at] * weights[at], curvature, net) - weights[at];
      if (step == 0.0) continue;
      worst = std::max(worst, std::abs(step) * curvature);
      weights[at] += step;
      for (std::ptrdiff_t other = 0; other < n; ++other) slopes[other] -= step * row[other];
    }
    if (worst <= limit) return sweep;
  }
  return most_sweeps;
}

// Lets up to `room` items join the n members: those with the largest gains, to a factor of two. Says how many there
// are.
inline std::ptrdiff_t join(double* gains, std::ptrdiff_t n_items, std::ptrdiff_t room, std::int32_t* places,
                           std::int32_t* members, std::ptrdiff_t n) noexcept {
  for (std::ptrdiff_t at = 0; at < n; ++at) gains[members[at]] = 0.0;
  double least = 2.0 * *std::max_element(gains, gains + n_items);
  for (std::ptrdiff_t n_found = 0, n_more = 1; n_found < room && n_more > 0;) {
    least /= 2.0;
    n_found = std::count_if(gains, gains + n_items, [=](double gain) { return gain >= least; });
    n_more = std::count_if(gains, gains + n_items, [=](double gain) { return 0.0 < gain && gain < least; });
  }
  for (std::ptrdiff_t item = 0; item < n_items && room > 0; ++item) {
    if (!(gains[item] > 0.0 && gains[item] >= least)) continue;
    places[item] = static_cast<std::int32_t>(n);
    members[n++] = static_cast<std::int32_t>(item);
    --room;
  }
  return n;
}

// Finds the weights of all items for one; whether they became as good as asked.
template <class Value>
inline bool solve_item(std::ptrdiff_t item, const ItemProducts<Value>& products, const ElasticNet& net,
                       const ElasticNetScratch& scratch) noexcept {
  const std::ptrdiff_t n_items = products.n_items, most = std::min(most_together, n_items);
  double *const slopes = scratch.slopes, *const weights = scratch.weights, *const gains = scratch.gains;
  std::int32_t *const places = scratch.places, *const members = scratch.members;
  std::fill(slopes, slopes + n_items, 0.0);
  std::fill(weights, weights + n_items, 0.0);
  std::fill(places, places + n_items, -1);
  add_products(products, item, 1.0, slopes);
  slopes[item] = 0.0;
  double largest = 0.0;
  for (std::ptrdiff_t other = 0; other < n_items; ++other) largest = std::max(largest, std::abs(slopes[other]));
  const double limit = net.tol * largest;
  std::ptrdiff_t n = 0;
  for (std::int64_t n_sweeps = 0;;) {
    double worst = 0.0;
    std::ptrdiff_t n_weights = 0;
    slopes[item] = 0.0;
    for (std::ptrdiff_t other = 0; other < n_items; ++other) {
      const double by = missed(slopes[other], weights[other], net);
      worst = std::max(worst, by);
      n_weights += weights[other] != 0.0;
      gains[other] = by > limit ? by / (net.squares[other] + net.l2) * by : 0.0;
    }
    if (worst <= limit) return true;
    if (n_sweeps >= net.n_epochs) return false;
    if (n == most) {
      std::fill(places, places + n_items, -1);
      n = 0;
    }
    const std::ptrdiff_t before = n;
    n = join(gains, n_items, std::min(most - n, std::max(first_together, n_weights)), places, members, n);
    for (std::ptrdiff_t at = before; at < n; ++at) {
      double* const row = scratch.products + at * most_together;
      copy_products(products, members[at], members, n, places, row);
      for (std::ptrdiff_t other = 0; other < before; ++other) scratch.products[other * most_together + at] = row[other];
    }
    for (std::ptrdiff_t at = 0; at < n; ++at) {
      scratch.slopes_of_members[at] = slopes[members[at]];
      scratch.found[at] = weights[members[at]];
    }
    n_sweeps += descend(scratch.products, scratch.slopes_of_members, scratch.found, n, net, limit / 2.0,
                        net.n_epochs - n_sweeps);
    for (std::ptrdiff_t at = 0; at < n; ++at) {
      const double step = scratch.found[at] - weights[members[at]];
      if (step == 0.0) continue;
      weights[members[at]] = scratch.found[at];
      add_products(products, members[at], -step, slopes);
    }
  }
}

// A row of `out` for each item of `items`, which begins with the first of them; says how many n_epochs ended.
template <class Value>
std::int64_t elastic_nets(Rows items, ItemProducts<Value> products, ElasticNet net, ElasticNetScratch scratch,
                          Value* out) noexcept {
  std::int64_t n_unsolved = 0;
  for (std::ptrdiff_t item = items.first; item < items.last; ++item) {
    n_unsolved += !solve_item(item, products, net, scratch);
    Value* const row = out + (item - items.first) * products.n_items;
    for (std::ptrdiff_t other = 0; other < products.n_items; ++other) {
      row[other] = static_cast<Value>(scratch.weights[other]);
    }
  }
  return n_unsolved;
}

}  // namespace
}  // namespace fastrec
