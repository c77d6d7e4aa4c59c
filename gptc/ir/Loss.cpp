//===- Loss.cpp -----------------------------------------------------------===//

#include "gptc/ir/TensorBuilder.h"

namespace gptc::ir {

uint64_t LogLikelihoodOp::getFlops() {
  return getLogits().getType().getNumElements() * 4;
}

mlir::LogicalResult LogLikelihoodOp::verify() {
  auto logits = getLogits().getType();
  auto targets = getTargets().getType();
  if (logits.getRank() < 1 ||
      logits.getShape().drop_back() != targets.getShape())
    return emitOpError() << "(log_likelihood_c1) has targets " << targets
                         << " for logits " << logits;
  auto expected =
      mlir::RankedTensorType::get(targets.getShape(), logits.getElementType());
  if (getResult().getType() != expected)
    return emitOpError() << "(log_likelihood_c2) has the result "
                         << getResult().getType() << ", expected " << expected;
  return mlir::success();
}

llvm::SmallVector<mlir::Value>
LogLikelihoodOp::buildGradients(mlir::OpBuilder &builder,
                                mlir::ValueRange gradients,
                                llvm::ArrayRef<bool>) {
  using mlir::Value;
  TensorBuilder t(builder, getLoc());
  auto type = getLogits().getType();
  int64_t classes = type.getShape().back();
  Value targets = getTargets();
  Value isTarget = mlir::arith::CmpIOp::create(
      builder, getLoc(), mlir::arith::CmpIPredicate::sge, targets,
      t.constant(0, t.typeOf(targets)));
  Value g = t.alongRow(t.select(isTarget, gradients[0]), type);
  auto indexType = type.clone(builder.getI32Type());
  Value chosen = t.equal(t.iota(type.getShape(), type.getRank() - 1),
                         t.alongRow(t.nearest(targets, classes), indexType));
  Value probability = SoftmaxOp::create(builder, getLoc(), getLogits());
  Value one = t.select(chosen, t.constant(1, type));
  return {t.mul(g, t.sub(one, probability)), Value()};
}

} // namespace gptc::ir
