//===- VulkanTarget.cpp ---------------------------------------------------===//

#include "gptc/backends/vulkan/compiler/VulkanTarget.h"

#include "gptc/backends/vulkan/Features.h"

namespace gptc::vulkan {

const std::vector<VulkanTarget> &vulkanTargets() {
  static const std::vector<VulkanTarget> targets{
      {"hardware",
       {feature::hardware},
       /*usesWorkgroupMemory=*/true,
       /*unrollsLoops=*/true,
       {{128, 128, 16, 8, 8, 1},
        {64, 64, 32, 8, 8, 4},
        {32, 64, 64, 4, 8, 4},
        {32, 32, 64, 4, 4, 4},
        {16, 32, 64, 4, 4, 8},
        {16, 16, 128, 4, 4, 16}},
       /*processors=*/128,
       /*operationsPerWait=*/500000,
       /*operationsPerByte=*/10,
       /*loadsAtOnce=*/8},
      {"software",
       {},
       /*usesWorkgroupMemory=*/false,
       /*unrollsLoops=*/false,
       {{8, 128, 4, 8, 16, 1}, {8, 32, 4, 4, 4, 1}},
       /*processors=*/4,
       /*operationsPerWait=*/0,
       /*operationsPerByte=*/0,
       /*loadsAtOnce=*/2}};
  return targets;
}

} // namespace gptc::vulkan
