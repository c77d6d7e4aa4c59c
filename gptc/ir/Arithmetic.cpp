//===- Arithmetic.cpp - Gradients of upstream's ops -----------------------===//

#include "gptc/ir/TensorBuilder.h"

#include <numbers>

namespace gptc::ir {

namespace {

namespace arith = mlir::arith;
namespace math = mlir::math;
using mlir::Value;
using Gradients = llvm::SmallVector<Value>;
using Needed = llvm::ArrayRef<bool>;

/// The op's operands with what an answer is built with.
struct Context : TensorBuilder {
  Context(mlir::OpBuilder &builder, mlir::Operation *op)
      : TensorBuilder(builder, op->getLoc()), builder(builder), op(op) {}

  Value operand(unsigned i) const { return op->getOperand(i); }
  Value result() const { return op->getResult(0); }

  mlir::OpBuilder &builder;
  mlir::Operation *op;
};

/// The interface of an op with a function that answers it.
template <typename Op, Gradients (*build)(Context &t, Value g, Needed needed)>
struct Model : DifferentiableOp::ExternalModel<Model<Op, build>, Op> {
  Gradients buildGradients(mlir::Operation *op, mlir::OpBuilder &builder,
                           mlir::ValueRange gradients, Needed needed) const {
    Context context(builder, op);
    return build(context, gradients[0], needed);
  }
};

Gradients ofAdd(Context &, Value g, Needed) { return {g, g}; }

Gradients ofSub(Context &t, Value g, Needed needed) {
  return {g, needed[1] ? t.neg(g) : Value()};
}

Gradients ofMul(Context &t, Value g, Needed needed) {
  return {needed[0] ? t.mul(g, t.operand(1)) : Value(),
          needed[1] ? t.mul(g, t.operand(0)) : Value()};
}

Gradients ofDiv(Context &t, Value g, Needed needed) {
  Value quotient = t.div(g, t.operand(1));
  return {needed[0] ? quotient : Value(),
          needed[1] ? t.neg(t.mul(quotient, t.result())) : Value()};
}

Gradients ofNeg(Context &t, Value g, Needed) { return {t.neg(g)}; }

/// The chosen operand takes the gradient, equal ones share it.
Gradients ofExtremum(Context &t, Value g, Needed needed) {
  Value a = t.operand(0), b = t.operand(1);
  bool isMaximum = llvm::isa<arith::MaximumFOp>(t.op);
  Value isEqual = t.equal(a, b), half = t.mul(g, 0.5);
  auto share = [&](Value mine, Value other) {
    Value wins = isMaximum ? t.greater(mine, other) : t.greater(other, mine);
    return t.select(isEqual, half, t.select(wins, g));
  };
  return {needed[0] ? share(a, b) : Value(), needed[1] ? share(b, a) : Value()};
}

Gradients ofSelect(Context &t, Value g, Needed needed) {
  Value zero = t.constant(0, t.typeOf(g));
  return {Value(), needed[1] ? t.select(t.operand(0), g, zero) : Value(),
          needed[2] ? t.select(t.operand(0), zero, g) : Value()};
}

Gradients ofAbs(Context &t, Value g, Needed) {
  Value x = t.operand(0), zero = t.constant(0, t.typeOf(x));
  return {t.select(t.greater(x, zero), g,
                   t.select(t.greater(zero, x), t.neg(g), zero))};
}

Gradients ofExp(Context &t, Value g, Needed) { return {t.mul(g, t.result())}; }

Gradients ofLog(Context &t, Value g, Needed) {
  return {t.div(g, t.operand(0))};
}

Gradients ofTanh(Context &t, Value g, Needed) {
  Value square = t.mul(t.result(), t.result());
  return {t.mul(g, t.sub(t.constant(1, t.typeOf(g)), square))};
}

Gradients ofErf(Context &t, Value g, Needed) {
  Value density = t.exp(t.neg(t.mul(t.operand(0), t.operand(0))));
  return {t.mul(g, t.mul(density, 2 * std::numbers::inv_sqrtpi))};
}

Gradients ofSqrt(Context &t, Value g, Needed) {
  return {t.div(t.mul(g, 0.5), t.result())};
}

Gradients ofRsqrt(Context &t, Value g, Needed) {
  Value square = t.mul(t.result(), t.result());
  return {t.mul(t.mul(g, -0.5), t.mul(square, t.result()))};
}

/// A scalar gets no gradient.
Gradients ofSplat(Context &, Value, Needed) { return {Value()}; }

template <typename Op, Gradients (*build)(Context &, Value, Needed)>
void attach(mlir::MLIRContext *context) {
  Op::template attachInterface<Model<Op, build>>(*context);
}

} // namespace

void registerArithmeticGradients(mlir::DialectRegistry &registry) {
  registry.addExtension(+[](mlir::MLIRContext *context, arith::ArithDialect *) {
    attach<arith::AddFOp, ofAdd>(context);
    attach<arith::SubFOp, ofSub>(context);
    attach<arith::MulFOp, ofMul>(context);
    attach<arith::DivFOp, ofDiv>(context);
    attach<arith::NegFOp, ofNeg>(context);
    attach<arith::MaximumFOp, ofExtremum>(context);
    attach<arith::MinimumFOp, ofExtremum>(context);
    attach<arith::SelectOp, ofSelect>(context);
  });
  registry.addExtension(+[](mlir::MLIRContext *context, math::MathDialect *) {
    attach<math::AbsFOp, ofAbs>(context);
    attach<math::ExpOp, ofExp>(context);
    attach<math::LogOp, ofLog>(context);
    attach<math::TanhOp, ofTanh>(context);
    attach<math::ErfOp, ofErf>(context);
    attach<math::SqrtOp, ofSqrt>(context);
    attach<math::RsqrtOp, ofRsqrt>(context);
  });
  registry.addExtension(
      +[](mlir::MLIRContext *context, mlir::tensor::TensorDialect *) {
        attach<mlir::tensor::SplatOp, ofSplat>(context);
      });
}

} // namespace gptc::ir
