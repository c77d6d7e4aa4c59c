//===- Sampler.h - The next token from logits ------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_SAMPLER_H
#define GPTC_RUNTIME_TEXT_SAMPLER_H

#include "gptc/runtime/base/Error.h"
#include "gptc/runtime/text/Candidates.h"

#include <optional>
#include <vector>

namespace gptc {

/// How the next token is chosen. Each option means what it means in Hugging
/// Face transformers, and they apply in this order: repetition penalty,
/// temperature, top-k, top-p.
struct SamplingOptions {
  /// Logits are divided by it; 0 is greedy: the most likely token, without
  /// top-k and top-p. Finite, not negative.
  float temperature = 0;
  /// Only tokens whose logit is not below the k-th largest; 0: all.
  uint32_t topK = 0;
  /// Only the fewest most likely tokens whose probabilities sum to at least
  /// this, at least one; of equally likely ones, the lower id first. 0 to 1.
  float topP = 1;
  /// Logits of tokens of the history are divided by it where positive and
  /// multiplied where negative (N. S. Keskar et al., "CTRL", 2019, section
  /// 4.1). Finite, positive; 1: none.
  float repetitionPenalty = 1;
  /// Equal seeds draw equal tokens from equal logits, on every machine.
  uint64_t seed = 0;
};

/// InvalidArgument with a sentence that names the option out of range.
Status validate(const SamplingOptions &options);

/// Chooses tokens one after the other; each draw advances the random numbers.
/// Allocates in its constructor alone. Not for several threads at once.
class Sampler {
public:
  /// `options` must be valid, `vocabulary` is from 1 to 2^24.
  Sampler(const SamplingOptions &options, size_t vocabulary);

  /// The id of the next token. `logits` are [vocabulary], `history` is what
  /// the repetition penalty looks at (ids outside of the vocabulary are
  /// ignored). NaN counts as -inf. Where equal logits are the largest, greedy
  /// takes the lowest id; where no logit is above -inf, the result is 0.
  int32_t sample(std::span<const float> logits,
                 std::span<const int32_t> history);

  /// How many candidates decide at most which token follows the history, unless
  /// logits are equal; nothing where it takes all logits.
  std::optional<size_t> candidatesFor(std::span<const int32_t> history);
  /// What sample() of all logits would return, where the candidates decide it;
  /// else nothing, as if it had not been called. They do not where not all are
  /// finite, which the logits then show.
  std::optional<int32_t> sample(const Candidates &candidates,
                                std::span<const int32_t> history);

  /// With more candidates none is looked at.
  static constexpr size_t mostCandidates = 256;

private:
  bool penalizes() const { return options_.repetitionPenalty != 1; }
  /// Calls `visit` with each token of the history that the vocabulary has,
  /// once.
  template <typename Visit>
  void forEachSeen(std::span<const int32_t> history, Visit visit);
  float penalized(float score) const;
  float thresholdOfTopK(std::span<const float> scores);
  int32_t draw(std::span<const float> scores, std::span<const uint32_t> ids,
               float largest);
  void keepTopP(std::span<uint64_t> weights, uint64_t total);

  SamplingOptions options_;
  uint64_t random_;
  /// Logits after the penalty, [vocabulary].
  std::vector<float> scores_;
  /// Of each token that may be drawn, ids upwards: relative probability in
  /// units of 2^-40 of the largest, and, where top-k chose them, id and score,
  /// [vocabulary].
  std::vector<uint64_t> weights_;
  std::vector<uint32_t> ids_;
  std::vector<float> kept_;
  /// The largest scores, [k], and candidates being selected from, [vocabulary].
  std::vector<float> values_;
  std::vector<uint32_t> order_;
  /// Whether the history has the token; all zero between calls, [vocabulary].
  std::vector<uint8_t> seen_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_SAMPLER_H
