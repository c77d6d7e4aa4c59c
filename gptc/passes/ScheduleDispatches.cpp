//===- ScheduleDispatches.cpp ---------------------------------------------===//

#include "gptc/passes/Passes.h"

namespace gptc::passes {

#define GEN_PASS_DEF_SCHEDULEDISPATCHES
#include "gptc/passes/Passes.h.inc"

namespace {

using mlir::Operation;
using mlir::RankedTensorType;
using mlir::Value;

mlir::MemRefType bufferType(mlir::Type type) {
  auto tensor = llvm::cast<RankedTensorType>(type);
  return mlir::MemRefType::get(tensor.getShape(), tensor.getElementType());
}

struct ScheduleDispatches : impl::ScheduleDispatchesBase<ScheduleDispatches> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<mlir::func::FuncOp>())
      if (!function.isExternal() && mlir::failed(schedule(function)))
        return signalPassFailure();
  }

private:
  mlir::IRMapping buffers;

  mlir::LogicalResult schedule(mlir::func::FuncOp function) {
    mlir::Block &old = function.getBody().front();
    mlir::SymbolTable symbols(getOperation());
    mlir::OpBuilder builder(&getContext());
    buffers.clear();

    // The new signature: arguments, then results.
    auto *block = new mlir::Block();
    llvm::SmallVector<mlir::DictionaryAttr> attributes;
    for (mlir::BlockArgument argument : old.getArguments()) {
      mlir::Type type = argument.getType();
      if (llvm::isa<RankedTensorType>(type))
        type = bufferType(type);
      buffers.map(argument, block->addArgument(type, argument.getLoc()));
      auto given = function.getArgAttrDict(argument.getArgNumber());
      attributes.push_back(given ? given : builder.getDictionaryAttr({}));
    }
    auto returned = llvm::cast<mlir::func::ReturnOp>(old.getTerminator());
    for (mlir::OpOperand &operand : returned->getOpOperands()) {
      Value value = operand.get();
      buffers.map(value, block->addArgument(bufferType(value.getType()),
                                            value.getLoc()));
      mlir::Attribute name =
          function.getResultAttr(operand.getOperandNumber(), ir::nameAttr);
      if (!name)
        return function.emitError()
               << "has a result without the attribute " << ir::nameAttr;
      attributes.push_back(builder.getDictionaryAttr(
          builder.getNamedAttr(ir::resultAttr, name)));
    }

    builder.setInsertionPointToEnd(block);
    for (Operation &op : old)
      if (mlir::failed(scheduleOp(&op, builder, symbols)))
        return mlir::failure();
    mlir::func::ReturnOp::create(builder, returned.getLoc());

    llvm::SmallVector<mlir::Type> types(block->getArgumentTypes());
    old.dropAllReferences();
    function.getBody().getBlocks().clear();
    function.getBody().push_back(block);
    function.setFunctionType(builder.getFunctionType(types, {}));
    function.setResAttrsAttr(nullptr);
    function.setAllArgAttrs(attributes);
    return mlir::success();
  }

  mlir::LogicalResult scheduleOp(Operation *op, mlir::OpBuilder &builder,
                                 mlir::SymbolTable &symbols) {
    if (auto read = llvm::dyn_cast<ir::ReadOp>(op)) {
      buffers.map(read.getResult(),
                  storage(builder, read.getLoc(), read.getVariableAttr(),
                          read.getResult().getType()));
      return mlir::success();
    }
    if (llvm::isa<mlir::arith::ConstantOp>(op)) {
      builder.clone(*op, buffers);
      return mlir::success();
    }
    auto dispatch = llvm::dyn_cast<ir::DispatchOp>(op);
    if (!dispatch) {
      if (llvm::isa<ir::AssignOp, mlir::func::ReturnOp>(op))
        return mlir::success();
      return op->emitOpError("stands in the schedule and is no dispatch");
    }
    auto kernel = symbols.lookup<ir::KernelOp>(dispatch.getKernel());
    llvm::SmallVector<Value> inputs, outputs;
    for (Value input : dispatch.getInputs())
      inputs.push_back(buffers.lookup(input));
    auto tied = kernel.getTied().value_or(llvm::ArrayRef<int64_t>());
    for (auto [i, output] : llvm::enumerate(dispatch.getOutputs())) {
      for (size_t pair = 0; pair < tied.size(); pair += 2)
        if (tied[pair + 1] == int64_t(i))
          buffers.map(output, inputs[tied[pair]]);
      if (!buffers.contains(output))
        buffers.map(output, destination(builder, dispatch.getLoc(), output));
      outputs.push_back(buffers.lookup(output));
    }
    auto launch = ir::LaunchOp::create(
        builder, dispatch.getLoc(), dispatch.getKernelAttr(), inputs, outputs);
    launch->setDiscardableAttrs(dispatch->getDiscardableAttrDictionary());
    return mlir::success();
  }

  Value storage(mlir::OpBuilder &builder, mlir::Location loc,
                mlir::FlatSymbolRefAttr variable, mlir::Type type) {
    return ir::StorageOp::create(builder, loc, bufferType(type), variable);
  }

  /// Where a dispatch writes a value that is neither returned nor tied.
  Value destination(mlir::OpBuilder &builder, mlir::Location loc, Value value) {
    for (Operation *user : value.getUsers())
      if (auto assign = llvm::dyn_cast<ir::AssignOp>(user))
        return storage(builder, loc, assign.getVariableAttr(), value.getType());
    return mlir::memref::AllocOp::create(builder, loc,
                                         bufferType(value.getType()));
  }
};

} // namespace
} // namespace gptc::passes
