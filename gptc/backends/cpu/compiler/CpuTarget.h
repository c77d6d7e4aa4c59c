//===- CpuTarget.h - Instruction sets to generate for ----------*- C++ -*-===//

#ifndef GPTC_BACKENDS_CPU_COMPILER_CPUTARGET_H
#define GPTC_BACKENDS_CPU_COMPILER_CPUTARGET_H

#include "gptc/runtime/base/Error.h"

#include <string>
#include <vector>

namespace gptc::cpu {

/// An instruction set, as data.
struct CpuTarget {
  std::string name;     ///< "x86-64-v4".
  std::string cpu;      ///< For LLVM.
  std::string features; ///< For LLVM, beyond those of `cpu`.
  /// What the machine must have, as /proc/cpuinfo spells it.
  std::vector<std::string> required;
  int vectorWidth = 0; ///< f32 values of a vector register.
  /// Rows and vectors of the register tile of a matrix product.
  int tileRows = 0;
  int tileVectors = 0;
  /// Rows and steps of k of the block of a matrix product that stays in caches.
  int blockRows = 0;
  int blockOfK = 0;
  bool bf16Dot = false; ///< Has the AVX-512 dot product of bf16 pairs.
};

/// The targets of `--cpu NAME`: both defaults, best first, for an empty name;
/// the best default that this machine runs for "host". `bf16` says whether
/// the program has bf16 products.
Expected<std::vector<CpuTarget>> cpuTargets(const std::string &name, bool bf16);

} // namespace gptc::cpu

#endif // GPTC_BACKENDS_CPU_COMPILER_CPUTARGET_H
