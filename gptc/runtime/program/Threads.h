//===- Threads.h - The threads that run kernels ----------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_THREADS_H
#define GPTC_RUNTIME_PROGRAM_THREADS_H

#include "gptc/runtime/base/Error.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace gptc {

/// Lets a fixed number of threads wait for each other again and again. A
/// thread spins for some microseconds, then sleeps, so that a busy machine
/// loses little.
class Barrier {
public:
  explicit Barrier(unsigned threads) : threads_(threads) {}

  /// Returns when all threads have arrived. What each wrote before is visible
  /// to all after.
  void arrive();

private:
  const unsigned threads_;
  alignas(64) std::atomic<uint32_t> waiting_ = 0;
  alignas(64) std::atomic<uint32_t> phase_ = 0;
};

/// A fixed set of threads that run the same function at the same time. One
/// run at a time; run() allocates nothing.
class ThreadTeam {
public:
  /// `threads` includes the caller of run(); 0 stands for one for each CPU
  /// that this process may use.
  static Expected<std::unique_ptr<ThreadTeam>> create(unsigned threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam &) = delete;
  ThreadTeam &operator=(const ThreadTeam &) = delete;

  unsigned size() const { return unsigned(workers_.size()) + 1; }

  /// Calls work(thread) on every thread, the caller being thread 0, and
  /// returns when all calls have.
  template <typename Work> void run(Work &&work) {
    runErased(
        [](void *context, unsigned thread) {
          (*static_cast<std::remove_reference_t<Work> *>(context))(thread);
        },
        &work);
  }

  /// Calls work(i) for each i below `count`, on whichever thread is free.
  template <typename Work> void forEach(uint64_t count, Work &&work) {
    std::atomic<uint64_t> next = 0;
    run([&](unsigned) {
      for (uint64_t i; (i = next.fetch_add(1)) < count;)
        work(i);
    });
  }

private:
  using Function = void (*)(void *context, unsigned thread);
  ThreadTeam() = default;
  void runErased(Function function, void *context);
  void work(unsigned thread);

  std::vector<std::thread> workers_;
  Function function_ = nullptr;
  void *context_ = nullptr;
  bool stopping_ = false;
  alignas(64) std::atomic<uint32_t> round_ = 0;
  alignas(64) std::atomic<uint32_t> running_ = 0;
};

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_THREADS_H
