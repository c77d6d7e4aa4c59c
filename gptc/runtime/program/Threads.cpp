//===- Threads.cpp --------------------------------------------------------===//

#include "gptc/runtime/program/Threads.h"

#include <sched.h>
#include <system_error>

namespace gptc {

namespace {

/// Rounds of spinning, some 20 to 50 microseconds, before a thread sleeps.
constexpr int spins = 1000;

void waitWhile(const std::atomic<uint32_t> &value, uint32_t old) {
  for (int i = 0; i < spins; ++i) {
    if (value.load(std::memory_order_acquire) != old)
      return;
    __builtin_ia32_pause();
  }
  while (value.load(std::memory_order_acquire) == old)
    value.wait(old, std::memory_order_acquire);
}

unsigned usableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
    return unsigned(CPU_COUNT(&set));
  return std::max(1U, std::thread::hardware_concurrency());
}

} // namespace

void Barrier::arrive() {
  if (threads_ == 1)
    return;
  uint32_t phase = phase_.load(std::memory_order_relaxed);
  if (waiting_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
    waiting_.store(0, std::memory_order_relaxed);
    phase_.fetch_add(1, std::memory_order_release);
    phase_.notify_all();
    return;
  }
  waitWhile(phase_, phase);
}

Expected<std::unique_ptr<ThreadTeam>> ThreadTeam::create(unsigned threads) {
  constexpr unsigned most = 1024;
  if (threads > most)
    return failure(ErrorCode::InvalidArgument,
                   "{} threads are asked for; at most {} are possible", threads,
                   most);
  if (threads == 0)
    threads = std::min(most, usableCpus());
  std::unique_ptr<ThreadTeam> team(new ThreadTeam());
  team->workers_.reserve(threads - 1);
  for (unsigned i = 1; i < threads; ++i) {
    try {
      team->workers_.emplace_back([raw = team.get(), i] { raw->work(i); });
    } catch (const std::system_error &error) {
      return failure(ErrorCode::OutOfMemory,
                     "cannot start thread {} of {}: {}; ask for fewer with "
                     "--threads",
                     i + 1, threads, error.what());
    }
  }
  return team;
}

ThreadTeam::~ThreadTeam() {
  stopping_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread &worker : workers_)
    worker.join();
}

void ThreadTeam::runErased(Function function, void *context) {
  if (workers_.empty())
    return function(context, 0);
  function_ = function;
  context_ = context;
  running_.store(uint32_t(workers_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  function(context, 0);
  for (uint32_t left; (left = running_.load(std::memory_order_acquire)) != 0;)
    waitWhile(running_, left);
}

void ThreadTeam::work(unsigned thread) {
  // Workers start before the first round.
  for (uint32_t round = 0;; ++round) {
    waitWhile(round_, round);
    if (stopping_)
      return;
    function_(context_, thread);
    running_.fetch_sub(1, std::memory_order_release);
    running_.notify_all();
  }
}

} // namespace gptc
