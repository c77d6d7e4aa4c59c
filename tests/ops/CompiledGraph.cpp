//===- CompiledGraph.cpp --------------------------------------------------===//

#include "CompiledGraph.h"

#include "gptc/backends/vulkan/Features.h"
#include "gptc/backends/vulkan/runtime/DeviceRecords.h"
#include "gptc/backends/vulkan/runtime/ListDevices.h"
#include "gptc/backends/vulkan/runtime/VulkanProgram.h"
#include "gptc/compiler/Driver.h"
#include "gptc/optable/StoredTensor.h"
#include "gptc/runtime/program/Program.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <unistd.h>

namespace gptc::tests {

Expected<std::unique_ptr<CompiledGraph>>
CompiledGraph::compile(Graph &graph, const std::string &type,
                       const std::string &target,
                       const std::vector<vulkan::VulkanTarget> &vulkanTargets) {
  static int count = 0;
  std::unique_ptr<CompiledGraph> compiled(new CompiledGraph());
  compiled->path_ = fmt::format("{}gptc-ops-{}-{}.gptc", testing::TempDir(),
                                getpid(), count++);
  compiled->target_ = target;
  compiled->hasOwnVariants_ = !vulkanTargets.empty();
  GPTC_CHECK(compileGraph(graph, type, 0, compiled->path_, {target},
                          compiled->hasOwnVariants_ ? vulkanTargets
                                                    : vulkan::vulkanTargets()));
  GPTC_TRY(compiled->artifact_, Artifact::open(compiled->path_));
  return compiled;
}

CompiledGraph::~CompiledGraph() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

Expected<std::unique_ptr<Executable>>
CompiledGraph::load(const std::string &variant, unsigned threads) {
  if (target_ == "vulkan") {
    vulkan::VulkanOptions options;
    options.variant = variant;
    options.threads = threads;
    options.cacheFolder = "";
    return vulkan::loadVulkanProgram(artifact_, options);
  }
  LoadOptions options;
  options.variant = variant;
  options.threads = threads;
  GPTC_TRY(std::unique_ptr<Executable> program,
           Program::load(artifact_, options));
  return program;
}

Expected<HostTensors> CompiledGraph::run(const std::string &entryName,
                                         const std::string &variant,
                                         unsigned threads,
                                         const HostTensors &arguments,
                                         HostVariables &variables) {
  GPTC_TRY(auto program, load(variant, threads));
  const artifact::ManifestT &manifest = artifact_->manifest();
  const artifact::TargetT &target = program->target();
  int found = artifact_->findEntry(entryName);
  if (found < 0)
    return failure(ErrorCode::NotFound, "no entry '{}'", entryName);
  auto index = uint32_t(found);
  const artifact::EntryT &entry = *manifest.entries[index];
  if (entry.arguments.size() != arguments.size())
    return failure(ErrorCode::Internal, "the entry has {} arguments, not {}",
                   entry.arguments.size(), arguments.size());
  for (size_t i = 0; i < manifest.variables.size(); ++i)
    if (auto given = variables.find(manifest.variables[i]->name);
        given != variables.end()) {
      GPTC_CHECK(program->writeVariable(i, storeVariable(given->second,
                                                         *manifest.variables[i],
                                                         *target.storages[i])));
    }
  for (size_t i = 0; i < arguments.size(); ++i) {
    const HostTensor &argument = arguments[i];
    std::span<std::byte> to = program->argument(index, i);
    size_t bytes = sizeOf(argument.type);
    // A scalar has eight bytes, whatever its type.
    if (to.size() != argument.values.size() * bytes &&
        !entry.arguments[i]->scalar)
      return failure(ErrorCode::Internal, "argument {} has {} bytes, not {}", i,
                     to.size(), argument.values.size() * bytes);
    for (size_t j = 0; j < argument.values.size(); ++j)
      writeElement(to.data(), argument.type, j, argument.values[j]);
  }
  GPTC_CHECK(program->run(index));
  HostTensors results;
  for (size_t i = 0; i < entry.results.size(); ++i)
    results.push_back(loadTensor(entry.results[i]->type,
                                 entry.results[i]->shape,
                                 program->result(index, i)));
  for (size_t i = 0; i < manifest.variables.size(); ++i)
    // Packed ones are read by products alone: nothing assigns them.
    if (target.storages[i]->layout == artifact::Layout::RowMajor) {
      GPTC_TRY(auto bytes, program->readVariable(i));
      variables[manifest.variables[i]->name] = loadTensor(
          manifest.variables[i]->type, manifest.variables[i]->shape, bytes);
    }
  return results;
}

std::vector<std::string> CompiledGraph::variants() const {
  std::vector<std::string> names;
  const artifact::TargetT &target = *artifact_->findTarget(target_);
  if (hasOwnVariants_) {
    for (const auto &variant : target.variants)
      names.push_back(variant->name);
    return names;
  }
  if (target_ == "vulkan") {
    // Those of GPUs, which software devices run as well, and the one that the
    // device would take: those behind it are others' (DeviceCheckTest).
    auto devices = vulkan::listDevices();
    if (!devices || devices->empty())
      return names;
    std::vector<std::string> gpu = devices->front().features;
    gpu.emplace_back(vulkan::feature::hardware);
    bool isTaken = false;
    for (const auto &variant : target.variants) {
      bool forGpus = variant->name.starts_with("hardware");
      bool taken =
          !forGpus && !isTaken &&
          vulkan::missingOf(*variant, devices->front().features).empty();
      isTaken |= taken;
      if (taken || (forGpus && vulkan::missingOf(*variant, gpu).empty()))
        names.push_back(variant->name);
    }
    return names;
  }
  for (const auto &variant : target.variants)
    if (missingFeatures(variant->features).empty())
      names.push_back(variant->name);
  return names;
}

} // namespace gptc::tests
