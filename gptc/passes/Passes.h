//===- Passes.h - From model to program ------------------------*- C++ -*-===//

#ifndef GPTC_PASSES_PASSES_H
#define GPTC_PASSES_PASSES_H

#include "gptc/ir/Dialect.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

#include <limits>

namespace gptc::passes {

#define GEN_PASS_DECL
#include "gptc/passes/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "gptc/passes/Passes.h.inc"

/// What a backend can fuse, as data: FormKernels knows no backend by name.
struct FusionCapabilities {
  /// Products of at most this many rows take a prologue.
  int64_t prologueRows = 4;
  /// Attention of at most this many queries takes the appends to the caches
  /// that it reads: where one kernel tile owns a head, so that it sees what it
  /// has appended.
  int64_t appendQueries = std::numeric_limits<int64_t>::max();
  /// Row programs have at most this many buffers, inputs and outputs together;
  /// 0: any number.
  int64_t mostBuffers = 0;
};

/// model -> gradient.
void buildGradientPipeline(mlir::OpPassManager &manager);
/// gradient -> fused: precision, layouts, groups.
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
