//===- MatrixLines.cpp - Products of few rows by lines of a cache ---------===//
//
// For drivers that make a gather of every load, in which each invocation of a
// subgroup loads by itself. No prefetcher follows gathers, and a processor sees
// only a few of them ahead: so that many lines are waited for at once, the
// first vectors of all lines of a step are loaded before the others, which
// then are in the cache. Invocations have columns to themselves and nothing to
// add up together; one of four neighbours loads one of four steps of the left
// operand and hands it to the others.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/Matrix.h"

namespace gptc::vulkan {

using mlir::Value;
using Values = llvm::SmallVector<Value>;
using Vectors = MatrixOperand::Vectors;

namespace {

class LineEmitter {
public:
  LineEmitter(Emitter &emitter, ir::MatmulOp op)
      : e(emitter), evaluator(emitter), shape(shapeOf(op)),
        left(emitter, evaluator, op, true),
        right(emitter, evaluator, op, false), results(emitter, evaluator, op),
        rows(emitter, evaluator, op, left, results) {}

  bool emit();

private:
  /// Of a workgroup, all of which are in one step of k: so no more than four
  /// need to be in a subgroup.
  static constexpr int64_t invocations = 8;
  /// Elements of a line, along columns or along k.
  static constexpr int64_t lineElements = 16;

  Emitter &e;
  Evaluator evaluator;
  ProductShape shape;
  MatrixOperand left, right;
  ProductResults results;
  LeftRows rows;
  int64_t columnsEach = 1; ///< Of an invocation, at a time.
  Value product;

  Value neighbour() { return e.rem(e.lane(), 4); }
  Value lastColumn(int64_t multiple) {
    return e.constant((shape.columns - 1) / multiple * multiple);
  }
  void acrossColumns(Value firstColumn);
  void alongDepth(Value firstColumn);
};

/// Lines of 16 columns: an invocation has some vectors of columns, which it
/// loads at four steps of k, or four pairs of steps, at a time.
void LineEmitter::acrossColumns(Value firstColumn) {
  bool pairs = right.isPairs();
  int64_t quads = columnsEach / 4, halves = pairs ? 2 : 1;
  Value mine = e.add(firstColumn, e.mul(e.invocation(), columnsEach));
  Values columns;
  for (int64_t q = 0; q < quads; ++q)
    columns.push_back(e.min(e.add(mine, 4 * q), lastColumn(4)));
  auto load = [&](Value k, Value column) {
    if (!pairs)
      return Values{right.load4({product, column, k})};
    auto both = right.loadPairs({product, column, k});
    return Values{both[0], both[1]};
  };
  auto add = [&](Values &sums, int64_t row, int64_t q, Value x, Value weights) {
    Value &sum = sums[size_t(row * quads + q)];
    sum = e.fma(e.gather4({x, x, x, x}), weights, sum);
  };
  int64_t block = 4 * halves, whole = shape.depth / block * block;
  auto type = mlir::VectorType::get({4}, e.f32());
  Values sums(size_t(shape.rows * quads), e.zero(type));
  sums =
      e.loopWith(e.constant(0), e.constant(whole), block, sums,
                 [&](Value k, mlir::ValueRange carried) {
                   Values next(carried);
                   // [quad][step][half].
                   std::vector<std::array<Values, 4>> weights{size_t(quads)};
                   for (int64_t q = 0; q < quads; ++q)
                     for (int64_t step = 0; step < 4; ++step)
                       weights[size_t(q)][size_t(step)] =
                           load(e.add(k, step * halves), columns[size_t(q)]);
                   Value at = e.add(k, e.mul(neighbour(), halves));
                   for (int64_t row = 0; row < shape.rows; ++row)
                     for (int64_t half = 0; half < halves; ++half) {
                       Value four = rows.load(product, row, e.add(at, half));
                       for (int64_t step = 0; step < 4; ++step) {
                         Value x = e.broadcast(four, step);
                         for (int64_t q = 0; q < quads; ++q)
                           add(next, row, q, x,
                               weights[size_t(q)][size_t(step)][size_t(half)]);
                       }
                     }
                   return next;
                 });
  if (whole < shape.depth)
    sums = e.loopWith(
        e.constant(whole), e.constant(shape.depth), halves, sums,
        [&](Value k, mlir::ValueRange carried) {
          Values next(carried);
          for (int64_t q = 0; q < quads; ++q) {
            Values weights = load(k, columns[size_t(q)]);
            for (int64_t row = 0; row < shape.rows; ++row)
              for (int64_t half = 0; half < halves; ++half) {
                // The padding of pairs is zero, but nothing is behind the row.
                Value at = e.add(k, half);
                Value x = rows.load(product, row,
                                    e.min(at, e.constant(shape.depth - 1)));
                if (half == 1 && shape.depth % 2 != 0)
                  x = e.select(e.less(at, e.constant(shape.depth)), x,
                               e.number(0.0));
                add(next, row, q, x, weights[size_t(half)]);
              }
          }
          return next;
        });
  MatrixTile tile{shape.rows, invocations * columnsEach};
  for (int64_t row = 0; row < shape.rows; ++row)
    for (int64_t q = 0; q < quads; ++q)
      results.storeQuad(shape, tile, product, e.constant(row),
                        e.add(mine, 4 * q), sums[size_t(row * quads + q)]);
}

/// Lines of 16 steps of k: an invocation has columns that are as many lines.
void LineEmitter::alongDepth(Value firstColumn) {
  constexpr int64_t quads = lineElements / 4;
  Values mine, columns;
  for (int64_t c = 0; c < columnsEach; ++c) {
    mine.push_back(e.add(e.add(firstColumn, e.invocation()), c * invocations));
    columns.push_back(e.min(mine.back(), lastColumn(1)));
  }
  auto add = [&](Values &sums, int64_t row, int64_t c, Value x, Value weight) {
    Value &sum = sums[size_t(row * columnsEach + c)];
    sum = e.fma(x, weight, sum);
  };
  int64_t whole = shape.depth / lineElements * lineElements;
  Values sums(size_t(shape.rows * columnsEach), e.number(0.0));
  sums =
      e.loopWith(e.constant(0), e.constant(whole), lineElements, sums,
                 [&](Value k, mlir::ValueRange carried) {
                   Values next(carried);
                   std::array<Values, quads> weights; // [quad][column].
                   for (int64_t q = 0; q < quads; ++q)
                     for (Value column : columns)
                       weights[size_t(q)].push_back(
                           right.load4({product, column, e.add(k, 4 * q)}));
                   for (int64_t row = 0; row < shape.rows; ++row)
                     for (int64_t q = 0; q < quads; ++q) {
                       Value at = e.add(e.add(k, 4 * q), neighbour());
                       Value four = rows.load(product, row, at);
                       for (int step = 0; step < 4; ++step) {
                         Value x = e.broadcast(four, step);
                         for (int64_t c = 0; c < columnsEach; ++c)
                           add(next, row, c, x,
                               e.extract(weights[size_t(q)][size_t(c)], step));
                       }
                     }
                   return next;
                 });
  if (whole < shape.depth)
    sums = e.loopWith(
        e.constant(whole), e.constant(shape.depth), 4, sums,
        [&](Value k, mlir::ValueRange carried) {
          Values next(carried);
          for (int64_t c = 0; c < columnsEach; ++c) {
            Value weights = right.load4({product, columns[size_t(c)], k});
            for (int64_t row = 0; row < shape.rows; ++row)
              for (int step = 0; step < 4; ++step)
                add(next, row, c, rows.load(product, row, e.add(k, step)),
                    e.extract(weights, step));
          }
          return next;
        });
  for (int64_t c = 0; c < columnsEach; ++c) {
    auto store = [&] {
      for (int64_t row = 0; row < shape.rows; ++row)
        results.store({e.add(e.mul(product, shape.rows), row),
                       {mine[size_t(c)]},
                       {sums[size_t(row * columnsEach + c)]},
                       {Value()}});
    };
    e.when(e.less(mine[size_t(c)], e.constant(shape.columns)), store);
  }
}

bool LineEmitter::emit() {
  bool along = right.vectors() == Vectors::Depth;
  if (!along && right.vectors() != Vectors::Outer && !right.isPairs())
    return false;
  if (!rows.isMade() && !results.others().empty()) {
    e.failure = "results that do not depend on the product";
    return true;
  }
  // Fewer columns make more workgroups; more make the row less often.
  columnsEach = along ? 4 : lineElements;
  auto workgroups = [&](int64_t rounds) {
    return shape.count *
           ceilDiv(shape.columns, invocations * columnsEach * rounds);
  };
  while (columnsEach > (along ? 1 : 4) && workgroups(1) < e.target.processors)
    columnsEach /= 2;
  int64_t rounds = along ? 4 : 1;
  while (rounds > 1 && workgroups(rounds) < 16 * e.target.processors)
    rounds /= 2;
  int64_t atOnce = invocations * columnsEach;
  int64_t groups = ceilDiv(shape.columns, atOnce * rounds);
  e.innerTiles = uint32_t(groups);
  e.rowsPerBlock = uint32_t(shape.rows);
  e.forEachTile(shape.count * groups, invocations, [&] {
    product = e.div(e.tile(), groups);
    Value first = e.mul(e.rem(e.tile(), groups), atOnce * rounds);
    if (rows.isMade())
      rows.make(groups);
    if (!along)
      return acrossColumns(first);
    e.loop(e.constant(0), e.constant(rounds), 1, [&](Value round) {
      alongDepth(e.add(first, e.mul(round, atOnce)));
    });
  });
  return true;
}

} // namespace

bool emitMatrixLines(Emitter &emitter, ir::MatmulOp op) {
  return LineEmitter(emitter, op).emit();
}

} // namespace gptc::vulkan
