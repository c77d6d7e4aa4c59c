//===- Pipelines.cpp ------------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/Pipelines.h"

#include "gptc/backends/vulkan/KernelInterface.h"
#include "gptc/runtime/base/Sha256.h"

#include <algorithm>

namespace gptc::vulkan {

Expected<PipelineLayout> PipelineLayout::create(const Device &device) {
  PipelineLayout layout;
  VkPushConstantRange constants{VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                sizeof(KernelConstants)};
  VkPipelineLayoutCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
  info.pushConstantRangeCount = 1;
  info.pPushConstantRanges = &constants;
  GPTC_VULKAN(device.api().vkCreatePipelineLayout(device.handle(), &info,
                                                  nullptr, &layout.layout_),
              "create a pipeline layout on '{}'", device.name());
  layout.device_ = &device;
  return layout;
}

PipelineLayout &PipelineLayout::operator=(PipelineLayout &&other) noexcept {
  std::swap(device_, other.device_);
  std::swap(layout_, other.layout_);
  return *this;
}

PipelineLayout::~PipelineLayout() {
  if (device_)
    device_->api().vkDestroyPipelineLayout(device_->handle(), layout_, nullptr);
}

Expected<Pipeline> Pipeline::compile(const Device &device,
                                     VkPipelineLayout layout,
                                     VkPipelineCache cache,
                                     const std::string &name,
                                     std::span<const std::byte> spirv) {
  const Api &api = device.api();
  VkShaderModuleCreateInfo code{};
  code.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
  code.codeSize = spirv.size();
  code.pCode = reinterpret_cast<const uint32_t *>(spirv.data());
  VkShaderModule module = VK_NULL_HANDLE;
  GPTC_VULKAN(
      api.vkCreateShaderModule(device.handle(), &code, nullptr, &module),
      "load kernel '{}' on the Vulkan device '{}'", name, device.name());
  // NOLINTNEXTLINE(bugprone-invalid-enum-default-initialization): set below.
  VkComputePipelineCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
  info.flags = VK_PIPELINE_CREATE_DISPATCH_BASE_BIT;
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfoEXT subgroups{};
  subgroups.sType =
      VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO_EXT;
  subgroups.requiredSubgroupSize = matrixInvocations;
  if (declaresMatrices({code.pCode, spirv.size() / sizeof(uint32_t)})) {
    info.stage.pNext = &subgroups;
    info.stage.flags =
        VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT;
  }
  info.layout = layout;
  info.basePipelineIndex = -1;
  Pipeline pipeline;
  VkResult result = api.vkCreateComputePipelines(
      device.handle(), cache, 1, &info, nullptr, &pipeline.pipeline_);
  api.vkDestroyShaderModule(device.handle(), module, nullptr);
  GPTC_VULKAN(result, "compile kernel '{}' for the Vulkan device '{}'", name,
              device.name());
  pipeline.device_ = &device;
  return pipeline;
}

Pipeline &Pipeline::operator=(Pipeline &&other) noexcept {
  std::swap(device_, other.device_);
  std::swap(pipeline_, other.pipeline_);
  return *this;
}

Pipeline::~Pipeline() {
  if (device_)
    device_->api().vkDestroyPipeline(device_->handle(), pipeline_, nullptr);
}

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
                                      const std::string &cacheFolder) {
  Pipelines pipelines;
  pipelines.device_ = &device;
  pipelines.artifact_ = &artifact;
  pipelines.target_ = &target;
  pipelines.variant_ = &variant;
  pipelines.pipelines_.resize(variant.implementations.size());
  GPTC_TRY(pipelines.layout_, PipelineLayout::create(device));
  GPTC_TRY(pipelines.cache_,
           PipelineCache::open(device, cacheFolder, digestOf(variant)));
  return pipelines;
}

Status Pipelines::require(std::vector<uint32_t> kernels, ThreadTeam &team) {
  std::sort(kernels.begin(), kernels.end());
  kernels.erase(std::unique(kernels.begin(), kernels.end()), kernels.end());
  std::erase_if(kernels, [&](uint32_t kernel) { return of(kernel); });
  if (kernels.empty())
    return {};
  std::vector<Status> results(kernels.size());
  team.forEach(kernels.size(), [&](uint64_t i) {
    uint32_t kernel = kernels[i];
    auto pipeline = Pipeline::compile(
        *device_, layout(), cache_.handle(), target_->kernels[kernel]->name,
        artifact_->blob(*variant_->implementations[kernel]->spirv));
    if (pipeline)
      pipelines_[kernel] = std::move(*pipeline);
    else
      results[i] = tl::unexpected(std::move(pipeline).error());
  });
  for (Status &result : results)
    GPTC_CHECK(std::move(result));
  cache_.save();
  return {};
}

} // namespace gptc::vulkan
