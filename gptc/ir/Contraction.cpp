//===- Contraction.cpp ----------------------------------------------------===//

#include "gptc/ir/Dialect.h"

namespace gptc::ir {

int64_t MatmulOp::getM() {
  auto shape = getLhs().getType().getShape();
  return shape[shape.size() - (getTransposeLhs() ? 1 : 2)];
}

int64_t MatmulOp::getK() {
  auto shape = getLhs().getType().getShape();
  return shape[shape.size() - (getTransposeLhs() ? 2 : 1)];
}

int64_t MatmulOp::getN() {
  auto shape = getRhs().getType().getShape();
  return shape[shape.size() - (getTransposeRhs() ? 2 : 1)];
}

int64_t MatmulOp::getBatch() {
  int64_t batch = 1;
  for (int64_t extent : getLhs().getType().getShape().drop_back(2))
    batch *= extent;
  return batch;
}

bool MatmulOp::sharesRhs() { return getRhs().getType().getRank() == 2; }

uint64_t MatmulOp::getFlops() {
  return 2 * uint64_t(getBatch()) * getM() * getN() * getK();
}

mlir::LogicalResult MatmulOp::verify() {
  auto lhs = getLhs().getType(), rhs = getRhs().getType();
  auto result = getResult().getType();
  if (lhs.getRank() < 2 || rhs.getRank() < 2)
    return emitOpError("(matmul_c1) needs operands of at least two dimensions");
  auto leading = lhs.getShape().drop_back(2);
  if (rhs.getRank() != 2 && rhs.getShape().drop_back(2) != leading)
    return emitOpError() << "(matmul_c1) has leading dimensions that differ: "
                         << lhs << " and " << rhs;
  auto rhsShape = rhs.getShape();
  int64_t rhsK = rhsShape[rhsShape.size() - (getTransposeRhs() ? 1 : 2)];
  if (rhsK != getK())
    return emitOpError() << "(matmul_c2) contracts extent " << getK()
                         << " of the left operand with " << rhsK
                         << " of the right: " << lhs << " and " << rhs;
  llvm::SmallVector<int64_t> expected(leading);
  expected.append({getM(), getN()});
  if (result.getShape() != llvm::ArrayRef<int64_t>(expected))
    return emitOpError() << "(matmul_c3) has the result " << result
                         << ", expected "
                         << mlir::RankedTensorType::get(
                                expected, result.getElementType());
  mlir::Type type = lhs.getElementType();
  if (rhs.getElementType() != type ||
      (result.getElementType() != type && !result.getElementType().isF32()))
    return emitOpError() << "(matmul_c4) mixes element types: " << lhs << ", "
                         << rhs << " and " << result;
  return mlir::success();
}

} // namespace gptc::ir
