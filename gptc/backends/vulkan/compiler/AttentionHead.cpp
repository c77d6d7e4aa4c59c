//===- AttentionHead.cpp --------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/AttentionHead.h"

namespace gptc::vulkan {

namespace arith = mlir::arith;
using mlir::Value;

void AttentionHead::setShape(llvm::ArrayRef<int64_t> query, int64_t keyRows) {
  heads = query[1];
  queries = query[2];
  headSize = query[3];
  headQuads = ceilDiv(headSize, 4);
  keys = keyRows;
}

void AttentionHead::findBounds(Value positions, Value lengths) {
  endQueries = e.constant(queries);
  position = e.constant(0);
  keyCount = e.constant(keys);
  if (!positions)
    return;
  position = e.max(e.constant(0), evaluator.evaluate(positions, {batch}));
  Value length = e.max(e.constant(0), evaluator.evaluate(lengths, {batch}));
  endQueries = e.min(endQueries, length);
  keyCount = e.min(keyCount, e.add(position, length));
}

std::optional<ir::StoredValue> AttentionHead::findStored(Value result) {
  auto stored = ir::findStored(e.kernel, result);
  if (!stored && !result.use_empty())
    e.failure = "an attention result that strides cannot store";
  return stored;
}

HeadView AttentionHead::viewOf(Value tensor) {
  if (auto append = tensor.getDefiningOp<ir::CacheAppendOp>())
    tensor = append.getCache();
  auto view = ir::resolveView(tensor);
  mlir::BlockArgument base;
  if (view)
    base = llvm::dyn_cast<mlir::BlockArgument>(view->base);
  if (!view || !base) {
    e.failure = "an attention operand that is no view of an input";
    return {};
  }
  HeadView found;
  found.buffer = e.input(base);
  found.offset =
      e.add(e.constant(view->offset), e.add(e.mul(batch, view->strides[0]),
                                            e.mul(head, view->strides[1])));
  found.rowStride = view->strides[2];
  found.stride = headSize == 1 ? 1 : view->strides[3];
  found.vectors = found.stride == 1 && headSize % 4 == 0 &&
                  view->offset % 4 == 0 &&
                  llvm::all_of(llvm::ArrayRef(view->strides).drop_back(),
                               [](int64_t stride) { return stride % 4 == 0; });
  return found;
}

Value AttentionHead::loadQuad(const HeadView &view, Value row, Value quad) {
  Value first = e.mul(quad, 4);
  Value at = e.add(view.offset, e.mul(row, view.rowStride));
  if (view.vectors && view.buffer.element.isF32())
    return e.load4(view.buffer, e.add(at, first));
  if (view.vectors && Emitter::storesFour(view.buffer.element))
    return e.loadNarrow4(view.buffer, e.add(at, first));
  llvm::SmallVector<Value> elements;
  for (int i = 0; i < 4; ++i) {
    Value d = e.add(first, i);
    if (headSize % 4 == 0) {
      elements.push_back(e.load(view.buffer, e.add(at, e.mul(d, view.stride))));
      continue;
    }
    Value safe = e.min(d, e.constant(headSize - 1));
    Value x = e.load(view.buffer, e.add(at, e.mul(safe, view.stride)));
    elements.push_back(
        e.select(e.less(d, e.constant(headSize)), x, e.number(0.0)));
  }
  return e.gather4(elements);
}

void AttentionHead::storeQuad(const ir::StoredValue &stored, Value row,
                              Value quad, Value x) {
  const ir::StridedView &view = stored.view;
  const BufferPointer &buffer = e.output(stored.output);
  Value at = e.constant(view.offset);
  Value index[3] = {batch, head, row};
  bool aligned = view.offset % 4 == 0 && view.strides[3] == 1;
  for (int i = 0; i < 3; ++i) {
    at = e.add(at, e.mul(index[i], view.strides[i]));
    aligned &= view.strides[i] % 4 == 0;
  }
  Value first = e.mul(quad, 4);
  if (aligned && headSize % 4 == 0 && Emitter::storesFour(buffer.element))
    return e.store4(
        {e.extract(x, 0), e.extract(x, 1), e.extract(x, 2), e.extract(x, 3)},
        buffer, e.add(at, first));
  for (int i = 0; i < 4; ++i) {
    Value d = e.add(first, i);
    auto store = [&] {
      e.store(e.extract(x, i), buffer,
              e.add(at, e.mul(d, headSize == 1 ? 1 : view.strides[3])));
    };
    if (headSize % 4 == 0)
      store();
    else
      e.when(e.less(d, e.constant(headSize)), store);
  }
}

void AttentionHead::storeCacheQuad(ir::CacheAppendOp append, Value row,
                                   Value quad, Value x) {
  auto shape = append.getCache().getType().getShape();
  for (auto [i, yielded] : llvm::enumerate(e.kernel.getYield().getValues()))
    if (yielded == append.getResult()) {
      ir::StoredValue stored{
          {yielded, 0, llvm::to_vector(shape), ir::denseStrides(shape)},
          unsigned(i)};
      return storeQuad(stored, row, quad, x);
    }
  e.failure = "an append that does not leave the kernel";
}

Value AttentionHead::statisticOf(Value row) {
  return e.add(e.mul(e.add(e.mul(batch, heads), head), queries), row);
}

Value AttentionHead::splat(Value scalar) {
  return e.gather4({scalar, scalar, scalar, scalar});
}

Value AttentionHead::sumOf(Value vector) {
  return e.fadd(e.fadd(e.extract(vector, 0), e.extract(vector, 1)),
                e.fadd(e.extract(vector, 2), e.extract(vector, 3)));
}

Value AttentionHead::firstKey(Value row) {
  if (!window)
    return e.constant(0);
  return e.max(e.constant(0),
               e.add(e.add(position, row), 1 - int64_t(*window)));
}

Value AttentionHead::endKey(Value row) {
  if (!causal)
    return keyCount;
  return e.min(keyCount, e.add(e.add(position, row), 1));
}

Value AttentionHead::reciprocalOf(Value sum) {
  Value some = arith::CmpFOp::create(
      e.builder, e.loc, arith::CmpFPredicate::OGT, sum, e.number(0.0));
  Value safe = e.select(some, sum, e.number(1.0));
  Value inverse = arith::DivFOp::create(e.builder, e.loc, e.number(1.0), safe);
  return e.select(some, inverse, e.number(0.0));
}

Value AttentionHead::whereKept(Value query, Value key, Value x, Value other) {
  if (!dropRate)
    return x;
  return e.select(e.keep(e.add(e.mul(statisticOf(query), keys), key), dropRate,
                         dropSeed, dropSite),
                  x, other);
}

Value AttentionHead::probability(Value score, Value largest) {
  // A score that is no number is seen, and makes the result none.
  Value unseen = arith::CmpFOp::create(
      e.builder, e.loc, arith::CmpFPredicate::OLE, score, e.number(lowest / 2));
  return e.select(unseen, e.number(0.0), e.exp(e.fsub(score, largest)));
}

} // namespace gptc::vulkan
