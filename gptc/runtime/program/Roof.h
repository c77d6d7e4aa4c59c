//===- Roof.h - What this machine can do at most ---------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_ROOF_H
#define GPTC_RUNTIME_PROGRAM_ROOF_H

#include "gptc/runtime/program/Threads.h"

#include <optional>

namespace gptc {

/// Measured limits of the CPU with a team of threads, or of a device: the two
/// lines of a roofline (Williams, Waterman, Patterson: "Roofline", 2009).
struct Roof {
  /// Bytes per second that all threads read together: on the CPU from huge
  /// pages, on a device from its own memory.
  double readBytes = 0;
  /// Operations per second out of registers, a multiply-add counting two;
  /// nothing where the machine has no instruction for it, or it was not
  /// measured.
  double f32 = 0;
  std::optional<double> bf16;
  std::optional<double> int8;
};

/// Measures the machine again and again between other work and keeps the best:
/// on shared machines bandwidth changes from second to second, and what one
/// moment gave would make shares of another mean nothing. Not thread safe.
class RoofMeter {
public:
  virtual ~RoofMeter() = default;
  /// Measures for about half a second. Fails where memory to read is not to be
  /// had.
  virtual Status measure() = 0;
  /// Measures what multiplies floating point numbers alone: for about a tenth
  /// of a second, and with less than 10 MiB of memory on any machine.
  virtual Status measureArithmetic() = 0;
  /// The best of all measurements so far.
  const Roof &roof() const { return roof_; }

protected:
  Roof roof_;
};

/// Measures the CPU with the team's threads, which must outlive it.
std::unique_ptr<RoofMeter> createRoofMeter(ThreadTeam &team);

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_ROOF_H
