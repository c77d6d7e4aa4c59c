//===- Candidates.h - The most likely tokens -------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_CANDIDATES_H
#define GPTC_RUNTIME_TEXT_CANDIDATES_H

#include <cstdint>
#include <span>

namespace gptc {

/// The largest of a token's logits as a backend chooses them: the largest
/// first, and of equal ones the lowest id; whatever is no finite number comes
/// before all others. All other logits of the vocabulary are numbers of at most
/// the last one here. Two spans of one length, of memory of somebody else.
struct Candidates {
  std::span<const float> logits;
  std::span<const int32_t> ids;
};

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_CANDIDATES_H
