//===- WordCache.h - Words that were merged before -------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_WORDCACHE_H
#define GPTC_RUNTIME_TEXT_WORDCACHE_H

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace gptc {

/// The ids of short words seen in one text. Words come again so often that
/// most are never merged twice. A word may push out another one.
class WordCache {
public:
  /// For a text of so many bytes; short texts get a small cache.
  explicit WordCache(size_t textBytes)
      : entries_(
            std::bit_ceil(std::clamp<size_t>(textBytes / 16, 16, 1 << 15))) {}

  /// Appends the ids of `word`; where they are unknown they come from
  /// `encode(word)`, which returns a vector-like range of int32_t.
  template <typename Encode>
  void append(std::string_view word, std::vector<int32_t> &ids,
              Encode &&encode) {
    if (word.size() > longestWord) {
      const auto &fresh = encode(word);
      ids.insert(ids.end(), fresh.begin(), fresh.end());
      return;
    }
    Key key{};
    std::memcpy(key.bytes, word.data(), word.size());
    key.bytes[longestWord] = char(word.size() + 1);
    Entry &entry = entries_[hash(key) & (entries_.size() - 1)];
    if (std::memcmp(&entry.key, &key, sizeof(Key)) == 0) {
      ids.insert(ids.end(), entry.ids, entry.ids + entry.count);
      return;
    }
    const auto &fresh = encode(word);
    ids.insert(ids.end(), fresh.begin(), fresh.end());
    if (fresh.size() > mostIds)
      return;
    entry.key = key;
    entry.count = uint32_t(fresh.size());
    std::copy(fresh.begin(), fresh.end(), entry.ids);
  }

private:
  static constexpr size_t longestWord = 23;
  static constexpr size_t mostIds = 9;
  /// The bytes, zeros, and the length + 1 (an empty entry has no length).
  struct alignas(8) Key {
    char bytes[longestWord + 1];
  };
  struct Entry {
    Key key{};
    uint32_t count = 0;
    int32_t ids[mostIds];
  };

  static uint64_t hash(const Key &key) {
    uint64_t words[3];
    std::memcpy(words, key.bytes, sizeof(words));
    uint64_t mixed = (words[0] ^ std::rotl(words[2], 29)) * 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 32 ^ words[1]) * 0xbf58476d1ce4e5b9;
    return mixed ^ mixed >> 31;
  }

  std::vector<Entry> entries_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_WORDCACHE_H
