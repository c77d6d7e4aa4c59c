//===- PaddedRows.h - Where padding matters to nobody ----------*- C++ -*-===//

#ifndef GPTC_PASSES_PADDEDROWS_H
#define GPTC_PASSES_PADDEDROWS_H

#include "gptc/ir/Dialect.h"

namespace gptc::passes {

/// In an entry with an argument `lengths` [B], a [B, T, ...] value has padded
/// rows: those at or after lengths[b]. This analysis finds the values whose
/// padded rows influence nothing that leaves the function, from the ops that
/// read only valid rows (attention and appends with those lengths, and the
/// selection of row lengths - 1) backwards through ops that work row by row.
class PaddedRows {
public:
  explicit PaddedRows(mlir::func::FuncOp function);

  /// Marks a group, all of whose `outputs` have padded rows that matter to
  /// nobody, with `gptc.lengths` (the argument's name) and
  /// `gptc.rows_per_sequence`.
  void mark(ir::GroupOp group, llvm::ArrayRef<mlir::Value> outputs) const;

private:
  bool isRowValue(mlir::Value value) const;
  bool isNeededBy(mlir::Operation *user, mlir::OpOperand &use) const;
  bool isLastRow(mlir::Value index) const;

  mlir::Value lengths_;
  mlir::StringAttr name_;
  int64_t batch_ = 0;
  int64_t rows_ = 0;
  llvm::DenseSet<mlir::Value> needed_;
};

} // namespace gptc::passes

#endif // GPTC_PASSES_PADDEDROWS_H
