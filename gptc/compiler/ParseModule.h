//===- ParseModule.h - Modules that users give as text ---------*- C++ -*-===//

#ifndef GPTC_COMPILER_PARSEMODULE_H
#define GPTC_COMPILER_PARSEMODULE_H

#include "gptc/ir/Dialect.h"
#include "gptc/runtime/base/Error.h"

namespace gptc {

/// Parses a .mlir file into a module of `context`, whose dialects are loaded.
/// Errors give the line. MLIR's parser recurses, hence text that nests deeper
/// than any module does is refused before.
Expected<mlir::OwningOpRef<mlir::ModuleOp>>
parseModule(const std::string &path, mlir::MLIRContext &context);

} // namespace gptc

#endif // GPTC_COMPILER_PARSEMODULE_H
