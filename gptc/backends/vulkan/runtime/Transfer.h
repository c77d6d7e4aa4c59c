//===- Transfer.h - Bytes to and from a Vulkan device ----------*- C++ -*-===//

#ifndef GPTC_BACKENDS_VULKAN_RUNTIME_TRANSFER_H
#define GPTC_BACKENDS_VULKAN_RUNTIME_TRANSFER_H

#include "gptc/backends/vulkan/runtime/Commands.h"

#include <array>

namespace gptc::vulkan {

/// Moves bytes between the host and buffers of a device, directly where the
/// host reaches them, else through two buffers, of which one is filled while
/// the device copies the other. Nothing else may run on the device meanwhile.
/// Not thread safe; the device must outlive it.
class Transfer {
public:
  explicit Transfer(Device &device) : device_(&device) {}
  Transfer(const Transfer &) = delete;
  Transfer &operator=(const Transfer &) = delete;
  ~Transfer();

  /// Makes units [from, end) at `to`.
  using Fill = std::function<void(uint64_t from, uint64_t end, std::byte *to)>;
  /// Writes `units` units of `unitBytes` bytes at `offset` of a buffer. They
  /// are there after finish().
  Status write(const Buffer &to, uint64_t offset, uint64_t units,
               uint64_t unitBytes, const Fill &fill);
  Status write(const Buffer &to, uint64_t offset,
               std::span<const std::byte> bytes);
  /// Sets each 32 bits to `word`; offset and size are multiples of 4.
  Status fill(const Buffer &to, uint64_t offset, uint64_t bytes, uint32_t word);
  Status clear(const Buffer &to, uint64_t offset, uint64_t bytes) {
    return fill(to, offset, bytes, 0);
  }
  /// Waits until all that was written is there.
  Status finish();
  /// Bytes of a buffer, until anything else is called.
  Expected<std::span<const std::byte>> read(const Buffer &from, uint64_t offset,
                                            uint64_t bytes);

private:
  struct Slot {
    Buffer buffer;
    CommandList commands;
    uint64_t submission = 0; ///< 0: nothing is on the way.
  };
  /// The slot whose turn it is, done with what it did before.
  Expected<Slot *> nextSlot(uint64_t bytes);
  Status copy(Slot &slot, const Buffer &from, uint64_t fromOffset,
              const Buffer &to, uint64_t toOffset, uint64_t bytes);

  Device *device_;
  std::array<Slot, 2> slots_;
  size_t next_ = 0;
  std::vector<std::byte> read_;
};

} // namespace gptc::vulkan

#endif // GPTC_BACKENDS_VULKAN_RUNTIME_TRANSFER_H
