//===- Order.cpp ----------------------------------------------------------===//

#include "gptc/ir/Order.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace gptc::ir {

namespace arith = mlir::arith;
using mlir::Value;

Value buildOrder(mlir::OpBuilder &builder, mlir::Location loc, Value number,
                 bool finite) {
  constexpr int32_t magnitude = 0x7fffffff, infinity = 0x7f800000;
  // What the bits of -0 and -inf become.
  constexpr int32_t minusZero = -1, minusInfinity = ~infinity;
  auto constant = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getI32IntegerAttr(value));
  };
  auto is = [&](arith::CmpIPredicate predicate, Value a, int32_t b) -> Value {
    return arith::CmpIOp::create(builder, loc, predicate, a, constant(b));
  };
  auto bitAnd = [&](Value a, int32_t b) -> Value {
    return arith::AndIOp::create(builder, loc, a, constant(b));
  };
  auto select = [&](Value condition, int32_t a, Value b) -> Value {
    return arith::SelectOp::create(builder, loc, condition, constant(a), b);
  };
  Value bits =
      arith::BitcastOp::create(builder, loc, builder.getI32Type(), number);
  // Of negative numbers the larger magnitude is the smaller one.
  Value sign = arith::ShRSIOp::create(builder, loc, bits, constant(31));
  Value order =
      arith::XOrIOp::create(builder, loc, bits, bitAnd(sign, magnitude));
  order = select(is(arith::CmpIPredicate::eq, order, minusZero), 0, order);
  if (finite)
    order = select(is(arith::CmpIPredicate::eq, order, minusInfinity),
                   magnitude, order);
  Value isNaN =
      is(arith::CmpIPredicate::sgt, bitAnd(bits, magnitude), infinity);
  return select(isNaN, magnitude, order);
}

} // namespace gptc::ir
