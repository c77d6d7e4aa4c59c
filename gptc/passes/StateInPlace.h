//===- StateInPlace.h - State that is computed where it lies ---*- C++ -*-===//

#ifndef GPTC_PASSES_STATEINPLACE_H
#define GPTC_PASSES_STATEINPLACE_H

#include "gptc/passes/Grouping.h"

namespace gptc::passes {

/// Spares copies of `late` into variables: the group that computes the value
/// then writes it over the variable's old value, where it alone reads that in
/// the same element, and can come after everybody else who reads it. Takes the
/// copies that are spared out of `late`, the grouping and the block, and has
/// the grouping keep the order.
void computeStateInPlace(mlir::Block &block, Grouping &grouping,
                         llvm::DenseSet<mlir::Operation *> &late);

} // namespace gptc::passes

#endif // GPTC_PASSES_STATEINPLACE_H
