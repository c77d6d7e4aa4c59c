//===- MatrixVector.cpp - Products of few rows ----------------------------===//
//
// The weights are what takes time: each is read once. A workgroup computes all
// rows of a few columns. Invocations stand side by side where the weights do:
// along columns, four each, where those lie together, else along k. Where a
// processor plays device, neighbours take neighbouring steps of k and a line of
// its cache each: they wait for as many lines at once as there are of them.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/Matrix.h"

namespace gptc::vulkan {

using mlir::Value;
using Values = llvm::SmallVector<Value>;
using Vectors = MatrixOperand::Vectors;

void LeftRows::make(int64_t groups) {
  constexpr int64_t mostMade = 4096;
  mlir::Operation *matmul = op;
  llvm::SmallVector<mlir::Operation *> before;
  for (mlir::Operation &other : e.kernel.getBody().front())
    if (other.isBeforeInBlock(matmul))
      before.push_back(&other);
  RowSpace space{1, shape.depth};
  Value row = e.constant(0);
  bindReductions(e, evaluator, before, row, space);
  if (shape.depth <= mostMade) {
    made = e.workgroupArray(shape.depth);
    e.share(shape.depth,
            [&](Value k) { e.store(left.load({row, row, k}), *made, k); });
    e.barrier();
  }
  if (results.others().empty())
    return;
  Value isFirst = e.equal(e.rem(e.tile(), groups), e.constant(0));
  e.when(isFirst, [&] {
    for (unsigned i : results.others()) {
      Value value = e.kernel.getYield().getValues()[i];
      e.share(isFull(value, space) ? shape.depth : 1, [&](Value column) {
        Coordinates at = rowCoordinates(e, value, row, column, space);
        e.store(evaluator.evaluate(value, at), e.output(i), column);
      });
    }
  });
}

Value LeftRows::load(Value product, int64_t row, Value k) {
  return made ? e.load(*made, k) : left.load({product, e.constant(row), k});
}

namespace {

class VectorEmitter {
public:
  VectorEmitter(Emitter &emitter, ir::MatmulOp op)
      : e(emitter), op(op), evaluator(emitter), shape(shapeOf(op)),
        left(emitter, evaluator, op, true),
        right(emitter, evaluator, op, false), results(emitter, evaluator, op),
        rows(emitter, evaluator, op, left, results) {}

  void emit();

private:
  Emitter &e;
  ir::MatmulOp op;
  Evaluator evaluator;
  ProductShape shape;
  MatrixOperand left, right;
  ProductResults results;
  LeftRows rows;

  int64_t columns = 64;    ///< Of a workgroup.
  int64_t columnsEach = 1; ///< Of an invocation, in each of its
  int64_t quadsEach = 1;   ///< vectors, where there are four.
  int64_t stepsEach = 1;   ///< Of k, at once.
  int64_t shares = 1;      ///< Of k.
  Value product, firstColumn, share;

  Values loadWeights(Value k, const Values &columns);
  Values step(Value k, const Values &weights, mlir::ValueRange sums);
  int64_t stepsAtOnce() const;
  Value firstStep() { return e.mul(share, stepsEach); }
  int64_t stride() const { return shares * stepsEach; }
  Values sumShare(const Values &column, const std::vector<Values> &ahead);
  void addShares(const Values &sums, Value lane, const WorkgroupArray &totals);
  void addQuads(const Values &sums, Value lane, const WorkgroupArray &totals);
};

/// The weights of `stepsEach` steps from k on, for each vector of columns; of
/// pairs, those of the first steps, then those of the second ones.
Values VectorEmitter::loadWeights(Value k, const Values &columns) {
  Values weights, seconds;
  for (Value column : columns) {
    if (right.isPairs()) {
      auto pairs = right.loadPairs({product, column, k});
      weights.push_back(pairs[0]);
      seconds.push_back(pairs[1]);
    } else if (columnsEach == 4 || stepsEach == 4) {
      weights.push_back(right.load4({product, column, k}));
    } else {
      weights.push_back(right.load({product, column, k}));
    }
  }
  llvm::append_range(weights, seconds);
  return weights;
}

/// Adds the products of `stepsEach` steps from k on: a sum for each row and
/// column, or vector of columns, of the invocation.
Values VectorEmitter::step(Value k, const Values &weights,
                           mlir::ValueRange sums) {
  Values next(sums);
  auto multiply = [&](int64_t row, Value x, int64_t first) {
    if (columnsEach == 4)
      x = e.gather4({x, x, x, x});
    for (int64_t q = 0; q < quadsEach; ++q) {
      Value &sum = next[row * quadsEach + q];
      sum = e.fma(x, weights[first + q], sum);
    }
  };
  for (int64_t row = 0; row < shape.rows; ++row) {
    if (right.isPairs()) {
      for (int half = 0; half < 2; ++half) {
        // The weights' padding is zero, but nothing is behind the left row.
        Value place = e.add(k, half);
        bool padded = half == 1 && shape.depth % 2 != 0;
        if (padded)
          place = e.min(place, e.constant(shape.depth - 1));
        Value x = rows.load(product, row, place);
        if (padded)
          x = e.select(e.less(e.add(k, 1), e.constant(shape.depth)), x,
                       e.number(0.0));
        multiply(row, x, half * quadsEach);
      }
      continue;
    }
    if (stepsEach == 1) {
      multiply(row, rows.load(product, row, k), 0);
      continue;
    }
    Value x =
        rows.loadsFours() ? left.load4({product, e.constant(row), k}) : Value();
    for (int i = 0; i < 4; ++i) {
      Value xi = x ? e.extract(x, i) : rows.load(product, row, e.add(k, i));
      next[row] = e.fma(xi, e.extract(weights[0], i), next[row]);
    }
  }
  return next;
}

/// How many steps an invocation loads at a time, so that they wait for memory
/// together: what leaves the fewest times to wait, the rest step by step.
int64_t VectorEmitter::stepsAtOnce() const {
  int64_t most = std::clamp<int64_t>(8 / shape.rows, 1, e.target.loadsAtOnce);
  int64_t mine = ceilDiv(shape.depth, stepsEach) / shares;
  int64_t best = 1;
  auto waits = [&](int64_t count) { return mine / count + mine % count; };
  for (int64_t count = 2; count <= std::min(most, mine); ++count)
    if (waits(count) <= waits(best))
      best = count;
  return best;
}

/// The sums over this invocation's share of k; the weights of the first steps
/// are loaded already.
Values VectorEmitter::sumShare(const Values &column,
                               const std::vector<Values> &ahead) {
  mlir::Type type = e.f32();
  if (columnsEach == 4)
    type = mlir::VectorType::get({4}, type);
  Values sums(size_t(shape.rows * quadsEach), e.zero(type));
  int64_t atOnce = stepsAtOnce();
  int64_t steps = ceilDiv(shape.depth, stepsEach); // Also those of pairs.
  int64_t block = atOnce * stride();
  int64_t whole = steps / (shares * atOnce) * block;
  auto stepOf = [&](Value from, int64_t i) {
    return e.add(e.add(from, i * stride()), firstStep());
  };
  auto addBlock = [&](Value from, const std::vector<Values> &weights,
                      mlir::ValueRange carried) {
    Values next(carried);
    for (int64_t i = 0; i < atOnce; ++i)
      next = step(stepOf(from, i), weights[size_t(i)], next);
    return next;
  };
  int64_t done = 0;
  if (!ahead.empty()) {
    sums = addBlock(e.constant(0), ahead, sums);
    done = block;
  }
  sums = e.loopWith(e.constant(done), e.constant(whole), block, sums,
                    [&](Value from, mlir::ValueRange carried) {
                      std::vector<Values> weights;
                      for (int64_t i = 0; i < atOnce; ++i)
                        weights.push_back(loadWeights(stepOf(from, i), column));
                      return addBlock(from, weights, carried);
                    });
  if (whole >= shape.depth)
    return sums;
  return e.loopWith(e.add(firstStep(), whole), e.constant(shape.depth),
                    stride(), sums, [&](Value k, mlir::ValueRange carried) {
                      return step(k, loadWeights(k, column), carried);
                    });
}

/// Brings the sums of all shares together, by row and column.
void VectorEmitter::addShares(const Values &sums, Value lane,
                              const WorkgroupArray &totals) {
  int64_t invocations = e.invocations();
  WorkgroupArray partials = e.workgroupArray(invocations * columnsEach);
  WorkgroupArray seconds = e.workgroupArray(invocations);
  int64_t parts = invocations / columns, each = shares / parts;
  for (int64_t row = 0; row < shape.rows; ++row) {
    if (row > 0)
      e.barrier();
    // [share][column].
    Value at = e.add(e.mul(share, columns), e.mul(lane, columnsEach));
    for (int i = 0; i < columnsEach; ++i)
      e.store(columnsEach == 1 ? sums[row] : e.extract(sums[row], i), partials,
              e.add(at, i));
    e.barrier();
    // Parts of the shares first, then the parts.
    Value place = e.rem(e.invocation(), columns);
    Value part = e.div(e.invocation(), columns);
    Value sum;
    for (int64_t i = 0; i < each; ++i) {
      Value from = e.add(e.mul(e.add(e.mul(part, each), i), columns), place);
      Value x = e.load(partials, from);
      sum = sum ? e.fadd(sum, x) : x;
    }
    e.store(sum, seconds, e.invocation());
    e.barrier();
    e.when(e.less(e.invocation(), e.constant(columns)), [&] {
      Value total = e.load(seconds, e.invocation());
      for (int64_t i = 1; i < parts; ++i)
        total =
            e.fadd(total, e.load(seconds, e.add(e.invocation(), i * columns)));
      e.store(total, totals, e.add(e.invocation(), row * columns));
    });
  }
}

/// The same of fewer invocations than columns, with vectors of those.
void VectorEmitter::addQuads(const Values &sums, Value lane,
                             const WorkgroupArray &totals) {
  WorkgroupArray partials = e.workgroupArray(shares * columns);
  for (int64_t row = 0; row < shape.rows; ++row) {
    if (row > 0)
      e.barrier();
    // [share][column].
    Value at = e.add(e.mul(share, columns), e.mul(lane, 4 * quadsEach));
    for (int64_t q = 0; q < quadsEach; ++q)
      for (int i = 0; i < 4; ++i)
        e.store(e.extract(sums[row * quadsEach + q], i), partials,
                e.add(at, 4 * q + i));
    e.barrier();
    e.share(columns, [&](Value column) {
      Value total = e.load(partials, column);
      for (int64_t i = 1; i < shares; ++i)
        total = e.fadd(total, e.load(partials, e.add(column, i * columns)));
      e.store(total, totals, e.add(column, row * columns));
    });
  }
}

void VectorEmitter::emit() {
  if (right.isPairs())
    stepsEach = 2, columnsEach = 4;
  else if (right.vectors() == Vectors::Outer)
    columnsEach = 4;
  else if (right.vectors() == Vectors::Depth)
    stepsEach = 4;
  int64_t invocations = mostInvocations;
  if (columnsEach == 4 && !e.target.usesWorkgroupMemory)
    quadsEach = 4;
  // Fewer columns make more workgroups.
  while (columns > std::max<int64_t>(8, columnsEach * quadsEach) &&
         shape.count * ceilDiv(shape.columns, columns) < e.target.processors)
    columns /= 2;
  int64_t lanes = columns / (columnsEach * quadsEach);
  if (quadsEach > 1) {
    shares = 8;
    invocations = lanes * shares;
  } else {
    shares = invocations / lanes;
  }
  int64_t groups = ceilDiv(shape.columns, columns);
  e.innerTiles = uint32_t(groups);
  e.rowsPerBlock = uint32_t(shape.rows);
  if (!rows.isMade() && !results.others().empty()) {
    e.failure = "results that do not depend on the product";
    return;
  }
  e.forEachTile(shape.count * groups, invocations, [&] {
    product = e.div(e.tile(), groups);
    firstColumn = e.mul(e.rem(e.tile(), groups), columns);
    // Neighbours are neighbours in memory, or so near that they share a page.
    bool alongDepth = stepsEach == 4 || quadsEach > 1;
    Value lane = alongDepth ? e.div(e.invocation(), shares)
                            : e.rem(e.invocation(), lanes);
    share = alongDepth ? e.rem(e.invocation(), shares)
                       : e.div(e.invocation(), lanes);
    Values safe;
    for (int64_t q = 0; q < quadsEach; ++q) {
      Value column =
          e.add(firstColumn,
                e.add(e.mul(lane, columnsEach * quadsEach), q * columnsEach));
      if (shape.columns % columns != 0)
        column = e.min(column, e.constant((shape.columns - 1) / columnsEach *
                                          columnsEach));
      safe.push_back(column);
    }
    // The first weights are on their way while the row is made.
    std::vector<Values> ahead;
    int64_t atOnce = stepsAtOnce();
    if (rows.isMade() && shape.depth >= atOnce * stride())
      for (int64_t i = 0; i < atOnce; ++i)
        ahead.push_back(loadWeights(e.add(firstStep(), i * stride()), safe));
    if (rows.isMade())
      rows.make(groups);
    Values sums = sumShare(safe, ahead);

    WorkgroupArray totals = e.workgroupArray(shape.rows * columns);
    if (quadsEach > 1)
      addQuads(sums, lane, totals);
    else
      addShares(sums, lane, totals);
    e.barrier();
    e.share(shape.rows * columns, [&](Value i) {
      Value to = e.add(firstColumn, e.rem(i, columns));
      Value row = e.add(e.mul(product, shape.rows), e.div(i, columns));
      Value sum = e.load(totals, i);
      auto store = [&] { results.store({row, {to}, {sum}, {Value()}}); };
      if (shape.columns % columns == 0)
        store();
      else
        e.when(e.less(to, e.constant(shape.columns)), store);
    });
  });
}

} // namespace

void emitMatrixVector(Emitter &emitter, ir::MatmulOp op) {
  VectorEmitter(emitter, op).emit();
}

} // namespace gptc::vulkan
