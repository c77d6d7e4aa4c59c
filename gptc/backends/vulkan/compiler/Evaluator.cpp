//===- Evaluator.cpp ------------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/Evaluator.h"

namespace gptc::vulkan {

namespace arith = mlir::arith;
namespace math = mlir::math;
using mlir::RankedTensorType;
using mlir::Type;
using mlir::Value;

namespace {
RankedTensorType typeOf(Value value) {
  return llvm::cast<RankedTensorType>(value.getType());
}
} // namespace

Value Evaluator::giveUp(mlir::Operation *op, const std::string &why) {
  if (e.failure.empty())
    e.failure = why;
  return e.zero(e.registerType(typeOf(op->getResult(0)).getElementType()));
}

Value Evaluator::evaluate(Value value, const Coordinates &at) {
  if (Value known = bound.lookup(value))
    return known;
  Emitter::Key key{intptr_t(value.getAsOpaquePointer())};
  for (Value i : at)
    key.push_back(intptr_t(i.getAsOpaquePointer()));
  if (Value *known = e.remembered(key))
    return *known;
  Value made = compute(value, at);
  e.remember(key, made);
  return made;
}

Value Evaluator::compute(Value value, const Coordinates &at) {
  if (auto argument = llvm::dyn_cast<mlir::BlockArgument>(value))
    return load(argument, at);
  mlir::Operation *op = value.getDefiningOp();
  if (auto constant = llvm::dyn_cast<arith::ConstantOp>(op)) {
    auto elements = llvm::cast<mlir::DenseElementsAttr>(constant.getValue());
    if (!elements.isSplat())
      return giveUp(op, "a constant with elements that differ");
    auto splat = elements.getSplatValue<mlir::TypedAttr>();
    if (splat.getType().getIntOrFloatBitWidth() > 32)
      return giveUp(op, splat.getType().isF64() ? "constants in f64"
                                                : "constants of 64 bits");
    if (auto number = llvm::dyn_cast<mlir::FloatAttr>(splat))
      return e.number(number.getValueAsDouble());
    return arith::ConstantOp::create(e.builder, e.loc, splat);
  }
  if (auto splat = llvm::dyn_cast<mlir::tensor::SplatOp>(op))
    return e.scalar(llvm::cast<mlir::BlockArgument>(splat.getInput()));
  if (auto reshape = llvm::dyn_cast<ir::ReshapeOp>(op))
    return evaluate(
        reshape.getX(),
        e.delinearize(e.linearize(at, reshape.getY().getType().getShape()),
                      reshape.getX().getType().getShape()));
  if (auto transpose = llvm::dyn_cast<ir::TransposeOp>(op)) {
    Coordinates from(at.size());
    for (auto [to, dimension] : llvm::enumerate(transpose.getPermutation()))
      from[dimension] = at[to];
    return evaluate(transpose.getX(), from);
  }
  if (auto slice = llvm::dyn_cast<ir::SliceOp>(op)) {
    Coordinates from = at;
    for (auto [i, offset] : llvm::enumerate(slice.getOffsets()))
      from[i] = e.add(from[i], offset);
    return evaluate(slice.getX(), from);
  }
  if (auto broadcast = llvm::dyn_cast<ir::BroadcastOp>(op)) {
    Coordinates from;
    for (auto [i, to] : llvm::enumerate(broadcast.getDimensions()))
      from.push_back(broadcast.getX().getType().getDimSize(i) == 1
                         ? e.constant(0)
                         : at[to]);
    return evaluate(broadcast.getX(), from);
  }
  if (auto gather = llvm::dyn_cast<ir::GatherOp>(op)) {
    Value index =
        evaluate(gather.getIndices(), Coordinates(llvm::drop_end(at)));
    Value row = e.clamp(index, gather.getTable().getType().getDimSize(0));
    return evaluate(gather.getTable(), {row, at.back()});
  }
  if (auto select = llvm::dyn_cast<ir::SelectRowOp>(op)) {
    Value row = e.clamp(evaluate(select.getIndices(), {at[0]}),
                        select.getX().getType().getDimSize(1));
    return evaluate(select.getX(), {at[0], row, at[1]});
  }
  if (auto iota = llvm::dyn_cast<ir::IotaOp>(op))
    return at[iota.getDimension()];
  if (auto keep = llvm::dyn_cast<ir::KeepMaskOp>(op))
    return e.keep(e.linearize(at, keep.getResult().getType().getShape()),
                  keep.getRate(), keep.getSeed(), keep.getSite());
  if (auto reduction = llvm::dyn_cast<ir::ReduceOp>(op))
    return reduce(reduction, at);
  return elementwise(op, at);
}

Value Evaluator::packedOffset(Emitter &e, RankedTensorType type, Value k,
                              Value n) {
  auto packed = llvm::cast<ir::PackedAttr>(type.getEncoding());
  int64_t depth = type.getDimSize(packed.getTransposed() ? 1 : 0);
  int64_t paddedDepth = (depth + 15) / 16 * 16;
  Value panel = e.mul(e.div(n, 64), paddedDepth * 64);
  Value column = e.rem(n, 64);
  if (type.getElementTypeBitWidth() != 16)
    return e.add(panel, e.add(e.mul(k, 64), column));
  return e.add(e.add(panel, e.mul(e.div(k, 2), 128)),
               e.add(e.mul(column, 2), e.rem(k, 2)));
}

Value Evaluator::load(mlir::BlockArgument argument, const Coordinates &at) {
  RankedTensorType type = typeOf(argument);
  if (type.getNumElements() > INT32_MAX && e.failure.empty())
    e.failure = "of a tensor of more than 2^31 elements";
  auto packed = llvm::dyn_cast_or_null<ir::PackedAttr>(type.getEncoding());
  if (!packed)
    return e.load(e.input(argument), e.linearize(at, type.getShape()));
  bool transposed = packed.getTransposed();
  return e.load(e.input(argument), packedOffset(e, type, at[transposed ? 1 : 0],
                                                at[transposed ? 0 : 1]));
}

Value Evaluator::sigmoid(Value x) {
  // 1 / (1 + exp(-x)); exp may overflow to infinity, which gives 0.
  Value negative = arith::NegFOp::create(e.builder, e.loc, x);
  Value sum = e.fadd(e.number(1.0), e.exp(negative));
  return arith::DivFOp::create(e.builder, e.loc, e.number(1.0), sum);
}

Value Evaluator::gelu(ir::GeluOp op, Value x) {
  switch (op.getForm()) {
  case ir::GeluForm::Sigmoid:
    return e.fmul(x, sigmoid(e.fmul(x, e.number(1.702))));
  case ir::GeluForm::Tanh: {
    // 0.5 (1 + tanh(u)) is the sigmoid of 2u.
    constexpr double root = 0.7978845608028654; // Of 2/π.
    Value inner =
        e.fma(e.fmul(x, x), e.number(2 * root * 0.044715), e.number(2 * root));
    return e.fmul(x, sigmoid(e.fmul(x, inner)));
  }
  case ir::GeluForm::Erf: {
    Value scaled = e.fmul(x, e.number(0.7071067811865476));
    Value error = math::ErfOp::create(e.builder, e.loc, scaled);
    return e.fmul(e.fmul(x, e.number(0.5)), e.fadd(error, e.number(1.0)));
  }
  }
  return x;
}

Value Evaluator::convert(Value x, Type to) {
  Type from = x.getType();
  if (from == to)
    return x;
  if (from.isInteger(1))
    return e.select(x, to.isF32() ? e.number(1.0) : e.constant(1),
                    to.isF32() ? e.number(0.0) : e.constant(0));
  return arith::SIToFPOp::create(e.builder, e.loc, to, x);
}

Value Evaluator::elementwise(mlir::Operation *op, const Coordinates &at) {
  llvm::SmallVector<Value> operands;
  for (Value operand : op->getOperands())
    operands.push_back(evaluate(operand, at));
  Type element = typeOf(op->getResult(0)).getElementType();
  Type type = e.registerType(element);
  if (element.getIntOrFloatBitWidth() > 32)
    return giveUp(op, op->getName().getStringRef().str() +
                          (element.isF64() ? " in f64" : " in 64 bits"));
  if (!e.failure.empty())
    return e.zero(type); // Operands may have types that ops do not take.
  Value x = operands.empty() ? Value() : operands[0];
  Value result;
  if (auto geluOp = llvm::dyn_cast<ir::GeluOp>(op)) {
    result = gelu(geluOp, x);
  } else if (llvm::isa<ir::SiluOp>(op)) {
    result = e.fmul(x, sigmoid(x));
  } else if (llvm::isa<ir::ReluOp>(op)) {
    result = e.fmax(x, e.number(0.0));
  } else if (llvm::isa<ir::CastOp>(op)) {
    result = convert(x, type);
  } else {
    llvm::StringRef dialect = op->getName().getDialectNamespace();
    if (dialect != "arith" && dialect != "math")
      return giveUp(op, "the op " + op->getName().getStringRef().str());
    // The same op on registers.
    mlir::IRMapping mapping;
    for (auto [from, to] : llvm::zip(op->getOperands(), operands))
      mapping.map(from, to);
    mlir::Operation *clone = e.builder.clone(*op, mapping);
    clone->setLoc(e.loc);
    clone->getResult(0).setType(type);
    result = clone->getResult(0);
  }
  return e.round(result, element);
}

/// One invocation reduces alone. Kernels that reduce long rows or many of them
/// bind what the workgroup has reduced together.
Value Evaluator::reduce(ir::ReduceOp op, const Coordinates &at) {
  auto from = op.getX().getType();
  if (from.getElementType().isF64())
    return giveUp(op, "gptc.reduce in f64");
  bool sum = op.getKind() == ir::ReduceKind::Sum;
  llvm::ArrayRef<int64_t> reduced = op.getDimensions();
  Coordinates source(from.getRank());
  int next = 0;
  for (int64_t i = 0; i < from.getRank(); ++i)
    if (!llvm::is_contained(reduced, i))
      source[i] = at[next++];
  auto kind = sum ? Emitter::Combine::Sum : Emitter::Combine::Max;
  std::function<Value(size_t, Value)> nest = [&](size_t depth,
                                                 Value accumulator) -> Value {
    if (depth == reduced.size())
      return e.combine(kind, accumulator, evaluate(op.getX(), source));
    int64_t dimension = reduced[depth];
    return e.loopWith(e.constant(0), e.constant(from.getDimSize(dimension)), 1,
                      accumulator, [&](Value i, mlir::ValueRange carried) {
                        source[dimension] = i;
                        return Emitter::Values{nest(depth + 1, carried[0])};
                      })[0];
  };
  double identity = sum ? 0.0 : -std::numeric_limits<double>::infinity();
  return e.round(nest(0, e.number(identity)), from.getElementType());
}

} // namespace gptc::vulkan
