//===- AttentionHead.h - One head of one sequence --------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_CPU_COMPILER_ATTENTIONHEAD_H
#define GPTC_BACKENDS_CPU_COMPILER_ATTENTIONHEAD_H

#include "gptc/backends/cpu/compiler/Families.h"
#include "gptc/ir/StridedView.h"

namespace gptc::cpu {

/// A [B, H, rows, D] operand as an address.
struct HeadView {
  mlir::Value base;
  mlir::Type element;
  mlir::Value offset; ///< Of the head.
  int64_t rowStride;
  int64_t stride; ///< Of the last dimension.
};

/// What attention and its gradient share: a head's operands, which keys its
/// queries see, and how its results are stored.
class AttentionHead {
public:
  using Value = mlir::Value;

  template <typename Op>
  AttentionHead(Emitter &emitter, Op op)
      : e(emitter), evaluator(emitter), f32(emitter.builder.getF32Type()),
        causal(op.getCausal()), window(op.getWindow()),
        dropRate(op.getDropRate()), dropSeed(op.getDropSeed()),
        dropSite(op.getDropSite()) {}

protected:
  /// Below every score.
  static constexpr double lowest = -1e30;

  Emitter &e;
  Evaluator evaluator;
  mlir::Type f32;
  bool causal;
  std::optional<uint64_t> window;

  /// Null where every probability counts.
  Value dropRate, dropSeed, dropSite;

  int64_t heads = 0, queries = 0, keys = 0, headSize = 0, paddedHead = 0;
  Value batch, head, scale;
  /// Of the first query; how many keys and queries are there.
  Value position, keyCount, endQueries;

  void loadScale(Value operand);
  /// Sets `position`, `keyCount` and `endQueries`; without operands to all.
  void findBounds(Value positions, Value lengths);
  /// Finds the yielded value that a result becomes; nothing where nobody reads
  /// it. One that strides cannot store is a failure.
  std::optional<ir::StoredValue> findStored(Value result);
  /// Where in [B, H, T] a query's statistic is.
  Value statisticOf(Value row);
  HeadView viewOf(Value tensor);
  Value loadHead(const HeadView &view, Value row, Value d, Value mask);
  /// The lanes of a vector at `d` that are in the head; null for all.
  Value headMask(Value d);
  /// Whether a query sees one key at most. Its probability is 1, whatever the
  /// score is: of the score's gradient rounding alone would be left.
  bool seesOne() const { return keys == 1 || (window && *window == 1); }
  /// First and one past the last key that a query at `row` sees.
  Value firstKey(Value row);
  Value endKey(Value row);
  /// `x` where the probability of a pair counts, else `other`; lanes run along
  /// the keys from `key` on, or along the queries from `query` on.
  Value whereKept(Value query, Value key, bool alongQueries, Value x,
                  Value other);
  /// Writes a row, f32 at `offset` of `from` in scratch, times `factor`.
  void store(const ir::StoredValue &stored, Value row, Value from, Value offset,
             Value factor);
  /// 1 / sum, and 0 for a query that saw no key.
  Value reciprocalOf(Value sum);
  Value f(double x) { return e.floatConstant(x, f32); }
  Value wide(double x) { return e.splat(f(x)); }
};

} // namespace gptc::cpu

#endif // GPTC_BACKENDS_CPU_COMPILER_ATTENTIONHEAD_H
