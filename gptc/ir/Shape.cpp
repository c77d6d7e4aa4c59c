//===- Shape.cpp ----------------------------------------------------------===//

#include "gptc/ir/Dialect.h"
#include "llvm/ADT/STLExtras.h"

namespace gptc::ir {

uint64_t BroadcastOp::getFlops() { return 0; }
uint64_t ReshapeOp::getFlops() { return 0; }
uint64_t TransposeOp::getFlops() { return 0; }
uint64_t SliceOp::getFlops() { return 0; }

mlir::LogicalResult BroadcastOp::verify() {
  auto from = getX().getType(), to = getY().getType();
  llvm::ArrayRef<int64_t> dimensions = getDimensions();
  if (int64_t(dimensions.size()) != from.getRank())
    return emitOpError() << "(broadcast_c1) names " << dimensions.size()
                         << " dimensions for an operand of rank "
                         << from.getRank();
  int64_t previous = -1;
  for (auto [i, dimension] : llvm::enumerate(dimensions)) {
    if (dimension <= previous || dimension >= to.getRank())
      return emitOpError() << "(broadcast_c1) has dimension " << dimension
                           << " out of order or range";
    previous = dimension;
    int64_t extent = from.getDimSize(i);
    if (extent != 1 && extent != to.getDimSize(dimension))
      return emitOpError() << "(broadcast_c2) cannot repeat extent " << extent
                           << " to " << to.getDimSize(dimension)
                           << " in dimension " << dimension;
  }
  if (from.getElementType() != to.getElementType())
    return emitOpError() << "(broadcast_c3) changes the element type from "
                         << from.getElementType() << " to "
                         << to.getElementType();
  return mlir::success();
}

mlir::OpFoldResult BroadcastOp::fold(FoldAdaptor) {
  if (getX().getType() == getY().getType())
    return getX();
  return {};
}

mlir::LogicalResult ReshapeOp::verify() {
  auto from = getX().getType(), to = getY().getType();
  if (from.getNumElements() != to.getNumElements())
    return emitOpError() << "(reshape_c1) has " << from.getNumElements()
                         << " elements to put into " << to.getNumElements();
  if (from.getElementType() != to.getElementType())
    return emitOpError() << "(reshape_c2) changes the element type";
  return mlir::success();
}

mlir::OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getX().getType() == getY().getType())
    return getX();
  if (auto inner = getX().getDefiningOp<ReshapeOp>()) {
    getXMutable().assign(inner.getX());
    return getResult();
  }
  return {};
}

mlir::LogicalResult TransposeOp::verify() {
  auto from = getX().getType(), to = getY().getType();
  llvm::ArrayRef<int64_t> permutation = getPermutation();
  llvm::SmallVector<int64_t> sorted(permutation);
  llvm::sort(sorted);
  for (auto [i, value] : llvm::enumerate(sorted))
    if (value != int64_t(i))
      return emitOpError("(transpose_c1) has no permutation");
  if (int64_t(permutation.size()) != from.getRank())
    return emitOpError() << "(transpose_c1) permutes " << permutation.size()
                         << " of " << from.getRank() << " dimensions";
  if (to.getRank() != from.getRank() ||
      from.getElementType() != to.getElementType())
    return emitOpError("(transpose_c2) changes the rank or element type");
  for (auto [i, source] : llvm::enumerate(permutation))
    if (to.getDimSize(i) != from.getDimSize(source))
      return emitOpError() << "(transpose_c2) has extent " << to.getDimSize(i)
                           << " in dimension " << i << ", expected "
                           << from.getDimSize(source);
  return mlir::success();
}

mlir::OpFoldResult TransposeOp::fold(FoldAdaptor) {
  llvm::ArrayRef<int64_t> permutation = getPermutation();
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, permutation.size())))
    return getX();
  auto inner = getX().getDefiningOp<TransposeOp>();
  if (!inner)
    return {};
  llvm::SmallVector<int64_t> composed;
  for (int64_t dimension : permutation)
    composed.push_back(inner.getPermutation()[dimension]);
  setPermutation(composed);
  getXMutable().assign(inner.getX());
  return getResult();
}

mlir::LogicalResult SliceOp::verify() {
  auto from = getX().getType(), to = getY().getType();
  if (int64_t(getOffsets().size()) != from.getRank() ||
      from.getRank() != to.getRank())
    return emitOpError("(slice_c1) needs one offset for each dimension and "
                       "a result of the operand's rank");
  for (auto [i, offset] : llvm::enumerate(getOffsets()))
    if (offset < 0 || offset + to.getDimSize(i) > from.getDimSize(i))
      return emitOpError() << "(slice_c2) cuts [" << offset << ", "
                           << offset + to.getDimSize(i) << ") out of extent "
                           << from.getDimSize(i) << " in dimension " << i;
  if (from.getElementType() != to.getElementType())
    return emitOpError("(slice_c3) changes the element type");
  return mlir::success();
}

mlir::OpFoldResult SliceOp::fold(FoldAdaptor) {
  if (getX().getType() == getY().getType())
    return getX();
  return {};
}

} // namespace gptc::ir
