//===- Rowwise.cpp - Row programs, reductions, gathers, copies ------------===//

#include "gptc/backends/cpu/compiler/Families.h"
#include "gptc/ir/StridedView.h"

namespace gptc::cpu {

using mlir::RankedTensorType;
using mlir::Value;

namespace {

RankedTensorType typeOf(Value value) {
  return llvm::cast<RankedTensorType>(value.getType());
}

RowSpace spaceOf(RankedTensorType type) {
  int64_t columns = type.getRank() == 0 ? 1 : type.getShape().back();
  return {type.getNumElements() / columns, columns};
}

bool reducesRow(mlir::Operation *op) {
  if (llvm::isa<ir::LogLikelihoodOp>(op))
    return true;
  auto reduce = llvm::dyn_cast<ir::ReduceOp>(op);
  return reduce && reduce.getDimensions().size() == 1 &&
         reduce.getDimensions()[0] == reduce.getX().getType().getRank() - 1;
}

} // namespace

RowSpace rowSpaceOf(mlir::Block &body) {
  for (mlir::Operation &op : body)
    if (reducesRow(&op))
      return spaceOf(typeOf(op.getOperand(0)));
  return spaceOf(typeOf(body.getTerminator()->getOperand(0)));
}

Coordinates rowCoordinates(Emitter &e, Value value, Value row, Value column,
                           RowSpace space) {
  RankedTensorType type = typeOf(value);
  Coordinates at;
  bool full = type.getRank() > 0 &&
              type.getNumElements() == space.rows * space.columns &&
              type.getShape().back() == space.columns;
  if (!full) {
    at.index = e.delinearize(row, type.getShape());
    return at;
  }
  at.index = e.delinearize(row, type.getShape().drop_back());
  at.index.push_back(column);
  at.lanes = e.width > 1 ? int(at.index.size()) - 1 : -1;
  return at;
}

void bindReductions(Emitter &e, Evaluator &evaluator,
                    llvm::ArrayRef<mlir::Operation *> ops, Value row,
                    RowSpace space) {
  for (mlir::Operation *op : ops)
    if (reducesRow(op) &&
        spaceOf(typeOf(op->getOperand(0))).columns == space.columns)
      evaluator.bind(
          op->getResult(0),
          evaluator.evaluate(
              op->getResult(0),
              {e.delinearize(row, typeOf(op->getResult(0)).getShape()), -1}));
}

void emitAppendHead(Emitter &e, Evaluator &evaluator, ir::CacheAppendOp append,
                    Value batch, Value head) {
  auto cache = append.getCache().getType();
  auto rows = append.getRows().getType();
  int64_t extent = cache.getDimSize(2), width = cache.getDimSize(3);
  auto perSequence = [&](Value tensor) -> Value {
    Value narrow = evaluator.evaluate(tensor, {{batch}, -1});
    return mlir::arith::ExtSIOp::create(e.builder, e.loc,
                                        e.builder.getI64Type(), narrow);
  };
  Value position = perSequence(append.getPositions());
  Value length =
      e.min(perSequence(append.getLengths()), e.constant(rows.getDimSize(2)));
  // Rows that fall outside of the cache are dropped.
  Value first = e.max(e.constant(0), e.sub(e.constant(0), position));
  Value last = e.min(length, e.sub(e.constant(extent), position));
  Value base = e.input(llvm::cast<mlir::BlockArgument>(append.getCache()));
  Value start =
      e.mul(e.add(e.mul(batch, cache.getDimSize(1)), head), extent * width);
  e.loop(first, last, 1, [&](Value i) {
    Value to = e.add(start, e.mul(e.add(position, i), width));
    e.vectorLoop(width, [&](Value d, Value mask) {
      Value x = evaluator.evaluate(
          append.getRows(), {{batch, head, i, d}, e.width > 1 ? 3 : -1}, mask);
      e.storeVector(x, base, e.add(to, d), cache.getElementType(), mask);
    });
  });
}

void emitCacheAppend(Emitter &e, ir::CacheAppendOp append) {
  Evaluator evaluator(e);
  auto shape = append.getCache().getType().getShape();
  e.encoded.tiles = uint32_t(shape[0] * shape[1]);
  llvm::SmallVector<Value> index =
      e.delinearize(e.tile(), {shape[0], shape[1]});
  emitAppendHead(e, evaluator, append, index[0], index[1]);
}

void emitRowwise(Emitter &e) {
  mlir::Block &body = e.kernel.getBody().front();
  auto yield = e.kernel.getYield();
  RowSpace space = rowSpaceOf(body);
  llvm::SmallVector<mlir::Operation *> reductions;
  uint64_t perElement = 4;
  for (mlir::Operation &op : body) {
    if (reducesRow(&op))
      reductions.push_back(&op);
    // A reduction of other dimensions makes each element dear.
    if (auto reduce = llvm::dyn_cast<ir::ReduceOp>(op);
        reduce && !reducesRow(&op))
      perElement += 4 * uint64_t(reduce.getX().getType().getNumElements() /
                                 reduce.getY().getType().getNumElements());
  }
  // Tiles of some ten thousand elements' work: whole rows, or parts of a row
  // where nothing is reduced along it.
  constexpr uint64_t work = 65536;
  int64_t blockRows = std::clamp<int64_t>(
      work / (perElement * uint64_t(space.columns)), 1, space.rows);
  int64_t blockColumns = space.columns;
  if (reductions.empty() && blockRows == 1)
    blockColumns = std::min<int64_t>(
        space.columns,
        std::max<int64_t>(64, int64_t(work / perElement) / 64 * 64));
  int64_t columnBlocks = (space.columns + blockColumns - 1) / blockColumns;
  int64_t rowBlocks = (space.rows + blockRows - 1) / blockRows;
  e.encoded.tiles = uint32_t(rowBlocks * columnBlocks);
  e.encoded.innerTiles = uint32_t(columnBlocks);
  e.encoded.rowsPerBlock = uint32_t(blockRows);

  Value firstRow = e.mul(e.div(e.tile(), columnBlocks), blockRows);
  Value lastRow =
      e.min(e.add(firstRow, e.constant(blockRows)), e.constant(space.rows));
  e.loop(firstRow, lastRow, 1, [&](Value row) {
    Evaluator evaluator(e);
    bindReductions(e, evaluator, reductions, row, space);
    // One value a row first, then along the row.
    for (auto [i, value] : llvm::enumerate(yield.getValues())) {
      Coordinates at = rowCoordinates(e, value, row, e.constant(0), space);
      bool perRow = at.lanes < 0 && typeOf(value).getNumElements() !=
                                        space.rows * space.columns;
      if (!perRow)
        continue;
      e.storeScalar(evaluator.evaluate(value, at), e.output(i),
                    e.linearize(at.index, typeOf(value).getShape()),
                    typeOf(value).getElementType());
    }
    auto along = [&](Value column, Value mask) {
      // All values are computed before any is stored: outputs may lie in
      // place of inputs.
      llvm::SmallVector<std::pair<unsigned, Value>> computed;
      for (auto [i, value] : llvm::enumerate(yield.getValues())) {
        if (typeOf(value).getNumElements() != space.rows * space.columns)
          continue;
        Coordinates at = rowCoordinates(e, value, row, column, space);
        computed.push_back({i, evaluator.evaluate(value, at, mask)});
      }
      for (auto [i, x] : computed)
        e.storeVector(x, e.output(i), e.add(e.mul(row, space.columns), column),
                      typeOf(yield.getValues()[i]).getElementType(), mask);
    };
    if (columnBlocks == 1) {
      e.vectorLoop(space.columns, along);
      return;
    }
    Value from = e.mul(e.rem(e.tile(), columnBlocks), blockColumns);
    Value to = e.min(e.add(from, e.constant(blockColumns)),
                     e.constant(space.columns / e.width * e.width));
    e.loop(from, to, e.width, [&](Value i) { along(i, Value()); });
    int64_t whole = space.columns / e.width * e.width;
    if (whole < space.columns) {
      Value isLast = e.compare(mlir::arith::CmpIPredicate::eq,
                               e.rem(e.tile(), columnBlocks),
                               e.constant(columnBlocks - 1));
      e.when(isLast, [&] {
        along(e.constant(whole),
              e.maskBelow(e.constant(space.columns - whole)));
      });
    }
  });
}

} // namespace gptc::cpu
