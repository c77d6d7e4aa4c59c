//===- Batches.h - Batches of windows over prepared data -------*- C++ -*-===//
//
// A part of the data is cut into windows of T tokens, one after the other. Of
// N tokens there are ceil((N - 1) / T) windows, so that each token but the
// first is a target once, and every window has a target.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_RUNTIME_DATA_BATCHES_H
#define GPTC_RUNTIME_DATA_BATCHES_H

#include "gptc/runtime/data/TokenData.h"

namespace gptc {

/// The windows of one part in batches. The order of an epoch is a permutation
/// that the seed and the epoch determine, in which each window comes once; a
/// batch is a function of seed and step alone, so that a run that goes on at
/// step s needs no other state. Immutable, safe to share between threads; the
/// data must outlive it.
class Batches {
public:
  /// `batch` is B, `context` is T, both at least 1 and at most 2^31.
  /// InvalidArgument if the part has less than two tokens.
  static Expected<Batches> create(const TokenData &data, DataPart part,
                                  uint64_t batch, uint64_t context,
                                  uint64_t seed);

  uint64_t batch() const { return batch_; }
  uint64_t context() const { return context_; }
  /// Windows of an epoch.
  uint64_t windows() const { return windows_; }
  /// Batches that see every window at least once.
  uint64_t stepsPerEpoch() const;

  /// The batch of a step, counted from 0: `tokens` [B,T] and, for each, the
  /// token that follows in `targets` [B,T], -1 where there is none. A last
  /// window that is shorter than T goes on with end-of-text (0 if there is
  /// none), without targets. Where an epoch ends within a batch, the next one
  /// begins in it. Corrupt if the data is damaged.
  Status read(uint64_t step, std::span<int32_t> tokens,
              std::span<int32_t> targets) const;

  /// The windows in their own order, for evaluation: `tokens` [T] and
  /// `targets` [T] of window `index`, which must be below windows().
  Status readWindow(uint64_t index, std::span<int32_t> tokens,
                    std::span<int32_t> targets) const;

private:
  Batches() = default;

  const TokenData *data_ = nullptr;
  DataPart part_ = DataPart::Training;
  uint64_t batch_ = 0, context_ = 0, seed_ = 0, windows_ = 0;
};

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_BATCHES_H
