//===- Pipelines.h - Kernels made ready for a device -----------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_PIPELINES_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_PIPELINES_H

#include "gptc/backends/vulkan/runtime/Device.h"
#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/program/Threads.h"

namespace gptc::vulkan {

/// The layout that all kernels share: KernelConstants and nothing else.
/// Movable; the device must outlive it.
class PipelineLayout {
public:
  static Expected<PipelineLayout> create(const Device &device);
  PipelineLayout() = default;
  PipelineLayout(PipelineLayout &&other) noexcept { *this = std::move(other); }
  PipelineLayout &operator=(PipelineLayout &&other) noexcept;
  ~PipelineLayout();

  VkPipelineLayout handle() const { return layout_; }

private:
  const Device *device_ = nullptr;
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
};

/// A compiled kernel. Movable; the device must outlive it.
class Pipeline {
public:
  /// `spirv` begins at a multiple of 4 bytes; `cache` may be null. May be
  /// called by several threads. The error names the kernel.
  static Expected<Pipeline>
  compile(const Device &device, VkPipelineLayout layout, VkPipelineCache cache,
          const std::string &name, std::span<const std::byte> spirv);
  Pipeline() = default;
  Pipeline(Pipeline &&other) noexcept { *this = std::move(other); }
  Pipeline &operator=(Pipeline &&other) noexcept;
  ~Pipeline();

  VkPipeline handle() const { return pipeline_; }

private:
  const Device *device_ = nullptr;
  VkPipeline pipeline_ = VK_NULL_HANDLE;
};

/// The pipelines of a variant's kernels. Movable; the device must outlive it.
class Pipelines {
public:
  /// Compiles all kernels, several at a time, with what an earlier run left in
  /// `cacheFolder`. The error names the kernel that cannot be compiled.
  static Expected<Pipelines>
  create(const Device &device, const Artifact &artifact,
         const artifact::TargetT &target, const artifact::VariantT &variant,
         ThreadTeam &team, const std::string &cacheFolder);

  VkPipelineLayout layout() const { return layout_.handle(); }
  VkPipeline of(size_t kernel) const { return pipelines_[kernel].handle(); }

private:
  PipelineLayout layout_;
  std::vector<Pipeline> pipelines_;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_PIPELINES_H
