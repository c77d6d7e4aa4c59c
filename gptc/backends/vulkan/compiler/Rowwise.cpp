//===- Rowwise.cpp - Row programs, gathers, copies ------------------------===//
//
// Where nothing is reduced along a row, invocations take elements one after
// the other. Where something is, a workgroup is one row: its invocations
// reduce together, and take columns.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/Families.h"

namespace gptc::vulkan {

namespace math = mlir::math;
using mlir::RankedTensorType;
using mlir::Value;
using Combine = Emitter::Combine;

namespace {

RankedTensorType typeOf(Value value) {
  return llvm::cast<RankedTensorType>(value.getType());
}

RowSpace spaceOf(RankedTensorType type) {
  int64_t columns = type.getRank() == 0 ? 1 : type.getShape().back();
  return {type.getNumElements() / columns, columns};
}

/// Columns that an invocation keeps in registers from one pass over the row to
/// the next.
constexpr int64_t columnsKept = 8;

/// Passes `column, inside` for the columns of an invocation. Short rows are
/// unrolled without branches, so that what one pass evaluates the next ones
/// find remembered; columns outside are the last one again.
void alongRow(Emitter &e, RowSpace space,
              llvm::function_ref<void(Value column, Value inside)> body) {
  int64_t each = e.invocations();
  if (space.columns > columnsKept * each) {
    e.share(space.columns, [&](Value column) { body(column, Value()); });
    return;
  }
  for (int64_t first = 0; first < space.columns; first += each) {
    Value column = e.add(e.invocation(), first);
    if (first + each <= space.columns) {
      body(column, Value());
      continue;
    }
    Value safe = e.min(column, e.constant(space.columns - 1));
    body(safe, e.less(column, e.constant(space.columns)));
  }
}

/// Combines `term(column)` over a row; in all invocations.
Value combineRow(Emitter &e, RowSpace space, Combine kind,
                 llvm::function_ref<Value(Value column)> term) {
  double identity =
      kind == Combine::Sum ? 0.0 : -std::numeric_limits<double>::infinity();
  Value neutral = e.number(identity);
  if (space.columns > columnsKept * e.invocations()) {
    Value mine = e.loopWith(
        e.invocation(), e.constant(space.columns), e.invocations(), neutral,
        [&](Value column, mlir::ValueRange carried) {
          return Emitter::Values{e.combine(kind, carried[0], term(column))};
        })[0];
    return e.combineAll(kind, mine);
  }
  Value mine;
  alongRow(e, space, [&](Value column, Value inside) {
    Value x = term(column);
    if (inside)
      x = e.select(inside, x, neutral);
    mine = mine ? e.combine(kind, mine, x) : x;
  });
  return e.combineAll(kind, mine);
}

Value reduceRow(Emitter &e, Evaluator &evaluator, ir::ReduceOp op, Value row,
                RowSpace space) {
  auto kind = op.getKind() == ir::ReduceKind::Sum ? Combine::Sum : Combine::Max;
  Value result = combineRow(e, space, kind, [&](Value column) {
    return evaluator.evaluate(op.getX(),
                              rowCoordinates(e, op.getX(), row, column, space));
  });
  return e.round(result, op.getX().getType().getElementType());
}

Value logLikelihood(Emitter &e, Evaluator &evaluator, ir::LogLikelihoodOp op,
                    Value row, RowSpace space) {
  auto logit = [&](Value column) {
    return evaluator.evaluate(
        op.getLogits(), rowCoordinates(e, op.getLogits(), row, column, space));
  };
  Value target = evaluator.evaluate(
      op.getTargets(),
      e.delinearize(row, op.getTargets().getType().getShape()));
  Value largest = combineRow(e, space, Combine::Max, logit);
  Value sum = combineRow(e, space, Combine::Sum, [&](Value column) {
    return e.exp(e.fsub(logit(column), largest));
  });
  Value chosen = logit(e.clamp(target, space.columns));
  Value logarithm = math::LogOp::create(e.builder, e.loc, sum);
  Value result = e.fsub(e.fsub(chosen, largest), logarithm);
  result = e.select(e.lessEqual(e.constant(0), target), result, e.number(0.0));
  return e.round(result, op.getLogits().getType().getElementType());
}

/// Emits a row program that reduces along its rows: a workgroup is a row.
void emitRows(Emitter &e, RowSpace space,
              llvm::ArrayRef<mlir::Operation *> reductions) {
  auto yield = e.kernel.getYield();
  e.rowsPerBlock = 1;
  int64_t invocations = invocationsFor(space.columns, 32, mostInvocations);
  e.forEachTile(space.rows, invocations, [&] {
    Evaluator evaluator(e);
    Value row = e.tile();
    bindReductions(e, evaluator, reductions, row, space);
    Value isFirst = e.equal(e.invocation(), e.constant(0));
    for (auto [i, value] : llvm::enumerate(yield.getValues())) {
      if (isFull(value, space))
        continue;
      Coordinates at = rowCoordinates(e, value, row, e.constant(0), space);
      Value x = evaluator.evaluate(value, at);
      e.when(isFirst, [&, i = i] { e.store(x, e.output(i), row); });
    }
    alongRow(e, space, [&](Value column, Value inside) {
      // All values are computed before any is stored: outputs may lie in
      // place of inputs.
      llvm::SmallVector<std::pair<unsigned, Value>> computed;
      for (auto [i, value] : llvm::enumerate(yield.getValues()))
        if (isFull(value, space))
          computed.push_back(
              {unsigned(i),
               evaluator.evaluate(
                   value, rowCoordinates(e, value, row, column, space))});
      auto store = [&] {
        for (auto [i, x] : computed)
          e.store(x, e.output(i), e.add(e.mul(row, space.columns), column));
      };
      if (computed.empty())
        return;
      if (inside)
        e.when(inside, store);
      else
        store();
    });
  });
}

/// Emits a program of which every result is one element: one workgroup, which
/// shares out each reduction.
void emitTotals(Emitter &e) {
  mlir::Block &body = e.kernel.getBody().front();
  auto yield = e.kernel.getYield();
  e.forEachTile(1, mostInvocations, [&] {
    Evaluator evaluator(e);
    for (auto reduce : body.getOps<ir::ReduceOp>()) {
      auto type = reduce.getX().getType();
      if (reduce.getY().getType().getNumElements() != 1)
        continue;
      auto kind =
          reduce.getKind() == ir::ReduceKind::Sum ? Combine::Sum : Combine::Max;
      RowSpace all{1, type.getNumElements()};
      Value total = combineRow(e, all, kind, [&](Value i) {
        return evaluator.evaluate(reduce.getX(),
                                  e.delinearize(i, type.getShape()));
      });
      evaluator.bind(reduce.getY(), e.round(total, type.getElementType()));
    }
    Value isFirst = e.equal(e.invocation(), e.constant(0));
    e.when(isFirst, [&] {
      for (auto [i, value] : llvm::enumerate(yield.getValues())) {
        Coordinates origin(size_t(typeOf(value).getRank()), e.constant(0));
        e.store(evaluator.evaluate(value, origin), e.output(i), e.constant(0));
      }
    });
  });
}

/// Emits a row program without reductions along its rows.
void emitElements(Emitter &e, RowSpace space, int64_t workEach) {
  auto yield = e.kernel.getYield();
  // Several elements an invocation, unless each is a reduction of its own.
  int64_t elements = space.rows * space.columns;
  int64_t invocations = workEach > 64 ? 64 : mostInvocations;
  int64_t perTile = workEach > 1 ? invocations : 4 * invocations;
  int64_t blockRows =
      std::clamp<int64_t>(perTile / space.columns, 1, space.rows);
  int64_t blockColumns = std::min(space.columns, perTile);
  int64_t columnBlocks = ceilDiv(space.columns, blockColumns);
  e.rowsPerBlock = uint32_t(blockRows);
  e.innerTiles = uint32_t(columnBlocks);
  invocations = invocationsFor(std::min(elements, blockRows * blockColumns), 32,
                               invocations);
  e.forEachTile(
      ceilDiv(space.rows, blockRows) * columnBlocks, invocations, [&] {
        Value firstRow = e.mul(e.div(e.tile(), columnBlocks), blockRows);
        Value firstColumn = e.mul(e.rem(e.tile(), columnBlocks), blockColumns);
        e.share(blockRows * blockColumns, [&](Value i) {
          Value row = e.add(firstRow, e.div(i, blockColumns));
          Value column = e.add(firstColumn, e.rem(i, blockColumns));
          Value inside;
          if (space.rows % blockRows != 0)
            inside = e.less(row, e.constant(space.rows));
          if (space.columns % blockColumns != 0)
            inside = e.less(column, e.constant(space.columns));
          auto body = [&] {
            Evaluator evaluator(e);
            llvm::SmallVector<std::pair<unsigned, Value>> computed;
            for (auto [j, value] : llvm::enumerate(yield.getValues()))
              if (isFull(value, space))
                computed.push_back(
                    {unsigned(j),
                     evaluator.evaluate(
                         value, rowCoordinates(e, value, row, column, space))});
            for (auto [j, x] : computed)
              e.store(x, e.output(j), e.add(e.mul(row, space.columns), column));
            if (computed.size() == yield.getValues().size())
              return;
            e.when(e.equal(column, e.constant(0)), [&] {
              for (auto [j, value] : llvm::enumerate(yield.getValues()))
                if (!isFull(value, space))
                  e.store(
                      evaluator.evaluate(
                          value, rowCoordinates(e, value, row, column, space)),
                      e.output(j), row);
            });
          };
          if (inside)
            e.when(inside, body);
          else
            body();
        });
      });
}

} // namespace

int64_t invocationsFor(int64_t count, int64_t least, int64_t most) {
  int64_t invocations = least;
  while (invocations < count && invocations < most)
    invocations *= 2;
  return invocations;
}

bool reducesRow(mlir::Operation *op) {
  if (llvm::isa<ir::LogLikelihoodOp>(op))
    return true;
  auto reduce = llvm::dyn_cast<ir::ReduceOp>(op);
  return reduce && reduce.getDimensions().size() == 1 &&
         reduce.getDimensions()[0] == reduce.getX().getType().getRank() - 1;
}

RowSpace rowSpaceOf(mlir::Block &body) {
  for (mlir::Operation &op : body)
    if (reducesRow(&op))
      return spaceOf(typeOf(op.getOperand(0)));
  return spaceOf(typeOf(body.getTerminator()->getOperand(0)));
}

bool isFull(Value value, RowSpace space) {
  RankedTensorType type = typeOf(value);
  int64_t last = type.getRank() == 0 ? 1 : type.getShape().back();
  return type.getNumElements() == space.rows * space.columns &&
         last == space.columns;
}

Coordinates rowCoordinates(Emitter &e, Value value, Value row, Value column,
                           RowSpace space) {
  RankedTensorType type = typeOf(value);
  if (!isFull(value, space) || type.getRank() == 0)
    return e.delinearize(row, type.getShape());
  Coordinates at = e.delinearize(row, type.getShape().drop_back());
  at.push_back(column);
  return at;
}

void bindReductions(Emitter &e, Evaluator &evaluator,
                    llvm::ArrayRef<mlir::Operation *> ops, Value row,
                    RowSpace space) {
  for (mlir::Operation *op : ops) {
    if (!reducesRow(op))
      continue;
    if (spaceOf(typeOf(op->getOperand(0))).columns != space.columns)
      continue;
    auto type = typeOf(op->getResult(0));
    if (type.getElementType().isF64()) {
      e.failure = op->getName().getStringRef().str() + " in f64";
      return;
    }
    Value result;
    if (auto reduce = llvm::dyn_cast<ir::ReduceOp>(op))
      result = reduceRow(e, evaluator, reduce, row, space);
    else
      result = logLikelihood(e, evaluator, llvm::cast<ir::LogLikelihoodOp>(op),
                             row, space);
    evaluator.bind(op->getResult(0), result);
  }
}

void emitRowwise(Emitter &e) {
  mlir::Block &body = e.kernel.getBody().front();
  RowSpace space = rowSpaceOf(body);
  llvm::SmallVector<mlir::Operation *> reductions;
  int64_t workEach = 1;
  for (mlir::Operation &op : body) {
    if (reducesRow(&op))
      reductions.push_back(&op);
    else if (auto reduce = llvm::dyn_cast<ir::ReduceOp>(op))
      workEach += reduce.getX().getType().getNumElements() /
                  reduce.getY().getType().getNumElements();
  }
  bool isOneElement =
      llvm::all_of(e.kernel.getYield().getValues(), [](Value value) {
        return typeOf(value).getNumElements() == 1;
      });
  if (isOneElement &&
      llvm::all_of(body.getOps<ir::ReduceOp>(),
                   [](auto op) {
                     return !op.getX().getType().getElementType().isF64();
                   }) &&
      !llvm::any_of(body, llvm::IsaPred<ir::LogLikelihoodOp>))
    emitTotals(e);
  else if (reductions.empty())
    emitElements(e, space, workEach);
  else
    emitRows(e, space, reductions);
}

} // namespace gptc::vulkan
