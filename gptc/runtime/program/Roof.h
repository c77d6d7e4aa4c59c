//===- Roof.h - What this machine can do at most ---------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_ROOF_H
#define GPTC_RUNTIME_PROGRAM_ROOF_H

#include "gptc/runtime/program/Threads.h"

#include <optional>

namespace gptc {

/// Measured limits of the machine with a team of threads: the two lines of a
/// roofline (Williams, Waterman, Patterson: "Roofline", 2009).
struct Roof {
  /// Bytes per second that all threads read together from huge pages.
  double readBytes = 0;
  /// Operations per second out of registers, a multiply-add counting two;
  /// nothing where the machine has no instruction for it.
  double f32 = 0;
  std::optional<double> bf16;
  std::optional<double> int8;
};

/// Measures for about a second. Fails when memory to read is not to be had.
Expected<Roof> measureRoof(ThreadTeam &team);

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_ROOF_H
