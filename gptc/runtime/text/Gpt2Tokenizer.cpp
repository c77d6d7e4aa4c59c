//===- Gpt2Tokenizer.cpp - Byte-level byte pair encoding ------------------===//

#include "gptc/runtime/text/BpeTokenizer.h"
#include "gptc/runtime/text/Unicode.h"

#include <array>

namespace gptc {

namespace {

/// The vocabulary writes each byte as a printable character: those that are
/// printable in Latin-1 as themselves, the others as U+0100 and up.
std::array<uint16_t, 256> byteCharacters() {
  std::array<uint16_t, 256> characters;
  uint16_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    bool itself = (byte >= '!' && byte <= '~') ||
                  (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    characters[byte] = itself ? uint16_t(byte) : next++;
  }
  return characters;
}

/// Finds the words of a text as this regular expression does:
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
class WordSplitter {
public:
  explicit WordSplitter(std::string_view text)
      : text(text), table(CharacterTable::get()) {}

  bool atEnd() const { return offset == text.size(); }

  std::string_view next() {
    size_t begin = offset;
    size_t after = begin + contraction();
    if (after == begin)
      after = word(begin);
    offset = after;
    return text.substr(begin, after - begin);
  }

private:
  using Class = CharacterProperties::Class;

  /// The class of the character at `at`, whose end becomes `at`.
  Class classAt(size_t &at) const {
    auto byte = uint8_t(text[at]);
    if (byte < 0x80) {
      ++at;
      return table[byte].kind();
    }
    Character character = characterAt(text, at);
    at += character.length;
    return character.valid ? table[character.codePoint].kind() : Class::Other;
  }

  size_t contraction() const {
    if (text[offset] != '\'')
      return 0;
    std::string_view rest = text.substr(offset + 1, 2);
    if (rest == "re" || rest == "ve" || rest == "ll")
      return 3;
    if (!rest.empty() &&
        (rest[0] == 's' || rest[0] == 't' || rest[0] == 'm' || rest[0] == 'd'))
      return 2;
    return 0;
  }

  size_t word(size_t begin) const {
    size_t at = begin;
    Class kind = classAt(at);
    if (kind == Class::Space) {
      size_t second = at;
      // A space before anything but white space belongs to it.
      if (text[begin] != ' ' || at == text.size())
        return spaces(begin);
      kind = classAt(second);
      if (kind == Class::Space)
        return spaces(begin);
      at = second;
    }
    while (at < text.size()) {
      size_t end = at;
      if (classAt(end) != kind)
        break;
      at = end;
    }
    return at;
  }

  /// All white space, but for the last character where something follows that
  /// may take it.
  size_t spaces(size_t begin) const {
    size_t last = begin, at = begin;
    while (at < text.size()) {
      size_t end = at;
      if (classAt(end) != Class::Space)
        return last > begin ? last : at;
      last = at;
      at = end;
    }
    return at;
  }

  std::string_view text;
  size_t offset = 0;
  const CharacterTable &table;
};

class Gpt2Tokenizer final : public BpeTokenizer {
public:
  explicit Gpt2Tokenizer(TokenizerDefinition definition);

private:
  void encodeStretch(std::string_view text, std::vector<int32_t> &ids,
                     WordCache &cache) const override;
  void setTexts();

  /// The id of each byte, -1 where the vocabulary lacks it.
  std::array<int32_t, 256> bytes_;
};

Gpt2Tokenizer::Gpt2Tokenizer(TokenizerDefinition definition)
    : BpeTokenizer(std::move(definition), nullptr) {
  auto characters = byteCharacters();
  for (size_t byte = 0; byte < 256; ++byte) {
    std::string character;
    appendUtf8(character, characters[byte]);
    bytes_[byte] = definition_.vocabulary.find(character).value_or(
        definition_.unknown.value_or(-1));
  }
  setTexts();
}

void Gpt2Tokenizer::setTexts() {
  std::array<int16_t, 0x200> byteOf;
  byteOf.fill(-1);
  auto characters = byteCharacters();
  for (size_t byte = 0; byte < 256; ++byte)
    byteOf[characters[byte]] = int16_t(byte);
  std::string bytes;
  for (size_t id = 0; id < definition_.vocabulary.size(); ++id) {
    auto token = definition_.vocabulary.text(int64_t(id));
    if (!token)
      continue;
    bytes.clear();
    for (size_t at = 0; at < token->size();) {
      Character character = characterAt(*token, at);
      int16_t byte = character.codePoint < byteOf.size()
                         ? byteOf[character.codePoint]
                         : int16_t(-1);
      // A token with other characters stands for itself.
      if (byte < 0) {
        bytes = *token;
        break;
      }
      bytes += char(byte);
      at += character.length;
    }
    setText(int32_t(id), bytes, bytes);
  }
  for (const AddedToken &token : definition_.added)
    setText(int32_t(token.id), token.content, token.content);
}

void Gpt2Tokenizer::encodeStretch(std::string_view text,
                                  std::vector<int32_t> &ids,
                                  WordCache &cache) const {
  std::string prefixed;
  if (definition_.addPrefixSpace && !text.starts_with(' ')) {
    prefixed = " ";
    prefixed += text;
    text = prefixed;
  }
  std::vector<int32_t> symbols;
  auto encodeWord = [&](std::string_view word) -> const std::vector<int32_t> & {
    symbols.clear();
    for (char byte : word)
      if (int32_t id = bytes_[uint8_t(byte)]; id >= 0)
        symbols.push_back(id);
    definition_.merges.apply(symbols);
    return symbols;
  };
  for (WordSplitter words(text); !words.atEnd();)
    cache.append(words.next(), ids, encodeWord);
}

} // namespace

std::shared_ptr<const Tokenizer>
makeGpt2Tokenizer(TokenizerDefinition definition) {
  return std::make_shared<Gpt2Tokenizer>(std::move(definition));
}

} // namespace gptc
