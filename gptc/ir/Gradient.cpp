//===- Gradient.cpp -------------------------------------------------------===//

#include "gptc/ir/Dialect.h"

namespace gptc::ir {

mlir::LogicalResult GradientOp::verify() {
  if (getLoss().getType().getRank() != 0)
    return emitOpError() << "(gradient_c1) has the loss " << getLoss().getType()
                         << ", expected a tensor without dimensions";
  if (getValues().getTypes() != getGradients().getTypes())
    return emitOpError() << "(gradient_c2) has results of other types than its "
                         << getValues().size() << " values";
  return mlir::success();
}

void GradientOp::print(mlir::OpAsmPrinter &printer) {
  printer << " " << getLoss() << " wrt " << getValues();
  printer.printOptionalAttrDict((*this)->getAttrs());
  printer << " : " << getLoss().getType() << " wrt " << getValues().getTypes();
}

mlir::ParseResult GradientOp::parse(mlir::OpAsmParser &parser,
                                    mlir::OperationState &state) {
  mlir::OpAsmParser::UnresolvedOperand loss;
  llvm::SmallVector<mlir::OpAsmParser::UnresolvedOperand> values;
  mlir::Type lossType;
  llvm::SmallVector<mlir::Type> types;
  auto loc = parser.getCurrentLocation();
  if (parser.parseOperand(loss) || parser.parseKeyword("wrt") ||
      parser.parseOperandList(values) ||
      parser.parseOptionalAttrDict(state.attributes) ||
      parser.parseColonType(lossType) || parser.parseKeyword("wrt") ||
      parser.parseTypeList(types) ||
      parser.resolveOperand(loss, lossType, state.operands) ||
      parser.resolveOperands(values, types, loc, state.operands))
    return mlir::failure();
  state.addTypes(types);
  return mlir::success();
}

llvm::DenseSet<mlir::Value> dependentsOf(mlir::ValueRange values,
                                         mlir::Block &block) {
  llvm::DenseSet<mlir::Value> found(values.begin(), values.end());
  for (mlir::Operation &op : block) {
    if (llvm::isa<StopGradientOp>(op) ||
        llvm::none_of(op.getOperands(), [&](mlir::Value operand) {
          return found.contains(operand);
        }))
      continue;
    for (mlir::Value result : op.getResults())
      if (llvm::isa<mlir::FloatType>(
              mlir::getElementTypeOrSelf(result.getType())))
        found.insert(result);
  }
  return found;
}

llvm::SmallVector<mlir::Operation *>
gradientPath(mlir::Value loss, const llvm::DenseSet<mlir::Value> &dependents) {
  llvm::SmallVector<mlir::Operation *> path;
  llvm::SmallVector<mlir::Value> work{loss};
  llvm::DenseSet<mlir::Operation *> seen;
  while (!work.empty()) {
    mlir::Value value = work.pop_back_val();
    mlir::Operation *op = value.getDefiningOp();
    if (!op || !dependents.contains(value) || !seen.insert(op).second)
      continue;
    bool depends = false;
    for (mlir::Value operand : op->getOperands())
      if (!llvm::isa<StopGradientOp>(op) && dependents.contains(operand)) {
        work.push_back(operand);
        depends = true;
      }
    if (depends)
      path.push_back(op);
  }
  llvm::sort(path, [](mlir::Operation *a, mlir::Operation *b) {
    return b->isBeforeInBlock(a);
  });
  return path;
}

/// Reads, up to `loss`, of variables that were assigned something that depends
/// on the values: their gradient would be lost.
static llvm::SmallVector<ReadOp>
readsOf(const llvm::DenseSet<mlir::Value> &dependents, mlir::Block &block) {
  llvm::SmallVector<ReadOp> reads;
  llvm::DenseSet<mlir::Attribute> assigned;
  for (mlir::Operation &op : block) {
    if (auto assign = llvm::dyn_cast<AssignOp>(op)) {
      if (dependents.contains(assign.getValue()))
        assigned.insert(assign.getVariableAttr());
    } else if (auto read = llvm::dyn_cast<ReadOp>(op)) {
      if (assigned.contains(read.getVariableAttr()))
        reads.push_back(read);
    }
  }
  return reads;
}

std::optional<GradientObstacle> findObstacle(mlir::Value loss,
                                             mlir::ValueRange values) {
  mlir::Block &block = *loss.getParentBlock();
  auto dependents = dependentsOf(values, block);
  for (mlir::Operation *op : gradientPath(loss, dependents)) {
    if (llvm::isa<GradientOp>(op))
      return GradientObstacle{
          op, "is a gradient itself: there are no second derivatives, since "
              "the ops that gradients are made of have none of their own"};
    if (!llvm::isa<DifferentiableOp>(op))
      return GradientObstacle{op, "is not differentiable"};
  }
  for (ReadOp read : readsOf(dependents, block))
    if (dependentsOf(read.getResult(), block).contains(loss))
      return GradientObstacle{
          read, "reads a variable after its assignment, which no gradient "
                "flows through"};
  return std::nullopt;
}

} // namespace gptc::ir
