//===- StepSizes.cpp ------------------------------------------------------===//

#include "gptc/runtime/training/StepSizes.h"

#include <algorithm>

namespace gptc {

namespace {

uint64_t times(uint64_t a, uint64_t b) {
  uint64_t product;
  return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

uint64_t plus(uint64_t a, uint64_t b) {
  uint64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

} // namespace

uint64_t StepSizes::tokensBefore() const {
  return times(before_, tokensPerBatch_);
}

uint64_t StepSizes::batches() const {
  if (tokensBefore() >= growth_.overTokens)
    return most_;
  double whole = double(most_) * double(tokensPerBatch_);
  double first = std::min(double(growth_.firstTokens), whole);
  double share = double(tokensBefore()) / double(growth_.overTokens);
  double tokens = first + (whole - first) * share;
  return std::clamp<uint64_t>(uint64_t(tokens / double(tokensPerBatch_)), 1,
                              most_);
}

uint64_t StepSizes::alike() const {
  uint64_t now = batches();
  if (now == most_)
    return UINT64_MAX;
  double whole = double(most_) * double(tokensPerBatch_);
  double first = std::min(double(growth_.firstTokens), whole);
  // Where the next batch comes, but for a step, which rounding may move it by.
  double next = (double(now + 1) * double(tokensPerBatch_) - first) /
                (whole - first) * double(growth_.overTokens);
  double left = (next - double(tokensBefore())) /
                    (double(now) * double(tokensPerBatch_)) -
                1;
  return left < 1 ? 1 : uint64_t(std::min(left, 1e18));
}

void StepSizes::advance(uint64_t steps) {
  while (steps > 0) {
    uint64_t some = std::min(steps, alike());
    before_ = plus(before_, times(some, batches()));
    steps -= some;
  }
}

uint64_t StepSizes::stepsWithin(uint64_t tokens) const {
  StepSizes at = *this;
  uint64_t end = plus(tokensBefore(), tokens), count = 0;
  while (at.tokensBefore() < end) {
    uint64_t left =
        (end - at.tokensBefore()) / times(at.batches(), tokensPerBatch_);
    uint64_t some = std::min(left, at.alike());
    if (some == 0)
      break;
    count += some;
    at.advance(some);
  }
  return count;
}

} // namespace gptc
