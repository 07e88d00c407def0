// Exercises csrc/fastrec/parallel.hpp; built and run under the thread sanitizer by test_native.py.
//   -DBREAK  every block adds to one number without a lock: a race that the sanitizer must report
//   -DFEW    the system refuses to start more than two threads (not under the sanitizer, which replaces pthread_create)
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <thread>
#include <vector>

#include "fastrec/parallel.hpp"

#if defined(FEW)
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

static std::atomic<int> threads_left{2};

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                              void* argument) {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  if (threads_left.fetch_sub(1) <= 0) return EAGAIN;
  return reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"))(thread, attributes, run, argument);
}
#endif

namespace {

using fastrec::Status;

std::atomic<long> n_polls{0};

bool never() {
  ++n_polls;
  return false;
}

bool at_once() {
  ++n_polls;
  return true;
}

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

long unprotected = 0;

// Every block once, by a worker that exists, into places of its own; what workers wrote is seen by the caller.
void every_block_once(std::ptrdiff_t n_blocks, int n_threads) {
  std::vector<int> visits(static_cast<std::size_t>(n_blocks));
  std::vector<long> of_worker(static_cast<std::size_t>(n_threads) * 16);
  const Status status =
      fastrec::parallel_for(n_blocks, n_threads, never, [&](int worker, std::ptrdiff_t block) noexcept {
        ++visits[static_cast<std::size_t>(block)];
        of_worker[static_cast<std::size_t>(worker) * 16] += block;
#if defined(BREAK)
        ++unprotected;
#endif
      });
  check(status == Status::done, "done");
  for (int visit : visits) check(visit == 1, "every block is visited once");
  const long total = std::accumulate(of_worker.begin(), of_worker.end(), 0L);
  check(total == n_blocks * (n_blocks - 1) / 2, "what the workers summed");
}

void rows_are_covered(std::ptrdiff_t first, std::ptrdiff_t last, std::ptrdiff_t length, int n_threads) {
  std::vector<int> visits(static_cast<std::size_t>(last) + 1);
  fastrec::parallel_for_rows(first, last, length, n_threads, never,
                             [&](int, std::ptrdiff_t from, std::ptrdiff_t to) noexcept {
                               for (std::ptrdiff_t row = from; row < to; ++row) ++visits[static_cast<std::size_t>(row)];
                             });
  for (std::ptrdiff_t row = 0; row <= last; ++row) {
    check(visits[static_cast<std::size_t>(row)] == (first <= row && row < last), "rows are covered once");
  }
}

// Told of every row in the end, of no row twice, and of nothing once it wants to stop.
std::ptrdiff_t n_told = 0;

bool count(void* bar, std::ptrdiff_t n_rows) {
  n_told += n_rows;
  return bar != nullptr;
}

void rows_are_told(std::ptrdiff_t n_rows, int n_threads) {
  std::vector<int> visits(static_cast<std::size_t>(n_rows));
  const auto visit = [&](int, std::ptrdiff_t from, std::ptrdiff_t to) noexcept {
    for (std::ptrdiff_t row = from; row < to; ++row) ++visits[static_cast<std::size_t>(row)];
  };
  n_told = 0;
  check(fastrec::parallel_for_rows(5, 5 + n_rows, 7, n_threads, fastrec::Progress{never, count, nullptr},
                                   [&](int worker, std::ptrdiff_t from, std::ptrdiff_t to) noexcept {
                                     visit(worker, from - 5, to - 5);
                                   }) == Status::done,
        "done");
  check(n_told == n_rows, "told of every row");
  check(fastrec::parallel_for_rows(0, n_rows, 7, n_threads, fastrec::Progress{never}, visit) == Status::done,
        "nobody looks");
  for (int times : visits) check(times == 2, "rows are covered once");
}

void stops_when_told(int n_threads) {
  n_told = 0;
  const Status status = fastrec::parallel_for_rows(
      0, 1'000'000, 1, n_threads, fastrec::Progress{never, count, &n_told},
      [](int, std::ptrdiff_t, std::ptrdiff_t) noexcept { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
  check(status == Status::interrupted, "interrupted by who was told");
  check(n_told > 0 && n_told < 1'000'000, "told of some rows");
}

void stops_early(int n_threads) {
  std::vector<int> visits(1'000'000);
  const Status status = fastrec::parallel_for(1'000'000, n_threads, at_once, [&](int, std::ptrdiff_t block) noexcept {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    visits[static_cast<std::size_t>(block)] = 1;
  });
  check(status == Status::interrupted, "interrupted");
  const int n_visited = std::accumulate(visits.begin(), visits.end(), 0);  // a race, if a thread were left
  check(n_visited > 0 && n_visited < 1'000'000, "some blocks were visited");
}

// Calls from several threads at once, each with calls inside of its blocks.
void nested() {
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([] {
      std::vector<long> sums(40);
      fastrec::parallel_for(40, 3, never, [&](int, std::ptrdiff_t block) noexcept {
        std::atomic<long> sum{0};
        fastrec::parallel_for(25, 2, never, [&](int, std::ptrdiff_t inner) noexcept { sum += inner; });
        sums[static_cast<std::size_t>(block)] = sum;
      });
      for (long sum : sums) check(sum == 300, "what nested calls summed");
    });
  }
  for (std::thread& caller : callers) caller.join();
}

void sizes() {
  check(fastrec::worthwhile_threads(0, 8) == 1, "nothing to do is worth one thread");
  check(fastrec::worthwhile_threads(1e18, 8) == 8, "no more threads than asked for");
  check(fastrec::worthwhile_threads(1e18, 1) == 1, "one thread");
  for (std::ptrdiff_t n_rows : {0, 1, 7, 1000, 1'000'000}) {
    for (int n_threads : {1, 3, 1024}) {
      for (double row_operations : {0.0, 1.0, 1e6, 1e300}) {
        const std::ptrdiff_t length = fastrec::block_length(n_rows, n_threads, 64, row_operations);
        check(length >= 1 && length <= 64, "length of a block");
        check(length == 1 || static_cast<double>(length) * row_operations <= 1e7, "a block is short");
      }
    }
  }
}

}  // namespace

int main() {
  for (int n_threads : {1, 2, 3, 8}) {
    for (std::ptrdiff_t n_blocks : {0, 1, 2, 7, 20'000}) every_block_once(n_blocks, n_threads);
    for (std::ptrdiff_t length : {1, 3, 1000}) {
      rows_are_covered(0, 100, length, n_threads);
      rows_are_covered(17, 101, length, n_threads);
      rows_are_covered(5, 5, length, n_threads);
    }
    for (std::ptrdiff_t n_rows : {0, 1, 1000}) rows_are_told(n_rows, n_threads);
    stops_when_told(n_threads);
    n_polls = 0;
    stops_early(n_threads);
    check(n_polls == 1, "asked once, and stopped");
  }
#if defined(FEW)
  check(threads_left < 0, "threads were refused");
#else
  nested();  // starts threads itself
#endif
  sizes();
  std::puts("all checks hold");
  return 0;
}
