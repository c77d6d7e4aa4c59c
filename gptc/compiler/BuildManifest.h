//===- BuildManifest.h - From programs to a manifest -----------*- C++ -*-===//

#ifndef GPTC_COMPILER_BUILDMANIFEST_H
#define GPTC_COMPILER_BUILDMANIFEST_H

#include "gptc/backends/cpu/compiler/Emitter.h"
#include "gptc/compiler/ModuleInfo.h"
#include "gptc/runtime/artifact/Artifact.h"

namespace gptc {

/// Everything of a manifest but targets and files, from a module in phase
/// program.
Expected<artifact::ManifestT> describeModel(mlir::ModuleOp module,
                                            const ModuleInfo &info);

/// The target "cpu": storages, kernels, programs; without variants.
Expected<std::unique_ptr<artifact::TargetT>>
describeCpuTarget(mlir::ModuleOp module, const ModuleInfo &info,
                  const artifact::ManifestT &manifest);

/// How a variant runs each kernel.
void describeVariant(artifact::VariantT &variant,
                     llvm::ArrayRef<cpu::EncodedKernel> kernels);

} // namespace gptc

#endif // GPTC_COMPILER_BUILDMANIFEST_H
