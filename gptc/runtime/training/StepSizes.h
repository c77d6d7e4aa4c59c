//===- StepSizes.h - How many batches each step has ------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TRAINING_STEPSIZES_H
#define GPTC_RUNTIME_TRAINING_STEPSIZES_H

#include <cstdint>

namespace gptc {

/// Steps that begin small and grow with the tokens that were seen, linearly,
/// until they are whole. Source: Brown et al., 2020, appendix B.
struct BatchGrowth {
  uint64_t firstTokens = 0; ///< Of the first step, about.
  uint64_t overTokens = 0; ///< Seen before steps are whole; 0: they always are.

  bool operator==(const BatchGrowth &) const = default;
};

/// The sizes of steps, one after the other: a function of the growth, of the
/// batches of a whole step and of the tokens of a batch. A step has at least
/// one batch.
class StepSizes {
public:
  StepSizes() = default;
  StepSizes(BatchGrowth growth, uint64_t most, uint64_t tokensPerBatch)
      : growth_(growth), most_(most),
        tokensPerBatch_(tokensPerBatch > 0 ? tokensPerBatch : 1) {}

  /// Batches of the present step, and of all before it.
  uint64_t batches() const;
  uint64_t batchesBefore() const { return before_; }
  uint64_t tokensBefore() const;
  uint64_t most() const { return most_; }
  uint64_t tokensPerBatch() const { return tokensPerBatch_; }
  /// Goes on by some steps, of one size at a time however many they are.
  void advance(uint64_t steps = 1);
  /// Steps from here on that see no more than that many tokens together.
  uint64_t stepsWithin(uint64_t tokens) const;

private:
  /// Steps from here on that have as many batches, or fewer; at least 1.
  uint64_t alike() const;

  BatchGrowth growth_;
  uint64_t most_ = 1;
  uint64_t tokensPerBatch_ = 1;
  uint64_t before_ = 0;
};

} // namespace gptc

#endif // GPTC_RUNTIME_TRAINING_STEPSIZES_H
