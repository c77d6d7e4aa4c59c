//===- Memory.h - Large memory with huge pages -----------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_MEMORY_H
#define GPTC_RUNTIME_PROGRAM_MEMORY_H

#include "gptc/runtime/base/Error.h"

#include <cstddef>
#include <cstdint>

namespace gptc {

/// Anonymous memory, zero at first, aligned to 2 MiB where it is that large,
/// with huge pages asked for. Untouched pages cost nothing. Movable; owns.
class Region {
public:
  /// `what` names the memory in the error when the machine has too little.
  static Expected<Region> create(uint64_t bytes, const std::string &what);
  Region() = default;
  Region(Region &&other) noexcept;
  Region &operator=(Region &&other) noexcept;
  ~Region();

  std::byte *data() const { return data_; }
  uint64_t size() const { return bytes_; }

private:
  std::byte *data_ = nullptr;
  uint64_t bytes_ = 0;
  void *mapping_ = nullptr;
  uint64_t mappedBytes_ = 0;
};

/// Gives back resident pages of a mapped file; they are read anew when they
/// are touched. `from` is at the beginning of a page.
void releaseMapped(const std::byte *from, uint64_t bytes);

/// Bytes that could be allocated now without swapping, or 0 if unknown.
uint64_t availableMemory();

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_MEMORY_H
