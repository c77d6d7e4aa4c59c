//===- Indexing.cpp -------------------------------------------------------===//

#include "gptc/ir/TensorBuilder.h"

namespace gptc::ir {

using mlir::RankedTensorType;

uint64_t GatherOp::getFlops() { return 0; }
uint64_t SelectRowOp::getFlops() { return 0; }
uint64_t CacheAppendOp::getFlops() { return 0; }
uint64_t IotaOp::getFlops() { return 0; }
uint64_t ScatterAddOp::getFlops() {
  return getRows().getType().getNumElements();
}

uint64_t TopKOp::getFlops() { return getX().getType().getNumElements(); }

mlir::LogicalResult GatherOp::verify() {
  auto table = getTable().getType();
  if (table.getRank() != 2)
    return emitOpError() << "(gather_c1) has a table of rank "
                         << table.getRank() << ", expected 2";
  llvm::SmallVector<int64_t> shape(getIndices().getType().getShape());
  shape.push_back(table.getDimSize(1));
  auto expected = RankedTensorType::get(shape, table.getElementType());
  if (getResult().getType() != expected)
    return emitOpError() << "(gather_c2) has the result "
                         << getResult().getType() << ", expected " << expected;
  return mlir::success();
}

mlir::LogicalResult SelectRowOp::verify() {
  auto x = getX().getType();
  auto indices = getIndices().getType();
  if (x.getRank() != 3 || indices.getRank() != 1 ||
      indices.getDimSize(0) != x.getDimSize(0))
    return emitOpError() << "(select_row_c1) cannot select from " << x << " by "
                         << indices;
  auto expected = RankedTensorType::get({x.getDimSize(0), x.getDimSize(2)},
                                        x.getElementType());
  if (getResult().getType() != expected)
    return emitOpError() << "(select_row_c2) has the result "
                         << getResult().getType() << ", expected " << expected;
  return mlir::success();
}

mlir::LogicalResult CacheAppendOp::verify() {
  auto cache = getCache().getType(), rows = getRows().getType();
  if (cache.getRank() != 4 || rows.getRank() != 4 ||
      cache.getElementType() != rows.getElementType() ||
      cache.getDimSize(0) != rows.getDimSize(0) ||
      cache.getDimSize(1) != rows.getDimSize(1) ||
      cache.getDimSize(3) != rows.getDimSize(3))
    return emitOpError() << "(cache_append_c1) cannot put " << rows << " into "
                         << cache;
  for (RankedTensorType type :
       {getPositions().getType(), getLengths().getType()})
    if (type.getRank() != 1 || type.getDimSize(0) != cache.getDimSize(0))
      return emitOpError() << "(cache_append_c2) has positions or lengths "
                           << type << " for " << cache.getDimSize(0)
                           << " sequences";
  return mlir::success();
}

mlir::LogicalResult IotaOp::verify() {
  if (int64_t(getDimension()) >= getResult().getType().getRank())
    return emitOpError() << "(iota_c1) counts along dimension "
                         << getDimension() << " of " << getResult().getType();
  return mlir::success();
}

mlir::LogicalResult ScatterAddOp::verify() {
  auto rows = getRows().getType();
  auto indices = getIndices().getType();
  if (rows.getRank() == 0 || rows.getShape().drop_back() != indices.getShape())
    return emitOpError() << "(scatter_add_c1) has rows " << rows
                         << " for indices " << indices;
  auto result = getResult().getType();
  if (result.getRank() != 2 || result.getDimSize(1) != rows.getShape().back() ||
      result.getElementType() != rows.getElementType())
    return emitOpError() << "(scatter_add_c2) has the result " << result
                         << " for rows " << rows;
  return mlir::success();
}

mlir::LogicalResult TopKOp::verify() {
  auto x = getX().getType();
  if (x.getRank() == 0 || getCount() < 1 || getCount() > mostK ||
      getPieceCount() < 1 || getPieceCount() > getRowLength())
    return emitOpError() << "(top_k_c1) cannot take " << getCount()
                         << " of each of " << getPieceCount() << " pieces of "
                         << x;
  if (getCarried() && getCarried().getType().getShape() != x.getShape())
    return emitOpError() << "(top_k_c2) has carried indices "
                         << getCarried().getType() << " for " << x;
  llvm::SmallVector<int64_t> shape(x.getShape());
  shape.back() = getPieceCount() * getCount();
  auto values = RankedTensorType::get(shape, x.getElementType());
  auto indices = values.clone(mlir::IntegerType::get(getContext(), 32));
  if (getValues().getType() != values || getIndices().getType() != indices)
    return emitOpError() << "(top_k_c3) has the results "
                         << getValues().getType() << " and "
                         << getIndices().getType() << ", expected " << values
                         << " and " << indices;
  return mlir::success();
}

llvm::SmallVector<mlir::Value>
GatherOp::buildGradients(mlir::OpBuilder &builder, mlir::ValueRange gradients,
                         llvm::ArrayRef<bool>) {
  return {ScatterAddOp::create(builder, getLoc(), getTable().getType(),
                               gradients[0], getIndices()),
          mlir::Value()};
}

llvm::SmallVector<mlir::Value>
SelectRowOp::buildGradients(mlir::OpBuilder &builder,
                            mlir::ValueRange gradients, llvm::ArrayRef<bool>) {
  TensorBuilder t(builder, getLoc());
  auto type = getX().getType();
  auto indexType = type.clone(builder.getI32Type());
  mlir::Value chosen = t.equal(
      t.iota(type.getShape(), 1),
      t.broadcast(t.nearest(getIndices(), type.getDimSize(1)), indexType, {0}));
  return {t.select(chosen, t.broadcast(gradients[0], type, {0, 2})),
          mlir::Value()};
}

} // namespace gptc::ir
