//===- StridedView.h - Views as strides ------------------------*- C++ -*-===//

#ifndef GPTC_IR_STRIDEDVIEW_H
#define GPTC_IR_STRIDEDVIEW_H

#include "gptc/ir/Dialect.h"

namespace gptc::ir {

/// A tensor seen as strided access to another, dense one: element (i0, i1, …)
/// is at `offset` + Σ i·stride, in elements. Repeated dimensions have stride 0.
struct StridedView {
  mlir::Value base;
  int64_t offset = 0;
  llvm::SmallVector<int64_t> sizes;
  llvm::SmallVector<int64_t> strides;
};

/// Whether an op only gives another view of its operand's elements: reshape,
/// transpose, slice or broadcast.
bool isView(mlir::Operation *op);

/// The value that a chain of views starts from; `value` itself without one.
mlir::Value viewRoot(mlir::Value value);

/// Row-major strides of a shape.
llvm::SmallVector<int64_t> denseStrides(llvm::ArrayRef<int64_t> shape);

/// A dense tensor as a view of itself.
StridedView denseView(mlir::Value base);

/// Strides after a reshape of a strided shape, or nothing when the new shape
/// merges dimensions whose elements are not evenly spaced.
std::optional<llvm::SmallVector<int64_t>>
reshapeStrides(llvm::ArrayRef<int64_t> sizes, llvm::ArrayRef<int64_t> strides,
               llvm::ArrayRef<int64_t> newSizes);

/// Follows views from `value` back to its root (or to `stop`), or nothing
/// when a reshape on the way cannot be expressed by strides.
std::optional<StridedView> resolveView(mlir::Value value,
                                       mlir::Value stop = nullptr);

/// For a chain of reshapes, transposes and concatenations that starts at `from`
/// and ends at `to`: where element (i0, i1, …) of `from` lies in the dense
/// `to`, the first time; `base` is `to`. Nothing when strides cannot express
/// it.
std::optional<StridedView> resolveStore(mlir::Value from, mlir::Value to);

/// Where a kernel stores one of its values.
struct StoredValue {
  StridedView view;    ///< Of what is yielded.
  unsigned output = 0; ///< Its number.
};

/// Finds the yielded value that `value` becomes, as it is or converted, through
/// what resolveStore() follows. Nothing where none is, or strides cannot
/// express it.
std::optional<StoredValue> findStored(KernelOp kernel, mlir::Value value);

} // namespace gptc::ir

#endif // GPTC_IR_STRIDEDVIEW_H
