//===- Vocabulary.h - Tokens and their ids ---------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_TEXT_VOCABULARY_H
#define GPTC_RUNTIME_TEXT_VOCABULARY_H

#include "gptc/runtime/base/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gptc {

/// Strings by id and ids by string. Ids may have gaps. Immutable once filled.
class Vocabulary {
public:
  struct Entry {
    std::string text;
    int64_t id;
  };

  /// Fails with Corrupt on a token or an id that comes twice, and on an id that
  /// is negative or that is out of all proportion to the number of tokens
  /// (memory is taken for the gaps).
  static Expected<Vocabulary> create(const std::vector<Entry> &entries);

  std::optional<int32_t> find(std::string_view text) const;
  /// The text of an id, nothing where the id is outside or in a gap.
  std::optional<std::string_view> text(int64_t id) const;
  /// The largest id + 1.
  size_t size() const { return texts_.size(); }

private:
  struct Text {
    uint32_t offset = none;
    uint32_t length = 0;
  };
  static constexpr uint32_t none = ~uint32_t(0);
  std::string_view view(const Text &text) const {
    return std::string_view(pool_).substr(text.offset, text.length);
  }

  /// All texts, one after the other.
  std::string pool_;
  std::vector<Text> texts_;
  /// Open addressing, a power of two: ids, or -1.
  std::vector<int32_t> slots_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_TEXT_VOCABULARY_H
