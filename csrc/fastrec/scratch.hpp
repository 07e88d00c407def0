// Working memory of a driver: one 64-byte aligned array for each worker, allocated before any thread starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "fastrec/kernels.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace fastrec {

// Factors with their zero-padding, as the row-kernels lay them out.
inline std::ptrdiff_t padded_width(std::ptrdiff_t n_factors) noexcept {
  return (n_factors + n_lanes - 1) / n_lanes * n_lanes;
}

enum class Fill { zeros, nothing };

template <class T>
class Scratch {
 public:
  // Holds `length` values for each of `n_workers`; false in a condition when there is no memory for them.
  Scratch(int n_workers, std::ptrdiff_t length, Fill fill = Fill::zeros)
      : stride_((static_cast<std::size_t>(length) * sizeof(T) + 63) / 64 * 64) {
    const std::size_t workers = static_cast<std::size_t>(n_workers);
    if (static_cast<std::size_t>(length) > std::numeric_limits<std::size_t>::max() / 2 / sizeof(T) / workers) return;
    const std::size_t bytes = stride_ * workers + 64;
    base_ = static_cast<char*>(::operator new(bytes, std::align_val_t{64}, std::nothrow));
    if (base_ != nullptr && fill == Fill::zeros) std::memset(base_, 0, bytes);
  }
  Scratch() = default;
  ~Scratch() { ::operator delete(base_, std::align_val_t{64}); }
  Scratch(Scratch&& other) noexcept : stride_(other.stride_), base_(std::exchange(other.base_, nullptr)) {}
  Scratch& operator=(Scratch&& other) noexcept {
    std::swap(stride_, other.stride_);
    std::swap(base_, other.base_);
    return *this;
  }

  // Asks for large pages, for what will be written all over: without them every 4 KiB wait for the system once. Of one
  // worker's array, before it is used.
  void in_large_pages() const noexcept {
#if defined(__linux__)
    constexpr std::uintptr_t page = 1 << 16;  // no system has larger ones as its smallest
    const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(base_);
    const std::uintptr_t first = (begin + page - 1) / page * page, last = (begin + stride_) / page * page;
    if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
  }

  explicit operator bool() const noexcept { return base_ != nullptr; }
  T* operator[](int worker) const noexcept {
    return reinterpret_cast<T*>(base_ + stride_ * static_cast<std::size_t>(worker));
  }

 private:
  std::size_t stride_ = 0;
  char* base_ = nullptr;
};

// Working memory that is zero when row-kernels get it, and when they leave it. That of one worker, where it is small,
// stays with its thread for the next call: to clear it takes longer than a short call.
template <class T>
class Zeros {
 public:
  Zeros(int n_workers, std::ptrdiff_t length) : stays_(n_workers == 1 && length <= most_kept) {
    if (!stays_) {
      own_ = Scratch<T>(n_workers, length);
    } else if (Kept& kept = of_thread(); kept.length < length || !kept.scratch) {
      kept = {Scratch<T>(1, length), length};
    }
  }

  explicit operator bool() const noexcept { return static_cast<bool>(array()); }
  T* operator[](int worker) const noexcept { return array()[worker]; }

 private:
  static constexpr std::ptrdiff_t most_kept = (1 << 20) / sizeof(T);

  struct Kept {
    Scratch<T> scratch;
    std::ptrdiff_t length = -1;
  };

  static Kept& of_thread() noexcept {
    static thread_local Kept kept;
    return kept;
  }

  const Scratch<T>& array() const noexcept { return stays_ ? of_thread().scratch : own_; }

  bool stays_;
  Scratch<T> own_;
};

}  // namespace fastrec
