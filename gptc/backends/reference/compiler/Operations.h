//===- Operations.h - What each op computes --------------------*- C++ -*-===//
//
// One function an op. The operands are those of the op, in order; the IR has
// been verified, so that types and shapes fit.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_BACKENDS_REFERENCE_COMPILER_OPERATIONS_H
#define GPTC_BACKENDS_REFERENCE_COMPILER_OPERATIONS_H

#include "gptc/backends/reference/compiler/Interpreter.h"

#include <functional>

namespace gptc::reference {

using Operands = llvm::ArrayRef<const HostTensor *>;
using Index = llvm::SmallVector<int64_t>;

/// The op's result if it is an elementwise op of gptc, arith or math, and
/// nothing otherwise.
std::optional<HostTensor> evaluateElementwise(mlir::Operation *op,
                                              Operands operands);

HostTensor evaluate(mlir::arith::ConstantOp op, Operands operands);
HostTensor evaluate(mlir::tensor::SplatOp op, Operands operands);
HostTensor evaluate(ir::BroadcastOp op, Operands operands);
HostTensor evaluate(ir::ReshapeOp op, Operands operands);
HostTensor evaluate(ir::TransposeOp op, Operands operands);
HostTensor evaluate(ir::SliceOp op, Operands operands);
HostTensor evaluate(ir::ConcatOp op, Operands operands);
HostTensor evaluate(ir::MatmulOp op, Operands operands);
HostTensor evaluate(ir::ReduceOp op, Operands operands);
HostTensor evaluate(ir::LayerNormOp op, Operands operands);
HostTensor evaluate(ir::SoftmaxOp op, Operands operands);
HostTensor evaluate(ir::LogLikelihoodOp op, Operands operands);
/// The result, and the logarithms if the op yields them.
std::vector<HostTensor> evaluate(ir::AttentionOp op, Operands operands);
/// Gradients of query, key and value.
std::vector<HostTensor> evaluate(ir::AttentionBackwardOp op, Operands operands);
HostTensor evaluate(ir::GatherOp op, Operands operands);
HostTensor evaluate(ir::ScatterAddOp op, Operands operands);
HostTensor evaluate(ir::SelectRowOp op, Operands operands);
HostTensor evaluate(ir::CacheAppendOp op, Operands operands);
HostTensor evaluate(ir::IotaOp op, Operands operands);
/// Values and indices.
std::vector<HostTensor> evaluate(ir::TopKOp op, Operands operands);
HostTensor evaluate(ir::KeepMaskOp op, Operands operands);

/// The mask's element at an index in row-major order.
bool keeps(uint64_t index, double rate, double seed, double site);

/// Calls `visit` with every index of a shape, in row-major order.
void forEachIndex(llvm::ArrayRef<int64_t> shape,
                  llvm::function_ref<void(const Index &)> visit);

/// The element of a tensor at an index.
double &at(HostTensor &tensor, llvm::ArrayRef<int64_t> index);
double at(const HostTensor &tensor, llvm::ArrayRef<int64_t> index);

/// The greater of two; NaN if one is NaN, and +0 is greater than -0.
double maximum(double a, double b);

} // namespace gptc::reference

#endif // GPTC_BACKENDS_REFERENCE_COMPILER_OPERATIONS_H
