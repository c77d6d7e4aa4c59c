//===- AttentionHead.cpp --------------------------------------------------===//

#include "gptc/backends/cpu/compiler/AttentionHead.h"

namespace gptc::cpu {

namespace arith = mlir::arith;
using mlir::RankedTensorType;
using mlir::Value;

void AttentionHead::loadScale(Value operand) {
  scale = e.input(llvm::cast<mlir::BlockArgument>(operand));
  if (operand.getType().isF64())
    scale = arith::TruncFOp::create(e.builder, e.loc, f32, scale);
}

void AttentionHead::findBounds(Value positions, Value lengths) {
  endQueries = e.constant(queries);
  position = e.constant(0);
  keyCount = e.constant(keys);
  if (!positions)
    return;
  auto perSequence = [&](Value tensor) -> Value {
    Value narrow = evaluator.evaluate(tensor, {{batch}, -1});
    return arith::ExtSIOp::create(e.builder, e.loc, e.builder.getI64Type(),
                                  narrow);
  };
  position = e.max(e.constant(0), perSequence(positions));
  Value length = e.max(e.constant(0), perSequence(lengths));
  endQueries = e.min(endQueries, length);
  keyCount = e.min(keyCount, e.add(position, length));
}

std::optional<ir::StoredValue> AttentionHead::findStored(Value result) {
  auto stored = ir::findStored(e.kernel, result);
  if (!stored && !result.use_empty())
    e.failure = "an attention result that strides cannot store";
  return stored;
}

Value AttentionHead::statisticOf(Value row) {
  return e.add(e.mul(e.add(e.mul(batch, heads), head), queries), row);
}

HeadView AttentionHead::viewOf(Value tensor) {
  if (auto append = tensor.getDefiningOp<ir::CacheAppendOp>())
    tensor = append.getCache();
  auto view = ir::resolveView(tensor);
  auto base = view ? llvm::dyn_cast<mlir::BlockArgument>(view->base)
                   : mlir::BlockArgument();
  if (!view || !base) {
    e.failure = "an attention operand that is no view of an input";
    return {};
  }
  Value offset =
      e.add(e.constant(view->offset), e.add(e.mul(batch, view->strides[0]),
                                            e.mul(head, view->strides[1])));
  return {e.input(base),
          llvm::cast<RankedTensorType>(base.getType()).getElementType(), offset,
          view->strides[2], headSize == 1 ? 1 : view->strides[3]};
}

Value AttentionHead::loadHead(const HeadView &view, Value row, Value d,
                              Value mask) {
  Value at = e.add(e.add(view.offset, e.mul(row, view.rowStride)),
                   e.mul(d, view.stride));
  if (view.stride == 1)
    return e.loadVector(view.base, at, view.element, mask);
  return e.loadStrided(view.base, at, e.constant(view.stride), view.element,
                       mask);
}

Value AttentionHead::headMask(Value d) {
  if (headSize % e.width == 0)
    return {};
  if (auto known = e.asConstant(d); known && *known + e.width <= headSize)
    return {};
  return e.maskBelow(e.sub(e.constant(headSize), d));
}

Value AttentionHead::firstKey(Value row) {
  if (!window)
    return e.constant(0);
  return e.max(e.constant(0),
               e.sub(e.add(position, row), e.constant(int64_t(*window) - 1)));
}

Value AttentionHead::endKey(Value row) {
  if (!causal)
    return keyCount;
  return e.min(keyCount, e.add(e.add(position, row), e.constant(1)));
}

Value AttentionHead::whereKept(Value query, Value key, bool alongQueries,
                               Value x, Value other) {
  if (!dropRate)
    return x;
  Value keep = e.keep(e.add(e.mul(statisticOf(query), keys), key),
                      alongQueries ? keys : 1, dropRate, dropSeed, dropSite);
  return arith::SelectOp::create(e.builder, e.loc, keep, x, other);
}

void AttentionHead::store(const ir::StoredValue &stored, Value row, Value from,
                          Value offset, Value factor) {
  const ir::StridedView &view = stored.view;
  Value base = e.constant(view.offset);
  Value index[3] = {batch, head, row};
  for (int i = 0; i < 3; ++i)
    base = e.add(base, e.mul(index[i], view.strides[i]));
  e.vectorLoop(headSize, [&](Value d, Value mask) {
    Value x = e.loadVector(from, e.add(offset, d), f32);
    x = arith::MulFOp::create(e.builder, e.loc, x, e.splat(factor));
    Value at = e.add(base, e.mul(d, view.strides[3]));
    mlir::Type element =
        llvm::cast<RankedTensorType>(view.base.getType()).getElementType();
    if (view.strides[3] == 1 || headSize == 1)
      e.storeVector(x, e.output(stored.output), at, element, mask);
    else
      e.storeStrided(x, e.output(stored.output), at,
                     e.constant(view.strides[3]), element, mask);
  });
}

Value AttentionHead::reciprocalOf(Value sum) {
  Value zero = f(0.0), one = f(1.0);
  Value some = arith::CmpFOp::create(e.builder, e.loc,
                                     arith::CmpFPredicate::OGT, sum, zero);
  Value safe = arith::SelectOp::create(e.builder, e.loc, some, sum, one);
  Value inverse = arith::DivFOp::create(e.builder, e.loc, one, safe);
  return arith::SelectOp::create(e.builder, e.loc, some, inverse, zero);
}

} // namespace gptc::cpu
