//===- Shard.h - One file of tokens ----------------------------*- C++ -*-===//
//
// docs/data-format.md describes the file byte by byte. Nothing of it is
// trusted: every count is checked against the size of the file before use.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_RUNTIME_DATA_SHARD_H
#define GPTC_RUNTIME_DATA_SHARD_H

#include "gptc/runtime/base/File.h"
#include "gptc/runtime/base/Sha256.h"
#include "gptc/runtime/data/DigestSet.h"

#include <optional>

namespace gptc {

/// What data is kept apart for.
enum class DataPart { Training = 0, Validation = 1 };
/// "training", "validation".
const char *toString(DataPart part);

/// A place in the inputs of `gptc prepare`.
struct InputPosition {
  uint64_t input = 0; ///< Which of them, from 0.
  uint64_t byte = 0;  ///< Offset in that file.
  uint64_t line = 1;  ///< Of that file, from 1.
  bool operator==(const InputPosition &) const = default;
};

/// The first 256 bytes of a shard, little-endian as all of the file.
struct ShardHeader {
  static constexpr std::array<char, 8> expectedMagic = {
      '\x89', 'G', 'P', 'T', 'D', '\r', '\n', '\x1a'};
  static constexpr uint32_t currentVersion = 1;
  static constexpr uint32_t noEndOfText = ~uint32_t(0);
  /// Bits of `flags`.
  static constexpr uint32_t isLast = 1;
  /// Shifted by the part: its last document goes on in the next shard.
  static constexpr uint32_t goesOn = 2;

  std::array<char, 8> magic = expectedMagic;
  uint32_t version = currentVersion;
  uint32_t headerBytes = 256;
  uint32_t number = 0;     ///< Of the shard, from 0.
  uint32_t tokenBytes = 2; ///< 2 or 4.
  uint32_t flags = 0;
  uint32_t endOfText = noEndOfText;
  uint64_t vocabulary = 0; ///< Every token is below.
  uint64_t fileBytes = 0;
  uint64_t tokens[2] = {};    ///< Of each DataPart.
  uint64_t documents[2] = {}; ///< That begin here, of each DataPart.
  uint64_t digests = 0;       ///< Of documents, for finding duplicates.
  InputPosition next;         ///< Where the next shard goes on.
  uint64_t badLines = 0;      ///< In this and all shards before it.
  uint64_t duplicates = 0;    ///< In this and all shards before it.
  Sha256::Digest tokenizer{}; ///< tokenizerDigest().
  Sha256::Digest previous{};  ///< `self` of the shard before; zeros if none.
  Sha256::Digest body{};      ///< Of all bytes after the header.
  Sha256::Digest self{};      ///< Of the header before this field.

  Sha256::Digest digestOfSelf() const;
};
static_assert(sizeof(ShardHeader) == 256);

/// Where the sections of a shard begin; `end` is its size.
struct ShardLayout {
  uint64_t tokens[2], documents[2], digests, end;
  /// Nothing where the counts do not fit an address space.
  static std::optional<ShardLayout> of(const ShardHeader &header);
};

/// A shard in memory. Movable, owns the mapping where it was opened from a
/// file. Immutable, safe to share between threads.
class Shard {
public:
  static Expected<Shard> open(const std::string &path);
  /// Checks bytes in memory, which must outlive the result and be aligned to 8;
  /// `name` stands for the file in errors.
  static Expected<Shard> parse(std::span<const std::byte> bytes,
                               const std::string &name);

  const ShardHeader &header() const { return header_; }
  const std::string &name() const { return name_; }

  /// Copies tokens `first` to `first + out.size() - 1` of a part, which must be
  /// there. Corrupt if one is not below the vocabulary.
  Status read(DataPart part, uint64_t first, std::span<int32_t> out) const;
  /// The token of a part at which document `index` begins, which must be below
  /// the number of documents. Corrupt if it lies outside of the part.
  Expected<uint64_t> documentBegin(DataPart part, uint64_t index) const;
  /// Digests of the documents whose duplicates are dropped.
  std::span<const ShortDigest> digests() const;

  /// Reads all of it. Corrupt if it is not what was written: another digest, a
  /// token that is not below the vocabulary, documents out of order.
  Status verify() const;

private:
  template <typename T>
  std::span<const T> section(uint64_t offset, uint64_t count) const {
    return {reinterpret_cast<const T *>(bytes_.data() + offset), count};
  }
  template <typename T>
  Status readAs(DataPart part, uint64_t first, std::span<int32_t> out) const;

  MappedFile file_;
  std::span<const std::byte> bytes_;
  std::string name_;
  ShardHeader header_;
  ShardLayout layout_{};
};

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_SHARD_H
