//===- MatrixDeviceTest.cpp - A driver that claims cooperative matrices ---===//
//
// No driver here has them: functions between gptc and the driver say so in its
// place, and tell what gptc asks for.
//
//===----------------------------------------------------------------------===//

#include "gptc/backends/vulkan/Features.h"
#include "gptc/backends/vulkan/KernelInterface.h"
#include "gptc/backends/vulkan/runtime/Device.h"
#include "gptc/backends/vulkan/runtime/Pipelines.h"
#include "tests/vulkan/Driver.h"

#include <cstring>
#include <gmock/gmock.h>

namespace gptc::vulkan {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

/// The driver's own functions, and what it was asked for.
struct Claim {
  static inline PFN_vkEnumerateDeviceExtensionProperties extensions = nullptr;
  static inline PFN_vkGetPhysicalDeviceFeatures2 features = nullptr;
  static inline PFN_vkGetPhysicalDeviceProperties2 properties = nullptr;
  static inline std::vector<std::string> enabled;
  static inline uint32_t subgroup = 0;
  static inline uint32_t subgroupsOfWorkgroup = 8;
  static inline bool isFull = false;
};

constexpr const char *claimed[] = {VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME,
                                   VK_KHR_SHADER_BFLOAT16_EXTENSION_NAME,
                                   VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME};

VkResult VKAPI_PTR listExtensions(VkPhysicalDevice device, const char *layer,
                                  uint32_t *count,
                                  VkExtensionProperties *properties) {
  uint32_t own = 0;
  VkResult result = Claim::extensions(device, layer, &own, nullptr);
  if (result != VK_SUCCESS)
    return result;
  *count = own + uint32_t(std::size(claimed));
  if (!properties)
    return VK_SUCCESS;
  for (size_t i = 0; i < std::size(claimed); ++i)
    std::strcpy(properties[own + i].extensionName, claimed[i]);
  return Claim::extensions(device, layer, &own, properties);
}

/// Calls `of` on what stands behind each other on a chain.
template <typename Function> void forEach(void *chain, Function &&of) {
  for (auto *one = static_cast<VkBaseOutStructure *>(chain); one;
       one = one->pNext)
    of(one);
}

/// Whether a query is the one for matrices, which the driver knows nothing of.
bool isOfMatrices(void *chain) {
  bool found = false;
  forEach(chain, [&](VkBaseOutStructure *one) {
    found =
        found ||
        one->sType ==
            VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR ||
        one->sType ==
            VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
  });
  return found;
}

void VKAPI_PTR getFeatures(VkPhysicalDevice device,
                           VkPhysicalDeviceFeatures2 *features) {
  if (!isOfMatrices(features))
    return Claim::features(device, features);
  forEach(features, [](VkBaseOutStructure *one) {
    if (one->sType ==
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR)
      reinterpret_cast<VkPhysicalDeviceCooperativeMatrixFeaturesKHR *>(one)
          ->cooperativeMatrix = VK_TRUE;
    if (one->sType ==
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR) {
      auto *bf16 =
          reinterpret_cast<VkPhysicalDeviceShaderBfloat16FeaturesKHR *>(one);
      bf16->shaderBFloat16Type = VK_TRUE;
      bf16->shaderBFloat16CooperativeMatrix = VK_TRUE;
    }
    if (one->sType ==
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT) {
      auto *sizes =
          reinterpret_cast<VkPhysicalDeviceSubgroupSizeControlFeaturesEXT *>(
              one);
      sizes->subgroupSizeControl = VK_TRUE;
      sizes->computeFullSubgroups = VK_TRUE;
    }
  });
}

void VKAPI_PTR getProperties(VkPhysicalDevice device,
                             VkPhysicalDeviceProperties2 *properties) {
  if (!isOfMatrices(properties))
    return Claim::properties(device, properties);
  forEach(properties, [](VkBaseOutStructure *one) {
    if (one->sType ==
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_PROPERTIES_KHR)
      reinterpret_cast<VkPhysicalDeviceCooperativeMatrixPropertiesKHR *>(one)
          ->cooperativeMatrixSupportedStages = VK_SHADER_STAGE_COMPUTE_BIT;
    if (one->sType ==
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT) {
      auto *range =
          reinterpret_cast<VkPhysicalDeviceSubgroupSizeControlPropertiesEXT *>(
              one);
      range->minSubgroupSize = 32;
      range->maxSubgroupSize = 64;
      range->maxComputeWorkgroupSubgroups = Claim::subgroupsOfWorkgroup;
      range->requiredSubgroupSizeStages = VK_SHADER_STAGE_COMPUTE_BIT;
    }
  });
}

/// RDNA3's, one of another extent, and bf16.
VkResult VKAPI_PTR listProducts(VkPhysicalDevice, uint32_t *count,
                                VkCooperativeMatrixPropertiesKHR *properties) {
  *count = 2;
  if (!properties)
    return VK_SUCCESS;
  for (uint32_t i = 0; i < *count; ++i) {
    EXPECT_EQ(properties[i].sType,
              VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR);
    properties[i].MSize = properties[i].NSize = properties[i].KSize = 16;
    properties[i].CType = properties[i].ResultType =
        VK_COMPONENT_TYPE_FLOAT32_KHR;
    properties[i].scope = VK_SCOPE_SUBGROUP_KHR;
  }
  properties[0].AType = properties[0].BType = VK_COMPONENT_TYPE_BFLOAT16_KHR;
  properties[1].AType = properties[1].BType = VK_COMPONENT_TYPE_FLOAT16_KHR;
  properties[1].NSize = 8;
  return VK_SUCCESS;
}

VkResult VKAPI_PTR noteDevice(VkPhysicalDevice, const VkDeviceCreateInfo *info,
                              const VkAllocationCallbacks *, VkDevice *) {
  Claim::enabled.assign(info->ppEnabledExtensionNames,
                        info->ppEnabledExtensionNames +
                            info->enabledExtensionCount);
  return VK_ERROR_FEATURE_NOT_PRESENT;
}

void claimMatrices(Api &api) {
  auto stand = [](auto &function, auto &original, auto in) {
    if (!function || function == in)
      return;
    original = function;
    function = in;
  };
  stand(api.vkEnumerateDeviceExtensionProperties, Claim::extensions,
        listExtensions);
  stand(api.vkGetPhysicalDeviceFeatures2, Claim::features, getFeatures);
  stand(api.vkGetPhysicalDeviceProperties2, Claim::properties, getProperties);
  if (api.vkEnumeratePhysicalDevices)
    api.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR = listProducts;
  if (api.vkCreateDevice)
    api.vkCreateDevice = noteDevice;
}

class MatrixDevice : public testing::Test {
protected:
  void SetUp() override {
    if (std::string reason = reasonWithoutDevice(); !reason.empty())
      GTEST_SKIP() << reason;
  }
};

TEST_F(MatrixDevice, IsDescribedByWhatItsDriverLists) {
  auto instance = Instance::create(claimMatrices);
  ASSERT_TRUE(instance) << instance.error().message();
  for (const DeviceSnapshot &device : (*instance)->devices()) {
    EXPECT_EQ(device.matrices.products.size(), 2u);
    EXPECT_THAT(device.features,
                IsSupersetOf({std::string("subgroups-of-32"),
                              std::string("cooperative-matrix-bf16")}));
    // Of other extents than those that kernels are made for.
    EXPECT_THAT(device.features, Not(Contains("cooperative-matrix-f16")));
  }
}

TEST_F(MatrixDevice, HasRoomForAllSubgroupsOfAWorkgroup) {
  Claim::subgroupsOfWorkgroup = 7;
  auto instance = Instance::create(claimMatrices);
  Claim::subgroupsOfWorkgroup = 8;
  ASSERT_TRUE(instance) << instance.error().message();
  for (const DeviceSnapshot &device : (*instance)->devices())
    EXPECT_THAT(device.features, Not(Contains("subgroups-of-32")));
}

TEST_F(MatrixDevice, IsOpenedWithTheirExtensionsOnlyWhereTheyAreWanted) {
  DeviceOptions options;
  options.intercept = claimMatrices;
  Claim::enabled = {"of an earlier device"};
  ASSERT_FALSE(Device::open(options));
  EXPECT_THAT(Claim::enabled, IsEmpty());
  options.wanted =
      [](const DeviceSnapshot &device) -> Expected<std::vector<std::string>> {
    return device.features;
  };
  ASSERT_FALSE(Device::open(options));
  EXPECT_THAT(Claim::enabled,
              testing::UnorderedElementsAreArray(std::vector<std::string>(
                  std::begin(claimed), std::end(claimed))));
  options.wanted =
      [](const DeviceSnapshot &) -> Expected<std::vector<std::string>> {
    return failure(ErrorCode::Unsupported, "nothing is right here");
  };
  auto refused = Device::open(options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "nothing is right here");
}

void notePipelines(Api &api) {
  if (api.vkCreateShaderModule)
    api.vkCreateShaderModule = [](VkDevice, const VkShaderModuleCreateInfo *,
                                  const VkAllocationCallbacks *,
                                  VkShaderModule *module) {
      *module = VK_NULL_HANDLE;
      return VK_SUCCESS;
    };
  if (api.vkCreateComputePipelines)
    api.vkCreateComputePipelines = [](VkDevice, VkPipelineCache, uint32_t,
                                      const VkComputePipelineCreateInfo *info,
                                      const VkAllocationCallbacks *,
                                      VkPipeline *) {
      Claim::subgroup = 0;
      Claim::isFull =
          info->stage.flags &
          VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT;
      if (info->stage.pNext)
        Claim::subgroup =
            static_cast<
                const VkPipelineShaderStageRequiredSubgroupSizeCreateInfoEXT *>(
                info->stage.pNext)
                ->requiredSubgroupSize;
      return VkResult(VK_ERROR_UNKNOWN);
    };
}

TEST_F(MatrixDevice, RunsKernelsWithMatricesInFullSubgroups) {
  DeviceOptions options;
  options.intercept = notePipelines;
  auto device = Device::open(options);
  ASSERT_TRUE(device) << device.error().message();
  constexpr uint32_t capability = 2 << 16 | 17;
  std::vector<uint32_t> module{0x07230203, 0x10500, 0,          9,   0,
                               capability, 1,       capability, 6022};
  auto compile = [&] {
    return Pipeline::compile(**device, VK_NULL_HANDLE, VK_NULL_HANDLE, "kernel",
                             std::as_bytes(std::span(module)));
  };
  EXPECT_FALSE(compile());
  EXPECT_EQ(Claim::subgroup, matrixInvocations);
  EXPECT_TRUE(Claim::isFull);
  module.back() = 61;
  EXPECT_FALSE(compile());
  EXPECT_EQ(Claim::subgroup, 0u);
  EXPECT_FALSE(Claim::isFull);
}

} // namespace
} // namespace gptc::vulkan
