//===- Variants.h - The code of a target -----------------------*- C++ -*-===//

#ifndef GPTC_COMPILER_VARIANTS_H
#define GPTC_COMPILER_VARIANTS_H

#include "gptc/backends/vulkan/compiler/VulkanTarget.h"
#include "gptc/compiler/ModuleInfo.h"
#include "gptc/compiler/Phases.h"
#include "gptc/runtime/artifact/ArtifactWriter.h"

namespace gptc {

/// What kernels of a target may take in; the target must be one of those that
/// ModuleInfo lists.
passes::FusionCapabilities fusionCapabilities(const std::string &target);

/// Encodes the kernels of a module in phase program for each variant of the
/// target of that name, and adds the variants and their blobs; tells where it
/// is, if `progress` is not empty. Vulkan's variants are those of
/// `vulkanTargets`.
Status addVariants(const std::string &name, mlir::ModuleOp module,
                   const ModuleInfo &info, artifact::TargetT &target,
                   std::vector<PendingBlob> &blobs, Dump &dump,
                   const TextProgress &progress = {},
                   const std::vector<vulkan::VulkanTarget> &vulkanTargets =
                       vulkan::vulkanTargets());

} // namespace gptc

#endif // GPTC_COMPILER_VARIANTS_H
