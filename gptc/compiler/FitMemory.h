//===- FitMemory.h - Training within a budget of memory --------*- C++ -*-===//

#ifndef GPTC_COMPILER_FITMEMORY_H
#define GPTC_COMPILER_FITMEMORY_H

#include "gptc/compiler/ModuleInfo.h"
#include "gptc/compiler/Service.h"

namespace gptc {

/// Bytes of a module's variables and of its largest arena, as planned for the
/// CPU; the module is in phase model and stays so. `flops`, if not null,
/// receives the operations of all entries, what is computed again included.
Expected<uint64_t> plannedPeak(mlir::ModuleOp module, const ModuleInfo &info,
                               uint64_t *flops = nullptr);

/// Has the backward passes of a module in phase model compute again as little
/// of its layers as keeps plannedPeak() within `budget`: first all but their
/// products and attention, then everything, layer by layer. A layer is what the
/// first part of ops' scopes names, if it has a product. Where nothing is
/// enough, what needs least is chosen, and `peak` is more than the budget.
/// Source: the choice between the two is that of Korthikanti et al., 2022.
struct Fit {
  Recomputation recomputed;
  uint64_t peak = 0;
};
Expected<Fit> fitMemory(mlir::ModuleOp module, const ModuleInfo &info,
                        uint64_t budget);

} // namespace gptc

#endif // GPTC_COMPILER_FITMEMORY_H
