//===- Elementwise.cpp - Arithmetic of the DSL ----------------------------===//

#include "gptc/frontend/GraphState.h"
#include "gptc/frontend/Operators.h"

#include <cmath>

namespace gptc {

namespace arith = mlir::arith;
namespace math = mlir::math;
using mlir::Value;

namespace {

GraphState &stateOf(const Tensor &tensor) { return tensor.graph()->state(); }

/// The shape that both broadcast to, or nothing.
std::optional<Shape> commonShape(const Shape &a, const Shape &b) {
  Shape shape(std::max(a.size(), b.size()));
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1)
      return std::nullopt;
    shape[shape.size() - 1 - i] = x == 1 ? y : x;
  }
  return shape;
}

/// Brings two operands to one shape; false after an error.
bool unify(const char *name, Tensor &a, Tensor &b, Where where) {
  if (!GraphState::of({a, b}, where))
    return false;
  TensorType x = a.type(), y = b.type();
  if (x.element != y.element) {
    a.graph()->report(fmt::format("{}: {} and {} have different element types; "
                                  "cast one of them",
                                  name, x.toString(), y.toString()),
                      where);
    return false;
  }
  auto shape = commonShape(x.shape, y.shape);
  if (!shape) {
    a.graph()->report(
        fmt::format("{}: shapes {} and {} do not fit: aligned at their last "
                    "dimension, extents must be equal or 1",
                    name, toString(x.shape), toString(y.shape)),
        where);
    return false;
  }
  if (!stateOf(a).representable(fmt::format("{}: cannot make", name),
                                {x.element, *shape}, where))
    return false;
  a = broadcast(a, *shape, where);
  b = broadcast(b, *shape, where);
  return a.valid() && b.valid();
}

template <typename FloatOp, typename IntOp>
Tensor binary(const char *name, Tensor a, Tensor b, Where where) {
  if (!unify(name, a, b, where))
    return {};
  GraphState &state = stateOf(a);
  Value x = GraphState::unwrap(a), y = GraphState::unwrap(b);
  switch (a.type().element) {
  case DataType::I32:
    return state.wrap(IntOp::create(state.builder, state.location(), x, y));
  case DataType::Bool:
    a.graph()->report(fmt::format("{}: has no meaning for {}; cast it", name,
                                  a.type().toString()),
                      where);
    return {};
  default:
    return state.wrap(FloatOp::create(state.builder, state.location(), x, y));
  }
}

bool isFloat(DataType type) {
  return type != DataType::I32 && type != DataType::Bool;
}

/// Whether x is a usable floating point tensor.
bool floating(const char *name, const Tensor &x, Where where) {
  GraphState *state = GraphState::of({x}, where);
  return state && state->floating(name, x, where);
}

template <typename Op, typename... Args>
Tensor unary(const char *name, const Tensor &x, Where where, Args... args) {
  if (!floating(name, x, where))
    return {};
  GraphState &state = stateOf(x);
  return state.wrap(Op::create(state.builder, state.location(), args...,
                               GraphState::unwrap(x)));
}

Tensor compare(const char *name, arith::CmpFPredicate floats,
               arith::CmpIPredicate integers, Tensor a, Tensor b, Where where) {
  if (!unify(name, a, b, where))
    return {};
  GraphState &state = stateOf(a);
  Value x = GraphState::unwrap(a), y = GraphState::unwrap(b);
  if (isFloat(a.type().element))
    return state.wrap(
        arith::CmpFOp::create(state.builder, state.location(), floats, x, y));
  return state.wrap(
      arith::CmpIOp::create(state.builder, state.location(), integers, x, y));
}

} // namespace

Tensor addAs(const char *name, const Tensor &a, const Tensor &b, Where where) {
  return binary<arith::AddFOp, arith::AddIOp>(name, a, b, where);
}
Tensor add(const Tensor &a, const Tensor &b, Where where) {
  return addAs("add", a, b, where);
}
Tensor subtract(const Tensor &a, const Tensor &b, Where where) {
  return binary<arith::SubFOp, arith::SubIOp>("subtract", a, b, where);
}
Tensor multiply(const Tensor &a, const Tensor &b, Where where) {
  return binary<arith::MulFOp, arith::MulIOp>("multiply", a, b, where);
}
Tensor divide(const Tensor &a, const Tensor &b, Where where) {
  if (a.valid() && a.type().element == DataType::I32) {
    a.graph()->report(fmt::format("divide: needs floating point tensors, "
                                  "found {} and {}; cast them",
                                  a.type().toString(), b.type().toString()),
                      where);
    return {};
  }
  return binary<arith::DivFOp, arith::DivSIOp>("divide", a, b, where);
}
Tensor maximum(const Tensor &a, const Tensor &b, Where where) {
  return binary<arith::MaximumFOp, arith::MaxSIOp>("maximum", a, b, where);
}
Tensor minimum(const Tensor &a, const Tensor &b, Where where) {
  return binary<arith::MinimumFOp, arith::MinSIOp>("minimum", a, b, where);
}

/// Why a tensor of a type cannot be filled with a number, or an empty text.
/// Infinities are numbers that masks are filled with.
static std::string whyNotFilled(DataType type, double number) {
  if (std::isnan(number))
    return "nan, which is no number";
  if (isFloat(type))
    return "";
  double least = type == DataType::Bool ? 0 : -0x1p31;
  double most = type == DataType::Bool ? 1 : 0x1p31 - 1;
  if (number >= least && number <= most && number == std::trunc(number))
    return "";
  return fmt::format("{}, which it does not hold", number);
}

Tensor full(const Tensor &like, Scalar value, Where where) {
  return fullAs("full", like, value, where);
}

Tensor fullAs(const char *name, const Tensor &like, Scalar value, Where where) {
  GraphState *made = GraphState::of({like}, where);
  if (!made)
    return {};
  GraphState &state = *made;
  if (value.isNumber())
    if (std::string why =
            whyNotFilled(like.type().element, GraphState::numberOf(value));
        !why.empty()) {
      like.graph()->report(fmt::format("{}: cannot fill {} with {}", name,
                                       like.type().toString(), why),
                           where);
      return {};
    }
  auto type =
      llvm::cast<mlir::RankedTensorType>(GraphState::unwrap(like).getType());
  auto &builder = state.builder;
  auto loc = state.location();
  mlir::Type element = type.getElementType();
  if (value.isNumber() && !llvm::isa<mlir::FloatType>(element))
    return state.wrap(arith::ConstantOp::create(
        builder, loc,
        mlir::DenseElementsAttr::get(
            type, builder.getIntegerAttr(
                      element, int64_t(GraphState::numberOf(value))))));
  Value scalar = state.lower(value, element, where);
  if (!scalar)
    return {};
  mlir::Type from = scalar.getType();
  bool converts = llvm::isa<mlir::FloatType>(element) &&
                  (llvm::isa<mlir::FloatType>(from) || from.isInteger(32));
  if (from != element && !converts) {
    like.graph()->report(fmt::format("{}: cannot fill {} with a scalar of {}{}",
                                     name, like.type().toString(),
                                     from.isInteger() ? "i" : "f",
                                     from.getIntOrFloatBitWidth()),
                         where);
    return {};
  }
  Value filled =
      mlir::tensor::SplatOp::create(builder, loc, scalar, type.clone(from));
  if (from != element)
    filled = ir::CastOp::create(builder, loc, type, filled);
  return state.wrap(filled);
}

Tensor scale(const Tensor &x, Scalar factor, Where where) {
  if (factor.isNumber() && !std::isfinite(GraphState::numberOf(factor))) {
    if (x.valid())
      x.graph()->report(fmt::format("scale: the factor is {}, expected a "
                                    "finite number",
                                    GraphState::numberOf(factor)),
                        where);
    return {};
  }
  return multiply(x, fullAs("scale", x, factor, where), where);
}

Tensor negate(const Tensor &x, Where where) {
  return unary<arith::NegFOp>("negate", x, where);
}
Tensor absolute(const Tensor &x, Where where) {
  return unary<math::AbsFOp>("absolute", x, where);
}
Tensor exp(const Tensor &x, Where where) {
  return unary<math::ExpOp>("exp", x, where);
}
Tensor log(const Tensor &x, Where where) {
  return unary<math::LogOp>("log", x, where);
}
Tensor tanh(const Tensor &x, Where where) {
  return unary<math::TanhOp>("tanh", x, where);
}
Tensor erf(const Tensor &x, Where where) {
  return unary<math::ErfOp>("erf", x, where);
}
Tensor sqrt(const Tensor &x, Where where) {
  return unary<math::SqrtOp>("sqrt", x, where);
}
Tensor rsqrt(const Tensor &x, Where where) {
  return unary<math::RsqrtOp>("rsqrt", x, where);
}
Tensor silu(const Tensor &x, Where where) {
  return unary<ir::SiluOp>("silu", x, where);
}
Tensor relu(const Tensor &x, Where where) {
  return unary<ir::ReluOp>("relu", x, where);
}
Tensor gelu(const Tensor &x, GeluForm form, Where where) {
  return unary<ir::GeluOp>("gelu", x, where, ir::GeluForm(int(form)));
}

Tensor cast(const Tensor &x, DataType type, Where where) {
  if (!x.valid() || !stateOf(x).usable({x}, where))
    return {};
  TensorType from = x.type();
  if (!isFloat(type) &&
      !(type == DataType::I32 && from.element == DataType::Bool) &&
      type != from.element) {
    x.graph()->report(fmt::format("cast: cannot convert {} to {}",
                                  from.toString(), toString(type)),
                      where);
    return {};
  }
  GraphState &state = stateOf(x);
  return state.wrap(ir::CastOp::create(state.builder, state.location(),
                                       state.lower({type, from.shape}),
                                       GraphState::unwrap(x)));
}

Tensor less(const Tensor &a, const Tensor &b, Where where) {
  return compare("less", arith::CmpFPredicate::OLT, arith::CmpIPredicate::slt,
                 a, b, where);
}
Tensor lessEqual(const Tensor &a, const Tensor &b, Where where) {
  return compare("lessEqual", arith::CmpFPredicate::OLE,
                 arith::CmpIPredicate::sle, a, b, where);
}
Tensor equal(const Tensor &a, const Tensor &b, Where where) {
  return compare("equal", arith::CmpFPredicate::OEQ, arith::CmpIPredicate::eq,
                 a, b, where);
}

Tensor choose(const Tensor &condition, const Tensor &first,
              const Tensor &second, Where where) {
  Tensor a = first, b = second;
  if (!GraphState::of({condition, a, b}, where) ||
      !unify("choose", a, b, where))
    return {};
  if (condition.type().element != DataType::Bool ||
      condition.shape() != a.shape()) {
    a.graph()->report(fmt::format("choose: the condition is {}, expected "
                                  "bool{}",
                                  condition.type().toString(),
                                  toString(a.shape())),
                      where);
    return {};
  }
  GraphState &state = stateOf(a);
  return state.wrap(arith::SelectOp::create(
      state.builder, state.location(), GraphState::unwrap(condition),
      GraphState::unwrap(a), GraphState::unwrap(b)));
}

} // namespace gptc
