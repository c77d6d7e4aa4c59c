//===- File.cpp -----------------------------------------------------------===//

#include "gptc/runtime/base/File.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <utility>

namespace gptc {

namespace {

struct Descriptor {
  int file;
  ~Descriptor() {
    if (file >= 0)
      ::close(file);
  }
};

} // namespace

Expected<MappedFile> MappedFile::open(const std::string &path) {
  // Without O_NONBLOCK, opening a pipe waits for a writer.
  Descriptor descriptor{
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (descriptor.file < 0)
    return tl::unexpected(systemError(errno, "open", path));
  struct stat info;
  if (::fstat(descriptor.file, &info) != 0)
    return tl::unexpected(systemError(errno, "examine", path));
  if (!S_ISREG(info.st_mode))
    return failure(ErrorCode::InvalidArgument,
                   "cannot read '{}': it is {}, expected a file", path,
                   S_ISDIR(info.st_mode) ? "a folder" : "a pipe or device");
  MappedFile mapped;
  mapped.path_ = path;
  if (info.st_size == 0)
    return mapped;
  void *address = ::mmap(nullptr, size_t(info.st_size), PROT_READ, MAP_PRIVATE,
                         descriptor.file, 0);
  if (address == MAP_FAILED)
    return tl::unexpected(systemError(errno, "map", path));
  mapped.bytes_ = {static_cast<const std::byte *>(address),
                   size_t(info.st_size)};
  return mapped;
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty())
    ::munmap(const_cast<std::byte *>(bytes_.data()), bytes_.size());
}

void MappedFile::release(std::span<const std::byte> part) const {
  auto first = uintptr_t(bytes_.data()), begin = uintptr_t(part.data());
  // Of memory that is no file's, this would be the content.
  if (part.empty() || begin < first ||
      begin + part.size() > first + bytes_.size())
    return;
  uintptr_t page = begin - (begin - first) % uintptr_t(::getpagesize());
  // An advice: where it is not taken, the pages stay.
  ::madvise(reinterpret_cast<void *>(page), begin + part.size() - page,
            MADV_DONTNEED);
}

Expected<std::string> readTextFile(const std::string &path, size_t limit) {
  GPTC_TRY(MappedFile file, MappedFile::open(path));
  if (file.bytes().size() > limit)
    return failure(ErrorCode::InvalidArgument,
                   "'{}' has {} bytes, expected at most {}", path,
                   file.bytes().size(), limit);
  return std::string(reinterpret_cast<const char *>(file.bytes().data()),
                     file.bytes().size());
}

Expected<std::string> readToEnd(int descriptor, const std::string &name,
                                size_t limit) {
  std::string text;
  std::array<char, size_t(1) << 16> buffer;
  while (true) {
    ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return tl::unexpected(systemError(errno, "read", name));
    if (count == 0)
      return text;
    text.append(buffer.data(), size_t(count));
    if (text.size() > limit)
      return failure(ErrorCode::InvalidArgument,
                     "'{}' has more than {} bytes, which are the most that are "
                     "read of a text",
                     name, limit);
  }
}

Expected<std::string> readTextInput(const std::string &path, size_t limit) {
  Descriptor descriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (descriptor.file < 0)
    return tl::unexpected(systemError(errno, "open", path));
  return readToEnd(descriptor.file, path, limit);
}

/// The file that writing to `path` means: links are followed, so that a link
/// stays one. Refuses what is there and no file; in particular, nothing may be
/// renamed over a device.
static Expected<std::string> resolveTarget(const std::string &path) {
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT)
      return path;
    return tl::unexpected(systemError(errno, "write", path));
  }
  std::string target = path;
  if (S_ISLNK(info.st_mode)) {
    if (::stat(path.c_str(), &info) != 0) {
      if (errno == ENOENT)
        return failure(ErrorCode::InvalidArgument,
                       "cannot write '{}': it is a link to a file that does "
                       "not exist",
                       path);
      return tl::unexpected(systemError(errno, "write", path));
    }
    std::error_code code;
    target = std::filesystem::canonical(path, code).string();
    if (code)
      return tl::unexpected(systemError(code.value(), "write", path));
  }
  if (!S_ISREG(info.st_mode))
    return failure(ErrorCode::InvalidArgument,
                   "cannot write '{}': it is {}, expected a file", path,
                   S_ISDIR(info.st_mode) ? "a folder" : "a pipe or device");
  return target;
}

static std::string folderOf(const std::string &path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

/// Calls `make` with names beside `path` until one is free.
static int makeUnique(const std::string &path, std::string &name,
                      const std::function<int(const char *)> &make) {
  static std::atomic<unsigned> counter = 0;
  int result = -1;
  for (int attempt = 0; attempt < 100; ++attempt) {
    name = fmt::format("{}/.gptc-partial-{}-{}", folderOf(path), ::getpid(),
                       counter++);
    result = make(name.c_str());
    if (result >= 0 || errno != EEXIST)
      break;
  }
  return result;
}

Status checkSpace(const std::string &path, uint64_t bytes) {
  std::error_code code;
  std::filesystem::path folder =
      std::filesystem::absolute(path, code).parent_path();
  struct statvfs system;
  // What cannot be asked shows when it is written.
  if (code || ::statvfs(folder.c_str(), &system) != 0)
    return {};
  uint64_t available = uint64_t(system.f_bavail) * system.f_frsize;
  if (bytes <= available)
    return {};
  return failure(ErrorCode::Io,
                 "'{}' will have {} bytes, and its file system has {} free; "
                 "write it elsewhere or make room",
                 path, bytes, available);
}

Expected<AtomicFile> AtomicFile::create(const std::string &path) {
  AtomicFile file;
  GPTC_TRY(file.path_, resolveTarget(path));
  // A file without a name vanishes even when the process is killed. It gets
  // one through /proc; where either is not to be had, a named one serves.
  if (::access("/proc/self/fd", X_OK) == 0)
    file.file_ = ::open(folderOf(file.path_).c_str(),
                        O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  if (file.file_ >= 0)
    return file;
  file.file_ = makeUnique(file.path_, file.temporary_, [](const char *name) {
    return ::open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  });
  if (file.file_ < 0) {
    int code = errno;
    file.temporary_.clear();
    return tl::unexpected(systemError(code, "create", path));
  }
  return file;
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      file_(std::exchange(other.file_, -1)), position_(other.position_) {}

AtomicFile::~AtomicFile() {
  if (file_ >= 0)
    ::close(file_);
  if (!temporary_.empty())
    ::unlink(temporary_.c_str());
}

Status AtomicFile::writeAt(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t count = ::pwrite(file_, bytes.data(), bytes.size(), off_t(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return tl::unexpected(
          systemError(count < 0 ? errno : EIO, "write", path_));
    bytes = bytes.subspan(size_t(count));
    offset += uint64_t(count);
  }
  return {};
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  GPTC_CHECK(writeAt(position_, bytes));
  position_ += bytes.size();
  return {};
}

Status AtomicFile::pad(uint64_t alignment) {
  static constexpr std::array<std::byte, 4096> zeros{};
  uint64_t missing = (alignment - position_ % alignment) % alignment;
  while (missing > 0) {
    uint64_t count = std::min<uint64_t>(missing, zeros.size());
    GPTC_CHECK(write(std::span(zeros).first(count)));
    missing -= count;
  }
  return {};
}

Status AtomicFile::stage() {
  if (file_ < 0) // It is staged.
    return {};
  if (::fsync(file_) != 0)
    return tl::unexpected(systemError(errno, "write", path_));
  if (temporary_.empty()) {
    std::string unnamed = fmt::format("/proc/self/fd/{}", file_);
    if (makeUnique(path_, temporary_, [&](const char *name) {
          return ::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, name,
                          AT_SYMLINK_FOLLOW);
        }) < 0) {
      int code = errno;
      temporary_.clear();
      return tl::unexpected(systemError(code, "create", path_));
    }
  }
  int closed = ::close(std::exchange(file_, -1));
  if (closed != 0)
    return tl::unexpected(systemError(errno, "write", path_));
  return {};
}

Status AtomicFile::commit() {
  GPTC_CHECK(stage());
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    return tl::unexpected(systemError(errno, "rename to", path_));
  temporary_.clear();
  // The folder remembers the new name even if the machine stops now.
  Descriptor descriptor{
      ::open(folderOf(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (descriptor.file >= 0)
    ::fsync(descriptor.file);
  return {};
}

} // namespace gptc
