//===- File.cpp -----------------------------------------------------------===//

#include "gptc/runtime/base/File.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

Expected<std::string> readTextFile(const std::string &path, size_t limit) {
  GPTC_TRY(MappedFile file, MappedFile::open(path));
  if (file.bytes().size() > limit)
    return failure(ErrorCode::InvalidArgument,
                   "'{}' has {} bytes, expected at most {}", path,
                   file.bytes().size(), limit);
  return std::string(reinterpret_cast<const char *>(file.bytes().data()),
                     file.bytes().size());
}

Expected<AtomicFile> AtomicFile::create(const std::string &path) {
  AtomicFile file;
  file.path_ = path;
  if (std::error_code code; std::filesystem::is_directory(path, code))
    return failure(ErrorCode::InvalidArgument,
                   "cannot write '{}': it is a folder", path);
  file.temporary_ = path + ".partial-XXXXXX";
  file.file_ = ::mkostemp(file.temporary_.data(), O_CLOEXEC);
  if (file.file_ < 0) {
    int code = errno;
    file.temporary_.clear();
    return tl::unexpected(systemError(code, "create", path));
  }
  mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(file.file_, 0666 & ~mask);
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
    if (count < 0)
      return tl::unexpected(systemError(errno, "write", path_));
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

Status AtomicFile::commit() {
  if (::fsync(file_) != 0)
    return tl::unexpected(systemError(errno, "write", path_));
  int closed = ::close(std::exchange(file_, -1));
  if (closed != 0)
    return tl::unexpected(systemError(errno, "write", path_));
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    return tl::unexpected(systemError(errno, "rename to", path_));
  temporary_.clear();
  // The folder remembers the new name even if the machine stops now.
  auto folder = std::filesystem::path(path_).parent_path();
  Descriptor descriptor{::open(folder.empty() ? "." : folder.c_str(),
                               O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (descriptor.file >= 0)
    ::fsync(descriptor.file);
  return {};
}

} // namespace gptc
