//===- AttentionForward.h - Encoding of an attention op --------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_COMPILER_ATTENTIONFORWARD_H
#define GPTC_BACKENDS_VULKAN_COMPILER_ATTENTIONFORWARD_H

#include "gptc/backends/vulkan/compiler/AttentionHead.h"

namespace gptc::vulkan {

/// Encodes a kernel whose body is an attention op. How depends on the number of
/// queries and on the target.
class AttentionForward : AttentionHead {
public:
  AttentionForward(Emitter &emitter, ir::AttentionOp op)
      : AttentionHead(emitter, op), op(op) {}

  void emit();

private:
  using Values = Emitter::Values;

  ir::AttentionOp op;
  HeadView query, key, value;
  std::optional<ir::StoredValue> result;
  std::optional<ir::StoredValue> logSumExp;

  /// Finds the operands; to be called within the tile.
  bool prepare();
  /// Stores the logarithm of a row's sum, if it is asked for; 0 for a query
  /// that saw no key.
  void storeLogSumExp(Value row, Value isWriter, Value largest, Value sum);

  // Few queries: a workgroup each.
  void emitOneQuery();
  /// Appends the one new row of a cache, if it is valid and inside, and copies
  /// it to workgroup memory if that is given: what this kernel appends it does
  /// not read in the cache.
  void appendRow(ir::CacheAppendOp append, const WorkgroupArray *copy);
  void oneQuery(Value row);

  // Few queries, a workgroup each, in registers: an invocation has some keys by
  // itself.
  static constexpr int64_t keyInvocations = 8;
  bool takesKeys();
  void oneQueryByKeys(Value row);
  /// The row that an append brings, as vectors of four.
  Values newRow(ir::CacheAppendOp append);
  void storeSum(Value row, Value reciprocal, const Values &results);

  // Many queries, through workgroup memory: a block, and the invocations that
  // share a row of it. Each has some of the row's scores, and some vectors of
  // its result.
  int64_t blockRows = 0, blockKeys = 0;
  static constexpr int64_t perRow = 8;
  /// Whether workgroup memory holds a block of such heads at all.
  bool chooseBlock();
  void emitBlocks();
  void queryBlock(Value firstRow);

  // Many queries, in registers: each invocation has some by itself, as many
  // workgroups of `laneCount` do.
  static constexpr int64_t laneCount = 16, laneKeys = 16;
  /// How many queries an invocation takes; 0 where heads are too large for it.
  int64_t queriesOfLane() const;
  void emitLanes();
  void laneBlock(Value firstRow);
  /// Scores of [laneKeys / 4][queries] vectors of four keys from `block` on,
  /// before any is left out.
  Values laneScores(Value firstRow, Value block, Value lastKey);
  /// Adds the values of four keys, by their weights, to results: vectors of
  /// [queries][headQuads].
  void addValues(Value firstKey, Value lastKey, llvm::ArrayRef<Value> weights,
                 Values &sums);
  /// Row of an invocation's query.
  Value laneRow(Value firstRow, int64_t i);
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_COMPILER_ATTENTIONFORWARD_H
