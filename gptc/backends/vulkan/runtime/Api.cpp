//===- Api.cpp ------------------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/Api.h"

// volk's implementation lies in this file. Its symbols are named as the
// loader's own functions and must not be seen by any other library of the
// process; what it includes is of the system and stays as it is.
#include <dlfcn.h>
#include <stddef.h>
#pragma GCC visibility push(hidden)
#define VOLK_IMPLEMENTATION
#include <volk.h>
#pragma GCC visibility pop

namespace gptc::vulkan {

Expected<Api> Api::load() {
  if (volkInitialize() != VK_SUCCESS)
    return failure(ErrorCode::NotFound,
                   "the Vulkan loader, libvulkan.so.1, is not installed; "
                   "install it (Debian: libvulkan1) and a driver for the GPU, "
                   "or run with --backend cpu");
  Api api;
#define GPTC_VULKAN_LOAD(name)                                                 \
  api.name =                                                                   \
      reinterpret_cast<PFN_##name>(vkGetInstanceProcAddr(nullptr, #name));
  GPTC_VULKAN_GLOBAL_FUNCTIONS(GPTC_VULKAN_LOAD)
#undef GPTC_VULKAN_LOAD
  return api;
}

void Api::loadInstance(VkInstance instance) {
#define GPTC_VULKAN_LOAD(name)                                                 \
  name = reinterpret_cast<PFN_##name>(vkGetInstanceProcAddr(instance, #name));
  GPTC_VULKAN_INSTANCE_FUNCTIONS(GPTC_VULKAN_LOAD)
#undef GPTC_VULKAN_LOAD
}

void Api::loadDevice(VkDevice device) {
#define GPTC_VULKAN_LOAD(name)                                                 \
  name = reinterpret_cast<PFN_##name>(vkGetDeviceProcAddr(device, #name));
  GPTC_VULKAN_DEVICE_FUNCTIONS(GPTC_VULKAN_LOAD)
#undef GPTC_VULKAN_LOAD
}

namespace {

const char *nameOf(VkResult result) {
  switch (result) {
  case VK_TIMEOUT:
    return "a timeout";
  case VK_ERROR_INITIALIZATION_FAILED:
    return "VK_ERROR_INITIALIZATION_FAILED";
  case VK_ERROR_MEMORY_MAP_FAILED:
    return "VK_ERROR_MEMORY_MAP_FAILED";
  case VK_ERROR_LAYER_NOT_PRESENT:
    return "VK_ERROR_LAYER_NOT_PRESENT";
  case VK_ERROR_EXTENSION_NOT_PRESENT:
    return "VK_ERROR_EXTENSION_NOT_PRESENT";
  case VK_ERROR_FEATURE_NOT_PRESENT:
    return "VK_ERROR_FEATURE_NOT_PRESENT";
  case VK_ERROR_INCOMPATIBLE_DRIVER:
    return "VK_ERROR_INCOMPATIBLE_DRIVER";
  case VK_ERROR_TOO_MANY_OBJECTS:
    return "VK_ERROR_TOO_MANY_OBJECTS";
  case VK_ERROR_FRAGMENTATION:
    return "VK_ERROR_FRAGMENTATION";
  case VK_ERROR_INVALID_SHADER_NV:
    return "VK_ERROR_INVALID_SHADER_NV";
  default:
    return "VK_ERROR_UNKNOWN";
  }
}

} // namespace

tl::unexpected<Error> callFailed(VkResult result, const std::string &action) {
  switch (result) {
  case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    return failure(ErrorCode::OutOfMemory,
                   "cannot {}: the device has too little memory left; end "
                   "what else uses it, or compile with a shorter --context, a "
                   "smaller --batch or --dtype bf16",
                   action);
  case VK_ERROR_OUT_OF_HOST_MEMORY:
    return failure(ErrorCode::OutOfMemory,
                   "cannot {}: this machine has too little memory left",
                   action);
  case VK_ERROR_DEVICE_LOST:
    return failure(ErrorCode::DeviceLost,
                   "cannot {}: the device was lost (its driver reset it, or it "
                   "was taken away); what it held is gone, start again",
                   action);
  default:
    return failure(ErrorCode::Unsupported,
                   "cannot {}: the Vulkan driver answers {} ({}); update it, "
                   "or run with --backend cpu",
                   action, nameOf(result), int(result));
  }
}

} // namespace gptc::vulkan
