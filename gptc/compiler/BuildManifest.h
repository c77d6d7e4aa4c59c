//===- BuildManifest.h - From programs to a manifest -----------*- C++ -*-===//

#ifndef GPTC_COMPILER_BUILDMANIFEST_H
#define GPTC_COMPILER_BUILDMANIFEST_H

#include "gptc/compiler/ModuleInfo.h"
#include "gptc/runtime/artifact/Artifact.h"

namespace gptc {

/// Everything of a manifest but targets and files, from a module in phase
/// program.
Expected<artifact::ManifestT> describeModel(mlir::ModuleOp module,
                                            const ModuleInfo &info);

/// A target: storages, kernels, programs; without variants. The module is the
/// target's own, in phase program.
Expected<std::unique_ptr<artifact::TargetT>>
describeTarget(const std::string &name, mlir::ModuleOp module,
               const ModuleInfo &info);

} // namespace gptc

#endif // GPTC_COMPILER_BUILDMANIFEST_H
