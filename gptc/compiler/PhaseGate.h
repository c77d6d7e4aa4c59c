//===- PhaseGate.h - What a module of a phase may hold ---------*- C++ -*-===//

#ifndef GPTC_COMPILER_PHASEGATE_H
#define GPTC_COMPILER_PHASEGATE_H

#include "gptc/compiler/Phases.h"

namespace gptc {

/// Whether a module whose ops are valid each holds what a module of `phase`
/// does, and nothing else: what passes and code generation rely on. In phase
/// program its launches must also find in memory what they read. Emits one
/// error, at the first op that does not belong there.
mlir::LogicalResult verifyPhase(mlir::ModuleOp module, Phase phase);

} // namespace gptc

#endif // GPTC_COMPILER_PHASEGATE_H
