//===- KernelLibrary.cpp --------------------------------------------------===//

#include "gptc/runtime/program/KernelLibrary.h"

#include <cerrno>
#include <dlfcn.h>
#include <fstream>
#include <set>
#include <sstream>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace gptc {

Expected<KernelLibrary> KernelLibrary::load(std::span<const std::byte> elf) {
  KernelLibrary library;
  library.file_ = ::memfd_create("gptc-kernels", MFD_CLOEXEC);
  int file = library.file_;
  if (file < 0)
    return tl::unexpected(
        systemError(errno, "create memory for", "the kernels"));
  for (size_t done = 0; done < elf.size();) {
    ssize_t written = ::write(file, elf.data() + done, elf.size() - done);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return tl::unexpected(
          systemError(errno, "write to memory", "the kernels"));
    done += size_t(written);
  }
  // The loader knows libraries by their paths: the file stays open as long as
  // the library is loaded, so that no other one gets its number.
  std::string path = "/proc/self/fd/" + std::to_string(file);
  library.handle_ = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library.handle_) {
    const char *reason = ::dlerror();
    return failure(ErrorCode::Corrupt,
                   "the artifact's kernels cannot be loaded ({}); compile it "
                   "again",
                   reason ? reason : "no reason is given");
  }
  return library;
}

KernelLibrary::KernelLibrary(KernelLibrary &&other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)),
      file_(std::exchange(other.file_, -1)) {}

KernelLibrary &KernelLibrary::operator=(KernelLibrary &&other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(file_, other.file_);
  return *this;
}

KernelLibrary::~KernelLibrary() {
  if (handle_)
    ::dlclose(handle_);
  if (file_ >= 0)
    ::close(file_);
}

Expected<KernelFunction> KernelLibrary::find(const std::string &symbol) const {
  void *address = handle_ ? ::dlsym(handle_, symbol.c_str()) : nullptr;
  if (!address)
    return failure(ErrorCode::Corrupt,
                   "the artifact's code has no kernel '{}'; compile it again",
                   symbol);
  return reinterpret_cast<KernelFunction>(address);
}

std::vector<std::string>
missingFeatures(std::span<const std::string> features) {
  static const std::set<std::string> present = [] {
    std::ifstream file("/proc/cpuinfo");
    std::set<std::string> flags;
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with("flags"))
        continue;
      std::istringstream words(line.substr(line.find(':') + 1));
      for (std::string word; words >> word;)
        flags.insert(word);
      break;
    }
    return flags;
  }();
  std::vector<std::string> missing;
  for (const std::string &feature : features)
    if (!present.contains(feature))
      missing.push_back(feature);
  return missing;
}

} // namespace gptc
