//===- Gpt1Tokenizer.cpp - Byte pair encoding over BERT's clean-up --------===//

#include "gptc/runtime/text/BertCleanup.h"
#include "gptc/runtime/text/BpeTokenizer.h"
#include "gptc/runtime/text/Unicode.h"

#include <unordered_map>

namespace gptc {

namespace {

class Gpt1Tokenizer final : public BpeTokenizer {
public:
  explicit Gpt1Tokenizer(TokenizerDefinition definition);

private:
  struct CharacterIds {
    int32_t inside, atEnd;
  };

  void encodeStretch(std::string_view text, std::vector<int32_t> &ids,
                     WordCache &cache) const override;
  void setTexts();
  void addCharacter(std::string_view token, int32_t id);

  /// The ids of characters within and at the end of a word.
  std::unordered_map<uint32_t, CharacterIds> characters_;
};

/// "a</w>b</w>" as "a b ", or as "a b" at the end of a text.
std::string spacesForWordEnds(std::string_view token, bool last) {
  std::string text;
  while (true) {
    size_t end = token.find(wordEnd);
    text += token.substr(0, end);
    if (end == std::string_view::npos)
      return text;
    token.remove_prefix(end + wordEnd.size());
    if (!last)
      text += ' ';
  }
}

Gpt1Tokenizer::Gpt1Tokenizer(TokenizerDefinition definition)
    : BpeTokenizer(std::move(definition), cleanUp) {
  setTexts();
}

void Gpt1Tokenizer::addCharacter(std::string_view token, int32_t id) {
  bool atEnd = token.ends_with(wordEnd);
  if (atEnd)
    token.remove_suffix(wordEnd.size());
  if (token.empty())
    return;
  Character character = characterAt(token, 0);
  if (character.length != token.size())
    return;
  int32_t unknown = definition_.unknown.value_or(-1);
  auto [ids, fresh] = characters_.try_emplace(character.codePoint,
                                              CharacterIds{unknown, unknown});
  (atEnd ? ids->second.atEnd : ids->second.inside) = id;
}

void Gpt1Tokenizer::setTexts() {
  for (size_t id = 0; id < definition_.vocabulary.size(); ++id) {
    auto token = definition_.vocabulary.text(int64_t(id));
    if (!token)
      continue;
    addCharacter(*token, int32_t(id));
    setText(int32_t(id), spacesForWordEnds(*token, false),
            spacesForWordEnds(*token, true));
  }
  for (const AddedToken &token : definition_.added) {
    std::string text =
        token.normalized ? cleanUp(token.content) : token.content;
    setText(int32_t(token.id), spacesForWordEnds(text, false),
            spacesForWordEnds(text, true));
  }
}

/// `text` is cleaned up. Splits at white space and around punctuation.
void Gpt1Tokenizer::encodeStretch(std::string_view text,
                                  std::vector<int32_t> &ids,
                                  WordCache &cache) const {
  const CharacterTable &table = CharacterTable::get();
  std::vector<int32_t> symbols;
  auto encodeWord = [&](std::string_view word) -> const std::vector<int32_t> & {
    symbols.clear();
    int32_t unknown = definition_.unknown.value_or(-1);
    for (size_t at = 0; at < word.size();) {
      Character character = characterAt(word, at);
      at += character.length;
      auto found = characters_.find(character.codePoint);
      int32_t id = found == characters_.end() ? unknown
                   : at == word.size()        ? found->second.atEnd
                                              : found->second.inside;
      if (id >= 0)
        symbols.push_back(id);
    }
    definition_.merges.apply(symbols);
    return symbols;
  };
  size_t begin = 0;
  auto endWord = [&](size_t end) {
    if (begin < end)
      cache.append(text.substr(begin, end - begin), ids, encodeWord);
  };
  for (size_t at = 0; at < text.size();) {
    Character character = characterAt(text, at);
    size_t after = at + character.length;
    CharacterProperties properties = table[character.codePoint];
    if (properties.isSpace() || properties.isPunctuation()) {
      endWord(at);
      begin = at;
      if (properties.isPunctuation())
        endWord(after);
      begin = after;
    }
    at = after;
  }
  endWord(text.size());
}

} // namespace

std::shared_ptr<const Tokenizer>
makeGpt1Tokenizer(TokenizerDefinition definition) {
  return std::make_shared<Gpt1Tokenizer>(std::move(definition));
}

} // namespace gptc
