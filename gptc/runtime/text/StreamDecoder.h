//===- StreamDecoder.h - Text from a stream of token ids -------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_STREAMDECODER_H
#define GPTC_RUNTIME_TEXT_STREAMDECODER_H

#include "gptc/runtime/text/Tokenizer.h"

namespace gptc {

/// Decodes ids one after the other. What push() and finish() return, put
/// together, is what Tokenizer::decode gives for all ids at once; no returned
/// piece ends within a UTF-8 character (bytes that cannot become one are
/// returned as they are). One stream; not for several threads at once. The
/// tokenizer must outlive it.
class StreamDecoder {
public:
  explicit StreamDecoder(const Tokenizer &tokenizer) : tokenizer_(&tokenizer) {}

  /// The text that is certain and complete with this id, maybe empty. Fails
  /// with InvalidArgument, and changes nothing, if the id is not in the
  /// vocabulary.
  Expected<std::string> push(int32_t id);

  /// What was held back. The decoder is as new afterwards.
  std::string finish();

private:
  const Tokenizer *tokenizer_;
  /// What the last token adds if another one follows, and if none does, beyond
  /// what was given out.
  std::string_view ifFollowed_, ifLast_;
  /// The beginning of a character.
  std::string incomplete_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_STREAMDECODER_H
