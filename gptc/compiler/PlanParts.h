//===- PlanParts.h - Which part of a model takes what ----------*- C++ -*-===//
//
// A part is what layers have in common: the scope of an op without the layer's
// number. The names are the definition's own; nothing here knows a model.
//
//===----------------------------------------------------------------------===//

#ifndef GPTC_COMPILER_PLANPARTS_H
#define GPTC_COMPILER_PLANPARTS_H

#include "gptc/compiler/Service.h"
#include "gptc/ir/Dialect.h"

namespace gptc {

/// The part of a scope: "h.3/attn/c_attn" is of "attn/c_attn", "h.3/ln_1" of
/// "ln", "h.3" alone of "h", and "optimizer/wte.weight", which ends with a
/// variable, of "optimizer". "other" without a scope.
std::string partOf(llvm::StringRef scope,
                   llvm::function_ref<bool(llvm::StringRef)> isVariable);

/// Operations and bytes of an entry in phase gradient by part and pass, in the
/// order of the entry; their sums are its cost. Bytes of an argument belong to
/// the part that reads it first, of a variable to the one that names it first,
/// of a result to the one that computes it.
std::vector<WorkPart> workOf(mlir::func::FuncOp entry);

/// Adds what the dispatches of the same entry read and write, as `program`
/// describes them, to the work of their parts. The entry is in phase program.
void addTraffic(mlir::func::FuncOp entry, const artifact::ProgramT &program,
                std::vector<WorkPart> &work);

/// What lies in memory when the arena of an entry in phase program holds most:
/// variables by kind, values by what becomes of them, all by part. `vocabulary`
/// is the last dimension of logits. The sum is that of all variables and of the
/// arena.
std::vector<MemoryPart> memoryOf(mlir::func::FuncOp entry, uint64_t vocabulary);

} // namespace gptc

#endif // GPTC_COMPILER_PLANPARTS_H
