//===- Device.h - A Vulkan device in use -----------------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_DEVICE_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_DEVICE_H

#include "gptc/backends/vulkan/runtime/Instance.h"
#include "gptc/backends/vulkan/runtime/MemoryTypes.h"

namespace gptc::vulkan {

struct DeviceOptions {
  /// As chooseDevice() takes it; empty: the best one.
  std::string device;
  /// Copies even where the host could use the device's memory: for tests.
  bool alwaysCopy = false;
  Intercept intercept;
  /// The features that will be used of the device that was chosen; what
  /// DeviceFeatures leaves off unless it is wanted. Empty: none. An error keeps
  /// the device from being opened.
  std::function<Expected<std::vector<std::string>>(const DeviceSnapshot &)>
      wanted = {};
};

/// A logical device with one queue. Not thread safe but for api(), handle()
/// and what is constant. Whatever belongs to it must be gone before it is.
class Device {
public:
  /// Errors as Instance::create() and chooseDevice() have them.
  static Expected<std::unique_ptr<Device>> open(const DeviceOptions &options);
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;
  /// Waits until the device does nothing more.
  ~Device();

  const Api &api() const { return api_; }
  VkDevice handle() const { return device_; }
  const DeviceSnapshot &snapshot() const { return *snapshot_; }
  const std::string &name() const { return snapshot_->name; }
  const VkPhysicalDeviceMemoryProperties &memory() const { return memory_; }
  bool alwaysCopies() const { return alwaysCopy_; }
  /// Bytes that can be had now of the memory that weights and activations go
  /// to; 0 where it is unknown.
  uint64_t freeBytes() const;

  /// Hands over command buffers, one submission each, so that no driver takes
  /// them for one piece of work that never ends. Returns what to wait for.
  Expected<uint64_t> submit(std::span<const VkCommandBuffer> commands);
  /// Waits until that submission and all before it are done. Fails with
  /// DeviceLost where they never will be.
  Status wait(uint64_t submission);
  Status run(std::span<const VkCommandBuffer> commands);
  /// The same with the seconds until each was done, from when the one before
  /// was, by the host's clock: what a driver waits for before it takes the
  /// device for hung.
  Status run(std::span<const VkCommandBuffer> commands,
             std::span<double> seconds);

private:
  Device() = default;
  Status create(const Intercept &intercept,
                const std::vector<std::string> &wanted);

  std::shared_ptr<const Instance> instance_;
  const DeviceSnapshot *snapshot_ = nullptr;
  VkPhysicalDevice physical_ = VK_NULL_HANDLE;
  bool alwaysCopy_ = false;
  bool hasBudgets_ = false;
  Api api_;
  VkPhysicalDeviceMemoryProperties memory_{};
  VkDevice device_ = VK_NULL_HANDLE;
  VkQueue queue_ = VK_NULL_HANDLE;
  VkSemaphore timeline_ = VK_NULL_HANDLE;
  uint64_t submitted_ = 0;
  // Of submit(), kept so that running allocates nothing.
  std::vector<uint64_t> values_;
  std::vector<VkTimelineSemaphoreSubmitInfo> signals_;
  std::vector<VkSubmitInfo> submissions_;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_DEVICE_H
