//===- AttentionBackward.cpp - Gradients of attention ---------------------===//
//
// A tile is one head of one sequence, which alone writes the gradients of its
// keys and values. It visits its queries in strips of 64, and for each of them
// the keys in tiles: probabilities are computed anew from the logarithms that
// attention left behind (Dao, 2023). The matrices are transposed, so that
// statistics of a query run along lanes and all five products are register
// tiles. Everything is f32.
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

/// Queries of a strip: the columns of its matrices.
constexpr int64_t strip = 64;

class BackwardEmitter : AttentionHead {
public:
  BackwardEmitter(Emitter &emitter, ir::AttentionBackwardOp op)
      : AttentionHead(emitter, op), op(op) {}

  void emit();

private:
  ir::AttentionBackwardOp op;
  int64_t tileRows = 1;
  HeadView query, key, value, gradient, result;
  Value logSumExp;
  std::optional<ir::StoredValue> stored[3];

  // In scratch. Of the head: keys and values [S][D], sums for both [S][D]. Of a
  // strip: its queries, times the scale, and its result's gradients, as rows
  // [64][D] and panels [D][64]; scores or probabilities of a tile of keys; how
  // the loss changes with scores, [S][64]; statistics [64]; the queries' sums
  // [64][D].
  Value keyRows, valueRows, keySums, valueSums;
  Value queryRows, queryPanel, gradientRows, gradientPanel;
  Value scores, slopes, logarithms, means, querySums;

  void reserve();
  void zero(Value base, int64_t count);
  void packRows(const HeadView &view, Value to);
  void loadStrip(const HeadView &view, Value first, Value last, Value factor,
                 Value rows, Value panel);
  void multiplyByPanel(Value rows, Value key, Value panel, Value to,
                       Value toRow, Value before);
  Value queriesBefore(Value firstQuery, Value key);
  void inHalves(Value before, llvm::function_ref<void(int64_t, int64_t)> both,
                llvm::function_ref<void(int64_t, int64_t)> unseen);
  void loadStatistics(Value first, Value last);
  Value areSeeing(Value firstQuery, Value count, Value column, Value j);
  void weigh(Value firstQuery, Value count, Value firstKey, Value before);
  void addToKeys(Value key, Value factors, Value factorRow, Value rows,
                 Value sums, Value before);
  void sumQueries(Value firstQuery, Value last);
  void oneStrip(Value firstQuery, Value endStrip);
  Value multiply(Value a, Value b) {
    return arith::MulFOp::create(e.builder, e.loc, a, b);
  }
};

void BackwardEmitter::reserve() {
  int64_t rows = keys + tileRows; // The last tile may reach beyond the keys.
  int64_t queryCount = strip + tileRows;
  const std::pair<Value *, int64_t> sizes[] = {
      {&keyRows, keys * paddedHead},
      {&valueRows, keys * paddedHead},
      {&keySums, rows * paddedHead},
      {&valueSums, rows * paddedHead},
      {&queryRows, strip * paddedHead},
      {&gradientRows, strip * paddedHead},
      {&queryPanel, headSize * strip},
      {&gradientPanel, headSize * strip},
      {&scores, tileRows * strip},
      {&slopes, rows * strip + tileRows},
      {&logarithms, strip},
      {&means, strip},
      {&querySums, queryCount * paddedHead}};
  for (auto [base, count] : sizes)
    *base = e.scratch(uint64_t(count) * 4);
}

void BackwardEmitter::zero(Value base, int64_t count) {
  e.loop(e.constant(0), e.constant(count), e.width,
         [&](Value i) { e.storeVector(wide(0.0), base, i, f32); });
}

/// Rows as f32, one after the other: each element is read by itself, again and
/// again.
void BackwardEmitter::packRows(const HeadView &view, Value to) {
  e.loop(e.constant(0), e.constant(keys), 1, [&](Value j) {
    for (int64_t v = 0; v < paddedHead; v += e.width) {
      Value d = e.constant(v);
      Value x = v < headSize ? loadHead(view, j, d, headMask(d)) : wide(0.0);
      e.storeVector(x, to, e.add(e.mul(j, paddedHead), d), f32);
    }
  });
}

/// Rows of a strip, times a factor; what is beyond `last` repeats it.
void BackwardEmitter::loadStrip(const HeadView &view, Value first, Value last,
                                Value factor, Value rows, Value panel) {
  e.loop(e.constant(0), e.constant(strip), 1, [&](Value r) {
    Value row = e.min(e.add(first, r), last);
    for (int64_t v = 0; v < paddedHead; v += e.width) {
      Value d = e.constant(v), mask = headMask(d), x = wide(0.0);
      if (v < headSize)
        x = multiply(loadHead(view, row, d, mask), e.splat(factor));
      e.storeVector(x, rows, e.add(e.mul(r, paddedHead), d), f32);
      if (v < headSize)
        e.storeStrided(x, panel, e.add(e.mul(d, strip), r), e.constant(strip),
                       f32, mask);
    }
  });
}

/// How many queries of a strip come before a key, and see neither it nor any
/// later one.
Value BackwardEmitter::queriesBefore(Value firstQuery, Value key) {
  if (!causal)
    return e.constant(0);
  return e.max(e.constant(0), e.sub(key, e.add(position, firstQuery)));
}

/// Emits `both` for the vectors of a strip, [from, to), that somebody sees, and
/// `unseen` for those of its first half if all of that is `before`.
void BackwardEmitter::inHalves(
    Value before, llvm::function_ref<void(int64_t, int64_t)> both,
    llvm::function_ref<void(int64_t, int64_t)> unseen) {
  int64_t all = strip / e.width, half = all / 2;
  if (!causal)
    return both(0, all);
  Value middle = e.constant(strip / 2);
  e.when(e.compare(Predicate::slt, before, middle), [&] { both(0, all); });
  e.when(e.compare(Predicate::sge, before, middle), [&] {
    unseen(0, half);
    both(half, all);
  });
}

/// One tile of keys or values times a panel, into rows of [..][64], but for the
/// half of them that is `before` all.
void BackwardEmitter::multiplyByPanel(Value from, Value first, Value panel,
                                      Value to, Value toRow, Value before) {
  TileRows rows{from, f32, {}};
  for (int64_t i = 0; i < tileRows; ++i) {
    // Rows beyond the last compute it again; nobody sees them.
    Value j = e.min(e.add(first, e.constant(i)), e.constant(keys - 1));
    rows.offsets.push_back(e.mul(j, paddedHead));
  }
  auto multiplyVectors = [&](int64_t begin, int64_t end) {
    int64_t vectors =
        e.width == 1 ? 4 : std::min<int64_t>(end - begin, e.target.tileVectors);
    for (int64_t v0 = begin; v0 < end; v0 += vectors) {
      Value column = e.constant(v0 * e.width);
      TilePanel columns{panel, column, f32, PanelForm::Rows, strip, Value()};
      Values result = emitRegisterTile(
          e, rows, columns, int(vectors), e.constant(0), e.constant(headSize),
          Values(size_t(tileRows * vectors), wide(0.0)));
      for (int64_t i = 0; i < int64_t(result.size()); ++i)
        e.storeVector(result[i], to,
                      e.add(e.mul(e.add(toRow, e.constant(i / vectors)), strip),
                            e.constant((v0 + i % vectors) * e.width)),
                      f32);
    }
  };
  inHalves(before, multiplyVectors, [](int64_t, int64_t) {});
}

/// Statistics of a strip's queries.
void BackwardEmitter::loadStatistics(Value first, Value last) {
  e.loop(e.constant(0), e.constant(strip), 1, [&](Value r) {
    Value row = e.min(e.add(first, r), last), sum = wide(0.0);
    for (int64_t v = 0; v < headSize; v += e.width) {
      Value d = e.constant(v);
      Value x = loadHead(result, row, d, headMask(d));
      Value y = e.loadVector(gradientRows, e.add(e.mul(r, paddedHead), d), f32);
      sum = vector::FMAOp::create(e.builder, e.loc, x, y, sum);
    }
    e.storeScalar(vector::ReductionOp::create(e.builder, e.loc,
                                              vector::CombiningKind::ADD, sum),
                  means, r, f32);
    Value known = e.loadScalar(logSumExp, statisticOf(row), f32);
    e.storeScalar(known, logarithms, r, f32);
  });
}

/// Which of a vector of queries, `column` in the strip, see a key.
Value BackwardEmitter::areSeeing(Value firstQuery, Value count, Value column,
                                 Value j) {
  Value r = arith::AddIOp::create(e.builder, e.loc, e.splat(column), e.lanes());
  Value at = arith::AddIOp::create(e.builder, e.loc, r,
                                   e.splat(e.add(position, firstQuery)));
  auto both = [&](Value a, Value b) -> Value {
    return arith::AndIOp::create(e.builder, e.loc, a, b);
  };
  Value seeing = both(e.compare(Predicate::slt, r, e.splat(count)),
                      e.compare(Predicate::slt, e.splat(j), e.splat(keyCount)));
  if (causal)
    seeing = both(seeing, e.compare(Predicate::sle, e.splat(j), at));
  if (window) {
    Value oldest = e.add(j, e.constant(int64_t(*window)));
    seeing = both(seeing, e.compare(Predicate::slt, at, e.splat(oldest)));
  }
  return seeing;
}

/// Makes probabilities of the scores of a tile of keys, and of their slopes
/// what the scores' gradients are.
void BackwardEmitter::weigh(Value firstQuery, Value count, Value firstKey,
                            Value before) {
  e.loop(e.constant(0), e.constant(tileRows), 1, [&](Value i) {
    Value j = e.add(firstKey, i);
    auto weighVector = [&](int64_t v) {
      Value column = e.constant(v * e.width);
      Value place = e.add(e.mul(i, strip), column);
      Value slopePlace = e.add(e.mul(j, strip), column);
      Value isSeen = areSeeing(firstQuery, count, column, j);
      Value shifted = arith::SubFOp::create(
          e.builder, e.loc, e.loadVector(scores, place, f32),
          e.loadVector(logarithms, column, f32));
      shifted =
          arith::SelectOp::create(e.builder, e.loc, isSeen, shifted, wide(0.0));
      Value p = arith::SelectOp::create(
          e.builder, e.loc, isSeen,
          math::ExpOp::create(e.builder, e.loc, shifted), wide(0.0));
      Value slope = e.loadVector(slopes, slopePlace, f32), counts = p;
      if (dropRate) {
        Value kept =
            whereKept(e.add(firstQuery, column), j, true, wide(1.0), wide(0.0));
        counts = multiply(p, kept);
        slope = multiply(slope, kept);
      }
      e.storeVector(counts, scores, place, f32);
      Value excess = arith::SubFOp::create(e.builder, e.loc, slope,
                                           e.loadVector(means, column, f32));
      if (seesOne())
        excess = wide(0.0);
      e.storeVector(multiply(p, excess), slopes, slopePlace, f32);
    };
    auto weighVectors = [&](int64_t from, int64_t to) {
      for (int64_t v = from; v < to; ++v)
        weighVector(v);
    };
    // Slopes are read beyond what is seen, by whole tiles of queries.
    inHalves(before, weighVectors, [&](int64_t from, int64_t to) {
      for (int64_t v = from; v < to; ++v)
        e.storeVector(wide(0.0), slopes,
                      e.add(e.mul(j, strip), e.constant(v * e.width)), f32);
    });
  });
}

/// Adds factors [..][64] times rows [64][D] to the sums of one tile of keys,
/// but for the rows `before`.
void BackwardEmitter::addToKeys(Value first, Value factors, Value factorRow,
                                Value panel, Value sums, Value before) {
  TileRows rows{factors, f32, {}};
  for (int64_t i = 0; i < tileRows; ++i)
    rows.offsets.push_back(e.mul(e.add(factorRow, e.constant(i)), strip));
  int64_t all = paddedHead / e.width;
  for (int64_t v0 = 0; v0 < all; v0 += e.target.tileVectors) {
    int64_t vectors = std::min<int64_t>(e.target.tileVectors, all - v0);
    auto place = [&](int64_t i) {
      return e.add(e.mul(e.add(first, e.constant(i / vectors)), paddedHead),
                   e.constant((v0 + i % vectors) * e.width));
    };
    Values initial;
    for (int64_t i = 0; i < tileRows * vectors; ++i)
      initial.push_back(e.loadVector(sums, place(i), f32));
    TilePanel columns{panel,      e.constant(v0 * e.width),
                      f32,        PanelForm::Rows,
                      paddedHead, Value()};
    Values result = emitRegisterTile(e, rows, columns, int(vectors), before,
                                     e.constant(strip), initial);
    for (int64_t i = 0; i < int64_t(result.size()); ++i)
      e.storeVector(result[i], sums, place(i), f32);
  }
}

/// The gradients of the strip's queries, but for the scale: the scores'
/// gradients of the keys that they see times the keys.
void BackwardEmitter::sumQueries(Value firstQuery, Value last) {
  int64_t all = paddedHead / e.width;
  Value first = firstKey(firstQuery), tile = e.constant(tileRows - 1);
  e.loop(e.constant(0), e.constant(strip), tileRows, [&](Value r) {
    Value row = e.min(e.add(e.add(firstQuery, r), tile), last);
    Value from = first, end = e.max(first, endKey(row));
    TileRows rows{slopes, f32, {}, strip};
    for (int64_t i = 0; i < tileRows; ++i)
      rows.offsets.push_back(e.add(r, e.constant(i)));
    for (int64_t v0 = 0; v0 < all; v0 += e.target.tileVectors) {
      int64_t vectors = std::min<int64_t>(e.target.tileVectors, all - v0);
      TilePanel columns{keyRows,    e.constant(v0 * e.width),
                        f32,        PanelForm::Rows,
                        paddedHead, Value()};
      Values result =
          emitRegisterTile(e, rows, columns, int(vectors), from, end,
                           Values(size_t(tileRows * vectors), wide(0.0)));
      for (int64_t i = 0; i < int64_t(result.size()); ++i)
        e.storeVector(
            result[i], querySums,
            e.add(e.mul(e.add(r, e.constant(i / vectors)), paddedHead),
                  e.constant((v0 + i % vectors) * e.width)),
            f32);
    }
  });
}

void BackwardEmitter::oneStrip(Value firstQuery, Value endStrip) {
  Value last = e.sub(endStrip, e.constant(1));
  loadStrip(query, firstQuery, last, scale, queryRows, queryPanel);
  loadStrip(gradient, firstQuery, last, f(1.0), gradientRows, gradientPanel);
  loadStatistics(firstQuery, last);
  Value from = firstKey(firstQuery), end = e.max(from, endKey(last));
  // Whole tiles of keys: those beyond the end have no probability.
  e.loop(from, end, tileRows, [&](Value j) {
    Value before = queriesBefore(firstQuery, j);
    multiplyByPanel(keyRows, j, queryPanel, scores, e.constant(0), before);
    multiplyByPanel(valueRows, j, gradientPanel, slopes, j, before);
    weigh(firstQuery, e.sub(endStrip, firstQuery), j, before);
    addToKeys(j, scores, e.constant(0), gradientRows, valueSums, before);
    addToKeys(j, slopes, j, queryRows, keySums, before);
  });
  if (!stored[0])
    return;
  sumQueries(firstQuery, last);
  e.loop(firstQuery, endStrip, 1, [&](Value row) {
    store(*stored[0], row, querySums, e.mul(e.sub(row, firstQuery), paddedHead),
          scale);
  });
}

void BackwardEmitter::emit() {
  auto shape = op.getQuery().getType().getShape();
  heads = shape[1];
  queries = shape[2];
  headSize = shape[3];
  keys = op.getKey().getType().getDimSize(2);
  paddedHead = (headSize + 15) / 16 * 16;
  tileRows = e.target.tileRows;
  if (op.getQuery().getType().getElementType().isF64()) {
    e.failure = "gradients of attention in f64";
    return;
  }
  for (int i = 0; i < 3; ++i)
    stored[i] = findStored(op->getResult(i));
  e.encoded.tiles = uint32_t(shape[0] * shape[1]);
  Values index = e.delinearize(e.tile(), {shape[0], shape[1]});
  batch = index[0];
  head = index[1];
  loadScale(op.getScale());
  query = viewOf(op.getQuery());
  key = viewOf(op.getKey());
  value = viewOf(op.getValue());
  gradient = viewOf(op.getGradient());
  result = viewOf(op.getResult());
  if (auto known = llvm::dyn_cast<mlir::BlockArgument>(op.getLogSumExp()))
    logSumExp = e.input(known);
  else
    e.failure = "statistics of attention that are no input";
  if (!e.failure.empty())
    return;
  findBounds(op.getPositions(), op.getLengths());
  reserve();
  packRows(key, keyRows);
  packRows(value, valueRows);
  zero(keySums, (keys + tileRows) * paddedHead);
  zero(valueSums, (keys + tileRows) * paddedHead);
  e.loop(e.constant(0), endQueries, strip, [&](Value first) {
    oneStrip(first, e.min(endQueries, e.add(first, e.constant(strip))));
  });
  // Nothing depends on the queries that are left.
  if (stored[0] && op.getLengths()) {
    zero(querySums, paddedHead);
    e.loop(endQueries, e.constant(queries), 1, [&](Value row) {
      store(*stored[0], row, querySums, e.constant(0), scale);
    });
  }
  e.loop(e.constant(0), e.constant(keys), 1, [&](Value row) {
    Value from = e.mul(row, paddedHead);
    if (stored[1])
      store(*stored[1], row, keySums, from, f(1.0));
    if (stored[2])
      store(*stored[2], row, valueSums, from, f(1.0));
  });
}

} // namespace

void emitAttentionBackward(Emitter &emitter, ir::AttentionBackwardOp op) {
  BackwardEmitter(emitter, op).emit();
}

} // namespace gptc::cpu
