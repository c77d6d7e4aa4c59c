//===- Vocabulary.cpp -----------------------------------------------------===//

#include "gptc/runtime/text/Vocabulary.h"

#include <algorithm>
#include <bit>

namespace gptc {

Expected<Vocabulary> Vocabulary::create(const std::vector<Entry> &entries) {
  Vocabulary vocabulary;
  int64_t limit = std::min<int64_t>(2 * int64_t(entries.size()) + (1 << 16),
                                    int64_t(1) << 24);
  int64_t largest = -1;
  size_t bytes = 0;
  for (const Entry &entry : entries) {
    if (entry.id < 0 || entry.id >= limit)
      return failure(ErrorCode::Corrupt,
                     "the vocabulary gives token '{}' the id {}, expected 0 to "
                     "{} for {} tokens",
                     entry.text, entry.id, limit - 1, entries.size());
    largest = std::max(largest, entry.id);
    bytes += entry.text.size();
  }
  if (bytes >= none)
    return failure(ErrorCode::Corrupt,
                   "the vocabulary's texts are longer than 4 GiB together");

  vocabulary.pool_.reserve(bytes);
  vocabulary.texts_.resize(size_t(largest + 1));
  vocabulary.slots_.assign(std::bit_ceil(entries.size() * 2 + 1), -1);
  size_t mask = vocabulary.slots_.size() - 1;
  for (const Entry &entry : entries) {
    size_t slot = std::hash<std::string_view>()(entry.text) & mask;
    while (
        vocabulary.slots_[slot] >= 0 &&
        vocabulary.view(vocabulary.texts_[size_t(vocabulary.slots_[slot])]) !=
            entry.text)
      slot = (slot + 1) & mask;
    if (vocabulary.slots_[slot] >= 0)
      return failure(ErrorCode::Corrupt,
                     "the vocabulary names token '{}' twice", entry.text);
    Text &text = vocabulary.texts_[size_t(entry.id)];
    if (text.offset != none)
      return failure(ErrorCode::Corrupt,
                     "the vocabulary gives tokens '{}' and '{}' the same id {}",
                     vocabulary.view(text), entry.text, entry.id);
    text = {uint32_t(vocabulary.pool_.size()), uint32_t(entry.text.size())};
    vocabulary.pool_ += entry.text;
    vocabulary.slots_[slot] = int32_t(entry.id);
  }
  return vocabulary;
}

std::optional<int32_t> Vocabulary::find(std::string_view text) const {
  if (slots_.empty())
    return std::nullopt;
  size_t mask = slots_.size() - 1;
  for (size_t slot = std::hash<std::string_view>()(text) & mask;
       slots_[slot] >= 0; slot = (slot + 1) & mask)
    if (view(texts_[size_t(slots_[slot])]) == text)
      return slots_[slot];
  return std::nullopt;
}

std::optional<std::string_view> Vocabulary::text(int64_t id) const {
  if (id < 0 || id >= int64_t(texts_.size()) ||
      texts_[size_t(id)].offset == none)
    return std::nullopt;
  return view(texts_[size_t(id)]);
}

} // namespace gptc
