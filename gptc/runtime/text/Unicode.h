//===- Unicode.h - Code points as the tokenizers see them ------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_UNICODE_H
#define GPTC_RUNTIME_TEXT_UNICODE_H

#include <cstdint>
#include <string>
#include <string_view>

namespace gptc {

/// What a code point is. The first two bits are its class in GPT-2's regular
/// expression, the others are flags that GPT-1's clean-up looks at.
class CharacterProperties {
public:
  enum Class : uint8_t { Other, Letter, Number, Space };

  explicit CharacterProperties(uint8_t bits) : bits_(bits) {}

  Class kind() const { return Class(bits_ & 3); }
  bool isSpace() const { return kind() == Space; }
  bool isPunctuation() const { return (bits_ & 4) != 0; }
  /// A control character, or of private use: left out of the text.
  bool isRemoved() const { return (bits_ & 8) != 0; }
  /// A mark that is stripped as an accent.
  bool isNonspacing() const { return (bits_ & 16) != 0; }
  /// One that stands as a word of its own.
  bool isIdeograph() const { return (bits_ & 32) != 0; }
  /// Its combining class is not zero.
  bool isNonstarter() const { return (bits_ & 64) != 0; }

private:
  uint8_t bits_;
};

/// The properties of all code points. Built on first use; immutable.
class CharacterTable {
public:
  static const CharacterTable &get();
  CharacterProperties operator[](uint32_t codePoint) const {
    return CharacterProperties(bits_[codePoint]);
  }

private:
  CharacterTable();
  uint8_t *bits_;
};

/// One character of a text: a code point and its length in bytes. A byte that
/// does not begin valid UTF-8 is a character of its own with `valid` false.
struct Character {
  uint32_t codePoint;
  uint8_t length;
  bool valid;
};

/// The character at `offset`, which is less than the text's size.
inline Character characterAt(std::string_view text, size_t offset) {
  auto byte = [&](size_t i) { return uint8_t(text[offset + i]); };
  auto continues = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  uint8_t first = byte(0);
  size_t left = text.size() - offset;
  if (first < 0x80)
    return {first, 1, true};
  if (first >= 0xc2 && first < 0xe0 && left >= 2 && continues(1))
    return {uint32_t(first & 0x1f) << 6 | (byte(1) & 0x3f), 2, true};
  if (first >= 0xe0 && first < 0xf0 && left >= 3 && continues(1) &&
      continues(2)) {
    uint32_t code =
        uint32_t(first & 0xf) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    if (code >= 0x800 && (code < 0xd800 || code >= 0xe000))
      return {code, 3, true};
  }
  if (first >= 0xf0 && first < 0xf5 && left >= 4 && continues(1) &&
      continues(2) && continues(3)) {
    uint32_t code = uint32_t(first & 7) << 18 | (byte(1) & 0x3f) << 12 |
                    (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f);
    if (code >= 0x10000 && code < 0x110000)
      return {code, 4, true};
  }
  return {first, 1, false};
}

/// Appends a code point (not a surrogate) as UTF-8.
void appendUtf8(std::string &text, uint32_t codePoint);

/// Where the first byte lies that is no UTF-8; npos if all is.
size_t invalidUtf8(std::string_view text);

/// How many bytes at the end of a text begin a character that more bytes could
/// complete: 0 to 3.
size_t incompleteAtEnd(std::string_view text);

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_UNICODE_H
