// Ids in the order of keys that drivers have for them.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "fastrec/scratch.hpp"

namespace fastrec {

// Writes ids[0] to ids[n], of descending keys, none of them negative, to one part in two million, in linear time: three
// passes over 11 bits each of the upper half of the keys.
template <class KeyOf>
bool sort_by_keys(const std::int32_t* ids, std::ptrdiff_t n, const KeyOf& key_of, std::int32_t* sorted) {
  constexpr int bits = 11, n_passes = 3;
  constexpr std::uint32_t n_buckets = 1u << bits;
  struct Keyed {
    std::uint32_t key;
    std::int32_t id;
  };
  const Scratch<Keyed> keyed(2, n, Fill::nothing);
  const Scratch<std::int32_t> starts(n_passes, n_buckets);
  if (!keyed || !starts) return false;
  const auto bucket = [](std::uint32_t key, int pass) { return key >> pass * bits & (n_buckets - 1); };
  Keyed *from = keyed[0], *to = keyed[1];
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    const double number = key_of(i);
    std::uint64_t whole;
    std::memcpy(&whole, &number, sizeof whole);
    from[i] = {~static_cast<std::uint32_t>(whole >> 31), ids[i]};
    for (int pass = 0; pass < n_passes; ++pass) ++starts[pass][bucket(from[i].key, pass)];
  }
  for (int pass = 0; pass < n_passes; ++pass) {
    std::int32_t* start = starts[pass];
    std::int32_t sum = 0;
    for (std::uint32_t b = 0; b < n_buckets; ++b) sum += std::exchange(start[b], sum);
    for (std::ptrdiff_t i = 0; i < n; ++i) to[start[bucket(from[i].key, pass)]++] = from[i];
    std::swap(from, to);
  }
  for (std::ptrdiff_t i = 0; i < n; ++i) sorted[i] = from[i].id;
  return true;
}

}  // namespace fastrec
