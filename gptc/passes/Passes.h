//===- Passes.h - From model to program ------------------------*- C++ -*-===//

#ifndef GPTC_PASSES_PASSES_H
#define GPTC_PASSES_PASSES_H

#include "gptc/ir/Dialect.h"
#include "gptc/ir/FusionCapabilities.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace gptc::passes {

#define GEN_PASS_DECL
#include "gptc/passes/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "gptc/passes/Passes.h.inc"

using ir::FusionCapabilities;

/// model -> gradient.
void buildGradientPipeline(mlir::OpPassManager &manager);
/// gradient -> fused: candidates, precision, layouts, groups.
void buildFusePipeline(mlir::OpPassManager &manager, llvm::StringRef type,
                       const FusionCapabilities &capabilities);
/// fused -> kernels.
void buildKernelsPipeline(mlir::OpPassManager &manager);
/// kernels -> program.
void buildProgramPipeline(mlir::OpPassManager &manager);
/// Registers the passes and the four pipelines for tools.
void registerAll();

} // namespace gptc::passes

#endif // GPTC_PASSES_PASSES_H
