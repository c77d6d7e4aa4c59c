//===- ReferenceRunner.h - Artifacts on the interpreter --------*- C++ -*-===//

#ifndef GPTC_COMPILER_REFERENCERUNNER_H
#define GPTC_COMPILER_REFERENCERUNNER_H

#include "gptc/compiler/Service.h"
#include "gptc/ir/Dialect.h"

namespace gptc {

/// The bytecode of a module in phase gradient, as artifacts store it. Equal
/// modules give equal bytes.
Expected<std::vector<char>> toBytecode(mlir::ModuleOp module);

/// Opens the target "reference" of an artifact with its weights: those that
/// are embedded, or of the checkpoint (`folder`, if not empty, in place of the
/// one that the artifact names), or drawn from the seed.
Expected<std::unique_ptr<ReferenceModel>>
openReference(const Artifact &artifact, const std::string &folder);

} // namespace gptc

#endif // GPTC_COMPILER_REFERENCERUNNER_H
