//===- TokenData.h - Prepared data for training ----------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_TOKENDATA_H
#define GPTC_RUNTIME_DATA_TOKENDATA_H

#include "gptc/runtime/data/Shard.h"

#include <vector>

namespace gptc {

/// The name of a shard in its folder: "shard-00003.tokens".
std::string shardName(uint64_t number);

/// A folder that `gptc prepare` wrote, mapped: the tokens of all shards, one
/// after the other, for each part. Immutable once open, safe to share between
/// threads. The files must not change while it is open.
class TokenData {
public:
  /// Reads the headers alone, whatever the size of the data. NotFound if the
  /// folder or a shard is missing, InvalidArgument if preparing the data was
  /// not finished, Corrupt if a header is damaged or the shards do not belong
  /// together. Damage to the tokens is found by verify(), and by reading as
  /// far as a token is not below the vocabulary.
  static Expected<TokenData> open(const std::string &folder);

  const std::string &folder() const { return folder_; }
  const std::vector<Shard> &shards() const { return shards_; }
  /// Every token is below.
  uint64_t vocabulary() const { return shards_[0].header().vocabulary; }
  /// The token after each document, if the tokenizer has one.
  std::optional<int32_t> endOfText() const;
  /// tokenizerDigest() of the tokenizer that made the tokens.
  const Sha256::Digest &tokenizer() const {
    return shards_[0].header().tokenizer;
  }
  /// Of a part, the tokens that end documents included.
  uint64_t tokens(DataPart part) const { return ends_[int(part)].back(); }
  uint64_t documents(DataPart part) const {
    return documentEnds_[int(part)].back();
  }

  /// Copies tokens `first` to `first + out.size() - 1` of a part.
  /// InvalidArgument if they are not all there; Corrupt if one is not below
  /// the vocabulary.
  Status read(DataPart part, uint64_t first, std::span<int32_t> out) const;
  /// The token of a part at which document `index` begins. InvalidArgument if
  /// there is none; Corrupt if it lies outside of the part.
  Expected<uint64_t> documentBegin(DataPart part, uint64_t index) const;
  /// Reads all of every shard; Corrupt if one is not what was written.
  Status verify() const;

private:
  std::string folder_;
  std::vector<Shard> shards_;
  /// Tokens and documents of each part up to the end of each shard.
  std::vector<uint64_t> ends_[2], documentEnds_[2];
};

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_TOKENDATA_H
