//===- Normalization.cpp --------------------------------------------------===//

#include "gptc/ir/TensorBuilder.h"
#include "llvm/ADT/STLExtras.h"

namespace gptc::ir {

using mlir::RankedTensorType;
using mlir::Value;

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

namespace {

/// A layer norm's operand, less its mean and divided by its deviation.
struct Normalized {
  Value normal;
  Value reciprocal; ///< Of the deviation, for every element.
};

/// Statistics are f32 or f64, the type of the scalar, even if x is narrower:
/// `x` is in their type.
Normalized normalize(mlir::OpBuilder &builder, mlir::Location loc, Value x,
                     Value epsilon) {
  TensorBuilder t(builder, loc);
  RankedTensorType type = t.typeOf(x);
  auto perRow =
      RankedTensorType::get(type.getShape().drop_back(), type.getElementType());
  Value count = t.constant(double(type.getShape().back()), perRow);
  Value mean = t.div(t.sumOfRow(x), count);
  Value centered = t.sub(x, t.alongRow(mean, type));
  Value variance = t.div(t.sumOfRow(t.mul(centered, centered)), count);
  Value shift =
      t.cast(mlir::tensor::SplatOp::create(builder, loc, epsilon,
                                           perRow.clone(epsilon.getType())),
             type.getElementType());
  Value reciprocal =
      mlir::math::RsqrtOp::create(builder, loc, t.add(variance, shift));
  Value everywhere = t.alongRow(reciprocal, type);
  return {t.mul(centered, everywhere), everywhere};
}

mlir::Type wideTypeOf(mlir::OpBuilder &builder, RankedTensorType type) {
  return type.getElementType().isF64() ? type.getElementType()
                                       : builder.getF32Type();
}

} // namespace

Value LayerNormOp::decompose(mlir::OpBuilder &builder) {
  TensorBuilder t(builder, getLoc());
  mlir::Type wide = wideTypeOf(builder, getX().getType());
  Value x = t.cast(getX(), wide);
  RankedTensorType type = t.typeOf(x);
  auto [normal, reciprocal] = normalize(builder, getLoc(), x, getEpsilon());
  Value scaled = t.mul(normal, t.everyRow(t.cast(getGain(), wide), type));
  Value shifted = t.add(scaled, t.everyRow(t.cast(getBias(), wide), type));
  return t.cast(shifted, getX().getType().getElementType());
}

llvm::SmallVector<Value>
LayerNormOp::buildGradients(mlir::OpBuilder &builder,
                            mlir::ValueRange gradients,
                            llvm::ArrayRef<bool> needed) {
  TensorBuilder t(builder, getLoc());
  mlir::Type element = getX().getType().getElementType();
  mlir::Type wide = wideTypeOf(builder, getX().getType());
  Value g = t.cast(gradients[0], wide);
  llvm::SmallVector<Value> result(4);
  if (needed[2])
    result[2] = t.cast(t.sumOfRows(g), element);
  if (!needed[0] && !needed[1])
    return result;
  auto [normal, reciprocal] =
      normalize(builder, getLoc(), t.cast(getX(), wide), getEpsilon());
  if (needed[1])
    result[1] = t.cast(t.sumOfRows(t.mul(g, normal)), element);
  if (!needed[0])
    return result;
  // Mean and deviation depend on x as well: what changes them is taken out.
  RankedTensorType type = t.typeOf(g);
  auto perRow = RankedTensorType::get(type.getShape().drop_back(), wide);
  Value count = t.constant(double(type.getShape().back()), perRow);
  Value inner = t.mul(g, t.everyRow(t.cast(getGain(), wide), type));
  Value mean = t.div(t.sumOfRow(inner), count);
  Value slope = t.div(t.sumOfRow(t.mul(inner, normal)), count);
  Value rest = t.sub(t.sub(inner, t.alongRow(mean, type)),
                     t.mul(normal, t.alongRow(slope, type)));
  result[0] = t.cast(t.mul(rest, reciprocal), element);
  return result;
}

Value SoftmaxOp::decompose(mlir::OpBuilder &builder) {
  TensorBuilder t(builder, getLoc());
  RankedTensorType type = getX().getType();
  Value greatest = t.max(getX(), {type.getRank() - 1});
  Value exponentials = t.exp(t.sub(getX(), t.alongRow(greatest, type)));
  return t.div(exponentials, t.alongRow(t.sumOfRow(exponentials), type));
}

llvm::SmallVector<Value> SoftmaxOp::buildGradients(mlir::OpBuilder &builder,
                                                   mlir::ValueRange gradients,
                                                   llvm::ArrayRef<bool>) {
  TensorBuilder t(builder, getLoc());
  Value g = gradients[0];
  Value mean = t.sumOfRow(t.mul(g, getY()));
  return {t.mul(getY(), t.sub(g, t.alongRow(mean, getX().getType())))};
}

llvm::SmallVector<Value> ReduceOp::buildGradients(mlir::OpBuilder &builder,
                                                  mlir::ValueRange gradients,
                                                  llvm::ArrayRef<bool>) {
  TensorBuilder t(builder, getLoc());
  RankedTensorType type = getX().getType();
  llvm::SmallVector<int64_t> kept;
  for (int64_t i = 0; i < type.getRank(); ++i)
    if (!llvm::is_contained(getDimensions(), i))
      kept.push_back(i);
  if (getKind() == ReduceKind::Sum)
    return {t.broadcast(gradients[0], type, kept)};
  // Elements that are equally great share the gradient.
  Value isGreatest = t.equal(getX(), t.broadcast(getY(), type, kept));
  Value counts = t.select(isGreatest, t.constant(1, type));
  llvm::SmallVector<int64_t> dimensions(getDimensions());
  if (dimensions.back() == type.getRank() - 1) {
    counts = t.sumOfRow(counts);
    dimensions.pop_back();
  }
  if (!dimensions.empty())
    counts = t.sum(counts, dimensions);
  Value share = t.div(gradients[0], counts);
  return {t.select(isGreatest, t.broadcast(share, type, kept))};
}

} // namespace gptc::ir
