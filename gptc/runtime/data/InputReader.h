//===- InputReader.h - The inputs of prepare, one by one -------*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_INPUTREADER_H
#define GPTC_RUNTIME_DATA_INPUTREADER_H

#include "gptc/runtime/data/RecordReader.h"
#include "gptc/runtime/data/Shard.h"

#include <memory>
#include <optional>

namespace gptc {

struct OpenInput;

/// A file to read, as it was when it was examined.
struct InputFile {
  std::string path;
  RecordKind kind = RecordKind::Text;
  uint64_t bytes = 0;
  int64_t modified = 0; ///< Nanoseconds since 1970.
};

/// Examines a regular file. Refuses folders, pipes, devices and what is
/// compressed; `kind` is left to the caller.
Expected<InputFile> examineInput(const std::string &path);

/// Records of one input.
struct InputBlock {
  uint64_t input = 0;
  RecordBlock block;
  /// Of the whole text that the first record begins, where texts are compared.
  ShortDigest digest;
  /// Whether the input holds nothing at all.
  bool isEmpty = false;
  /// Of all inputs up to here.
  uint64_t bytesRead = 0;
};

/// Reads inputs one after the other, in blocks. Not for several threads at
/// once.
class InputReader {
public:
  /// `digests`: whole texts are read once more for their digests. Begins at
  /// `from`, the place of a record.
  InputReader(const std::vector<InputFile> &inputs, std::string separator,
              bool digests, InputPosition from);
  ~InputReader();

  /// The next block, nothing at the end of the last input. InvalidArgument if
  /// an input is not any more what was examined.
  Expected<std::optional<InputBlock>> next();

private:
  Status openNext();

  const std::vector<InputFile> &inputs_;
  std::string separator_;
  bool digests_;
  InputPosition at_;
  uint64_t bytesBefore_ = 0;
  std::shared_ptr<OpenInput> file_;
  std::unique_ptr<RecordReader> reader_;
  ShortDigest digest_;
};

/// The first bits of a SHA-256 of `bytes`.
ShortDigest shortDigest(std::span<const std::byte> bytes);
ShortDigest shorten(const Sha256::Digest &digest);

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_INPUTREADER_H
