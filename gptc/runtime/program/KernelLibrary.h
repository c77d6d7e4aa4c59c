//===- KernelLibrary.h - Code of a target, loaded --------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_KERNELLIBRARY_H
#define GPTC_RUNTIME_PROGRAM_KERNELLIBRARY_H

#include "gptc/runtime/base/Error.h"
#include "gptc/runtime/program/KernelAbi.h"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace gptc {

/// A shared object of kernels, loaded from bytes. The code is trusted from
/// here on. Movable; the kernels live as long as it does.
class KernelLibrary {
public:
  static Expected<KernelLibrary> load(std::span<const std::byte> elf);
  KernelLibrary() = default;
  KernelLibrary(KernelLibrary &&other) noexcept;
  KernelLibrary &operator=(KernelLibrary &&other) noexcept;
  ~KernelLibrary();

  Expected<KernelFunction> find(const std::string &symbol) const;

private:
  void *handle_ = nullptr;
  int file_ = -1;
};

/// Which of `features`, as /proc/cpuinfo spells them, this machine lacks.
std::vector<std::string> missingFeatures(std::span<const std::string> features);

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_KERNELLIBRARY_H
