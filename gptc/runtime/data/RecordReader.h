//===- RecordReader.h - Documents from a stream of bytes -------*- C++ -*-===//

#ifndef GPTC_RUNTIME_DATA_RECORDREADER_H
#define GPTC_RUNTIME_DATA_RECORDREADER_H

#include "gptc/runtime/base/Error.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gptc {

/// How a stream is cut into documents.
enum class RecordKind {
  Text,      ///< All of it is one, of any length, which comes in pieces.
  Separated, ///< A line of its own stands between two of them.
  JsonLines, ///< Each line is one.
};

/// A document, or a piece of one, before anything is done to it.
struct Record {
  size_t begin = 0, length = 0; ///< In the bytes of its block.
  uint64_t byte = 0;            ///< Where it begins in the stream.
  uint64_t line = 1;            ///< The same as a line; always 1 for Text.
  bool first = true;            ///< Begins a document.
  bool last = true;             ///< Ends a document.
  bool tooLong = false;         ///< Left out for its length.
};

/// Records that follow each other. Records that are only white space are left
/// out, but for Text.
struct RecordBlock {
  std::string bytes;
  std::vector<Record> records;
  std::string_view text(const Record &record) const {
    return std::string_view(bytes).substr(record.begin, record.length);
  }
};

/// Reads a stream in blocks. Records depend on the stream alone, not on the
/// sizes in which it comes; reading on from the place of any record gives the
/// same records again. Memory is bounded by the longest record and some blocks.
/// Not for several threads at once.
class RecordReader {
public:
  struct Limits {
    /// About how many bytes a block has, exactly the most of a piece of Text.
    size_t block = size_t(512) << 10;
    /// The most bytes of a record; longer ones come out as tooLong.
    size_t longest = size_t(16) << 20;
  };
  /// Fills the beginning of a buffer and returns how much; 0 at the end.
  using Source = std::function<Expected<size_t>(std::span<char>)>;

  /// `separator` is the line of Separated, without its newline. The source
  /// begins at `byte` and `line` of the stream.
  RecordReader(Source source, RecordKind kind, std::string separator,
               Limits limits, uint64_t byte = 0, uint64_t line = 1);

  /// The next block; it has no records where the stream ends. Fails as the
  /// source does.
  Expected<RecordBlock> next();

private:
  Expected<RecordBlock> nextPiece();
  Expected<RecordBlock> nextLines();
  /// Whether the stream is white space alone, and some; reads as far as it is.
  Expected<bool> isAllBlank();
  Status fill();
  bool isSeparator(std::string_view line) const;
  /// Adds what ends at `end` of the buffer, if it is more than white space.
  void add(RecordBlock &block, size_t begin, size_t end, uint64_t line);
  /// Leaves out what a record that is too long has in the buffer.
  void discard(size_t lineBegin, uint64_t lines);
  /// Moves the first bytes of the buffer into the block.
  void take(RecordBlock &block, size_t bytes, uint64_t lines);

  Source source_;
  RecordKind kind_;
  std::string separator_;
  Limits limits_;
  /// What was read and not given out, and its place in the stream.
  std::string buffer_;
  uint64_t byte_, line_;
  bool atEnd_ = false, finished_ = false;
  /// Whether a record that is too long is being left out, whether that was
  /// white space so far, and its place.
  bool skipping_ = false, skippedBlank_ = true;
  uint64_t skippedByte_ = 0, skippedLine_ = 0;
  /// Whether the buffer begins within a line.
  bool withinLine_ = false;
};

/// Where to cut `text`, which goes on, so that both sides have the tokens that
/// they have together: before white space that follows something else, in the
/// second half of the text. Where there is no such place, between two
/// characters.
size_t placeToCut(std::string_view text);

} // namespace gptc

#endif // GPTC_RUNTIME_DATA_RECORDREADER_H
