//===- Differentiate.cpp --------------------------------------------------===//

#include "gptc/ir/TensorBuilder.h"
#include "gptc/passes/Passes.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringSet.h"

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

/// Has what is created belong to the backward pass of a program that computes
/// some of its forward pass again: it is neither merged with ops before nor
/// fused into them, or what it needs would be kept after all.
struct TagBackward : mlir::OpBuilder::Listener {
  void notifyOperationInserted(Operation *op,
                               mlir::OpBuilder::InsertPoint) override {
    op->setAttr(ir::backwardAttr, mlir::UnitAttr::get(op->getContext()));
  }
};

/// The ops of forward segments as the backward pass sees them: as they are, or
/// computed again from what the segment reads. A segment is what the first part
/// of ops' scopes names, a layer.
class Recomputation {
public:
  Recomputation(ir::GradientOp op, mlir::OpBuilder &builder)
      : gradient(op), builder(builder) {
    if (auto function = op->getParentOfType<mlir::func::FuncOp>())
      how = function->getAttrOfType<mlir::DictionaryAttr>(ir::recomputeAttr);
  }

  bool isActive() const { return bool(how); }

  Operation *operator()(Operation *forward) {
    llvm::StringRef segment = ir::scopeOf(forward->getLoc()).split('/').first;
    auto kind = how ? how.getAs<mlir::StringAttr>(segment) : mlir::StringAttr();
    if (!kind)
      return forward;
    if (done.insert(segment).second)
      clone(segment, kind == "light");
    Operation *again = clones.lookup(forward);
    return again ? again : forward;
  }

  /// Erases what nothing needed.
  void eraseUnused() {
    for (Operation *op : llvm::reverse(made))
      if (op->use_empty())
        op->erase();
  }

private:
  ir::GradientOp gradient;
  mlir::OpBuilder &builder;
  mlir::DictionaryAttr how;
  llvm::StringSet<> done;
  llvm::DenseMap<Operation *, Operation *> clones;
  llvm::SmallVector<Operation *> made;

  void clone(llvm::StringRef segment, bool light) {
    mlir::IRMapping mapping;
    for (Operation &op : *gradient->getBlock()) {
      if (&op == gradient.getOperation())
        break;
      if (ir::scopeOf(op.getLoc()).split('/').first != segment ||
          llvm::isa<ir::ReadOp, ir::AssignOp, ir::GradientOp>(op) ||
          op.hasTrait<mlir::OpTrait::ConstantLike>() ||
          op.hasAttr(ir::backwardAttr))
        continue;
      Operation *again = builder.clone(op, mapping);
      clones[&op] = again;
      made.push_back(again);
      // A heavy op's result is kept; its clone says what its operands are.
      if (light && llvm::isa<ir::MatmulOp, ir::AttentionOp>(op))
        mapping.map(op.getResults(), op.getResults());
    }
  }
};

/// Expands one op: replaces its results by the gradients.
mlir::LogicalResult expand(ir::GradientOp op) {
  mlir::Block &block = *op->getBlock();
  for (Operation *forward :
       ir::gradientPath(op.getLoss(), ir::dependentsOf(op.getValues(), block)))
    llvm::cast<ir::DifferentiableOp>(forward).keepForGradient();
  auto dependents = ir::dependentsOf(op.getValues(), block);
  mlir::OpBuilder builder(op);
  TagBackward tag;
  Recomputation recomputed(op, builder);
  if (recomputed.isActive())
    builder.setListener(&tag);
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
    auto made = llvm::cast<ir::DifferentiableOp>(recomputed(forward))
                    .buildGradients(builder, flowing, needed);
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
  recomputed.eraseUnused();
  return mlir::success();
}

struct Differentiate : impl::DifferentiateBase<Differentiate> {
  void runOnOperation() override {
    llvm::SmallVector<ir::GradientOp> ops;
    getOperation().walk([&](ir::GradientOp op) { ops.push_back(op); });
    for (auto function : getOperation().getOps<mlir::func::FuncOp>())
      if (mlir::failed(checkRecomputed(function)))
        return signalPassFailure();
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
  /// Whether what is to be computed again is there, and how is known.
  static mlir::LogicalResult checkRecomputed(mlir::func::FuncOp function) {
    mlir::Attribute how = function->getAttr(ir::recomputeAttr);
    if (!how)
      return mlir::success();
    auto members = llvm::dyn_cast<mlir::DictionaryAttr>(how);
    if (!members)
      return function.emitError()
             << "has " << ir::recomputeAttr << " = " << how
             << ", expected scopes, each with \"whole\" or \"light\"";
    llvm::StringSet<> scopes;
    function.walk([&](Operation *op) {
      scopes.insert(ir::scopeOf(op->getLoc()).split('/').first);
    });
    for (mlir::NamedAttribute member : members) {
      auto kind = llvm::dyn_cast<mlir::StringAttr>(member.getValue());
      if (!kind || (kind != "whole" && kind != "light"))
        return function.emitError()
               << "has " << member.getValue() << " for the scope '"
               << member.getName().getValue() << "' in " << ir::recomputeAttr
               << ", expected \"whole\" or \"light\"";
      if (!scopes.contains(member.getName()))
        return function.emitError()
               << "has no op in the scope '" << member.getName().getValue()
               << "', which " << ir::recomputeAttr << " names";
    }
    return mlir::success();
  }

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
