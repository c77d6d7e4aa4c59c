//===- Decompose.h - Row ops as what they are made of ----------*- C++ -*-===//

#ifndef GPTC_IR_DECOMPOSE_H
#define GPTC_IR_DECOMPOSE_H

#include "mlir/IR/Block.h"

namespace gptc::ir {

/// Replaces layer_norm and softmax in a kernel's body by the reductions and the
/// arithmetic that they are, for encoders that know rows alone.
void decomposeRowOps(mlir::Block &body);

} // namespace gptc::ir

#endif // GPTC_IR_DECOMPOSE_H
