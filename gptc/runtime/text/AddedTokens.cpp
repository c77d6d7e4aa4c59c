//===- AddedTokens.cpp ----------------------------------------------------===//

#include "gptc/runtime/text/AddedTokens.h"

#include "gptc/runtime/text/Unicode.h"

#include <algorithm>

namespace gptc {

namespace {

bool spaceAt(std::string_view text, size_t offset, size_t &length) {
  Character character = characterAt(text, offset);
  length = character.length;
  return character.valid &&
         CharacterTable::get()[character.codePoint].isSpace();
}

/// The end of the white space that begins at `offset`.
size_t skipSpaces(std::string_view text, size_t offset) {
  size_t length;
  while (offset < text.size() && spaceAt(text, offset, length))
    offset += length;
  return offset;
}

/// Where the white space that ends at `offset` begins, not before `first`.
size_t skipSpacesBack(std::string_view text, size_t first, size_t offset) {
  while (offset > first) {
    size_t begin = offset - 1, length;
    while (begin > first && (uint8_t(text[begin]) & 0xc0) == 0x80)
      --begin;
    if (!spaceAt(text, begin, length) || begin + length != offset)
      break;
    offset = begin;
  }
  return offset;
}

} // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)) {
  std::erase_if(tokens_,
                [](const AddedToken &token) { return token.content.empty(); });
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken &a, const AddedToken &b) {
              auto first = [](const AddedToken &token) {
                return uint8_t(token.content[0]);
              };
              if (first(a) != first(b))
                return first(a) < first(b);
              return a.content.size() != b.content.size()
                         ? a.content.size() > b.content.size()
                         : a.id < b.id;
            });
  for (const AddedToken &token : tokens_)
    ++begins_[uint8_t(token.content[0]) + 1];
  for (size_t i = 1; i < begins_.size(); ++i)
    begins_[i] += begins_[i - 1];
}

const AddedToken *AddedTokens::matchAt(std::string_view input,
                                       size_t offset) const {
  uint8_t first = uint8_t(input[offset]);
  for (uint32_t i = begins_[first]; i < begins_[first + 1]; ++i)
    if (input.substr(offset, tokens_[i].content.size()) == tokens_[i].content)
      return &tokens_[i];
  return nullptr;
}

void AddedTokens::split(std::string_view input,
                        const std::function<void(std::string_view)> &text,
                        const std::function<void(int32_t)> &token) const {
  size_t begin = 0, offset = 0;
  while (!tokens_.empty() && offset < input.size()) {
    const AddedToken *match = matchAt(input, offset);
    if (match == nullptr) {
      ++offset;
      continue;
    }
    size_t end = offset + match->content.size();
    // The search goes on after the token itself, also where its white space
    // reaches further.
    size_t next = end;
    size_t start = offset;
    if (match->stripLeft)
      start = skipSpacesBack(input, std::min(begin, start), start);
    if (match->stripRight)
      end = skipSpaces(input, end);
    start = std::max(start, begin);
    if (begin < start)
      text(input.substr(begin, start - begin));
    token(int32_t(match->id));
    begin = end;
    offset = next;
  }
  if (begin < input.size())
    text(input.substr(begin));
}

} // namespace gptc
