//===- Buffer.h - Memory of a Vulkan device --------------------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_BUFFER_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_BUFFER_H

#include "gptc/backends/vulkan/runtime/Device.h"

namespace gptc::vulkan {

/// A buffer with memory of its own. Movable; owns; the device must outlive it.
class Buffer {
public:
  /// `what` names the content where the device has too little memory.
  static Expected<Buffer> create(const Device &device, uint64_t bytes,
                                 MemoryUse use, const std::string &what);
  Buffer() = default;
  Buffer(Buffer &&other) noexcept { *this = std::move(other); }
  Buffer &operator=(Buffer &&other) noexcept;
  ~Buffer();

  VkBuffer handle() const { return buffer_; }
  uint64_t size() const { return bytes_; }
  /// As kernels see it.
  uint64_t address() const { return address_; }
  /// As the host sees it; null where it does not.
  std::byte *data() const { return data_; }

private:
  const Device *device_ = nullptr;
  VkBuffer buffer_ = VK_NULL_HANDLE;
  VkDeviceMemory memory_ = VK_NULL_HANDLE;
  uint64_t bytes_ = 0, address_ = 0;
  std::byte *data_ = nullptr;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_BUFFER_H
