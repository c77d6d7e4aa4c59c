//===- Pipelines.h - Kernels made ready for a device -----------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_PIPELINES_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_PIPELINES_H

#include "gptc/backends/vulkan/runtime/PipelineCache.h"
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

/// The pipelines of a variant's kernels, each compiled when it is first needed:
/// an artifact holds many more than one command runs, and drivers take long.
/// Movable; device, artifact, target and variant must outlive it.
class Pipelines {
public:
  /// Opens what an earlier run left in `cacheFolder`, and compiles nothing.
  static Expected<Pipelines> create(const Device &device,
                                    const Artifact &artifact,
                                    const artifact::TargetT &target,
                                    const artifact::VariantT &variant,
                                    const std::string &cacheFolder);

  /// Compiles those of the kernels that are not, several at a time, and keeps
  /// them for the next run. The error names the kernel that cannot be
  /// compiled.
  Status require(std::vector<uint32_t> kernels, ThreadTeam &team);
  VkPipelineLayout layout() const { return layout_.handle(); }
  /// Of a kernel that was required.
  VkPipeline of(size_t kernel) const { return pipelines_[kernel].handle(); }

private:
  const Device *device_ = nullptr;
  const Artifact *artifact_ = nullptr;
  const artifact::TargetT *target_ = nullptr;
  const artifact::VariantT *variant_ = nullptr;
  PipelineLayout layout_;
  PipelineCache cache_;
  std::vector<Pipeline> pipelines_;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_PIPELINES_H
