//===- Shard.cpp ----------------------------------------------------------===//

#include "gptc/runtime/data/Shard.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <vector>

namespace gptc {

static_assert(std::endian::native == std::endian::little,
              "shards are mapped as they are");

const char *toString(DataPart part) {
  return part == DataPart::Training ? "training" : "validation";
}

Sha256::Digest ShardHeader::digestOfSelf() const {
  return Sha256::of(
      std::as_bytes(std::span(this, 1)).first(offsetof(ShardHeader, self)));
}

std::optional<ShardLayout> ShardLayout::of(const ShardHeader &header) {
  ShardLayout layout;
  uint64_t at = sizeof(ShardHeader);
  // The next section of `count` elements; sections are aligned to 8.
  auto place = [&](uint64_t count, uint64_t bytes, uint64_t &begin) {
    begin = at;
    uint64_t size = 0;
    return !__builtin_mul_overflow(count, bytes, &size) &&
           !__builtin_add_overflow(at, size, &at) &&
           !__builtin_add_overflow(at, -at % 8, &at);
  };
  if (!place(header.tokens[0], header.tokenBytes, layout.tokens[0]) ||
      !place(header.tokens[1], header.tokenBytes, layout.tokens[1]) ||
      !place(header.documents[0], sizeof(uint64_t), layout.documents[0]) ||
      !place(header.documents[1], sizeof(uint64_t), layout.documents[1]) ||
      !place(header.digests, sizeof(ShortDigest), layout.digests))
    return std::nullopt;
  layout.end = at;
  return layout;
}

Expected<Shard> Shard::parse(std::span<const std::byte> bytes,
                             const std::string &name) {
  auto damaged = [&](const std::string &what) {
    return failure(ErrorCode::Corrupt, "'{}' is damaged: {}", name, what);
  };
  Shard shard;
  shard.name_ = name;
  shard.bytes_ = bytes;
  ShardHeader &header = shard.header_;
  if (bytes.size() < sizeof(header))
    return failure(ErrorCode::Corrupt,
                   "'{}' is no shard of tokens, or truncated: it has {} bytes, "
                   "its header alone has {}",
                   name, bytes.size(), sizeof(header));
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.magic != ShardHeader::expectedMagic)
    return failure(ErrorCode::Corrupt, "'{}' is no shard of tokens", name);
  if (header.version != ShardHeader::currentVersion)
    return failure(ErrorCode::Unsupported,
                   "'{}' has version {} of the format, expected {}; prepare "
                   "the data again with this gptc",
                   name, header.version, ShardHeader::currentVersion);
  if (header.headerBytes != sizeof(header) ||
      header.self != header.digestOfSelf())
    return damaged("its header does not match the digest in it");
  if (header.tokenBytes != 2 && header.tokenBytes != 4)
    return damaged(fmt::format("its tokens have {} bytes, expected 2 or 4",
                               header.tokenBytes));
  uint64_t most = header.tokenBytes == 2 ? 1 << 16 : uint64_t(1) << 31;
  if (header.vocabulary == 0 || header.vocabulary > most)
    return damaged(fmt::format("tokens of {} bytes cannot have a vocabulary of "
                               "{}",
                               header.tokenBytes, header.vocabulary));
  if (header.endOfText != ShardHeader::noEndOfText &&
      header.endOfText >= header.vocabulary)
    return damaged(fmt::format("token {} ends its texts, the vocabulary has {}",
                               header.endOfText, header.vocabulary));
  auto layout = ShardLayout::of(header);
  if (!layout || layout->end != header.fileBytes)
    return damaged("its counts do not fit its size");
  if (header.fileBytes != bytes.size())
    return damaged(fmt::format("it has {} bytes, its header says {}",
                               bytes.size(), header.fileBytes));
  for (int part : {0, 1})
    if (header.documents[part] > header.tokens[part])
      return damaged(fmt::format("it says {} documents in {} tokens",
                                 header.documents[part], header.tokens[part]));
  shard.layout_ = *layout;
  return shard;
}

Expected<Shard> Shard::open(const std::string &path) {
  GPTC_TRY(MappedFile file, MappedFile::open(path));
  GPTC_TRY(Shard shard, parse(file.bytes(), path));
  shard.file_ = std::move(file);
  return shard;
}

template <typename T>
Status Shard::readAs(DataPart part, uint64_t first,
                     std::span<int32_t> out) const {
  auto tokens = section<T>(layout_.tokens[int(part)], header_.tokens[int(part)])
                    .subspan(first, out.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= header_.vocabulary)
      return failure(ErrorCode::Corrupt,
                     "'{}' is damaged: token {} of its {} part is {}, the "
                     "vocabulary has {}",
                     name_, first + i, toString(part), tokens[i],
                     header_.vocabulary);
    out[i] = int32_t(tokens[i]);
  }
  return {};
}

Status Shard::read(DataPart part, uint64_t first,
                   std::span<int32_t> out) const {
  return header_.tokenBytes == 2 ? readAs<uint16_t>(part, first, out)
                                 : readAs<uint32_t>(part, first, out);
}

Expected<uint64_t> Shard::documentBegin(DataPart part, uint64_t index) const {
  uint64_t begin = section<uint64_t>(layout_.documents[int(part)],
                                     header_.documents[int(part)])[index];
  if (begin >= header_.tokens[int(part)])
    return failure(ErrorCode::Corrupt,
                   "'{}' is damaged: document {} of its {} part begins at "
                   "token {} of {}",
                   name_, index, toString(part), begin,
                   header_.tokens[int(part)]);
  return begin;
}

std::span<const ShortDigest> Shard::digests() const {
  return section<ShortDigest>(layout_.digests, header_.digests);
}

Status Shard::verify() const {
  if (Sha256::of(bytes_.subspan(sizeof(ShardHeader))) != header_.body)
    return failure(ErrorCode::Corrupt,
                   "'{}' is damaged: its content does not match its digest",
                   name_);
  std::vector<int32_t> buffer(4096);
  for (DataPart part : {DataPart::Training, DataPart::Validation}) {
    uint64_t tokens = header_.tokens[int(part)];
    for (uint64_t at = 0; at < tokens; at += buffer.size())
      GPTC_CHECK(read(part, at,
                      std::span(buffer).first(
                          std::min<uint64_t>(buffer.size(), tokens - at))));
    uint64_t least = 0;
    for (uint64_t i = 0; i < header_.documents[int(part)]; ++i) {
      GPTC_TRY(uint64_t begin, documentBegin(part, i));
      if (begin < least)
        return failure(ErrorCode::Corrupt,
                       "'{}' is damaged: document {} of its {} part does not "
                       "begin after the one before",
                       name_, i, toString(part));
      least = begin + 1;
    }
  }
  return {};
}

} // namespace gptc
