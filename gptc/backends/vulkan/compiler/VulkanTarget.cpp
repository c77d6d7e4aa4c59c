//===- VulkanTarget.cpp ---------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/VulkanTarget.h"

#include "gptc/backends/vulkan/Features.h"

namespace gptc::vulkan {

const std::vector<VulkanTarget> &vulkanTargets() {
  static const std::vector<VulkanTarget> targets{
      {"hardware",
       {feature::hardware},
       /*usesWorkgroupMemory=*/true,
       {{128, 128, 16, 8, 8}, {64, 64, 32, 4, 4}, {32, 64, 32, 4, 4}},
       /*workgroups=*/128},
      {"software",
       {},
       /*usesWorkgroupMemory=*/false,
       {{8, 128, 4, 8, 16}},
       /*workgroups=*/4}};
  return targets;
}

} // namespace gptc::vulkan
