//===- Loss.cpp -----------------------------------------------------------===//

#include "gptc/ir/Dialect.h"

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

} // namespace gptc::ir
