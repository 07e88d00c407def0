// Threads: the only file that starts one. A call's threads live for that call, so a forked child never meets a pool
// whose threads did not follow it, and there is nothing to shut down.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace fastrec {

enum class Status { done, interrupted, out_of_memory };

// Asked on the calling thread between two blocks, about every 50 ms; true stops the job.
using Poll = bool (*)();

// Asks no more often than that.
template <class Ask>
class Patient {
 public:
  explicit Patient(const Ask& ask) noexcept : ask_(ask), asked_(Clock::now()) {}
  bool operator()() {
    if (Clock::now() - asked_ < std::chrono::milliseconds(50)) return false;
    const bool answer = ask_();
    asked_ = Clock::now();
    return answer;
  }

 private:
  using Clock = std::chrono::steady_clock;
  const Ask& ask_;
  Clock::time_point asked_;
};

// Who waits for the rows of an answer: polled and, at the same moments, told how many more rows are done; true from
// either stops the job.
struct Progress {
  Poll poll;
  bool (*advance)(void* bar, std::ptrdiff_t n_rows) = nullptr;  // null where nobody looks
  void* bar = nullptr;
};

// How many threads a job of so many elementary operations is worth: one that ends sooner than a thread starts needs
// none.
inline int worthwhile_threads(double operations, int n_threads) noexcept {
  constexpr double operations_a_thread = 200'000;
  return static_cast<int>(std::clamp(operations / operations_a_thread, 1.0, static_cast<double>(n_threads)));
}

// The rows of one block: about 16 blocks a thread, of at most `longest` rows, and of at most most_operations, after
// which Ctrl-C is asked for.
inline std::ptrdiff_t block_length(std::ptrdiff_t n_rows, int n_threads, std::ptrdiff_t longest, double row_operations,
                                   double most_operations = 1e7) noexcept {
  const double even = static_cast<double>(n_rows) / (16.0 * n_threads);
  const double brief = most_operations / std::max(row_operations, 1.0);
  return static_cast<std::ptrdiff_t>(std::clamp(std::min(even, brief), 1.0, static_cast<double>(longest)));
}

// Sends a thread that has just been started to another processor than this one, where Linux may leave it queued behind
// its creator for as long as a short call takes (up to 7 ms were measured). Where it may run stays what it was.
inline void send_elsewhere(std::thread& thread) noexcept {
#if defined(__linux__)
  cpu_set_t allowed, others;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  const int here = sched_getcpu();
  if (here < 0 || here >= CPU_SETSIZE) return;
  others = allowed;
  CPU_CLR(here, &others);
  if (CPU_COUNT(&others) == 0) return;
  pthread_setaffinity_np(thread.native_handle(), sizeof others, &others);
  pthread_setaffinity_np(thread.native_handle(), sizeof allowed, &allowed);
#else
  static_cast<void>(thread);
#endif
}

// Calls body(worker, block) once for every block in [0, n_blocks), each on one of at most n_threads workers (the
// calling thread is worker 0), in no promised order. body must be noexcept and write nothing that another block writes.
// Every thread has ended when this returns; after an interruption some blocks were not visited. A job of many short
// calls hands the same `ask` to all.
template <class Ask, class Body>
Status parallel_for(std::ptrdiff_t n_blocks, int n_threads, Patient<Ask>& ask, const Body& body) {
  std::atomic<std::ptrdiff_t> next{0};
  std::atomic<bool> stop{false};

  const auto take_block = [&](int worker) {
    if (stop.load(std::memory_order_relaxed)) return false;
    const std::ptrdiff_t block = next.fetch_add(1, std::memory_order_relaxed);
    if (block >= n_blocks) return false;
    body(worker, block);
    return true;
  };

  const int n_workers = static_cast<int>(std::clamp<std::ptrdiff_t>(n_blocks, 1, n_threads));
  std::vector<std::thread> threads;
  try {
    threads.reserve(static_cast<std::size_t>(n_workers - 1));
    for (int worker = 1; worker < n_workers; ++worker) {
      threads.emplace_back([&take_block, worker] {
        while (take_block(worker)) {
        }
      });
      send_elsewhere(threads.back());
    }
  } catch (const std::system_error&) {
    // The system gives no more threads: those that run share the blocks, and the answer is the same.
  } catch (const std::bad_alloc&) {
  }

  while (take_block(0)) {
    if (ask()) stop.store(true, std::memory_order_relaxed);
  }
  for (std::thread& thread : threads) thread.join();
  return stop.load(std::memory_order_relaxed) ? Status::interrupted : Status::done;
}

// The same for one call. `poll` is a Poll, or anything else that is called like one.
template <class Ask, class Body>
Status parallel_for(std::ptrdiff_t n_blocks, int n_threads, const Ask& poll, const Body& body) {
  Patient<Ask> ask(poll);
  return parallel_for(n_blocks, n_threads, ask, body);
}

// The same over rows in blocks of `length`: body(worker, first, last).
template <class Ask, class Body>
Status parallel_for_rows(std::ptrdiff_t first, std::ptrdiff_t last, std::ptrdiff_t length, int n_threads,
                         const Ask& poll, const Body& body) {
  const std::ptrdiff_t n_blocks = (last - first + length - 1) / length;
  return parallel_for(n_blocks, n_threads, poll, [&](int worker, std::ptrdiff_t block) {
    const std::ptrdiff_t start = first + block * length;
    body(worker, start, std::min(start + length, last));
  });
}

// The same for rows that somebody waits for.
template <class Body>
Status parallel_for_rows(std::ptrdiff_t first, std::ptrdiff_t last, std::ptrdiff_t length, int n_threads,
                         const Progress& progress, const Body& body) {
  std::atomic<std::ptrdiff_t> n_done{0};
  std::ptrdiff_t n_told = 0;
  const auto tell = [&] {
    const std::ptrdiff_t n_more = n_done.load(std::memory_order_relaxed) - n_told;
    n_told += n_more;
    return progress.advance != nullptr && progress.advance(progress.bar, n_more);
  };
  const auto ask = [&] { return progress.poll() || tell(); };
  const Status status = parallel_for_rows(first, last, length, n_threads, ask,
                                          [&](int worker, std::ptrdiff_t from, std::ptrdiff_t to) noexcept {
                                            body(worker, from, to);
                                            n_done.fetch_add(to - from, std::memory_order_relaxed);
                                          });
  return status == Status::done && tell() ? Status::interrupted : status;
}

// The same for every row of a sparse matrix with these row pointers: body(worker, row).
template <class Body>
Status for_sparse_rows(const std::int64_t* indptr, std::ptrdiff_t n_rows, int n_threads, Poll poll, const Body& body) {
  const double n_stored = static_cast<double>(indptr[n_rows] - indptr[0]);
  n_threads = worthwhile_threads(n_stored, n_threads);
  const double row_operations = n_stored / static_cast<double>(std::max<std::ptrdiff_t>(n_rows, 1));
  return parallel_for_rows(0, n_rows, block_length(n_rows, n_threads, 1 << 14, row_operations), n_threads, poll,
                           [&](int worker, std::ptrdiff_t first, std::ptrdiff_t last) noexcept {
                             for (std::ptrdiff_t row = first; row < last; ++row) body(worker, row);
                           });
}

}  // namespace fastrec
