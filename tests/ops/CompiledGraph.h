//===- CompiledGraph.h - A graph on a backend, from end to end -*- C++ -*-===//

#ifndef GPTC_TESTS_OPS_COMPILEDGRAPH_H
#define GPTC_TESTS_OPS_COMPILEDGRAPH_H

#include "gptc/backends/vulkan/compiler/VulkanTarget.h"
#include "gptc/optable/OpTable.h"

#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/program/Executable.h"

namespace gptc::tests {

using namespace optable;

/// An artifact that lives as long as this, in the tests' temporary folder.
class CompiledGraph {
public:
  /// Compiles all entries of a finished graph for all variants of a target,
  /// "cpu" or "vulkan"; `type` is "f32", "bf16" or "f16". The graph ends in
  /// phase program. Variants of Vulkan that are given stand in the place of
  /// gptc's.
  static Expected<std::unique_ptr<CompiledGraph>>
  compile(Graph &graph, const std::string &type = "f32",
          const std::string &target = "cpu",
          const std::vector<vulkan::VulkanTarget> &vulkanTargets = {});
  ~CompiledGraph();

  /// Runs an entry for one variant ("x86-64-v4", "hardware"), with variables
  /// as given (the others as they start), and puts those that are not packed
  /// back as the run left them.
  Expected<HostTensors> run(const std::string &entry,
                            const std::string &variant, unsigned threads,
                            const HostTensors &arguments,
                            HostVariables &variables);

  /// The variants that it holds, of those that this machine can run.
  std::vector<std::string> variants() const;

private:
  CompiledGraph() = default;
  Expected<std::unique_ptr<Executable>> load(const std::string &variant,
                                             unsigned threads);

  std::string path_, target_;
  bool hasOwnVariants_ = false;
  std::shared_ptr<const Artifact> artifact_;
};

} // namespace gptc::tests

#endif // GPTC_TESTS_OPS_COMPILEDGRAPH_H
