//===- StridedView.cpp ----------------------------------------------------===//

#include "gptc/ir/StridedView.h"

#include "llvm/ADT/STLExtras.h"

namespace gptc::ir {

using llvm::ArrayRef;
using llvm::SmallVector;

bool isView(mlir::Operation *op) {
  return llvm::isa_and_nonnull<ReshapeOp, TransposeOp, SliceOp, BroadcastOp>(
      op);
}

mlir::Value viewRoot(mlir::Value value) {
  while (isView(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

SmallVector<int64_t> denseStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

std::optional<SmallVector<int64_t>> reshapeStrides(ArrayRef<int64_t> sizes,
                                                   ArrayRef<int64_t> strides,
                                                   ArrayRef<int64_t> newSizes) {
  // Merge neighbours that are evenly spaced into blocks (extent, stride of the
  // innermost element), then cut the blocks into the new dimensions.
  struct Block {
    int64_t extent;
    int64_t stride;
  };
  SmallVector<Block> blocks;
  for (auto [size, stride] : llvm::zip(sizes, strides)) {
    if (size == 1)
      continue;
    if (!blocks.empty() && blocks.back().stride == stride * size)
      blocks.back() = {blocks.back().extent * size, stride};
    else
      blocks.push_back({size, stride});
  }
  SmallVector<int64_t> result(newSizes.size(), 0);
  size_t block = blocks.size();
  int64_t left = 1;   // what remains of the present block
  int64_t stride = 0; // of the next dimension cut from it
  for (size_t i = newSizes.size(); i-- > 0;) {
    if (newSizes[i] == 1) {
      result[i] = left > 1 ? stride : 0;
      continue;
    }
    if (left == 1) {
      if (block == 0)
        return std::nullopt;
      --block;
      left = blocks[block].extent;
      stride = blocks[block].stride;
    }
    if (left % newSizes[i] != 0)
      return std::nullopt;
    result[i] = stride;
    stride *= newSizes[i];
    left /= newSizes[i];
  }
  if (left != 1 || block != 0)
    return std::nullopt;
  return result;
}

StridedView denseView(mlir::Value base) {
  auto shape = llvm::cast<mlir::RankedTensorType>(base.getType()).getShape();
  return {base, 0, SmallVector<int64_t>(shape), denseStrides(shape)};
}

std::optional<StridedView> resolveView(mlir::Value value, mlir::Value stop) {
  mlir::Operation *op = value.getDefiningOp();
  if (value == stop || !isView(op))
    return denseView(value);
  auto source = resolveView(op->getOperand(0), stop);
  if (!source)
    return std::nullopt;
  auto shape = llvm::cast<mlir::RankedTensorType>(value.getType()).getShape();
  StridedView view{
      source->base, source->offset, SmallVector<int64_t>(shape), {}};
  if (llvm::isa<ReshapeOp>(op)) {
    auto strides = reshapeStrides(source->sizes, source->strides, shape);
    if (!strides)
      return std::nullopt;
    view.strides = *strides;
  } else if (auto transpose = llvm::dyn_cast<TransposeOp>(op)) {
    for (int64_t from : transpose.getPermutation())
      view.strides.push_back(source->strides[from]);
  } else if (auto slice = llvm::dyn_cast<SliceOp>(op)) {
    view.strides = source->strides;
    for (auto [offset, stride] : llvm::zip(slice.getOffsets(), view.strides))
      view.offset += offset * stride;
  } else {
    auto broadcast = llvm::cast<BroadcastOp>(op);
    view.strides.assign(shape.size(), 0);
    for (auto [from, to] : llvm::enumerate(broadcast.getDimensions()))
      if (source->sizes[from] != 1)
        view.strides[to] = source->strides[from];
  }
  return view;
}

namespace {

/// The view of `from` in a value that is stored as `view` says.
std::optional<StridedView> storeOf(mlir::Value from, mlir::Value value,
                                   StridedView view) {
  if (value == from)
    return view;
  mlir::Operation *op = value.getDefiningOp();
  if (!llvm::isa_and_nonnull<ReshapeOp, TransposeOp, ConcatOp>(op))
    return std::nullopt;
  for (mlir::Value source : op->getOperands()) {
    auto shape =
        llvm::cast<mlir::RankedTensorType>(source.getType()).getShape();
    StridedView inner{view.base, view.offset, SmallVector<int64_t>(shape),
                      SmallVector<int64_t>(view.strides)};
    if (auto transpose = llvm::dyn_cast<TransposeOp>(op)) {
      for (auto [i, j] : llvm::enumerate(transpose.getPermutation()))
        inner.strides[j] = view.strides[i];
    } else if (auto concat = llvm::dyn_cast<ConcatOp>(op)) {
      int64_t dimension = concat.getDimension();
      view.offset += shape[dimension] * view.strides[dimension];
    } else {
      auto strides = reshapeStrides(view.sizes, view.strides, shape);
      if (!strides)
        return std::nullopt;
      inner.strides = *strides;
    }
    if (auto found = storeOf(from, source, inner))
      return found;
  }
  return std::nullopt;
}

} // namespace

std::optional<StridedView> resolveStore(mlir::Value from, mlir::Value to) {
  return storeOf(from, to, denseView(to));
}

std::optional<StoredValue> findStored(KernelOp kernel, mlir::Value value) {
  SmallVector<mlir::Value> forms{value};
  for (mlir::Operation *user : value.getUsers())
    if (auto cast = llvm::dyn_cast<CastOp>(user))
      forms.push_back(cast.getY());
  for (auto [i, yielded] : llvm::enumerate(kernel.getYield().getValues()))
    for (mlir::Value form : forms)
      if (auto view = resolveStore(form, yielded))
        return StoredValue{*view, unsigned(i)};
  return std::nullopt;
}

} // namespace gptc::ir
