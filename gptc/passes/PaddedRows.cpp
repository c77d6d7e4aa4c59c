//===- PaddedRows.cpp -----------------------------------------------------===//

#include "gptc/passes/PaddedRows.h"

#include "gptc/ir/StridedView.h"
#include "mlir/IR/Matchers.h"

namespace gptc::passes {

using mlir::Operation;
using mlir::RankedTensorType;
using mlir::Value;

PaddedRows::PaddedRows(mlir::func::FuncOp function) {
  Value tokens;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    auto name = function.getArgAttrOfType<mlir::StringAttr>(i, ir::nameAttr);
    if (!name)
      continue;
    if (name == "lengths") {
      lengths_ = function.getArgument(i);
      name_ = name;
    } else if (name == "tokens") {
      tokens = function.getArgument(i);
    }
  }
  auto type = tokens ? llvm::dyn_cast<RankedTensorType>(tokens.getType())
                     : RankedTensorType();
  if (!lengths_ || !type || type.getRank() != 2) {
    lengths_ = nullptr;
    return;
  }
  batch_ = type.getDimSize(0);
  rows_ = type.getDimSize(1);
  for (Operation &op : llvm::reverse(function.getBody().front()))
    for (Value result : op.getResults())
      for (mlir::OpOperand &use : result.getUses())
        if (isNeededBy(use.getOwner(), use)) {
          needed_.insert(result);
          break;
        }
}

bool PaddedRows::isRowValue(Value value) const {
  auto type = llvm::dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() >= 2 && type.getDimSize(0) == batch_ &&
         type.getDimSize(1) == rows_;
}

/// Whether an index is lengths - 1, possibly held at 0 or above.
bool PaddedRows::isLastRow(Value index) const {
  if (auto held = index.getDefiningOp<mlir::arith::MaxSIOp>())
    return isLastRow(held.getLhs());
  auto difference = index.getDefiningOp<mlir::arith::SubIOp>();
  auto sum = index.getDefiningOp<mlir::arith::AddIOp>();
  mlir::DenseElementsAttr constant;
  if ((!difference && !sum) ||
      index.getDefiningOp()->getOperand(0) != lengths_ ||
      !mlir::matchPattern(index.getDefiningOp()->getOperand(1),
                          mlir::m_Constant(&constant)) ||
      !constant.isSplat())
    return false;
  int64_t value = constant.getSplatValue<llvm::APInt>().getSExtValue();
  return value == (difference ? 1 : -1);
}

bool PaddedRows::isNeededBy(Operation *user, mlir::OpOperand &use) const {
  unsigned number = use.getOperandNumber();
  if (auto attention = llvm::dyn_cast<ir::AttentionOp>(user))
    return attention.getLengths() != lengths_ || number > 2;
  if (auto append = llvm::dyn_cast<ir::CacheAppendOp>(user))
    return append.getLengths() != lengths_ || number != 1;
  if (auto select = llvm::dyn_cast<ir::SelectRowOp>(user))
    return number != 0 || !isLastRow(select.getIndices());
  if (user->getNumResults() != 1)
    return true;
  bool neededAfter = needed_.contains(user->getResult(0));
  if (ir::isView(user))
    return neededAfter;
  if (!isRowValue(use.get()) || !isRowValue(user->getResult(0)))
    return true;
  if (auto matmul = llvm::dyn_cast<ir::MatmulOp>(user))
    return number != 0 || matmul.getTransposeLhs() || neededAfter;
  if (auto reduce = llvm::dyn_cast<ir::ReduceOp>(user))
    return neededAfter || reduce.getDimensions().front() < 2;
  llvm::StringRef dialect = user->getName().getDialectNamespace();
  if (dialect == "arith" || dialect == "math" ||
      llvm::isa<ir::GeluOp, ir::SiluOp, ir::ReluOp, ir::CastOp, ir::GatherOp>(
          user))
    return neededAfter;
  // A row of these is the last dimension, so that rows are apart from rank 3
  // on.
  bool rowwise = llvm::isa<ir::LayerNormOp, ir::SoftmaxOp>(user);
  auto type = llvm::cast<RankedTensorType>(use.get().getType());
  return !rowwise || type.getRank() < 3 || neededAfter;
}

void PaddedRows::mark(ir::GroupOp group, llvm::ArrayRef<Value> outputs) const {
  if (!lengths_ || rows_ <= 1)
    return;
  for (Value output : outputs)
    if (needed_.contains(output) || !isRowValue(output)) {
      // The appended cache is written for valid rows alone.
      if (!output.getDefiningOp<ir::CacheAppendOp>())
        return;
    }
  mlir::Builder builder(group.getContext());
  group->setAttr("gptc.lengths", name_);
  group->setAttr("gptc.rows_per_sequence", builder.getI64IntegerAttr(rows_));
}

} // namespace gptc::passes
