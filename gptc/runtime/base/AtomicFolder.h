//===- AtomicFolder.h - Folders that appear complete -----------*- C++ -*-===//

#ifndef GPTC_RUNTIME_BASE_ATOMICFOLDER_H
#define GPTC_RUNTIME_BASE_ATOMICFOLDER_H

#include "gptc/runtime/base/Error.h"

#include <string>

namespace gptc {

/// A folder that appears under its name only when commit() succeeds, and goes
/// away otherwise. A process that is killed leaves a `.gptc-partial-*` beside
/// the name.
class AtomicFolder {
public:
  /// `path` must be missing, or an empty folder, in a folder that exists.
  static Expected<AtomicFolder> create(const std::string &path);
  AtomicFolder(AtomicFolder &&other) noexcept;
  AtomicFolder &operator=(AtomicFolder &&) = delete;
  ~AtomicFolder();

  /// Where a file of the folder is written before the commit.
  std::string operator/(const std::string &name) const {
    return temporary_ + "/" + name;
  }
  Status commit();

private:
  AtomicFolder() = default;
  std::string path_, temporary_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_BASE_ATOMICFOLDER_H
