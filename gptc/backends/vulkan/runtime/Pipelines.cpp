//===- Pipelines.cpp ------------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/Pipelines.h"

#include "gptc/backends/vulkan/KernelInterface.h"
#include "gptc/backends/vulkan/runtime/PipelineCache.h"
#include "gptc/runtime/base/Sha256.h"

#include <optional>

namespace gptc::vulkan {

namespace {

/// Of the kernels' code, which the artifact holds digests of.
std::string digestOf(const artifact::VariantT &variant) {
  Sha256 hash;
  for (const auto &implementation : variant.implementations) {
    const artifact::Digest &digest = implementation->spirv->digest;
    for (uint64_t word : {digest.a(), digest.b(), digest.c(), digest.d()})
      hash.update(std::as_bytes(std::span(&word, 1)));
  }
  return Sha256::hex(hash.finish());
}

} // namespace

Expected<Pipelines> Pipelines::create(const Device &device,
                                      const Artifact &artifact,
                                      const artifact::TargetT &target,
                                      const artifact::VariantT &variant,
                                      ThreadTeam &team,
                                      const std::string &cacheFolder) {
  const Api &api = device.api();
  Pipelines pipelines;
  pipelines.device_ = &device;
  VkPushConstantRange constants{VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                sizeof(KernelConstants)};
  VkPipelineLayoutCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
  info.pushConstantRangeCount = 1;
  info.pPushConstantRanges = &constants;
  GPTC_VULKAN(api.vkCreatePipelineLayout(device.handle(), &info, nullptr,
                                         &pipelines.layout_),
              "create a pipeline layout on '{}'", device.name());
  GPTC_TRY(PipelineCache cache,
           PipelineCache::open(device, cacheFolder, digestOf(variant)));
  size_t count = variant.implementations.size();
  pipelines.pipelines_.resize(count, VK_NULL_HANDLE);
  std::vector<Status> results(count);
  team.forEach(count, [&](uint64_t i) {
    results[i] =
        pipelines.compile(target.kernels[i]->name,
                          artifact.blob(*variant.implementations[i]->spirv),
                          cache.handle(), pipelines.pipelines_[i]);
  });
  for (Status &result : results)
    GPTC_CHECK(std::move(result));
  cache.save();
  return pipelines;
}

Status Pipelines::compile(const std::string &name,
                          std::span<const std::byte> spirv,
                          VkPipelineCache cache, VkPipeline &pipeline) const {
  const Api &api = device_->api();
  VkShaderModuleCreateInfo code{};
  code.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
  code.codeSize = spirv.size();
  // Blobs begin at pages.
  code.pCode = reinterpret_cast<const uint32_t *>(spirv.data());
  VkShaderModule module = VK_NULL_HANDLE;
  GPTC_VULKAN(
      api.vkCreateShaderModule(device_->handle(), &code, nullptr, &module),
      "load kernel '{}' on the Vulkan device '{}'", name, device_->name());
  VkComputePipelineCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
  info.flags = VK_PIPELINE_CREATE_DISPATCH_BASE_BIT;
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.layout = layout_;
  info.basePipelineIndex = -1;
  VkResult result = api.vkCreateComputePipelines(device_->handle(), cache, 1,
                                                 &info, nullptr, &pipeline);
  api.vkDestroyShaderModule(device_->handle(), module, nullptr);
  GPTC_VULKAN(result, "compile kernel '{}' for the Vulkan device '{}'", name,
              device_->name());
  return {};
}

Pipelines &Pipelines::operator=(Pipelines &&other) noexcept {
  std::swap(device_, other.device_);
  std::swap(layout_, other.layout_);
  std::swap(pipelines_, other.pipelines_);
  return *this;
}

Pipelines::~Pipelines() {
  if (!device_)
    return;
  const Api &api = device_->api();
  for (VkPipeline pipeline : pipelines_)
    api.vkDestroyPipeline(device_->handle(), pipeline, nullptr);
  api.vkDestroyPipelineLayout(device_->handle(), layout_, nullptr);
}

} // namespace gptc::vulkan
