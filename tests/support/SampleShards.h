//===- SampleShards.h - Shards made by hand --------------------*- C++ -*-===//

#ifndef GPTC_TESTS_SUPPORT_SAMPLESHARDS_H
#define GPTC_TESTS_SUPPORT_SAMPLESHARDS_H

#include "gptc/runtime/data/ShardWriter.h"
#include "gptc/runtime/data/TokenData.h"
#include "tests/support/TemporaryFolder.h"

#include <cstring>
#include <gtest/gtest.h>

namespace gptc {

/// Documents of one part; tokens are written as they are given.
using SampleDocuments = std::vector<std::vector<int32_t>>;

/// Writes one shard of a folder; returns its header.
inline ShardHeader writeSampleShard(const std::string &folder,
                                    const ShardHeader &start, bool last,
                                    const SampleDocuments &training,
                                    const SampleDocuments &validation = {},
                                    std::vector<ShortDigest> digests = {}) {
  auto writer =
      ShardWriter::create(folder + "/" + shardName(start.number), start);
  EXPECT_TRUE(writer) << writer.error().message();
  for (const auto &document : training) {
    writer->beginDocument(DataPart::Training);
    EXPECT_TRUE(writer->append(DataPart::Training, document));
  }
  for (const auto &document : validation) {
    writer->beginDocument(DataPart::Validation);
    EXPECT_TRUE(writer->append(DataPart::Validation, document));
  }
  for (ShortDigest digest : digests)
    writer->addDigest(digest);
  ShardHeader end;
  end.flags = last ? ShardHeader::isLast : 0;
  auto written = writer->commit(end);
  EXPECT_TRUE(written) << written.error().message();
  return *written;
}

/// A header to start from: tokens below 100, of `tokenBytes`, ended by 0.
inline ShardHeader sampleHeader(uint32_t tokenBytes = 2) {
  ShardHeader header;
  header.vocabulary = 100;
  header.tokenBytes = tokenBytes;
  header.endOfText = 0;
  header.tokenizer.fill(7);
  return header;
}

/// Bytes aligned as a mapping is.
inline std::vector<std::byte> bytesOf(const std::string &content) {
  auto bytes = std::as_bytes(std::span(content));
  return {bytes.begin(), bytes.end()};
}

/// A shard's file with `change` made to its header, whose digest is right.
template <typename Change>
std::string withHeader(std::string file, Change change) {
  ShardHeader header;
  std::memcpy(&header, file.data(), sizeof(header));
  change(header);
  header.self = header.digestOfSelf();
  std::memcpy(file.data(), &header, sizeof(header));
  return file;
}

} // namespace gptc

#endif // GPTC_TESTS_SUPPORT_SAMPLESHARDS_H
