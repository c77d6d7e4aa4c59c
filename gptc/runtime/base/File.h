//===- File.h - Reading and writing whole files ----------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_BASE_FILE_H
#define GPTC_RUNTIME_BASE_FILE_H

#include "gptc/runtime/base/Error.h"

#include <cstddef>
#include <span>
#include <string>

namespace gptc {

/// A regular file mapped for reading. Movable, owns the mapping. The file must
/// not shrink while it is mapped.
class MappedFile {
public:
  /// Refuses folders, pipes and devices.
  static Expected<MappedFile> open(const std::string &path);
  MappedFile() = default;
  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string &path() const { return path_; }
  /// Gives back the memory of pages of a part of bytes() that were read; when
  /// they are read again they come from the file again.
  void release(std::span<const std::byte> part) const;

private:
  std::string path_;
  std::span<const std::byte> bytes_;
};

/// The content of a regular file of at most `limit` bytes.
Expected<std::string> readTextFile(const std::string &path,
                                   size_t limit = size_t(256) << 20);

/// What `descriptor` gives up to its end, at most `limit` bytes; `name` stands
/// for it in errors.
Expected<std::string> readToEnd(int descriptor, const std::string &name,
                                size_t limit = size_t(256) << 20);

/// A text that a user names: as readTextFile, but pipes and devices are read
/// to their end as well, such as a shell's <(COMMAND). Waits for the writer.
Expected<std::string> readTextInput(const std::string &path,
                                    size_t limit = size_t(256) << 20);

/// Whether the file system of a file that is to be written has `bytes` free;
/// an error says how many it has. Another process may take them meanwhile.
Status checkSpace(const std::string &path, uint64_t bytes);

/// A file that appears under its name only when commit() succeeds: written
/// without a name in the same folder, synchronized, renamed. Gone if it is not
/// committed, also when the process is killed; only file systems without
/// O_TMPFILE then keep a `.gptc-partial-*`. A process that shall report a limit
/// on file sizes as an error must ignore SIGXFSZ.
class AtomicFile {
public:
  /// Follows links; refuses folders, pipes and devices.
  static Expected<AtomicFile> create(const std::string &path);
  AtomicFile(AtomicFile &&other) noexcept;
  AtomicFile &operator=(AtomicFile &&) = delete;
  ~AtomicFile();

  Status write(std::span<const std::byte> bytes);
  /// Overwrites bytes that were written before.
  Status writeAt(uint64_t offset, std::span<const std::byte> bytes);
  /// Fills with zeros up to a multiple of `alignment`.
  Status pad(uint64_t alignment);
  uint64_t position() const { return position_; }
  /// Synchronizes what was written and makes all of the commit but the rename:
  /// what can fail for want of room fails here.
  Status stage();
  Status commit();

private:
  AtomicFile() = default;
  std::string path_;
  std::string temporary_;
  int file_ = -1;
  uint64_t position_ = 0;
};

} // namespace gptc

#endif // GPTC_RUNTIME_BASE_FILE_H
