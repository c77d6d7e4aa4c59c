//===- Shape.cpp ----------------------------------------------------------===//

#include "gptc/ir/TensorBuilder.h"
#include "llvm/ADT/STLExtras.h"

namespace gptc::ir {

uint64_t BroadcastOp::getFlops() { return 0; }
uint64_t ReshapeOp::getFlops() { return 0; }
uint64_t TransposeOp::getFlops() { return 0; }
uint64_t SliceOp::getFlops() { return 0; }
uint64_t ConcatOp::getFlops() { return 0; }

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

mlir::LogicalResult ConcatOp::verify() {
  auto to = getY().getType();
  int64_t dimension = getDimension();
  if (getInputs().empty() || dimension < 0 || dimension >= to.getRank())
    return emitOpError() << "(concat_c1) joins " << getInputs().size()
                         << " tensors along dimension " << dimension << " of "
                         << to;
  llvm::SmallVector<int64_t> sum(to.getShape());
  sum[dimension] = 0;
  for (mlir::Value input : getInputs()) {
    auto from = TensorBuilder::typeOf(input);
    if (from.getElementType() != to.getElementType())
      return emitOpError() << "(concat_c3) joins " << from << " into " << to;
    bool fits = from.getRank() == to.getRank();
    for (int64_t i = 0; fits && i < to.getRank(); ++i)
      fits = i == dimension || from.getDimSize(i) == to.getDimSize(i);
    if (!fits)
      return emitOpError() << "(concat_c2) cannot join " << from << " into "
                           << to << " along dimension " << dimension;
    sum[dimension] += from.getDimSize(dimension);
  }
  if (sum[dimension] != to.getDimSize(dimension))
    return emitOpError() << "(concat_c2) joins an extent of " << sum[dimension]
                         << " into " << to;
  return mlir::success();
}

mlir::OpFoldResult ConcatOp::fold(FoldAdaptor) {
  if (getInputs().size() == 1)
    return getInputs()[0];
  return {};
}

namespace {
using mlir::Value;
using Gradients = llvm::SmallVector<Value>;
} // namespace

Gradients BroadcastOp::buildGradients(mlir::OpBuilder &builder,
                                      mlir::ValueRange gradients,
                                      llvm::ArrayRef<bool>) {
  TensorBuilder t(builder, getLoc());
  auto from = getX().getType(), to = getY().getType();
  llvm::SmallVector<int64_t> repeated;
  for (int64_t i = 0; i < to.getRank(); ++i) {
    auto found = llvm::find(getDimensions(), i);
    if (found == getDimensions().end() ||
        (to.getDimSize(i) != 1 &&
         from.getDimSize(found - getDimensions().begin()) == 1))
      repeated.push_back(i);
  }
  // Along the row first, then over rows: each is a kernel's way to sum.
  Value g = gradients[0];
  if (!repeated.empty() && repeated.back() == to.getRank() - 1) {
    g = t.sumOfRow(g);
    repeated.pop_back();
  }
  if (!repeated.empty())
    g = t.sum(g, repeated);
  return {t.typeOf(g) == from ? g : t.reshape(g, from.getShape())};
}

Gradients ReshapeOp::buildGradients(mlir::OpBuilder &builder,
                                    mlir::ValueRange gradients,
                                    llvm::ArrayRef<bool>) {
  TensorBuilder t(builder, getLoc());
  return {t.reshape(gradients[0], getX().getType().getShape())};
}

Gradients TransposeOp::buildGradients(mlir::OpBuilder &builder,
                                      mlir::ValueRange gradients,
                                      llvm::ArrayRef<bool>) {
  llvm::SmallVector<int64_t> inverse(getPermutation().size());
  for (auto [to, from] : llvm::enumerate(getPermutation()))
    inverse[from] = int64_t(to);
  return {TensorBuilder(builder, getLoc()).transpose(gradients[0], inverse)};
}

Gradients SliceOp::buildGradients(mlir::OpBuilder &builder,
                                  mlir::ValueRange gradients,
                                  llvm::ArrayRef<bool>) {
  // Zeros around the box, dimension by dimension.
  TensorBuilder t(builder, getLoc());
  Value g = gradients[0];
  for (auto [i, offset] : llvm::enumerate(getOffsets())) {
    llvm::SmallVector<int64_t> shape(t.typeOf(g).getShape());
    int64_t before = offset, extent = getX().getType().getDimSize(i);
    int64_t after = extent - offset - shape[i];
    llvm::SmallVector<Value> parts;
    auto addZeros = [&](int64_t count) {
      shape[i] = count;
      if (count > 0)
        parts.push_back(t.constant(0, t.typeOf(g).clone(shape)));
    };
    addZeros(before);
    parts.push_back(g);
    addZeros(after);
    shape[i] = extent;
    if (parts.size() > 1)
      g = ConcatOp::create(builder, getLoc(), t.typeOf(g).clone(shape), parts,
                           builder.getI64IntegerAttr(int64_t(i)));
  }
  return {g};
}

Gradients ConcatOp::buildGradients(mlir::OpBuilder &builder,
                                   mlir::ValueRange gradients,
                                   llvm::ArrayRef<bool> needed) {
  Gradients result;
  llvm::SmallVector<int64_t> offsets(getY().getType().getRank(), 0);
  for (auto [input, isNeeded] : llvm::zip(getInputs(), needed)) {
    auto type = TensorBuilder::typeOf(input);
    result.push_back(isNeeded ? Value(SliceOp::create(builder, getLoc(), type,
                                                      gradients[0], offsets))
                              : Value());
    offsets[getDimension()] += type.getDimSize(getDimension());
  }
  return result;
}

} // namespace gptc::ir
