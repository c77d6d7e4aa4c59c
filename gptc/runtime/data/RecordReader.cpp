//===- RecordReader.cpp ---------------------------------------------------===//

#include "gptc/runtime/data/RecordReader.h"

#include "gptc/runtime/text/Unicode.h"

#include <utility>

namespace gptc {

/// Whether the last character is white space for a tokenizer.
static bool endsInSpace(std::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && text.size() - begin < 4 &&
         (uint8_t(text[begin]) & 0xc0) == 0x80)
    --begin;
  Character last = characterAt(text, begin);
  return last.valid && begin + last.length == text.size() &&
         CharacterTable::get()[last.codePoint].isSpace();
}

size_t placeToCut(std::string_view text) {
  // No word of either tokenizer goes on over white space, and what is white
  // space itself is looked at from its first character on. A space is best: a
  // tokenizer that puts one before each text does not where one stands.
  for (char space : {' ', '\n'})
    for (size_t at = text.rfind(space);
         at != std::string_view::npos && at > 0 && at >= text.size() / 2;
         at = text.rfind(space, at - 1))
      if (!endsInSpace(text.substr(0, at)))
        return at;
  size_t incomplete = incompleteAtEnd(text);
  return incomplete < text.size() ? text.size() - incomplete : text.size();
}

static bool isBlank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

RecordReader::RecordReader(Source source, RecordKind kind,
                           std::string separator, Limits limits, uint64_t byte,
                           uint64_t line)
    : source_(std::move(source)), kind_(kind), separator_(std::move(separator)),
      limits_(limits), byte_(byte), line_(line) {}

Status RecordReader::fill() {
  size_t before = buffer_.size();
  buffer_.resize(before + limits_.block);
  GPTC_TRY(size_t count,
           source_(std::span(buffer_.data() + before, limits_.block)));
  buffer_.resize(before + count);
  atEnd_ = count == 0;
  return {};
}

void RecordReader::take(RecordBlock &block, size_t bytes, uint64_t lines) {
  std::string rest = buffer_.substr(bytes);
  buffer_.resize(bytes);
  block.bytes = std::exchange(buffer_, std::move(rest));
  byte_ += bytes;
  line_ += lines;
}

Expected<RecordBlock> RecordReader::next() {
  RecordBlock block;
  // What is read may be blank, which is no end.
  while (!finished_ && block.records.empty()) {
    if (kind_ == RecordKind::Text) {
      GPTC_TRY(block, nextPiece());
    } else {
      GPTC_TRY(block, nextLines());
    }
  }
  return block;
}

Expected<bool> RecordReader::isAllBlank() {
  if (buffer_.empty())
    return false; // Which is told as a mistake.
  for (size_t looked = 0; isBlank(std::string_view(buffer_).substr(looked));) {
    // More than a document between separators may have is kept as it is,
    // whatever blocks it comes in.
    if (buffer_.size() > limits_.longest)
      return false;
    if (atEnd_)
      return true;
    looked = buffer_.size();
    GPTC_CHECK(fill());
  }
  return false;
}

Expected<RecordBlock> RecordReader::nextPiece() {
  while (!atEnd_ && buffer_.size() <= limits_.block)
    GPTC_CHECK(fill());
  RecordBlock block;
  if (byte_ == 0) {
    GPTC_TRY(finished_, isAllBlank());
    if (finished_) {
      take(block, buffer_.size(), 0);
      return block;
    }
  }
  Record record;
  record.byte = byte_;
  record.first = byte_ == 0;
  record.last = buffer_.size() <= limits_.block;
  record.length =
      record.last
          ? buffer_.size()
          : placeToCut(std::string_view(buffer_).substr(0, limits_.block));
  finished_ = record.last;
  take(block, record.length, 0);
  block.records.push_back(record);
  return block;
}

bool RecordReader::isSeparator(std::string_view line) const {
  if (line.ends_with('\r') && !separator_.ends_with('\r'))
    line.remove_suffix(1);
  return line == separator_;
}

void RecordReader::add(RecordBlock &block, size_t begin, size_t end,
                       uint64_t line) {
  Record record;
  record.byte = byte_ + begin;
  record.line = line;
  record.begin = begin;
  std::string_view text = std::string_view(buffer_).substr(begin, end - begin);
  if (std::exchange(skipping_, false)) {
    if (skippedBlank_ && isBlank(text))
      return;
    record.byte = skippedByte_;
    record.line = skippedLine_;
    record.tooLong = true;
    block.records.push_back(record);
    return;
  }
  if (text.ends_with('\n'))
    text.remove_suffix(1);
  if (text.ends_with('\r'))
    text.remove_suffix(1);
  if (isBlank(text))
    return;
  record.length = text.size();
  if (text.size() > limits_.longest) {
    record.length = 0;
    record.tooLong = true;
  }
  block.records.push_back(record);
}

void RecordReader::discard(size_t lineBegin, uint64_t lines) {
  if (!skipping_) {
    skippedByte_ = byte_;
    skippedLine_ = line_;
    skipping_ = true;
    skippedBlank_ = true;
  }
  // The last line may still become the separator while it is short enough.
  size_t dropped = lineBegin;
  if (kind_ == RecordKind::JsonLines || withinLine_ ||
      buffer_.size() - lineBegin > separator_.size() + 1) {
    dropped = buffer_.size();
    withinLine_ = true;
  }
  skippedBlank_ =
      skippedBlank_ && isBlank(std::string_view(buffer_).substr(0, dropped));
  buffer_.erase(0, dropped);
  byte_ += dropped;
  line_ += lines;
}

Expected<RecordBlock> RecordReader::nextLines() {
  RecordBlock block;
  size_t recordBegin = 0, lineBegin = 0, searched = 0;
  uint64_t lines = 0, recordLines = 0;
  while (true) {
    size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      ++lines;
      std::string_view line =
          std::string_view(buffer_).substr(lineBegin, end - lineBegin);
      bool within = std::exchange(withinLine_, false);
      bool ends = kind_ == RecordKind::JsonLines;
      if (ends || (!within && isSeparator(line))) {
        add(block, recordBegin, ends ? end : lineBegin, line_ + recordLines);
        recordBegin = end + 1;
        recordLines = lines;
      }
      lineBegin = searched = end + 1;
      continue;
    }
    if (atEnd_)
      break;
    if (recordBegin > 0) {
      take(block, recordBegin, recordLines);
      return block;
    }
    // Whatever ends it, the record is longer than it may be.
    if (skipping_ || buffer_.size() > limits_.longest + separator_.size() + 4) {
      discard(lineBegin, lines);
      lineBegin = 0;
      lines = 0;
    }
    searched = buffer_.size();
    GPTC_CHECK(fill());
  }
  bool separated = kind_ == RecordKind::Separated && !withinLine_ &&
                   isSeparator(std::string_view(buffer_).substr(lineBegin));
  if (skipping_ || recordBegin < buffer_.size())
    add(block, recordBegin, separated ? lineBegin : buffer_.size(),
        line_ + recordLines);
  finished_ = true;
  take(block, buffer_.size(), lines);
  return block;
}

} // namespace gptc
