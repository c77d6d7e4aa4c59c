// Reads a shard whose header has the right digest of itself, so that mutations
// get past it to the counts. The input is the file.

#include "gptc/runtime/data/Shard.h"
#include "tests/fuzz/Fuzz.h"

#include <algorithm>
#include <cstring>
#include <vector>

using namespace gptc;

/// Everything that a reader of data may ask for.
static void read(const Shard &shard) {
  const ShardHeader &header = shard.header();
  for (DataPart part : {DataPart::Training, DataPart::Validation}) {
    std::vector<int32_t> tokens(header.tokens[int(part)]);
    Status status = shard.read(part, 0, tokens);
    if (!status)
      requireSentence(status.error());
    else
      for (int32_t token : tokens)
        require(token >= 0 && uint64_t(token) < header.vocabulary);
    for (uint64_t i = 0; i < header.documents[int(part)]; ++i) {
      auto begin = shard.documentBegin(part, i);
      if (begin)
        require(*begin < tokens.size());
      else
        requireSentence(begin.error());
    }
  }
  touch(std::as_bytes(shard.digests()));
  Status status = shard.verify();
  if (!status)
    requireSentence(status.error());
}

static void parse(std::span<const std::byte> bytes) {
  auto shard = Shard::parse(bytes, "f.tokens");
  if (shard)
    read(*shard);
  else
    requireSentence(shard.error());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // Aligned as a mapping is.
  std::vector<std::byte> file(size);
  if (size > 0)
    std::memcpy(file.data(), data, size);
  parse(file);
  ShardHeader header;
  if (size < sizeof(header))
    return 0;
  std::memcpy(&header, data, sizeof(header));
  header.magic = ShardHeader::expectedMagic;
  header.version = ShardHeader::currentVersion;
  header.headerBytes = sizeof(header);
  // Sizes that nearly fit are better than any.
  if (size % 2 == 0)
    header.fileBytes = size;
  header.body = Sha256::of(std::span(file).subspan(sizeof(header)));
  header.self = header.digestOfSelf();
  std::memcpy(file.data(), &header, sizeof(header));
  parse(file);
  return 0;
}
