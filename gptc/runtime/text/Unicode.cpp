//===- Unicode.cpp --------------------------------------------------------===//

#include "gptc/runtime/text/Unicode.h"

#include <cstdlib>
#include <cstring>
#include <iterator>
#include <new>

namespace gptc {

namespace {

constexpr uint32_t codePoints = 0x110000;

struct Range {
  uint32_t first;
  uint8_t bits;
};

// clang-format off
constexpr Range ranges[] = {
#include "gptc/runtime/text/UnicodeClasses.inc"
};
// clang-format on

} // namespace

CharacterTable::CharacterTable()
    // Fresh pages of calloc are not touched where no property is set.
    : bits_(static_cast<uint8_t *>(std::calloc(codePoints, 1))) {
  if (bits_ == nullptr)
    throw std::bad_alloc();
  for (size_t i = 0; i < std::size(ranges); ++i) {
    uint32_t end = i + 1 < std::size(ranges) ? ranges[i + 1].first : codePoints;
    if (ranges[i].bits != 0)
      std::memset(bits_ + ranges[i].first, ranges[i].bits,
                  end - ranges[i].first);
  }
}

const CharacterTable &CharacterTable::get() {
  static const CharacterTable table;
  return table;
}

void appendUtf8(std::string &text, uint32_t codePoint) {
  if (codePoint < 0x80) {
    text += char(codePoint);
    return;
  }
  if (codePoint < 0x800) {
    text += char(0xc0 | codePoint >> 6);
  } else {
    if (codePoint < 0x10000) {
      text += char(0xe0 | codePoint >> 12);
    } else {
      text += char(0xf0 | codePoint >> 18);
      text += char(0x80 | (codePoint >> 12 & 0x3f));
    }
    text += char(0x80 | (codePoint >> 6 & 0x3f));
  }
  text += char(0x80 | (codePoint & 0x3f));
}

size_t invalidUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    Character character = characterAt(text, at);
    if (!character.valid)
      return at;
    at += character.length;
  }
  return std::string_view::npos;
}

size_t incompleteAtEnd(std::string_view text) {
  for (size_t length = 1; length <= 3 && length <= text.size(); ++length) {
    std::string_view tail = text.substr(text.size() - length);
    uint8_t first = uint8_t(tail[0]);
    if ((first & 0xc0) == 0x80)
      continue;
    size_t whole = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length >= whole)
      return 0;
    // The second byte tells whether the character can still become valid.
    std::string completed(tail);
    if (length == 1)
      return 1;
    completed.resize(whole, char(0x80));
    return characterAt(completed, 0).valid ? length : 0;
  }
  return 0;
}

} // namespace gptc
