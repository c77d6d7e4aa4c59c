//===- Normalization.cpp --------------------------------------------------===//

#include "gptc/ir/Dialect.h"
#include "llvm/ADT/STLExtras.h"

namespace gptc::ir {

namespace {
using mlir::RankedTensorType;
using mlir::Value;

RankedTensorType withoutLast(RankedTensorType type) {
  return RankedTensorType::get(type.getShape().drop_back(),
                               type.getElementType());
}

/// Builds the arithmetic of one location on tensors of one type.
struct RowMath {
  mlir::OpBuilder &builder;
  mlir::Location loc;
  RankedTensorType type;

  Value reduce(ReduceKind kind, Value x) {
    return ReduceOp::create(builder, loc, withoutLast(type), kind, x,
                            builder.getDenseI64ArrayAttr({type.getRank() - 1}));
  }
  /// Repeats one value a row along the row.
  Value alongRow(Value x) {
    return BroadcastOp::create(
        builder, loc, type, x,
        llvm::to_vector(llvm::seq<int64_t>(0, type.getRank() - 1)));
  }
  Value alongRows(Value x) {
    return BroadcastOp::create(builder, loc, type, x,
                               llvm::ArrayRef<int64_t>{type.getRank() - 1});
  }
  Value constant(double value, RankedTensorType of) {
    return mlir::arith::ConstantOp::create(
        builder, loc,
        mlir::DenseElementsAttr::get(
            of, mlir::FloatAttr::get(of.getElementType(), value)));
  }
};
} // namespace

uint64_t ReduceOp::getFlops() { return getX().getType().getNumElements(); }
// Two reductions, a subtraction and a square for the statistics, and four for
// each element of the result.
uint64_t LayerNormOp::getFlops() {
  return getX().getType().getNumElements() * 8;
}
uint64_t SoftmaxOp::getFlops() { return getX().getType().getNumElements() * 5; }

mlir::LogicalResult ReduceOp::verify() {
  auto from = getX().getType(), to = getY().getType();
  int64_t previous = -1;
  llvm::SmallVector<int64_t> remaining;
  for (int64_t dimension : getDimensions()) {
    if (dimension <= previous || dimension >= from.getRank())
      return emitOpError() << "(reduce_c1) has dimension " << dimension
                           << " out of order or range for " << from;
    previous = dimension;
  }
  for (auto [i, extent] : llvm::enumerate(from.getShape()))
    if (!llvm::is_contained(getDimensions(), int64_t(i)))
      remaining.push_back(extent);
  auto expected = RankedTensorType::get(remaining, from.getElementType());
  if (to != expected)
    return emitOpError() << "(reduce_c2) has the result " << to << ", expected "
                         << expected;
  return mlir::success();
}

mlir::LogicalResult LayerNormOp::verify() {
  auto x = getX().getType();
  for (RankedTensorType vector : {getGain().getType(), getBias().getType()})
    if (x.getRank() == 0 || vector.getRank() != 1 ||
        vector.getDimSize(0) != x.getShape().back())
      return emitOpError() << "(layer_norm_c1) has a gain or bias " << vector
                           << " for " << x;
  return mlir::success();
}

mlir::Value LayerNormOp::decompose(mlir::OpBuilder &builder) {
  namespace arith = mlir::arith;
  auto loc = getLoc();
  // Statistics are f32 or f64, the type of the scalar, even if x is narrower.
  mlir::Type element = getX().getType().getElementType();
  mlir::Type wide = element.isF64() ? element : builder.getF32Type();
  auto cast = [&](Value x, mlir::Type to) -> Value {
    auto type = llvm::cast<RankedTensorType>(x.getType());
    if (type.getElementType() == to)
      return x;
    return CastOp::create(builder, loc, type.clone(to), x);
  };
  Value x = cast(getX(), wide);
  RowMath rows{builder, loc, llvm::cast<RankedTensorType>(x.getType())};
  RankedTensorType perRow = withoutLast(rows.type);
  Value count = rows.constant(double(rows.type.getShape().back()), perRow);
  Value mean = arith::DivFOp::create(builder, loc,
                                     rows.reduce(ReduceKind::Sum, x), count);
  Value centered = arith::SubFOp::create(builder, loc, x, rows.alongRow(mean));
  Value squares = arith::MulFOp::create(builder, loc, centered, centered);
  Value variance = arith::DivFOp::create(
      builder, loc, rows.reduce(ReduceKind::Sum, squares), count);
  Value epsilon =
      cast(mlir::tensor::SplatOp::create(builder, loc, getEpsilon(),
                                         perRow.clone(getEpsilon().getType())),
           wide);
  Value reciprocal = mlir::math::RsqrtOp::create(
      builder, loc, arith::AddFOp::create(builder, loc, variance, epsilon));
  Value normal =
      arith::MulFOp::create(builder, loc, centered, rows.alongRow(reciprocal));
  Value scaled = arith::MulFOp::create(builder, loc, normal,
                                       rows.alongRows(cast(getGain(), wide)));
  Value shifted = arith::AddFOp::create(builder, loc, scaled,
                                        rows.alongRows(cast(getBias(), wide)));
  return cast(shifted, element);
}

mlir::Value SoftmaxOp::decompose(mlir::OpBuilder &builder) {
  namespace arith = mlir::arith;
  auto loc = getLoc();
  RowMath rows{builder, loc, getX().getType()};
  Value shifted = arith::SubFOp::create(
      builder, loc, getX(),
      rows.alongRow(rows.reduce(ReduceKind::Max, getX())));
  Value exponentials = mlir::math::ExpOp::create(builder, loc, shifted);
  return arith::DivFOp::create(
      builder, loc, exponentials,
      rows.alongRow(rows.reduce(ReduceKind::Sum, exponentials)));
}

} // namespace gptc::ir
