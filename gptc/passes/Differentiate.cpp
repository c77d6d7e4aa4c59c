//===- Differentiate.cpp --------------------------------------------------===//

#include "gptc/ir/TensorBuilder.h"
#include "gptc/passes/Passes.h"

#include "mlir/IR/Matchers.h"

namespace gptc::passes {

#define GEN_PASS_DEF_DIFFERENTIATE
#include "gptc/passes/Passes.h.inc"

namespace {

using mlir::Operation;
using mlir::Value;
using Values = llvm::SmallVector<Value>;

bool isZero(Value value) {
  mlir::DenseElementsAttr elements;
  return mlir::matchPattern(value, mlir::m_Constant(&elements)) &&
         elements.isSplat() && elements.getElementType().isFloat() &&
         elements.getSplatValue<llvm::APFloat>().isZero();
}

/// One part of a concatenation: a value and where it begins.
struct Part {
  Value value;
  int64_t begin, end;
};

llvm::SmallVector<Part> partsOf(ir::ConcatOp concat) {
  llvm::SmallVector<Part> parts;
  int64_t at = 0;
  for (Value input : concat.getInputs()) {
    auto type = ir::TensorBuilder::typeOf(input);
    int64_t end = at + type.getDimSize(concat.getDimension());
    if (!isZero(input))
      parts.push_back({input, at, end});
    at = end;
  }
  return parts;
}

/// The sum of two values. Two tensors that are zero where the other one is
/// not, gradients of disjoint slices, are put together instead.
Value sumOf(mlir::OpBuilder &builder, mlir::Location loc, Value a, Value b) {
  ir::TensorBuilder t(builder, loc);
  auto x = a.getDefiningOp<ir::ConcatOp>(), y = b.getDefiningOp<ir::ConcatOp>();
  if (!x || !y || x.getDimension() != y.getDimension())
    return t.add(a, b);
  int64_t dimension = x.getDimension();
  llvm::SmallVector<Part> parts = partsOf(x);
  parts.append(partsOf(y));
  llvm::sort(parts,
             [](const Part &a, const Part &b) { return a.begin < b.begin; });
  llvm::SmallVector<int64_t> shape(t.typeOf(a).getShape());
  Values inputs;
  int64_t at = 0;
  auto fillTo = [&](int64_t end) {
    shape[dimension] = end - at;
    if (at < end)
      inputs.push_back(t.constant(0, t.typeOf(a).clone(shape)));
  };
  for (const Part &part : parts) {
    if (part.begin < at)
      return t.add(a, b);
    fillTo(part.begin);
    inputs.push_back(part.value);
    at = part.end;
  }
  fillTo(t.typeOf(a).getDimSize(dimension));
  return ir::ConcatOp::create(builder, loc, a.getType(), inputs,
                              x.getDimensionAttr());
}

/// Expands one op: replaces its results by the gradients.
mlir::LogicalResult expand(ir::GradientOp op) {
  mlir::Block &block = *op->getBlock();
  auto dependents = ir::dependentsOf(op.getValues(), block);
  mlir::OpBuilder builder(op);
  llvm::DenseMap<Value, Value> gradients;
  auto accumulate = [&](mlir::Location loc, Value value, Value gradient) {
    Value &sum = gradients[value];
    sum = sum ? sumOf(builder, loc, sum, gradient) : gradient;
  };
  gradients[op.getLoss()] = ir::TensorBuilder(builder, op.getLoc())
                                .constant(1, op.getLoss().getType());
  for (Operation *forward : ir::gradientPath(op.getLoss(), dependents)) {
    Values flowing;
    for (Value result : forward->getResults())
      flowing.push_back(gradients.lookup(result));
    if (llvm::none_of(flowing, [](Value g) { return bool(g); }))
      continue;
    llvm::SmallVector<bool> needed;
    for (Value operand : forward->getOperands())
      needed.push_back(dependents.contains(operand));
    auto made = llvm::cast<ir::DifferentiableOp>(forward).buildGradients(
        builder, flowing, needed);
    for (auto [operand, isNeeded, gradient] :
         llvm::zip(forward->getOperands(), needed, made))
      if (isNeeded && gradient)
        accumulate(forward->getLoc(), operand, gradient);
  }
  for (auto [value, result] : llvm::zip(op.getValues(), op.getGradients())) {
    Value gradient = gradients.lookup(value);
    if (!gradient)
      gradient = ir::TensorBuilder(builder, op.getLoc())
                     .constant(0, ir::TensorBuilder::typeOf(value));
    result.replaceAllUsesWith(gradient);
  }
  op.erase();
  return mlir::success();
}

struct Differentiate : impl::DifferentiateBase<Differentiate> {
  void runOnOperation() override {
    llvm::SmallVector<ir::GradientOp> ops;
    getOperation().walk([&](ir::GradientOp op) { ops.push_back(op); });
    for (ir::GradientOp op : ops)
      if (mlir::failed(check(op)))
        return signalPassFailure();
    for (ir::GradientOp op : ops)
      if (mlir::failed(expand(op)))
        return signalPassFailure();
    getOperation().walk([&](ir::StopGradientOp op) {
      op.replaceAllUsesWith(op.getX());
      op.erase();
    });
  }

private:
  /// Whether everything on the way can be differentiated.
  static mlir::LogicalResult check(ir::GradientOp op) {
    if (auto obstacle = ir::findObstacle(op.getLoss(), op.getValues()))
      return obstacle->op->emitOpError()
             << "stands between a loss and what it is differentiated by, and "
             << obstacle->reason;
    return mlir::success();
  }
};

} // namespace
} // namespace gptc::passes
