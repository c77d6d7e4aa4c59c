//===- MemoryAdvice.h - What of a program would fit ------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_MEMORYADVICE_H
#define GPTC_RUNTIME_PROGRAM_MEMORYADVICE_H

#include "gptc/runtime/program/ChosenPrograms.h"

namespace gptc {

/// What the programs of a target that are loaded need, in bytes.
struct MemoryNeed {
  uint64_t weights = 0;   ///< Parameters.
  uint64_t optimizer = 0; ///< State of an optimizer.
  uint64_t caches = 0;    ///< Caches and counters.
  /// What grows with what is computed at once: activations, and arguments and
  /// results where they take memory of their own.
  uint64_t activations = 0;
  /// What was compiled: sequences side by side, tokens of each, whether
  /// products are of a type of 16 bits.
  uint64_t batch = 1, context = 1;
  bool isNarrow = false;

  static MemoryNeed of(const Artifact &artifact,
                       const artifact::TargetT &target,
                       const ChosenPrograms &chosen, uint64_t parameters);
  uint64_t variables() const { return weights + optimizer + caches; }
  uint64_t bytes() const { return variables() + activations; }
};

/// What to compile with so that it fits into `available` bytes, each of them
/// enough alone: "--batch 3, --context 512 or --dtype bf16". Estimated: caches
/// and activations grow as the batch does, caches as the context, and so do the
/// activations of training. Where nothing is enough, a sentence about that.
std::string whatWouldFit(const MemoryNeed &need, uint64_t available);

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_MEMORYADVICE_H
