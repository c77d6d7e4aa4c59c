//===- Pipelines.cpp ------------------------------------------------------===//

#include "gptc/passes/Passes.h"

#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

namespace gptc::passes {

void buildGradientPipeline(mlir::OpPassManager &manager) {
  manager.addPass(createDifferentiate());
}

void buildFusePipeline(mlir::OpPassManager &manager, llvm::StringRef type,
                       const FusionCapabilities &capabilities) {
  manager.addNestedPass<mlir::func::FuncOp>(
      createSelectCandidates({capabilities.candidates}));
  manager.addPass(createSimplify());
  manager.addPass(createLowerPrecision({type.str()}));
  manager.addPass(createPackWeights());
  manager.addNestedPass<mlir::func::FuncOp>(
      createFormKernels({capabilities.prologueRows, capabilities.appendQueries,
                         capabilities.mostBuffers}));
}

void buildKernelsPipeline(mlir::OpPassManager &manager) {
  manager.addPass(createOutlineKernels());
}

void buildProgramPipeline(mlir::OpPassManager &manager) {
  manager.addPass(createOrderDispatches());
  manager.addPass(createScheduleDispatches());
  manager.addNestedPass<mlir::func::FuncOp>(createPlanMemory());
}

void registerAll() {
  registerGptcPasses();
  mlir::PassPipelineRegistration<>("gptc-gradient", "model to gradient",
                                   buildGradientPipeline);
  mlir::PassPipelineRegistration<>("gptc-fuse",
                                   "gradient to fused, in f32, for the CPU",
                                   [](mlir::OpPassManager &manager) {
                                     buildFusePipeline(manager, "f32", {});
                                   });
  mlir::PassPipelineRegistration<>("gptc-kernels", "fused to kernels",
                                   buildKernelsPipeline);
  mlir::PassPipelineRegistration<>("gptc-program", "kernels to program",
                                   buildProgramPipeline);
}

} // namespace gptc::passes
