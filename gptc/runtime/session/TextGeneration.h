//===- TextGeneration.h - From prompts to text -----------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_SESSION_TEXTGENERATION_H
#define GPTC_RUNTIME_SESSION_TEXTGENERATION_H

#include "gptc/runtime/session/Session.h"
#include "gptc/runtime/text/Sampler.h"
#include "gptc/runtime/text/Tokenizer.h"

#include <functional>

namespace gptc {

struct GenerationOptions {
  uint64_t maxTokens = 128;
  SamplingOptions sampling; ///< Sequence i draws with seed + i.
  std::vector<std::string> stop;
  bool ignoreEnd = false; ///< Go on past end-of-text.
};

/// Why a sequence ended.
enum class Finish { MaxTokens, EndOfText, StopText, Context };
const char *toString(Finish finish);

struct Generated {
  std::vector<int32_t> ids; ///< New tokens only.
  std::string text;         ///< Of them; empty without a tokenizer.
  Finish finish = Finish::MaxTokens;
};

struct GenerationTimes {
  double promptSeconds = 0;
  double decodeSeconds = 0;
  uint64_t promptTokens = 0;
  uint64_t tokens = 0;
};

/// Receives what one sequence has more of: an id, and the text that is certain
/// with it (it may be empty; the last call of a sequence has id -1).
using OnGenerated =
    std::function<void(uint32_t sequence, int32_t id, std::string_view text)>;

/// The tokenizer among an artifact's files; null if it carries none.
Expected<std::shared_ptr<const Tokenizer>>
tokenizerOf(const Artifact &artifact);

/// Continues at most B prompts, each of at least one token, side by side from
/// a reset session, until each has as many tokens as the context; a prompt of
/// that many gets one more. `tokenizer` may be null: then there are ids alone,
/// and no stop texts.
Expected<std::vector<Generated>>
generate(Session &session, const Tokenizer *tokenizer,
         std::span<const std::vector<int32_t>> prompts,
         const GenerationOptions &options, const OnGenerated &onGenerated = {},
         GenerationTimes *times = nullptr);

} // namespace gptc

#endif // GPTC_RUNTIME_SESSION_TEXTGENERATION_H
