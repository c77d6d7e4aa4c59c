//===- EncodeBlock.cpp ----------------------------------------------------===//

#include "gptc/runtime/data/EncodeBlock.h"

#include "gptc/runtime/data/JsonLine.h"
#include "gptc/runtime/data/Permutation.h"

#include <algorithm>

namespace gptc {

namespace {

constexpr size_t passageBytes = size_t(8) << 10;

class BlockEncoder {
public:
  explicit BlockEncoder(const Encoding &encoding) : encoding(encoding) {}

  void add(const InputBlock &input, const Record &record, RecordKind kind) {
    EncodedRecord &encoded = result.records.emplace_back();
    std::string_view text = input.block.text(record);
    std::string unpacked;
    if (record.tooLong) {
      encoded.bad = fmt::format("it has more than {} MiB",
                                RecordReader::Limits{}.longest >> 20);
      return;
    }
    if (input.isEmpty) {
      encoded.bad = "the file is empty";
      return;
    }
    if (kind == RecordKind::JsonLines) {
      auto found = textOfJsonLine(text, encoding.key);
      if (!found) {
        encoded.bad = std::move(found).error();
        return;
      }
      text = unpacked = *std::move(found);
    }
    if (kind == RecordKind::Text) {
      if (record.first)
        encoded.digest = input.digest;
      addPassages(encoded, text);
    } else {
      addDocument(encoded, text);
    }
    if (encoded.stretches.empty() && record.first && record.last)
      encoded.bad = "no token is left of its text";
  }

  EncodedBlock result;

private:
  void addDocument(EncodedRecord &encoded, std::string_view text) {
    DataPart part = DataPart::Training;
    if (encoding.digests || encoding.validation > 0) {
      encoded.digest = shortDigest(std::as_bytes(std::span(text)));
      part = choose(encoded.digest);
    }
    append(encoded, text, part);
  }

  /// Passages of one part that follow each other are encoded together, as if
  /// nothing had been cut.
  void addPassages(EncodedRecord &encoded, std::string_view text) {
    if (encoding.validation == 0)
      return append(encoded, text, DataPart::Training);
    size_t begin = 0;
    DataPart part = DataPart::Training;
    for (size_t at = 0; at < text.size();) {
      size_t end =
          std::min(text.find('\n', at + passageBytes), text.size() - 1);
      std::string_view passage = text.substr(at, end + 1 - at);
      DataPart chosen = choose(shortDigest(std::as_bytes(std::span(passage))));
      if (chosen != part) {
        append(encoded, text.substr(begin, at - begin), part);
        begin = at;
        part = chosen;
      }
      at = end + 1;
    }
    append(encoded, text.substr(begin), part);
  }

  DataPart choose(ShortDigest digest) const {
    double value =
        double(mixBits(mixBits(encoding.seed) ^ digest.low) >> 11) * 0x1p-53;
    return value < encoding.validation ? DataPart::Validation
                                       : DataPart::Training;
  }

  void append(EncodedRecord &encoded, std::string_view text, DataPart part) {
    std::vector<int32_t> ids = encoding.tokenizer->encode(text);
    if (ids.empty())
      return;
    encoded.stretches.push_back({part, ids.size()});
    result.tokens.insert(result.tokens.end(), ids.begin(), ids.end());
  }

  const Encoding &encoding;
};

} // namespace

EncodedBlock encodeBlock(const InputBlock &block, RecordKind kind,
                         const Encoding &encoding) {
  BlockEncoder encoder(encoding);
  encoder.result.records.reserve(block.block.records.size());
  for (const Record &record : block.block.records)
    encoder.add(block, record, kind);
  return std::move(encoder.result);
}

} // namespace gptc
