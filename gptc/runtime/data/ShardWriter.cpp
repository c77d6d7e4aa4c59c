//===- ShardWriter.cpp ----------------------------------------------------===//

#include "gptc/runtime/data/ShardWriter.h"

#include <cstring>

namespace gptc {

ShardWriter::ShardWriter(AtomicFile file, const ShardHeader &header)
    : file_(std::move(file)), header_(header) {}

Expected<ShardWriter> ShardWriter::create(const std::string &path,
                                          const ShardHeader &header) {
  GPTC_TRY(AtomicFile file, AtomicFile::create(path));
  // The header's place; its content is known at the end.
  const ShardHeader empty{};
  GPTC_CHECK(file.write(std::as_bytes(std::span(&empty, 1))));
  return ShardWriter(std::move(file), header);
}

void ShardWriter::beginDocument(DataPart part) {
  documents_[int(part)].push_back(header_.tokens[int(part)]);
}

template <typename T>
static void convertTo(std::span<const int32_t> tokens, std::byte *out) {
  for (int32_t token : tokens) {
    T value = T(token);
    std::memcpy(out, &value, sizeof(T));
    out += sizeof(T);
  }
}

void ShardWriter::convert(std::span<const int32_t> tokens,
                          std::vector<std::byte> &out) {
  size_t at = out.size();
  out.resize(at + tokens.size() * header_.tokenBytes);
  if (header_.tokenBytes == 2)
    convertTo<uint16_t>(tokens, out.data() + at);
  else
    convertTo<uint32_t>(tokens, out.data() + at);
}

Status ShardWriter::write(std::span<const std::byte> bytes) {
  hash_.update(bytes);
  return file_.write(bytes);
}

Status ShardWriter::writeSection(std::span<const std::byte> bytes) {
  GPTC_CHECK(write(bytes));
  const std::byte zeros[8] = {};
  return write(std::span(zeros).first(-file_.position() % 8));
}

Status ShardWriter::append(DataPart part, std::span<const int32_t> tokens) {
  header_.tokens[int(part)] += tokens.size();
  if (part == DataPart::Validation) {
    convert(tokens, validation_);
    return {};
  }
  converted_.clear();
  convert(tokens, converted_);
  return write(converted_);
}

Expected<ShardHeader> ShardWriter::commit(const ShardHeader &end) {
  GPTC_CHECK(writeSection({}));
  GPTC_CHECK(writeSection(validation_));
  for (int part : {0, 1}) {
    header_.documents[part] = documents_[part].size();
    GPTC_CHECK(writeSection(std::as_bytes(std::span(documents_[part]))));
  }
  header_.digests = digests_.size();
  GPTC_CHECK(writeSection(std::as_bytes(std::span(digests_))));
  header_.flags = end.flags;
  header_.next = end.next;
  header_.badLines = end.badLines;
  header_.duplicates = end.duplicates;
  header_.fileBytes = file_.position();
  header_.body = hash_.finish();
  header_.self = header_.digestOfSelf();
  GPTC_CHECK(file_.writeAt(0, std::as_bytes(std::span(&header_, 1))));
  GPTC_CHECK(file_.commit());
  return header_;
}

} // namespace gptc
