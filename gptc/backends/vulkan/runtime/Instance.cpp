//===- Instance.cpp -------------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/Instance.h"

#include "gptc/backends/vulkan/runtime/ListDevices.h"
#include "gptc/backends/vulkan/runtime/TakeSnapshot.h"

namespace gptc::vulkan {

namespace {

tl::unexpected<Error> noDriver() {
  return failure(ErrorCode::NotFound,
                 "the Vulkan loader finds no driver; install the one of the "
                 "GPU's vendor or Mesa's (Debian: mesa-vulkan-drivers), or "
                 "name its file in VK_DRIVER_FILES");
}

} // namespace

Expected<std::shared_ptr<const Instance>>
Instance::create(const Intercept &intercept) {
  std::shared_ptr<Instance> instance(new Instance());
  Api &api = instance->api_;
  GPTC_TRY(api, Api::load());
  if (intercept)
    intercept(api);
  uint32_t version = VK_API_VERSION_1_0;
  if (api.vkEnumerateInstanceVersion)
    GPTC_VULKAN(api.vkEnumerateInstanceVersion(&version),
                "ask for the version of the Vulkan loader");
  if (version < VK_API_VERSION_1_2)
    return failure(ErrorCode::Unsupported,
                   "the Vulkan loader of this machine is of version {}, and "
                   "1.2 is needed; update it (Debian: libvulkan1)",
                   versionText(version));
  VkApplicationInfo application{};
  application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
  application.pApplicationName = "gptc";
  application.apiVersion = VK_API_VERSION_1_2;
  VkInstanceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  info.pApplicationInfo = &application;
  VkResult result = api.vkCreateInstance(&info, nullptr, &instance->instance_);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
    return noDriver();
  GPTC_VULKAN(result, "begin to use Vulkan");
  api.loadInstance(instance->instance_);
  if (intercept)
    intercept(api);
  GPTC_CHECK(instance->enumerate());
  return instance;
}

Status Instance::enumerate() {
  const char *action = "list the Vulkan devices";
  uint32_t count = 0;
  VkResult result = api_.vkEnumeratePhysicalDevices(instance_, &count, nullptr);
  // Loaders differ in how they say that no driver could be used.
  if (result == VK_ERROR_INITIALIZATION_FAILED)
    return noDriver();
  GPTC_VULKAN(result, "{}", action);
  physical_.resize(count);
  if (count > 0) {
    result =
        api_.vkEnumeratePhysicalDevices(instance_, &count, physical_.data());
    // Fewer is fine: one may have gone away in between.
    if (result != VK_INCOMPLETE)
      GPTC_VULKAN(result, "{}", action);
    physical_.resize(count);
  }
  for (VkPhysicalDevice device : physical_) {
    GPTC_TRY(DeviceSnapshot snapshot, takeSnapshot(api_, device));
    snapshots_.push_back(std::move(snapshot));
  }
  return {};
}

Expected<std::vector<DeviceSnapshot>> listDevices() {
  GPTC_TRY(auto instance, Instance::create());
  return std::vector(instance->devices().begin(), instance->devices().end());
}

Instance::~Instance() {
  if (instance_ != VK_NULL_HANDLE)
    api_.vkDestroyInstance(instance_, nullptr);
}

} // namespace gptc::vulkan
