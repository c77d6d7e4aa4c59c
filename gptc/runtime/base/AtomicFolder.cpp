//===- AtomicFolder.cpp ---------------------------------------------------===//

#include "gptc/runtime/base/AtomicFolder.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace gptc {

namespace fs = std::filesystem;

Expected<AtomicFolder> AtomicFolder::create(const std::string &path) {
  AtomicFolder folder;
  std::error_code code;
  fs::path target = fs::absolute(path, code).lexically_normal();
  if (!target.has_filename())
    target = target.parent_path();
  if (code || path.empty())
    return failure(ErrorCode::InvalidArgument, "'{}' names no folder", path);
  fs::file_status status = fs::status(target, code);
  if (fs::is_directory(status)) {
    bool empty = fs::is_empty(target, code);
    if (code)
      return tl::unexpected(systemError(code.value(), "read", path));
    if (!empty)
      return failure(ErrorCode::InvalidArgument,
                     "'{}' is a folder that is not empty; name one that does "
                     "not exist",
                     path);
    // The folder that a link leads to is meant, so that the link stays one.
    target = fs::canonical(target, code);
  } else if (fs::exists(status)) {
    return failure(ErrorCode::InvalidArgument,
                   "cannot write '{}': it is a file, expected a folder", path);
  }
  folder.path_ = target.string();
  std::string name = (target.parent_path() / ".gptc-partial-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    return tl::unexpected(systemError(errno, "create", path));
  folder.temporary_ = name;
  return folder;
}

AtomicFolder::AtomicFolder(AtomicFolder &&other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})) {}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty())
    fs::remove_all(temporary_, ignored);
}

Status AtomicFolder::commit() {
  // mkdtemp keeps others out; from here on the folder is as any other.
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (::chmod(temporary_.c_str(), 0777 & ~mask) != 0 ||
      ::rename(temporary_.c_str(), path_.c_str()) != 0)
    return tl::unexpected(systemError(errno, "create", path_));
  temporary_.clear();
  return {};
}

} // namespace gptc
