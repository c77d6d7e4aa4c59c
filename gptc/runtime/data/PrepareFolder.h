//===- PrepareFolder.h - Where prepare writes ------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_PREPAREFOLDER_H
#define GPTC_RUNTIME_DATA_PREPAREFOLDER_H

#include "gptc/runtime/data/Shard.h"

#include <nlohmann/json_fwd.hpp>
#include <utility>
#include <vector>

namespace gptc {

/// The folder of one preparation: prepare.json, which says what is prepared,
/// and the shards. While it is open no other process prepares into it, where
/// the file system has locks.
class PrepareFolder {
public:
  /// Makes the folder, or opens one that was begun with an equal `record`.
  /// InvalidArgument if there is anything else in it; Corrupt if a shard is
  /// damaged. All of every shard is checked, since the rest builds on them.
  static Expected<PrepareFolder> open(const std::string &path,
                                      const nlohmann::ordered_json &record);
  PrepareFolder(PrepareFolder &&other) noexcept;
  PrepareFolder &operator=(PrepareFolder &&) = delete;
  ~PrepareFolder();

  std::string shardPath(uint64_t number) const;
  /// Headers of the shards that were there when it was opened.
  const std::vector<ShardHeader> &shards() const { return shards_; }
  /// The digests in those shards, which the folder gives away.
  DigestSet takeDigests() { return std::exchange(digests_, DigestSet()); }
  /// Removes what open() made, for a preparation that came to nothing.
  void abandon();

private:
  PrepareFolder() = default;
  Status make();
  Status lock();
  Status checkContent();
  Status compareRecord(const nlohmann::ordered_json &record);
  Status readShards();

  std::string path_;
  std::vector<ShardHeader> shards_;
  DigestSet digests_;
  int descriptor_ = -1;
  bool isNew_ = false;
};

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_PREPAREFOLDER_H
