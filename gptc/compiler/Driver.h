//===- Driver.h - From a graph to an artifact ------------------*- C++ -*-===//

#ifndef GPTC_COMPILER_DRIVER_H
#define GPTC_COMPILER_DRIVER_H

#include "gptc/backends/vulkan/compiler/VulkanTarget.h"
#include "gptc/compiler/ModuleInfo.h"
#include "gptc/compiler/Phases.h"
#include "gptc/compiler/Service.h"
#include "gptc/frontend/Graph.h"

namespace gptc {

/// What an artifact carries besides the module: a file's name and content.
using CarriedFiles = std::map<std::string, std::string>;

/// Compiles a module with attached ModuleInfo, in any phase, into the artifact
/// at `output`. Equal inputs give equal bytes. The module ends in phase
/// program, as that of the last target. What goes on is told, if `progress` is
/// not empty. Vulkan's variants are those of `vulkanTargets`.
Expected<CompileSummary>
compileModule(mlir::ModuleOp module, const CarriedFiles &files,
              const std::string &output, Dump &dump,
              const TextProgress &progress = {},
              const std::vector<vulkan::VulkanTarget> &vulkanTargets =
                  vulkan::vulkanTargets());

/// Finishes a graph and compiles all of its entries for the CPU or other
/// targets, in f32 ("f32") or with narrow products ("bf16", "f16"); parameters
/// start as their initializers and `seed` say. For definitions that are no
/// language models, and tests.
Expected<CompileSummary>
compileGraph(Graph &graph, const std::string &type, uint64_t seed,
             const std::string &output,
             const std::vector<std::string> &targets = {"cpu"},
             const std::vector<vulkan::VulkanTarget> &vulkanTargets =
                 vulkan::vulkanTargets());

/// What `gptc compile` does.
Expected<CompileSummary> compileModel(const CompileRequest &request);

/// What `gptc plan` does.
Expected<PlanSummary> planModel(const CompileRequest &request);

/// What `gptc models` lists.
std::vector<ModelSummary> listModels();

} // namespace gptc

#endif // GPTC_COMPILER_DRIVER_H
