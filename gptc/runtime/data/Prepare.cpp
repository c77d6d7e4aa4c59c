//===- Prepare.cpp - Reads, encodes and writes at once --------------------===//
//
// Work goes in rounds. While all threads encode the blocks of one round, the
// first of them writes what the round before gave and reads the next one. The
// order of the blocks never changes.
//
//===----------------------------------------------------------------------===//

#include "gptc/runtime/data/Prepare.h"

#include "gptc/runtime/data/DataWriter.h"
#include "gptc/runtime/data/TokenizerDigest.h"
#include "gptc/runtime/program/Threads.h"

#include <algorithm>
#include <filesystem>
#include <new>
#include <nlohmann/json.hpp>

namespace gptc {

namespace {

using Json = nlohmann::ordered_json;

/// The largest vocabulary whose ids have two bytes.
constexpr uint64_t mostShortIds = 1 << 16;

struct Round {
  std::vector<InputBlock> blocks;
  std::vector<EncodedBlock> encoded;
};

Status checkOptions(const PrepareOptions &options) {
  if (options.inputs.empty())
    return failure(ErrorCode::InvalidArgument, "there are no inputs");
  if (!(options.validation >= 0 && options.validation <= 1))
    return failure(ErrorCode::InvalidArgument,
                   "the share of validation is {}, expected 0 to 1",
                   options.validation);
  if (options.shardTokens == 0 || options.shardTokens > uint64_t(1) << 32)
    return failure(ErrorCode::InvalidArgument,
                   "shards of {} tokens are asked for, expected 1 to {}",
                   options.shardTokens, uint64_t(1) << 32);
  if (options.separator && options.separator->find('\n') != std::string::npos)
    return failure(ErrorCode::InvalidArgument,
                   "the separator has a line break, expected a single line");
  return {};
}

RecordKind kindOf(const std::string &path, const PrepareOptions &options) {
  std::string extension = std::filesystem::path(path).extension().string();
  bool json = options.format == InputFormat::JsonLines ||
              (options.format == InputFormat::ByName &&
               (extension == ".jsonl" || extension == ".ndjson" ||
                extension == ".json"));
  if (json)
    return RecordKind::JsonLines;
  return options.separator ? RecordKind::Separated : RecordKind::Text;
}

/// A key or a separator that nothing is read by is a mistake.
Status checkUses(const PrepareOptions &options) {
  auto isJson = [&](const std::string &path) {
    return kindOf(path, options) == RecordKind::JsonLines;
  };
  const auto &inputs = options.inputs;
  if (options.key != PrepareOptions().key &&
      std::none_of(inputs.begin(), inputs.end(), isJson))
    return failure(ErrorCode::InvalidArgument,
                   "the key '{}' is for JSON lines, and no input is one by its "
                   "name; say --format jsonl, or drop the key",
                   options.key);
  if (options.separator && std::all_of(inputs.begin(), inputs.end(), isJson))
    return failure(ErrorCode::InvalidArgument,
                   "the separator '{}' is for text, and all inputs are JSON "
                   "lines, in which each line is a document; drop it, or say "
                   "--format text",
                   *options.separator);
  return {};
}

tl::unexpected<Error> noMemory() {
  return failure(ErrorCode::OutOfMemory,
                 "there is not enough memory to go on; ask for fewer threads "
                 "with --threads, or for smaller shards with --shard-tokens");
}

class Preparation {
public:
  Preparation(const PrepareOptions &options,
              const std::shared_ptr<const Tokenizer> &tokenizer,
              const PrepareObserver &observer)
      : options(options), observer(observer) {
    encoding.tokenizer = tokenizer;
    encoding.key = options.key;
    encoding.validation = options.validation;
    encoding.seed = options.seed;
    encoding.digests = options.dropDuplicates;
  }

  Expected<PrepareSummary> run() {
    GPTC_CHECK(checkOptions(options));
    GPTC_CHECK(checkUses(options));
    GPTC_CHECK(examineInputs());
    GPTC_TRY(team, ThreadTeam::create(options.threads));
    makeHeader();
    GPTC_TRY(PrepareFolder folder,
             PrepareFolder::open(options.output, record()));
    DataWriter writer(
        folder, header, {options.shardTokens, options.dropDuplicates},
        [this](const InputPosition &at, const std::string &reason) {
          return reportBad(at, reason);
        });
    if (uint64_t shards = writer.totals().shards; shards && observer.onResume)
      observer.onResume(shards);
    if (!writer.isComplete()) {
      Status status = writeAll(writer);
      if (!status) {
        if (writer.totals().shards == 0)
          folder.abandon();
        return tl::unexpected(explained(status.error(), writer));
      }
    }
    return summaryOf(writer.totals());
  }

private:
  Status examineInputs() {
    for (const std::string &path : options.inputs) {
      GPTC_TRY(InputFile input, examineInput(path));
      input.kind = kindOf(path, options);
      totalBytes += input.bytes;
      inputs.push_back(std::move(input));
    }
    return {};
  }

  void makeHeader() {
    const Tokenizer &tokenizer = *encoding.tokenizer;
    header.vocabulary = tokenizer.vocabularySize();
    header.tokenBytes = header.vocabulary <= mostShortIds ? 2 : 4;
    if (auto end = tokenizer.endOfText())
      header.endOfText = uint32_t(*end);
    header.tokenizer = tokenizerDigest(tokenizer);
  }

  /// All that the bytes depend on.
  Json record() const {
    Json files = Json::array();
    for (const InputFile &input : inputs)
      files.push_back({{"path", input.path},
                       {"json_lines", input.kind == RecordKind::JsonLines},
                       {"bytes", input.bytes},
                       {"modified_ns", input.modified}});
    return {
        {"version", ShardHeader::currentVersion},
        {"tokenizer", Sha256::hex(header.tokenizer)},
        {"key", options.key},
        {"separator", options.separator ? Json(*options.separator) : Json()},
        {"validation", options.validation},
        {"seed", options.seed},
        {"drop_duplicates", options.dropDuplicates},
        {"shard_tokens", options.shardTokens},
        {"inputs", files}};
  }

  Status reportBad(const InputPosition &at, const std::string &reason) {
    BadLine bad{inputs[at.input].path, at.line, reason};
    if (options.strict)
      return failure(ErrorCode::Corrupt, "{}:{}: {}", bad.file, bad.line,
                     bad.reason);
    if (observer.onBadLine)
      observer.onBadLine(bad);
    if (firstBad.empty())
      firstBad = fmt::format("{}:{}: {}", bad.file, bad.line, bad.reason);
    return {};
  }

  Error explained(const Error &error, const DataWriter &writer) const {
    if (error.code() == ErrorCode::Io && writer.totals().shards > 0)
      return Error(
          error.code(),
          fmt::format(
              "{}; {} finished before it, and the same command "
              "goes on from there",
              error.message(),
              writer.totals().shards == 1
                  ? "a shard was"
                  : fmt::format("{} shards were", writer.totals().shards)));
    if (writer.totals().badLines > 0 &&
        error.code() == ErrorCode::InvalidArgument &&
        writer.totals().tokens[0] + writer.totals().tokens[1] == 0)
      return Error(error.code(),
                   fmt::format("{}; {} of their lines {} bad, the first is {}",
                               error.message(), writer.totals().badLines,
                               writer.totals().badLines == 1 ? "is" : "are",
                               firstBad));
    return error;
  }

  Expected<Round> readRound(InputReader &reader) {
    // Some blocks for each thread, so that none waits long for the others.
    const size_t most = 4 * RecordReader::Limits{}.block * team->size();
    Round round;
    for (size_t bytes = 0; bytes < most;) {
      GPTC_TRY(std::optional<InputBlock> block, reader.next());
      if (!block)
        break;
      bytes += block->block.bytes.size();
      round.blocks.push_back(*std::move(block));
    }
    round.encoded.resize(round.blocks.size());
    return round;
  }

  Status writeRound(DataWriter &writer, const Round &round) {
    for (size_t i = 0; i < round.blocks.size(); ++i) {
      GPTC_CHECK(writer.add(round.blocks[i], round.encoded[i]));
      if (observer.onProgress)
        observer.onProgress(round.blocks[i].bytesRead, totalBytes);
    }
    return {};
  }

  Status writeAll(DataWriter &writer) {
    InputReader reader(inputs, options.separator.value_or(""),
                       options.dropDuplicates, writer.begin());
    Round written;
    GPTC_TRY(Round current, readRound(reader));
    while (!current.blocks.empty()) {
      Status status;
      Expected<Round> next;
      std::atomic<size_t> started = 0;
      std::atomic<bool> outOfMemory = false;
      team->run([&](unsigned thread) {
        try {
          if (thread == 0) {
            status = writeRound(writer, written);
            if (status)
              next = readRound(reader);
          }
          for (size_t i; (i = started++) < current.blocks.size();)
            current.encoded[i] =
                encodeBlock(current.blocks[i],
                            inputs[current.blocks[i].input].kind, encoding);
        } catch (const std::bad_alloc &) {
          outOfMemory = true;
        }
      });
      if (outOfMemory)
        return noMemory();
      GPTC_CHECK(status);
      if (!next) {
        // What comes before the place that cannot be read is told first.
        GPTC_CHECK(writeRound(writer, current));
        return tl::unexpected(std::move(next).error());
      }
      written = std::move(current);
      current = *std::move(next);
    }
    GPTC_CHECK(writeRound(writer, written));
    return writer.finish(inputs.size());
  }

  PrepareSummary summaryOf(const DataTotals &totals) const {
    PrepareSummary summary;
    for (int part : {0, 1}) {
      summary.documents[part] = totals.documents[part];
      summary.tokens[part] = totals.tokens[part];
    }
    summary.badLines = totals.badLines;
    summary.duplicates = totals.duplicates;
    summary.shards = totals.shards;
    summary.tokenBytes = header.tokenBytes;
    return summary;
  }

  const PrepareOptions &options;
  const PrepareObserver &observer;
  Encoding encoding;
  std::vector<InputFile> inputs;
  uint64_t totalBytes = 0;
  ShardHeader header;
  std::unique_ptr<ThreadTeam> team;
  std::string firstBad;
};

} // namespace

Expected<PrepareSummary>
prepareData(const PrepareOptions &options,
            const std::shared_ptr<const Tokenizer> &tokenizer,
            const PrepareObserver &observer) {
  try {
    return Preparation(options, tokenizer, observer).run();
  } catch (const std::bad_alloc &) {
    return noMemory();
  }
}

} // namespace gptc
