//===- Batches.cpp --------------------------------------------------------===//

#include "gptc/runtime/data/Batches.h"

#include "gptc/runtime/data/Permutation.h"

#include <algorithm>

namespace gptc {

Expected<Batches> Batches::create(const TokenData &data, DataPart part,
                                  uint64_t batch, uint64_t context,
                                  uint64_t seed) {
  constexpr uint64_t most = uint64_t(1) << 31;
  if (batch == 0 || context == 0 || batch > most || context > most)
    return failure(ErrorCode::InvalidArgument,
                   "batches of {} windows of {} tokens are asked for; both "
                   "must be from 1 to {}",
                   batch, context, most);
  uint64_t tokens = data.tokens(part);
  if (tokens < 2)
    return failure(ErrorCode::InvalidArgument,
                   "the {} part of '{}' has {} tokens, at least 2 are needed; "
                   "prepare more text, or another share with --validation",
                   toString(part), data.folder(), tokens);
  Batches batches;
  batches.data_ = &data;
  batches.part_ = part;
  batches.batch_ = batch;
  batches.context_ = context;
  batches.seed_ = seed;
  batches.windows_ = (tokens - 2) / context + 1;
  return batches;
}

uint64_t Batches::stepsPerEpoch() const { return (windows_ - 1) / batch_ + 1; }

Status Batches::readWindow(uint64_t index, std::span<int32_t> tokens,
                           std::span<int32_t> targets) const {
  uint64_t first = index * context_;
  uint64_t left = data_->tokens(part_) - first;
  auto known = size_t(std::min(left, context_));
  auto followed = size_t(std::min(left - 1, context_));
  GPTC_CHECK(data_->read(part_, first, tokens.first(known)));
  std::fill(tokens.begin() + std::ptrdiff_t(known), tokens.end(),
            data_->endOfText().value_or(0));
  GPTC_CHECK(data_->read(part_, first + 1, targets.first(followed)));
  std::fill(targets.begin() + std::ptrdiff_t(followed), targets.end(), -1);
  return {};
}

Status Batches::read(uint64_t step, std::span<int32_t> tokens,
                     std::span<int32_t> targets) const {
  if (tokens.size() != batch_ * context_ || targets.size() != tokens.size())
    return failure(ErrorCode::InvalidArgument,
                   "a batch of {} windows of {} tokens is read into {} and {} "
                   "values",
                   batch_, context_, tokens.size(), targets.size());
  // Steps may be any number; their windows are counted beyond 64 bits.
  auto first = static_cast<unsigned __int128>(step) * batch_;
  for (uint64_t b = 0; b < batch_; ++b) {
    auto epoch = uint64_t((first + b) / windows_);
    auto place = uint64_t((first + b) % windows_);
    Permutation order(windows_, mixBits(seed_) ^ epoch);
    GPTC_CHECK(readWindow(order(place), tokens.subspan(b * context_, context_),
                          targets.subspan(b * context_, context_)));
  }
  return {};
}

} // namespace gptc
