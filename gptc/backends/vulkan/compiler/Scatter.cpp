//===- Scatter.cpp - Rows appended, summed by index, joined ---------------===//

#include "gptc/backends/vulkan/compiler/Families.h"

namespace gptc::vulkan {

using mlir::RankedTensorType;
using mlir::Value;

/// Invocations take elements of the new rows; what is padding, or falls
/// outside of the cache, they drop.
void emitCacheAppend(Emitter &e, ir::CacheAppendOp append) {
  constexpr int64_t each = 4;
  auto cache = append.getCache().getType();
  auto rows = append.getRows().getType();
  int64_t elements = rows.getNumElements();
  int64_t invocations = invocationsFor(elements, 32, mostInvocations);
  int64_t perTile = each * invocations;
  e.forEachTile(ceilDiv(elements, perTile), invocations, [&] {
    Value first = e.mul(e.tile(), perTile);
    for (int64_t i = 0; i < each; ++i) {
      Value element = e.add(first, e.add(e.invocation(), i * invocations));
      e.when(e.less(element, e.constant(elements)), [&] {
        Evaluator evaluator(e);
        Coordinates at = e.delinearize(element, rows.getShape());
        Value position = evaluator.evaluate(append.getPositions(), {at[0]});
        Value length = evaluator.evaluate(append.getLengths(), {at[0]});
        Value row = e.add(position, at[2]);
        Value arrives =
            e.both(e.less(at[2], length),
                   e.both(e.lessEqual(e.constant(0), row),
                          e.less(row, e.constant(cache.getDimSize(2)))));
        e.when(arrives, [&] {
          Value x = evaluator.evaluate(append.getRows(), at);
          Coordinates to{at[0], at[1], row, at[3]};
          e.store(x, e.output(0), e.linearize(to, cache.getShape()));
        });
      });
    }
  });
}

/// A workgroup owns a block of the table's rows and walks over all indices, so
/// that each row is summed in their order; an invocation owns columns, so that
/// nobody waits.
void emitScatterAdd(Emitter &e, ir::ScatterAddOp scatter) {
  constexpr int64_t mostTiles = 1024;
  RankedTensorType type = scatter.getResult().getType();
  int64_t extent = type.getDimSize(0), width = type.getDimSize(1);
  auto shape = scatter.getIndices().getType().getShape();
  int64_t count = scatter.getIndices().getType().getNumElements();
  int64_t block = ceilDiv(extent, mostTiles);
  int64_t invocations = invocationsFor(width, 32, mostInvocations);
  if (type.getElementType().isF64()) {
    e.failure = "gptc.scatter_add in f64";
    return;
  }
  e.forEachTile(ceilDiv(extent, block), invocations, [&] {
    Evaluator evaluator(e);
    const BufferPointer &table = e.output(0);
    Value first = e.mul(e.tile(), block);
    Value end = e.min(e.add(first, block), e.constant(extent));
    e.loop(first, end, 1, [&](Value row) {
      e.share(width, [&](Value c) {
        e.store(e.number(0.0), table, e.add(e.mul(row, width), c));
      });
    });
    e.loop(e.constant(0), e.constant(count), 1, [&](Value i) {
      Coordinates place = e.delinearize(i, shape);
      Value index =
          e.clamp(evaluator.evaluate(scatter.getIndices(), place), extent);
      Value isMine = e.both(e.lessEqual(first, index), e.less(index, end));
      e.when(isMine, [&] {
        e.share(width, [&](Value c) {
          Coordinates at = place;
          at.push_back(c);
          Value x = evaluator.evaluate(scatter.getRows(), at);
          Value offset = e.add(e.mul(index, width), c);
          e.store(e.fadd(e.load(table, offset), x), table, offset);
        });
      });
    });
  });
}

/// Invocations take elements of the result.
void emitConcat(Emitter &e, ir::ConcatOp concat) {
  RankedTensorType type = concat.getY().getType();
  auto dimension = size_t(concat.getDimension());
  int64_t elements = type.getNumElements();
  int64_t invocations = invocationsFor(elements, 32, mostInvocations);
  e.forEachTile(ceilDiv(elements, invocations), invocations, [&] {
    Value element = e.add(e.mul(e.tile(), invocations), e.invocation());
    e.when(e.less(element, e.constant(elements)), [&] {
      Coordinates at = e.delinearize(element, type.getShape());
      int64_t before = 0;
      for (Value input : concat.getInputs()) {
        int64_t extent =
            llvm::cast<RankedTensorType>(input.getType()).getDimSize(dimension);
        Value isHere =
            e.both(e.lessEqual(e.constant(before), at[dimension]),
                   e.less(at[dimension], e.constant(before + extent)));
        e.when(isHere, [&] {
          Evaluator evaluator(e);
          Coordinates from = at;
          from[dimension] = e.add(at[dimension], -before);
          e.store(evaluator.evaluate(input, from), e.output(0), element);
        });
        before += extent;
      }
    });
  });
}

} // namespace gptc::vulkan
