//===- BuildModel.h - A request's graph ------------------------*- C++ -*-===//

#ifndef GPTC_COMPILER_BUILDMODEL_H
#define GPTC_COMPILER_BUILDMODEL_H

#include "gptc/compiler/ModelSource.h"
#include "gptc/compiler/ModuleInfo.h"

namespace gptc {

/// Builds every entry that a request asks for into `graph`, checks it against
/// the checkpoint, and returns what its module is to carry.
Expected<ModuleInfo> buildModel(Graph &graph, const ModelSource &source,
                                const CompileRequest &request);

} // namespace gptc

#endif // GPTC_COMPILER_BUILDMODEL_H
