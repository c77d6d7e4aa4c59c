//===- Tokenizer.h - Text to token ids and back ----------------*- C++ -*-===//
//
// GPT-2's byte-level byte pair encoding and GPT-1's byte pair encoding over
// BERT's clean-up, with the ids that Hugging Face transformers gives.
//
// Sources: R. Sennrich et al., "Neural Machine Translation of Rare Words with
// Subword Units", 2016 (the merging); A. Radford et al., "Language Models are
// Unsupervised Multitask Learners", 2019, section 2.2 (the bytes).
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_RUNTIME_TEXT_TOKENIZER_H
#define GPTC_RUNTIME_TEXT_TOKENIZER_H

#include "gptc/runtime/base/Error.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gptc {

/// The contents of the files that a tokenizer may be made of, by name:
/// "vocab.json", "merges.txt", "tokenizer.json", "config.json",
/// "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json".
/// Either tokenizer.json or both of vocab.json and merges.txt are needed.
using TokenizerFiles = std::map<std::string, std::string>;

/// Reads whichever of those files exist in a folder. None at all is not an
/// error here; a file that exists and cannot be read is.
Expected<TokenizerFiles> readTokenizerFiles(const std::string &folder);

/// What a token stands for in a text. The views live as long as the tokenizer.
struct TokenText {
  /// Its bytes where another token follows.
  std::string_view followed;
  /// Its bytes at the end of a text. Differs from `followed` for GPT-1, whose
  /// word ends are spaces between words, none after the last.
  std::string_view last;
};

/// Immutable, hence usable from many threads at once.
class Tokenizer {
public:
  /// The kind is GPT-1 where config.json's model_type is openai-gpt, GPT-2 for
  /// any other model_type; without a config.json it is GPT-1 if the vocabulary
  /// has a token that ends with `</w>`. Fails with Corrupt on malformed files,
  /// with NotFound if files are missing and with Unsupported where
  /// tokenizer.json asks for something that neither kind does.
  static Expected<std::shared_ptr<const Tokenizer>>
  create(const TokenizerFiles &files);
  virtual ~Tokenizer();

  /// The ids of a text of any bytes. Special tokens in the text are
  /// recognized, nothing is put before or after. GPT-2: decode gives the same
  /// bytes back, also where they are not valid UTF-8 (if the vocabulary has
  /// all 256 bytes; one that it lacks is left out unless there is an unknown
  /// token). GPT-1: invalid bytes are left out, as control characters are.
  virtual std::vector<int32_t> encode(std::string_view text) const = 0;

  /// The bytes that the ids stand for. Fails with InvalidArgument, naming the
  /// id, if one is not in the vocabulary.
  virtual Expected<std::string> decode(std::span<const int32_t> ids) const = 0;

  /// What one id stands for; fails like decode.
  virtual Expected<TokenText> textOf(int32_t id) const = 0;

  /// The largest id + 1.
  virtual uint64_t vocabularySize() const = 0;

  /// The id that ends a text, if the tokenizer has one: eos_token of the
  /// configuration files, else `<|endoftext|>` where the vocabulary has it.
  virtual std::optional<int32_t> endOfText() const = 0;
};

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_TOKENIZER_H
