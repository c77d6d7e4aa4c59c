//===- PrepareFolder.cpp --------------------------------------------------===//

#include "gptc/runtime/data/PrepareFolder.h"

#include "gptc/runtime/base/Json.h"
#include "gptc/runtime/data/TokenData.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <unistd.h>
#include <utility>

namespace gptc {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

static constexpr const char *recordName = "prepare.json";
/// What a killed process leaves where files without a name do not exist.
static constexpr const char *partial = ".gptc-partial-";

static std::string textOf(const Json &record) {
  return record.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

PrepareFolder::PrepareFolder(PrepareFolder &&other) noexcept
    : path_(std::move(other.path_)), shards_(std::move(other.shards_)),
      digests_(std::move(other.digests_)),
      descriptor_(std::exchange(other.descriptor_, -1)), isNew_(other.isNew_) {}

PrepareFolder::~PrepareFolder() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

std::string PrepareFolder::shardPath(uint64_t number) const {
  return (fs::path(path_) / shardName(number)).string();
}

Status PrepareFolder::make() {
  std::error_code code;
  isNew_ = fs::create_directory(path_, code);
  if (code && !fs::exists(path_))
    return tl::unexpected(systemError(code.value(), "create", path_));
  if (!fs::is_directory(path_, code))
    return failure(ErrorCode::InvalidArgument,
                   "cannot write '{}': it is a file, expected a folder", path_);
  return {};
}

Status PrepareFolder::lock() {
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0)
    return tl::unexpected(systemError(errno, "open", path_));
  // Where the file system knows no locks, two processes write the same bytes.
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return failure(ErrorCode::InvalidArgument,
                   "another process prepares data into '{}'; wait for it, or "
                   "name another folder",
                   path_);
  return {};
}

Status PrepareFolder::checkContent() {
  std::error_code code;
  for (fs::directory_iterator at(path_, code), end; !code && at != end;
       at.increment(code)) {
    std::string name = at->path().filename().string();
    if (name != recordName && !name.starts_with(partial) &&
        !(name.starts_with("shard-") && name.ends_with(".tokens")))
      return failure(ErrorCode::InvalidArgument,
                     "'{}' holds '{}', which prepare did not write; name a "
                     "folder that is missing or empty",
                     path_, name);
  }
  if (code)
    return tl::unexpected(systemError(code.value(), "read", path_));
  return {};
}

/// What `now` has different from `before`, in words.
static std::string difference(const nlohmann::json &before, const Json &now) {
  for (const auto &[key, value] : now.items()) {
    nlohmann::json was = before.value(key, nlohmann::json());
    if (was == nlohmann::json(value))
      continue;
    if (key == "tokenizer")
      return "with another tokenizer";
    if (key != "inputs")
      return fmt::format("with {} {}, now it is {}", key, was.dump(),
                         value.dump());
    if (!was.is_array() || was.size() != value.size())
      return fmt::format("from {} inputs, now there are {}", was.size(),
                         value.size());
    for (size_t i = 0; i < was.size(); ++i) {
      std::string path = value[i].value("path", "");
      if (!was[i].is_object() || was[i].value("path", Json()) != Json(path))
        return fmt::format("from other inputs than '{}'", path);
      if (was[i].value("json_lines", Json()) != value[i]["json_lines"])
        return fmt::format("with '{}' read as {}", path,
                           value[i]["json_lines"] == true ? "text"
                                                          : "JSON lines");
      if (was[i] != nlohmann::json(value[i]))
        return fmt::format("from '{}' before that file changed", path);
    }
  }
  return "by another version of gptc";
}

Status PrepareFolder::compareRecord(const Json &record) {
  std::string path = (fs::path(path_) / recordName).string();
  std::string text = textOf(record);
  auto before = readTextFile(path, size_t(1) << 32);
  if (!before && before.error().code() == ErrorCode::NotFound) {
    if (fs::exists(shardPath(0)))
      return failure(ErrorCode::InvalidArgument,
                     "'{}' holds shards and no {}; name a folder that is "
                     "missing or empty",
                     path_, recordName);
    GPTC_TRY(AtomicFile file, AtomicFile::create(path));
    GPTC_CHECK(file.write(std::as_bytes(std::span(text))));
    return file.commit();
  }
  if (!before)
    return tl::unexpected(std::move(before).error());
  if (*before == text)
    return {};
  GPTC_TRY(nlohmann::json parsed, parseJson(*before, path));
  if (!parsed.is_object())
    return failure(ErrorCode::Corrupt, "'{}' is damaged: it is no object",
                   path);
  return failure(ErrorCode::InvalidArgument,
                 "'{}' was prepared {}; name another folder, or remove this "
                 "one first",
                 path_, difference(parsed, record));
}

Status PrepareFolder::readShards() {
  Sha256::Digest previous{};
  for (uint64_t number = 0;; ++number) {
    std::string path = shardPath(number);
    std::error_code code;
    if (!fs::exists(path, code))
      break;
    GPTC_TRY(Shard shard, Shard::open(path));
    GPTC_CHECK(shard.verify());
    const ShardHeader &header = shard.header();
    if (header.number != number || header.previous != previous)
      return failure(ErrorCode::Corrupt,
                     "'{}' does not belong to the shards before it; remove "
                     "'{}' and prepare the data again",
                     path, path_);
    previous = header.self;
    for (ShortDigest digest : shard.digests())
      digests_.insert(digest);
    shards_.push_back(header);
  }
  // A name that does not follow would be taken for a shard later.
  size_t names = 0;
  std::error_code code;
  for (const auto &entry : fs::directory_iterator(path_, code)) {
    std::string name = entry.path().filename().string();
    names += name.starts_with("shard-");
    if (name.starts_with(partial))
      fs::remove(entry.path(), code);
  }
  if (names != shards_.size())
    return failure(ErrorCode::InvalidArgument,
                   "'{}' holds {} shards, of which the first {} belong "
                   "together; remove it and prepare the data again",
                   path_, names, shards_.size());
  return {};
}

Expected<PrepareFolder> PrepareFolder::open(const std::string &path,
                                            const Json &record) {
  if (path.empty())
    return failure(ErrorCode::InvalidArgument, "'' names no folder");
  PrepareFolder folder;
  folder.path_ = path;
  Status status = folder.make();
  for (auto step : {&PrepareFolder::lock, &PrepareFolder::checkContent})
    if (status)
      status = (folder.*step)();
  if (status)
    status = folder.compareRecord(record);
  if (status)
    status = folder.readShards();
  if (status)
    return folder;
  // Nothing of ours stays; what was there is not ours.
  std::error_code ignored;
  if (folder.isNew_)
    fs::remove(path, ignored);
  return tl::unexpected(std::move(status).error());
}

void PrepareFolder::abandon() {
  std::error_code ignored;
  if (!shards_.empty())
    return;
  fs::remove(fs::path(path_) / recordName, ignored);
  if (isNew_)
    fs::remove(path_, ignored);
}

} // namespace gptc
