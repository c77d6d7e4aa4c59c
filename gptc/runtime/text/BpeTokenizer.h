//===- BpeTokenizer.h - What both kinds share ------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_BPETOKENIZER_H
#define GPTC_RUNTIME_TEXT_BPETOKENIZER_H

#include "gptc/runtime/text/TokenizerDefinition.h"
#include "gptc/runtime/text/WordCache.h"

namespace gptc {

/// Added tokens, ids and their texts. The kinds bring their texts and how they
/// encode what lies between added tokens.
class BpeTokenizer : public Tokenizer {
public:
  std::vector<int32_t> encode(std::string_view text) const final;
  Expected<std::string> decode(std::span<const int32_t> ids) const final;
  Expected<TokenText> textOf(int32_t id) const final;
  uint64_t vocabularySize() const final { return texts_.size(); }
  std::optional<int32_t> endOfText() const final {
    return definition_.endOfText;
  }

protected:
  /// `normalize` is what the kind does to a text before it looks for added
  /// tokens that are normalized too; null leaves texts as they are.
  BpeTokenizer(TokenizerDefinition definition,
               std::string (*normalize)(std::string_view));

  /// Appends the ids of a normalized text without added tokens.
  virtual void encodeStretch(std::string_view text, std::vector<int32_t> &ids,
                             WordCache &cache) const = 0;

  /// Gives an id its texts. They are copied.
  void setText(int32_t id, std::string_view followed, std::string_view last);

  TokenizerDefinition definition_;

private:
  struct Text {
    uint64_t followed = 0, last = 0;
    uint32_t followedLength = 0, lastLength = 0;
    bool known = false;
  };
  uint64_t store(std::string_view text);

  std::string (*normalize_)(std::string_view);
  /// Those to look for in the text as it is, and in the normalized one.
  AddedTokens added_, normalized_;
  std::string pool_;
  std::vector<Text> texts_;
};

std::shared_ptr<const Tokenizer>
makeGpt1Tokenizer(TokenizerDefinition definition);
std::shared_ptr<const Tokenizer>
makeGpt2Tokenizer(TokenizerDefinition definition);

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_BPETOKENIZER_H
