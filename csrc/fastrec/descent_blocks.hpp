// Drivers of what gradient descent in blocks goes through: the factors that it starts from, filters of what users have,
// blocks of items, and interactions by cell. Definition, in plain Python: fastrec/reference/gradient.py.
#pragma once

#include <cmath>
#include <cstring>
#include <new>
#include <numeric>
#include <vector>

#include "fastrec/kernels.hpp"
#include "fastrec/keyed_words.hpp"
#include "fastrec/parallel.hpp"

namespace fastrec {

// Rows of numbers with mean 0 and a standard deviation, uniform; each row's are keyed by its id.
inline Status uniform_rows(float* out, std::ptrdiff_t n_rows, std::ptrdiff_t stride, const std::int64_t* ids,
                           std::ptrdiff_t n_columns, std::uint64_t key, double deviation, int n_threads, Poll poll) {
  const float unit = static_cast<float>(deviation * std::sqrt(12.0) / 4294967296.0);
  const double row_operations = static_cast<double>(n_columns);
  n_threads = worthwhile_threads(static_cast<double>(n_rows) * row_operations, n_threads);
  const std::ptrdiff_t length = block_length(n_rows, n_threads, 1 << 12, row_operations);
  const auto number = [=](std::uint64_t bits) {
    return unit * static_cast<float>(static_cast<std::int32_t>(static_cast<std::uint32_t>(bits)));
  };
  return parallel_for_rows(0, n_rows, length, n_threads, poll, [&](int, std::ptrdiff_t first, std::ptrdiff_t last) {
    for (std::ptrdiff_t row = first; row < last; ++row) {
      const std::uint64_t place = mixed(key ^ static_cast<std::uint64_t>(ids[row]));
      float* const numbers = out + row * stride;
      for (std::ptrdiff_t column = 0; column < n_columns; column += 2) {
        const std::uint64_t word = mixed(place + static_cast<std::uint64_t>(column / 2));
        numbers[column] = number(word);
        if (column + 1 < n_columns) numbers[column + 1] = number(word >> 32);
      }
    }
  });
}

// Bits that say what a user may have: a word for every four interactions and one more (Putze, Sanders and Singler 2007,
// "Cache-, hash- and space-efficient Bloom filters"). An item's word and its four bits in it come of a product (Knuth
// 1973, section 6.4), as in filter_word of fastrec/_jit/blocks.py, by which kernels look them up.
inline Status fill_filters(const std::int32_t* indices, const std::int64_t* indptr, std::ptrdiff_t n_users,
                           std::uint64_t* filters, int n_threads, Poll poll) {
  return for_sparse_rows(indptr, n_users, n_threads, poll, [=](int, std::ptrdiff_t user) noexcept {
    std::uint64_t* const words = filters + (indptr[user] >> 2) + user;
    const std::uint64_t n_words = static_cast<std::uint64_t>((indptr[user + 1] >> 2) - (indptr[user] >> 2) + 1);
    std::memset(words, 0, n_words * sizeof *words);
    for (std::int64_t at = indptr[user]; at < indptr[user + 1]; ++at) {
      const std::uint64_t product = static_cast<std::uint64_t>(indices[at]) * 0x9E3779B97F4A7C15;
      std::uint64_t& word = words[((product >> 32) * n_words) >> 32];
      for (const int shift : {8, 14, 20, 26}) word |= std::uint64_t{1} << ((product >> shift) & 63);
    }
  });
}

// Draws equal blocks of items for one part of an epoch, and writes which block an item is in. The pool has an item as
// often as times_drawn says, block after block; block b of it begins at pool_starts[b].
inline Status partition_items(const std::int64_t* times_drawn, std::ptrdiff_t n_items, std::uint64_t key,
                              std::int64_t epoch, std::int64_t part, std::uint8_t* block_of, std::int32_t* pool,
                              std::int64_t* pool_starts, std::ptrdiff_t n_blocks) {
  std::vector<std::int64_t> order;
  try {
    order.resize(static_cast<std::size_t>(n_items));
  } catch (const std::bad_alloc&) {
    return Status::out_of_memory;
  }
  std::iota(order.begin(), order.end(), 0);
  shuffle(order.data(), n_items, stream(key, epoch, -1 - part));
  std::int64_t n_filled = 0;
  for (std::ptrdiff_t block = 0, at = 0; block < n_blocks; ++block) {
    pool_starts[block] = n_filled;
    for (; at < (block + 1) * n_items / n_blocks; ++at) {
      const std::int64_t item = order[static_cast<std::size_t>(at)];
      block_of[item] = static_cast<std::uint8_t>(block);
      for (std::int64_t time = 0; time < times_drawn[item]; ++time) pool[n_filled++] = static_cast<std::int32_t>(item);
    }
  }
  pool_starts[n_blocks] = n_filled;
  return Status::done;
}

// How an epoch is cut: a part of it has n_items blocks in block_of, and layers are a power of two.
struct Cells {
  const std::uint8_t* block_of;  // (parts, items)
  std::ptrdiff_t n_parts, n_items, n_blocks, n_layers;
};

// Where interactions are written by cell: the user in the upper half of a word, the item in the lower; and values,
// where there are some.
struct SortedPairs {
  std::uint64_t* pairs;
  float* values;
  std::int64_t* starts;  // (parts * blocks * layers + 1), of each layer of a cell
};

// Gathers the interactions of a block of users by part of the epoch, block of items, layer and user.
inline void sort_into_cells(Rows users, const std::int32_t* indices, const std::int64_t* indptr, const float* values,
                            std::uint64_t key, std::int64_t epoch, const Cells& cells, SortedPairs out) noexcept {
  const std::uint64_t parts = stream(key, epoch, -1);
  const auto layer_of = [&](std::int64_t at) {
    const std::int64_t part =
        cells.n_parts == 1 ? 0 : below(mixed(parts + static_cast<std::uint64_t>(at)), cells.n_parts);
    const std::int64_t cell = part * cells.n_blocks + cells.block_of[part * cells.n_items + indices[at]];
    return cell * cells.n_layers + (at & (cells.n_layers - 1));
  };
  const std::ptrdiff_t n_starts = cells.n_parts * cells.n_blocks * cells.n_layers + 1;
  std::fill_n(out.starts, n_starts, 0);
  for (std::int64_t at = indptr[users.first]; at < indptr[users.last]; ++at) ++out.starts[layer_of(at) + 1];
  out.starts[0] = indptr[users.first];
  std::partial_sum(out.starts, out.starts + n_starts, out.starts);
  for (std::ptrdiff_t user = users.first; user < users.last; ++user) {
    for (std::int64_t at = indptr[user]; at < indptr[user + 1]; ++at) {
      const std::int64_t place = out.starts[layer_of(at)]++;
      out.pairs[place] = (static_cast<std::uint64_t>(user) << 32) | static_cast<std::uint32_t>(indices[at]);
      if (values != nullptr) out.values[place] = values[at];
    }
  }
  // Each start went on to its end, which is the next one's start.
  std::copy_backward(out.starts, out.starts + n_starts - 1, out.starts + n_starts);
  out.starts[0] = indptr[users.first];
}

// The numbers of a cell's stretches in random order, and after them n_empty numbers of stretches that have nothing.
// Answers where the cell's random words begin.
inline std::uint64_t order_stretches(std::int64_t* order, std::ptrdiff_t n_stretches, std::ptrdiff_t n_empty,
                                     std::uint64_t key, std::int64_t epoch, std::int64_t cell) noexcept {
  const std::uint64_t place = stream(key, epoch, cell);
  std::iota(order, order + n_stretches + n_empty, 0);
  shuffle(order, n_stretches, mixed(place));
  return place;
}

}  // namespace fastrec
