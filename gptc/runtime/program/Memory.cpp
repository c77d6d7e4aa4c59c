//===- Memory.cpp ---------------------------------------------------------===//

#include "gptc/runtime/program/Memory.h"

#include <cerrno>
#include <fstream>
#include <sys/mman.h>
#include <utility>

namespace gptc {

namespace {
constexpr uint64_t hugePage = uint64_t(2) << 20;
} // namespace

uint64_t availableMemory() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  for (uint64_t kilobytes; file >> name >> kilobytes; std::getline(file, unit))
    if (name == "MemAvailable:")
      return kilobytes * 1024;
  return 0;
}

void releaseMapped(const std::byte *from, uint64_t bytes) {
  // What cannot be given back stays resident, which is no error.
  (void)::madvise(const_cast<std::byte *>(from), bytes, MADV_DONTNEED);
}

Expected<Region> Region::create(uint64_t bytes, const std::string &what) {
  Region region;
  if (bytes == 0)
    return region;
  uint64_t padding = bytes >= hugePage ? hugePage : 0;
  uint64_t mapped = bytes + padding;
  void *address = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    return failure(ErrorCode::OutOfMemory,
                   "cannot allocate {:.1f} MiB for {} (about {:.1f} MiB are "
                   "free); compile with a shorter --context, a smaller --batch "
                   "or --dtype bf16",
                   double(bytes) / 1048576, what,
                   double(availableMemory()) / 1048576);
  region.mapping_ = address;
  region.mappedBytes_ = mapped;
  auto begin = reinterpret_cast<uintptr_t>(address);
  if (padding != 0) {
    begin = (begin + hugePage - 1) / hugePage * hugePage;
    // Without huge pages it is slower, not wrong.
    (void)::madvise(reinterpret_cast<void *>(begin), bytes, MADV_HUGEPAGE);
  }
  region.data_ = reinterpret_cast<std::byte *>(begin);
  region.bytes_ = bytes;
  return region;
}

Region::Region(Region &&other) noexcept { *this = std::move(other); }

Region &Region::operator=(Region &&other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(mapping_, other.mapping_);
  std::swap(mappedBytes_, other.mappedBytes_);
  return *this;
}

Region::~Region() {
  if (mapping_)
    ::munmap(mapping_, mappedBytes_);
}

} // namespace gptc
