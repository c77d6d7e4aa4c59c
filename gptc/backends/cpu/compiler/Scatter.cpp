//===- Scatter.cpp - Rows summed by index, tensors joined -----------------===//

#include "gptc/backends/cpu/compiler/Families.h"

namespace gptc::cpu {

using mlir::RankedTensorType;
using mlir::Value;

namespace {
int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
} // namespace

/// A tile owns a block of the table's rows and walks over all indices, so that
/// each row is summed in their order, whatever thread it falls to.
void emitScatterAdd(Emitter &e, ir::ScatterAddOp scatter) {
  constexpr int64_t mostTiles = 64;
  Evaluator evaluator(e);
  RankedTensorType type = scatter.getResult().getType();
  int64_t extent = type.getDimSize(0), width = type.getDimSize(1);
  auto shape = scatter.getIndices().getType().getShape();
  int64_t count = scatter.getIndices().getType().getNumElements();
  int64_t block = ceilDiv(extent, mostTiles);
  e.encoded.tiles = uint32_t(ceilDiv(extent, block));
  mlir::Type element = type.getElementType();
  Value table = e.output(0);
  Value first = e.mul(e.tile(), block);
  Value end = e.min(e.add(first, e.constant(block)), e.constant(extent));
  Value zero = e.floatConstant(0.0, e.registerType(element));
  e.loop(first, end, 1, [&](Value row) {
    e.vectorLoop(width, [&](Value c, Value mask) {
      e.storeVector(zero, table, e.add(e.mul(row, width), c), element, mask);
    });
  });
  e.loop(e.constant(0), e.constant(count), 1, [&](Value i) {
    llvm::SmallVector<Value> place = e.delinearize(i, shape);
    Value index = mlir::arith::ExtSIOp::create(
        e.builder, e.loc, e.builder.getI64Type(),
        evaluator.evaluate(scatter.getIndices(), {place, -1}));
    index = e.min(e.max(index, e.constant(0)), e.constant(extent - 1));
    Value isMine = mlir::arith::AndIOp::create(
        e.builder, e.loc,
        e.compare(mlir::arith::CmpIPredicate::sge, index, first),
        e.compare(mlir::arith::CmpIPredicate::slt, index, end));
    e.when(isMine, [&] {
      e.vectorLoop(width, [&](Value c, Value mask) {
        Coordinates at{place, -1};
        at.index.push_back(c);
        if (e.width > 1)
          at.lanes = int(at.index.size()) - 1;
        Value x = e.splat(evaluator.evaluate(scatter.getRows(), at, mask));
        Value offset = e.add(e.mul(index, width), c);
        Value sum = e.loadVector(table, offset, element, mask);
        e.storeVector(mlir::arith::AddFOp::create(e.builder, e.loc, sum, x),
                      table, offset, element, mask);
      });
    });
  });
}

/// A tile is a block of rows, counted through all inputs; where their last
/// dimensions are joined, of the result's rows.
void emitConcat(Emitter &e, ir::ConcatOp concat) {
  constexpr int64_t work = 16384;
  Evaluator evaluator(e);
  RankedTensorType type = concat.getY().getType();
  auto shape = type.getShape();
  int64_t rank = type.getRank(), dimension = concat.getDimension();
  bool joinsRows = dimension == rank - 1;
  int64_t rows = type.getNumElements() / shape.back();
  int64_t block = std::clamp<int64_t>(work / shape.back(), 1, rows);
  e.encoded.tiles = uint32_t(ceilDiv(rows, block));
  Value first = e.mul(e.tile(), block);
  Value end = e.min(e.add(first, e.constant(block)), e.constant(rows));
  int64_t before = 0, offset = 0;
  for (Value input : concat.getInputs()) {
    auto from = llvm::cast<RankedTensorType>(input.getType());
    int64_t width = from.getShape().back();
    int64_t count = from.getNumElements() / width;
    Value begin = e.max(first, e.constant(before));
    Value stop = e.min(end, e.constant(before + count));
    e.loop(begin, stop, 1, [&](Value i) {
      Value row = e.sub(i, e.constant(before));
      llvm::SmallVector<Value> index =
          e.delinearize(row, from.getShape().drop_back());
      llvm::SmallVector<Value> to(index);
      if (!joinsRows)
        to[dimension] = e.add(to[dimension], e.constant(offset));
      // An extent of one may have grown: its index is not left out.
      Value start = e.constant(0);
      for (int64_t d = 0; d < rank - 1; ++d)
        start = e.add(e.mul(start, shape[d]), to[d]);
      start =
          e.add(e.mul(start, shape.back()), e.constant(joinsRows ? offset : 0));
      e.vectorLoop(width, [&](Value c, Value mask) {
        Coordinates at{index, -1};
        at.index.push_back(c);
        if (e.width > 1)
          at.lanes = int(at.index.size()) - 1;
        e.storeVector(evaluator.evaluate(input, at, mask), e.output(0),
                      e.add(start, c), type.getElementType(), mask);
      });
    });
    offset += from.getDimSize(dimension);
    before += joinsRows ? 0 : count;
  }
}

} // namespace gptc::cpu
