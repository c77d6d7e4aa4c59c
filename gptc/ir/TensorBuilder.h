//===- TensorBuilder.h - Arithmetic on tensors -----------------*- C++ -*-===//

#ifndef GPTC_IR_TENSORBUILDER_H
#define GPTC_IR_TENSORBUILDER_H

#include "gptc/ir/Dialect.h"

namespace gptc::ir {

/// Builds arithmetic on tensors of equal shape and element type at one
/// location; gradients and decompositions are written with it.
class TensorBuilder {
public:
  using Value = mlir::Value;
  using Type = mlir::RankedTensorType;
  using Dimensions = llvm::ArrayRef<int64_t>;

  TensorBuilder(mlir::OpBuilder &builder, mlir::Location loc)
      : builder(builder), loc(loc) {}

  static Type typeOf(Value x) { return llvm::cast<Type>(x.getType()); }

  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b);
  Value neg(Value x);
  Value exp(Value x);
  /// 1 / (1 + exp(-x)).
  Value sigmoid(Value x);
  /// A tensor of one number, also of integers; for operators with a number,
  /// of the type of their tensor.
  Value constant(double value, Type type);
  Value add(Value a, double b) { return add(a, constant(b, typeOf(a))); }
  Value mul(Value a, double b) { return mul(a, constant(b, typeOf(a))); }

  Value greater(Value a, Value b); ///< False where one is NaN.
  Value equal(Value a, Value b);
  /// `a` where the condition holds, else `b`; zero without `b`.
  Value select(Value condition, Value a, Value b = {});

  /// The same values in another element type; `x` itself if it has it.
  Value cast(Value x, mlir::Type element);
  Value reshape(Value x, Dimensions shape);
  Value transpose(Value x, Dimensions permutation);
  /// Exchanges the last two dimensions.
  Value transposeLast(Value x);
  Value sum(Value x, Dimensions dimensions);
  Value max(Value x, Dimensions dimensions);
  /// Dimension i of `x` becomes dimension `dimensions[i]` of the result.
  Value broadcast(Value x, Type type, Dimensions dimensions);
  /// Repeats one value a row along the rows of `type`.
  Value alongRow(Value x, Type type);
  /// Repeats a row for every row of `type`.
  Value everyRow(Value x, Type type);
  /// Sum over each row, the last dimension.
  Value sumOfRow(Value x) { return sum(x, {typeOf(x).getRank() - 1}); }
  /// Sum over all rows.
  Value sumOfRows(Value x);
  /// Each element is its index along a dimension of `shape`, in i32.
  Value iota(Dimensions shape, int64_t dimension);
  /// The indices of a tensor of i32, each the nearest one inside [0, extent).
  Value nearest(Value indices, int64_t extent);

private:
  mlir::OpBuilder &builder;
  mlir::Location loc;
};

} // namespace gptc::ir

#endif // GPTC_IR_TENSORBUILDER_H
