//===- DeviceFeatures.h - What a device is opened with ---------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_DEVICEFEATURES_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_DEVICEFEATURES_H

#include "gptc/backends/vulkan/runtime/DeviceSnapshot.h"
#include "gptc/backends/vulkan/runtime/MatrixExtension.h"

namespace gptc::vulkan {

/// The features of Features.h that kernels with cooperative matrices need, as
/// far as a device has what each is made of: a matrix feature only where the
/// very product is listed.
std::vector<std::string> matrixFeatures(const MatrixSupport &support);

/// Structures for vkCreateDevice that switch on what a device has. What stands
/// behind an extension, and Vulkan's memory model, only where it is among
/// `wanted`: a driver need not be good at what nobody uses. Neither copied nor
/// moved, since the structures point to each other.
class DeviceFeatures {
public:
  DeviceFeatures(const DeviceSnapshot &device,
                 const std::vector<std::string> &wanted);
  DeviceFeatures(const DeviceFeatures &) = delete;
  DeviceFeatures &operator=(const DeviceFeatures &) = delete;

  /// Of VkDeviceCreateInfo.
  const void *chain() const { return &features_; }
  const std::vector<const char *> &extensions() const { return extensions_; }

private:
  VkPhysicalDeviceFeatures2 features_{};
  VkPhysicalDeviceVulkan11Features features11_{};
  VkPhysicalDeviceVulkan12Features features12_{};
  VkPhysicalDeviceSubgroupSizeControlFeaturesEXT subgroups_{};
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices_{};
  VkPhysicalDeviceShaderBfloat16FeaturesKHR bf16_{};
  std::vector<const char *> extensions_;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_DEVICEFEATURES_H
