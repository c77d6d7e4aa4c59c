//===- Prepare.h - Text into data for training -----------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_PREPARE_H
#define GPTC_RUNTIME_DATA_PREPARE_H

#include "gptc/runtime/data/Shard.h"
#include "gptc/runtime/text/Tokenizer.h"

#include <functional>
#include <vector>

namespace gptc {

/// What a file holds.
enum class InputFormat {
  ByName, ///< JsonLines for .jsonl, .ndjson and .json, else Text.
  Text,
  JsonLines,
};

struct PrepareOptions {
  std::vector<std::string> inputs; ///< Files, in this order.
  std::string output;              ///< The folder to write.
  InputFormat format = InputFormat::ByName;
  /// The key of a document's text in JSON lines.
  std::string key = "text";
  /// The line between documents of text; without it each file is one.
  std::optional<std::string> separator;
  double validation = 0; ///< Share of documents kept apart, 0 to 1.
  uint64_t seed = 0;     ///< Chooses them.
  /// Leaves out documents that are, byte for byte, an earlier one.
  bool dropDuplicates = false;
  bool strict = false; ///< A bad line is an error.
  /// Tokens of a shard; a single document, or half a MiB of a whole text, may
  /// have more.
  uint64_t shardTokens = uint64_t(1) << 25;
  unsigned threads = 0; ///< 0: one for each CPU.
};

/// A line that is left out.
struct BadLine {
  std::string file;
  uint64_t line = 0; ///< From 1.
  std::string reason;
};

/// Who is told, on the calling thread. All may be empty.
struct PrepareObserver {
  /// Once, with the shards that are there already.
  std::function<void(uint64_t shards)> onResume;
  std::function<void(const BadLine &)> onBadLine;
  std::function<void(uint64_t bytes, uint64_t totalBytes)> onProgress;
};

/// Of the whole data, earlier runs included. Indexed by DataPart.
struct PrepareSummary {
  uint64_t documents[2] = {};
  uint64_t tokens[2] = {}; ///< Those that end documents included.
  uint64_t badLines = 0;
  uint64_t duplicates = 0;
  uint64_t shards = 0;
  uint64_t tokenBytes = 0; ///< 2 or 4.
};

/// Writes the folder that TokenData opens. The bytes of its shards are a
/// function of the inputs' bytes and the options other than `threads`,
/// `strict` and `output`. A process that is killed leaves whole shards, and
/// the next call with equal options goes on after them to the same bytes; if
/// nothing is left to do, it says so by its result. Memory is bounded,
/// whatever the size of the inputs: some blocks for each thread, a shard, and
/// with `dropDuplicates` up to 30 bytes for each document.
///
/// InvalidArgument for options out of range, inputs that are no files, inputs
/// that changed since the folder was begun, or a folder that holds something
/// else; Corrupt for a bad line if `strict`; OutOfMemory.
Expected<PrepareSummary>
prepareData(const PrepareOptions &options,
            const std::shared_ptr<const Tokenizer> &tokenizer,
            const PrepareObserver &observer = {});

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_PREPARE_H
