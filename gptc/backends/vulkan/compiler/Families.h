//===- Families.h - One encoder a kernel family ----------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_COMPILER_FAMILIES_H
#define GPTC_BACKENDS_VULKAN_COMPILER_FAMILIES_H

#include "gptc/backends/vulkan/compiler/Evaluator.h"

namespace gptc::vulkan {

/// Each emits the body of one kernel and says how it is tiled. What it cannot
/// express is told in Emitter::failure.
void emitRowwise(Emitter &emitter);
void emitColumnwise(Emitter &emitter);
void emitCacheAppend(Emitter &emitter, ir::CacheAppendOp append);
void emitScatterAdd(Emitter &emitter, ir::ScatterAddOp scatter);
void emitConcat(Emitter &emitter, ir::ConcatOp concat);
void emitTopK(Emitter &emitter, ir::TopKOp topK);
void emitContraction(Emitter &emitter);
void emitAttention(Emitter &emitter, ir::AttentionOp op);
void emitAttentionBackward(Emitter &emitter, ir::AttentionBackwardOp op);

inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// The least power of two that is not below `count`, within [least, most].
int64_t invocationsFor(int64_t count, int64_t least, int64_t most);

/// Row space of a row program: `rows` rows of `columns`.
struct RowSpace {
  int64_t rows = 1;
  int64_t columns = 1;
};
RowSpace rowSpaceOf(mlir::Block &body);

/// Whether an op reduces the last dimension alone.
bool reducesRow(mlir::Operation *op);

/// Whether a value has an element for each column of each row; else it has one
/// for each row.
bool isFull(mlir::Value value, RowSpace space);

/// Coordinates of column `column` of row `row` in a value of a row program;
/// of one value a row, of that value.
Coordinates rowCoordinates(Emitter &emitter, mlir::Value value, mlir::Value row,
                           mlir::Value column, RowSpace space);

/// Emits the reductions among `ops` at one row, by the whole workgroup, and
/// binds them, so that what is evaluated along the row finds them done.
void bindReductions(Emitter &emitter, Evaluator &evaluator,
                    llvm::ArrayRef<mlir::Operation *> ops, mlir::Value row,
                    RowSpace space);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_COMPILER_FAMILIES_H
