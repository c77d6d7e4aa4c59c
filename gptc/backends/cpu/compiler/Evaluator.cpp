//===- Evaluator.cpp ------------------------------------------------------===//

#include "gptc/backends/cpu/compiler/Evaluator.h"

#include "mlir/IR/Matchers.h"

namespace gptc::cpu {

namespace arith = mlir::arith;
namespace math = mlir::math;
namespace vector = mlir::vector;
using mlir::RankedTensorType;
using mlir::Type;
using mlir::Value;

namespace {

RankedTensorType typeOf(Value value) {
  return llvm::cast<RankedTensorType>(value.getType());
}

bool isVector(Value value) {
  return llvm::isa<mlir::VectorType>(value.getType());
}

} // namespace

Value Evaluator::giveUp(mlir::Operation *op, const std::string &why) {
  if (e.failure.empty())
    e.failure = why;
  Type type = e.registerType(typeOf(op->getResult(0)).getElementType());
  return arith::ConstantOp::create(e.builder, e.loc,
                                   e.builder.getZeroAttr(type));
}

Value Evaluator::evaluate(Value value, const Coordinates &at, Value mask) {
  if (Value known = bound.lookup(value))
    return known;
  Emitter::Key key{intptr_t(value.getAsOpaquePointer()), at.lanes,
                   intptr_t(mask.getAsOpaquePointer())};
  for (Value i : at.index)
    key.push_back(intptr_t(i.getAsOpaquePointer()));
  if (Value *known = e.remembered(key))
    return *known;
  Value made = compute(value, at, mask);
  e.remember(key, made);
  return made;
}

Value Evaluator::compute(Value value, const Coordinates &at, Value mask) {
  if (auto argument = llvm::dyn_cast<mlir::BlockArgument>(value))
    return load(argument, at, mask);
  mlir::Operation *op = value.getDefiningOp();
  if (auto constant = llvm::dyn_cast<arith::ConstantOp>(op)) {
    auto elements = llvm::cast<mlir::DenseElementsAttr>(constant.getValue());
    if (!elements.isSplat())
      return giveUp(op, "a constant with elements that differ");
    auto splat = elements.getSplatValue<mlir::TypedAttr>();
    Type type = e.registerType(splat.getType());
    if (auto number = llvm::dyn_cast<mlir::FloatAttr>(splat))
      return e.floatConstant(number.getValueAsDouble(), type);
    return arith::ConstantOp::create(e.builder, e.loc, splat);
  }
  if (auto splat = llvm::dyn_cast<mlir::tensor::SplatOp>(op))
    return e.input(llvm::cast<mlir::BlockArgument>(splat.getInput()));
  if (auto reshape = llvm::dyn_cast<ir::ReshapeOp>(op))
    return throughReshape(reshape, at, mask);
  if (auto transpose = llvm::dyn_cast<ir::TransposeOp>(op)) {
    Coordinates from{llvm::SmallVector<Value>(at.index.size()), -1};
    for (auto [to, dimension] : llvm::enumerate(transpose.getPermutation())) {
      from.index[dimension] = at.index[to];
      if (at.lanes == int(to))
        from.lanes = int(dimension);
    }
    return evaluate(transpose.getX(), from, mask);
  }
  if (auto slice = llvm::dyn_cast<ir::SliceOp>(op)) {
    Coordinates from = at;
    for (auto [i, offset] : llvm::enumerate(slice.getOffsets()))
      from.index[i] = e.add(from.index[i], e.constant(offset));
    return evaluate(slice.getX(), from, mask);
  }
  if (auto broadcast = llvm::dyn_cast<ir::BroadcastOp>(op)) {
    Coordinates from;
    for (auto [i, to] : llvm::enumerate(broadcast.getDimensions())) {
      bool repeated = broadcast.getX().getType().getDimSize(i) == 1;
      from.index.push_back(repeated ? e.constant(0) : at.index[to]);
      if (at.lanes == int(to) && !repeated)
        from.lanes = int(i);
    }
    return evaluate(broadcast.getX(), from, from.lanes < 0 ? Value() : mask);
  }
  if (auto gather = llvm::dyn_cast<ir::GatherOp>(op)) {
    Coordinates indices{{}, -1}, from;
    indices.index.assign(at.index.begin(), at.index.end() - 1);
    if (at.lanes >= 0 && at.lanes + 1 != int(at.index.size()))
      return giveUp(op, "lanes over the rows of a gather");
    auto table = gather.getTable().getType();
    from.index = {clampedIndex(evaluate(gather.getIndices(), indices),
                               table.getDimSize(0)),
                  at.index.back()};
    from.lanes = at.lanes >= 0 ? 1 : -1;
    return evaluate(gather.getTable(), from, mask);
  }
  if (auto select = llvm::dyn_cast<ir::SelectRowOp>(op)) {
    if (at.lanes == 0)
      return giveUp(op, "lanes over the rows of a selection");
    Coordinates from;
    Value row = clampedIndex(evaluate(select.getIndices(), {{at.index[0]}, -1}),
                             select.getX().getType().getDimSize(1));
    from.index = {at.index[0], row, at.index[1]};
    from.lanes = at.lanes >= 0 ? 2 : -1;
    return evaluate(select.getX(), from, mask);
  }
  if (auto iota = llvm::dyn_cast<ir::IotaOp>(op)) {
    Value index = at.index[iota.getDimension()];
    Type i32 = e.builder.getI32Type();
    if (at.lanes != int(iota.getDimension()))
      return arith::TruncIOp::create(e.builder, e.loc, i32, index);
    Value along =
        arith::AddIOp::create(e.builder, e.loc, e.splat(index), e.lanes());
    return arith::TruncIOp::create(e.builder, e.loc, e.vectorOf(i32), along);
  }
  if (auto keep = llvm::dyn_cast<ir::KeepMaskOp>(op))
    return keepMask(keep, at);
  if (auto reduction = llvm::dyn_cast<ir::ReduceOp>(op))
    return reduce(reduction, at, mask);
  if (auto likelihood = llvm::dyn_cast<ir::LogLikelihoodOp>(op))
    return logLikelihood(likelihood, at);
  return elementwise(op, at, mask);
}

Value Evaluator::keepMask(ir::KeepMaskOp op, const Coordinates &at) {
  auto shape = op.getResult().getType().getShape();
  int64_t stride = 1;
  for (int64_t extent : shape.drop_front(size_t(int64_t(at.lanes) + 1)))
    stride *= extent;
  return e.keep(e.linearize(at.index, shape), at.lanes < 0 ? 0 : stride,
                op.getRate(), op.getSeed(), op.getSite());
}

Value Evaluator::clampedIndex(Value index, int64_t extent) {
  Value wide =
      arith::ExtSIOp::create(e.builder, e.loc, e.builder.getI64Type(), index);
  return e.min(e.max(wide, e.constant(0)), e.constant(extent - 1));
}

Value Evaluator::load(mlir::BlockArgument argument, const Coordinates &at,
                      Value mask) {
  RankedTensorType type = typeOf(argument);
  if (auto packed = llvm::dyn_cast_or_null<ir::PackedAttr>(type.getEncoding()))
    return loadPacked(argument, packed, at, mask);
  return loadView(ir::denseView(argument), at, mask);
}

Value Evaluator::loadView(const ir::StridedView &view, const Coordinates &at,
                          Value mask) {
  Value offset = e.constant(view.offset);
  for (size_t i = 0; i < view.strides.size(); ++i)
    if (view.sizes[i] != 1)
      offset = e.add(offset, e.mul(at.index[i], view.strides[i]));
  Type element = typeOf(view.base).getElementType();
  Value base = e.input(llvm::cast<mlir::BlockArgument>(view.base));
  int64_t stride = at.lanes < 0 ? 0 : view.strides[at.lanes];
  if (stride == 0)
    return e.loadScalar(base, offset, element);
  if (stride == 1)
    return e.loadVector(base, offset, element, mask);
  return e.loadStrided(base, offset, e.constant(stride), element, mask);
}

Value Evaluator::loadPacked(mlir::BlockArgument argument, ir::PackedAttr packed,
                            const Coordinates &at, Value mask) {
  RankedTensorType type = typeOf(argument);
  bool transposed = packed.getTransposed();
  Value k = at.index[transposed ? 1 : 0], n = at.index[transposed ? 0 : 1];
  int64_t extentK = type.getDimSize(transposed ? 1 : 0);
  int64_t paddedK = (extentK + 15) / 16 * 16;
  bool pairs = type.getElementTypeBitWidth() == 16;
  auto offsetOf = [&](Value k) {
    Value panel = e.mul(e.div(n, 64), paddedK * 64);
    Value column = e.rem(n, 64);
    if (!pairs)
      return e.add(panel, e.add(e.mul(k, 64), column));
    return e.add(e.add(panel, e.mul(e.div(k, 2), 128)),
                 e.add(e.mul(column, 2), e.rem(k, 2)));
  };
  Value base = e.input(argument);
  Type element = type.getElementType();
  if (at.lanes < 0)
    return e.loadScalar(base, offsetOf(k), element);
  if (at.lanes != (transposed ? 1 : 0))
    return giveUp(argument.getOwner()->getTerminator(),
                  "lanes over the columns of packed weights");
  if (!pairs)
    return e.loadStrided(base, offsetOf(k), e.constant(64), element, mask);
  Type register_ = e.vectorOf(e.registerType(element));
  Value result = arith::ConstantOp::create(e.builder, e.loc,
                                           e.builder.getZeroAttr(register_));
  for (int lane = 0; lane < e.width; ++lane) {
    // Lanes beyond the row read its last element again.
    Value safe = e.min(e.add(k, e.constant(lane)), e.constant(extentK - 1));
    result = vector::InsertOp::create(
        e.builder, e.loc, e.loadScalar(base, offsetOf(safe), element), result,
        lane);
  }
  return result;
}

Value Evaluator::throughReshape(ir::ReshapeOp op, const Coordinates &at,
                                Value mask) {
  auto from = op.getX().getType().getShape();
  auto to = op.getY().getType().getShape();
  Coordinates source;
  source.index = e.delinearize(e.linearize(at.index, to), from);
  if (at.lanes < 0)
    return evaluate(op.getX(), source, mask);
  // Lanes stay within one row of the source if they run along its last
  // dimension in pieces that do not cross it.
  int last = int(to.size()) - 1;
  while (last > at.lanes && to[last] == 1)
    --last;
  int sourceLast = int(from.size()) - 1;
  while (sourceLast > 0 && from[sourceLast] == 1)
    --sourceLast;
  if (last != at.lanes || sourceLast < 0 || from[sourceLast] % to[last] != 0) {
    // Of an input, elements that are evenly spaced can be read nevertheless.
    auto view = ir::resolveView(op.getY());
    if (view && llvm::isa<mlir::BlockArgument>(view->base) &&
        !typeOf(view->base).getEncoding())
      return loadView(*view, at, mask);
    return giveUp(op, "lanes across a reshape");
  }
  source.lanes = sourceLast;
  return evaluate(op.getX(), source, mask);
}

Value Evaluator::sigmoid(Value x) {
  // 1 / (1 + exp(-x)); exp may overflow to infinity, which gives 0.
  Type type = x.getType();
  auto one = e.floatConstant(1.0, mlir::getElementTypeOrSelf(type));
  Value ones = isVector(x) ? e.splat(one) : one;
  Value negative = arith::NegFOp::create(e.builder, e.loc, x);
  Value exponential = math::ExpOp::create(e.builder, e.loc, negative);
  Value sum = arith::AddFOp::create(e.builder, e.loc, ones, exponential);
  return arith::DivFOp::create(e.builder, e.loc, ones, sum);
}

Value Evaluator::gelu(ir::GeluOp op, Value x) {
  Type scalar = mlir::getElementTypeOrSelf(x.getType());
  auto number = [&](double value) {
    Value constant = e.floatConstant(value, scalar);
    return isVector(x) ? e.splat(constant) : constant;
  };
  auto multiply = [&](Value a, Value b) -> Value {
    return arith::MulFOp::create(e.builder, e.loc, a, b);
  };
  switch (op.getForm()) {
  case ir::GeluForm::Sigmoid:
    return multiply(x, sigmoid(multiply(x, number(1.702))));
  case ir::GeluForm::Tanh: {
    // 0.5 (1 + tanh(u)) is the sigmoid of 2u.
    Value square = multiply(x, x);
    Value inner = math::FmaOp::create(e.builder, e.loc, square,
                                      number(2 * 0.7978845608028654 * 0.044715),
                                      number(2 * 0.7978845608028654));
    return multiply(x, sigmoid(multiply(x, inner)));
  }
  case ir::GeluForm::Erf: {
    Value scaled = multiply(x, number(0.7071067811865476));
    Value error = math::ErfOp::create(e.builder, e.loc, scaled);
    Value one = arith::AddFOp::create(e.builder, e.loc, error, number(1.0));
    return multiply(multiply(x, number(0.5)), one);
  }
  }
  return x;
}

Value Evaluator::elementwise(mlir::Operation *op, const Coordinates &at,
                             Value mask) {
  llvm::SmallVector<Value> operands;
  bool wide = false;
  for (Value operand : op->getOperands()) {
    operands.push_back(evaluate(operand, at, mask));
    wide |= isVector(operands.back());
  }
  if (wide)
    for (Value &operand : operands)
      operand = e.splat(operand);
  Type element = typeOf(op->getResult(0)).getElementType();
  Type scalar = e.registerType(element);
  Type type = wide ? e.vectorOf(scalar) : scalar;
  auto &builder = e.builder;
  auto loc = e.loc;
  Value x = operands.empty() ? Value() : operands[0];
  Value result;
  if (scalar.isF64() && llvm::isa<math::ExpOp, math::LogOp, math::TanhOp,
                                  math::ErfOp, ir::GeluOp, ir::SiluOp>(op))
    return giveUp(op, op->getName().getStringRef().str() + " in f64");
  if (auto geluOp = llvm::dyn_cast<ir::GeluOp>(op)) {
    result = gelu(geluOp, x);
  } else if (llvm::isa<ir::SiluOp>(op)) {
    result = arith::MulFOp::create(builder, loc, x, sigmoid(x));
  } else if (llvm::isa<ir::ReluOp>(op)) {
    Value zero =
        arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type));
    result = arith::MaximumFOp::create(builder, loc, x, zero);
  } else if (llvm::isa<ir::CastOp>(op)) {
    Type from = mlir::getElementTypeOrSelf(x.getType());
    if (from == scalar)
      result = x;
    else if (llvm::isa<mlir::FloatType>(from))
      result = from.getIntOrFloatBitWidth() < scalar.getIntOrFloatBitWidth()
                   ? Value(arith::ExtFOp::create(builder, loc, type, x))
                   : Value(arith::TruncFOp::create(builder, loc, type, x));
    else if (from.isInteger(1) && scalar.isInteger(32))
      result = arith::ExtUIOp::create(builder, loc, type, x);
    else if (from.isInteger(1))
      result = arith::UIToFPOp::create(builder, loc, type, x);
    else
      result = arith::SIToFPOp::create(builder, loc, type, x);
  } else {
    llvm::StringRef dialect = op->getName().getDialectNamespace();
    if (dialect != "arith" && dialect != "math")
      return giveUp(op, "the op " + op->getName().getStringRef().str());
    // The same op on registers.
    mlir::IRMapping mapping;
    for (auto [from, to] : llvm::zip(op->getOperands(), operands))
      mapping.map(from, to);
    mlir::Operation *clone = builder.clone(*op, mapping);
    clone->setLoc(loc);
    clone->getResult(0).setType(type);
    result = clone->getResult(0);
  }
  return e.round(result, element);
}

Value Evaluator::reduce(ir::ReduceOp op, const Coordinates &at, Value mask) {
  auto from = op.getX().getType();
  Type scalar = e.registerType(from.getElementType());
  bool sum = op.getKind() == ir::ReduceKind::Sum;
  double identity = sum ? 0.0 : -std::numeric_limits<double>::infinity();
  llvm::ArrayRef<int64_t> reduced = op.getDimensions();

  // Where the kept dimensions stand in the operand.
  Coordinates source{llvm::SmallVector<Value>(from.getRank()), -1};
  int next = 0;
  for (int64_t i = 0; i < from.getRank(); ++i) {
    if (llvm::is_contained(reduced, i))
      continue;
    source.index[i] = at.index[next];
    if (at.lanes == next)
      source.lanes = int(i);
    ++next;
  }
  auto combine = [&](Value a, Value b) -> Value {
    if (sum)
      return arith::AddFOp::create(e.builder, e.loc, a, b);
    return arith::MaximumFOp::create(e.builder, e.loc, a, b);
  };
  // Lanes run along the reduced last dimension when they are free.
  bool across =
      source.lanes < 0 && reduced.back() == from.getRank() - 1 && e.width > 1;
  Value start = e.floatConstant(identity, scalar);
  if (across || source.lanes >= 0)
    start = e.splat(start);

  std::function<Value(size_t, Value)> nest = [&](size_t depth,
                                                 Value accumulator) -> Value {
    if (depth == reduced.size()) {
      Value x = evaluate(op.getX(), source, mask);
      return combine(accumulator, isVector(accumulator) ? e.splat(x) : x);
    }
    int64_t dimension = reduced[depth];
    int64_t extent = from.getDimSize(dimension);
    if (across && depth + 1 == reduced.size()) {
      source.lanes = int(dimension);
      int64_t whole = extent / e.width * e.width;
      auto termAt = [&](Value i) {
        source.index[dimension] = i;
        return e.splat(evaluate(op.getX(), source));
      };
      // One accumulator would wait for itself: long rows have several.
      constexpr int64_t several = 4;
      int64_t step = several * e.width;
      int64_t unrolled = extent >= 4 * step ? extent / step * step : 0;
      if (unrolled > 0) {
        llvm::SmallVector<Value> parts(
            several, e.splat(e.floatConstant(identity, scalar)));
        parts[0] = accumulator;
        parts = e.loopWith(e.constant(0), e.constant(unrolled), step, parts,
                           [&](Value i, mlir::ValueRange carried) {
                             llvm::SmallVector<Value> next;
                             for (int64_t p = 0; p < several; ++p)
                               next.push_back(combine(
                                   carried[size_t(p)],
                                   termAt(e.add(i, e.constant(p * e.width)))));
                             return next;
                           });
        accumulator =
            combine(combine(parts[0], parts[1]), combine(parts[2], parts[3]));
      }
      accumulator = e.loopWith(
          e.constant(unrolled), e.constant(whole), e.width, accumulator,
          [&](Value i, mlir::ValueRange carried) {
            return llvm::SmallVector<Value>{combine(carried[0], termAt(i))};
          })[0];
      if (whole < extent) {
        source.index[dimension] = e.constant(whole);
        Value tail = e.maskBelow(e.constant(extent - whole));
        Value x = e.splat(evaluate(op.getX(), source, tail));
        Value neutral = e.splat(e.floatConstant(identity, scalar));
        x = arith::SelectOp::create(e.builder, e.loc, tail, x, neutral);
        accumulator = combine(accumulator, x);
      }
      source.lanes = -1;
      return accumulator;
    }
    return e.loopWith(e.constant(0), e.constant(extent), 1, accumulator,
                      [&](Value i, mlir::ValueRange carried) {
                        source.index[dimension] = i;
                        return llvm::SmallVector<Value>{
                            nest(depth + 1, carried[0])};
                      })[0];
  };
  Value result = nest(0, start);
  if (across)
    result = vector::ReductionOp::create(e.builder, e.loc,
                                         sum ? vector::CombiningKind::ADD
                                             : vector::CombiningKind::MAXIMUMF,
                                         result);
  return e.round(result, from.getElementType());
}

Value Evaluator::logLikelihood(ir::LogLikelihoodOp op, const Coordinates &at) {
  if (at.lanes >= 0)
    return giveUp(op, "lanes over the rows of a log-likelihood");
  auto type = op.getLogits().getType();
  int64_t extent = type.getShape().back();
  Type scalar = e.registerType(type.getElementType());
  if (scalar.isF64())
    return giveUp(op, "gptc.log_likelihood in f64");
  Value target = evaluate(op.getTargets(), at);
  Coordinates row{at.index, -1};
  row.index.push_back(Value());
  auto pass = [&](double identity, vector::CombiningKind kind, auto term) {
    Value start = e.splat(e.floatConstant(identity, scalar));
    auto combine = [&](Value a, Value b) -> Value {
      if (kind == vector::CombiningKind::ADD)
        return arith::AddFOp::create(e.builder, e.loc, a, b);
      return arith::MaximumFOp::create(e.builder, e.loc, a, b);
    };
    row.lanes = e.width > 1 ? int(row.index.size()) - 1 : -1;
    int64_t whole = extent / e.width * e.width;
    Value accumulator = e.loopWith(
        e.constant(0), e.constant(whole), e.width, start,
        [&](Value i, mlir::ValueRange carried) {
          row.index.back() = i;
          Value x = e.splat(evaluate(op.getLogits(), row));
          return llvm::SmallVector<Value>{combine(carried[0], term(x))};
        })[0];
    if (whole < extent) {
      row.index.back() = e.constant(whole);
      Value tail = e.maskBelow(e.constant(extent - whole));
      Value x = e.splat(evaluate(op.getLogits(), row, tail));
      x = arith::SelectOp::create(e.builder, e.loc, tail, term(x), start);
      accumulator = combine(accumulator, x);
    }
    return Value(
        vector::ReductionOp::create(e.builder, e.loc, kind, accumulator));
  };
  Value largest =
      pass(-std::numeric_limits<double>::infinity(),
           vector::CombiningKind::MAXIMUMF, [](Value x) { return x; });
  Value sum = pass(0.0, vector::CombiningKind::ADD, [&](Value x) -> Value {
    Value shifted =
        arith::SubFOp::create(e.builder, e.loc, x, e.splat(largest));
    return math::ExpOp::create(e.builder, e.loc, shifted);
  });
  Coordinates chosen{row.index, -1};
  chosen.index.back() = clampedIndex(target, extent);
  Value logit = evaluate(op.getLogits(), chosen);
  Value logarithm = math::LogOp::create(e.builder, e.loc, sum);
  Value result = arith::SubFOp::create(
      e.builder, e.loc, arith::SubFOp::create(e.builder, e.loc, logit, largest),
      logarithm);
  Value zero = arith::ConstantOp::create(
      e.builder, e.loc, e.builder.getZeroAttr(target.getType()));
  Value isTarget = arith::CmpIOp::create(
      e.builder, e.loc, arith::CmpIPredicate::sge, target, zero);
  return e.round(arith::SelectOp::create(e.builder, e.loc, isTarget, result,
                                         e.floatConstant(0.0, scalar)),
                 type.getElementType());
}

} // namespace gptc::cpu
