//===- FitMemory.h - Training within a budget of memory --------*- C++ -*-===//

#ifndef GPTC_COMPILER_FITMEMORY_H
#define GPTC_COMPILER_FITMEMORY_H

#include "gptc/compiler/ModuleInfo.h"
#include "gptc/compiler/Phases.h"

namespace gptc {

struct Fit {
  Recomputation recomputed;
  /// Bytes of variables and of the largest arena, of the target that plans
  /// most.
  uint64_t peak = 0;
};

/// Has the backward passes of a module in phase model compute again as little
/// of its layers as keeps the peak within `budget`: first all but their
/// products and attention, then everything, layer by layer. A layer is what the
/// first part of ops' scopes names, if it has a product. Where nothing is
/// enough, what needs least is chosen, and the peak is more than the budget.
/// Source: the choice between the two is that of Korthikanti et al., 2022.
Expected<Fit> fitMemory(mlir::ModuleOp module, const ModuleInfo &info,
                        uint64_t budget, const TextProgress &progress = {});

/// The peak of some such choice, within `budget` if one is found: sooner than
/// the cheapest. What the module computes again is then of no use.
Expected<uint64_t> leastPeak(mlir::ModuleOp module, const ModuleInfo &info,
                             uint64_t budget,
                             const TextProgress &progress = {});

} // namespace gptc

#endif // GPTC_COMPILER_FITMEMORY_H
