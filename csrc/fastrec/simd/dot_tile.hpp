// Integer products of panels of items with queries: the inner kernel of the screen. What differs between instruction
// sets is a vector of bytes and how the products of two of them are summed.
#pragma once

#include "fastrec/kernels.hpp"

#if defined(__x86_64__)
#include "fastrec/simd/bytes_x86.hpp"
#elif defined(__aarch64__)
#include "fastrec/simd/bytes_arm.hpp"
#endif

namespace fastrec {
namespace {

constexpr int panel_vectors = panel_items * step_factors / static_cast<int>(sizeof(Bytes));

// dot_tile of no more queries and panels than registers hold. Not inlined: elsewhere compilers keep less in registers.
template <int n_queries, int n_panels>
__attribute__((noinline)) bool dot_in_registers(const std::uint8_t* panels, std::ptrdiff_t panel_bytes,
                                                const std::int8_t* queries, std::ptrdiff_t query_step,
                                                std::ptrdiff_t n_steps, const std::int32_t* start,
                                                std::ptrdiff_t start_step, std::int32_t* out,
                                                std::ptrdiff_t out_step) noexcept {
  Bytes sums[n_panels][n_queries][panel_vectors];
#pragma GCC unroll 8
  for (int p = 0; p < n_panels; ++p) {
#pragma GCC unroll 8
    for (int q = 0; q < n_queries; ++q) {
#pragma GCC unroll 8
      for (int v = 0; v < panel_vectors; ++v) sums[p][q][v] = broadcast(start[p * start_step + q]);
    }
  }
  for (std::ptrdiff_t step = 0; step < n_steps; ++step) {
    Bytes items[n_panels][panel_vectors];
#pragma GCC unroll 8
    for (int p = 0; p < n_panels; ++p) {
      const std::uint8_t* at = panels + p * panel_bytes + step * panel_items * step_factors;
#pragma GCC unroll 8
      for (int v = 0; v < panel_vectors; ++v) items[p][v] = load_bytes(at + v * static_cast<int>(sizeof(Bytes)));
    }
#pragma GCC unroll 8
    for (int q = 0; q < n_queries; ++q) {
      const Bytes four = four_codes(queries + step * query_step + q * step_factors);
#pragma GCC unroll 8
      for (int p = 0; p < n_panels; ++p) {
#pragma GCC unroll 8
        for (int v = 0; v < panel_vectors; ++v) sums[p][q][v] = add_products(sums[p][q][v], items[p][v], four);
      }
    }
  }
  Bytes signs = sums[0][0][0];
#pragma GCC unroll 8
  for (int p = 0; p < n_panels; ++p) {
#pragma GCC unroll 8
    for (int q = 0; q < n_queries; ++q) {
#pragma GCC unroll 8
      for (int v = 0; v < panel_vectors; ++v) {
        signs = both(signs, sums[p][q][v]);
        store_bytes(out + p * out_step + q * panel_items + v * static_cast<int>(sizeof(Bytes) / sizeof(std::int32_t)),
                    sums[p][q][v]);
      }
    }
  }
  return !all_negative(signs);
}

// out[p][q][i] = start[p][q] + codes of query q times codes of item i of panel p, for n_queries queries and n_panels
// panels, which are start_step and out_step apart; whether one of them is not negative.
template <int n_queries, int n_panels>
inline bool dot_tile(const std::uint8_t* panels, std::ptrdiff_t panel_bytes, const std::int8_t* queries,
                     std::ptrdiff_t n_steps, const std::int32_t* start, std::ptrdiff_t start_step, std::int32_t* out,
                     std::ptrdiff_t out_step) noexcept {
  constexpr int at_once = vectors_at_once / panel_vectors;
  constexpr int q_at_once = n_queries < at_once ? n_queries : at_once;
  constexpr int p_at_once = n_panels < at_once / q_at_once ? n_panels : at_once / q_at_once;
  bool any = false;
  for (int p = 0; p < n_panels; p += p_at_once) {
    for (int q = 0; q < n_queries; q += q_at_once) {
      any |= dot_in_registers<q_at_once, p_at_once>(panels + p * panel_bytes, panel_bytes, queries + q * step_factors,
                                                    n_queries * step_factors, n_steps, start + p * start_step + q,
                                                    start_step, out + p * out_step + q * panel_items, out_step);
    }
  }
  return any;
}

// Which of a panel's products reach `least`, an item a bit.
inline std::uint32_t at_least(const std::int32_t* products, std::int32_t least) noexcept {
  constexpr int lanes = static_cast<int>(sizeof(Bytes) / sizeof(std::int32_t));
  std::uint32_t bits = 0;
  for (int i = 0; i < panel_items; i += lanes) bits |= reaching(load_bytes(products + i), broadcast(least)) << i;
  return bits;
}

// How n_queries queries at a time meet n_panels panels: where the codes of a block of queries lie, and their products.
template <int queries, int panels>
class VectorProducts {
 public:
  static constexpr int n_queries = queries, n_panels = panels;

  explicit VectorProducts(std::ptrdiff_t n_steps) noexcept : n_steps_(n_steps) {}

  // The codes of step_factors factors of query q.
  std::int8_t* at(std::int8_t* codes, std::ptrdiff_t q, std::ptrdiff_t step) const noexcept {
    return codes + ((q / n_queries * n_steps_ + step) * n_queries + q % n_queries) * step_factors;
  }

  // out[p * out_step + t * panel_items + i] = start[t] + the product of query q + t, a multiple of n_queries, with item
  // i of panel p.
  void multiply(const std::uint8_t* items, const std::int8_t* codes, std::ptrdiff_t q, const std::int32_t* start,
                std::int32_t* out, std::ptrdiff_t out_step) const noexcept {
    dot_tile<n_queries, n_panels>(items, panel_bytes(), tile(codes, q), n_steps_, start, 0, out, out_step);
  }

  // found(p, t, bits) for the items of panel p, a bit each, whose product with query q + t reaches
  // least[p * n_queries + t], where there are some.
  template <class Found>
  void find(const std::uint8_t* items, const std::int8_t* codes, std::ptrdiff_t q, const std::int32_t* least,
            const Found& found) const noexcept {
    constexpr int n = n_panels * n_queries;
    alignas(64) std::int32_t above[n * panel_items];
    std::int32_t start[n];
    for (int i = 0; i < n; ++i) start[i] = -least[i];
    if (!dot_tile<n_queries, n_panels>(items, panel_bytes(), tile(codes, q), n_steps_, start, n_queries, above,
                                       n_queries * panel_items)) {
      return;
    }
    for (int i = 0; i < n; ++i) {
      const std::uint32_t bits = at_least(above + i * panel_items, 0);
      if (bits != 0) found(i / n_queries, i % n_queries, bits);
    }
  }

 private:
  std::ptrdiff_t panel_bytes() const noexcept { return n_steps_ * panel_items * step_factors; }
  const std::int8_t* tile(const std::int8_t* codes, std::ptrdiff_t q) const noexcept {
    return codes + q * n_steps_ * step_factors;
  }

  std::ptrdiff_t n_steps_;
};

}  // namespace
}  // namespace fastrec
