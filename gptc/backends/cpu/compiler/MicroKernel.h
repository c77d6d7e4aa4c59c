//===- MicroKernel.h - The register tile of matrix products ----*- C++ -*-===//

#ifndef GPTC_BACKENDS_CPU_COMPILER_MICROKERNEL_H
#define GPTC_BACKENDS_CPU_COMPILER_MICROKERNEL_H

#include "gptc/backends/cpu/compiler/Emitter.h"

namespace gptc::cpu {

/// How the right operand of a register tile lies in memory.
enum class PanelForm {
  Rows,  ///< Rows of f32, `stride` elements apart.
  Pairs, ///< Pairs of rows of bf16 or f16, read as f32.
  Dots,  ///< bf16 pairs of rows, for the dot product instruction.
};

/// The left operand: one address for each row of the tile.
struct TileRows {
  mlir::Value base;
  mlir::Type element;
  llvm::SmallVector<mlir::Value> offsets; ///< In elements, one a row.
  int64_t stride = 1; ///< In k; of bf16 pairs, which lie together, half of that
                      ///< from pair to pair.
  /// Of bf16 pairs, where the last step of k stands alone: that step. Nothing
  /// behind it is read.
  std::optional<int64_t> single = {};
};

/// The right operand: `vectors` vectors of columns from `offset` on.
struct TilePanel {
  mlir::Value base;
  mlir::Value offset; ///< In elements, of row 0 and the first column.
  mlir::Type element;
  PanelForm form;
  int64_t stride;       ///< Elements from row to row (pair to pair for pairs).
  mlir::Value lastMask; ///< Of the last vector, or null.
};

/// Emits accumulators += rows × panel over k in [from, to), which is even in
/// its bounds for bf16 pairs, and returns the accumulators (row by row). f32
/// accumulation in ascending order of k for each of `unroll` partial sums.
llvm::SmallVector<mlir::Value>
emitRegisterTile(Emitter &emitter, const TileRows &rows, const TilePanel &panel,
                 int vectors, mlir::Value from, mlir::Value to,
                 llvm::ArrayRef<mlir::Value> initial);

/// A vector of pairs of bf16 or f16 from element `at` on, as i32.
mlir::Value loadPairs(Emitter &emitter, mlir::Value base, mlir::Value at,
                      mlir::Type element);

/// Both halves of such pairs as f32, the low one first.
std::array<mlir::Value, 2> widenPairs(Emitter &emitter, mlir::Value pairs,
                                      mlir::Type element);

/// The bf16 pairs of two vectors of f32 that bf16 can express, `low` first, as
/// i32.
mlir::Value packPairs(Emitter &emitter, mlir::Value low, mlir::Value high);

} // namespace gptc::cpu

#endif // GPTC_BACKENDS_CPU_COMPILER_MICROKERNEL_H
