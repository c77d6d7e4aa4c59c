//===- Pipelines.h - Kernels made ready for a device -----------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_PIPELINES_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_PIPELINES_H

#include "gptc/backends/vulkan/runtime/Device.h"
#include "gptc/runtime/artifact/Artifact.h"
#include "gptc/runtime/program/Threads.h"

namespace gptc::vulkan {

/// The pipelines of a variant's kernels. Movable; the device must outlive it.
class Pipelines {
public:
  /// Compiles all kernels, several at a time, with what an earlier run left in
  /// `cacheFolder`. The error names the kernel that cannot be compiled.
  static Expected<Pipelines>
  create(const Device &device, const Artifact &artifact,
         const artifact::TargetT &target, const artifact::VariantT &variant,
         ThreadTeam &team, const std::string &cacheFolder);
  Pipelines() = default;
  Pipelines(Pipelines &&other) noexcept { *this = std::move(other); }
  Pipelines &operator=(Pipelines &&other) noexcept;
  ~Pipelines();

  VkPipelineLayout layout() const { return layout_; }
  VkPipeline of(size_t kernel) const { return pipelines_[kernel]; }

private:
  Status compile(const std::string &name, std::span<const std::byte> spirv,
                 VkPipelineCache cache, VkPipeline &pipeline) const;

  const Device *device_ = nullptr;
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
  std::vector<VkPipeline> pipelines_;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_PIPELINES_H
