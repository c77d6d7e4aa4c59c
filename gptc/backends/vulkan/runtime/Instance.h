//===- Instance.h - The drivers of this machine ----------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_INSTANCE_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_INSTANCE_H

#include "gptc/backends/vulkan/runtime/Api.h"
#include "gptc/backends/vulkan/runtime/DeviceSnapshot.h"

#include <memory>
#include <span>

namespace gptc::vulkan {

/// A Vulkan instance with what its drivers say of their devices. Immutable
/// after creation.
class Instance {
public:
  /// NotFound where there is no loader or no driver; which of them, and what
  /// to do, is in the sentence. `intercept` may be empty.
  static Expected<std::shared_ptr<const Instance>>
  create(const Intercept &intercept = {});
  Instance(const Instance &) = delete;
  Instance &operator=(const Instance &) = delete;
  ~Instance();

  /// Without functions of a device.
  const Api &api() const { return api_; }
  std::span<const DeviceSnapshot> devices() const { return snapshots_; }
  VkPhysicalDevice physical(size_t index) const { return physical_[index]; }

private:
  Instance() = default;
  Status enumerate();

  Api api_;
  VkInstance instance_ = VK_NULL_HANDLE;
  std::vector<VkPhysicalDevice> physical_;
  std::vector<DeviceSnapshot> snapshots_;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_INSTANCE_H
