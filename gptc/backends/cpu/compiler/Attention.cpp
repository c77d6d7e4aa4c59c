//===- Attention.cpp - Blockwise attention over keys and values -----------===//
//
// A tile is one head of one sequence; without a cache, a block of its queries.
// It appends the head's new keys and values to the caches, then visits its
// queries with an online softmax (Dao et al., 2022): the whole score matrix
// never exists. One query reads keys and values as they lie; a block of
// queries reads keys packed into panels of 64, so that both products are
// register tiles. Statistics and products are f32.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/cpu/compiler/AttentionHead.h"
#include "gptc/backends/cpu/compiler/MicroKernel.h"

namespace gptc::cpu {

namespace arith = mlir::arith;
namespace math = mlir::math;
namespace vector = mlir::vector;
using mlir::Value;
using Values = llvm::SmallVector<Value>;
using Predicate = arith::CmpIPredicate;

namespace {

constexpr int64_t keyBlock = 64;

class AttentionEmitter : AttentionHead {
public:
  AttentionEmitter(Emitter &emitter, ir::AttentionOp op)
      : AttentionHead(emitter, op), op(op) {}

  void emit();

private:
  ir::AttentionOp op;
  int64_t tileRows = 1;
  HeadView query, key, value;
  Value queryBlock, scores, output, rowMax, rowSum, packedKeys;
  ir::StoredValue result;
  std::optional<ir::StoredValue> logSumExp;

  void packKeys(Value first, Value last);
  void oneQuery(Value row);
  void queryTile(Value firstRow, Value endRow);
  void loadQueries(Value firstRow, Value endRow, int64_t count);
  void storeRow(Value row, Value from, Value largest, Value sum);
};

/// Writes a row of the output, `from` in scratch, divided by the sum of its
/// weights, and what their logarithm is if it is asked for.
void AttentionEmitter::storeRow(Value row, Value from, Value largest,
                                Value sum) {
  store(result, row, output, from, reciprocalOf(sum));
  if (!logSumExp)
    return;
  const ir::StridedView &view = logSumExp->view;
  Value to = e.output(logSumExp->output), at = e.constant(view.offset);
  for (auto [i, stride] : llvm::zip(Values{batch, head, row}, view.strides))
    at = e.add(at, e.mul(i, stride));
  Value some = arith::CmpFOp::create(e.builder, e.loc,
                                     arith::CmpFPredicate::UGT, sum, f(0.0));
  Value logarithm = math::LogOp::create(
      e.builder, e.loc,
      arith::SelectOp::create(e.builder, e.loc, some, sum, f(1.0)));
  Value x = arith::AddFOp::create(
      e.builder, e.loc,
      arith::SelectOp::create(e.builder, e.loc, some, largest, f(0.0)),
      logarithm);
  e.storeScalar(x, to, at, f32);
}

/// One query: a score for each key it sees, their softmax, the weighted sum.
void AttentionEmitter::oneQuery(Value row) {
  Value first = firstKey(row), end = endKey(row);
  int64_t vectors = paddedHead / e.width;
  // The query, scaled, in scratch: its vectors are read for each key.
  for (int64_t v = 0; v < vectors; ++v) {
    Value d = e.constant(v * e.width);
    if (v * e.width >= headSize) {
      e.storeVector(wide(0.0), queryBlock, d, f32);
      continue;
    }
    Value mask = headMask(d);
    Value x = loadHead(query, row, d, mask);
    x = arith::MulFOp::create(e.builder, e.loc, x, e.splat(scale));
    e.storeVector(x, queryBlock, d, f32);
  }
  int64_t used = (headSize + e.width - 1) / e.width;
  Value largest = e.loopWith(
      first, end, 1, f(lowest), [&](Value j, mlir::ValueRange carried) {
        Value sum;
        for (int64_t v = 0; v < used; ++v) {
          Value d = e.constant(v * e.width);
          Value k = loadHead(key, j, d, headMask(d));
          Value q = e.loadVector(queryBlock, d, f32);
          sum = sum ? Value(vector::FMAOp::create(e.builder, e.loc, q, k, sum))
                    : Value(arith::MulFOp::create(e.builder, e.loc, q, k));
        }
        Value score = vector::ReductionOp::create(
            e.builder, e.loc, vector::CombiningKind::ADD, sum);
        e.storeScalar(score, scores, j, f32);
        return Values{
            arith::MaximumFOp::create(e.builder, e.loc, carried[0], score)};
      })[0];
  // Whole vectors over [first, end) rounded outwards; lanes outside are cut.
  Value from = e.mul(e.div(first, e.width), e.width);
  Value total = e.loopWith(
      from, end, e.width, wide(0.0), [&](Value j, mlir::ValueRange carried) {
        Value at =
            arith::AddIOp::create(e.builder, e.loc, e.splat(j), e.lanes());
        Value inside = arith::AndIOp::create(
            e.builder, e.loc, e.compare(Predicate::sge, at, e.splat(first)),
            e.compare(Predicate::slt, at, e.splat(end)));
        Value score = e.loadVector(scores, j, f32);
        Value shifted =
            arith::SubFOp::create(e.builder, e.loc, score, e.splat(largest));
        shifted = arith::SelectOp::create(e.builder, e.loc, inside, shifted,
                                          wide(0.0));
        Value p = math::ExpOp::create(e.builder, e.loc, shifted);
        p = arith::SelectOp::create(e.builder, e.loc, inside, p, wide(0.0));
        e.storeVector(whereKept(row, j, false, p, wide(0.0)), scores, j, f32);
        return Values{arith::AddFOp::create(e.builder, e.loc, carried[0], p)};
      })[0];
  Value sum = vector::ReductionOp::create(e.builder, e.loc,
                                          vector::CombiningKind::ADD, total);
  // The weighted sum of values, at most eight vectors of columns at a time.
  for (int64_t v0 = 0; v0 < used; v0 += 8) {
    int64_t count = std::min<int64_t>(8, used - v0);
    Values initial(count, wide(0.0));
    Values result = e.loopWith(
        first, end, 1, initial, [&](Value j, mlir::ValueRange carried) {
          Value p = e.splat(e.loadScalar(scores, j, f32));
          Values next;
          for (int64_t v = 0; v < count; ++v) {
            Value d = e.constant((v0 + v) * e.width);
            Value x = loadHead(value, j, d, headMask(d));
            next.push_back(
                vector::FMAOp::create(e.builder, e.loc, p, x, carried[v]));
          }
          return next;
        });
    for (int64_t v = 0; v < count; ++v)
      e.storeVector(result[v], output, e.constant((v0 + v) * e.width), f32);
  }
  storeRow(row, e.constant(0), largest, sum);
}

/// Packs the keys of [first, last), first a multiple of 64, transposed into
/// panels [D][64]; keys beyond the last are zero.
void AttentionEmitter::packKeys(Value first, Value last) {
  e.loop(first, last, keyBlock, [&](Value block) {
    Value to = e.mul(block, headSize);
    e.loop(e.constant(0), e.constant(keyBlock), 1, [&](Value j) {
      Value row = e.add(block, j);
      Value inside = e.compare(Predicate::slt, row, last);
      Value safe = e.min(row, e.sub(last, e.constant(1)));
      e.vectorLoop(headSize, [&](Value d, Value mask) {
        Value x = loadHead(key, safe, d, mask);
        Value keep =
            arith::SelectOp::create(e.builder, e.loc, inside, f(1.0), f(0.0));
        x = arith::MulFOp::create(e.builder, e.loc, x, e.splat(keep));
        e.storeStrided(x, packedKeys, e.add(e.add(to, j), e.mul(d, keyBlock)),
                       e.constant(keyBlock), f32, mask);
      });
    });
  });
}

void AttentionEmitter::loadQueries(Value firstRow, Value endRow,
                                   int64_t count) {
  Value lastRow = e.sub(endRow, e.constant(1));
  e.loop(e.constant(0), e.constant(count), 1, [&](Value r) {
    Value row = e.min(e.add(firstRow, r), lastRow);
    e.vectorLoop(headSize, [&](Value d, Value mask) {
      Value x = loadHead(query, row, d, mask);
      x = arith::MulFOp::create(e.builder, e.loc, x, e.splat(scale));
      e.storeVector(x, queryBlock, e.add(e.mul(r, paddedHead), d), f32);
    });
    for (int64_t v = 0; v < paddedHead; v += e.width)
      e.storeVector(wide(0.0), output,
                    e.add(e.mul(r, paddedHead), e.constant(v)), f32);
    e.storeScalar(f(lowest), rowMax, r, f32);
    e.storeScalar(f(0.0), rowSum, r, f32);
  });
}

/// A block of up to `tileRows` queries against all keys they see.
void AttentionEmitter::queryTile(Value firstRow, Value endRow) {
  loadQueries(firstRow, endRow, tileRows);
  Value lastRow = e.sub(endRow, e.constant(1));
  Value first = e.mul(e.div(firstKey(firstRow), keyBlock), keyBlock);
  Value end = endKey(lastRow);
  int64_t scoreVectors = keyBlock / e.width;
  int64_t perTile = std::min<int64_t>(scoreVectors, e.target.tileVectors);
  if (e.width == 1)
    perTile = 4;
  e.loop(first, end, keyBlock, [&](Value block) {
    // Scores: queries times packed keys, as far as anybody sees them.
    auto scoresOf = [&](int64_t v0, int64_t vectors) {
      TileRows rows{queryBlock, f32, {}};
      for (int64_t r = 0; r < tileRows; ++r)
        rows.offsets.push_back(e.constant(r * paddedHead));
      TilePanel panel{
          packedKeys, e.add(e.mul(block, headSize), e.constant(v0 * e.width)),
          f32,        PanelForm::Rows,
          keyBlock,   Value()};
      Values initial(tileRows * vectors, wide(0.0));
      Values result =
          emitRegisterTile(e, rows, panel, int(vectors), e.constant(0),
                           e.constant(headSize), initial);
      for (int64_t i = 0; i < int64_t(result.size()); ++i)
        e.storeVector(
            result[i], scores,
            e.constant(i / vectors * keyBlock + (v0 + i % vectors) * e.width),
            f32);
    };
    Value left = e.sub(end, block);
    auto whenAbove = [&](int64_t keys, llvm::function_ref<void()> body) {
      e.when(e.compare(Predicate::sgt, left, e.constant(keys)), body);
    };
    if (perTile == scoreVectors && perTile % 2 == 0) {
      int64_t half = keyBlock / 2;
      whenAbove(half, [&] { scoresOf(0, perTile); });
      e.when(e.compare(Predicate::sle, left, e.constant(half)),
             [&] { scoresOf(0, perTile / 2); });
    } else {
      scoresOf(0, perTile);
      for (int64_t v0 = perTile; v0 < scoreVectors; v0 += perTile)
        whenAbove(v0 * e.width, [&] { scoresOf(v0, perTile); });
    }
    // Online softmax of each row.
    e.loop(e.constant(0), e.constant(tileRows), 1, [&](Value r) {
      Value row = e.min(e.add(firstRow, r), lastRow);
      Value from = e.splat(firstKey(row)), to = e.splat(endKey(row));
      Value before = e.loadScalar(rowMax, r, f32);
      Value largest = e.splat(before);
      Values masked, insides;
      Value at0 = e.mul(r, keyBlock);
      for (int64_t v = 0; v < scoreVectors; ++v) {
        Value j = arith::AddIOp::create(
            e.builder, e.loc, e.splat(e.add(block, e.constant(v * e.width))),
            e.lanes());
        Value inside = arith::AndIOp::create(e.builder, e.loc,
                                             e.compare(Predicate::sge, j, from),
                                             e.compare(Predicate::slt, j, to));
        Value score =
            e.loadVector(scores, e.add(at0, e.constant(v * e.width)), f32);
        score = arith::SelectOp::create(e.builder, e.loc, inside, score,
                                        wide(lowest));
        largest = arith::MaximumFOp::create(e.builder, e.loc, largest, score);
        masked.push_back(score);
        insides.push_back(inside);
      }
      Value now = vector::ReductionOp::create(
          e.builder, e.loc, vector::CombiningKind::MAXIMUMF, largest);
      Value sum = wide(0.0);
      for (int64_t v = 0; v < scoreVectors; ++v) {
        Value shifted =
            arith::SubFOp::create(e.builder, e.loc, masked[v], e.splat(now));
        Value p = math::ExpOp::create(e.builder, e.loc, shifted);
        p = arith::SelectOp::create(e.builder, e.loc, insides[v], p, wide(0.0));
        Value key = e.add(block, e.constant(v * e.width));
        e.storeVector(whereKept(row, key, false, p, wide(0.0)), scores,
                      e.add(at0, e.constant(v * e.width)), f32);
        sum = arith::AddFOp::create(e.builder, e.loc, sum, p);
      }
      Value correction = math::ExpOp::create(
          e.builder, e.loc,
          arith::SubFOp::create(e.builder, e.loc, before, now));
      Value total = vector::ReductionOp::create(
          e.builder, e.loc, vector::CombiningKind::ADD, sum);
      Value old = e.loadScalar(rowSum, r, f32);
      e.storeScalar(
          math::FmaOp::create(e.builder, e.loc, old, correction, total), rowSum,
          r, f32);
      e.storeScalar(now, rowMax, r, f32);
      Value at = e.mul(r, paddedHead);
      for (int64_t v = 0; v < paddedHead; v += e.width) {
        Value offset = e.add(at, e.constant(v));
        Value x = e.loadVector(output, offset, f32);
        x = arith::MulFOp::create(e.builder, e.loc, x, e.splat(correction));
        e.storeVector(x, output, offset, f32);
      }
    });
    // The weighted sum of this block's values that anybody sees.
    Value count = e.min(e.constant(keyBlock), e.sub(end, block));
    int64_t vectors = (headSize + e.width - 1) / e.width;
    int64_t atOnce = std::min<int64_t>(vectors, e.target.tileVectors);
    for (int64_t v0 = 0; v0 < vectors; v0 += atOnce) {
      int64_t now = std::min(atOnce, vectors - v0);
      TileRows rows{scores, f32, {}};
      Values initial;
      for (int64_t r = 0; r < tileRows; ++r) {
        rows.offsets.push_back(e.constant(r * keyBlock));
        for (int64_t v = 0; v < now; ++v)
          initial.push_back(e.loadVector(
              output, e.constant(r * paddedHead + (v0 + v) * e.width), f32));
      }
      TilePanel panel{value.base,
                      e.add(e.add(value.offset, e.mul(block, value.rowStride)),
                            e.constant(v0 * e.width)),
                      value.element,
                      PanelForm::Rows,
                      value.rowStride,
                      headMask(e.constant((v0 + now - 1) * e.width))};
      Values result = emitRegisterTile(e, rows, panel, int(now), e.constant(0),
                                       count, initial);
      for (int64_t i = 0; i < int64_t(result.size()); ++i)
        e.storeVector(
            result[i], output,
            e.constant(i / now * paddedHead + (v0 + i % now) * e.width), f32);
    }
  });
  e.loop(e.constant(0), e.sub(endRow, firstRow), 1, [&](Value r) {
    storeRow(e.add(firstRow, r), e.mul(r, paddedHead),
             e.loadScalar(rowMax, r, f32), e.loadScalar(rowSum, r, f32));
  });
}

void AttentionEmitter::emit() {
  auto shape = op.getQuery().getType().getShape();
  int64_t batches = shape[0];
  heads = shape[1];
  queries = shape[2];
  headSize = shape[3];
  keys = op.getKey().getType().getDimSize(2);
  paddedHead = (headSize + 15) / 16 * 16;
  if (op.getQuery().getType().getElementType().isF64()) {
    e.failure = "attention in f64";
    return;
  }
  auto stored = findStored(op.getResult());
  if (!stored)
    return;
  result = *stored;
  if (Value kept = op.getLogSumExp())
    logSumExp = findStored(kept);
  auto keyAppend = op.getKey().getDefiningOp<ir::CacheAppendOp>();
  auto valueAppend = op.getValue().getDefiningOp<ir::CacheAppendOp>();
  bool appends = keyAppend || valueAppend;

  // Without caches to append to, blocks of queries are tiles of their own.
  constexpr int64_t queriesPerTile = 96;
  int64_t blocks =
      appends ? 1 : (queries + queriesPerTile - 1) / queriesPerTile;
  e.encoded.tiles = uint32_t(batches * heads * blocks);
  if (blocks == 1) {
    e.encoded.innerTiles = uint32_t(heads);
    e.encoded.rowsPerBlock = uint32_t(queries);
  }
  Values index = e.delinearize(e.tile(), {batches, heads, blocks});
  batch = index[0];
  head = index[1];
  for (ir::CacheAppendOp append : {keyAppend, valueAppend})
    if (append)
      emitAppendHead(e, evaluator, append, batch, head);

  loadScale(op.getScale());
  query = viewOf(op.getQuery());
  key = viewOf(op.getKey());
  value = viewOf(op.getValue());
  if (!e.failure.empty())
    return;
  findBounds(op.getPositions(), op.getLengths());

  bool single = queries <= 4 || value.stride != 1;
  tileRows = single ? 1 : e.target.tileRows;
  queryBlock = e.scratch(tileRows * paddedHead * 4);
  output = e.scratch(tileRows * paddedHead * 4);
  int64_t scoreCount =
      single ? (keys + 15) / 16 * 16 + 16 : tileRows * keyBlock;
  scores = e.scratch(scoreCount * 4);
  if (single) {
    Value from = e.constant(0), to = endQueries;
    if (blocks > 1) {
      from = e.mul(index[2], queriesPerTile);
      to = e.min(to, e.add(from, e.constant(queriesPerTile)));
    }
    e.loop(from, to, 1, [&](Value row) { oneQuery(row); });
    return;
  }
  rowMax = e.scratch(tileRows * 4);
  rowSum = e.scratch(tileRows * 4);
  packedKeys =
      e.scratch((keys + keyBlock - 1) / keyBlock * keyBlock * headSize * 4);
  Value from = e.mul(index[2], queriesPerTile);
  if (blocks == 1)
    from = e.constant(0);
  Value to = blocks == 1
                 ? endQueries
                 : e.min(endQueries, e.add(from, e.constant(queriesPerTile)));
  e.when(e.compare(Predicate::slt, from, to), [&] {
    Value first = e.mul(e.div(firstKey(from), keyBlock), keyBlock);
    packKeys(first, endKey(e.sub(to, e.constant(1))));
    e.loop(from, to, tileRows, [&](Value row) {
      queryTile(row, e.min(to, e.add(row, e.constant(tileRows))));
    });
  });
}

} // namespace

void emitAttention(Emitter &emitter) {
  for (mlir::Operation &op : emitter.kernel.getBody().front())
    if (auto attention = llvm::dyn_cast<ir::AttentionOp>(op))
      return AttentionEmitter(emitter, attention).emit();
  emitter.failure = "no attention";
}

} // namespace gptc::cpu
