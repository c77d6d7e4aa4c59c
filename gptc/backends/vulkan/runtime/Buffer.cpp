//===- Buffer.cpp ---------------------------------------------------------===//

#include "gptc/backends/vulkan/runtime/Buffer.h"

namespace gptc::vulkan {

Expected<Buffer> Buffer::create(const Device &device, uint64_t bytes,
                                MemoryUse use, const std::string &what) {
  const Api &api = device.api();
  Buffer buffer;
  buffer.device_ = &device;
  buffer.bytes_ = bytes;
  std::string action =
      fmt::format("allocate {:.1f} MiB for {} on the Vulkan device '{}'",
                  double(bytes) / 1048576, what, device.name());
  if (uint64_t most = device.snapshot().bufferBytes; most > 0 && bytes > most)
    return failure(ErrorCode::OutOfMemory,
                   "cannot {}: its buffers have at most {:.1f} MiB; compile "
                   "with a shorter --context or a smaller --batch",
                   action, double(most) / 1048576);
  VkBufferCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
  info.size = bytes;
  info.usage =
      VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT;
  if (use == MemoryUse::Device)
    info.usage |= VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                  VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
  GPTC_VULKAN(
      api.vkCreateBuffer(device.handle(), &info, nullptr, &buffer.buffer_),
      "{}", action);
  VkMemoryRequirements needs{};
  api.vkGetBufferMemoryRequirements(device.handle(), buffer.buffer_, &needs);
  auto type = chooseMemoryType(device.memory(), needs.memoryTypeBits, use);
  if (!type)
    return failure(ErrorCode::Unsupported,
                   "cannot {}: it has no memory of that kind", action);
  VkMemoryAllocateFlagsInfo flags{};
  flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
  flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  VkMemoryAllocateInfo allocation{};
  allocation.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
  if (use == MemoryUse::Device)
    allocation.pNext = &flags;
  allocation.allocationSize = needs.size;
  allocation.memoryTypeIndex = *type;
  VkResult result = api.vkAllocateMemory(device.handle(), &allocation, nullptr,
                                         &buffer.memory_);
  if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY && use == MemoryUse::Device)
    return callFailed(result,
                      fmt::format("{} ({:.1f} MiB are free)", action,
                                  double(device.freeBytes()) / 1048576));
  GPTC_VULKAN(result, "{}", action);
  GPTC_VULKAN(api.vkBindBufferMemory(device.handle(), buffer.buffer_,
                                     buffer.memory_, 0),
              "{}", action);
  bool mapped = use == MemoryUse::Host ||
                (isShared(device.memory(), *type) && !device.alwaysCopies());
  if (mapped) {
    void *data = nullptr;
    GPTC_VULKAN(api.vkMapMemory(device.handle(), buffer.memory_, 0,
                                VK_WHOLE_SIZE, 0, &data),
                "{}", action);
    buffer.data_ = static_cast<std::byte *>(data);
  }
  if (use == MemoryUse::Device) {
    VkBufferDeviceAddressInfo address{};
    address.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO;
    address.buffer = buffer.buffer_;
    buffer.address_ = api.vkGetBufferDeviceAddress(device.handle(), &address);
  }
  return buffer;
}

Buffer &Buffer::operator=(Buffer &&other) noexcept {
  std::swap(device_, other.device_);
  std::swap(buffer_, other.buffer_);
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  std::swap(address_, other.address_);
  std::swap(data_, other.data_);
  return *this;
}

Buffer::~Buffer() {
  if (!device_)
    return;
  const Api &api = device_->api();
  api.vkDestroyBuffer(device_->handle(), buffer_, nullptr);
  // Unmaps as well.
  api.vkFreeMemory(device_->handle(), memory_, nullptr);
}

} // namespace gptc::vulkan
