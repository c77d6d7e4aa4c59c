//===- Benchmark.h - Timing entry points -----------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_SESSION_BENCHMARK_H
#define GPTC_RUNTIME_SESSION_BENCHMARK_H

#include "gptc/runtime/program/Executable.h"
#include "gptc/runtime/program/Roof.h"

namespace gptc {

/// Work of an entry or a kernel in one run, and how long it took. Flops and
/// bytes are useful ones: of a cache, only what the position lets be seen.
struct MeasuredWork {
  double seconds = 0;
  double flops = 0;
  double bytes = 0;
  /// Of the roof's two lines, the larger share reached.
  double shareOfRoof = 0;
};

struct MeasuredKernel {
  std::string name;
  std::string family;
  /// oneDNN's name of what computes its product; empty for generated code.
  std::string library;
  size_t dispatches = 0;
  MeasuredWork work;
};

struct MeasuredEntry {
  std::string name;
  uint64_t tokens = 0;   ///< B times T, 0 where the entry takes no tokens.
  uint64_t position = 0; ///< Tokens in the cache before the run.
  uint64_t repeats = 0;
  MeasuredWork work; ///< The median run.
  /// By time, longest first; the mean of runs in which every dispatch is
  /// timed.
  std::vector<MeasuredKernel> kernels;
};

struct BenchmarkOptions {
  /// Runs to take the median of; 0: at least 5, and as many as fit a second.
  uint64_t repeats = 0;
  /// Tokens in the cache; by default none for prefill and half of the context
  /// for decode. Entries without a cache have none.
  std::optional<uint64_t> position;
};

/// The tokens in the cache before an entry runs. Fails when its own do not fit
/// after them.
Expected<uint64_t> benchmarkPosition(const Artifact &artifact, uint32_t entry,
                                     const BenchmarkOptions &options);

/// Times an entry that the program has, on random valid arguments, after a run
/// that warms up. Fails as benchmarkPosition does. Shares of the roof are left
/// to rate().
Expected<MeasuredEntry> benchmark(Executable &program, uint32_t entry,
                                  const BenchmarkOptions &options);

/// Operations per second that a roof allows a program's products: of narrow
/// numbers where it multiplies such and the machine has instructions for them.
double peakOfProducts(const Executable &program, const Roof &roof);

/// Sets the shares of the roof of an entry of the program and of its kernels.
void rate(MeasuredEntry &entry, const Executable &program, const Roof &roof);

} // namespace gptc

#endif // GPTC_RUNTIME_SESSION_BENCHMARK_H
