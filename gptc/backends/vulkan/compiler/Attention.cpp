//===- Attention.cpp - Blockwise attention over keys and values -----------===//
//
// Keys and values are visited in blocks with an online softmax (Dao et al.,
// 2022): the whole score matrix never exists, and the loop ends at the last
// key that is seen. Of many queries, a workgroup takes a block of one head;
// keys, then values, pass through its memory. Of few, it takes one, and its
// invocations share out the keys. Where invocations hand each other what they
// have loaded, see AttentionLanes.cpp. Statistics and products are f32.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/AttentionForward.h"

namespace gptc::vulkan {

using mlir::Value;
using Values = llvm::SmallVector<Value>;
using Combine = Emitter::Combine;

void AttentionForward::storeLogSumExp(Value row, Value isWriter, Value largest,
                                      Value sum) {
  if (!logSumExp)
    return;
  // A sum that is no number makes the logarithm none.
  Value some = mlir::arith::CmpFOp::create(
      e.builder, e.loc, mlir::arith::CmpFPredicate::UGT, sum, e.number(0.0));
  Value logarithm = mlir::math::LogOp::create(
      e.builder, e.loc, e.select(some, sum, e.number(1.0)));
  Value x = e.fadd(e.select(some, largest, e.number(0.0)), logarithm);
  const ir::StridedView &view = logSumExp->view;
  Value at = e.constant(view.offset);
  for (auto [i, stride] : llvm::zip(Values{batch, head, row}, view.strides))
    at = e.add(at, e.mul(i, stride));
  unsigned output = logSumExp->output;
  e.when(isWriter, [&] { e.store(x, e.output(output), at); });
}

bool AttentionForward::prepare() {
  scale = e.scalar(llvm::cast<mlir::BlockArgument>(op.getScale()));
  query = viewOf(op.getQuery());
  key = viewOf(op.getKey());
  value = viewOf(op.getValue());
  if (!e.failure.empty())
    return false;
  findBounds(op.getPositions(), op.getLengths());
  return true;
}

//===----------------------------------------------------------------------===//
// Few queries
//===----------------------------------------------------------------------===//

void AttentionForward::appendRow(ir::CacheAppendOp append,
                                 const WorkgroupArray *copy) {
  Value to = evaluator.evaluate(append.getPositions(), {batch});
  int64_t extent = append.getCache().getType().getDimSize(2);
  Value isInside =
      e.both(e.lessEqual(e.constant(0), to), e.less(to, e.constant(extent)));
  e.share(headQuads, [&](Value quad) {
    Values elements;
    for (int i = 0; i < 4; ++i) {
      Value d = e.add(e.mul(quad, 4), i);
      Value safe = headSize % 4 == 0 ? d : e.min(d, e.constant(headSize - 1));
      Value x = evaluator.evaluate(append.getRows(),
                                   {batch, head, e.constant(0), safe});
      if (headSize % 4 != 0)
        x = e.select(e.less(d, e.constant(headSize)), x, e.number(0.0));
      elements.push_back(x);
    }
    Value x = e.gather4(elements);
    if (copy)
      e.store(x, *copy, quad);
    e.when(isInside, [&] { storeCacheQuad(append, to, quad, x); });
  });
}

/// Neighbours take neighbouring vectors of one key or value, groups of them
/// take every so many; the parts of a score come together in workgroup memory.
void AttentionForward::oneQuery(Value row) {
  int64_t invocations = e.invocations();
  int64_t groups = invocations / headQuads;
  // Keys of a round, of which each group has as many: what invocations and
  // workgroup memory allow, whole numbers of what is loaded at once.
  int64_t otherBytes =
      16 * (3 * headQuads + invocations) + 4 * (2 * invocations + 64);
  int64_t mostParts =
      std::min<int64_t>(5120, (workgroupMemoryBytes - otherBytes) / 4);
  int64_t each =
      std::min(invocations / groups, mostParts / ((headQuads + 1) * groups));
  int64_t atOnce = std::min(std::max<int64_t>(each, 1), e.target.loadsAtOnce);
  each = std::max(each / atOnce, int64_t(1)) * atOnce;
  int64_t roundKeys = each * groups;
  WorkgroupArray queryQuads = e.workgroupVectors(headQuads);
  WorkgroupArray parts = e.workgroupArray(roundKeys * (headQuads + 1));
  WorkgroupArray weights = e.workgroupArray(roundKeys);
  e.share(headQuads, [&](Value quad) {
    e.store(e.fmul(loadQuad(query, row, quad), splat(scale)), queryQuads, quad);
  });
  std::optional<WorkgroupArray> newKey, newValue;
  auto appendTo = [&](Value cache, std::optional<WorkgroupArray> &copy) {
    if (auto append = cache.getDefiningOp<ir::CacheAppendOp>())
      appendRow(append, &copy.emplace(e.workgroupVectors(headQuads)));
  };
  appendTo(op.getKey(), newKey);
  appendTo(op.getValue(), newValue);
  e.barrier();
  // What this kernel appends, it does not read in the cache.
  auto loadKept = [&](const HeadView &view,
                      const std::optional<WorkgroupArray> &appended, Value j,
                      Value quad) {
    Value x = loadQuad(view, j, quad);
    return appended ? e.select(e.equal(j, position), e.load(*appended, quad), x)
                    : x;
  };
  Value first = firstKey(row), end = endKey(row);
  Value last = e.max(e.add(end, -1), e.constant(0));
  Value quad = e.rem(e.invocation(), headQuads);
  // Invocations beyond the groups do what the last one does.
  Value group = e.min(e.div(e.invocation(), headQuads), e.constant(groups - 1));
  Value mine = e.load(queryQuads, quad);
  Value zeros = e.zero(mlir::VectorType::get({4}, e.f32()));
  Values state = e.loopWith(
      first, end, roundKeys, {e.number(lowest), e.number(0.0), zeros},
      [&](Value block, mlir::ValueRange carried) {
        Value count = e.min(e.sub(end, block), e.constant(roundKeys));
        // Keys of the round that a group takes at once, from its number on.
        auto atRound = [&](Value from, int64_t i) {
          return e.add(e.add(from, group), i * groups);
        };
        auto rowAt = [&](Value at) { return e.min(e.add(block, at), last); };
        e.loop(e.constant(0), count, atOnce * groups, [&](Value from) {
          Values keyQuads;
          for (int64_t i = 0; i < atOnce; ++i)
            keyQuads.push_back(
                loadKept(key, newKey, rowAt(atRound(from, i)), quad));
          for (int64_t i = 0; i < atOnce; ++i)
            e.store(sumOf(e.fmul(mine, keyQuads[size_t(i)])), parts,
                    e.add(e.mul(atRound(from, i), headQuads + 1), quad));
        });
        e.barrier();
        Value at = e.min(e.invocation(), e.constant(roundKeys - 1));
        Value score =
            e.loopWith(e.constant(0), e.constant(headQuads), 1, e.number(0.0),
                       [&](Value q, mlir::ValueRange inner) {
                         Value part =
                             e.load(parts, e.add(e.mul(at, headQuads + 1), q));
                         return Values{e.fadd(inner[0], part)};
                       })[0];
        score =
            e.select(e.less(e.invocation(), count), score, e.number(lowest));
        Value largest = e.fmax(carried[0], e.combineAll(Combine::Max, score));
        Value correction = e.exp(e.fsub(carried[0], largest));
        Value p = probability(score, largest);
        e.when(e.less(e.invocation(), e.constant(roundKeys)), [&] {
          Value j = e.add(block, e.invocation());
          e.store(whereKept(row, j, p, e.number(0.0)), weights, e.invocation());
        });
        e.barrier();
        Value sum =
            e.loopWith(e.constant(0), count, atOnce * groups,
                       e.fmul(carried[2], splat(correction)),
                       [&](Value from, mlir::ValueRange inner) {
                         Value next = inner[0];
                         for (int64_t i = 0; i < atOnce; ++i) {
                           Value at = atRound(from, i);
                           Value x = loadKept(value, newValue, rowAt(at), quad);
                           next = e.fma(splat(e.load(weights, at)), x, next);
                         }
                         return Values{next};
                       })[0];
        // The next round writes parts that were read before its barriers, and
        // weights after its own.
        return Values{largest, e.fma(carried[1], correction, p), sum};
      });
  Value total = e.combineAll(Combine::Sum, state[1]);
  Value reciprocal = reciprocalOf(total);
  storeLogSumExp(row, e.equal(e.invocation(), e.constant(0)), state[0], total);
  WorkgroupArray partials = e.workgroupVectors(invocations);
  e.store(state[2], partials, e.invocation());
  e.barrier();
  e.share(headQuads, [&](Value q) {
    Value sum =
        e.loopWith(e.constant(0), e.constant(groups), 1, zeros,
                   [&](Value g, mlir::ValueRange inner) {
                     Value x = e.load(partials, e.add(q, e.mul(g, headQuads)));
                     return Values{e.fadd(inner[0], x)};
                   })[0];
    storeQuad(*result, row, q, e.fmul(sum, splat(reciprocal)));
  });
}

void AttentionForward::emitOneQuery() {
  auto shape = op.getQuery().getType().getShape();
  e.innerTiles = uint32_t(shape[1]);
  e.rowsPerBlock = 1;
  if (headQuads > mostInvocations) {
    e.failure = "heads of more than 1024";
    return;
  }
  int64_t invocations = takesKeys() ? keyInvocations : mostInvocations;
  e.forEachTile(shape[0] * queries * shape[1], invocations, [&] {
    Values index = e.delinearize(e.tile(), {shape[0], queries, shape[1]});
    batch = index[0];
    head = index[2];
    if (!prepare())
      return;
    e.when(e.less(index[1], endQueries), [&] {
      takesKeys() ? oneQueryByKeys(index[1]) : oneQuery(index[1]);
    });
  });
}

//===----------------------------------------------------------------------===//
// Many queries
//===----------------------------------------------------------------------===//

void AttentionForward::queryBlock(Value firstRow) {
  int64_t invocations = e.invocations();
  int64_t scoresEach = blockKeys / perRow;
  int64_t quadsEach = ceilDiv(headQuads, perRow);
  // Rows are one longer than needed: that spreads them over the memory's
  // banks.
  int64_t stride = headQuads + 1;
  WorkgroupArray queryRows = e.workgroupVectors(blockRows * stride);
  WorkgroupArray keyRows = e.workgroupVectors(blockKeys * stride);
  WorkgroupArray maxima = e.workgroupArray(blockRows * (perRow + 1));
  WorkgroupArray weights = e.workgroupArray(blockRows * (blockKeys + 1));
  e.share(blockRows * headQuads, [&](Value i) {
    Value row =
        e.min(e.add(firstRow, e.div(i, headQuads)), e.constant(queries - 1));
    Value x = loadQuad(query, row, e.rem(i, headQuads));
    e.store(e.fmul(x, splat(scale)), queryRows,
            e.add(e.mul(e.div(i, headQuads), stride), e.rem(i, headQuads)));
  });
  // Neighbours have neighbouring rows: they read the same keys and values.
  Value r = e.rem(e.invocation(), blockRows);
  Value lane = e.div(e.invocation(), blockRows);
  Value row = e.add(firstRow, r);
  Value from = firstKey(row), to = endKey(row);
  Value last = e.min(e.add(firstRow, blockRows - 1), e.add(endQueries, -1));
  Value first = e.mul(e.div(firstKey(firstRow), blockKeys), blockKeys);
  Value zeros = e.zero(mlir::VectorType::get({4}, e.f32()));
  // Rows of a block on their way into workgroup memory: fetched while others
  // are computed with. What there are too few of is fetched twice.
  int64_t fetches = ceilDiv(blockKeys * headQuads, invocations);
  auto fetchedAt = [&](int64_t i) {
    return e.min(e.add(e.invocation(), i * invocations),
                 e.constant(blockKeys * headQuads - 1));
  };
  auto fetchRows = [&](const HeadView &view, Value block) {
    Values rows;
    for (int64_t i = 0; i < fetches; ++i) {
      Value at = fetchedAt(i);
      Value j = e.min(e.add(block, e.div(at, headQuads)), e.constant(keys - 1));
      rows.push_back(loadQuad(view, j, e.rem(at, headQuads)));
    }
    return rows;
  };
  auto storeRows = [&](mlir::ValueRange rows) {
    for (int64_t i = 0; i < fetches; ++i) {
      Value at = fetchedAt(i);
      e.store(rows[size_t(i)], keyRows,
              e.add(e.mul(e.div(at, headQuads), stride), e.rem(at, headQuads)));
    }
  };
  auto quadOf = [&](int64_t i) {
    return e.min(e.add(lane, i * perRow), e.constant(headQuads - 1));
  };

  Values initial{e.number(lowest), e.number(0.0)};
  initial.append(size_t(quadsEach), zeros);
  llvm::append_range(initial, fetchRows(key, first));
  Values state = e.loopWith(
      first, endKey(last), blockKeys, initial,
      [&](Value block, mlir::ValueRange carried) {
        e.barrier(); // The values of the round before are done with.
        storeRows(carried.take_back(size_t(fetches)));
        e.barrier();
        Values values = fetchRows(value, block);
        Values nextKeys = fetchRows(key, e.add(block, blockKeys));
        Values sums(size_t(scoresEach), zeros), mine;
        sums = e.loopWith(
            e.constant(0), e.constant(headQuads), 1, sums,
            [&](Value quad, mlir::ValueRange inner) {
              Values next(inner);
              Value x = e.load(queryRows, e.add(e.mul(r, stride), quad));
              for (int64_t i = 0; i < scoresEach; ++i) {
                Value j = e.add(lane, i * perRow);
                Value y = e.load(keyRows, e.add(e.mul(j, stride), quad));
                next[i] = e.fma(x, y, next[i]);
              }
              return next;
            });
        for (int64_t i = 0; i < scoresEach; ++i) {
          Value at = e.add(lane, i * perRow), j = e.add(block, at);
          Value seen = e.both(e.lessEqual(from, j), e.less(j, to));
          mine.push_back(e.select(seen, sumOf(sums[i]), e.number(lowest)));
        }
        Value most = mine[0];
        for (Value score : llvm::drop_begin(mine))
          most = e.fmax(most, score);
        Value maximaRow = e.mul(r, perRow + 1);
        e.store(most, maxima, e.add(maximaRow, lane));
        e.barrier(); // Maxima are there, and keys are done with.
        storeRows(values);
        Value largest = carried[0];
        for (int64_t i = 0; i < perRow; ++i)
          largest = e.fmax(largest, e.load(maxima, e.add(maximaRow, i)));
        Value scoreRow = e.mul(r, blockKeys + 1);
        // One that does not count for values, but for the sum, is negative.
        for (int64_t i = 0; i < scoresEach; ++i) {
          Value at = e.add(lane, i * perRow);
          Value p = probability(mine[i], largest);
          if (dropRate)
            p = e.fmul(p, whereKept(row, e.add(block, at), e.number(1.0),
                                    e.number(-1.0)));
          e.store(p, weights, e.add(scoreRow, at));
        }
        e.barrier();
        Value correction = e.exp(e.fsub(carried[0], largest));
        Values next{e.fmul(carried[1], correction)};
        for (int64_t i = 0; i < quadsEach; ++i)
          next.push_back(e.fmul(carried[2 + i], splat(correction)));
        next = e.loopWith(e.constant(0), e.constant(blockKeys), 1, next,
                          [&](Value j, mlir::ValueRange inner) {
                            Value p = e.load(weights, e.add(scoreRow, j));
                            Value whole = p;
                            if (dropRate) {
                              whole = e.fmax(p, e.fsub(e.number(0.0), p));
                              p = e.fmax(p, e.number(0.0));
                            }
                            Values added{e.fadd(inner[0], whole)};
                            for (int64_t i = 0; i < quadsEach; ++i) {
                              Value x = e.load(
                                  keyRows, e.add(e.mul(j, stride), quadOf(i)));
                              added.push_back(e.fma(splat(p), x, inner[1 + i]));
                            }
                            return added;
                          });
        next.insert(next.begin(), largest);
        llvm::append_range(next, nextKeys);
        return next;
      });
  Value reciprocal = reciprocalOf(state[1]);
  storeLogSumExp(
      row,
      e.both(e.equal(lane, e.constant(0)), e.less(row, e.constant(queries))),
      state[0], state[1]);
  for (int64_t i = 0; i < quadsEach; ++i) {
    Value quad = e.add(lane, i * perRow);
    Value stores = e.both(e.less(row, e.constant(queries)),
                          e.less(quad, e.constant(headQuads)));
    e.when(stores, [&] {
      storeQuad(*result, row, quad, e.fmul(state[2 + i], splat(reciprocal)));
    });
  }
}

bool AttentionForward::chooseBlock() {
  // The largest that workgroup memory holds.
  constexpr std::pair<int64_t, int64_t> sizes[] = {{32, 32}, {16, 32}, {8, 32},
                                                   {8, 16},  {8, 8},   {4, 8}};
  for (auto [rows, others] : sizes) {
    blockRows = rows;
    blockKeys = others;
    int64_t bytes = 16 * (rows + others) * (headQuads + 1) +
                    4 * rows * (others + 1 + perRow + 1);
    if (bytes <= workgroupMemoryBytes)
      return true;
  }
  return false;
}

void AttentionForward::emitBlocks() {
  auto shape = op.getQuery().getType().getShape();
  int64_t blocks = ceilDiv(queries, blockRows);
  e.innerTiles = uint32_t(shape[1]);
  if (queries % blockRows == 0)
    e.rowsPerBlock = uint32_t(blockRows);
  e.forEachTile(shape[0] * blocks * shape[1], perRow * blockRows, [&] {
    Values index = e.delinearize(e.tile(), {shape[0], blocks, shape[1]});
    batch = index[0];
    head = index[2];
    if (!prepare())
      return;
    Value firstRow = e.mul(index[1], blockRows);
    e.when(e.less(firstRow, endQueries), [&] { queryBlock(firstRow); });
  });
}

void AttentionForward::emit() {
  setShape(op.getQuery().getType().getShape(),
           op.getKey().getType().getDimSize(2));
  if (op.getQuery().getType().getElementType().isF64()) {
    e.failure = "attention in f64";
    return;
  }
  result = findStored(op.getResult());
  if (!result)
    return;
  if (Value kept = op.getLogSumExp())
    logSumExp = findStored(kept);
  constexpr int64_t fewQueries = 4;
  if (queries <= fewQueries)
    emitOneQuery();
  else if (e.target.broadcasts && queriesOfLane() > 0)
    emitLanes();
  else if (chooseBlock())
    emitBlocks();
  else
    emitOneQuery();
}

void emitAttention(Emitter &emitter, ir::AttentionOp op) {
  AttentionForward(emitter, op).emit();
}

} // namespace gptc::vulkan
