//===- Families.h - One encoder a kernel family ----------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_CPU_COMPILER_FAMILIES_H
#define GPTC_BACKENDS_CPU_COMPILER_FAMILIES_H

#include "gptc/backends/cpu/compiler/Evaluator.h"

namespace gptc::cpu {

/// Each emits the body of one kernel and says how it is tiled. What it cannot
/// express is told in Emitter::failure.
void emitRowwise(Emitter &emitter);
void emitCacheAppend(Emitter &emitter, ir::CacheAppendOp append);
void emitScatterAdd(Emitter &emitter, ir::ScatterAddOp scatter);
void emitConcat(Emitter &emitter, ir::ConcatOp concat);
void emitTopK(Emitter &emitter, ir::TopKOp topK);
/// All of a contraction, or what surrounds its product where that is left to
/// oneDNN: before the product for a tile, after it for one panel of it.
enum class ContractionPart { Whole, Before, After };
void emitContraction(Emitter &emitter, ContractionPart part);
void emitAttention(Emitter &emitter);
void emitAttentionBackward(Emitter &emitter, ir::AttentionBackwardOp op);

/// Row space of a row program: `rows` rows of `columns`.
struct RowSpace {
  int64_t rows = 1;
  int64_t columns = 1;
};
RowSpace rowSpaceOf(mlir::Block &body);

/// Coordinates of column `column` of row `row` in a value of a row program
/// over `columns` columns; for one value a row, of that value.
Coordinates rowCoordinates(Emitter &emitter, mlir::Value value, mlir::Value row,
                           mlir::Value column, RowSpace space);

/// Emits the reductions among `ops` at one row and binds them, so that what
/// is evaluated along the row finds them done.
void bindReductions(Emitter &emitter, Evaluator &evaluator,
                    llvm::ArrayRef<mlir::Operation *> ops, mlir::Value row,
                    RowSpace space);

/// Appends one head's new rows to its cache: `head` counts B·H.
void emitAppendHead(Emitter &emitter, Evaluator &evaluator,
                    ir::CacheAppendOp append, mlir::Value batch,
                    mlir::Value head);

} // namespace gptc::cpu

#endif // GPTC_BACKENDS_CPU_COMPILER_FAMILIES_H
