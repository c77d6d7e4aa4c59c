//===- AttentionBackward.cpp - Gradients of attention ---------------------===//
//
// A workgroup is a block of queries of one head, or a block of its keys: the
// first sums gradients of its queries over the keys that they see, the second
// gradients of its keys and values over the queries that see them. Both compute
// probabilities anew from the logarithms that attention left behind (Dao,
// 2023), so that no workgroup waits for another.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/AttentionHead.h"

namespace gptc::vulkan {

using mlir::Value;
using Values = llvm::SmallVector<Value>;

namespace {

class BackwardEmitter : AttentionHead {
public:
  BackwardEmitter(Emitter &emitter, ir::AttentionBackwardOp op)
      : AttentionHead(emitter, op), op(op) {}

  void emit();

private:
  ir::AttentionBackwardOp op;
  HeadView query, key, value, gradient, result;
  std::optional<ir::StoredValue> stored[3];

  /// Invocations that share a row of a block.
  static constexpr int64_t perRow = 8;
  /// Rows of the other operands that a block meets at once.
  static constexpr int64_t others = 32;
  static constexpr int64_t pairsEach = others / perRow;

  int64_t blockRows = 0; ///< Of queries, or of keys.
  int64_t quadsEach = 0; ///< Of a row, to an invocation.
  Value r, lane, zeros;

  // [row][quad] of the block: scaled queries or keys, gradients or values.
  WorkgroupArray firstRows, secondRows;
  // [row][other row]; rows are one longer than needed, which spreads them over
  // the memory's banks.
  WorkgroupArray firstFactors, secondFactors;
  // Of the block's queries, or of those that it meets at once.
  WorkgroupArray partialMeans, means, logarithms;

  bool chooseSizes();
  Value queryAt(Value first, Value i);
  void sumMeans(Value firstQuery, int64_t count);
  void loadStatistics(Value firstQuery, int64_t count);
  void queryBlock(Value firstQuery);
  void keyBlock(Value firstKey);
  Value isSeen(Value queryRow, Value keyRow);
  void loadBlock(const HeadView &view, Value first, int64_t count,
                 WorkgroupArray to, Value factor);
  struct Products {
    Values scores, slopes;
  };
  Products products(const HeadView &first, const HeadView &second,
                    llvm::ArrayRef<Value> otherRows, Value firstFactor);
  Value at(Value row, Value column) {
    return e.add(e.mul(row, others + 1), column);
  }
  Value quadOf(int64_t i) {
    return e.min(e.add(lane, i * perRow), e.constant(headQuads - 1));
  }
  void storeRow(const ir::StoredValue &to, Value row, int64_t rows,
                llvm::ArrayRef<Value> quads);
};

bool BackwardEmitter::chooseSizes() {
  for (int64_t rows : {32, 16, 8, 4, 2, 1}) {
    blockRows = rows;
    int64_t bytes = 2 * 16 * rows * (headQuads + 1) +
                    2 * 4 * rows * (others + 1) + 4 * others * (perRow + 3);
    if (bytes <= workgroupMemoryBytes)
      return true;
  }
  e.failure = "heads whose blocks exceed workgroup memory";
  return false;
}

Value BackwardEmitter::isSeen(Value queryRow, Value keyRow) {
  Value seen = e.both(e.less(queryRow, endQueries), e.less(keyRow, keyCount));
  Value place = e.add(position, queryRow);
  if (causal)
    seen = e.both(seen, e.lessEqual(keyRow, place));
  if (window)
    seen = e.both(seen, e.less(place, e.add(keyRow, int64_t(*window))));
  return seen;
}

/// Copies rows, times a factor if there is one; beyond the last they repeat it.
void BackwardEmitter::loadBlock(const HeadView &view, Value first,
                                int64_t count, WorkgroupArray to,
                                Value factor) {
  e.share(blockRows * headQuads, [&](Value i) {
    Value row = e.div(i, headQuads), quad = e.rem(i, headQuads);
    Value from = e.min(e.add(first, row), e.constant(count - 1));
    Value x = loadQuad(view, from, quad);
    if (factor)
      x = e.fmul(x, splat(factor));
    e.store(x, to, e.add(e.mul(row, headQuads + 1), quad));
  });
}

/// Products of the invocation's row of the block with other rows: of the first
/// operands a score each, of the second ones its slope.
BackwardEmitter::Products
BackwardEmitter::products(const HeadView &first, const HeadView &second,
                          llvm::ArrayRef<Value> otherRows, Value firstFactor) {
  Values sums(2 * otherRows.size(), zeros);
  sums = e.loopWith(
      e.constant(0), e.constant(headQuads), 1, sums,
      [&](Value quad, mlir::ValueRange carried) {
        Values next(carried);
        Value place = e.add(e.mul(r, headQuads + 1), quad);
        Value x = e.load(firstRows, place), y = e.load(secondRows, place);
        for (size_t i = 0; i < otherRows.size(); ++i) {
          next[2 * i] =
              e.fma(x, loadQuad(first, otherRows[i], quad), next[2 * i]);
          next[2 * i + 1] =
              e.fma(y, loadQuad(second, otherRows[i], quad), next[2 * i + 1]);
        }
        return next;
      });
  Products found;
  for (size_t i = 0; i < otherRows.size(); ++i) {
    Value score = sumOf(sums[2 * i]);
    found.scores.push_back(firstFactor ? e.fmul(score, firstFactor) : score);
    found.slopes.push_back(sumOf(sums[2 * i + 1]));
  }
  return found;
}

/// Stores an invocation's part of a row.
void BackwardEmitter::storeRow(const ir::StoredValue &to, Value row,
                               int64_t rows, llvm::ArrayRef<Value> quads) {
  for (int64_t i = 0; i < quadsEach; ++i) {
    Value quad = e.add(lane, i * perRow);
    Value stores = e.both(e.less(row, e.constant(rows)),
                          e.less(quad, e.constant(headQuads)));
    e.when(stores, [&] { storeQuad(to, row, quad, quads[i]); });
  }
}

Value BackwardEmitter::queryAt(Value first, Value i) {
  return e.min(e.add(first, i), e.constant(queries - 1));
}

/// Parts of the means of `count` queries' slopes: of what a gradient and the
/// result have in common.
void BackwardEmitter::sumMeans(Value firstQuery, int64_t count) {
  e.share(count * perRow, [&](Value i) {
    Value row = queryAt(firstQuery, e.div(i, perRow));
    Value sum = e.loopWith(e.rem(i, perRow), e.constant(headQuads), perRow,
                           zeros, [&](Value quad, mlir::ValueRange carried) {
                             return Values{e.fma(loadQuad(gradient, row, quad),
                                                 loadQuad(result, row, quad),
                                                 carried[0])};
                           })[0];
    e.store(sumOf(sum), partialMeans,
            e.add(e.mul(e.div(i, perRow), perRow + 1), e.rem(i, perRow)));
  });
}

/// The statistics of `count` queries, of whose means the parts are there.
void BackwardEmitter::loadStatistics(Value firstQuery, int64_t count) {
  e.share(count, [&](Value i) {
    Value mean = e.number(0.0);
    for (int64_t part = 0; part < perRow; ++part)
      mean =
          e.fadd(mean, e.load(partialMeans, e.add(e.mul(i, perRow + 1), part)));
    e.store(mean, means, i);
    Value known = evaluator.evaluate(op.getLogSumExp(),
                                     {batch, head, queryAt(firstQuery, i)});
    e.store(known, logarithms, i);
  });
}

/// Gradients of a block of queries.
void BackwardEmitter::queryBlock(Value firstQuery) {
  const std::optional<ir::StoredValue> &to = stored[0];
  if (!to)
    return;
  loadBlock(query, firstQuery, queries, firstRows, scale);
  loadBlock(gradient, firstQuery, queries, secondRows, Value());
  sumMeans(firstQuery, blockRows);
  e.barrier();
  loadStatistics(firstQuery, blockRows);
  e.barrier();
  Value row = e.add(firstQuery, r);
  Value last = e.add(firstQuery, blockRows - 1);
  Value from = e.mul(e.div(firstKey(firstQuery), others), others);
  Value logarithm = e.load(logarithms, r), mean = e.load(means, r);
  Values sums(size_t(quadsEach), zeros);
  sums = e.loopWith(
      from, endKey(last), others, sums,
      [&](Value block, mlir::ValueRange carried) {
        Values places, rows;
        for (int64_t i = 0; i < pairsEach; ++i) {
          places.push_back(e.add(block, e.add(lane, i * perRow)));
          rows.push_back(e.min(places[i], e.constant(keys - 1)));
        }
        Products found = products(key, value, rows, Value());
        e.barrier(); // What was there before is done with.
        for (int64_t i = 0; i < pairsEach; ++i) {
          Value score = e.select(isSeen(row, places[i]), found.scores[i],
                                 e.number(lowest));
          Value p = probability(score, logarithm);
          Value slope =
              whereKept(row, places[i], found.slopes[i], e.number(0.0));
          Value excess = seesOne() ? e.number(0.0) : e.fsub(slope, mean);
          e.store(e.fmul(p, excess), firstFactors,
                  at(r, e.add(lane, i * perRow)));
        }
        e.barrier();
        return e.loopWith(
            e.constant(0), e.constant(others), 1, carried,
            [&](Value j, mlir::ValueRange inner) {
              Values next(inner);
              Value factor = splat(e.load(firstFactors, at(r, j)));
              Value from = e.min(e.add(block, j), e.constant(keys - 1));
              for (int64_t i = 0; i < quadsEach; ++i)
                next[i] =
                    e.fma(factor, loadQuad(key, from, quadOf(i)), next[i]);
              return next;
            });
      });
  for (Value &x : sums)
    x = e.fmul(x, splat(scale));
  storeRow(*to, row, queries, sums);
}

/// Gradients of a block of keys and values.
void BackwardEmitter::keyBlock(Value firstKeyRow) {
  loadBlock(key, firstKeyRow, keys, firstRows, Value());
  loadBlock(value, firstKeyRow, keys, secondRows, Value());
  e.barrier();
  Value row = e.add(firstKeyRow, r);
  Value from = e.constant(0), end = endQueries;
  if (causal)
    from = e.max(from, e.sub(firstKeyRow, position));
  from = e.mul(e.div(from, others), others);
  if (window)
    end = e.min(end, e.sub(e.add(firstKeyRow, blockRows - 1 + int64_t(*window)),
                           position));
  Values sums(size_t(2 * quadsEach), zeros);
  sums = e.loopWith(
      from, end, others, sums, [&](Value block, mlir::ValueRange carried) {
        Values rows, places;
        for (int64_t i = 0; i < pairsEach; ++i) {
          places.push_back(e.add(block, e.add(lane, i * perRow)));
          rows.push_back(e.min(places[i], e.constant(queries - 1)));
        }
        sumMeans(block, others);
        Products found = products(query, gradient, rows, scale);
        // Factors and statistics before are done with, and parts are there.
        e.barrier();
        loadStatistics(block, others);
        e.barrier();
        for (int64_t i = 0; i < pairsEach; ++i) {
          Value score = e.select(isSeen(places[i], row), found.scores[i],
                                 e.number(lowest));
          Value kept = e.add(lane, i * perRow);
          Value p = probability(score, e.load(logarithms, kept));
          Value to = at(r, kept);
          Value none = e.number(0.0);
          e.store(whereKept(places[i], row, p, none), firstFactors, to);
          Value slope = whereKept(places[i], row, found.slopes[i], none);
          Value excess = seesOne() ? none : e.fsub(slope, e.load(means, kept));
          e.store(e.fmul(p, excess), secondFactors, to);
        }
        e.barrier();
        return e.loopWith(
            e.constant(0), e.constant(others), 1, carried,
            [&](Value j, mlir::ValueRange inner) {
              Values next(inner);
              Value p = splat(e.load(firstFactors, at(r, j)));
              Value slope = e.load(secondFactors, at(r, j));
              slope = splat(e.fmul(slope, scale));
              Value from = e.min(e.add(block, j), e.constant(queries - 1));
              for (int64_t i = 0; i < quadsEach; ++i) {
                next[2 * i] =
                    e.fma(slope, loadQuad(query, from, quadOf(i)), next[2 * i]);
                next[2 * i + 1] = e.fma(p, loadQuad(gradient, from, quadOf(i)),
                                        next[2 * i + 1]);
              }
              return next;
            });
      });
  Values keySums, valueSums;
  for (int64_t i = 0; i < quadsEach; ++i) {
    keySums.push_back(sums[2 * i]);
    valueSums.push_back(sums[2 * i + 1]);
  }
  if (const auto &to = stored[1])
    storeRow(*to, row, keys, keySums);
  if (const auto &to = stored[2])
    storeRow(*to, row, keys, valueSums);
}

void BackwardEmitter::emit() {
  auto shape = op.getQuery().getType().getShape();
  setShape(shape, op.getKey().getType().getDimSize(2));
  if (op.getQuery().getType().getElementType().isF64()) {
    e.failure = "gradients of attention in f64";
    return;
  }
  if (!chooseSizes())
    return;
  for (int i = 0; i < 3; ++i)
    stored[i] = findStored(op->getResult(i));
  quadsEach = ceilDiv(headQuads, perRow);
  int64_t queryBlocks = stored[0] ? ceilDiv(queries, blockRows) : 0;
  int64_t keyBlocks = stored[1] || stored[2] ? ceilDiv(keys, blockRows) : 0;
  int64_t blocks = queryBlocks + keyBlocks;
  e.forEachTile(shape[0] * blocks * heads, perRow * blockRows, [&] {
    Values index = e.delinearize(e.tile(), {shape[0], blocks, heads});
    batch = index[0];
    head = index[2];
    scale = e.scalar(llvm::cast<mlir::BlockArgument>(op.getScale()));
    query = viewOf(op.getQuery());
    key = viewOf(op.getKey());
    value = viewOf(op.getValue());
    gradient = viewOf(op.getGradient());
    result = viewOf(op.getResult());
    if (!e.failure.empty())
      return;
    findBounds(op.getPositions(), op.getLengths());
    // Neighbours have neighbouring rows: they read the same of the others.
    r = e.rem(e.invocation(), blockRows);
    lane = e.div(e.invocation(), blockRows);
    zeros = e.zero(mlir::VectorType::get({4}, e.f32()));
    firstRows = e.workgroupVectors(blockRows * (headQuads + 1));
    secondRows = e.workgroupVectors(blockRows * (headQuads + 1));
    firstFactors = e.workgroupArray(blockRows * (others + 1));
    secondFactors = e.workgroupArray(blockRows * (others + 1));
    partialMeans = e.workgroupArray(others * (perRow + 1));
    means = e.workgroupArray(others);
    logarithms = e.workgroupArray(others);
    Value isOfQueries = e.less(index[1], e.constant(queryBlocks));
    if (queryBlocks > 0)
      e.when(isOfQueries, [&] { queryBlock(e.mul(index[1], blockRows)); });
    if (keyBlocks > 0)
      e.when(e.less(e.constant(queryBlocks - 1), index[1]), [&] {
        keyBlock(e.mul(e.add(index[1], -queryBlocks), blockRows));
      });
  });
}

} // namespace

void emitAttentionBackward(Emitter &emitter, ir::AttentionBackwardOp op) {
  BackwardEmitter(emitter, op).emit();
}

} // namespace gptc::vulkan
