//===- AttentionBackward.cpp - Gradients of attention ---------------------===//
//
// A tile is one head of one sequence, which alone writes the gradients of its
// keys and values. Query after query, the probabilities of the keys that it
// sees are computed anew: of the score matrix there is one row at a time
// (Dao et al., 2022). Everything is f32.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/cpu/compiler/AttentionHead.h"

namespace gptc::cpu {

namespace arith = mlir::arith;
namespace math = mlir::math;
namespace vector = mlir::vector;
using mlir::Value;
using Values = llvm::SmallVector<Value>;
using Predicate = arith::CmpIPredicate;

namespace {

class BackwardEmitter : AttentionHead {
public:
  BackwardEmitter(Emitter &emitter, ir::AttentionBackwardOp op)
      : AttentionHead(emitter, op.getCausal(), op.getWindow()), op(op) {}

  void emit();

private:
  ir::AttentionBackwardOp op;
  HeadView query, key, value, gradient;
  // In scratch: the query times the scale, and the result's gradient; scores
  // or probabilities, and how the loss changes with them; sums.
  Value queryRow, gradientRow, scores, slopes;
  Value queryGradient, keyGradients, valueGradients;

  void loadRow(const HeadView &view, Value row, Value factor, Value to);
  void oneQuery(Value row);
  Value dot(Value row, const HeadView &with, Value j);
  /// Turns scores of [first, end) into exponentials; gives 1 / their sum, and
  /// the mean of the slopes.
  std::pair<Value, Value> exponentiate(Value first, Value end, Value largest);
  void addUp(Value first, Value end, Value reciprocal, Value mean);
};

void BackwardEmitter::loadRow(const HeadView &view, Value row, Value factor,
                              Value to) {
  for (int64_t v = 0; v < paddedHead; v += e.width) {
    Value d = e.constant(v);
    Value x = wide(0.0);
    if (v < headSize)
      x = arith::MulFOp::create(e.builder, e.loc,
                                loadHead(view, row, d, headMask(d)),
                                e.splat(factor));
    e.storeVector(x, to, d, f32);
  }
}

Value BackwardEmitter::dot(Value row, const HeadView &with, Value j) {
  Value sum = wide(0.0);
  for (int64_t v = 0; v < headSize; v += e.width) {
    Value d = e.constant(v);
    sum = vector::FMAOp::create(e.builder, e.loc, e.loadVector(row, d, f32),
                                loadHead(with, j, d, headMask(d)), sum);
  }
  return vector::ReductionOp::create(e.builder, e.loc,
                                     vector::CombiningKind::ADD, sum);
}

std::pair<Value, Value> BackwardEmitter::exponentiate(Value first, Value end,
                                                      Value largest) {
  // Whole vectors over [first, end) rounded outwards; lanes outside are cut.
  Value from = e.mul(e.div(first, e.width), e.width);
  auto sums = e.loopWith(
      from, end, e.width, {wide(0.0), wide(0.0)},
      [&](Value j, mlir::ValueRange carried) {
        Value at =
            arith::AddIOp::create(e.builder, e.loc, e.splat(j), e.lanes());
        Value inside = arith::AndIOp::create(
            e.builder, e.loc, e.compare(Predicate::sge, at, e.splat(first)),
            e.compare(Predicate::slt, at, e.splat(end)));
        auto only = [&](Value x) -> Value {
          return arith::SelectOp::create(e.builder, e.loc, inside, x,
                                         wide(0.0));
        };
        Value shifted = arith::SubFOp::create(
            e.builder, e.loc, e.loadVector(scores, j, f32), e.splat(largest));
        Value p = only(math::ExpOp::create(e.builder, e.loc, only(shifted)));
        e.storeVector(p, scores, j, f32);
        Value slope = only(e.loadVector(slopes, j, f32));
        return Values{
            arith::AddFOp::create(e.builder, e.loc, carried[0], p),
            vector::FMAOp::create(e.builder, e.loc, p, slope, carried[1])};
      });
  auto total = [&](Value x) -> Value {
    return vector::ReductionOp::create(e.builder, e.loc,
                                       vector::CombiningKind::ADD, x);
  };
  Value reciprocal = reciprocalOf(total(sums[0]));
  Value mean =
      arith::MulFOp::create(e.builder, e.loc, total(sums[1]), reciprocal);
  return {reciprocal, mean};
}

/// Adds what one query gives to the gradients, at most four vectors of columns
/// at a time.
void BackwardEmitter::addUp(Value first, Value end, Value reciprocal,
                            Value mean) {
  int64_t used = (headSize + e.width - 1) / e.width;
  for (int64_t v0 = 0; v0 < used; v0 += 4) {
    int64_t count = std::min<int64_t>(4, used - v0);
    auto column = [&](int64_t v) { return e.constant((v0 + v) * e.width); };
    Values result = e.loopWith(
        first, end, 1, Values(count, wide(0.0)),
        [&](Value j, mlir::ValueRange carried) {
          Value p = arith::MulFOp::create(
              e.builder, e.loc, e.loadScalar(scores, j, f32), reciprocal);
          Value excess = arith::SubFOp::create(
              e.builder, e.loc, e.loadScalar(slopes, j, f32), mean);
          Value s = e.splat(arith::MulFOp::create(e.builder, e.loc, p, excess));
          Value row = e.mul(j, paddedHead);
          auto add = [&](Value to, Value factor, Value from, int64_t v) {
            Value at = e.add(row, column(v));
            Value x = vector::FMAOp::create(e.builder, e.loc, factor,
                                            e.loadVector(from, column(v), f32),
                                            e.loadVector(to, at, f32));
            e.storeVector(x, to, at, f32);
          };
          Values next;
          for (int64_t v = 0; v < count; ++v) {
            add(valueGradients, e.splat(p), gradientRow, v);
            add(keyGradients, s, queryRow, v);
            Value k = loadHead(key, j, column(v), headMask(column(v)));
            next.push_back(
                vector::FMAOp::create(e.builder, e.loc, s, k, carried[v]));
          }
          return next;
        });
    for (int64_t v = 0; v < count; ++v)
      e.storeVector(result[v], queryGradient, column(v), f32);
  }
}

void BackwardEmitter::oneQuery(Value row) {
  loadRow(query, row, scale, queryRow);
  loadRow(gradient, row, f(1.0), gradientRow);
  Value first = firstKey(row), end = endKey(row);
  Value largest = e.loopWith(
      first, end, 1, f(lowest), [&](Value j, mlir::ValueRange carried) {
        Value score = dot(queryRow, key, j);
        e.storeScalar(score, scores, j, f32);
        e.storeScalar(dot(gradientRow, value, j), slopes, j, f32);
        return Values{
            arith::MaximumFOp::create(e.builder, e.loc, carried[0], score)};
      })[0];
  auto [reciprocal, mean] = exponentiate(first, end, largest);
  addUp(first, end, reciprocal, mean);
}

void BackwardEmitter::emit() {
  auto shape = op.getQuery().getType().getShape();
  queries = shape[2];
  headSize = shape[3];
  keys = op.getKey().getType().getDimSize(2);
  paddedHead = (headSize + 15) / 16 * 16;
  if (op.getQuery().getType().getElementType().isF64()) {
    e.failure = "gradients of attention in f64";
    return;
  }
  std::optional<StoredHead> stored[3];
  for (int i = 0; i < 3; ++i)
    stored[i] = findStored(op.getResult(i));
  e.encoded.tiles = uint32_t(shape[0] * shape[1]);
  Values index = e.delinearize(e.tile(), {shape[0], shape[1]});
  batch = index[0];
  head = index[1];
  loadScale(op.getScale());
  query = viewOf(op.getQuery());
  key = viewOf(op.getKey());
  value = viewOf(op.getValue());
  gradient = viewOf(op.getGradient());
  if (!e.failure.empty())
    return;
  findBounds(op.getPositions(), op.getLengths());

  for (Value *row : {&queryRow, &gradientRow, &queryGradient})
    *row = e.scratch(paddedHead * 4);
  for (Value *row : {&scores, &slopes})
    *row = e.scratch(((keys + 15) / 16 * 16 + 16) * 4);
  for (Value *sums : {&keyGradients, &valueGradients}) {
    *sums = e.scratch(keys * paddedHead * 4);
    e.loop(e.constant(0), e.constant(keys * paddedHead), e.width,
           [&](Value i) { e.storeVector(wide(0.0), *sums, i, f32); });
  }
  e.loop(e.constant(0), endQueries, 1, [&](Value row) {
    oneQuery(row);
    if (stored[0])
      store(*stored[0], row, queryGradient, e.constant(0), scale);
  });
  // Nothing depends on the queries that are left.
  for (int64_t v = 0; v < paddedHead; v += e.width)
    e.storeVector(wide(0.0), queryGradient, e.constant(v), f32);
  if (stored[0])
    e.loop(endQueries, e.constant(queries), 1, [&](Value row) {
      store(*stored[0], row, queryGradient, e.constant(0), scale);
    });
  e.loop(e.constant(0), e.constant(keys), 1, [&](Value row) {
    Value from = e.mul(row, paddedHead);
    if (stored[1])
      store(*stored[1], row, keyGradients, from, f(1.0));
    if (stored[2])
      store(*stored[2], row, valueGradients, from, f(1.0));
  });
}

} // namespace

void emitAttentionBackward(Emitter &emitter, ir::AttentionBackwardOp op) {
  BackwardEmitter(emitter, op).emit();
}

} // namespace gptc::cpu
