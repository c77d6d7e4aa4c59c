//===- Elementwise.cpp ----------------------------------------------------===//

#include "gptc/ir/Dialect.h"

namespace gptc::ir {

uint64_t GeluOp::getFlops() {
  // Multiplications and additions of the form, and one for erf, tanh or exp.
  unsigned each = getForm() == GeluForm::Tanh ? 9 : 5;
  return getX().getType().getNumElements() * each;
}

uint64_t SiluOp::getFlops() { return getX().getType().getNumElements() * 4; }

uint64_t ReluOp::getFlops() { return getX().getType().getNumElements(); }

uint64_t CastOp::getFlops() { return 0; }

mlir::LogicalResult CastOp::verify() {
  mlir::Type from = getX().getType().getElementType();
  mlir::Type to = getY().getType().getElementType();
  bool allowed = llvm::isa<mlir::FloatType>(to) || from.isInteger(1);
  if (from.isInteger(64) || to.isInteger(64) || to.isInteger(1))
    allowed = from == to;
  if (from.isInteger(32) && to.isInteger(32))
    allowed = true;
  if (!allowed)
    return emitOpError() << "(cast_c1) cannot convert " << from << " to " << to;
  return mlir::success();
}

mlir::OpFoldResult CastOp::fold(FoldAdaptor) {
  if (getX().getType() == getY().getType())
    return getX();
  return {};
}

} // namespace gptc::ir
