//===- MemoryGate.h - What a program's buffers hold -------------*- C++ -*-===//

#ifndef GPTC_COMPILER_MEMORYGATE_H
#define GPTC_COMPILER_MEMORYGATE_H

#include "gptc/ir/Dialect.h"

namespace gptc {

/// Whether an entry of phase program, whose ops are valid each, finds in its
/// buffers what it put there: each buffer of the arena and each result is
/// written before it is read, nothing is written over a buffer that is read
/// later, and a launch writes over what it reads only where its kernel says
/// that it may (`tied`, `in_place`). Follows the launches in their order, and
/// knows nothing of how the plan was made. Emits one error, at the launch that
/// reads what is not there.
mlir::LogicalResult verifyMemory(mlir::func::FuncOp entry,
                                 const mlir::SymbolTable &symbols);

} // namespace gptc

#endif // GPTC_COMPILER_MEMORYGATE_H
