//===- Indexing.cpp -------------------------------------------------------===//

#include "gptc/ir/Dialect.h"

namespace gptc::ir {

using mlir::RankedTensorType;

uint64_t GatherOp::getFlops() { return 0; }
uint64_t SelectRowOp::getFlops() { return 0; }
uint64_t CacheAppendOp::getFlops() { return 0; }
uint64_t IotaOp::getFlops() { return 0; }

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

} // namespace gptc::ir
