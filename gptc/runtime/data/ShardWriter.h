//===- ShardWriter.h - Writes one file of tokens ---------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_SHARDWRITER_H
#define GPTC_RUNTIME_DATA_SHARDWRITER_H

#include "gptc/runtime/data/Shard.h"

#include <vector>

namespace gptc {

/// Writes a shard that appears under its name when commit() succeeds. Training
/// tokens go to the file as they come, all else waits in memory. One thread.
class ShardWriter {
public:
  /// `header` has what is known before the first token: number, tokenBytes,
  /// endOfText, vocabulary, tokenizer and previous.
  static Expected<ShardWriter> create(const std::string &path,
                                      const ShardHeader &header);

  /// A document of `part` begins with the next token.
  void beginDocument(DataPart part);
  /// `tokens` must be below the vocabulary.
  Status append(DataPart part, std::span<const int32_t> tokens);
  void addDigest(ShortDigest digest) { digests_.push_back(digest); }

  uint64_t tokens() const { return header_.tokens[0] + header_.tokens[1]; }

  /// Puts the file in its place. `flags`, `next`, `badLines` and `duplicates`
  /// come from `end`. Returns the header that was written.
  Expected<ShardHeader> commit(const ShardHeader &end);

private:
  ShardWriter(AtomicFile file, const ShardHeader &header);
  /// Converts to the type of the file.
  void convert(std::span<const int32_t> tokens, std::vector<std::byte> &out);
  /// Writes, hashes, and fills up to a multiple of 8.
  Status writeSection(std::span<const std::byte> bytes);
  Status write(std::span<const std::byte> bytes);

  AtomicFile file_;
  Sha256 hash_;
  ShardHeader header_;
  std::vector<std::byte> converted_, validation_;
  std::vector<uint64_t> documents_[2];
  std::vector<ShortDigest> digests_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_SHARDWRITER_H
