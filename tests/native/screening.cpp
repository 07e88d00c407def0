// Compares the screened ranking with the one by all exact scores, on factors that leave the screen little room. Exit
// status 0 when they agree. tests/test_screening.py also compiles it with bounds that are too small.

#include <cstdio>
#include <random>
#include <vector>

#include "fastrec/item_index.hpp"
#include "fastrec/rows/exact_scores.hpp"
#include "fastrec/rows/pack_items.hpp"
#include "fastrec/rows/screen.hpp"

namespace fastrec {
namespace {

// What an index needs of a table; the whole of it would take most of the compiler's time.
const Kernels kernels_under_test = [] {
  Kernels table{};
  static_cast<ExactKernels<float>&>(table) = ExactKernels<float>{item_norms<float>, rank_exactly<float>};
  static_cast<ScreenKernels<float>&>(table) =
      ScreenKernels<float>{assign_centres<float>, pack_panels<float>, screen_block<float>, screen_single<float>};
  return table;
}();

}  // namespace
}  // namespace fastrec

namespace {

using fastrec::ItemIndex;
using fastrec::Metric;
using fastrec::Pattern;
using fastrec::Status;
using fastrec::Strided;
using fastrec::TopKRows;

struct Answer {
  std::vector<std::int32_t> items;
  std::vector<float> scores;
  std::ptrdiff_t k;

  Answer(std::ptrdiff_t n_rows, std::ptrdiff_t k)
      : items(static_cast<std::size_t>(n_rows * k)), scores(static_cast<std::size_t>(n_rows * k)), k(k) {}
  TopKRows<float> rows() { return {items.data(), scores.data(), k}; }
};

bool never() { return false; }

int differences(unsigned seed, std::ptrdiff_t n_factors, std::ptrdiff_t k, bool decaying, float mean, Metric metric,
                std::ptrdiff_t n_centres) {
  constexpr std::ptrdiff_t n_queries = 64, n_items = 6000, few = 16;  // too few for an index without packed items
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(mean);
  std::vector<float> queries(static_cast<std::size_t>(n_queries * n_factors));
  std::vector<float> items(static_cast<std::size_t>(n_items * n_factors));
  for (float& x : queries) x = normal(random);
  for (std::ptrdiff_t i = 0; i < n_items; ++i) {
    const float size = decaying ? 1.0f / static_cast<float>(1 + i % 100) : 1.0f;
    for (std::ptrdiff_t j = 0; j < n_factors; ++j)
      items[static_cast<std::size_t>(i * n_factors + j)] = size * normal(random);
  }
  const Strided<float> q{queries.data(), n_queries, n_factors, n_factors, 1};
  const Strided<float> v{items.data(), n_items, n_factors, n_factors, 1};

  Answer screened(n_queries, k), exact(n_queries, k);
  ItemIndex<float> packed, plain;
  Status status = packed.refer(fastrec::kernels_under_test, v, metric, 1, never);
  if (status == Status::done) status = packed.pack(fastrec::kernels_under_test, 1, never, n_centres);
  if (status == Status::done) status = plain.refer(fastrec::kernels_under_test, v, metric, 1, never);
  packed.top_k(fastrec::kernels_under_test, q, Pattern{}, Pattern{}, screened.rows(), 1, {never});
  for (std::ptrdiff_t first = 0; first < n_queries; first += few) {
    const Strided<float> part{queries.data() + first * n_factors, few, n_factors, n_factors, 1};
    plain.top_k(fastrec::kernels_under_test, part, Pattern{}, Pattern{},
                {exact.items.data() + first * k, exact.scores.data() + first * k, k}, 1, {never});
  }
  if (status != Status::done) return 1000000;
  int n_different = 0;
  for (std::size_t i = 0; i < exact.items.size(); ++i) {
    n_different += exact.items[i] != screened.items[i] || exact.scores[i] != screened.scores[i];
  }
  return n_different;
}

// How many entries differ in the first case where any does.
int first_differences() {
  for (unsigned seed = 0; seed < 8; ++seed) {
    for (std::ptrdiff_t n_factors : {3, 8, 24, 64}) {
      for (std::ptrdiff_t k : {1, 20}) {
        for (Metric metric : {Metric::inner_product, Metric::cosine, Metric::euclidean}) {
          for (bool decaying : {false, true}) {
            for (std::ptrdiff_t n_centres : {0, 30}) {
              if (const int n = differences(seed, n_factors, k, decaying, 0.0f, metric, n_centres)) return n;
            }
          }
          if (n_factors < 64) continue;  // with 64 come the largest sums
          if (const int n = differences(seed, n_factors, k, false, 3.0f, metric, 0)) return n;
        }
      }
    }
  }
  return 0;
}

}  // namespace

int main() {
  const int n = first_differences();
  std::printf("%d entries differ\n", n);
  return n != 0;
}
