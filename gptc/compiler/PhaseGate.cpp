//===- PhaseGate.cpp ------------------------------------------------------===//

#include "gptc/compiler/PhaseGate.h"

#include "gptc/compiler/MemoryGate.h"

namespace gptc {

namespace {

/// Whether an op computes values from values and knows no state: what groups
/// and kernels are made of.
bool isComputation(mlir::Operation *op) {
  if (llvm::isa<ir::ReadOp, ir::AssignOp, ir::GradientOp, ir::StopGradientOp,
                ir::GroupOp, ir::KernelOp, ir::VariableOp, ir::DispatchOp,
                ir::LaunchOp, ir::ArenaOp, ir::StorageOp>(op))
    return false;
  mlir::StringRef dialect = op->getName().getDialectNamespace();
  return dialect == "gptc" || dialect == "arith" || dialect == "math" ||
         llvm::isa<mlir::tensor::SplatOp>(op);
}

/// Whether an entry of that phase holds such an op directly.
bool belongs(mlir::Operation *op, Phase phase) {
  if (llvm::isa<mlir::func::ReturnOp>(op))
    return true;
  if (phase <= Phase::Gradient)
    return isComputation(op)
               ? !llvm::isa<ir::YieldOp>(op)
               : llvm::isa<ir::ReadOp, ir::AssignOp>(op) ||
                     (phase == Phase::Model &&
                      llvm::isa<ir::GradientOp, ir::StopGradientOp>(op));
  if (llvm::isa<mlir::arith::ConstantOp>(op))
    return !llvm::isa<mlir::ShapedType>(op->getResult(0).getType());
  switch (phase) {
  case Phase::Fused:
    return llvm::isa<ir::ReadOp, ir::AssignOp, ir::GroupOp>(op);
  case Phase::Kernels:
    return llvm::isa<ir::ReadOp, ir::AssignOp, ir::DispatchOp>(op);
  default:
    return llvm::isa<ir::ArenaOp, ir::StorageOp, ir::LaunchOp>(op);
  }
}

class Gate {
public:
  explicit Gate(Phase phase) : phase(phase) {}

  mlir::LogicalResult verify(mlir::ModuleOp module) {
    if (mlir::failed(verifyOps(module)))
      return mlir::failure();
    if (phase != Phase::Program)
      return mlir::success();
    mlir::SymbolTable symbols(module);
    for (auto function : module.getOps<mlir::func::FuncOp>())
      if (mlir::failed(verifyMemory(function, symbols)))
        return mlir::failure();
    return mlir::success();
  }

private:
  mlir::LogicalResult verifyOps(mlir::ModuleOp module) {
    for (mlir::Operation &op : *module.getBody()) {
      if (auto function = llvm::dyn_cast<mlir::func::FuncOp>(op)) {
        if (mlir::failed(verify(function)))
          return mlir::failure();
      } else if (auto kernel = llvm::dyn_cast<ir::KernelOp>(op);
                 kernel && phase >= Phase::Kernels) {
        if (mlir::failed(verifyBody(kernel.getBody().front())))
          return mlir::failure();
      } else if (!llvm::isa<ir::VariableOp>(op)) {
        return misplaced(&op);
      }
    }
    return mlir::success();
  }

  mlir::LogicalResult misplaced(mlir::Operation *op) {
    return op->emitError()
           << "'" << op->getName() << "' does not stand here in phase '"
           << toString(phase)
           << "'; compile a file of that phase as --to and --dump-dir write "
              "it, of a dump one that a phase gave its name";
  }

  mlir::LogicalResult verify(mlir::func::FuncOp function) {
    if (!function.getBody().hasOneBlock())
      return function.emitError()
             << "entry '" << function.getSymName() << "' has "
             << function.getBody().getBlocks().size()
             << " blocks, expected one";
    // The last phases give results as buffers.
    if (phase == Phase::Program && function.getNumResults() != 0)
      return function.emitError() << "entry '" << function.getSymName()
                                  << "' returns values, which it does not in "
                                     "phase 'program'";
    uint64_t arena = 0;
    if (auto bytes =
            function->getAttrOfType<mlir::IntegerAttr>("gptc.arena_bytes"))
      arena = uint64_t(bytes.getInt());
    for (mlir::Operation &op : function.getBody().front()) {
      if (!belongs(&op, phase))
        return misplaced(&op);
      if (auto group = llvm::dyn_cast<ir::GroupOp>(op);
          group && mlir::failed(verifyBody(group.getBody().front())))
        return mlir::failure();
      auto buffer = llvm::dyn_cast<ir::ArenaOp>(op);
      if (buffer && uint64_t(buffer.getOffset()) +
                            ir::bytesOf(buffer.getBuffer().getType()) >
                        arena)
        return buffer.emitOpError()
               << "ends after the " << arena << " bytes that gptc.arena_bytes "
               << "of entry '" << function.getSymName() << "' says";
    }
    return mlir::success();
  }

  /// Of a group or a kernel.
  mlir::LogicalResult verifyBody(mlir::Block &body) {
    for (mlir::Operation &op : body)
      if (!isComputation(&op))
        return misplaced(&op);
    return mlir::success();
  }

  Phase phase;
};

} // namespace

mlir::LogicalResult verifyPhase(mlir::ModuleOp module, Phase phase) {
  return Gate(phase).verify(module);
}

} // namespace gptc
