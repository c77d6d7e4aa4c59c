//===- Elementwise.cpp ----------------------------------------------------===//

#include "gptc/ir/TensorBuilder.h"

#include <cmath>
#include <numbers>

namespace gptc::ir {

uint64_t GeluOp::getFlops() {
  // Multiplications and additions of the form, and one for erf, tanh or exp.
  unsigned each = getForm() == GeluForm::Tanh ? 9 : 5;
  return getX().getType().getNumElements() * each;
}

uint64_t SiluOp::getFlops() { return getX().getType().getNumElements() * 4; }

uint64_t ReluOp::getFlops() { return getX().getType().getNumElements(); }

uint64_t CastOp::getFlops() { return 0; }

mlir::LogicalResult CastOp::verify() {
  mlir::Type from = getX().getType().getElementType();
  mlir::Type to = getY().getType().getElementType();
  bool allowed = llvm::isa<mlir::FloatType>(to) || from.isInteger(1);
  if (from.isInteger(64) || to.isInteger(64) || to.isInteger(1))
    allowed = from == to;
  if (from.isInteger(32) && to.isInteger(32))
    allowed = true;
  if (!allowed)
    return emitOpError() << "(cast_c1) cannot convert " << from << " to " << to;
  return mlir::success();
}

mlir::OpFoldResult CastOp::fold(FoldAdaptor) {
  if (getX().getType() == getY().getType())
    return getX();
  return {};
}

namespace {
using mlir::Value;
using Gradients = llvm::SmallVector<Value>;

/// How gelu changes with x.
Value slopeOf(TensorBuilder &t, GeluForm form, mlir::OpBuilder &builder,
              mlir::Location loc, Value x) {
  Value square = t.mul(x, x);
  switch (form) {
  case GeluForm::Erf: {
    // Φ(x) + x·φ(x).
    Value error = mlir::math::ErfOp::create(builder, loc,
                                            t.mul(x, 1 / std::numbers::sqrt2));
    Value density =
        t.mul(t.exp(t.mul(square, -0.5)), 1 / std::sqrt(2 * std::numbers::pi));
    return t.add(t.mul(t.add(error, 1), 0.5), t.mul(x, density));
  }
  case GeluForm::Tanh: {
    // (1 + t)/2 + x/2·(1 - t²)·u' with t = tanh(u).
    double factor = std::sqrt(2 / std::numbers::pi);
    Value u = t.mul(x, t.add(t.mul(square, factor * 0.044715), factor));
    Value tanh = mlir::math::TanhOp::create(builder, loc, u);
    Value slope = t.add(t.mul(square, 3 * factor * 0.044715), factor);
    Value rest = t.sub(t.constant(1, t.typeOf(x)), t.mul(tanh, tanh));
    return t.mul(t.add(t.add(tanh, 1), t.mul(x, t.mul(rest, slope))), 0.5);
  }
  case GeluForm::Sigmoid: {
    Value sigmoid = t.sigmoid(t.mul(x, 1.702));
    Value rest = t.sub(t.constant(1, t.typeOf(x)), sigmoid);
    return t.mul(sigmoid, t.add(t.mul(t.mul(x, rest), 1.702), 1));
  }
  }
  return {};
}
} // namespace

Gradients GeluOp::buildGradients(mlir::OpBuilder &builder,
                                 mlir::ValueRange gradients,
                                 llvm::ArrayRef<bool>) {
  TensorBuilder t(builder, getLoc());
  return {
      t.mul(gradients[0], slopeOf(t, getForm(), builder, getLoc(), getX()))};
}

Gradients SiluOp::buildGradients(mlir::OpBuilder &builder,
                                 mlir::ValueRange gradients,
                                 llvm::ArrayRef<bool>) {
  TensorBuilder t(builder, getLoc());
  Value sigmoid = t.sigmoid(getX());
  Value rest = t.sub(t.constant(1, getX().getType()), sigmoid);
  Value slope = t.mul(sigmoid, t.add(t.mul(getX(), rest), 1));
  return {t.mul(gradients[0], slope)};
}

Gradients ReluOp::buildGradients(mlir::OpBuilder &builder,
                                 mlir::ValueRange gradients,
                                 llvm::ArrayRef<bool>) {
  TensorBuilder t(builder, getLoc());
  Value zero = t.constant(0, getX().getType());
  return {t.select(t.greater(getX(), zero), gradients[0], zero)};
}

Gradients CastOp::buildGradients(mlir::OpBuilder &builder,
                                 mlir::ValueRange gradients,
                                 llvm::ArrayRef<bool>) {
  // Rounding counts as exact.
  TensorBuilder t(builder, getLoc());
  return {t.cast(gradients[0], getX().getType().getElementType())};
}

} // namespace gptc::ir
