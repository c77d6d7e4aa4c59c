//===- Contraction.cpp ----------------------------------------------------===//

#include "gptc/ir/TensorBuilder.h"

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

llvm::SmallVector<mlir::Value>
MatmulOp::buildGradients(mlir::OpBuilder &builder, mlir::ValueRange gradients,
                         llvm::ArrayRef<bool> needed) {
  using mlir::Value;
  TensorBuilder t(builder, getLoc());
  auto lhs = getLhs().getType();
  Value g = t.cast(gradients[0], lhs.getElementType());
  auto product = [&](Value a, Value b, llvm::ArrayRef<int64_t> leading,
                     bool transposeA, bool transposeB) -> Value {
    auto x = t.typeOf(a).getShape(), y = t.typeOf(b).getShape();
    llvm::SmallVector<int64_t> shape(leading);
    shape.push_back(x[x.size() - (transposeA ? 1 : 2)]);
    shape.push_back(y[y.size() - (transposeB ? 2 : 1)]);
    return MatmulOp::create(
        builder, getLoc(),
        mlir::RankedTensorType::get(shape, lhs.getElementType()), a, b,
        transposeA, transposeB);
  };
  auto leading = lhs.getShape().drop_back(2);
  llvm::SmallVector<Value> result(2);
  if (needed[0]) {
    result[0] = product(g, getRhs(), leading, false, !getTransposeRhs());
    if (getTransposeLhs())
      result[0] = t.transposeLast(result[0]);
  }
  if (!needed[1])
    return result;
  Value x = getLhs();
  bool transposeX = getTransposeLhs();
  if (sharesRhs() && lhs.getRank() > 2) {
    // The sum over all products is one product of all rows.
    if (transposeX)
      x = t.transposeLast(x);
    transposeX = false;
    int64_t rows = getBatch() * getM();
    x = t.reshape(x, {rows, getK()});
    g = t.reshape(g, {rows, getN()});
    leading = {};
  }
  result[1] = getTransposeRhs() ? product(g, x, leading, true, transposeX)
                                : product(x, g, leading, !transposeX, false);
  return result;
}

} // namespace gptc::ir
