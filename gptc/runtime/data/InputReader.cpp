//===- InputReader.cpp ----------------------------------------------------===//

#include "gptc/runtime/data/InputReader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace gptc {

ShortDigest shorten(const Sha256::Digest &digest) {
  ShortDigest result;
  static_assert(sizeof(result) <= sizeof(digest));
  std::memcpy(&result, digest.data(), sizeof(result));
  return result;
}

ShortDigest shortDigest(std::span<const std::byte> bytes) {
  return shorten(Sha256::of(bytes));
}

/// An input while it is read.
struct OpenInput {
  const InputFile &input;
  int descriptor = -1;

  explicit OpenInput(const InputFile &input) : input(input) {}
  OpenInput(const OpenInput &) = delete;
  OpenInput &operator=(const OpenInput &) = delete;
  ~OpenInput() {
    if (descriptor >= 0)
      ::close(descriptor);
  }

  /// The bytes from `offset` on, as many as there are and fit.
  Expected<size_t> read(uint64_t offset, std::span<char> out) const {
    uint64_t left = input.bytes - std::min(offset, input.bytes);
    out = out.first(size_t(std::min<uint64_t>(out.size(), left)));
    if (out.empty())
      return size_t(0);
    while (true) {
      ssize_t count =
          ::pread(descriptor, out.data(), out.size(), off_t(offset));
      if (count < 0 && errno == EINTR)
        continue;
      if (count < 0)
        return tl::unexpected(systemError(errno, "read", input.path));
      if (count == 0)
        return changed();
      return size_t(count);
    }
  }

  tl::unexpected<Error> changed() const {
    return failure(ErrorCode::InvalidArgument,
                   "'{}' changed while it was read; prepare it into a new "
                   "folder when nothing writes to it any more",
                   input.path);
  }

  Status checkUnchanged() const {
    struct stat info;
    if (::fstat(descriptor, &info) != 0)
      return tl::unexpected(systemError(errno, "examine", input.path));
    if (uint64_t(info.st_size) != input.bytes ||
        int64_t(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec !=
            input.modified)
      return changed();
    return {};
  }

  Expected<ShortDigest> digest() const {
    Sha256 hash;
    std::vector<char> buffer(size_t(1) << 20);
    for (uint64_t at = 0; at < input.bytes;) {
      GPTC_TRY(size_t count, read(at, buffer));
      hash.update(std::as_bytes(std::span(buffer).first(count)));
      at += count;
    }
    return shorten(hash.finish());
  }
};

static Expected<int> openFile(const std::string &path) {
  // Without O_NONBLOCK, opening a pipe waits for a writer.
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return tl::unexpected(systemError(errno, "open", path));
  return descriptor;
}

/// What a file is compressed with, by its first bytes; null if it is not.
static const char *compressionOf(std::string_view beginning) {
  struct {
    std::string_view magic;
    const char *name;
  } const kinds[] = {
      {"\x1f\x8b", "gzip"},
      {"\x28\xb5\x2f\xfd", "zstd"},
      {"\xfd"
       "7zXZ",
       "xz"},
      {"BZh", "bzip2"},
      {"PK\x03\x04", "zip"},
      {"PAR1", "Parquet"},
  };
  for (const auto &[magic, name] : kinds)
    if (beginning.starts_with(magic))
      return name;
  return nullptr;
}

Expected<InputFile> examineInput(const std::string &path) {
  InputFile input;
  OpenInput file(input);
  input.path = path;
  GPTC_TRY(file.descriptor, openFile(path));
  struct stat info;
  if (::fstat(file.descriptor, &info) != 0)
    return tl::unexpected(systemError(errno, "examine", path));
  if (!S_ISREG(info.st_mode))
    return failure(ErrorCode::InvalidArgument,
                   "cannot read '{}': it is {}, expected a file of text or "
                   "JSON lines",
                   path,
                   S_ISDIR(info.st_mode) ? "a folder" : "a pipe or device");
  input.bytes = uint64_t(info.st_size);
  input.modified =
      int64_t(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
  char beginning[8];
  GPTC_TRY(size_t count, file.read(0, beginning));
  if (const char *name = compressionOf({beginning, count}))
    return failure(ErrorCode::Unsupported,
                   "'{}' is a {} file, expected text or JSON lines; unpack it "
                   "first",
                   path, name);
  return input;
}

InputReader::InputReader(const std::vector<InputFile> &inputs,
                         std::string separator, bool digests,
                         InputPosition from)
    : inputs_(inputs), separator_(std::move(separator)), digests_(digests),
      at_(from) {
  for (uint64_t i = 0; i < from.input; ++i)
    bytesBefore_ += inputs[i].bytes;
}

InputReader::~InputReader() = default;

Status InputReader::openNext() {
  const InputFile &input = inputs_[at_.input];
  file_ = std::make_shared<OpenInput>(input);
  GPTC_TRY(file_->descriptor, openFile(input.path));
  GPTC_CHECK(file_->checkUnchanged());
  digest_ = {};
  if (digests_ && input.kind == RecordKind::Text && at_.byte == 0) {
    GPTC_TRY(digest_, file_->digest());
  }
  reader_ = std::make_unique<RecordReader>(
      [file = file_,
       offset = at_.byte](std::span<char> out) mutable -> Expected<size_t> {
        GPTC_TRY(size_t count, file->read(offset, out));
        offset += count;
        return count;
      },
      input.kind, separator_, RecordReader::Limits{}, at_.byte, at_.line);
  return {};
}

Expected<std::optional<InputBlock>> InputReader::next() {
  while (at_.input < inputs_.size()) {
    InputBlock result;
    result.input = at_.input;
    const InputFile &input = inputs_[at_.input];
    if (!reader_)
      GPTC_CHECK(openNext());
    if (input.bytes > 0) {
      GPTC_TRY(result.block, reader_->next());
    } else {
      result.isEmpty = at_.byte == 0;
      result.block.records.push_back({});
      at_.byte = 1;
    }
    if (result.block.records.empty() || (input.bytes == 0 && !result.isEmpty)) {
      GPTC_CHECK(file_->checkUnchanged());
      bytesBefore_ += input.bytes;
      at_ = {at_.input + 1, 0, 1};
      reader_.reset();
      file_.reset();
      continue;
    }
    result.digest = std::exchange(digest_, {});
    const Record &last = result.block.records.back();
    result.bytesRead = bytesBefore_ + last.byte + last.length;
    return result;
  }
  return std::nullopt;
}

} // namespace gptc
