//===- Dialect.h - The gptc dialect ----------------------------*- C++ -*-===//

#ifndef GPTC_IR_DIALECT_H
#define GPTC_IR_DIALECT_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "gptc/ir/Dialect.h.inc"
#include "gptc/ir/Enums.h.inc"
#include "gptc/ir/Interfaces.h.inc"
#define GET_ATTRDEF_CLASSES
#include "gptc/ir/Attributes.h.inc"
#define GET_OP_CLASSES
#include "gptc/ir/Ops.h.inc"

namespace gptc::ir {

/// Discardable attributes by which entry functions name what they take and
/// give, and the module says which phase it is in.
inline constexpr llvm::StringLiteral nameAttr = "gptc.name";
inline constexpr llvm::StringLiteral resultAttr = "gptc.result";
inline constexpr llvm::StringLiteral phaseAttr = "gptc.phase";
/// Of a function: how many of its results, the last ones, its target gives
/// beside those that the entry has everywhere; see gptc-select-candidates.
inline constexpr llvm::StringLiteral addedResultsAttr = "gptc.added_results";
/// Of a function, what its backward pass computes again, and of an op that it
/// is of such a backward pass; see gptc-differentiate.
inline constexpr llvm::StringLiteral recomputeAttr = "gptc.recompute";
inline constexpr llvm::StringLiteral backwardAttr = "gptc.backward";
inline constexpr llvm::StringLiteral targetAttr = "gptc.target";

/// Gives ops of arith, math and tensor their gradients.
void registerArithmeticGradients(mlir::DialectRegistry &registry);

/// Loads gptc and every dialect that its phases use into a context.
void loadDialects(mlir::MLIRContext &context);
/// Adds the same dialects to a registry, for tools.
void registerDialects(mlir::DialectRegistry &registry);

/// Floating point operations of any op of a model: CostOpInterface's answer
/// for gptc ops, one for each element of arith's and math's.
uint64_t flopsOf(mlir::Operation *op);

/// Bytes of a tensor or buffer in dense row-major order; for a packed tensor
/// the bytes of its panels with their padding.
uint64_t bytesOf(mlir::Type type);

/// The scope of an op, from the name in its location ("h.3/attn/qkv"); empty
/// when it has none.
llvm::StringRef scopeOf(mlir::Location location);

/// The values themselves and all floating point values of the block that
/// depend on them, other than through gptc.stop_gradient.
llvm::DenseSet<mlir::Value> dependentsOf(mlir::ValueRange values,
                                         mlir::Block &block);

/// The ops that a gradient of `loss` flows through on its way to the values
/// that `dependents` depend on, the last one first.
llvm::SmallVector<mlir::Operation *>
gradientPath(mlir::Value loss, const llvm::DenseSet<mlir::Value> &dependents);

/// An op that a gradient cannot flow through, and why.
struct GradientObstacle {
  mlir::Operation *op;
  std::string reason;
};

/// What stands between a loss and values that it is differentiated with
/// respect to; nothing if everything on the way has a gradient.
std::optional<GradientObstacle> findObstacle(mlir::Value loss,
                                             mlir::ValueRange values);

} // namespace gptc::ir

#endif // GPTC_IR_DIALECT_H
