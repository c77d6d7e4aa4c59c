//===- DataWriter.h - Documents into shards --------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_DATAWRITER_H
#define GPTC_RUNTIME_DATA_DATAWRITER_H

#include "gptc/runtime/data/DigestSet.h"
#include "gptc/runtime/data/EncodeBlock.h"
#include "gptc/runtime/data/PrepareFolder.h"
#include "gptc/runtime/data/ShardWriter.h"

#include <functional>

namespace gptc {

/// What was written so far, earlier runs included. Indexed by DataPart.
struct DataTotals {
  uint64_t documents[2] = {};
  uint64_t tokens[2] = {};
  uint64_t badLines = 0;
  uint64_t duplicates = 0;
  uint64_t shards = 0;
};

/// Takes encoded documents in the order of the inputs and writes shards, each
/// a function of the documents alone. One thread.
class DataWriter {
public:
  struct Options {
    uint64_t shardTokens = 0;
    bool dropDuplicates = false;
  };
  /// Told of each record that is left out; an error ends the preparation.
  using OnBad =
      std::function<Status(const InputPosition &, const std::string &reason)>;

  /// Goes on after the shards that `folder` has. `header` has what is the same
  /// for all shards. `folder` must outlive the writer.
  DataWriter(PrepareFolder &folder, const ShardHeader &header, Options options,
             OnBad onBad);

  /// Where the inputs are to be read on.
  InputPosition begin() const { return begin_; }
  /// Whether the folder is complete already.
  bool isComplete() const { return complete_; }

  Status add(const InputBlock &block, const EncodedBlock &encoded);
  /// Writes the last shard. Fails with InvalidArgument if there is none.
  Status finish(uint64_t inputs);

  const DataTotals &totals() const { return totals_; }

private:
  Status addRecord(const InputPosition &at, const Record &record,
                   const EncodedRecord &encoded,
                   std::span<const int32_t> tokens);
  Status closeDocument(DataPart part);
  Status commit(uint32_t flags, const InputPosition &next);

  const PrepareFolder &folder_;
  ShardHeader header_;
  Options options_;
  OnBad onBad_;
  InputPosition begin_;
  bool complete_ = false;
  DataTotals totals_;
  DigestSet seen_;
  std::unique_ptr<ShardWriter> shard_;
  /// Whether the part's last document goes on.
  bool open_[2] = {};
  /// Whether the pieces of a duplicate are being left out.
  bool dropping_ = false;
};

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_DATAWRITER_H
