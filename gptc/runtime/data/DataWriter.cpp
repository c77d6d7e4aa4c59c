//===- DataWriter.cpp -----------------------------------------------------===//

#include "gptc/runtime/data/DataWriter.h"

namespace gptc {

DataWriter::DataWriter(PrepareFolder &folder, const ShardHeader &header,
                       Options options, OnBad onBad)
    : folder_(folder), header_(header), options_(options),
      onBad_(std::move(onBad)), seen_(folder.takeDigests()) {
  for (const ShardHeader &written : folder.shards()) {
    for (int part : {0, 1}) {
      totals_.tokens[part] += written.tokens[part];
      totals_.documents[part] += written.documents[part];
      open_[part] = (written.flags & (ShardHeader::goesOn << part)) != 0;
    }
    totals_.badLines = written.badLines;
    totals_.duplicates = written.duplicates;
    ++totals_.shards;
    begin_ = written.next;
    complete_ = (written.flags & ShardHeader::isLast) != 0;
    header_.previous = written.self;
  }
}

Status DataWriter::closeDocument(DataPart part) {
  open_[int(part)] = false;
  if (header_.endOfText == ShardHeader::noEndOfText)
    return {};
  auto end = int32_t(header_.endOfText);
  ++totals_.tokens[int(part)];
  return shard_->append(part, std::span(&end, 1));
}

Status DataWriter::commit(uint32_t flags, const InputPosition &next) {
  ShardHeader end;
  end.flags = flags;
  for (int part : {0, 1})
    end.flags |= open_[part] ? ShardHeader::goesOn << part : 0;
  end.next = next;
  end.badLines = totals_.badLines;
  end.duplicates = totals_.duplicates;
  GPTC_TRY(ShardHeader written, shard_->commit(end));
  shard_.reset();
  header_.previous = written.self;
  ++totals_.shards;
  return {};
}

Status DataWriter::addRecord(const InputPosition &at, const Record &record,
                             const EncodedRecord &encoded,
                             std::span<const int32_t> tokens) {
  if (!encoded.bad.empty()) {
    ++totals_.badLines;
    return onBad_(at, encoded.bad);
  }
  if (record.first)
    dropping_ = options_.dropDuplicates && !seen_.insert(encoded.digest);
  if (dropping_) {
    totals_.duplicates += record.first;
    return {};
  }
  // A shard ends where the next record would make it too long.
  if (shard_ && shard_->tokens() > 0 &&
      shard_->tokens() + tokens.size() > options_.shardTokens)
    GPTC_CHECK(commit(0, at));
  if (!shard_) {
    header_.number = uint32_t(totals_.shards);
    GPTC_TRY(ShardWriter fresh,
             ShardWriter::create(folder_.shardPath(totals_.shards), header_));
    shard_ = std::make_unique<ShardWriter>(std::move(fresh));
  }
  if (record.first && options_.dropDuplicates)
    shard_->addDigest(encoded.digest);
  for (const Stretch &stretch : encoded.stretches) {
    int part = int(stretch.part);
    // Text that goes on in the other part ends here.
    if (open_[1 - part])
      GPTC_CHECK(closeDocument(DataPart(1 - part)));
    if (!open_[part]) {
      shard_->beginDocument(stretch.part);
      ++totals_.documents[part];
      open_[part] = true;
    }
    GPTC_CHECK(shard_->append(stretch.part, tokens.first(stretch.tokens)));
    totals_.tokens[part] += stretch.tokens;
    tokens = tokens.subspan(stretch.tokens);
  }
  for (DataPart part : {DataPart::Training, DataPart::Validation})
    if (record.last && open_[int(part)])
      GPTC_CHECK(closeDocument(part));
  return {};
}

Status DataWriter::add(const InputBlock &block, const EncodedBlock &encoded) {
  std::span<const int32_t> tokens = encoded.tokens;
  for (size_t i = 0; i < encoded.records.size(); ++i) {
    const Record &record = block.block.records[i];
    size_t count = 0;
    for (const Stretch &stretch : encoded.records[i].stretches)
      count += stretch.tokens;
    GPTC_CHECK(addRecord({block.input, record.byte, record.line}, record,
                         encoded.records[i], tokens.first(count)));
    tokens = tokens.subspan(count);
  }
  return {};
}

Status DataWriter::finish(uint64_t inputs) {
  if (!shard_ || totals_.tokens[0] + totals_.tokens[1] == 0)
    return failure(ErrorCode::InvalidArgument, "the inputs hold no documents");
  return commit(ShardHeader::isLast, {inputs, 0, 1});
}

} // namespace gptc
