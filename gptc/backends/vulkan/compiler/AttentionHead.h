//===- AttentionHead.h - One head of one sequence --------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_COMPILER_ATTENTIONHEAD_H
#define GPTC_BACKENDS_VULKAN_COMPILER_ATTENTIONHEAD_H

#include "gptc/backends/vulkan/compiler/Families.h"

namespace gptc::vulkan {

/// A [B, H, rows, D] operand as an address.
struct HeadView {
  BufferPointer buffer;
  mlir::Value offset; ///< Of the head.
  int64_t rowStride = 0;
  int64_t stride = 1; ///< Of the last dimension.
  /// Four elements from a multiple of four lie together and aligned.
  bool vectors = false;
};

/// What attention and its gradient share: a head's operands, which keys its
/// queries see, and how its results are stored. Heads are handled in vectors
/// of four, the last one filled up with zeros.
class AttentionHead {
public:
  using Value = mlir::Value;

  template <typename Op>
  AttentionHead(Emitter &emitter, Op op)
      : e(emitter), evaluator(emitter), causal(op.getCausal()),
        window(op.getWindow()), dropRate(op.getDropRate()),
        dropSeed(op.getDropSeed()), dropSite(op.getDropSite()) {}

protected:
  /// Below every score.
  static constexpr double lowest = -1e30;

  Emitter &e;
  Evaluator evaluator;
  bool causal;
  std::optional<uint64_t> window;

  /// Null where every probability counts.
  Value dropRate, dropSeed, dropSite;

  int64_t heads = 0, queries = 0, keys = 0, headSize = 0;
  int64_t headQuads = 0; ///< Vectors of four of a row.
  Value batch, head, scale;
  /// Of the first query; how many keys and queries are there.
  Value position, keyCount, endQueries;

  void setShape(llvm::ArrayRef<int64_t> query, int64_t keyRows);
  /// Sets `position`, `keyCount` and `endQueries`; without operands to all.
  void findBounds(Value positions, Value lengths);
  /// Finds the yielded value that a result becomes; nothing where nobody reads
  /// it. One that strides cannot store is a failure.
  std::optional<ir::StoredValue> findStored(Value result);
  /// The operand as an input, or null with a failure.
  HeadView viewOf(Value tensor);
  /// Elements [4 quad, 4 quad + 4) of a row.
  Value loadQuad(const HeadView &view, Value row, Value quad);
  void storeQuad(const ir::StoredValue &stored, Value row, Value quad, Value x);
  /// Stores part of a new row of a cache.
  void storeCacheQuad(ir::CacheAppendOp append, Value row, Value quad, Value x);
  /// Where in [B, H, T] a query's statistic is.
  Value statisticOf(Value row);
  Value splat(Value scalar);
  /// The sum of a vector's elements.
  Value sumOf(Value vector);
  /// Whether a query sees one key at most. Its probability is 1, whatever the
  /// score is: of the score's gradient rounding alone would be left.
  bool seesOne() const { return keys == 1 || (window && *window == 1); }
  /// First and one past the last key that a query at `row` sees.
  Value firstKey(Value row);
  Value endKey(Value row);
  /// 1 / sum, and 0 for a query that saw no key.
  Value reciprocalOf(Value sum);
  /// `x` where the probability of a pair counts, else `other`.
  Value whereKept(Value query, Value key, Value x, Value other);
  /// exp(score - largest), and 0 for a score that is not seen.
  Value probability(Value score, Value largest);
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_COMPILER_ATTENTIONHEAD_H
