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
  int file = ::memfd_create("gptc-kernels", MFD_CLOEXEC);
  if (file < 0)
    return tl::unexpected(
        systemError(errno, "create memory for", "the kernels"));
  for (size_t done = 0; done < elf.size();) {
    ssize_t written = ::write(file, elf.data() + done, elf.size() - done);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0) {
      Error error = systemError(errno, "write to memory", "the kernels");
      ::close(file);
      return tl::unexpected(std::move(error));
    }
    done += size_t(written);
  }
  KernelLibrary library;
  std::string path = "/proc/self/fd/" + std::to_string(file);
  library.handle_ = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  const char *reason = library.handle_ ? nullptr : ::dlerror();
  ::close(file);
  if (!library.handle_)
    return failure(ErrorCode::Corrupt,
                   "the artifact's kernels cannot be loaded ({}); compile it "
                   "again",
                   reason ? reason : "no reason is given");
  return library;
}

KernelLibrary::KernelLibrary(KernelLibrary &&other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)) {}

KernelLibrary &KernelLibrary::operator=(KernelLibrary &&other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

KernelLibrary::~KernelLibrary() {
  if (handle_)
    ::dlclose(handle_);
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
