//===- TokenizerDefinition.h - What the files say --------------*- C++ -*-===//
//
// Reads the files of a tokenizer (vocab.json, merges.txt, tokenizer.json and
// the small configuration files) into one form that both kinds are made from.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_RUNTIME_TEXT_TOKENIZERDEFINITION_H
#define GPTC_RUNTIME_TEXT_TOKENIZERDEFINITION_H

#include "gptc/runtime/text/AddedTokens.h"
#include "gptc/runtime/text/BytePairMerges.h"
#include "gptc/runtime/text/Tokenizer.h"
#include "gptc/runtime/text/Vocabulary.h"

namespace gptc {

enum class TokenizerKind { Gpt1, Gpt2 };

/// The end of a word in GPT-1's vocabulary.
inline constexpr std::string_view wordEnd = "</w>";

struct TokenizerDefinition {
  TokenizerKind kind = TokenizerKind::Gpt2;
  /// The model's tokens, without those that only `added` has.
  Vocabulary vocabulary;
  BytePairMerges merges{0};
  /// All added and special tokens that have an id.
  std::vector<AddedToken> added;
  /// For what the vocabulary lacks, if there is one.
  std::optional<int32_t> unknown;
  std::optional<int32_t> endOfText;
  /// GPT-2: whether a stretch of text that does not begin with a space gets
  /// one.
  bool addPrefixSpace = false;
};

/// Fails as Tokenizer::create does.
Expected<TokenizerDefinition> readDefinition(const TokenizerFiles &files);

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_TOKENIZERDEFINITION_H
