//===- TokenizerDigest.cpp ------------------------------------------------===//

#include "gptc/runtime/data/TokenizerDigest.h"

namespace gptc {

Sha256::Digest tokenizerDigest(const Tokenizer &tokenizer) {
  Sha256 hash;
  auto number = [&](uint64_t value) {
    hash.update(std::as_bytes(std::span(&value, 1)));
  };
  auto text = [&](std::string_view value) {
    number(value.size());
    hash.update(std::as_bytes(std::span(value)));
  };
  text("gptc tokenizer 1");
  number(tokenizer.vocabularySize());
  number(uint64_t(int64_t(tokenizer.endOfText().value_or(-1))));
  std::string all;
  for (uint64_t id = 0; id < tokenizer.vocabularySize(); ++id) {
    auto token = tokenizer.textOf(int32_t(id));
    number(token.has_value());
    if (!token)
      continue;
    text(token->followed);
    text(token->last);
    all += token->followed;
    all += ' ';
  }
  std::vector<int32_t> ids = tokenizer.encode(all);
  hash.update(std::as_bytes(std::span(ids)));
  return hash.finish();
}

} // namespace gptc
