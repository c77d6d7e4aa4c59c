//===- AttentionLanes.cpp - Attention with a query to an invocation -------===//
//
// For drivers that make a gather, element by element, of every load: what can
// be, is computed from registers. An invocation has its queries, their scores
// and their results to itself, so that no workgroup waits for anything. One of
// four neighbours loads one of four keys, or one of four vectors of a value,
// and hands it to the others. Scores pass through workgroup memory, of which
// each invocation reads what it wrote, since loops cannot index registers.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/AttentionForward.h"

namespace gptc::vulkan {

using mlir::Value;

int64_t AttentionForward::queriesOfLane() const {
  // Vectors of results that an invocation keeps: what a compiler spills to its
  // stack is still better than a gather, but long code takes its time.
  constexpr int64_t mostResults = 64, mostQueries = 4;
  return std::min(
      {mostQueries, ceilDiv(queries, laneCount), mostResults / headQuads});
}

Value AttentionForward::laneRow(Value firstRow, int64_t i) {
  return e.add(e.add(firstRow, e.invocation()), i * laneCount);
}

AttentionForward::Values
AttentionForward::laneScores(Value firstRow, Value block, Value lastKey) {
  int64_t each = queriesOfLane();
  constexpr int64_t keyQuads = laneKeys / 4;
  Value neighbour = e.rem(e.lane(), 4);
  Value zeros = e.zero(mlir::VectorType::get({4}, e.f32()));
  return e.loopWith(
      e.constant(0), e.constant(headQuads), 1,
      Values(size_t(keyQuads * each), zeros),
      [&](Value quad, mlir::ValueRange inner) {
        Values sums(inner), mine;
        for (int64_t i = 0; i < each; ++i) {
          Value row = e.min(laneRow(firstRow, i), e.constant(queries - 1));
          mine.push_back(e.fmul(loadQuad(query, row, quad), splat(scale)));
        }
        for (int64_t g = 0; g < keyQuads; ++g) {
          Value j = e.min(e.add(e.add(block, neighbour), 4 * g), lastKey);
          Value loaded = loadQuad(key, j, quad);
          for (int d = 0; d < 4; ++d) {
            Value x = e.extract(loaded, d);
            Values ofKeys;
            for (int64_t from = 0; from < 4; ++from)
              ofKeys.push_back(e.broadcast(x, from));
            Value four = e.gather4(ofKeys);
            for (int64_t i = 0; i < each; ++i) {
              Value &sum = sums[size_t(g * each + i)];
              sum = e.fma(splat(e.extract(mine[size_t(i)], d)), four, sum);
            }
          }
        }
        return sums;
      });
}

void AttentionForward::addValues(Value firstKey, Value lastKey,
                                 llvm::ArrayRef<Value> weights, Values &sums) {
  Value neighbour = e.rem(e.lane(), 4);
  for (int64_t t = 0; t < 4; ++t) {
    Value j = e.min(e.add(firstKey, t), lastKey);
    Values splats;
    for (Value four : weights)
      splats.push_back(splat(e.extract(four, int(t))));
    for (int64_t quads = 0; quads < headQuads; quads += 4) {
      Value quad = e.min(e.add(neighbour, quads), e.constant(headQuads - 1));
      Value loaded = loadQuad(value, j, quad);
      for (int64_t from = 0; from < std::min<int64_t>(4, headQuads - quads);
           ++from) {
        Values elements;
        for (int d = 0; d < 4; ++d)
          elements.push_back(e.broadcast(e.extract(loaded, d), from));
        Value four = e.gather4(elements);
        for (size_t i = 0; i < weights.size(); ++i) {
          Value &sum = sums[i * size_t(headQuads) + size_t(quads + from)];
          sum = e.fma(splats[i], four, sum);
        }
      }
    }
  }
}

void AttentionForward::laneBlock(Value firstRow) {
  int64_t each = queriesOfLane();
  constexpr int64_t keyQuads = laneKeys / 4;
  WorkgroupArray kept = e.workgroupVectors(keyQuads * each * laneCount);
  auto keptAt = [&](Value group, int64_t i) {
    return e.add(e.mul(e.add(e.mul(group, each), i), laneCount),
                 e.invocation());
  };
  Values rows, froms, tos;
  for (int64_t i = 0; i < each; ++i) {
    rows.push_back(laneRow(firstRow, i));
    froms.push_back(this->firstKey(rows.back()));
    tos.push_back(endKey(rows.back()));
  }
  // All invocations go over the keys that any of them sees: neighbours need
  // each other for as long as one of them has keys.
  Value last =
      e.min(e.add(firstRow, laneCount * each - 1), e.add(endQueries, -1));
  Value end = endKey(last);
  Value lastKey = e.max(e.add(end, -1), e.constant(0));
  Value first = e.mul(e.div(this->firstKey(firstRow), laneKeys), laneKeys);
  Value zeros = e.zero(mlir::VectorType::get({4}, e.f32()));
  auto count = size_t(each);

  // The largest scores, the sums of weights, the results.
  Values initial(count, e.number(lowest));
  initial.append(count, e.number(0.0));
  initial.append(count * size_t(headQuads), zeros);
  Values state = e.loopWith(
      first, end, laneKeys, initial,
      [&](Value block, mlir::ValueRange carried) {
        Values scores = laneScores(firstRow, block, lastKey);
        Values largest(carried.take_front(count));
        for (int64_t g = 0; g < keyQuads; ++g)
          for (int64_t i = 0; i < each; ++i) {
            Values four;
            for (int t = 0; t < 4; ++t) {
              Value j = e.add(block, 4 * g + t);
              Value seen = e.both(e.lessEqual(froms[size_t(i)], j),
                                  e.less(j, tos[size_t(i)]));
              Value score = e.extract(scores[size_t(g * each + i)], t);
              four.push_back(e.select(seen, score, e.number(lowest)));
              largest[size_t(i)] = e.fmax(largest[size_t(i)], four.back());
            }
            e.store(e.gather4(four), kept, keptAt(e.constant(g), i));
          }
        Values next;
        for (size_t i = 0; i < count; ++i) {
          Value correction = e.exp(e.fsub(carried[i], largest[i]));
          next.push_back(e.fmul(carried[count + i], correction));
          Value wide = splat(correction);
          for (Value sum : carried.slice(2 * count + i * size_t(headQuads),
                                         size_t(headQuads)))
            next.push_back(e.fmul(wide, sum));
        }
        // [queries][sum, results] in here.
        size_t stride = 1 + size_t(headQuads);
        next = e.loopWith(
            e.constant(0), e.constant(keyQuads), 1, next,
            [&](Value group, mlir::ValueRange inner) {
              Value firstKey = e.add(block, e.mul(group, 4));
              Values totals, weights, sums;
              for (size_t i = 0; i < count; ++i) {
                Value four = e.load(kept, keptAt(group, int64_t(i)));
                Value total = inner[i * stride];
                Values counted;
                for (int t = 0; t < 4; ++t) {
                  Value p = probability(e.extract(four, t), largest[i]);
                  total = e.fadd(total, p);
                  counted.push_back(
                      whereKept(rows[i], e.add(firstKey, t), p, e.number(0.0)));
                }
                totals.push_back(total);
                weights.push_back(e.gather4(counted));
                llvm::append_range(
                    sums, inner.slice(i * stride + 1, size_t(headQuads)));
              }
              addValues(firstKey, lastKey, weights, sums);
              Values results;
              for (size_t i = 0; i < count; ++i) {
                results.push_back(totals[i]);
                llvm::append_range(
                    results, llvm::ArrayRef(sums).slice(i * size_t(headQuads),
                                                        size_t(headQuads)));
              }
              return results;
            });
        Values after(largest);
        for (size_t i = 0; i < count; ++i)
          after.push_back(next[i * stride]);
        for (size_t i = 0; i < count; ++i)
          llvm::append_range(after, llvm::ArrayRef(next).slice(
                                        i * stride + 1, size_t(headQuads)));
        return after;
      });
  for (size_t i = 0; i < count; ++i) {
    Value isThere = e.less(rows[i], e.constant(queries));
    storeLogSumExp(rows[i], isThere, state[i], state[count + i]);
    Value reciprocal = splat(reciprocalOf(state[count + i]));
    e.when(isThere, [&] {
      for (int64_t quad = 0; quad < headQuads; ++quad)
        storeQuad(
            *result, rows[i], e.constant(quad),
            e.fmul(state[2 * count + i * size_t(headQuads) + size_t(quad)],
                   reciprocal));
    });
  }
}

void AttentionForward::emitLanes() {
  auto shape = op.getQuery().getType().getShape();
  int64_t rows = laneCount * queriesOfLane();
  int64_t blocks = ceilDiv(queries, rows);
  e.innerTiles = uint32_t(shape[1]);
  if (queries % rows == 0)
    e.rowsPerBlock = uint32_t(rows);
  e.forEachTile(shape[0] * blocks * shape[1], laneCount, [&] {
    Values index = e.delinearize(e.tile(), {shape[0], blocks, shape[1]});
    batch = index[0];
    head = index[2];
    if (!prepare())
      return;
    Value firstRow = e.mul(index[1], rows);
    e.when(e.less(firstRow, endQueries), [&] { laneBlock(firstRow); });
  });
}

} // namespace gptc::vulkan
