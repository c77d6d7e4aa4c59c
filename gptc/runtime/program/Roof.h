//===- Roof.h - What this machine can do at most ---------------*- C++ -*-===//

#ifndef GPTC_RUNTIME_PROGRAM_ROOF_H
#define GPTC_RUNTIME_PROGRAM_ROOF_H

#include "gptc/runtime/program/Memory.h"
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

/// Measures the machine again and again between other work and keeps the best:
/// on shared machines bandwidth changes from second to second, and what one
/// moment gave would make shares of another mean nothing. Not thread safe;
/// uses the team's threads.
class RoofMeter {
public:
  /// Fails when memory to read is not to be had.
  static Expected<RoofMeter> create(ThreadTeam &team);

  /// Measures for about half a second.
  void measure();
  /// The best of all measurements so far.
  const Roof &roof() const { return roof_; }

private:
  RoofMeter(ThreadTeam &team, Region memory)
      : team_(&team), memory_(std::move(memory)) {}
  double readPeak();
  double peakOf(void (*loop)(uint64_t), uint64_t operations);

  ThreadTeam *team_;
  Region memory_; ///< What is read: far more than caches hold.
  Roof roof_;
};

} // namespace gptc

#endif // GPTC_RUNTIME_PROGRAM_ROOF_H
