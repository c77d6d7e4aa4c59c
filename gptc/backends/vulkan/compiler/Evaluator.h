//===- Evaluator.h - Code for one element of a kernel's body ---*- C++ -*-===//
//
// Emits the computation of a value of a kernel's body at given coordinates,
// pulling what it needs from the kernel's inputs: views change coordinates,
// elementwise ops compute, reductions become loops. Every family uses it: row
// programs and copies wholly, contractions for operands and epilogues. An
// invocation evaluates one element; neighbours take neighbouring elements.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_BACKENDS_VULKAN_COMPILER_EVALUATOR_H
#define GPTC_BACKENDS_VULKAN_COMPILER_EVALUATOR_H

#include "gptc/backends/vulkan/compiler/Emitter.h"
#include "gptc/ir/StridedView.h"

namespace gptc::vulkan {

/// One index for each dimension of a value.
using Coordinates = llvm::SmallVector<mlir::Value>;

class Evaluator {
public:
  explicit Evaluator(Emitter &emitter) : e(emitter) {}

  mlir::Value evaluate(mlir::Value value, const Coordinates &at);

  /// From now on `value` is `known`, wherever it is evaluated; for a value of
  /// the present row, or of the present element of a product.
  void bind(mlir::Value value, mlir::Value known) { bound[value] = known; }
  void unbind(mlir::Value value) { bound.erase(value); }

  /// Where the element of a packed matrix lies.
  static mlir::Value packedOffset(Emitter &emitter, mlir::RankedTensorType type,
                                  mlir::Value k, mlir::Value n);

private:
  mlir::Value compute(mlir::Value value, const Coordinates &at);
  mlir::Value load(mlir::BlockArgument argument, const Coordinates &at);
  mlir::Value elementwise(mlir::Operation *op, const Coordinates &at);
  mlir::Value convert(mlir::Value x, mlir::Type to);
  mlir::Value gelu(ir::GeluOp op, mlir::Value x);
  mlir::Value sigmoid(mlir::Value x);
  mlir::Value reduce(ir::ReduceOp op, const Coordinates &at);
  mlir::Value giveUp(mlir::Operation *op, const std::string &why);

  Emitter &e;
  llvm::DenseMap<mlir::Value, mlir::Value> bound;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_COMPILER_EVALUATOR_H
