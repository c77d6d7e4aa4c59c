//===- Progress.h - How far something is -----------------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_BASE_PROGRESS_H
#define GPTC_RUNTIME_BASE_PROGRESS_H

#include <cstdint>
#include <functional>

namespace gptc {

/// Is told, if it is not empty, how much of all is done: bytes, or windows. On
/// the thread that called what goes on.
using Progress = std::function<void(uint64_t done, uint64_t all)>;

} // namespace gptc

#endif // GPTC_RUNTIME_BASE_PROGRESS_H
