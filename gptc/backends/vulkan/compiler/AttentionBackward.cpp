//===- AttentionBackward.cpp - Gradients of attention ---------------------===//
//
// A workgroup is one head of one sequence, which alone writes its gradients.
// First it visits blocks of queries: their statistics, and with them their
// gradients. Then it visits blocks of keys, whose gradients sum over all
// queries; probabilities are computed anew (Dao et al., 2022). Statistics of
// the queries stay in workgroup memory, of as many as it holds: more queries
// are taken part by part.
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
  HeadView query, key, value, gradient;
  std::optional<StoredHead> stored[3];

  /// Invocations that share a row of a block.
  static constexpr int64_t perRow = 8;
  /// Rows of the other operands that a block meets at once.
  static constexpr int64_t others = 32;
  static constexpr int64_t pairsEach = others / perRow;

  int64_t blockRows = 0;   ///< Of queries, then of keys.
  int64_t partQueries = 0; ///< Whose statistics are kept.
  int64_t quadsEach = 0;   ///< Of a row, to an invocation.
  Value r, lane, zeros;

  // [row][quad] of the block: scaled queries or keys, gradients or values.
  WorkgroupArray firstRows, secondRows;
  // [row][other row]; rows are one longer than needed, which spreads them over
  // the memory's banks.
  WorkgroupArray firstFactors, secondFactors;
  WorkgroupArray largest, reciprocals, means;

  bool chooseSizes();
  void part(Value firstQuery);
  void queryBlock(Value firstQuery, Value partStart);
  void keyBlock(Value firstKey, Value partStart);
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
  void storeRow(const StoredHead &to, Value row, int64_t rows,
                llvm::ArrayRef<Value> quads, Value partStart);
};

bool BackwardEmitter::chooseSizes() {
  for (int64_t rows : {32, 16, 8}) {
    blockRows = rows;
    int64_t bytes =
        2 * 16 * rows * (headQuads + 1) + 2 * 4 * rows * (others + 1);
    int64_t rest = (workgroupMemoryBytes - bytes) / (3 * 4) / others * others;
    partQueries = std::min(rest, ceilDiv(queries, others) * others);
    if (rest >= others)
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

/// Stores an invocation's part of a row, or adds it to what the parts of the
/// queries before have left there.
void BackwardEmitter::storeRow(const StoredHead &to, Value row, int64_t rows,
                               llvm::ArrayRef<Value> quads, Value partStart) {
  for (int64_t i = 0; i < quadsEach; ++i) {
    Value quad = e.add(lane, i * perRow);
    Value stores = e.both(e.less(row, e.constant(rows)),
                          e.less(quad, e.constant(headQuads)));
    e.when(stores, [&] {
      Value x = quads[i];
      if (partStart && queries > partQueries)
        x = e.choose(
            e.equal(partStart, e.constant(0)), {x.getType()},
            [&] { return Values{x}; },
            [&] {
              return Values{e.fadd(x, loadStoredQuad(to, row, quad))};
            })[0];
      storeQuad(to, row, quad, x);
    });
  }
}

/// Statistics of a block of queries, and the gradients of the queries.
void BackwardEmitter::queryBlock(Value firstQuery, Value partStart) {
  e.barrier(); // The block before is done with.
  loadBlock(query, firstQuery, queries, firstRows, scale);
  loadBlock(gradient, firstQuery, queries, secondRows, Value());
  e.barrier();
  Value row = e.add(firstQuery, r);
  Value last = e.add(firstQuery, blockRows - 1);
  Value from = e.mul(e.div(firstKey(firstQuery), others), others);
  Value end = endKey(last);
  auto keysOf = [&](Value block) {
    Values rows;
    for (int64_t i = 0; i < pairsEach; ++i)
      rows.push_back(
          e.min(e.add(block, e.add(lane, i * perRow)), e.constant(keys - 1)));
    return rows;
  };
  auto seenScore = [&](Value block, int64_t i, Value score) {
    Value j = e.add(block, e.add(lane, i * perRow));
    return e.select(isSeen(row, j), score, e.number(lowest));
  };
  Value number0 = e.number(0.0);
  // Largest score of the row; this invocation's part of the sum of
  // probabilities, and of that of probabilities times slopes.
  Values state = e.loopWith(
      from, end, others, {e.number(lowest), number0, number0},
      [&](Value block, mlir::ValueRange carried) {
        Products found = products(key, value, keysOf(block), Value());
        Values scores;
        for (int64_t i = 0; i < pairsEach; ++i) {
          scores.push_back(seenScore(block, i, found.scores[i]));
          e.store(scores[i], firstFactors, at(r, e.add(lane, i * perRow)));
        }
        e.barrier();
        Value most = e.loopWith(
            e.constant(0), e.constant(others), 1, carried[0],
            [&](Value j, mlir::ValueRange inner) {
              return Values{e.fmax(inner[0], e.load(firstFactors, at(r, j)))};
            })[0];
        Value correction = e.exp(e.fsub(carried[0], most));
        Value sum = e.fmul(carried[1], correction);
        Value mean = e.fmul(carried[2], correction);
        for (int64_t i = 0; i < pairsEach; ++i) {
          Value p = probability(scores[i], most);
          sum = e.fadd(sum, p);
          Value j = e.add(block, e.add(lane, i * perRow));
          mean = e.fma(p, whereKept(row, j, found.slopes[i], number0), mean);
        }
        e.barrier();
        return Values{most, sum, mean};
      });
  e.store(state[1], firstFactors, at(r, lane));
  e.store(state[2], secondFactors, at(r, lane));
  e.barrier();
  Value sum = number0, mean = number0;
  for (int64_t i = 0; i < perRow; ++i) {
    sum = e.fadd(sum, e.load(firstFactors, at(r, e.constant(i))));
    mean = e.fadd(mean, e.load(secondFactors, at(r, e.constant(i))));
  }
  Value reciprocal = reciprocalOf(sum);
  mean = e.fmul(mean, reciprocal);
  Value kept = e.sub(row, partStart);
  Value keeps = e.both(e.equal(lane, e.constant(0)),
                       e.less(kept, e.constant(partQueries)));
  e.when(keeps, [&] {
    e.store(state[0], largest, kept);
    e.store(reciprocal, reciprocals, kept);
    e.store(mean, means, kept);
  });
  const std::optional<StoredHead> &to = stored[0];
  if (!to)
    return;
  Values sums(size_t(quadsEach), zeros);
  sums = e.loopWith(
      from, end, others, sums, [&](Value block, mlir::ValueRange carried) {
        Products found = products(key, value, keysOf(block), Value());
        e.barrier(); // What was there before is done with.
        for (int64_t i = 0; i < pairsEach; ++i) {
          Value score = seenScore(block, i, found.scores[i]);
          Value p = e.fmul(probability(score, state[0]), reciprocal);
          Value j = e.add(lane, i * perRow);
          Value slope =
              whereKept(row, e.add(block, j), found.slopes[i], number0);
          e.store(e.fmul(p, e.fsub(slope, mean)), firstFactors, at(r, j));
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
  storeRow(*to, row, queries, sums, Value());
}

/// Gradients of a block of keys and values, from the queries of one part.
void BackwardEmitter::keyBlock(Value firstKeyRow, Value partStart) {
  e.barrier(); // The block before is done with.
  loadBlock(key, firstKeyRow, keys, firstRows, Value());
  loadBlock(value, firstKeyRow, keys, secondRows, Value());
  e.barrier();
  Value row = e.add(firstKeyRow, r);
  Value partEnd = e.min(e.add(partStart, partQueries), endQueries);
  Value from = partStart, end = partEnd;
  if (causal)
    from = e.max(from, e.sub(firstKeyRow, position));
  // Whole blocks from the part's start.
  from = e.add(partStart, e.mul(e.div(e.sub(from, partStart), others), others));
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
        Products found = products(query, gradient, rows, scale);
        e.barrier(); // The factors before are done with.
        for (int64_t i = 0; i < pairsEach; ++i) {
          Value score = e.select(isSeen(places[i], row), found.scores[i],
                                 e.number(lowest));
          Value kept = e.sub(places[i], partStart);
          Value p = e.fmul(probability(score, e.load(largest, kept)),
                           e.load(reciprocals, kept));
          Value to = at(r, e.add(lane, i * perRow));
          Value none = e.number(0.0);
          e.store(whereKept(places[i], row, p, none), firstFactors, to);
          Value slope = whereKept(places[i], row, found.slopes[i], none);
          e.store(e.fmul(p, e.fsub(slope, e.load(means, kept))), secondFactors,
                  to);
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
    storeRow(*to, row, keys, keySums, partStart);
  if (const auto &to = stored[2])
    storeRow(*to, row, keys, valueSums, partStart);
}

void BackwardEmitter::part(Value partStart) {
  Value partEnd = e.min(e.add(partStart, partQueries), e.constant(queries));
  e.loop(partStart, partEnd, blockRows,
         [&](Value first) { queryBlock(first, partStart); });
  if (stored[1] || stored[2])
    e.loop(e.constant(0), e.constant(keys), blockRows,
           [&](Value first) { keyBlock(first, partStart); });
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
    stored[i] = findStored(op.getResult(i));
  quadsEach = ceilDiv(headQuads, perRow);
  e.forEachTile(shape[0] * shape[1], perRow * blockRows, [&] {
    Values index = e.delinearize(e.tile(), {shape[0], shape[1]});
    batch = index[0];
    head = index[1];
    scale = e.scalar(llvm::cast<mlir::BlockArgument>(op.getScale()));
    query = viewOf(op.getQuery());
    key = viewOf(op.getKey());
    value = viewOf(op.getValue());
    gradient = viewOf(op.getGradient());
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
    largest = e.workgroupArray(partQueries);
    reciprocals = e.workgroupArray(partQueries);
    means = e.workgroupArray(partQueries);
    e.loop(e.constant(0), e.constant(queries), partQueries,
           [&](Value start) { part(start); });
  });
}

} // namespace

void emitAttentionBackward(Emitter &emitter, ir::AttentionBackwardOp op) {
  BackwardEmitter(emitter, op).emit();
}

} // namespace gptc::vulkan
