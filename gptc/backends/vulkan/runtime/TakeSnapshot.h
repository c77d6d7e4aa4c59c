//===- TakeSnapshot.h - Asking a Vulkan device what it is ------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_TAKESNAPSHOT_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_TAKESNAPSHOT_H

#include "gptc/backends/vulkan/runtime/Api.h"
#include "gptc/backends/vulkan/runtime/DeviceSnapshot.h"

namespace gptc::vulkan {

/// What a device says of itself now. Of one whose driver is too old for use,
/// only its name, kind and version.
Expected<DeviceSnapshot> takeSnapshot(const Api &api, VkPhysicalDevice device);

/// The extensions that a device has.
Expected<std::vector<std::string>> extensionsOf(const Api &api,
                                                VkPhysicalDevice device);

/// Bytes of each memory heap that can be had now, as far as the driver says:
/// else the heaps' sizes.
std::vector<uint64_t> freeHeapBytes(const Api &api, VkPhysicalDevice device,
                                    bool hasBudgets);

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_TAKESNAPSHOT_H
