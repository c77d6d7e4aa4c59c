//===- Timestamps.h - A Vulkan device's clock ------------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_TIMESTAMPS_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_TIMESTAMPS_H

#include "gptc/backends/vulkan/runtime/Device.h"

namespace gptc::vulkan {

/// Moments on the device's own clock, written by commands. The device must
/// have timestamps and outlive it.
class Timestamps {
public:
  static Expected<Timestamps> create(const Device &device, uint32_t count);
  Timestamps(Timestamps &&other) noexcept;
  Timestamps &operator=(Timestamps &&) = delete;
  ~Timestamps();

  VkQueryPool handle() const { return pool_; }
  /// Seconds from each moment to the next: one less than there are moments.
  /// All must have been written.
  Status read(std::span<double> seconds) const;

private:
  Timestamps(const Device &device, uint32_t count)
      : device_(&device), count_(count) {}

  const Device *device_;
  uint32_t count_;
  VkQueryPool pool_ = VK_NULL_HANDLE;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_TIMESTAMPS_H
