//===- BertCleanup.cpp ----------------------------------------------------===//

#include "gptc/runtime/text/BertCleanup.h"

#include "gptc/runtime/text/Unicode.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utf8proc.h>
#include <vector>

namespace gptc {

namespace {

class Cleaner {
public:
  explicit Cleaner(std::string_view text)
      : text(text), table(CharacterTable::get()) {}

  std::string run() {
    result.reserve(text.size() + text.size() / 8);
    for (size_t at = 0; at < text.size();) {
      auto byte = uint8_t(text[at]);
      if (byte < 0x80) {
        ++at;
        ascii(byte);
        continue;
      }
      Character character = characterAt(text, at);
      at += character.length;
      if (character.valid)
        codePoint(character.codePoint);
    }
    flush();
    return std::move(result);
  }

private:
  void ascii(uint8_t byte) {
    CharacterProperties properties = table[byte];
    if (properties.isRemoved())
      return;
    flush();
    result += properties.isSpace()         ? ' '
              : byte >= 'A' && byte <= 'Z' ? char(byte - 'A' + 'a')
                                           : char(byte);
  }

  void codePoint(uint32_t code) {
    CharacterProperties properties = table[code];
    if (properties.isRemoved())
      return;
    if (properties.isSpace()) {
      flush();
      result += ' ';
      return;
    }
    if (properties.isIdeograph()) {
      flush();
      result += ' ';
      decompose(code);
      flush();
      result += ' ';
      return;
    }
    decompose(code);
  }

  void decompose(uint32_t code) {
    utf8proc_int32_t parts[8];
    int boundary = 0;
    // Never more than four; a failure is a code point that stays as it is.
    auto count = decomposes(code)
                     ? utf8proc_decompose_char(utf8proc_int32_t(code), parts,
                                               std::ssize(parts),
                                               UTF8PROC_DECOMPOSE, &boundary)
                     : 0;
    if (count < 1 || count > std::ssize(parts)) {
      part(code);
      return;
    }
    for (utf8proc_ssize_t i = 0; i < count; ++i)
      part(uint32_t(parts[i]));
  }

  /// Decompositions never change once they are published; U+11938 and those
  /// after Unicode 14 (Todhri, Tulu-Tigalari, Gurung Khema, Kirat Rai) are
  /// unknown to the tokenizers library, but known to newer releases of
  /// utf8proc.
  static bool decomposes(uint32_t code) {
    return !(code == 0x11938 || (code >= 0x105c0 && code < 0x10600) ||
             (code >= 0x11380 && code < 0x11400) ||
             (code >= 0x16100 && code < 0x16140) ||
             (code >= 0x16d40 && code < 0x16d80));
  }

  void part(uint32_t code) {
    CharacterProperties properties = table[code];
    if (properties.isNonstarter()) {
      if (!properties.isNonspacing())
        marks.emplace_back(
            utf8proc_get_property(utf8proc_int32_t(code))->combining_class,
            marks.size(), code);
      return;
    }
    flush();
    if (!properties.isNonspacing())
      appendUtf8(result, lower(code));
  }

  static uint32_t lower(uint32_t code) {
    // Letters of Unicode 15 to 17.
    if (code >= 0x10d50 && code <= 0x10d65)
      return code + 0x20;
    if (code >= 0x16ea0 && code <= 0x16eb8)
      return code + 0x1b;
    switch (code) {
    case 0x1c89:
    case 0xa7cc:
    case 0xa7ce:
    case 0xa7d2:
    case 0xa7d4:
    case 0xa7da:
      return code + 1;
    case 0xa7cb:
      return 0x264;
    case 0xa7dc:
      return 0x19b;
    default:
      return uint32_t(utf8proc_tolower(utf8proc_int32_t(code)));
    }
  }

  /// Puts out the marks in canonical order.
  void flush() {
    if (marks.empty())
      return;
    std::sort(marks.begin(), marks.end());
    for (const auto &[combiningClass, order, code] : marks)
      appendUtf8(result, lower(code));
    marks.clear();
  }

  std::string_view text;
  const CharacterTable &table;
  std::string result;
  /// Nonstarters that are no accents since the last starter: their combining
  /// classes, order in the text and code points.
  std::vector<std::tuple<int, size_t, uint32_t>> marks;
};

} // namespace

std::string cleanUp(std::string_view text) { return Cleaner(text).run(); }

} // namespace gptc
