//===- BpeTokenizer.h - What both kinds share ------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_BPETOKENIZER_H
#define GPTC_RUNTIME_TEXT_BPETOKENIZER_H

#include "gptc/runtime/text/TokenizerDefinition.h"

namespace gptc {

/// Added tokens, ids and their texts. The kinds bring their texts and how they
/// encode.
class BpeTokenizer : public Tokenizer {
public:
  Expected<std::string> decode(std::span<const int32_t> ids) const final;
  Expected<TokenText> textOf(int32_t id) const final;
  uint64_t vocabularySize() const final { return texts_.size(); }
  std::optional<int32_t> endOfText() const final {
    return definition_.endOfText;
  }

protected:
  explicit BpeTokenizer(TokenizerDefinition definition);

  /// Gives an id its texts. They are copied.
  void setText(int32_t id, std::string_view followed, std::string_view last);

  TokenizerDefinition definition_;
  /// Those to look for in the text as it is.
  AddedTokens added_;

private:
  struct Text {
    uint64_t followed = 0, last = 0;
    uint32_t followedLength = 0, lastLength = 0;
    bool known = false;
  };
  uint64_t store(std::string_view text);

  std::string pool_;
  std::vector<Text> texts_;
};

std::shared_ptr<const Tokenizer>
makeGpt1Tokenizer(TokenizerDefinition definition);
std::shared_ptr<const Tokenizer>
makeGpt2Tokenizer(TokenizerDefinition definition);

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_BPETOKENIZER_H
