//===- AttentionKeys.cpp - Attention with a key to an invocation ----------===//
//
// Of few queries, for drivers that make a gather of every load, from buffers
// and, more slowly, from workgroup memory. An invocation has keys, their
// statistics and their part of the result to itself, in registers; only at the
// end do they come together. Of the lines of a cache that a step reads, all
// are touched before any is read to its end: a processor sees only a few
// gathers ahead, and would wait for one line after the other.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/AttentionForward.h"

namespace gptc::vulkan {

using mlir::Value;
using Combine = Emitter::Combine;

bool AttentionForward::takesKeys() {
  constexpr int64_t mostQuads = 32; // Long code takes its time.
  auto appends = [](Value operand) {
    return bool(operand.getDefiningOp<ir::CacheAppendOp>());
  };
  return e.target.broadcasts && headQuads <= mostQuads &&
         appends(op.getKey()) == appends(op.getValue());
}

AttentionForward::Values AttentionForward::newRow(ir::CacheAppendOp append) {
  Values quads;
  for (int64_t quad = 0; quad < headQuads; ++quad) {
    Values elements;
    for (int64_t d = 4 * quad; d < 4 * quad + 4; ++d)
      elements.push_back(
          d < headSize
              ? evaluator.evaluate(append.getRows(),
                                   {batch, head, e.constant(0), e.constant(d)})
              : e.number(0.0));
    quads.push_back(e.gather4(elements));
  }
  return quads;
}

/// Brings the results of all invocations together and stores them.
void AttentionForward::storeSum(Value row, Value reciprocal,
                                const Values &results) {
  // Each of four neighbours keeps the sums of one of four vectors.
  Value neighbour = e.rem(e.lane(), 4);
  int64_t kept = ceilDiv(headQuads, 4);
  WorkgroupArray partials = e.workgroupVectors(keyInvocations * headQuads);
  Value first = e.mul(e.subgroup(), headQuads);
  for (int64_t i = 0; i < kept; ++i) {
    Value sum;
    int64_t count = std::min<int64_t>(4, headQuads - 4 * i);
    for (int64_t from = 0; from < count; ++from) {
      Values elements;
      for (int d = 0; d < 4; ++d)
        elements.push_back(
            e.sumOfSubgroup(e.extract(results[size_t(4 * i + from)], d)));
      Value four = e.gather4(elements);
      sum = sum ? e.select(e.equal(neighbour, e.constant(from)), four, sum)
                : four;
    }
    Value quad = e.add(neighbour, 4 * i);
    e.when(e.both(e.less(e.lane(), e.constant(4)),
                  e.less(quad, e.constant(headQuads))),
           [&] { e.store(sum, partials, e.add(first, quad)); });
  }
  e.barrier();
  e.share(headQuads, [&](Value quad) {
    Value zeros = e.zero(mlir::VectorType::get({4}, e.f32()));
    Value sum =
        e.loopWith(e.constant(0), e.subgroups(), 1, zeros,
                   [&](Value i, mlir::ValueRange had) {
                     Value at = e.add(e.mul(i, headQuads), quad);
                     return Values{e.fadd(had[0], e.load(partials, at))};
                   })[0];
    storeQuad(*result, row, quad, e.fmul(sum, splat(reciprocal)));
  });
}

void AttentionForward::oneQueryByKeys(Value row) {
  constexpr int64_t lineQuads = 4;
  Value zeros = e.zero(mlir::VectorType::get({4}, e.f32()));
  Values mine;
  for (int64_t quad = 0; quad < headQuads; ++quad)
    mine.push_back(
        e.fmul(loadQuad(query, row, e.constant(quad)), splat(scale)));
  auto scoreOf = [&](const Values &keyQuads) {
    Value sums = e.fmul(mine[0], keyQuads[0]);
    for (size_t quad = 1; quad < keyQuads.size(); ++quad)
      sums = e.fma(mine[quad], keyQuads[quad], sums);
    return sumOf(sums);
  };
  Value first = firstKey(row), end = endKey(row);
  Values initial{e.number(lowest), e.number(0.0)};
  initial.append(size_t(headQuads), zeros);
  // The row that this kernel appends is the last that is seen, if it is: what
  // is in the cache there may be of before or after.
  auto newKey = op.getKey().getDefiningOp<ir::CacheAppendOp>();
  auto newValue = op.getValue().getDefiningOp<ir::CacheAppendOp>();
  if (newKey) {
    appendRow(newKey, nullptr);
    appendRow(newValue, nullptr);
    Value isMine =
        e.both(e.equal(e.invocation(), e.constant(0)), e.less(position, end));
    Values keyQuads = newRow(newKey), valueQuads = newRow(newValue);
    initial[0] = e.select(isMine, scoreOf(keyQuads), initial[0]);
    Value p = probability(initial[0], initial[0]);
    Value counts = whereKept(row, position, p, e.number(0.0));
    initial[1] = p;
    for (int64_t quad = 0; quad < headQuads; ++quad)
      initial[size_t(2 + quad)] = e.select(
          isMine, e.fmul(splat(counts), valueQuads[size_t(quad)]), zeros);
    end = e.min(end, position);
  }
  Value last = e.max(e.add(end, -1), e.constant(0));
  Values state = e.loopWith(
      first, end, keyInvocations, initial,
      [&](Value block, mlir::ValueRange carried) {
        Value j = e.add(block, e.invocation());
        Value safe = e.min(j, last);
        Values keyQuads{size_t(headQuads)}, valueQuads{size_t(headQuads)};
        auto load = [&](const HeadView &view, Values &to, int64_t from,
                        int64_t past) {
          for (int64_t i = from; i < past; ++i)
            for (int64_t quad = i; quad < headQuads; quad += lineQuads)
              to[size_t(quad)] = loadQuad(view, safe, e.constant(quad));
        };
        load(key, keyQuads, 0, 1);
        load(value, valueQuads, 0, 1);
        load(key, keyQuads, 1, lineQuads);
        Value score =
            e.select(e.less(j, end), scoreOf(keyQuads), e.number(lowest));
        Value largest = e.fmax(carried[0], score);
        Value correction = e.exp(e.fsub(carried[0], largest));
        Value p = probability(score, largest);
        Value counts = whereKept(row, j, p, e.number(0.0));
        Values next{largest, e.fma(carried[1], correction, p)};
        load(value, valueQuads, 1, lineQuads);
        for (int64_t quad = 0; quad < headQuads; ++quad) {
          Value sum = e.fmul(splat(correction), carried[size_t(2 + quad)]);
          next.push_back(e.fma(splat(counts), valueQuads[size_t(quad)], sum));
        }
        return next;
      });
  Value largest = e.combineAll(Combine::Max, state[0]);
  Value factor = probability(state[0], largest);
  Value total = e.combineAll(Combine::Sum, e.fmul(state[1], factor));
  storeLogSumExp(row, e.equal(e.invocation(), e.constant(0)), largest, total);
  Values results;
  for (Value sum : llvm::ArrayRef(state).drop_front(2))
    results.push_back(e.fmul(splat(factor), sum));
  storeSum(row, reciprocalOf(total), results);
}

} // namespace gptc::vulkan
