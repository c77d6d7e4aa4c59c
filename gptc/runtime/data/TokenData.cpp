//===- TokenData.cpp ------------------------------------------------------===//

#include "gptc/runtime/data/TokenData.h"

#include <algorithm>
#include <filesystem>

namespace gptc {

namespace fs = std::filesystem;

std::string shardName(uint64_t number) {
  return fmt::format("shard-{:05}.tokens", number);
}

/// Why there is no last shard.
static tl::unexpected<Error> unfinished(const std::string &folder,
                                        size_t shards) {
  std::error_code code;
  fs::file_status status = fs::status(folder, code);
  if (status.type() == fs::file_type::not_found)
    return failure(ErrorCode::NotFound, "'{}' does not exist", folder);
  if (!fs::is_directory(status))
    return failure(ErrorCode::InvalidArgument,
                   "'{}' is no folder, expected one that 'gptc prepare' wrote",
                   folder);
  if (shards == 0 && !fs::exists(fs::path(folder) / "prepare.json", code))
    return failure(ErrorCode::NotFound,
                   "'{}' holds no data that 'gptc prepare' wrote: it has no {}",
                   folder, shardName(0));
  return failure(ErrorCode::InvalidArgument,
                 "'{}' is not finished: it lacks {}; run the same 'gptc "
                 "prepare' again, which goes on where it was interrupted",
                 folder, shardName(shards));
}

Expected<TokenData> TokenData::open(const std::string &folder) {
  TokenData data;
  data.folder_ = folder;
  Sha256::Digest previous{};
  uint64_t tokens[2] = {}, documents[2] = {};
  while (true) {
    uint64_t number = data.shards_.size();
    std::string path = (fs::path(folder) / shardName(number)).string();
    auto shard = Shard::open(path);
    if (std::error_code code;
        !shard && (shard.error().code() == ErrorCode::NotFound ||
                   !fs::is_directory(folder, code)))
      return unfinished(folder, number);
    if (!shard)
      return tl::unexpected(std::move(shard).error());
    const ShardHeader &header = shard->header();
    if (header.number != number || header.previous != previous)
      return failure(ErrorCode::Corrupt,
                     "'{}' does not belong to the shards before it; prepare "
                     "the data again",
                     path);
    if (number > 0 && (header.tokenizer != data.tokenizer() ||
                       header.vocabulary != data.vocabulary() ||
                       header.endOfText != data.shards_[0].header().endOfText))
      return failure(ErrorCode::Corrupt,
                     "'{}' was made with another tokenizer than the shards "
                     "before it; prepare the data again",
                     path);
    for (int part : {0, 1}) {
      tokens[part] += header.tokens[part];
      documents[part] += header.documents[part];
      data.ends_[part].push_back(tokens[part]);
      data.documentEnds_[part].push_back(documents[part]);
    }
    previous = header.self;
    bool last = (header.flags & ShardHeader::isLast) != 0;
    data.shards_.push_back(*std::move(shard));
    if (last)
      return data;
  }
}

std::optional<int32_t> TokenData::endOfText() const {
  uint32_t id = shards_[0].header().endOfText;
  if (id == ShardHeader::noEndOfText)
    return std::nullopt;
  return int32_t(id);
}

Status TokenData::read(DataPart part, uint64_t first,
                       std::span<int32_t> out) const {
  const std::vector<uint64_t> &ends = ends_[int(part)];
  if (first > ends.back() || out.size() > ends.back() - first)
    return failure(ErrorCode::InvalidArgument,
                   "tokens {} to {} of the {} part are asked for; '{}' has {}",
                   first, first + out.size(), toString(part), folder_,
                   ends.back());
  auto shard =
      size_t(std::upper_bound(ends.begin(), ends.end(), first) - ends.begin());
  while (!out.empty()) {
    uint64_t begin = shard == 0 ? 0 : ends[shard - 1];
    size_t count = size_t(std::min<uint64_t>(out.size(), ends[shard] - first));
    GPTC_CHECK(shards_[shard].read(part, first - begin, out.first(count)));
    out = out.subspan(count);
    first += count;
    ++shard;
  }
  return {};
}

Expected<uint64_t> TokenData::documentBegin(DataPart part,
                                            uint64_t index) const {
  const std::vector<uint64_t> &ends = documentEnds_[int(part)];
  if (index >= ends.back())
    return failure(ErrorCode::InvalidArgument,
                   "document {} of the {} part is asked for; '{}' has {}",
                   index, toString(part), folder_, ends.back());
  auto shard =
      size_t(std::upper_bound(ends.begin(), ends.end(), index) - ends.begin());
  GPTC_TRY(uint64_t begin,
           shards_[shard].documentBegin(
               part, shard == 0 ? index : index - ends[shard - 1]));
  return shard == 0 ? begin : begin + ends_[int(part)][shard - 1];
}

Status TokenData::verify() const {
  for (const Shard &shard : shards_)
    GPTC_CHECK(shard.verify());
  return {};
}

} // namespace gptc
