//===- Api.h - The Vulkan functions that are used --------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_API_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_API_H

#include "gptc/backends/vulkan/runtime/MatrixExtension.h"
#include "gptc/runtime/base/Error.h"

#include <functional>
#include <vulkan/vulkan_core.h>

/// Those that need no instance, those of an instance, those of a device.
#define GPTC_VULKAN_GLOBAL_FUNCTIONS(X)                                        \
  X(vkEnumerateInstanceVersion)                                                \
  X(vkCreateInstance)
#define GPTC_VULKAN_INSTANCE_FUNCTIONS(X)                                      \
  X(vkDestroyInstance)                                                         \
  X(vkEnumeratePhysicalDevices)                                                \
  X(vkGetPhysicalDeviceProperties)                                             \
  X(vkGetPhysicalDeviceProperties2)                                            \
  X(vkGetPhysicalDeviceFeatures2)                                              \
  X(vkGetPhysicalDeviceMemoryProperties2)                                      \
  X(vkGetPhysicalDeviceQueueFamilyProperties)                                  \
  X(vkEnumerateDeviceExtensionProperties)                                      \
  X(vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)                         \
  X(vkCreateDevice)                                                            \
  X(vkGetDeviceProcAddr)
#define GPTC_VULKAN_DEVICE_FUNCTIONS(X)                                        \
  X(vkDestroyDevice)                                                           \
  X(vkGetDeviceQueue)                                                          \
  X(vkDeviceWaitIdle)                                                          \
  X(vkCreateBuffer)                                                            \
  X(vkDestroyBuffer)                                                           \
  X(vkGetBufferMemoryRequirements)                                             \
  X(vkAllocateMemory)                                                          \
  X(vkFreeMemory)                                                              \
  X(vkBindBufferMemory)                                                        \
  X(vkGetBufferDeviceAddress)                                                  \
  X(vkMapMemory)                                                               \
  X(vkCreateShaderModule)                                                      \
  X(vkDestroyShaderModule)                                                     \
  X(vkCreatePipelineLayout)                                                    \
  X(vkDestroyPipelineLayout)                                                   \
  X(vkCreatePipelineCache)                                                     \
  X(vkDestroyPipelineCache)                                                    \
  X(vkGetPipelineCacheData)                                                    \
  X(vkCreateComputePipelines)                                                  \
  X(vkDestroyPipeline)                                                         \
  X(vkCreateCommandPool)                                                       \
  X(vkDestroyCommandPool)                                                      \
  X(vkAllocateCommandBuffers)                                                  \
  X(vkBeginCommandBuffer)                                                      \
  X(vkEndCommandBuffer)                                                        \
  X(vkCmdBindPipeline)                                                         \
  X(vkCmdPushConstants)                                                        \
  X(vkCmdDispatchBase)                                                         \
  X(vkCmdPipelineBarrier)                                                      \
  X(vkCmdCopyBuffer)                                                           \
  X(vkCmdFillBuffer)                                                           \
  X(vkCmdResetQueryPool)                                                       \
  X(vkCmdWriteTimestamp)                                                       \
  X(vkCreateQueryPool)                                                         \
  X(vkDestroyQueryPool)                                                        \
  X(vkGetQueryPoolResults)                                                     \
  X(vkCreateSemaphore)                                                         \
  X(vkDestroySemaphore)                                                        \
  X(vkWaitSemaphores)                                                          \
  X(vkQueueSubmit)

namespace gptc::vulkan {

/// Pointers to the functions of one instance and device. Nothing is linked: a
/// machine without Vulkan gets a sentence. A plain table, so that a test can
/// put functions that fail in their places. Functions of extensions are null
/// where nothing offers them.
struct Api {
#define GPTC_VULKAN_MEMBER(name) PFN_##name name = nullptr;
  GPTC_VULKAN_GLOBAL_FUNCTIONS(GPTC_VULKAN_MEMBER)
  GPTC_VULKAN_INSTANCE_FUNCTIONS(GPTC_VULKAN_MEMBER)
  GPTC_VULKAN_DEVICE_FUNCTIONS(GPTC_VULKAN_MEMBER)
#undef GPTC_VULKAN_MEMBER

  /// Loads the Vulkan loader and the functions that need no instance.
  static Expected<Api> load();
  void loadInstance(VkInstance instance);
  void loadDevice(VkDevice device);
};

/// May replace functions each time after some were loaded.
using Intercept = std::function<void(Api &)>;

/// The error of a call that failed; `action` goes on after "cannot", such as
/// "allocate 3.0 MiB for activations on 'NAME'". Running out of memory, a lost
/// device and what else users can do something about come with a remedy.
tl::unexpected<Error> callFailed(VkResult result, const std::string &action);

/// Returns the error of a call that did not succeed.
#define GPTC_VULKAN(call, ...)                                                 \
  do {                                                                         \
    if (VkResult gptcResult = (call); gptcResult != VK_SUCCESS)                \
      return ::gptc::vulkan::callFailed(gptcResult, fmt::format(__VA_ARGS__)); \
  } while (false)

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_API_H
