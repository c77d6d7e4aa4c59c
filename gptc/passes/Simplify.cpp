//===- Simplify.cpp -------------------------------------------------------===//

#include "gptc/passes/Passes.h"

#include "mlir/Transforms/Passes.h"

namespace gptc::passes {

#define GEN_PASS_DEF_SIMPLIFY
#include "gptc/passes/Passes.h.inc"

namespace {

/// Makes every read see the value at the function's start and every variable
/// assigned at most once: what is between them is pure dataflow.
void forwardAssignments(mlir::func::FuncOp function) {
  llvm::DenseMap<mlir::StringAttr, ir::AssignOp> assigned;
  for (mlir::Operation &op :
       llvm::make_early_inc_range(function.getBody().front())) {
    if (auto read = llvm::dyn_cast<ir::ReadOp>(op)) {
      if (auto found = assigned.lookup(read.getVariableAttr().getAttr())) {
        read.replaceAllUsesWith(found.getValue());
        read.erase();
      }
    } else if (auto assign = llvm::dyn_cast<ir::AssignOp>(op)) {
      ir::AssignOp &last = assigned[assign.getVariableAttr().getAttr()];
      if (last)
        last.erase();
      last = assign;
    }
  }
}

struct Simplify : impl::SimplifyBase<Simplify> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<mlir::func::FuncOp>())
      if (!function.isExternal())
        forwardAssignments(function);
    mlir::OpPassManager manager(mlir::ModuleOp::getOperationName());
    manager.addPass(mlir::createCanonicalizerPass());
    manager.addPass(mlir::createCSEPass());
    if (mlir::failed(runPipeline(manager, getOperation())))
      signalPassFailure();
  }
};

} // namespace
} // namespace gptc::passes
